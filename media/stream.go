package media

import (
	"sync/atomic"
	"time"
)

// stream is the live media of one show: who publishes it, who watches it, and what is on air.
type stream struct {
	// static after creation
	id    StreamID
	relay *Relay
	seats []seat // one per worker

	live      [kinds]atomic.Pointer[Layer] // what viewers follow; stays after the publisher is lost
	viewers   atomic.Int32                 // viewers that receive
	lastMedia atomic.Int64                 // when the current publisher was last heard

	// guarded by relay.mu
	current *Publisher // its media is on air
	next    *Publisher // accepted, not heard yet
	subs    map[*Subscriber]struct{}
	onAir   bool
}

// seat is a stream's place at one worker.
type seat struct {
	viewers atomic.Int32
	dirty   atomic.Bool // already in the worker's list
}

// wake tells the workers that have viewers of this stream that there is something to send, which arrived at.
func (s *stream) wake(at time.Duration) {
	for i := range s.seats {
		seat := &s.seats[i]
		if seat.viewers.Load() > 0 && seat.dirty.CompareAndSwap(false, true) {
			s.relay.workers[i].touch(s, at)
		}
	}
}

// publisher returns who holds the stream: the newcomer when there is one. Needs relay.mu.
func (s *stream) publisher() *Publisher {
	if s.next != nil {
		return s.next
	}
	return s.current
}

// graceOver reports whether nothing was heard for longer than the grace time.
func (s *stream) graceOver(now time.Duration) bool {
	return now-time.Duration(s.lastMedia.Load()) > s.relay.cfg.Grace
}

// empty reports whether nothing holds the stream in memory. Needs relay.mu.
func (s *stream) empty() bool {
	return s.current == nil && s.next == nil && len(s.subs) == 0 && !s.onAir
}
