//go:build !race

package realtime

import (
	"context"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// The pool of buffers keeps little under the race detector.

// mute is a socket that takes everything and keeps nothing.
type mute struct{ narrow }

func (*mute) TryWrite(p []byte) (int, error) { return len(p), nil }

// TestResumesShareAlloc: ten thousand who come back ask the database for
// nothing, and share what they are told: coming back allocates less than it
// says.
func TestResumesShareAlloc(t *testing.T) {
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
