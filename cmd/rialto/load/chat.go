package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/chat"
	rooms "github.com/rialto-live/rialto/realtime/client"
)

// Bounds of ChatConfig, and what it is when nothing is said.
const (
	MaxChatViewers     = 5_000
	DefaultChatViewers = 100
	MaxLines           = 1_000 // a second
	DefaultLines       = 10
	MaxHearts          = 10_000 // a second

	// joinsPerSecond is how many viewers begin to come in a second.
	joinsPerSecond = 500
	// sayWithin is how long a line may wait for its answer.
	sayWithin = 10 * time.Second
	// maxWaiting bounds the lines that wait for their answers: what they would be at the highest pace.
	maxWaiting = 4096
	// maxWays bounds the times of lines that are kept.
	maxWays = 1 << 20
	// heartsAtOnce is what one call sends, as the pages add taps up.
	heartsAtOnce = 10

	ticketPath     = "/api/v1/room-ticket"
	maxTicketBytes = 64 << 10
)

// ChatConfig of Chat.
type ChatConfig struct {
	URL  string // of the rooms: ws://host/ws
	Room string // the show's id
	// Token is a room ticket for all viewers, who are then one person. Without one the server's API makes a guest of each
	// viewer that speaks; the others join unknown.
	Token    string
	Viewers  int
	Lines    int // that are said in a second, by all together
	Hearts   int // that are sent in a second
	Anywhere bool
}

// Validate says everything that is wrong with the configuration.
func (c ChatConfig) Validate() error {
	errs := outside(bound{"viewers", c.Viewers, 1, MaxChatViewers}, bound{"lines", c.Lines, 0, MaxLines}, bound{"hearts", c.Hearts, 0, MaxHearts})
	if realtime.RoomID(c.Room).Validate() != nil {
		errs = append(errs, errors.New("--room is missing: the id of a show, such as shw_1"))
	}
	return errors.Join(append(errs, target(c.URL, "where the rooms are, such as ws://127.0.0.1:8080/ws", c.Anywhere, "ws", "wss"))...)
}

// speakers is how many viewers speak: as many as it takes for nobody to be told that they say too much, if there are.
func (c ChatConfig) speakers() int {
	if c.Lines+c.Hearts == 0 {
		return 0
	}
	perPerson := time.Second.Seconds() / chat.LineEvery.Seconds()
	lines := int(float64(c.Lines)/perPerson*1.5) + 1
	hearts := int(float64(c.Hearts)*chat.HeartEvery.Seconds()*1.5) + 1
	return min(c.Viewers, max(lines, hearts))
}

// talk is a crowd in a show's chat.
type talk struct {
	// static
	config  ChatConfig
	at      *url.URL
	viewers []*talker
	mark    string    // begins a line of ours; what follows is when it was said, and which it is
	began   time.Time // what the times in lines count from

	group sync.WaitGroup // who watch

	said, answered, unanswered, left atomic.Int64 // lines
	hearts, heard, strange           atomic.Int64 // hearts sent; lines of ours heard; of others
	joining                          atomic.Int64 // began to come

	mu      sync.Mutex // guards what follows
	refused map[string]int
	failed  map[string]int // viewers that will not come again, by cause
	ways    []time.Duration
}

// talker is one viewer.
type talker struct {
	client *rooms.Client
	speaks bool
}

// Chat lets viewers into a show's room, has some of them speak, tells every second how that goes, and ends it after a time
// (0: when ctx ends). It returns an error when nobody could join.
func Chat(ctx context.Context, c ChatConfig, lasts time.Duration, out io.Writer) error {
	if err := c.Validate(); err != nil {
		return err
	}
	at, err := url.Parse(c.URL)
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if lasts > 0 {
		stop := time.AfterFunc(lasts, cancel)
		defer stop.Stop()
	}
	t := &talk{config: c, at: at, mark: fmt.Sprintf("load %08x", rand.Uint32()), began: time.Now(), refused: map[string]int{}, failed: map[string]int{}}
	t.invite()
	var parts sync.WaitGroup
	parts.Go(func() {
		t.enter(ctx)
		t.group.Wait()
		cancel() // nobody is left, or ctx has ended
	})
	parts.Go(func() { t.speak(ctx) })
	parts.Go(func() { t.send(ctx) })
	t.tell(ctx, out)
	parts.Wait()
	s := t.stats()
	s.summarize(out, time.Since(t.began))
	if s.Joins == 0 {
		return fmt.Errorf("none of %d viewers could join%s", c.Viewers, t.why())
	}
	return nil
}

// invite makes the viewers' places; speakers stand evenly among the others.
func (t *talk) invite() {
	speakers := t.config.speakers()
	for i := range t.config.Viewers {
		t.viewers = append(t.viewers, &talker{speaks: (i+1)*speakers/t.config.Viewers > i*speakers/t.config.Viewers})
	}
}

// enter has the viewers come, evenly.
func (t *talk) enter(ctx context.Context) {
	for i, v := range t.viewers {
		if Rest(ctx, time.Second/joinsPerSecond) != nil {
			return
		}
		t.joining.Add(1)
		t.group.Go(func() { t.watch(ctx, i, v) })
	}
}

// watch is the life of a viewer.
func (t *talk) watch(ctx context.Context, i int, v *talker) {
	c := rooms.Config{URL: t.config.URL, Room: realtime.RoomID(t.config.Room), Token: t.config.Token, OnSample: t.hear}
	if from := t.source(i); from != nil {
		c.LocalAddr = from
	}
	if v.speaks && t.config.Token == "" {
		var err error
		if c.Header, c.Token, err = t.guest(ctx, c.LocalAddr); err != nil {
			if ctx.Err() == nil {
				t.fail("no room ticket: " + Cause(err))
			}
			return
		}
	}
	client := rooms.New(c)
	t.mu.Lock()
	v.client = client
	t.mu.Unlock()
	if err := client.Run(ctx); err != nil {
		t.fail(err.Error())
	}
}

// source is an address of its own for each viewer on this machine, since servers count by address.
func (t *talk) source(i int) net.Addr {
	ip := net.ParseIP(t.at.Hostname()).To4()
	if t.config.Anywhere || ip == nil || !ip.IsLoopback() {
		return nil
	}
	return &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/250%250), byte(i%250+1))}
}

// guest has the server make a guest. Its cookie lasts; the ticket, which is for a few minutes, is for where there is none.
func (t *talk) guest(ctx context.Context, from net.Addr) (cookies http.Header, ticket string, err error) {
	at := *t.at
	at.Scheme, at.Path, at.RawQuery = map[string]string{"ws": "http", "wss": "https"}[at.Scheme], ticketPath, ""
	dialer := &net.Dialer{Timeout: postTimeout, LocalAddr: from}
	asking := &http.Client{Timeout: postTimeout, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), nil)
	if err != nil {
		return nil, "", err
	}
	response, err := asking.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, "", &Refused{Status: response.StatusCode}
	}
	var body struct{ Token string }
	if err := json.NewDecoder(io.LimitReader(response.Body, maxTicketBytes)).Decode(&body); err != nil {
		return nil, "", fmt.Errorf("the room ticket: %w", err)
	}
	set := response.Cookies()
	if len(set) == 0 {
		return nil, body.Token, nil
	}
	cookies = http.Header{}
	for _, c := range set {
		cookies.Add("Cookie", c.Name+"="+c.Value)
	}
	return cookies, "", nil
}

func (t *talk) fail(cause string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed[cause]++
}
