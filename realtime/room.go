package realtime

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	openTimeout     = 5 * time.Second
	snapshotTimeout = 5 * time.Second
	recallTimeout   = time.Second
	retryFirst      = 100 * time.Millisecond
	retryMost       = 2 * time.Second
)

// room is a show's audience on one node.
type room struct {
	// static
	id     RoomID
	hub    *Hub
	shards []shard // one per writer
	cancel context.CancelFunc
	ready  chan struct{} // closed once openErr is set

	openErr error // written before ready is closed

	// guarded by Hub.mu
	members    int
	emptySince time.Time
	watching   int       // members who are counted as viewers
	told       int       // what the bus was told last
	toldAt     time.Time // and when

	// owned by run
	feed    Feed
	tick    *time.Timer
	due     bool // tick is running
	sampler sampler
	gone    withdrawn

	mu     sync.RWMutex // guards what follows
	at     Position     // every event up to here is in state
	state  state
	recent memory
	ring   ring
	shared joined // the newest snapshot that viewers were given

	greetings greetings // the newest of those who resumed
}

func newRoom(h *Hub, id RoomID, cancel context.CancelFunc) *room {
	r := &room{
		id: id, hub: h, cancel: cancel, ready: make(chan struct{}),
		shards:  make([]shard, len(h.writers)),
		sampler: newSampler(perTick(h.cfg.Tick)),
		state:   newState(),
		ring:    newRing(h.cfg.RingFrames, h.cfg.RingBytes),
	}
	for i := range r.shards {
		r.shards[i].writer, r.shards[i].room = h.writers[i], r
	}
	return r
}

// run feeds the room until ctx ends. It is the only one who writes state and
// ring.
func (r *room) run(ctx context.Context) {
	r.openErr = r.open(ctx)
	if r.openErr != nil {
		r.hub.forget(r)
	}
	close(r.ready)
	if r.openErr != nil {
		return
	}
	defer r.feed.Close()
	r.tick = time.NewTimer(time.Hour)
	r.tick.Stop()
	defer r.tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.feed.Ready():
			r.take(ctx)
		case <-r.tick.C:
			r.due = false
			r.endTick()
		}
	}
}

// open subscribes before it reads: what happens in between comes through the
// feed and is recognised by its version.
func (r *room) open(ctx context.Context) error {
	subscribe, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	at, feed, err := r.hub.cfg.Bus.Subscribe(subscribe, r.id)
	if err != nil {
		return fmt.Errorf("room %s: %w", r.id, err)
	}
	if err := r.load(ctx, at, true); err != nil {
		feed.Close()
		return err
	}
	r.recall(ctx)
	r.feed = feed
	return nil
}

