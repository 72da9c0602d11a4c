package media

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Subscriber is the server's end of one viewer: a cursor per kind and the numbers that make each viewer's stream its own.
type Subscriber struct {
	gone    atomic.Bool
	started atomic.Bool // guards leaving what was never joined

	// owned by the worker, those first that each frame needs
	behind     bool          // in the worker's queue
	fresh      bool          // put there since it was last looked at
	seen       uint32        // version of the group when it was last looked at
	look       time.Duration // when it is to be looked at again, 0: when media comes
	nextReport time.Duration

	// static after Start
	sender Sender
	worker *worker

	tracks  [kinds]track // owned by the worker
	group   *group
	place   int // in the group
	budget  budget
	reports int // sent of all tracks, up to firstReports

	asking atomic.Int32 // of feedback, what waits for the worker; more only under worker.mu

	cname string // static after Start

	// static after Subscribe
	stream *stream
	grant  Grant
	onEnd  func(error)
}

// Start begins sending; the transport calls it once, when the viewer is connected. After the session's end it does nothing.
func (v *Subscriber) Start(sender Sender, b Binding) {
	v.sender, v.cname = sender, b.CNAME
	r := v.stream.relay
	for kind, line := range [kinds]Line{Audio: b.Audio, Video: b.Video} {
		v.tracks[kind].init(Kind(kind), line)
	}
	r.mu.Lock()
	if v.gone.Load() {
		r.mu.Unlock()
		return
	}
	v.worker = r.leastLoaded()
	v.worker.load.Add(1)
	v.started.Store(true)
	v.stream.viewers.Add(1)
	v.stream.seats[v.worker.index].viewers.Add(1)
	r.mu.Unlock()
	r.metrics.joins.Inc()
	v.worker.post(move{sub: v, join: true})
}

// Close ends the session from the transport's side.
func (v *Subscriber) Close() {
	r := v.stream.relay
	r.mu.Lock()
	ended := r.dropSubscriber(v)
	r.mu.Unlock()
	if ended {
		v.leave()
	}
}

// leave takes a started viewer from its worker. The flag gone has been set already, so nothing more is sent even
// before the worker gets to it.
func (v *Subscriber) leave() {
	if !v.started.Swap(false) {
		return
	}
	v.worker.load.Add(-1)
	v.stream.viewers.Add(-1)
	v.stream.seats[v.worker.index].viewers.Add(-1)
	v.worker.post(move{sub: v})
}

// leastLoaded picks the worker with the fewest viewers over all streams.
func (r *Relay) leastLoaded() *worker {
	best := r.workers[0]
	for _, w := range r.workers[1:] {
		if w.load.Load() < best.load.Load() {
			best = w
		}
	}
	return best
}

// firstSequence leaves room below for late packets and far above for a long show before the first wrap.
func firstSequence() uint64 { return 1<<16 | uint64(rand.Uint32N(1<<15)) }
