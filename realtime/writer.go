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

	scratch scratch // owned by run
}

// shard is the part of a room's audience that one writer serves.
type shard struct {
	writer *writer // static
	dirty  bool    // guarded by writer.mu

	mu    sync.Mutex
	conns []*Conn
}

// sharePerLock bounds how long a join or leave waits for a large broadcast.
const sharePerLock = 64

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
	var batch []*shard
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		w.mu.Lock()
		batch, w.dirty = w.dirty, batch[:0]
		for _, s := range batch {
			s.dirty = false
		}
		w.mu.Unlock()
		for i, s := range batch {
			w.serve(s)
			batch[i] = nil
		}
	}
}

// serve brings every viewer of s up to date. It goes through the list from the
// end, in portions: a leaver's place is taken by the last viewer, who has been
// served by then, so that nobody is passed over.
func (w *writer) serve(s *shard) {
	for end := -1; end != 0; {
		var n int
		s.mu.Lock()
		if end < 0 || end > len(s.conns) {
			end = len(s.conns)
		}
		n = copy(w.scratch.conns[:], s.conns[max(0, end-sharePerLock):end])
		s.mu.Unlock()
		end -= n
		for i, c := range w.scratch.conns[:n] {
			c.pumpWith(&w.scratch)
			w.scratch.conns[i] = nil
		}
	}
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
