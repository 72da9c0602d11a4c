package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/realtime"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

const patience = 20 * time.Second

// cluster is two nodes on one bus.
type cluster struct {
	a, b   Bus
	forget func()
	sizes  sizes
	// timeless is a server whose keys lapse only when it is told that time has
	// passed.
	timeless bool
	// net is b's line to Redis; in memory there is none that could lose anything.
	net *lossyNet
}

// clusters are the implementations that the suite holds to one behaviour.
var clusters = map[string]func(*testing.T) cluster{
	"memory": func(t *testing.T) cluster {
		m := NewMemory()
		m.beats = quick
		return cluster{m.Node("a"), m.Node("b"), m.Forget, fullSizes, false, nil}
	},
	"miniredis": func(t *testing.T) cluster {
		s := miniredis.RunT(t)
		net := newLossyNet()
		return cluster{sized(t, "redis://"+s.Addr(), small, nil), sized(t, "redis://"+s.Addr(), small, net), s.FlushAll, small, true, net}
	},
	"redis": func(t *testing.T) cluster {
		s := embeddedtest.NewRedisServer(t)
		net := newLossyNet()
		return cluster{node(t, s.URL()), sized(t, s.URL(), fullSizes, net), s.Flush, fullSizes, false, net}
	},
}

// node is a bus that runs until the test ends.
func node(t *testing.T, url string) *Redis {
	t.Helper()
	return sized(t, url, fullSizes, nil)
}

// small suits miniredis, which needs some milliseconds for a script.
var small = sizes{history: 64, waiting: 128, casts: 32, ahead: 16}

// quick lets tests see a node lapse.
var quick = beats{lapse: 800 * time.Millisecond, refresh: 200 * time.Millisecond, again: 1200 * time.Millisecond}

func sized(t *testing.T, url string, s sizes, net *lossyNet) *Redis {
	t.Helper()
	cfg := RedisConfig{Client: dial(t, url), CheckEvery: 100 * time.Millisecond}
	if net != nil {
		cfg.Lose, cfg.Metrics = net.loses, net.registry
	}
	b, err := NewRedis(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.sizes, b.beats = s, quick
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return b
}

func dial(t *testing.T, url string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o)
	t.Cleanup(func() { client.Close() })
	return client
}

func TestSuite(t *testing.T) {
	for name, start := range clusters {
		t.Run(name, func(t *testing.T) {
			for name, test := range map[string]func(*testing.T, cluster){
				"order": order, "once": once, "later": later, "limits": limits, "forget": forget, "forget in silence": forgetInSilence,
				"rooms apart": roomsApart, "stand still": standStill, "too long": tooLong, "control": control, "many at once": manyAtOnce,
				"closed": closedFeed,
				"casts":  casts, "cast limits": castLimits, "kept": kept, "kept once": keptOnce, "values": values, "flood of casts": castFlood,
				"count": count, "count of nobody": countNobody, "count of the dead": countDead, "count again": countAgain, "count limits": countLimits,
				"many rooms": countManyRooms, "count forgotten": countForgotten,
				"lost, one by one": lostOneByOne, "lost in a stream": lostInStream, "lost in a row": lostInRow, "lost at the end": lostAtEnd,
				"lost and trimmed": lostAndTrimmed, "casts lost": lostCasts,
			} {
				t.Run(name, func(t *testing.T) { test(t, start(t)) })
			}
		})
	}
}

func ctxFor(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func event(v int64) realtime.Event {
	return realtime.Event{Type: "pin.set", Key: "pin", Version: v, Class: realtime.Lossless, Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, v)), ID: fmt.Sprintf("shw:%d", v)}
}

func publish(t *testing.T, b Bus, room realtime.RoomID, e realtime.Event) int64 {
	t.Helper()
	offset, err := b.Publish(ctxFor(t), room, e)
	if err != nil {
		t.Fatal(err)
	}
	return offset
}

// listener reads a feed on behalf of a test.
type listener struct {
	t     *testing.T
	at    realtime.Position
	feed  realtime.Feed
	queue []realtime.Delivery
}

func subscribe(t *testing.T, b Bus, room realtime.RoomID) *listener {
	t.Helper()
	at, feed, err := b.Subscribe(ctxFor(t), room)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(feed.Close)
	return &listener{t: t, at: at, feed: feed}
}

// next is the next delivery that is no doubt.
func (l *listener) next() realtime.Delivery {
	l.t.Helper()
	deadline := time.After(patience)
	for {
		for len(l.queue) > 0 {
			d := l.queue[0]
			l.queue = l.queue[1:]
			if d.News != realtime.NewsDoubt {
				return d
			}
		}
		select {
		case <-l.feed.Ready():
			l.queue = append(l.queue, l.feed.Take()...)
		case <-deadline:
			l.t.Fatal("nothing came")
		}
	}
}

