package realtime

import "sort"

// ring is a room's recent messages, frames for short. Each has a sequence number
// of this ring, which cursors count in, and the offset it brings its viewer up
// to. They are immutable once appended: readers keep slices of them.
type ring struct {
	slots    []slot // the frame with sequence s stands in slots[s%len]
	base     uint64 // sequence of the oldest frame
	next     uint64 // sequence the next frame gets
	bytes    int    // of their texts; what they are made ready as comes on top
	written  uint64 // bytes of all frames ever
	maxBytes int
	floor    int64  // only a viewer that has everything up to floor can resume here
	cuts     uint64 // how often everybody had to be given a snapshot
}

type slot struct {
	msg     *message
	offset  int64
	start   uint64 // bytes of all frames before it
	sampled bool   // may be left out
}

// lagShare is the part of a ring, in frames or in bytes, by which a viewer may
// lag and still be shown all that is sampled: enough for a line that stumbles,
// and far from being overtaken.
const lagShare = 16

func newRing(frames, maxBytes int) ring {
	return ring{slots: make([]slot, frames), maxBytes: maxBytes}
}

// append adds a message and lets the oldest go when there are too many or they
// are too large together. The newest always stays.
func (r *ring) append(text []byte, offset int64) { r.put(slot{msg: newMessage(text), offset: offset}) }

// appendSampled is append for a message that slow viewers do without.
func (r *ring) appendSampled(text []byte, offset int64) {
	r.put(slot{msg: newMessage(text), offset: offset, sampled: true})
}

func (r *ring) put(s slot) {
	if r.next-r.base == uint64(len(r.slots)) {
		r.evict()
	}
	s.start = r.written
	*r.at(r.next) = s
	r.next++
	r.bytes += len(s.msg.text)
	r.written += uint64(len(s.msg.text))
	for r.bytes > r.maxBytes && r.next-r.base > 1 {
		r.evict()
	}
}

func (r *ring) at(seq uint64) *slot { return &r.slots[seq%uint64(len(r.slots))] }

func (r *ring) evict() {
	old := r.at(r.base)
	r.bytes -= len(old.msg.text)
	r.floor = max(r.floor, old.offset)
	*old = slot{}
	r.base++
}

// cut makes every cursor too old, so that each viewer is given a snapshot, and
// refuses to resume anybody who has less than floor.
func (r *ring) cut(floor int64) {
	for r.base < r.next {
		r.evict()
	}
	r.base++ // a cursor that had read everything is too old as well
	r.next = r.base
	r.floor = floor
	r.cuts++
}

// resume finds the cursor of a viewer that has everything up to offset.
func (r *ring) resume(offset int64) (cursor uint64, ok bool) {
	if offset < r.floor {
		return 0, false
	}
	n := int(r.next - r.base)
	i := sort.Search(n, func(i int) bool { return r.at(r.base+uint64(i)).offset > offset })
	return r.base + uint64(i), true
}

// from appends the frames from cursor on to view, as many as fit its capacity,
// and returns where they begin: sampled frames before skip are passed over, and
// end the list when they stand behind others. ok is false when the oldest frame
// wanted is gone. They are made ready for a viewer when the ring is no longer
// held: compressing a large one takes its time.
func (r *ring) from(cursor, skip uint64, view []*message) (_ []*message, start uint64, ok bool) {
	if cursor < r.base {
		return view, cursor, false
	}
	for cursor < min(skip, r.next) && r.at(cursor).sampled {
		cursor++
	}
	start = cursor
	for ; cursor < r.next && len(view) < cap(view) && (cursor >= skip || !r.at(cursor).sampled); cursor++ {
		view = append(view, r.at(cursor).msg)
	}
	return view, start, true
}

// lag judges a viewer who is at cursor and skips sampled frames before skip. If
// it lags too far behind the rest, all of them up to now are to be skipped:
// lost is how many those are.
func (r *ring) lag(cursor, skip uint64) (_ uint64, lost int) {
	from := max(cursor, skip, r.base)
	if from >= r.next {
		return skip, 0
	}
	frames, bytes := r.next-from, r.written-r.at(from).start
	if frames <= uint64(max(1, len(r.slots)/lagShare)) && bytes <= uint64(max(1, r.maxBytes/lagShare)) {
		return skip, 0
	}
	for seq := from; seq < r.next; seq++ {
		if r.at(seq).sampled {
			lost++
		}
	}
	return r.next, lost
}
