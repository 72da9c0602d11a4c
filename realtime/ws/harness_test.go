package ws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/client"
	"github.com/rialto-live/rialto/realtime/ws"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

const (
	room     = realtime.RoomID("shw_1")
	patience = 30 * time.Second
	goodPage = "https://rialto.example"
	// uncounted keeps the number of viewers out of frames that a test reads one
	// by one.
	uncounted = time.Hour
)

// show is the truth about a room: what Postgres is to the program. Each change
// gets the next version and waits to be published, as rows of an outbox do.
type show struct {
	mu      sync.Mutex
	version int64
	state   map[client.Key]realtime.Event
	reads   int
	failing error
}

func newShow() *show {
	s := &show{state: map[client.Key]realtime.Event{}}
	s.set("show.state", "show", realtime.Lossless, false)
	return s
}

// set changes the truth and returns the event to publish.
func (s *show) set(typ, key string, class realtime.Class, urgent bool) realtime.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	e := realtime.Event{
		Type: typ, Key: key, Version: s.version, Class: class, Urgent: urgent,
		Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, s.version)), ID: fmt.Sprintf("%s:%d", room, s.version),
	}
	s.state[client.Key{Type: typ, Key: key}] = e
	return e
}

func (s *show) snapshot(context.Context, realtime.RoomID) ([]realtime.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.failing != nil {
		return nil, s.failing
	}
	events := make([]realtime.Event, 0, len(s.state))
	for _, e := range s.state {
		e.Version = s.version
		events = append(events, e)
	}
	return events, nil
}

func (s *show) fail(err error) { s.mu.Lock(); s.failing = err; s.mu.Unlock() }

// differs says how a viewer's state is not the truth, or "".
func (s *show) differs(v *client.Client) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := v.All()
	maps.DeleteFunc(all, func(_ client.Key, e realtime.Event) bool { return e.Version == 0 }) // no truth of a show's
	for key, want := range s.state {
		if got := all[key]; string(got.Data) != string(want.Data) {
			return fmt.Sprintf("%v is %s, want %s", key, got.Data, want.Data)
		}
	}
	if len(all) != len(s.state) {
		return fmt.Sprintf("%d keys, want %d", len(all), len(s.state))
	}
	return ""
}

// node is one node of the program, as far as this area goes.
type node struct {
	t        *testing.T
	show     *show
	bus      bus.Bus
	hub      *realtime.Hub
	server   *httptest.Server
	registry *prometheus.Registry
	line     *line
	streams  bool
	stop     func()
}

type options struct {
	hub func(*realtime.Config)
	ws  func(*ws.Config)
	tls bool
	// http2 is offered beside TLS.
	http2 bool
	// streams is how viewers come, instead of sockets.
	streams bool
	bus     bus.Bus
	show    *show
}

// onBothWays runs a test with viewers who come by sockets, and with viewers who
// come by event streams.
func onBothWays(t *testing.T, test func(t *testing.T, o options)) {
	t.Run("by sockets", func(t *testing.T) { test(t, options{}) })
	t.Run("by streams over HTTP/1.1", func(t *testing.T) { test(t, options{streams: true}) })
	t.Run("by streams over HTTP/2", func(t *testing.T) { test(t, options{streams: true, tls: true, http2: true}) })
}

func start(t *testing.T, o options) *node {
	t.Helper()
	if o.show == nil {
		o.show = newShow()
	}
	if o.bus == nil {
		o.bus = bus.NewMemory()
	}
	n := &node{t: t, show: o.show, bus: o.bus, registry: prometheus.NewRegistry(), streams: o.streams}
	hub := realtime.Config{Bus: o.bus, Snapshot: o.show.snapshot, Metrics: n.registry, Tick: 20 * time.Millisecond, CountEvery: uncounted}
	if o.hub != nil {
		o.hub(&hub)
	}
	var err error
	if n.hub, err = realtime.NewHub(hub); err != nil {
		t.Fatal(err)
	}
	door := ws.Config{
		Hub: n.hub, AllowOrigin: func(origin string) bool { return origin == goodPage },
		Authenticate: func(_ context.Context, h ws.Hello) (ws.Identity, error) {
			if h.Room != room {
				return ws.Identity{}, ws.ErrUnknownRoom
			}
			return ws.Identity{
				Subject: h.Header.Get("Subject"), Session: h.Header.Get("Session"), Name: h.Header.Get("Name"),
				Role: realtime.Role(h.Header.Get("Role")),
			}, nil
		},
	}
	if o.ws != nil {
		o.ws(&door)
	}
	handler, err := ws.New(door)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.hub.Run(ctx) }()
	doors := http.NewServeMux()
	doors.Handle("/ws", handler)
	doors.HandleFunc(ws.EventsPath, handler.ServeEvents)
	doors.HandleFunc(ws.EventsPath+"/", handler.ServeEvents)
	n.server = httptest.NewUnstartedServer(doors)
	n.server.EnableHTTP2 = o.http2
	n.line = &line{Listener: n.server.Listener}
	n.server.Listener = n.line
	if o.tls {
		n.server.StartTLS()
	} else {
		n.server.Start()
	}
	n.stop = sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("hub: %v", err)
		}
		n.server.Close()
	})
	t.Cleanup(n.stop)
	n.untilServing()
	return n
}