// expect reads events first..last of the version order, at the offsets that
// follow each other.
func (l *listener) expect(first, last int64) {
	l.t.Helper()
	for v := first; v <= last; v++ {
		d := l.next()
		if d.News != realtime.NewsNone || d.Event.Version != v || d.Offset != l.at.Offset+1 {
			l.t.Fatalf("got %+v behind offset %d, want version %d", d, l.at.Offset, v)
		}
		l.at.Offset = d.Offset
	}
}

func (l *listener) expectReset() {
	l.t.Helper()
	d := l.next()
	if d.News != realtime.NewsReset || d.Epoch == "" {
		l.t.Fatalf("got %+v, want a reset", d)
	}
	l.at = realtime.Position{Epoch: d.Epoch, Offset: d.Offset}
}

func order(t *testing.T, c cluster) {
	near, far := subscribe(t, c.a, "shw_1"), subscribe(t, c.b, "shw_1")
	want := event(1)
	want.Class, want.Urgent = realtime.Latest, true
	if o := publish(t, c.a, "shw_1", want); o != 1 {
		t.Fatalf("first offset %d", o)
	}
	for _, l := range []*listener{near, far} {
		got := l.next()
		if fmt.Sprintf("%+v", got.Event) != fmt.Sprintf("%+v", want) || got.Offset != 1 {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		l.at.Offset = 1
	}
	if near.at.Epoch != far.at.Epoch || near.at.Epoch == "" {
		t.Fatalf("epochs %q and %q", near.at.Epoch, far.at.Epoch)
	}
	for v := int64(2); v <= 50; v++ {
		publish(t, []Bus{c.a, c.b}[v%2], "shw_1", event(v))
	}
	near.expect(2, 50)
	far.expect(2, 50)
}

func once(t *testing.T, c cluster) {
	l := subscribe(t, c.b, "shw_1")
	for range 3 {
		if o := publish(t, c.a, "shw_1", event(1)); o != 1 {
			t.Fatalf("offset %d, want 1 each time", o)
		}
	}
	publish(t, c.b, "shw_1", event(1))
	anonymous := event(2)
	anonymous.ID = ""
	publish(t, c.a, "shw_1", anonymous)
	l.expect(1, 2)
}

func later(t *testing.T, c cluster) {
	publish(t, c.a, "shw_1", event(1))
	publish(t, c.a, "shw_1", event(2))
	l := subscribe(t, c.b, "shw_1")
	if l.at.Offset != 2 {
		t.Fatalf("the feed begins at %d, want 2", l.at.Offset)
	}
	publish(t, c.a, "shw_1", event(3))
	l.expect(3, 3)
}

func limits(t *testing.T, c cluster) {
	ctx := ctxFor(t)
	atLimit := event(1)
	atLimit.Data = json.RawMessage(`"` + strings.Repeat("x", realtime.MaxEventBytes-2) + `"`)
	l := subscribe(t, c.a, "shw_1")
	publish(t, c.a, "shw_1", atLimit)
	l.expect(1, 1)
	past := atLimit
	past.Data = append(append(json.RawMessage{}, atLimit.Data[:1]...), append([]byte("x"), atLimit.Data[1:]...)...)
	past.ID = "past"
	for name, try := range map[string]func() error{
		"too large":    func() error { _, err := c.a.Publish(ctx, "shw_1", past); return err },
		"control room": func() error { _, err := c.a.Publish(ctx, controlRoom, event(9)); return err },
		"no room":      func() error { _, _, err := c.a.Subscribe(ctx, ""); return err },
		"not JSON":     func() error { return c.a.Control(ctx, json.RawMessage("{")) },
	} {
		if err := try(); !errors.Is(err, realtime.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.a.Publish(gone, "shw_1", event(2)); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled publish: %v", err)
	}
}

func forget(t *testing.T, c cluster) {
	near, far := subscribe(t, c.a, "shw_1"), subscribe(t, c.b, "shw_1")
	for v := range int64(5) {
		publish(t, c.a, "shw_1", event(v+1))
	}
	near.expect(1, 5)
	far.expect(1, 5)
	old := near.at.Epoch
	c.forget()
	publish(t, c.a, "shw_1", event(6))
	for _, l := range []*listener{near, far} {
		l.expectReset()
		if l.at.Epoch == old {
			t.Fatal("the epoch is the old one")
		}
		if l.at.Offset == 0 { // else the snapshot has it
			l.expect(6, 6)
		}
		l.at.Offset = 1
	}
	publish(t, c.b, "shw_1", event(7))
	near.expect(7, 7)
	far.expect(7, 7)
}

// forgetInSilence: nothing is published afterwards, and yet it is noticed.
func forgetInSilence(t *testing.T, c cluster) {
	l := subscribe(t, c.a, "shw_1")
	publish(t, c.a, "shw_1", event(1))
	l.expect(1, 1)
	c.forget()
	l.expectReset()
}

func roomsApart(t *testing.T, c cluster) {
	one, two := subscribe(t, c.a, "shw_1"), subscribe(t, c.a, "shw_2")
	publish(t, c.b, "shw_2", event(1))
	publish(t, c.b, "shw_1", event(2))
	one.expect(2, 2)
	two.expect(1, 1)
}

// standStill: a room that does not look misses nothing while the history
// reaches back far enough.
func standStill(t *testing.T, c cluster) {
	l := subscribe(t, c.a, "shw_1")
	n := int64(c.sizes.waiting + c.sizes.history/2)
	for v := range n {
		publish(t, c.b, "shw_1", event(v+1))
	}
	l.expect(1, n)
	publish(t, c.b, "shw_1", event(n+1))
	l.expect(n+1, n+1)
}

// tooLong: past that it is told so. Over Redis a page that was read in time may
// save it; what must not happen is a gap.
func tooLong(t *testing.T, c cluster) {
	l := subscribe(t, c.a, "shw_1")
	n := int64(c.sizes.waiting + c.sizes.history + 1)
	for v := range n {
		publish(t, c.b, "shw_1", event(v+1))
	}
	untilHeard(t, l.feed.(*feed), n)
	resets := 0
	for l.at.Offset < n {
		d := l.next()
		if d.News == realtime.NewsReset {
			resets++
		} else if d.Offset != l.at.Offset+1 || d.Event.Version != d.Offset {
			t.Fatalf("got %+v behind %d", d, l.at.Offset)
		}
		l.at.Offset = d.Offset
	}
	if _, memory := c.a.(memoryNode); memory && resets != 1 {
		t.Fatalf("%d resets, want 1", resets)
	}
	publish(t, c.b, "shw_1", event(n+1))
	l.expect(n+1, n+1)
}

func untilHeard(t *testing.T, f *feed, offset int64) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		f.mu.Lock()
		heard := max(f.heard.Offset, f.at.Offset)
		f.mu.Unlock()
		if heard >= offset {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the feed heard up to %d, want %d", heard, offset)
		}
	}
}

