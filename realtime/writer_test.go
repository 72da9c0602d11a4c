package realtime

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"sync/atomic"
	"testing"
)

// tap takes everything and notes when: its n-th write was the at-th of all.
type tap struct {
	narrow
	all *atomic.Int64
	at  []int64
}

func (s *tap) TryWrite(p []byte) (int, error) {
	s.at = append(s.at, s.all.Add(1))
	s.got = append(s.got, p...)
	return len(p), nil
}

// crowd joins n viewers to a room that only the test's writer serves.
func crowd(t *testing.T, h *Hub, w *writer, id RoomID, n int, all *atomic.Int64) (*room, []*tap) {
	t.Helper()
	var r *room
	taps := make([]*tap, n)
	for i := range taps {
		taps[i] = &tap{all: all}
		c := attach(t, h, taps[i])
		if err := c.Join(context.Background(), Join{Room: id}, nobody); err != nil {
			t.Fatal(err)
		}
		r = c.room
	}
	for _, tap := range taps {
		tap.at, tap.got = nil, nil
	}
	r.shards[0].writer = w
	return r, taps
}

func pin(v int64) Delivery {
	return Delivery{Offset: v, Event: Event{Type: "pin.set", Key: "pin", Version: v, Class: Lossless, Data: json.RawMessage(`{}`)}}
}

// TestSmallRoomsTakeTurns: beside a room of ten thousand a small one waits for
// one turn of the large one, and not for all of its pass.
func TestSmallRoomsTakeTurns(t *testing.T) {
	const many, few = 10_000, 3
	h := runHub(t, func(c *Config) { c.MaxConns = many + few })
	w := newWriter()
	var writes atomic.Int64
	large, largeTaps := crowd(t, h, w, "shw_large", many, &writes)
	small, smallTaps := crowd(t, h, w, "shw_small", few, &writes)
	writes.Store(0)
	large.apply(pin(1))
	large.wake()
	w.round()
	small.apply(pin(1))
	small.wake()
	large.apply(pin(2)) // those served before need another pass
	large.wake()
	for w.round() {
	}
	for _, s := range smallTaps {
		if len(s.at) != 1 || s.at[0] > 2*sharePerLock+few {
			t.Errorf("a viewer of the small room was served as number %v", s.at)
		}
	}
	for i, s := range largeTaps {
		if m := readFrames(t, s.got); len(m) != 2 || m[0].V != 1 || m[1].V != 2 {
			t.Fatalf("viewer %d of the large room got %+v", i, m)
		}
	}
	if n := writes.Load(); n != many+few+sharePerLock {
		t.Errorf("%d writes, want one for each viewer, and a second for those of the first turn", n)
	}
}

// TestViewersAtDifferentPlaces: however viewers stand in the ring when a pass
// comes, and whoever lags or leaves meanwhile, each has every event once.
func TestViewersAtDifferentPlaces(t *testing.T) {
	h := runHub(t, nil)
	w := newWriter()
	var writes atomic.Int64
	const viewers, events = 200, 150
	r, taps := crowd(t, h, w, "shw_1", viewers, &writes)
	rng := rand.New(rand.NewPCG(7, 0))
	for v := int64(1); v <= events; v++ {
		r.apply(pin(v))
		r.apply(Delivery{Event: line(int(v), false)})
		if v%3 == 0 {
			r.endTick()
		}
		for range 5 { // some are ahead of the pass
			r.shards[0].conns[rng.IntN(viewers)].pump()
		}
		if v%50 == 0 {
			r.wake()
			for w.round() {
			}
		}
	}
	r.wake()
	for w.round() {
	}
	for i, s := range taps {
		next := int64(1)
		for _, m := range readFrames(t, s.got) {
			if m.Type == "sample" {
				continue
			}
			if m.V != next {
				t.Fatalf("viewer %d: version %d, want %d", i, m.V, next)
			}
			next++
		}
		if next != events+1 {
			t.Errorf("viewer %d: %d events", i, next-1)
		}
	}
}

// pass is a whole pass over a shard.
func pass(w *writer, s *shard) {
	for s.left = all; w.turn(s); {
	}
}
