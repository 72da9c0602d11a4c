package realtime

import "sort"

// ring is a room's recent frames. Each frame has a sequence number of this
// ring, which cursors count in, and the offset it brings its viewer up to.
// Frames are immutable once appended: readers keep slices of them.
type ring struct {
	slots    []slot // the frame with sequence s stands in slots[s%len]
	base     uint64 // sequence of the oldest frame
	next     uint64 // sequence the next frame gets
	bytes    int
	maxBytes int
	floor    int64  // only a viewer that has everything up to floor can resume here
	cuts     uint64 // how often everybody had to be given a snapshot
}

type slot struct {
	frame  []byte
	offset int64
}

func newRing(frames, maxBytes int) ring {
	return ring{slots: make([]slot, frames), maxBytes: maxBytes}
}

// append adds a frame and lets the oldest go when there are too many or they
// are too large together. The newest always stays.
func (r *ring) append(frame []byte, offset int64) {
	if r.next-r.base == uint64(len(r.slots)) {
		r.evict()
	}
	*r.at(r.next) = slot{frame, offset}
	r.next++
	r.bytes += len(frame)
	for r.bytes > r.maxBytes && r.next-r.base > 1 {
		r.evict()
	}
}

func (r *ring) at(seq uint64) *slot { return &r.slots[seq%uint64(len(r.slots))] }

func (r *ring) evict() {
	old := r.at(r.base)
	r.bytes -= len(old.frame)
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

// from appends the frames from cursor on to view, as many as fit its capacity.
// ok is false when the oldest of them is gone.
func (r *ring) from(cursor uint64, view [][]byte) (_ [][]byte, ok bool) {
	if cursor < r.base {
		return view, false
	}
	for ; cursor < r.next && len(view) < cap(view); cursor++ {
		view = append(view, r.at(cursor).frame)
	}
	return view, true
}