func control(t *testing.T, c cluster) {
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	heard := make(chan string, 64)
	for i, b := range []Bus{c.a, c.b} {
		done.Add(1)
		go func() {
			defer done.Done()
			hear := func(p json.RawMessage) {
				select {
				case heard <- fmt.Sprintf("%d %s", i, p):
				case <-ctx.Done(): // nobody listens any more
				}
			}
			if err := b.OnControl(ctx, hear); err != nil {
				t.Errorf("OnControl: %v", err)
			}
		}()
	}
	defer done.Wait()
	defer stop()
	// A node hears from when it listens, so that the first messages may pass
	// before it does: repeat until both have.
	seen := map[string]bool{}
	deadline := time.After(patience)
	for n := 0; len(seen) < 2; n++ {
		if err := c.a.Control(ctxFor(t), json.RawMessage(`{"op":"close"}`)); err != nil {
			t.Fatal(err)
		}
		select {
		case s := <-heard:
			seen[s] = true
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			t.Fatalf("only %v heard", seen)
		}
	}
	for s := range seen {
		if !strings.HasSuffix(s, `{"op":"close"}`) {
			t.Errorf("heard %q", s)
		}
	}
}

func manyAtOnce(t *testing.T, c cluster) {
	const publishers, each = 8, 7
	l := subscribe(t, c.b, "shw_1")
	var wg sync.WaitGroup
	for p := range int64(publishers) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range int64(each) {
				if _, err := c.a.Publish(ctxFor(t), "shw_1", event(p*each+i+1)); err != nil {
					t.Errorf("publish: %v", err)
				}
			}
		}()
	}
	wg.Wait()
	seen := map[int64]bool{}
	for i := range int64(publishers * each) {
		d := l.next()
		if d.Offset != i+1 || seen[d.Event.Version] {
			t.Fatalf("delivery %d: %+v", i, d)
		}
		seen[d.Event.Version] = true
	}
}

func closedFeed(t *testing.T, c cluster) {
	l, other := subscribe(t, c.a, "shw_1"), subscribe(t, c.a, "shw_1")
	l.feed.Close()
	l.feed.Close()
	publish(t, c.b, "shw_1", event(1))
	other.expect(1, 1)
	if got := l.feed.Take(); len(got) != 0 {
		t.Fatalf("a closed feed gave %v", got)
	}
}
