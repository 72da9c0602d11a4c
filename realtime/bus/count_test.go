package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/realtime"
)

type audience = map[realtime.RoomID]int

func countOn(t *testing.T, b Bus, counts audience) {
	t.Helper()
	if err := b.Count(ctxFor(t), counts); err != nil {
		t.Fatal(err)
	}
}

// told is the newest number of viewers that came, or -1. It waits a little.
func (l *listener) told() int {
	l.t.Helper()
	newest := -1
	select {
	case <-l.feed.Ready():
	case <-time.After(20 * time.Millisecond):
	}
	for _, d := range l.feed.Take() {
		if isCast(d) && d.Event.Type == ViewersEvent {
			newest = viewersIn(l.t, d.Event)
		}
	}
	return newest
}

func viewersIn(t *testing.T, e realtime.Event) (n int) {
	t.Helper()
	if _, err := fmt.Sscanf(string(e.Data), `{"count":%d}`, &n); err != nil || e.Class != realtime.Latest || e.Version != 0 || e.Validate() != nil {
		t.Fatalf("%+v is no count of viewers", e)
	}
	return n
}

// untilTold repeats what nodes say until a room is told want.
func (l *listener) untilTold(want int, say func()) {
	l.t.Helper()
	heard := []int{}
	for deadline := time.Now().Add(patience); ; {
		say()
		switch n := l.told(); {
		case n == want:
			return
		case n >= 0:
			heard = append(heard, n)
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("told %v, want %d", heard, want)
		}
	}
}

// expectViewers is for counts that are said at once.
func (l *listener) expectViewers(want int) {
	l.t.Helper()
	if d := l.next(); !isCast(d) || d.Event.Type != ViewersEvent || viewersIn(l.t, d.Event) != want {
		l.t.Fatalf("got %+v, want %d viewers", d, want)
	}
}

// count: the sum of both nodes, on both nodes, when it changes.
func count(t *testing.T, c cluster) {
	near, far, other := subscribe(t, c.a, "shw_1"), subscribe(t, c.b, "shw_1"), subscribe(t, c.b, "shw_2")
	both := func(want int) {
		t.Helper()
		near.expectViewers(want)
		far.expectViewers(want)
	}
	countOn(t, c.a, audience{"shw_1": 3, "shw_2": 1})
	both(3)
	other.expectViewers(1)
	countOn(t, c.b, audience{"shw_1": 4})
	both(7)
	if got := recent(t, c.b, "shw_1"); len(got) != 1 || got[0] != `viewers.set  {"count":7}` {
		t.Fatalf("joiners are told %v", got)
	}
	countOn(t, c.a, audience{"shw_1": 1, "shw_2": 1})
	both(5)
	countOn(t, c.a, audience{"shw_1": 0, "shw_2": 1})
	both(4)
	publish(t, c.a, "shw_1", event(1)) // counting took no offset
	near.expect(1, 1)
	far.expect(1, 1)
}

// countNobody: the last one out is told of, once, and nothing is left behind.
func countNobody(t *testing.T, c cluster) {
	l := subscribe(t, c.a, "shw_1")
	countOn(t, c.b, audience{"shw_1": 0}) // was never there
	wantRecent(t, c.a, "shw_1")
	countOn(t, c.b, audience{"shw_1": 2})
	l.expectViewers(2)
	for range 3 {
		countOn(t, c.b, audience{"shw_1": 0})
	}
	l.expectViewers(0)
	wantRecent(t, c.a, "shw_1")
	countOn(t, c.b, audience{"shw_1": 1})
	l.expectViewers(1)
}

// countDead: a node that counts no more is left out after a while, and with
// the last of them all memory goes.
func countDead(t *testing.T, c cluster) {
	l := subscribe(t, c.a, "shw_1")
	countOn(t, c.b, audience{"shw_1": 5})
	l.untilTold(7, func() { countOn(t, c.a, audience{"shw_1": 2}); countOn(t, c.b, audience{"shw_1": 5}) })
	l.untilTold(2, func() { countOn(t, c.a, audience{"shw_1": 2}) })
	// It comes back as if nothing had been.
	l.untilTold(7, func() { countOn(t, c.a, audience{"shw_1": 2}); countOn(t, c.b, audience{"shw_1": 5}) })
	if c.timeless {
		return // its keys lapse when it is told that time has passed
	}
	for deadline := time.Now().Add(patience); len(recent(t, c.a, "shw_1")) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("viewers of nodes that are dead are told")
		}
	}
}

