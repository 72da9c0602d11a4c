package realtime

import (
	"context"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestGreetingsAreShared: who comes to the same place in the same moment is
// given the same bytes; another moment, place or state makes others.
func TestGreetingsAreShared(t *testing.T) {
	at, now := Position{"e", 7}, time.UnixMilli(1000)
	list, recent := []byte(`[]`), []byte(`[1]`)
	for name, c := range map[string]struct {
		at           Position
		resumed      bool
		list, recent []byte
		after        time.Duration
		same         bool
	}{
		"within its time":    {at, true, list, recent, greetingLasts - 1, true},
		"past its time":      {at, true, list, recent, greetingLasts, false},
		"a clock set back":   {at, true, list, recent, -time.Hour, false},
		"a snapshot":         {at, false, list, recent, 0, false},
		"another list":       {at, true, []byte(`[]`), recent, 0, false},
		"something was said": {at, true, list, []byte(`[1]`), 0, false},
		"another place":      {Position{"e", 7 + maxGreetings}, true, list, recent, 0, false},
		"another epoch":      {Position{"f", 7}, true, list, recent, 0, false},
	} {
		var g greetings
		first := g.of(at, true, list, recent, now)
		if same := g.of(c.at, c.resumed, c.list, c.recent, now.Add(c.after)) == first; same != c.same {
			t.Errorf("%s: the same message: %v", name, same)
		}
	}
	first := new(greetings).of(at, true, list, recent, now)
	if got, want := string(first.text), string(joinedText(at, 1000, true, list, recent)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// mute is a socket that takes everything and keeps nothing.
type mute struct{ narrow }

func (*mute) TryWrite(p []byte) (int, error) { return len(p), nil }

// TestResumesCostNoSnapshot: ten thousand who come back ask the database for
// nothing, and share what they are told: coming back allocates less than it
// says.
func TestResumesCostNoSnapshot(t *testing.T) {
	const viewers = 10_000
	var snapshots atomic.Int64
	clock := time.Now() // stands still: all come in one moment
	h := runHub(t, func(c *Config) {
		c.Now = func() time.Time { return clock }
		c.Snapshot = func(context.Context, RoomID) ([]Event, error) { snapshots.Add(1); return nil, nil }
	})
	first, _ := listening(t, h, Join{Room: "shw_1"}, Identity{})
	r := first.room
	for n := range MaxRecent {
		r.apply(Delivery{Event: line(n, false)})
		r.endTick()
	}
	const behind = 20
	for v := int64(1); v <= behind; v++ {
		r.apply(Delivery{Offset: v, Event: Event{Type: "pin.set", Key: "pin", Version: v, Class: Lossless, Data: []byte(`{}`)}})
	}
	r.mu.Lock()
	size := len(r.recent.json())
	r.mu.Unlock()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range viewers {
		ticket, err := h.Reserve(netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		c := ticket.Attach(&mute{}, Frames)
		if err := c.Join(context.Background(), Join{Room: "shw_1", Have: Position{"e", int64(i % behind)}}, nobody); err != nil {
			t.Fatal(err)
		}
		defer c.Detach()
	}
	runtime.ReadMemStats(&after)
	each := int(after.TotalAlloc-before.TotalAlloc) / viewers
	t.Logf("a resume allocates %d bytes and is told %d", each, size)
	if each > size {
		t.Errorf("a resume allocates %d bytes", each)
	}
	if snapshots.Load() != 1 {
		t.Errorf("%d snapshots were read", snapshots.Load())
	}
}
