package client

import (
	"sync"
	"time"
)

// clockSamples is how many exchanges the clock remembers: old ones must go,
// since crystals drift.
const clockSamples = 8

// Clock knows how far the server's clock is ahead of ours. Of the last
// exchanges it believes the one with the shortest way, which leaves the least
// room for error.
type Clock struct {
	mu      sync.Mutex
	samples []clockSample
}

type clockSample struct{ ahead, way time.Duration }

// add takes one exchange: sent and got by our clock, read and answered by the
// server's, all in Unix milliseconds.
func (c *Clock) add(sent, read, answered, got int64) {
	way := (got - sent) - (answered - read)
	if way < 0 {
		return // a clock was set in between
	}
	ahead := ((read - sent) + (answered - got)) / 2
	c.mu.Lock()
	defer c.mu.Unlock()
	c.samples = append(c.samples, clockSample{time.Duration(ahead) * time.Millisecond, time.Duration(way) * time.Millisecond})
	if len(c.samples) > clockSamples {
		c.samples = c.samples[1:]
	}
}

// Ahead returns how far the server's clock is ahead and how wrong that may be;
// ok is false before the first exchange.
func (c *Clock) Ahead() (ahead, uncertainty time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.samples) == 0 {
		return 0, 0, false
	}
	best := c.samples[0]
	for _, s := range c.samples[1:] {
		if s.way <= best.way {
			best = s
		}
	}
	return best.ahead, best.way/2 + time.Millisecond, true
}
