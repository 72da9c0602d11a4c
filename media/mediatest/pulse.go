package mediatest

import (
	"context"
	"sync"
	"time"
)

const (
	beat = 5 * time.Millisecond
	// A beat that is late by less than this is how a busy machine always is.
	tolerated = 20 * time.Millisecond
)

// Pulse notices when the machine of the test stood still. A promise about time
// is the program's: what a shared machine did not let run is taken off.
type Pulse struct {
	mu     sync.Mutex
	pauses []pause
	last   time.Time
}

type pause struct{ from, to time.Time }

// Run beats until ctx ends.
func (p *Pulse) Run(ctx context.Context) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	p.beatAt(time.Now())
	for {
		select {
		case <-ticker.C:
			p.beatAt(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

func (p *Pulse) beatAt(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.last.IsZero() && now.Sub(p.last) > beat+tolerated {
		p.pauses = append(p.pauses, pause{from: p.last.Add(beat), to: now})
	}
	p.last = now
}

// Stood returns for how long the machine stood still between two times.
func (p *Pulse) Stood(from, to time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var total time.Duration
	for _, s := range p.pauses {
		start, end := s.from, s.to
		if start.Before(from) {
			start = from
		}
		if end.After(to) {
			end = to
		}
		total += max(0, end.Sub(start))
	}
	return total
}

// LongestFreeze is the longest time between two frames that were seen, less
// what the machine stood still in it.
func (p *Pulse) LongestFreeze(seen []Seen) time.Duration {
	var longest time.Duration
	for i := 1; i < len(seen); i++ {
		from, to := seen[i-1].At, seen[i].At
		longest = max(longest, to.Sub(from)-p.Stood(from, to))
	}
	return longest
}
