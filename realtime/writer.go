package realtime

import (
	"context"
	"sync"
)

// A writer hands frames to the sockets of its share of every room. It never
// waits for a socket: see Conn.pump.
type writer struct {
	wake chan struct{}

	mu    sync.Mutex
	dirty []*shard // have something new; each at most once

	// owned by run
	passes  []*shard // passes under way, which take turns
	fresh   []*shard
	scratch scratch
	view    view
	tally   tally
}

// shard is the part of a room's audience that one writer serves.
type shard struct {
	writer *writer // static
	room   *room   // static
	dirty  bool    // guarded by writer.mu

	// owned by writer.run
	left  int  // viewers a pass has not come to yet, or all
	under bool // a pass is under way
	again bool // something came meanwhile, for those it had served

	mu    sync.Mutex
	conns []*Conn
}

const (
	// sharePerLock is how many viewers are served in one turn. It bounds how
	// long a join or leave waits for a large broadcast, and a small room for a
	// large one.
	sharePerLock = 64
	all          = -1
)

func newWriter() *writer { return &writer{wake: make(chan struct{}, 1)} }

// wake asks the writer to look at the shard. Asking again before it has is
// the same as asking once: viewers are cursors, not queues.
func (s *shard) wake() {
	w := s.writer
	w.mu.Lock()
	first := !s.dirty
	if first {
		s.dirty = true
		w.dirty = append(w.dirty, s)
	}
	w.mu.Unlock()
	if first {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

func (w *writer) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		for w.round() {
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// round gives each pass under way one turn, and says whether there was any.
func (w *writer) round() bool {
	w.begin()
	n := len(w.passes)
	going := w.passes[:0]
	for _, s := range w.passes {
		if w.turn(s) {
			going = append(going, s)
		}
	}
	clear(w.passes[len(going):])
	w.passes = going
	return n > 0
}

// begin starts a pass over each shard that has something new.
func (w *writer) begin() {
	w.mu.Lock()
	w.fresh, w.dirty = w.dirty, w.fresh[:0]
	for _, s := range w.fresh {
		s.dirty = false
	}
	w.mu.Unlock()
	for i, s := range w.fresh {
		if s.under {
			s.again = true
		} else {
			s.under, s.left = true, all
			w.passes = append(w.passes, s)
		}
		w.fresh[i] = nil
	}
}

// turn brings some more viewers of s up to date and says whether the pass goes
// on. It goes through the list from the end: a leaver's place is taken by the
// last viewer, who has been served by then, so that nobody is passed over.
func (w *writer) turn(s *shard) bool {
	s.mu.Lock()
	if s.left == all || s.left > len(s.conns) {
		s.left = len(s.conns)
	}
	n := copy(w.scratch.conns[:], s.conns[max(0, s.left-sharePerLock):s.left])
	s.mu.Unlock()
	s.left -= n
	w.view.begin(s.room, &w.tally)
	for i, c := range w.scratch.conns[:n] {
		c.bring(&w.view, &w.scratch)
		w.scratch.conns[i] = nil
	}
	w.view.end()
	w.tally.settle(s.room.hub.metrics)
	if s.left == 0 && s.again {
		s.again, s.left = false, all
	}
	s.under = s.left != 0
	return s.under
}

func (s *shard) add(c *Conn) {
	s.mu.Lock()
	c.place = len(s.conns)
	s.conns = append(s.conns, c)
	s.mu.Unlock()
}

func (s *shard) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.place >= len(s.conns) || s.conns[c.place] != c {
		return
	}
	last := len(s.conns) - 1
	s.conns[c.place] = s.conns[last]
	s.conns[c.place].place = c.place
	s.conns[last] = nil
	s.conns = s.conns[:last]
}
