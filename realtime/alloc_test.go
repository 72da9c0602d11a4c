//go:build !race

package realtime

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// sink takes everything.
type sink struct{ bytes int }

func (s *sink) TryWrite(p []byte) (int, error)   { s.bytes += len(p); return len(p), nil }
func (s *sink) Write(p []byte) (int, error)      { return s.TryWrite(p) }
func (s *sink) Close() error                     { return nil }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }
func (s *sink) SetReadDeadline(time.Time) error  { return nil }

// TestAllocBroadcast: bringing a frame to a viewer allocates nothing, and an
// event costs the same for one viewer as for a thousand.
func TestAllocBroadcast(t *testing.T) {
	h := runHub(t, nil)
	perEvent := map[int]float64{}
	for _, viewers := range []int{1, 1000} {
		room := RoomID(fmt.Sprint("shw_", viewers))
		var r *audience
		var last *sink
		for range viewers {
			last = &sink{}
			c := attach(t, h, last)
			if err := c.Join(context.Background(), Join{Room: room}, nobody); err != nil {
				t.Fatal(err)
			}
			r = c.room
		}
		w, s := newWriter(), &r.shards[0]
		before := last.bytes
		version := int64(0)
		perEvent[viewers] = testing.AllocsPerRun(50, func() {
			version++
			r.apply(Delivery{Offset: version, Event: stock("var_1", version)})
			r.mu.Lock()
			r.flush()
			r.mu.Unlock()
			pass(w, s)
		})
		if last.bytes == before {
			t.Fatal("nothing was written")
		}
		ready := newMessage(tickText(nil, 1))
		if n := testing.AllocsPerRun(50, func() {
			r.mu.Lock()
			r.ring.put(slot{msg: ready, offset: version})
			r.mu.Unlock()
			pass(w, s)
		}); n != 0 {
			t.Errorf("writing a ready frame to %d viewers allocates %v times", viewers, n)
		}
	}
	if perEvent[1] != perEvent[1000] || perEvent[1] > 20 {
		t.Errorf("allocations per event: %v", perEvent)
	}
}

// audience names the type where room is a variable.
type audience = room
