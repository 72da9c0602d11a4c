package client

import (
	"sync"
	"time"
)

const (
	// clockDrift: two clocks drift apart by at most one part in so many (250 ppm; a bad crystal makes 100).
	clockDrift = 4000
	// clockNap is by how much our two clocks must part to say that one of them was set, or slept.
	clockNap = 500 * time.Millisecond
	// clockTick is what the server's whole milliseconds leave open.
	clockTick = time.Millisecond
)

// Clock knows the server's clock, and how well. An exchange says where the server's clock stands only as well as its way
// was short: no earlier than a way of nothing back would make it, no later than a way of nothing there. What all exchanges
// allow is believed, the older ones with what the clocks may have drifted apart since. When nothing is left of that, a clock
// was set, and the newest exchange is believed alone.
//
// Its own time is the monotonic one, so that a clock of ours that is set moves nothing. The zero value is ready.
type Clock struct {
	mu    sync.Mutex
	start time.Time // of our own time
	view  clockView
	gap   time.Duration // of our two clocks at the last exchange
}

// clockView is between what, in our own time, the server's clock is ahead. Its methods want the lock.
type clockView struct {
	known  bool
	lo, hi time.Duration
	at     time.Duration // of our own time
}

// add takes one exchange: asked at sent and answered at got of our own time; read and answered by the server's clock in
// Unix milliseconds, rounded down.
func (v *clockView) add(sent time.Duration, read, answered int64, got time.Duration) {
	lo, hi := time.Duration(answered)*time.Millisecond-got, time.Duration(read)*time.Millisecond+clockTick-sent
	if hi < lo || got < sent {
		return // a clock was set in between
	}
	if v.known {
		oldLo, oldHi := v.bounds(got)
		if oldLo <= hi && lo <= oldHi {
			lo, hi = max(lo, oldLo), min(hi, oldHi)
		}
	}
	*v = clockView{known: true, lo: lo, hi: hi, at: got}
}

// bounds are what is known at a moment of our own time.
func (v *clockView) bounds(now time.Duration) (lo, hi time.Duration) {
	drift := max(now-v.at, 0)/clockDrift + 1
	return v.lo - drift, v.hi + drift
}

// own is our own time; it needs the lock.
func (c *Clock) own(now time.Time) (own, gap time.Duration) {
	if c.start.IsZero() {
		c.start = now
	}
	own = now.Sub(c.start)
	return own, now.Round(0).Sub(c.start.Round(0)) - own
}

// asked is the number that goes out with an exchange that begins now: whole milliseconds of our own time.
func (c *Clock) asked(now time.Time) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	own, _ := c.own(now)
	return own.Milliseconds()
}

// heard takes the answer to an exchange, now.
func (c *Clock) heard(asked, read, answered int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own, gap := c.own(now)
	if (gap - c.gap).Abs() > clockNap {
		c.view.known = false
	}
	c.gap = gap
	c.view.add(time.Duration(asked)*time.Millisecond, read, answered, own)
}

// Now returns the server's time and how wrong that may be at most. ok is false before the first exchange, and after this
// machine has slept or its clock was set, until the next.
func (c *Clock) Now() (now time.Time, uncertainty time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own, gap := c.own(time.Now())
	if !c.view.known || (gap-c.gap).Abs() > clockNap {
		return time.Time{}, 0, false
	}
	lo, hi := c.view.bounds(own)
	return time.UnixMilli(0).Add(own + lo + (hi-lo)/2), (hi - lo + 1) / 2, true
}
