package load

import "time"

// window is how far behind the newest packet one may come and still be counted as it is: new, or a repetition.
const window = 1024

// track counts the packets of one SSRC of one kind. It belongs to its viewer's lock.
type track struct {
	started     bool
	ssrc        uint32
	first, high int64 // sequence numbers that do not wrap
	unique      int64
	seen        [window / 64]uint64

	packets, repeated, bytes int64 // of all SSRCs
	lostBefore               int64 // of SSRCs before this one

	lastReport uint32 // middle of the sender report's NTP time
	reportAt   time.Time
}

// arrive counts a packet, and says whether it is the first of its number.
func (t *track) arrive(ssrc uint32, seq uint16, size int) bool {
	t.bytes += int64(size)
	if !t.started || t.ssrc != ssrc {
		t.lostBefore = t.lost()
		at := int64(seq) + 1<<16
		t.started, t.ssrc, t.first, t.high, t.unique = true, ssrc, at, at, 0
		t.seen = [window / 64]uint64{}
	}
	n := t.high + int64(int16(seq-uint16(t.high)))
	if n <= t.high-window || t.isSeen(n) && n <= t.high {
		t.repeated++
		return false
	}
	for ; t.high < n; t.high++ { // at most 32,768 steps, and then numbers were lost
		t.mark(t.high+1, false)
	}
	t.mark(n, true)
	t.first = min(t.first, n)
	t.unique++
	t.packets++
	return true
}

func (t *track) isSeen(n int64) bool { return t.seen[n%window/64]&(1<<(n%64)) != 0 }

func (t *track) mark(n int64, seen bool) {
	t.seen[n%window/64] &^= 1 << (n % 64)
	if seen {
		t.seen[n%window/64] |= 1 << (n % 64)
	}
}

// lost is how many numbers between the first and the newest have not come.
func (t *track) lost() int64 {
	if !t.started {
		return 0
	}
	return t.lostBefore + t.high - t.first + 1 - t.unique
}
