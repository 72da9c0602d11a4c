package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rialto-live/rialto/realtime"
)

const (
	dialTimeout = 10 * time.Second
	joinTimeout = 10 * time.Second
	// silence is how long the server may say nothing; it answers our pings.
	silence      = 50 * time.Second
	pingEvery    = 20 * time.Second
	writeTimeout = 5 * time.Second
	backoffFirst = 500 * time.Millisecond
	backoffMost  = 15 * time.Second
	steady       = 10 * time.Second // a connection that lasted this long was no failed attempt
	maxFrame     = 2 * realtime.MaxStateBytes
	maxTold      = time.Minute // that a server may have us wait
)

// firstPings come quickly, so that the clock is good before it is needed.
var firstPings = []time.Duration{0, 400 * time.Millisecond, 800 * time.Millisecond}

// Config says which room to watch, and as whom.
type Config struct {
	// URL says the way to the room as well: ws://host/ws or wss:// is a
	// WebSocket, http://host/events or https:// an event stream, which is for
	// where WebSockets are blocked.
	URL    string
	Room   realtime.RoomID
	Token  string      // optional, goes into the join message or, with an event stream, the header
	Header http.Header // cookies of the viewer
	TLS    *tls.Config // optional, for wss:// and https://
	// LocalAddr is the address to come from; load spreads its viewers over
	// several, since servers count per address.
	LocalAddr net.Addr
	// OnEvent is called for each event that changed the state, snapshots'
	// too, in order.
	OnEvent func(realtime.Event)
	// OnSample is called for each sampled event (chat, hearts), in order. One
	// with an id is never heard twice.
	OnSample func(realtime.Event)
	// OnFrame is called with each message as it came, before all else looks at
	// it. The bytes are the client's.
	OnFrame func(text []byte)
	// OnMe is called with each new version of this person's private document.
	OnMe func(version int64)
	Log  *slog.Logger
	// BackoffMost bounds the wait before coming again; default 15 s.
	BackoffMost time.Duration
}

// Client is one viewer.
type Client struct {
	State
	Clock
	cfg    Config
	dialer websocket.Dialer // for sockets
	client http.Client      // for event streams

	dials, snapshots, resumes, frames atomic.Int64
	joined                            atomic.Bool
	me                                atomic.Int64
	samples                           samples // owned by Run

	calls   sync.Mutex // guards what follows, and the order of writes
	line    line       // that has joined, or nil
	waiting map[string]waitingCall
}

// Stats counts what happened to a client.
type Stats struct {
	Dials, Snapshots, Resumes, Frames int64
	Joined                            bool // now
}

// New makes a client; Run starts it.
func New(cfg Config) *Client {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.BackoffMost == 0 {
		cfg.BackoffMost = backoffMost
	}
	if cfg.OnEvent == nil {
		cfg.OnEvent = func(realtime.Event) {}
	}
	if cfg.OnSample == nil {
		cfg.OnSample = func(realtime.Event) {}
	}
	if cfg.OnFrame == nil {
		cfg.OnFrame = func([]byte) {}
	}
	if cfg.OnMe == nil {
		cfg.OnMe = func(int64) {}
	}
	dial := (&net.Dialer{Timeout: dialTimeout, LocalAddr: cfg.LocalAddr}).DialContext
	return &Client{
		cfg: cfg, waiting: map[string]waitingCall{}, client: httpClient(dial, cfg.TLS),
		dialer: websocket.Dialer{
			NetDialContext: dial, HandshakeTimeout: dialTimeout, TLSClientConfig: cfg.TLS,
			ReadBufferSize: 4 << 10, WriteBufferSize: 1 << 10,
		},
	}
}

// Stats may be called at any time.
func (c *Client) Stats() Stats {
	return Stats{Dials: c.dials.Load(), Snapshots: c.snapshots.Load(), Resumes: c.resumes.Load(), Frames: c.frames.Load(), Joined: c.joined.Load()}
}

// Me is the newest version of this person's private document that the server
// has spoken of on the present connection or before; 0 if it has not.
func (c *Client) Me() int64 { return c.me.Load() }

