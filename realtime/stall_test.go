package realtime

import (
	"context"
	"encoding/json"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// pond is a Pollable socket that takes as many bytes as the test lets it.
type pond struct {
	mu     sync.Mutex
	room   int
	unsent int
	keep   bool // what was written
	got    []byte
	closed bool
	poller *Poller // while awaited
	id     uint64
}

const ocean = 1 << 40 // bytes that nobody writes

func (s *pond) TryWrite(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	n := min(len(p), s.room)
	s.room -= n
	if s.keep {
		s.got = append(s.got, p[:n]...)
	}
	return n, nil
}

func (s *pond) Write([]byte) (int, error)        { panic("nobody waits for a socket that can tell") }
func (s *pond) Close() error                     { s.mu.Lock(); s.closed = true; s.mu.Unlock(); return nil }
func (s *pond) SetWriteDeadline(time.Time) error { return nil }
func (s *pond) SetReadDeadline(time.Time) error  { return nil }
func (s *pond) Unsent() int                      { s.mu.Lock(); defer s.mu.Unlock(); return s.unsent }
func (s *pond) ended() bool                      { s.mu.Lock(); defer s.mu.Unlock(); return s.closed }

func (s *pond) Await(p *Poller, id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.poller, s.id = p, id
	return true
}

// take lets it take n bytes more, and says so to who waits for it.
func (s *pond) take(n int) {
	s.mu.Lock()
	s.room = n
	p, id := s.poller, s.id
	s.poller = nil
	s.mu.Unlock()
	if p != nil {
		p.Ready(id)
	}
}

func (s *pond) read(t *testing.T) []read {
	s.mu.Lock()
	defer s.mu.Unlock()
	return readFrames(t, s.got)
}

// at joins a viewer on a pond that takes everything.
func at(t *testing.T, h *Hub, keep bool) (*Conn, *pond) {
	t.Helper()
	s := &pond{room: ocean, keep: keep}
	c := attach(t, h, s)
	if err := c.Join(context.Background(), Join{Room: "shw_1"}, nobody); err != nil {
		t.Fatal(err)
	}
	return c, s
}

// parked is how many a hub waits for.
func parked(h *Hub) int {
	h.poller.mu.Lock()
	defer h.poller.mu.Unlock()
	return len(h.poller.parked)
}

// maxStalledBytes is what a stalled viewer may cost more than one who is not.
// Most of it is its place in the poller's table, which is between 40 and 80
// bytes as the table grows.
const maxStalledBytes = 200

// TestTenThousandStalled: viewers who take nothing, and viewers who have taken
// the beginning of a large snapshot and no more, cost next to nothing.
func TestTenThousandStalled(t *testing.T) {
	const viewers = 10_000
	reg := prometheus.NewRegistry()
	h := runHub(t, func(c *Config) { c.MaxConns, c.RingFrames, c.Metrics, c.WriteStall = viewers, 8, reg, time.Hour })
	w := newWriter()
	conns, ponds := make([]*Conn, viewers), make([]*pond, viewers)
	for i := range conns {
		conns[i], ponds[i] = at(t, h, false)
	}
	r := conns[0].room
	version := int64(0)
	say := func(n int) {
		for range n {
			version++
			e := stock("var_"+string(rune('a'+version%26)), version)
			e.Class, e.Data = Lossless, json.RawMessage(`"`+strings.Repeat("x", 8000)+`"`)
			r.apply(Delivery{Offset: version, Event: e})
		}
		pass(w, &r.shards[0])
	}
	memory := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what finalizers and pools let go of
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	say(30) // the ring and the state are full
	before := memory()
	each := func(when string) {
		t.Helper()
		cost := (memory() - before) / viewers
		t.Logf("%s: %d bytes for each stalled viewer", when, cost)
		if cost > maxStalledBytes {
			t.Errorf("%s: %d bytes for each stalled viewer, more than %d", when, cost, maxStalledBytes)
		}
	}
	for _, s := range ponds {
		s.take(0)
	}
	say(30) // overtaken
	if n := parked(h); n != viewers {
		t.Fatalf("%d are parked", n)
	}
	each("nothing taken")
	for i, s := range ponds {
		s.take(1000) // of some 200,000 of a snapshot
		if i%1000 == 0 {
			say(1)
		}
	}
	if jumps := counter(t, reg, "rialto_realtime_jumps_total", ""); jumps != 2*viewers {
		t.Fatalf("%v jumps, want one before they stalled and one now", jumps)
	}
	each("a snapshot begun")
	for i, s := range ponds {
		s.take(ocean)
		if c := conns[i]; c.parked || c.cursor != r.ring.next {
			t.Fatalf("viewer %d does not catch up", i)
		}
	}
	if n := parked(h); n != 0 {
		t.Errorf("%d are still parked", n)
	}
}

// TestAStalledViewerMissesNothing: what a stalled viewer gets in the end is whole and
// in order, in whatever portions it takes it.
func TestAStalledViewerMissesNothing(t *testing.T) {
	h := runHub(t, nil)
	c, s := at(t, h, true)
	const events = 100
	for v := int64(1); v <= events; v++ {
		s.take(int(v) % 40)
		c.room.apply(pin(v))
		c.pump()
		c.Pong(v, time.Now())
		h.poller.Ready(c.id) // nobody waits, or it is too early: no harm
		h.poller.Ready(c.id + 1)
	}
	s.take(ocean)
	next := int64(1)
	for _, m := range s.read(t) {
		if m.Type == "pin.set" {
			if m.V != next {
				t.Fatalf("version %d, want %d", m.V, next)
			}
			next++
		}
	}
	if next != events+1 || c.parked {
		t.Errorf("%d events, parked %v", next-1, c.parked)
	}
}

// TestStallDeadline: who takes nothing is dropped in time; who takes a little
// now and then is not, however long it needs.
func TestStallDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stall = 8 * time.Second
		h, err := NewHub(Config{Bus: nowhere{}, Snapshot: emptySnapshot, Writers: 1, WriteStall: stall, PingEvery: time.Hour, DeadAfter: 2 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
		synctest.Wait()
		dead, deadPond := at(t, h, false)
		slow, slowPond := at(t, h, true)
		slowPond.unsent = 1000
		for _, c := range []*Conn{dead, slow} {
			c.sock.(*pond).take(0)
			c.say(pongText(1, 2, 3))
		}
		for elapsed := time.Duration(0); elapsed < 10*stall; elapsed += stall / 2 {
			time.Sleep(stall / 2)
			synctest.Wait()
			slowPond.mu.Lock()
			slowPond.unsent--
			slowPond.mu.Unlock()
			if past := elapsed + stall/2; deadPond.ended() != (past >= stall+stall/stallChecks) && past != stall {
				t.Fatalf("after %v: dropped is %v", past, deadPond.ended())
			}
		}
		if slowPond.ended() {
			t.Fatal("a slow line was dropped")
		}
		slowPond.take(ocean)
		if m := slowPond.read(t); len(m) != 2 || m[1].Type != "pong" {
			t.Errorf("it got %+v", m)
		}
		slowPond.take(0)
		slow.say(pongText(1, 2, 3))
		time.Sleep(stall + stall/stallChecks + time.Second)
		synctest.Wait()
		if !slowPond.ended() {
			t.Error("a line that was slow and then dead was not dropped")
		}
		dead.Detach()
		slow.Detach()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestClosingWhileParked: the close frame comes behind the begun frame, and
// nothing else does; a viewer who is gone is not waited for.
func TestClosingWhileParked(t *testing.T) {
	h := runHub(t, nil)
	c, s := at(t, h, true)
	s.take(5)
	c.room.apply(pin(1))
	c.room.apply(pin(2))
	c.pump()
	if !c.Close(CodeRoomClosed, "over") {
		t.Fatal("not closed")
	}
	c.room.apply(pin(3))
	s.take(ocean)
	s.mu.Lock()
	frames, end, _ := strings.Cut(string(s.got), string(closeFrame(CodeRoomClosed, "over")))
	s.mu.Unlock()
	if m := readFrames(t, []byte(frames)); len(m) != 2 || m[1].V != 1 || end != "" {
		t.Errorf("got %+v and %q behind the close", m, end)
	}
	gone, pond := at(t, h, true)
	pond.take(0)
	gone.say(pongText(1, 2, 3))
	if parked(h) != 1 {
		t.Fatal("not parked")
	}
	gone.Detach()
	if parked(h) != 0 {
		t.Error("somebody who is gone is still waited for")
	}
	pond.take(ocean)
}
