package realtime

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// quiet is a pond that can tell when something has come.
type quiet struct {
	pond
	deaf bool
	asks atomic.Int32
}

func (s *quiet) Listen(*Poller, uint64) bool { s.asks.Add(1); return !s.deaf }

// resting joins a viewer whose reader rests at once; heard gets a value each time
// that it goes on.
func resting(t *testing.T, h *Hub, sock Socket) (c *Conn, rests bool, heard chan struct{}) {
	t.Helper()
	c = attach(t, h, sock)
	if err := c.Join(context.Background(), Join{Room: "shw_1"}, nobody); err != nil {
		t.Fatal(err)
	}
	heard = make(chan struct{}, 10)
	rests = rest(t, h, c, func() { heard <- struct{}{} })
	return c, rests, heard
}

// rest asks from a task of the hub, as readers do.
func rest(t *testing.T, h *Hub, c *Conn, later func()) bool {
	t.Helper()
	answer := make(chan bool)
	if !h.Go(func() { answer <- c.Rest(later) }) {
		t.Fatal("the hub does not run")
	}
	return <-answer
}

// TestRouse: whatever happens to a viewer whose reader rests, the reader goes on,
// once, and does not rest again when the viewer is being closed.
func TestRouse(t *testing.T) {
	h := runHub(t, nil)
	for name, c := range map[string]struct {
		happens func(*Conn, *quiet)
		closes  bool
	}{
		"something comes":   {func(c *Conn, _ *quiet) { h.poller.Heard(c.id) }, false},
		"it comes twice":    {func(c *Conn, _ *quiet) { h.poller.Heard(c.id); h.poller.Heard(c.id) }, false},
		"it is closed":      {func(c *Conn, _ *quiet) { c.Close(CodeForbidden, "") }, true},
		"it is gone":        {func(c *Conn, _ *quiet) { c.kill("dead") }, true},
		"it is closed when": {func(c *Conn, _ *quiet) { h.poller.Heard(c.id); c.Close(CodeForbidden, ""); h.poller.Heard(c.id) }, true},
		"writing fails":     {func(c *Conn, s *quiet) { _ = s.Close(); c.Send(c.enc.ping()) }, true},
		"it was too slow":   {func(c *Conn, _ *quiet) { c.mu.Lock(); c.endSlow(); c.mu.Unlock() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			sock := &quiet{pond: pond{room: ocean}}
			viewer, rests, heard := resting(t, h, sock)
			if !rests || len(heard) != 0 {
				t.Fatalf("rests: %v, and went on %d times", rests, len(heard))
			}
			h.poller.Heard(viewer.id + 1) // nobody's
			c.happens(viewer, sock)
			<-heard
			if again := rest(t, h, viewer, func() { heard <- struct{}{} }); again == c.closes {
				t.Errorf("it rests again: %v", again)
			}
			if len(heard) != 0 {
				t.Errorf("it went on %d times more", len(heard))
			}
			viewer.Close(CodeNormal, "") // or the hub would wait
		})
	}
}

// TestNoRest: before the join, and where the kernel cannot tell, somebody reads.
func TestNoRest(t *testing.T) {
	h := runHub(t, nil)
	early := &quiet{pond: pond{room: ocean}}
	if rest(t, h, attach(t, h, early), nil) || early.asks.Load() != 0 {
		t.Error("one who has not joined rests: its deadline would not be noticed")
	}
	if _, rests, _ := resting(t, h, &quiet{pond: pond{room: ocean}, deaf: true}); rests {
		t.Error("one who cannot be heard rests")
	}
	if _, rests, _ := resting(t, h, &pond{room: ocean}); rests {
		t.Error("one who cannot be asked rests")
	}
}

// TestHubWaitsForTheResting: when the hub ends those who rest are closed, and what
// reads them goes on and is waited for.
func TestHubWaitsForTheResting(t *testing.T) {
	h, err := NewHub(Config{Bus: nowhere{}, Snapshot: emptySnapshot, Writers: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.Run(ctx) }()
	for !h.Go(func() {}) {
		time.Sleep(time.Millisecond)
	}
	const viewers = 100
	var going atomic.Int32
	let := make(chan struct{})
	for range viewers {
		c := attach(t, h, &quiet{pond: pond{room: ocean}})
		if err := c.Join(ctx, Join{Room: "shw_1"}, nobody); err != nil {
			t.Fatal(err)
		}
		if !rest(t, h, c, func() { going.Add(1); <-let; c.Detach() }) {
			t.Fatal("it does not rest")
		}
	}
	stop()
	for going.Load() < viewers {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-done:
		t.Fatal("the hub has ended before its readers")
	default:
	}
	close(let)
	<-done
}

// TestSizeOfAViewer: a Conn stays within the allocator's class of this size; the
// next is a tenth larger.
func TestSizeOfAViewer(t *testing.T) {
	const most = 320
	if size := unsafe.Sizeof(Conn{}); size > most {
		t.Errorf("a Conn has %d bytes, %d at most", size, most)
	}
}