// Run watches until ctx ends, and returns nil then, or until the server says
// that coming again is of no use: that is a *realtime.CloseError.
func (c *Client) Run(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		start := time.Now()
		err := c.connection(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if final := finalError(err); final != nil {
			return final
		}
		c.cfg.Log.Debug("viewer lost", "room", c.cfg.Room, "error", err)
		if time.Since(start) > steady {
			attempt = 0
		}
		wait, told := reconnectAfter(err)
		if !told {
			wait = rand.N(min(backoffFirst<<min(attempt, 10), c.cfg.BackoffMost) + 1)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// connection is one line's life.
func (c *Client) connection(ctx context.Context) error {
	c.dials.Add(1)
	line, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer line.wait()
	defer line.end()
	defer context.AfterFunc(ctx, line.end)()
	defer c.joined.Store(false)
	live, stop := context.WithCancel(ctx)
	var pinging sync.WaitGroup
	defer pinging.Wait()
	defer stop()
	defer c.disconnect()
	for {
		data, err := line.read()
		if err != nil {
			return err
		}
		if err := c.heard(data, time.Now()); err != nil {
			return err
		}
		if c.joined.Load() && c.connect(line) {
			pinging.Go(func() { c.ping(live) })
		}
	}
}

type pingMessage struct {
	Type  string `json:"t"`
	Clock int64  `json:"c"`
}

func (c *Client) ping(ctx context.Context) {
	for n := 0; ; n++ {
		wait := pingEvery
		if n < len(firstPings) {
			wait = firstPings[n]
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		c.calls.Lock()
		_ = c.write(pingMessage{"ping", c.Clock.asked(time.Now())})
		c.calls.Unlock()
	}
}

// message is anything the server sends.
type message struct {
	realtime.Event
	Offset  int64  `json:"o"`
	Epoch   string `json:"epoch"`
	Resumed bool   `json:"resumed"`
	Call    string `json:"id"`
	C       int64  `json:"c"`
	R       int64  `json:"r"`
	// S is the moment a pong was written, or what a joined remembers.
	S json.RawMessage `json:"s"`
}

func (c *Client) heard(data []byte, now time.Time) error {
	c.cfg.OnFrame(data)
	var m message
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("a frame that is no JSON: %w", err)
	}
	c.frames.Add(1)
	switch m.Type {
	case "pong":
		var written int64
		if err := json.Unmarshal(m.S, &written); err != nil {
			return fmt.Errorf("a pong without its moment: %w", err)
		}
		c.Clock.heard(m.C, m.R, written, now)
	case "reply":
		return c.answered(m.Call, data)
	case "me":
		c.told(m.Version)
	case "joined":
		return c.enter(m)
	case "tick", "sample":
		return c.list(m)
	default:
		m.Event.Class = ""
		c.changed(c.follow(m.Offset, []realtime.Event{m.Event}))
	}
	return nil
}

func (c *Client) told(version int64) {
	if version > c.me.Load() {
		c.me.Store(version)
		c.cfg.OnMe(version)
	}
}

func (c *Client) enter(m message) error {
	state, err := listOf(m.Data)
	if err != nil {
		return err
	}
	remembered, err := listOf(m.S)
	if err != nil {
		return err
	}
	if m.Resumed {
		c.resumes.Add(1)
		c.changed(c.follow(m.Offset, state))
	} else {
		c.snapshots.Add(1)
		c.changed(c.replace(realtime.Position{Epoch: m.Epoch, Offset: m.Offset}, state))
	}
	c.joined.Store(true)
	c.sampled(remembered)
	return nil
}

func (c *Client) list(m message) error {
	list, err := listOf(m.Data)
	if err != nil {
		return err
	}
	if m.Type == "sample" {
		c.sampled(list)
		return nil
	}
	c.changed(c.follow(m.Offset, list))
	return nil
}

func (c *Client) changed(news []realtime.Event) {
	for _, e := range news {
		c.cfg.OnEvent(e)
	}
}

func (c *Client) sampled(events []realtime.Event) {
	for _, e := range c.samples.news(events) {
		c.cfg.OnSample(e)
	}
}

func listOf(data json.RawMessage) (list []realtime.Event, err error) {
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("a list that is none: %w", err)
	}
	return list, nil
}

// reconnectAfter is the moment a leaving node gave this viewer to come again, or
// the time for which a full one sent it away: from then on, within half as long
// again, so that those who were sent away together do not return together.
func reconnectAfter(err error) (time.Duration, bool) {
	var later *laterError
	if errors.As(err, &later) {
		after := max(later.after, backoffFirst)
		return after + rand.N(after/2+1), true
	}
	var closed *closedError
	var reason struct {
		After *int64 `json:"reconnect_after"`
	}
	if !errors.As(err, &closed) || json.Unmarshal([]byte(closed.reason), &reason) != nil || reason.After == nil || *reason.After < 0 {
		return 0, false
	}
	return time.Duration(min(*reason.After, maxTold.Milliseconds())) * time.Millisecond, true
}
