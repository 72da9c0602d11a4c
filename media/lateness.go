package media

import (
	"sync/atomic"
	"time"
)

// lateness is how late one worker is for viewers that follow live. The worker and those who wake it write it once per
// turn, and anybody reads it.
type lateness struct {
	due     atomic.Int64 // arrival of the oldest media that no turn has taken up, 0 when none; written under worker.mu
	serving atomic.Int64 // arrival of the oldest media that turns are sending, 0 when none
	peak    atomic.Int64 // the worst of late, as of peakAt
	peakAt  atomic.Int64
}

// arrived notes media that waits for a turn. Needs worker.mu.
func (l *lateness) arrived(at time.Duration) {
	if l.due.Load() == 0 {
		l.due.Store(int64(at))
	}
}

// begin takes up what has arrived. Needs worker.mu. What is due is never in neither place: readers look at due first.
func (l *lateness) begin() {
	if due := l.due.Load(); due != 0 {
		l.serving.CompareAndSwap(0, due) // else the turn before has left something older
		l.due.Store(0)
	}
}

// done says that those who follow live have got all that had arrived.
func (l *lateness) done(now time.Duration) {
	since := l.serving.Load()
	if since == 0 {
		return
	}
	if late := now - time.Duration(since); late >= l.recent(now) {
		l.peakAt.Store(int64(now)) // first: a reader in between sees the old peak as fresh, never the new one as old
		l.peak.Store(int64(late))
	}
	l.serving.Store(0)
}

// recent is the decaying maximum: a peak fades evenly until it is forgotten after latenessFades.
func (l *lateness) recent(now time.Duration) time.Duration {
	peak, age := time.Duration(l.peak.Load()), now-time.Duration(l.peakAt.Load())
	if age >= latenessFades {
		return 0
	}
	return time.Duration(float64(peak) * (1 - float64(max(age, 0))/float64(latenessFades)))
}

// now also counts what is still waiting, so that it is true while a turn hangs.
func (l *lateness) now(now time.Duration) time.Duration {
	worst := time.Duration(0)
	for _, since := range []int64{l.due.Load(), l.serving.Load()} {
		if since != 0 {
			worst = max(worst, now-time.Duration(since))
		}
	}
	return max(worst, l.recent(now))
}

// Lateness is how long media has lately stayed here on its way to viewers that follow live: from a frame's last packet
// coming in to the end of the turn that sent it, flush included; of the worst worker, and of its worst turn, which is
// forgotten within a second. Viewers that are being caught up do not count. It is a few
// milliseconds or less while the machine keeps up, and grows without bound while a worker hangs. Any goroutine may call it.
func (r *Relay) Lateness() time.Duration {
	now, worst := r.now(), time.Duration(0)
	for _, w := range r.workers {
		worst = max(worst, w.late.now(now))
	}
	return worst
}
