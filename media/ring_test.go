package media

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func testPacket(seq uint64, ts uint32, marker, key bool, size int) *packet {
	return &packet{seq: seq, ts: ts, at: time.Duration(seq) * time.Millisecond, marker: marker, key: key, payload: make([]byte, size)}
}

// TestRingKeepsItsPromises compares the ring with a plain map under random arrival: loss, disorder, doubles.
func TestRingKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRing(Audio)
		size := uint64(len(r.slots))
		model := map[uint64]*packet{}
		head, base := uint64(0), uint64(100_000)
		for range rapid.IntRange(1, 400).Draw(t, "packets") {
			step := rapid.IntRange(-40, 60).Draw(t, "step")
			seq := uint64(int64(max(head, base)) + int64(step))
			if head == 0 {
				seq = base
			}
			big := rapid.IntRange(0, 3).Draw(t, "size") * 40_000
			p := testPacket(seq, uint32(seq/3), seq%3 == 2, seq%30 == 0, big)
			tail := r.tail.Load()
			result := r.insert(p)
			switch {
			case head != 0 && seq < tail:
				if result != tooOld {
					t.Fatalf("%d below tail %d: %v", seq, tail, result)
				}
				continue
			case model[seq] != nil:
				if result != duplicate {
					t.Fatalf("%d twice: %v", seq, result)
				}
				continue
			}
			model[seq] = p
			head = max(head, seq+1)
			if r.head.Load() != head {
				t.Fatalf("head %d, want %d", r.head.Load(), head)
			}
			if head > size && r.tail.Load() < head-size {
				t.Fatal("more packets than slots")
			}
			sum := 0
			for seq, p := range model {
				if seq < r.tail.Load() {
					delete(model, seq)
					continue
				}
				if r.at(seq) != p {
					t.Fatalf("%d is not what was put in", seq)
				}
				sum += len(p.payload)
			}
			if sum > ringBytes && len(model) > 1 {
				t.Fatalf("%d bytes kept", sum)
			}
			if rel := r.released.Load(); rel > head {
				t.Fatalf("released %d beyond head %d", rel, head)
			}
			checkNewestKeyframe(t, r, model)
		}
	})
}

// checkNewestKeyframe: the index names a kept frame that has the newest keyframe's timestamp, at its earliest packet in a row.
func checkNewestKeyframe(t *rapid.T, r *ring, model map[uint64]*packet) {
	seq, _, ok := r.keyframe()
	if !ok {
		return
	}
	p := model[seq]
	if p == nil {
		t.Fatalf("keyframe at %d is not kept", seq)
	}
	if prev := model[seq-1]; prev != nil && prev.ts == p.ts {
		t.Fatalf("keyframe at %d begins earlier", seq)
	}
	for other, q := range model {
		if q.key && other > seq+3 {
			t.Fatalf("keyframe at %d, but there is one at %d", seq, other)
		}
	}
}

func TestRingReleasesFrames(t *testing.T) {
	ms := func(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
	at := func(seq uint64, when time.Duration, marker bool) *packet {
		return &packet{seq: seq, ts: 1, at: when, marker: marker}
	}
	r := newRing(Video)
	limit := func(when time.Duration, want uint64, wait bool) {
		t.Helper()
		got, again := r.limit(when)
		if got != want || (again > 0) != wait {
			t.Fatalf("at %v: limit %d (want %d), again in %v", when, got, want, again)
		}
	}
	r.insert(at(10, ms(1), false))
	limit(ms(1), 10, true)
	r.insert(at(11, ms(1.5), true))
	limit(ms(1.5), 12, false) // whole frame: at once
	r.insert(at(12, ms(5), false))
	limit(ms(6.9), 12, true)
	limit(ms(7), 13, false) // half a frame after flushAfter
	if got := r.insert(at(14, ms(8), false)); got != released {
		t.Fatalf("a packet after the flush: %v", got)
	}
	if got := r.insert(at(13, ms(9), false)); got != recovered || r.lateCount.Load() != 1 {
		t.Fatalf("a packet behind the flush: %v", got)
	}
}

func TestRingBounds(t *testing.T) {
	r := newRing(Audio)
	r.insert(testPacket(1000, 1, true, false, 1))
	if got := r.insert(testPacket(1000+uint64(len(r.slots))-1, 2, true, false, 1)); got != released || r.at(1000) == nil {
		t.Fatal("a full ring lost its oldest packet too early")
	}
	r.insert(testPacket(1000+uint64(len(r.slots)), 3, true, false, 1))
	if r.at(1000) != nil || r.tail.Load() != 1001 {
		t.Fatal("the oldest packet was kept beyond the slots")
	}
	if got := r.insert(testPacket(1000, 1, true, false, 1)); got != tooOld {
		t.Fatalf("below the tail: %v", got)
	}

	r = newRing(Video)
	const each = 1 << 20
	for seq := uint64(1); seq <= ringBytes/each; seq++ {
		r.insert(testPacket(seq, 1, true, false, each))
	}
	if r.at(1) == nil {
		t.Fatal("dropped at the limit")
	}
	r.insert(testPacket(ringBytes/each+1, 1, true, false, 1))
	if r.at(1) != nil || r.at(2) == nil {
		t.Fatal("one byte past the limit: exactly the oldest goes")
	}

	r = newRing(Video)
	r.insert(testPacket(1, 1, true, false, 1))
	for seq := uint64(3); seq <= ringBytes/each+1; seq++ {
		r.insert(testPacket(seq, 1, true, false, each))
	}
	r.insert(testPacket(2, 1, true, false, each)) // late, and too much
	if r.at(1) != nil || r.at(3) == nil {
		t.Fatal("what comes late is not weighed")
	}
}

func TestKeyframeBeginsWithItsParameterSets(t *testing.T) {
	r := newRing(Video)
	r.insert(testPacket(9, 1, true, false, 1))
	r.insert(testPacket(11, 2, false, false, 1)) // PPS; the SPS at 10 is late
	r.insert(testPacket(12, 2, true, true, 1))
	if seq, _, ok := r.keyframe(); !ok || seq != 11 {
		t.Fatalf("keyframe at %d", seq)
	}
	r.insert(testPacket(10, 2, false, false, 1))
	if seq, _, _ := r.keyframe(); seq != 10 {
		t.Fatalf("keyframe at %d after the late packet", seq)
	}
	r.insert(testPacket(13, 3, true, false, 1))
	if seq, _, _ := r.keyframe(); seq != 10 {
		t.Fatal("a delta frame moved the keyframe")
	}
}

func TestUnwrap(t *testing.T) {
	l := &Layer{ring: newRing(Audio)}
	for i, c := range []struct {
		n    uint16
		want uint64
		ok   bool
	}{
		{65_534, 1<<16 | 65_534, true},
		{1, 2<<16 | 1, true},
		{65_535, 1<<16 | 65_535, true}, // late, over the wrap
		{20_000, 0, false},             // a new count is not believed
		{20_001, 0, false},
		{2, 2<<16 | 2, true}, // and the old one goes on
		{20_000, 0, false},
		{20_001, 0, false},
		{20_002, 3<<16 | 20_002, true}, // three in a row are
		{20_003, 3<<16 | 20_003, true},
	} {
		if got, ok := l.unwrap(c.n); got != c.want || ok != c.ok {
			t.Errorf("%d: %d gives %d %v", i, c.n, got, ok)
		}
	}
}
