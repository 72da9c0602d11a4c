package media

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// worker sends to the viewers it owns. It is one goroutine per core; a viewer costs it a cursor and a few tables.
type worker struct {
	// static after newWorker
	relay *Relay
	index int
	wake  chan struct{}

	load atomic.Int64 // viewers, those about to arrive included
	late lateness

	mu       sync.Mutex
	touched  []*stream  // have something to send; each at most once
	moves    []move     // viewers that come and go
	feedback []feedback // at most feedbackSlots

	// owned by run
	groups map[*stream]*group
	again  time.Duration // when to look at restless groups, 0: never
	batch  batch
	spare  inbox
}

// inbox is what run takes from the mailbox at once; its slices are used again.
type inbox struct {
	touched  []*stream
	moves    []move
	feedback []feedback
}

type move struct {
	sub  *Subscriber
	join bool
}

// group is one stream's viewers at this worker.
type group struct {
	subs     []*Subscriber
	restless bool // some viewer is to be looked at again soon, whether or not media comes
}

func newWorker(r *Relay, index int) *worker {
	return &worker{relay: r, index: index, wake: make(chan struct{}, 1), groups: map[*stream]*group{}}
}

func (w *worker) run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		case <-timer.C:
		}
		w.turn(w.relay.now())
		if w.again > 0 {
			timer.Reset(w.again)
		} else {
			timer.Reset(time.Hour)
		}
	}
}

// turn does everything that is due.
func (w *worker) turn(now time.Duration) {
	w.collect()
	for i := range w.spare.moves {
		w.move(w.spare.moves[i])
	}
	for i := range w.spare.feedback {
		f := &w.spare.feedback[i]
		if g := w.groups[f.sub.stream]; f.apply(&w.batch, now) && g != nil {
			g.restless = true
		}
	}
	w.again = 0
	for _, s := range w.spare.touched {
		// Cleared before the rings are read: media that comes in between wakes us once more rather than never.
		s.seats[w.index].dirty.Store(false)
		if g := w.groups[s]; g != nil {
			g.restless = true
		}
	}
	for _, g := range w.groups {
		if g.restless {
			w.pump(g, now)
		}
	}
	w.relay.flush(w.index)
	w.late.done(w.relay.now())
}

func (w *worker) pump(g *group, now time.Duration) {
	g.restless = false
	for _, v := range g.subs {
		wait := v.pump(&w.batch, now)
		if wait == 0 {
			continue
		}
		g.restless = true
		if w.again == 0 || wait < w.again {
			w.again = wait
		}
	}
}

// collect swaps the mailbox for the emptied one of the last turn.
func (w *worker) collect() {
	clear(w.spare.touched)
	clear(w.spare.moves)
	clear(w.spare.feedback)
	w.mu.Lock()
	w.touched, w.spare.touched = w.spare.touched[:0], w.touched
	w.moves, w.spare.moves = w.spare.moves[:0], w.moves
	w.feedback, w.spare.feedback = w.spare.feedback[:0], w.feedback
	w.late.begin()
	w.mu.Unlock()
}

func (w *worker) move(m move) {
	v := m.sub
	g := w.groups[v.stream]
	if m.join {
		if g == nil {
			g = &group{}
			w.groups[v.stream] = g
		}
		v.place = len(g.subs)
		g.subs = append(g.subs, v)
		g.restless = true
		return
	}
	if g == nil || v.place >= len(g.subs) || g.subs[v.place] != v {
		return
	}
	last := len(g.subs) - 1
	g.subs[v.place] = g.subs[last]
	g.subs[v.place].place = v.place
	g.subs[last] = nil
	g.subs = g.subs[:last]
	if last == 0 {
		delete(w.groups, v.stream)
	}
}

// touch says that a stream has media to send, which arrived at.
func (w *worker) touch(s *stream, at time.Duration) {
	w.mu.Lock()
	w.touched = append(w.touched, s)
	w.late.arrived(at)
	w.mu.Unlock()
	w.signal()
}

func (w *worker) post(m move) {
	w.mu.Lock()
	w.moves = append(w.moves, m)
	w.mu.Unlock()
	w.signal()
}

// report queues feedback; what does not fit is dropped and counted, as feedback repeats itself.
func (w *worker) report(f feedback) {
	w.mu.Lock()
	full := len(w.feedback) >= feedbackSlots
	if !full {
		w.feedback = append(w.feedback, f)
	}
	w.mu.Unlock()
	if full {
		w.relay.metrics.drop(dropFeedback, 1)
		return
	}
	w.signal()
}

func (w *worker) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
