package media

import (
	"sync/atomic"
	"time"
)

// ring keeps the last packets of one layer. One goroutine writes; any number read without a lock, because a
// packet never changes and a slot is one atomic pointer. Positions are unwrapped sequence numbers, so a lost packet
// is an empty slot that a retransmission may still fill.
type ring struct {
	slots []atomic.Pointer[packet]
	mask  uint64

	tail     atomic.Uint64 // oldest position still kept
	head     atomic.Uint64 // one past the newest
	released atomic.Uint64 // one past the last complete frame: how far readers may go
	waiting  atomic.Int64  // arrival of the first packet not released, 0 when none

	key   atomic.Uint64 // 1 + position where the newest keyframe's frame begins, 0 when none
	keyAt atomic.Int64  // its arrival

	// late lists positions filled behind the head. A reader that had already passed one sends it late; for any
	// other reader it comes in its turn.
	late      [lateSlots]atomic.Uint64
	lateCount atomic.Uint64
	lastAt    atomic.Int64 // arrival of the newest packet

	// owned by the writer
	bytes int
	keyTS uint32
}

func newRing(kind Kind) *ring {
	n := videoSlots
	if kind == Audio {
		n = audioSlots
	}
	return &ring{slots: make([]atomic.Pointer[packet], n), mask: uint64(n - 1)}
}

// at returns the packet at a position, nil when it was lost or is gone.
func (r *ring) at(seq uint64) *packet {
	p := r.slots[seq&r.mask].Load()
	if p == nil || p.seq != seq {
		return nil
	}
	return p
}

// keyframe returns where the newest keyframe begins and when it arrived.
func (r *ring) keyframe() (seq uint64, at time.Duration, ok bool) {
	k := r.key.Load()
	if k == 0 || k-1 < r.tail.Load() {
		return 0, 0, false
	}
	return k - 1, time.Duration(r.keyAt.Load()), true
}

// limit is how far a reader may go now: to the end of the last complete frame, or to the newest packet when its
// frame has been coming in for longer than flushAfter. wait says when to look again, 0 for not at all.
func (r *ring) limit(now time.Duration) (limit uint64, wait time.Duration) {
	since := time.Duration(r.waiting.Load())
	released := r.released.Load()
	if since == 0 {
		return released, 0
	}
	if age := now - since; age < flushAfter {
		return released, flushAfter - age
	}
	return r.head.Load(), 0
}

// stale says whether the oldest that a reader at pos has yet to send is older than maxLag.
func (r *ring) stale(pos uint64, now time.Duration) bool {
	for seq, end := pos, min(r.released.Load(), pos+maxFrame); seq < end; seq++ {
		if p := r.at(seq); p != nil {
			return now-p.at > maxLag
		}
	}
	return false
}

// insertResult says what became of a packet.
type insertResult uint8

const (
	stored    insertResult = iota // in the ring; readers see it with the rest of its frame
	released                      // in the ring, and readers should be woken
	recovered                     // filled a gap that readers had passed
	duplicate                     // already there
	tooOld                        // older than anything kept
)

// insert puts a packet in; only the writer calls it.
func (r *ring) insert(p *packet) insertResult {
	head := r.head.Load()
	if head == 0 {
		r.tail.Store(p.seq)
		r.released.Store(p.seq)
		head = p.seq
	}
	if p.seq < r.tail.Load() {
		return tooOld
	}
	slot := &r.slots[p.seq&r.mask]
	old := slot.Load()
	if old != nil {
		if old.seq == p.seq {
			return duplicate
		}
		r.bytes -= len(old.payload)
	}
	if p.seq >= head {
		r.advanceTail(p.seq + 1)
	}
	slot.Store(p)
	r.bytes += len(p.payload)
	if p.seq >= head {
		r.lastAt.Store(int64(p.at))
		r.head.Store(p.seq + 1)
	} else {
		n := r.lateCount.Load()
		r.late[n%lateSlots].Store(p.seq)
		r.lateCount.Store(n + 1)
	}
	r.trim() // late packets weigh as much as new ones
	r.indexKeyframe(p)
	return r.release(p)
}

// advanceTail makes room for a head. The tail moves before the slot is reused, so that a reader that still sees the old
// tail finds at worst an empty slot.
func (r *ring) advanceTail(head uint64) {
	if size := uint64(len(r.slots)); head > size && head-size > r.tail.Load() {
		r.tail.Store(head - size)
	}
}

// trim keeps the ring under its bytes.
func (r *ring) trim() {
	tail := r.tail.Load()
	head := r.head.Load()
	for r.bytes > ringBytes && tail+1 < head {
		slot := &r.slots[tail&r.mask]
		if p := slot.Load(); p != nil && p.seq == tail {
			r.bytes -= len(p.payload)
			slot.Store(nil)
		}
		tail++
	}
	if tail > r.tail.Load() {
		r.tail.Store(tail)
	}
}

// indexKeyframe remembers where the newest keyframe's frame begins. Parameter sets stand before the first
// slice in packets of their own with the same timestamp, and any of these may arrive late.
func (r *ring) indexKeyframe(p *packet) {
	known := r.key.Load()
	switch {
	case p.key && (known == 0 || p.seq >= known && p.ts != r.keyTS):
		r.keyTS = p.ts
		r.keyAt.Store(int64(p.at))
		r.key.Store(r.frameStart(p) + 1)
	case known != 0 && p.ts == r.keyTS && p.seq+1 < known && p.seq+maxFrame > known:
		r.key.Store(r.frameStart(p) + 1)
	}
}

// maxFrame bounds how far back a frame's beginning is looked for.
const maxFrame = 512

func (r *ring) frameStart(p *packet) uint64 {
	start := p.seq
	for n := 0; n < maxFrame && start > r.tail.Load(); n++ {
		if prev := r.at(start - 1); prev == nil || prev.ts != p.ts {
			break
		}
		start--
	}
	return start
}

func (r *ring) release(p *packet) insertResult {
	if p.seq < r.released.Load() {
		return recovered
	}
	if p.marker {
		r.releaseTo(p.seq + 1)
		return released
	}
	since := time.Duration(r.waiting.Load())
	if since == 0 {
		r.waiting.Store(int64(max(p.at, 1)))
		return released // readers set their timer
	}
	if p.at-since >= flushAfter {
		r.releaseTo(r.head.Load())
		return released
	}
	return stored
}

func (r *ring) releaseTo(seq uint64) {
	r.released.Store(seq)
	if r.head.Load() == seq {
		r.waiting.Store(0)
		return
	}
	// Packets beyond the marker came before it: they have waited already.
	r.waiting.Store(max(r.waiting.Load(), 1))
}
