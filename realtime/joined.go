package realtime

import "time"

// A snapshot can be large, and many ask for one at the same moment: everybody
// after this server's neighbour has died, every slow viewer after a burst. So
// they are given the same message, and what has happened since follows from
// the ring, as it does for whoever was given it first.
const (
	// joinShare is how long viewers who come in share a message, if nothing has
	// happened meanwhile: only the clock in it can be old.
	joinShare = 5 * time.Millisecond
	// jumpShare is the same for slow viewers, also if something has happened.
	// However many they are and however slowly they take it, one message per
	// jumpShare is kept for them.
	jumpShare = time.Second
)

// joined is a snapshot for many viewers, and where in the ring it stands.
type joined struct {
	text   *message
	at     Position
	made   time.Time
	cursor uint64
	cuts   uint64
}

// admission is how a viewer comes into a room, or is brought forward in it.
type admission struct {
	first   *message // its joined message
	cursor  uint64
	skip    uint64 // what was sampled before this is in first, or gone
	cuts    uint64
	resumed bool
}

// admit lets a viewer in. have is what it says it has from before, or zero.
func (r *room) admit(have Position, now time.Time) admission {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Somebody who is ahead of this node comes from another that was faster;
	// the snapshot is older, and versions keep the viewer from going back.
	if have.Epoch == r.at.Epoch && have.Offset <= r.at.Offset {
		if cursor, ok := r.ring.resume(have.Offset); ok {
			first := r.greetings.of(have, r.state.unversioned(), r.recent.json(), now)
			return admission{first: first, cursor: cursor, skip: r.ring.next, cuts: r.ring.cuts, resumed: true}
		}
	}
	// The list goes when the state changes; what is remembered changes with a
	// frame for the ring.
	same := r.state.list != nil && r.shared.cursor == r.ring.next && r.shared.at == r.at
	if !same || !r.sharedWithin(joinShare, now) {
		r.share(now)
	}
	return r.fromShared()
}

// forward is where a slow viewer goes on.
func (r *room) forward(now time.Time) admission {
	r.mu.Lock()
	defer r.mu.Unlock()
	cursor := r.shared.cursor
	skip, _ := r.ring.lag(cursor, cursor)
	near := cursor >= r.ring.base && skip == cursor // or it would lag from the first
	if !near || !r.sharedWithin(jumpShare, now) {
		r.share(now)
	}
	return r.fromShared()
}

// sharedWithin says whether there is a message that is not older than age. Who
// lacks a cut is not helped by one from before it.
func (r *room) sharedWithin(age time.Duration, now time.Time) bool {
	since := now.Sub(r.shared.made)
	return r.shared.text != nil && r.shared.cuts == r.ring.cuts && since >= 0 && since < age
}

func (r *room) share(now time.Time) {
	text := joinedText(r.at, now.UnixMilli(), false, r.state.snapshot(), r.recent.json())
	r.shared = joined{newMessage(text), r.at, now, r.ring.next, r.ring.cuts}
}

// tidy lets go of messages that nobody will be given any more.
func (r *room) tidy(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.greetings.forget(now)
	if !r.sharedWithin(jumpShare, now) {
		r.shared = joined{}
	}
}

func (r *room) fromShared() admission {
	s := &r.shared
	return admission{first: s.text, cursor: s.cursor, skip: s.cursor, cuts: s.cuts}
}
