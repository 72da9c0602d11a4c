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
	groups  map[*stream]*group
	stirred []*group      // have something to send this turn
	timed   []*group      // wait for the rest of a frame
	behind  []*Subscriber // do not follow live: see catchUp
	turned  []*Subscriber // scratch space of catchUp
	again   time.Duration // how long to wait for the next turn at most, 0: until something comes
	batch   batch
	parts   [kinds]part
	spare   inbox
	replied int // how much of spare.feedback is done
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

// turn does what is due: first for those who follow live, and for nobody so much that others have to wait long.
func (w *worker) turn(now time.Duration) {
	w.collect()
	for i := range w.spare.moves {
		w.move(w.spare.moves[i])
	}
	w.again = 0
	w.stir(now)
	left := w.stirred[:0]
	for _, g := range w.stirred {
		if g.stirred = w.serve(g, now); g.stirred {
			left = append(left, g)
			w.lookAt(now, now)
		}
	}
	clear(w.stirred[len(left):])
	w.stirred = left
	w.flush()
	if len(left) == 0 {
		w.late.done(w.relay.now())
	}
	w.reply(now)
	w.catchUp(now)
	w.flush()
	w.relay.metrics.publish(&w.batch.tally)
}

// stir gathers the groups that have something to send: media came, or the rest of a frame did not come in time.
func (w *worker) stir(now time.Duration) {
	for _, s := range w.spare.touched {
		// Cleared before the rings are read: media that comes in between wakes us once more rather than never.
		s.seats[w.index].dirty.Store(false)
		if g := w.groups[s]; g != nil {
			w.stirUp(g)
		}
	}
	waiting := w.timed[:0]
	for _, g := range w.timed {
		switch {
		case g.stirred || len(g.subs) == 0:
			g.timed = false
		case now >= g.look:
			g.timed = false
			w.stirUp(g)
		default:
			waiting = append(waiting, g)
			w.lookAt(g.look, now)
		}
	}
	clear(w.timed[len(waiting):])
	w.timed = waiting
}

func (w *worker) stirUp(g *group) {
	if !g.stirred {
		g.stirred = true
		w.stirred = append(w.stirred, g)
	}
}

// reply answers what viewers reported, until replyPackets were asked for; the rest waits for the next turn.
func (w *worker) reply(now time.Duration) {
	for asked := 0; w.replied < len(w.spare.feedback); w.replied++ {
		if asked >= replyPackets {
			w.lookAt(now, now)
			return
		}
		f := &w.spare.feedback[w.replied]
		f.sub.asking.Add(-1)
		asked += f.asks()
		if f.apply(&w.batch, now) {
			w.fellBehind(f.sub, 0)
		}
	}
}

// lookAt has the next turn come at a time at the latest.
func (w *worker) lookAt(at, now time.Duration) {
	if wait := max(at-now, 1); w.again == 0 || wait < w.again {
		w.again = wait
	}
}

// flush has out what senders hold back.
func (w *worker) flush() {
	if w.batch.unsent {
		w.batch.unsent = false
		w.relay.flush(w.index)
	}
}

// collect swaps the mailbox for the emptied one of the last turn.
func (w *worker) collect() {
	clear(w.spare.touched)
	clear(w.spare.moves)
	done := w.replied == len(w.spare.feedback)
	if done {
		clear(w.spare.feedback)
		w.replied = 0
	}
	w.mu.Lock()
	w.touched, w.spare.touched = w.spare.touched[:0], w.touched
	w.moves, w.spare.moves = w.spare.moves[:0], w.moves
	if done {
		w.feedback, w.spare.feedback = w.spare.feedback[:0], w.feedback
	}
	w.late.begin()
	w.mu.Unlock()
}

func (w *worker) move(m move) {
	v := m.sub
	g := w.groups[v.stream]
	if m.join {
		if g == nil {
			g = &group{stream: v.stream}
			w.groups[v.stream] = g
			w.stirUp(g)
		}
		v.group, v.place = g, len(g.subs)
		g.subs = append(g.subs, v)
		w.fellBehind(v, 0)
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

func (w *worker) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