// countAgain: a sum that stands is said again now and then, and not at each
// count.
func countAgain(t *testing.T, c cluster) {
	l := subscribe(t, c.a, "shw_1")
	say := func() { countOn(t, c.a, audience{"shw_1": 3}) }
	l.untilTold(3, say)
	begin, says := time.Now(), 0
	l.untilTold(3, func() { say(); says++ })
	if took := time.Since(begin); took < quick.again-quick.again/4 || says < 3 {
		t.Fatalf("told again after %v and %d counts, want not before %v", took, says, quick.again)
	}
}

func countLimits(t *testing.T, c cluster) {
	l := subscribe(t, c.a, "shw_1")
	for _, wrong := range []audience{{"shw_1": 1, "shw_2": -1}, {"shw_1": 2, "": 1}, {"shw_1": 3, controlRoom: 1}} {
		if err := c.a.Count(ctxFor(t), wrong); !errors.Is(err, realtime.ErrInvalid) {
			t.Errorf("%v: %v, want ErrInvalid", wrong, err)
		}
		l.expectViewers(wrong["shw_1"]) // the good ones stand
	}
	countOn(t, c.a, audience{"shw_1": 1_000_000_000})
	l.expectViewers(1_000_000_000)
	countOn(t, c.a, nil)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.a.Count(gone, audience{"shw_1": 9}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled count: %v", err)
	}
}

// countManyRooms: a thousand rooms at once, each told its own.
func countManyRooms(t *testing.T, c cluster) {
	const rooms = 1000
	counts := audience{}
	for n := range rooms {
		counts[realtime.RoomID(fmt.Sprintf("shw_%d", n))] = n
	}
	first, last := subscribe(t, c.b, "shw_1"), subscribe(t, c.b, "shw_999")
	for range 3 {
		countOn(t, c.a, counts)
	}
	first.expectViewers(1)
	last.expectViewers(999)
	if got := recent(t, c.b, "shw_500"); len(got) != 1 || got[0] != `viewers.set  {"count":500}` {
		t.Fatalf("joiners are told %v", got)
	}
}

// countForgotten: the bus loses its memory, and the viewers are counted anew.
func countForgotten(t *testing.T, c cluster) {
	l := subscribe(t, c.a, "shw_1")
	say := func() {
		countOn(t, c.a, audience{"shw_1": 2})
		countOn(t, c.b, audience{"shw_1": 3})
	}
	l.untilTold(5, say)
	c.forget()
	l.untilTold(5, say)
}

// TestCountOverFaults: Redis is killed, restarted and emptied among counts of
// two nodes; the sum comes back without anybody's doing.
func TestCountOverFaults(t *testing.T) {
	s := embeddedtest.NewRedisServer(t)
	a, b := node(t, s.URL()), node(t, s.URL())
	l := subscribe(t, a, "shw_1")
	failed := 0
	say := func(n int) func() {
		return func() {
			for _, node := range []Bus{a, b} {
				ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
				if node.Count(ctx, audience{"shw_1": n}) != nil {
					failed++
				}
				cancel()
			}
		}
	}
	l.untilTold(2, say(1))
	s.Kill()
	if say(2)(); failed != 2 {
		t.Fatalf("%d of 2 counts failed without Redis", failed)
	}
	s.Start()
	l.untilTold(4, say(2))
	s.Flush()
	l.untilTold(4, say(2))
	s.Restart()
	l.untilTold(6, say(3))
	if err := dial(t, s.URL()).ScriptFlush(ctxFor(t)).Err(); err != nil {
		t.Fatal(err)
	}
	l.untilTold(8, say(4))
}

// TestCountClockSetBack: a share whose end is further away than any can be is
// from before the clock was set back, and counts no more.
func TestCountClockSetBack(t *testing.T) {
	s := embeddedtest.NewRedisServer(t)
	a, hand := node(t, s.URL()), dial(t, s.URL())
	l := subscribe(t, a, "shw_1")
	ahead := time.Now().Add(time.Hour).UnixMilli()
	if err := hand.HSet(ctxFor(t), viewersKey("shw_1"), "n-dead", fmt.Sprintf("%d 7", ahead), "broken", "x", "=sum", 8, "=at", ahead).Err(); err != nil {
		t.Fatal(err)
	}
	countOn(t, a, audience{"shw_1": 1})
	l.expectViewers(1)
	if fields := hand.HKeys(ctxFor(t), viewersKey("shw_1")).Val(); len(fields) != 4 {
		t.Fatalf("%v is remembered, want one node and what was said", fields)
	}
}

func TestNodeIDs(t *testing.T) {
	client := dial(t, "redis://127.0.0.1:1")
	for id, good := range map[string]bool{"": true, "n-1f": true, "=sum": false, "a b": false, strings.Repeat("x", 65): false} {
		if _, err := NewRedis(RedisConfig{Client: client, Node: id}); (err == nil) != good {
			t.Errorf("%q: %v", id, err)
		}
	}
}
