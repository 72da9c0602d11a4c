package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/rialto-live/rialto/realtime"
)

// heart adds to the room's hearts. Of somebody who sends too many, as many are
// taken as are fair; they are not told.
func (c *Chat) heart(from realtime.Caller, data json.RawMessage) error {
	var sent struct {
		Count int64 `json:"count"`
	}
	if json.Unmarshal(data, &sent) != nil || sent.Count < 1 || sent.Count > MaxHearts {
		return refuse(realtime.CallInvalid, fmt.Sprintf(`hearts.send takes {"count":n}, 1 to %d.`, MaxHearts))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := sent.Count
	if from.Subject != "" { // others are held by their socket's limit alone
		taken = c.authorOf(from, c.cfg.Now()).hearts.takeSome(c.cfg.Now(), sent.Count, heartPace)
	}
	c.metrics.dropHearts(dropTooMany, sent.Count-taken)
	_, known := c.hearts[from.Room]
	switch {
	case taken == 0:
	case !known && len(c.hearts) == MaxRooms:
		c.metrics.dropHearts(dropRooms, taken)
	default:
		c.hearts[from.Room] += taken
	}
	return nil
}

// Run casts hearts until ctx ends.
func (c *Chat) Run(ctx context.Context) error {
	ticker := time.NewTicker(heartsEvery)
	defer ticker.Stop()
	seldom := rate.Sometimes{Interval: time.Minute}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := c.beat(ctx); err != nil && ctx.Err() == nil {
			seldom.Do(func() { c.cfg.Log.Warn("chat: hearts are lost", "error", err) })
		}
	}
}

// beat casts the hearts of all rooms. When a cast fails, the bus is away, and
// the hearts of this moment are lost.
func (c *Chat) beat(ctx context.Context) error {
	c.mu.Lock()
	hearts := c.hearts
	c.hearts = make(map[realtime.RoomID]int64, len(hearts))
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, castTimeout)
	defer cancel()
	var failed error
	for room, n := range hearts {
		if failed == nil {
			failed = c.cfg.Cast(ctx, room, realtime.Event{Type: TypeHearts, Class: realtime.Sampled, Add: min(n, realtime.MaxAdd)})
		}
		if failed != nil {
			c.metrics.dropHearts(realtime.CallUnavailable, n)
			continue
		}
		c.metrics.hearts.Add(float64(n))
	}
	return failed
}
