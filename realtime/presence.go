package realtime

import (
	"context"
	"time"
)

const (
	// countRefresh is after how many rounds a count that has not changed is
	// told again: the bus forgets it after some seconds.
	countRefresh = 2
	countTimeout = 2 * time.Second
)

// census tells the bus how many people watch each room here, until ctx ends.
// Nothing else waits for it.
func (h *Hub) census(ctx context.Context) {
	ticker := time.NewTicker(h.cfg.CountEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			h.count(ctx)
		}
	}
}

// count tells what has changed or would be forgotten. What could not be told
// is told the next time.
func (h *Hub) count(ctx context.Context) {
	now := h.cfg.Now()
	counts := h.countsDue(now)
	if len(counts) == 0 {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	err := h.cfg.Bus.Count(bounded, counts)
	if err != nil && ctx.Err() == nil {
		h.metrics.countErrors.Inc()
		h.uncounted.Do(func() { h.cfg.Log.Warn("realtime: the count of viewers is not told", "error", err) })
	}
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, n := range counts {
		if r := h.rooms[id]; r != nil {
			r.told, r.toldAt = n, now
		}
	}
}

func (h *Hub) countsDue(now time.Time) map[RoomID]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	counts := map[RoomID]int{}
	for id, r := range h.rooms {
		stale := r.told > 0 && now.Sub(r.toldAt) >= countRefresh*h.cfg.CountEvery
		if r.watching != r.told || stale {
			counts[id] = r.watching
		}
	}
	return counts
}