func (n *node) untilServing() {
	n.t.Helper()
	until(n.t, "the hub runs", func() bool {
		ticket, err := n.hub.Reserve(netAddr())
		if err == nil {
			ticket.Release()
		}
		return err == nil
	})
}

func (n *node) url() string { return "ws" + strings.TrimPrefix(n.server.URL, "http") + "/ws" }

// say changes the truth and publishes it.
func (n *node) say(typ, key string, class realtime.Class, urgent bool) realtime.Event {
	n.t.Helper()
	e := n.show.set(typ, key, class, urgent)
	n.publish(e)
	return e
}

func (n *node) publish(e realtime.Event) {
	n.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := n.bus.Publish(ctx, room, e)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatal(err)
		}
	}
}

// watch runs a viewer until the test ends.
func (n *node) watch(cfg client.Config) *client.Client {
	n.t.Helper()
	cfg.URL, cfg.Room, cfg.BackoffMost = n.url(), room, 50*time.Millisecond
	if n.streams {
		cfg.URL, cfg.TLS = n.server.URL+ws.EventsPath, n.server.Client().Transport.(*http.Transport).TLSClientConfig
	}
	v := client.New(cfg)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = v.Run(ctx) }()
	n.t.Cleanup(func() { stop(); <-done })
	return v
}

func (n *node) joined(v *client.Client) {
	n.t.Helper()
	until(n.t, "the viewer joined", func() bool { return v.Stats().Joined })
}

func (n *node) agrees(v *client.Client) {
	n.t.Helper()
	var why string
	until(n.t, "the viewer's state equals the truth", func() bool { why = n.show.differs(v); return why == "" }, func() string { return why })
}

func until(t *testing.T, what string, ok func() bool, why ...func() string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			for _, w := range why {
				what += ": " + w()
			}
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// line is the network in front of a node; cut breaks what goes over it.
type line struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (l *line) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.conns = append(l.conns, c)
		l.mu.Unlock()
	}
	return c, err
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	l.conns = nil
}

// dial opens a bare socket, for tests of the wire.
func (n *node) dial(header http.Header) *websocket.Conn {
	n.t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial(n.url(), header)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	return conn
}

func send(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, conn *websocket.Conn) map[string]any {
	t.Helper()
	var m map[string]any
	if err := conn.ReadJSON(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func join(t *testing.T, conn *websocket.Conn) map[string]any {
	t.Helper()
	send(t, conn, `{"t":"join","room":"shw_1"}`)
	return read(t, conn)
}

// closedWith reads until the socket is closed and compares the code.
func closedWith(t *testing.T, conn *websocket.Conn, want realtime.Code) string {
	t.Helper()
	for {
		_, _, err := conn.ReadMessage()
		if err == nil {
			continue
		}
		if !websocket.IsCloseError(err, int(want)) {
			t.Fatalf("closed with %v, want %d %s", err, want, want)
		}
		return err.(*websocket.CloseError).Text
	}
}

// metric sums a metric's values over its labels.
func (n *node) metric(name string) float64 {
	n.t.Helper()
	families, err := n.registry.Gather()
	if err != nil {
		n.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// redisBus is one node's bus over a Redis.
func redisBus(t *testing.T, url string) bus.Bus {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	b, err := bus.NewRedis(bus.RedisConfig{Client: c, CheckEvery: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done; c.Close() })
	return b
}