// recall learns what the room should remember and has not heard itself: all,
// when it opens; what was said while the bus was out of reach, later. A room
// can do without.
func (r *room) recall(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, recallTimeout)
	defer cancel()
	remembered, err := r.hub.cfg.Bus.Recent(bounded, r.id)
	if err != nil {
		r.hub.metrics.recentErrors.Inc()
		return
	}
	var said []Event
	for _, e := range remembered {
		switch {
		case !e.Fleeting() || e.Validate() != nil:
		case r.gone.has(e):
		case e.Keep && !r.sampler.knows(e.ID):
			said = append(said, e)
		case e.Class == Latest:
			r.apply(Delivery{Event: e})
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if news := r.recent.recall(said); len(news) > 0 {
		r.flush()
		r.ring.appendSampled(sampleText(entriesOf(news)), r.at.Offset)
	}
}

// load reads a snapshot and goes on from at. Without force the viewers are
// left alone when the snapshot says what they know already.
func (r *room) load(ctx context.Context, at Position, force bool) error {
	snapshot, err := r.hub.snapshot(ctx, r.id)
	if err != nil {
		return fmt.Errorf("room %s: snapshot: %w", r.id, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	news, err := r.state.replace(snapshot)
	if err != nil {
		return fmt.Errorf("room %s: %w", r.id, err)
	}
	for _, e := range snapshot {
		r.withdraw(e)
	}
	if force || news {
		r.at = at
		clear(r.state.pending)
		// The snapshot may know of events that will never come through this
		// feed, so that nobody can resume from before it.
		r.ring.cut(at.Offset + 1)
	}
	return nil
}

// take applies what waits in the feed and tells the writers once.
func (r *room) take(ctx context.Context) {
	r.hub.beforeTake(r.id)
	for _, d := range r.feed.Take() {
		switch d.News {
		case NewsReset:
			r.hub.metrics.resets.Inc()
			r.reload(ctx, &Position{d.Epoch, d.Offset})
			r.recall(ctx)
		case NewsDoubt:
			r.hub.metrics.doubts.Inc()
			r.reload(ctx, nil)
			r.recall(ctx)
		default:
			r.apply(d)
		}
	}
	if (len(r.state.pending)+len(r.state.urged) > 0 || !r.sampler.empty()) && !r.due {
		r.due = true
		r.tick.Reset(r.hub.cfg.Tick)
	}
	r.wake()
}

// reload tries until it has a snapshot. The room stands still meanwhile: its
// viewers keep what they have, and the feed keeps what comes.
func (r *room) reload(ctx context.Context, reset *Position) {
	at, force := r.at, false
	if reset != nil {
		at, force = *reset, true
	}
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		err := r.load(ctx, at, force)
		if err == nil || ctx.Err() != nil {
			return
		}
		r.hub.cfg.Log.Error("realtime: a room waits for its snapshot", "room", r.id, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// apply puts one event into the state and, unless it can wait for the tick or
// is old news, into the ring. A sampled one always waits.
func (r *room) apply(d Delivery) {
	if d.Event.Class == Sampled {
		r.sample(d.Event)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if d.Event.Fleeting() {
		d.Offset = r.at.Offset // it moves nobody in the history
	}
	judged := r.state.judge(d.Event)
	if judged == taken || judged == full {
		r.withdraw(d.Event)
	}
	switch judged {
	case older:
		r.drop(dropOlder)
	case inSnap:
		// Viewers of this room have it from the snapshot and ignore it by its
		// version, but somebody who came from another node with a smaller
		// offset, and was let in as one who has all up to there, has not.
		if d.Event.Class == Lossless {
			r.write(d)
		} else if r.state.knows(d.Event.stateKey()) {
			r.state.wait(d.Event.stateKey())
		}
	case full:
		r.drop(dropStateFull) // of the state: the viewers here are told all the same
		r.write(d)
	case taken:
		if !r.canWait(d.Event) {
			r.write(d)
			r.state.put(d.Event)
			break
		}
		r.state.put(d.Event)
		if !r.state.wait(d.Event.stateKey()) {
			r.drop(dropMerged)
		}
	}
	r.at.Offset = d.Offset
}

// write puts an event into the ring at once. What waits for the tick goes
// before it, so that a frame's offset speaks for everything up to it: this is
// why a value can come before its tick is over.
func (r *room) write(d Delivery) {
	r.flush()
	r.ring.append(eventText(d.Event, d.Offset), d.Offset)
}

// canWait is true for a latest value, unless it is urgent for the first time
// in this tick: a value that flaps around "sold out" must not become a flood.
func (r *room) canWait(e Event) bool {
	if e.Class != Latest {
		return false
	}
	if !e.Urgent {
		return true
	}
	_, again := r.state.urged[e.stateKey()]
	r.state.urged[e.stateKey()] = struct{}{}
	return again
}

// flush writes the merged values as one frame.
func (r *room) flush() {
	if entries := r.state.takePending(); entries != nil {
		r.ring.append(tickText(entries, r.at.Offset), r.at.Offset)
	}
}

// sample takes a sampled event for the tick.
func (r *room) sample(e Event) {
	if e.Keep && (r.sampler.knows(e.ID) || r.recent.knows(e.ID)) {
		r.drop(dropRepeated)
		return
	}
	if r.gone.has(e) {
		r.drop(dropWithdrawn)
		return
	}
	left, ok := r.sampler.take(e)
	if !ok {
		r.drop(dropSums)
	}
	r.dropMany(dropThinned, left)
}

func (r *room) endTick() {
	shown, left := r.sampler.end()
	shown = slices.DeleteFunc(shown, r.gone.has)
	r.dropMany(dropThinned, left)
	r.mu.Lock()
	r.flush()
	clear(r.state.urged)
	if len(shown) > 0 {
		r.recent.add(shown)
		r.ring.appendSampled(sampleText(entriesOf(shown)), r.at.Offset)
	}
	r.mu.Unlock()
	r.wake()
}

func (r *room) drop(reason string) { r.hub.metrics.drops.WithLabelValues(reason).Inc() }

func (r *room) dropMany(reason string, n int) {
	if n > 0 {
		r.hub.metrics.drops.WithLabelValues(reason).Add(float64(n))
	}
}

func (r *room) wake() {
	for i := range r.shards {
		r.shards[i].wake()
	}
}
