package load

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// buyStats is what has happened so far.
type buyStats struct {
	Visits, Taps, Yours, Unanswered int
	Again                           int // the same thing, asked for once more
	Paid, Left, Released            int
	Refused                         map[string]int  // taps, by code
	Unpaid                          map[string]int  // payments and releases, by code
	Failed                          map[string]int  // visits, by cause
	Times                           []time.Duration // from the first tap to "yours"
	PayTimes                        []time.Duration
}

func newBuyStats() buyStats {
	return buyStats{Refused: map[string]int{}, Unpaid: map[string]int{}, Failed: map[string]int{}}
}

func (r *rush) note(change func(*buyStats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.stats)
}

// now is a copy; the times are sorted.
func (r *rush) now() buyStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Refused, s.Unpaid, s.Failed = maps.Clone(s.Refused), maps.Clone(s.Unpaid), maps.Clone(s.Failed)
	s.Times, s.PayTimes = slices.Sorted(slices.Values(s.Times)), slices.Sorted(slices.Values(s.PayTimes))
	return s
}

// fail counts a visit that failed. Causes may have anything in them: those past a bound are one.
func (s *buyStats) fail(cause string) {
	if _, known := s.Failed[cause]; !known && len(s.Failed) >= maxCauses {
		cause = "other causes"
	}
	s.Failed[cause]++
}

func (s buyStats) answered() int { return s.Yours + total(s.Refused) }

// tell prints a line a second until ctx ends.
func (r *rush) tell(ctx context.Context, out io.Writer) {
	before := 0
	eachSecond(ctx, func() {
		s := r.now()
		fmt.Fprintf(out, "%d visits, %d taps (%d/s), %d yours, %d refused, %d asked again; %d paid, %d walked away; tap to yours p99 %.1f ms; %d failed\n",
			s.Visits, s.Taps, s.Taps-before, s.Yours, total(s.Refused), s.Again, s.Paid, s.Left+s.Released, inMS(Percentile(s.Times, 99)), total(s.Failed))
		before = s.Taps
	})
}

func (s buyStats) summarize(out io.Writer, took time.Duration) {
	fmt.Fprintf(out, "\nin %.1f s\n", took.Seconds())
	fmt.Fprintf(out, "  visits        %d\n", s.Visits)
	each(out, "failed", s.Failed, ": ")
	fmt.Fprintf(out, "  taps          %d, %.1f a second, %d answered, %d without an answer; %d times the same was asked again\n",
		s.Taps, float64(s.Taps)/took.Seconds(), s.answered(), s.Unanswered, s.Again)
	fmt.Fprintf(out, "  yours         %d\n", s.Yours)
	each(out, "refused", s.Refused, " with ")
	fmt.Fprintf(out, "  tap to yours  p50 %.1f ms, p99 %.1f ms, with what was asked again\n", inMS(Percentile(s.Times, 50)), inMS(Percentile(s.Times, 99)))
	fmt.Fprintf(out, "  paid          %d, p50 %.1f ms, p99 %.1f ms\n", s.Paid, inMS(Percentile(s.PayTimes, 50)), inMS(Percentile(s.PayTimes, 99)))
	each(out, "not paid", s.Unpaid, " with ")
	fmt.Fprintf(out, "  walked away   %d gave it back, %d let the time pass\n", s.Released, s.Left)
}
