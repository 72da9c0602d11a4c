package chat

import (
	"context"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

const (
	// RulesEvery is how old the rules of a room get before they are read again
	// without an order.
	RulesEvery = 30 * time.Second
	// rulesRest is how long nothing is read after a reading failed.
	rulesRest = time.Second
	// rulesTimeout bounds one reading.
	rulesTimeout = 2 * time.Second
)

// Rules is what those in charge of a room have laid down. The zero value lets
// everybody speak.
type Rules struct {
	Slow     time.Duration        // that an author waits between two lines; 0: no wait but the usual one
	TimeOuts map[string]time.Time // who may not speak until when, by subject
}

// ruling is what is known of the rules of one room.
type ruling struct {
	rules        Rules
	known        bool
	readAt       time.Time
	failedAt     time.Time
	orders, read uint64        // how many orders to read again came, and which of them is obeyed
	reading      chan struct{} // closed when the reading under way is over; nil: there is none
}

func (r *ruling) obeyed() bool { return r.known && r.read == r.orders }

// Reread says that the rules of a room have changed: the next line is judged
// by the new ones.
func (c *Chat) Reread(room realtime.RoomID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rulingOf(room).orders++
}

// rulingOf needs mu.
func (c *Chat) rulingOf(room realtime.RoomID) *ruling {
	return c.rulings.get(room, func() *ruling { return &ruling{} })
}

// rulesOf is the rules of a room as they are known, after reading them if that
// is due. One caller reads for all. When they cannot be read, the last known
// ones stand; when they were never read, everybody may speak.
func (c *Chat) rulesOf(ctx context.Context, room realtime.RoomID) Rules {
	if c.cfg.Rules == nil {
		return Rules{}
	}
	for {
		now := c.cfg.Now()
		c.mu.Lock()
		r := c.rulingOf(room)
		wait := r.reading
		switch {
		case r.obeyed() && (now.Sub(r.readAt) < RulesEvery || wait != nil), now.Sub(r.failedAt) < rulesRest:
			defer c.mu.Unlock()
			return r.rules
		case wait == nil:
			wait = make(chan struct{})
			r.reading = wait
			order := r.orders
			c.mu.Unlock()
			c.readRules(ctx, room, r, order)
			close(wait)
			continue
		}
		c.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			c.mu.Lock()
			defer c.mu.Unlock()
			return r.rules
		}
	}
}

// readRules reads for all who wait, so that it does not end with one of them.
func (c *Chat) readRules(ctx context.Context, room realtime.RoomID, r *ruling, order uint64) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), rulesTimeout)
	defer cancel()
	rules, err := c.cfg.Rules(bounded, room)
	c.mu.Lock()
	defer c.mu.Unlock()
	r.reading = nil
	if err != nil {
		r.failedAt = c.cfg.Now()
		c.metrics.rulesErrors.Inc()
		c.seldom.Do(func() { c.cfg.Log.Warn("chat: a room's rules cannot be read", "room", room, "error", err) })
		return
	}
	r.rules, r.known, r.readAt, r.read, r.failedAt = rules, true, c.cfg.Now(), order, time.Time{}
}

// seat is an author's place in one room.
type seat struct {
	room    realtime.RoomID
	subject string
}

// spokeIn is when somebody spoke last in a room. It needs mu.
func (c *Chat) spokeIn(from realtime.Caller) *time.Time {
	return c.spoke.get(seat{from.Room, from.Subject}, func() *time.Time { return &time.Time{} })
}

// ruled refuses a line that the room's rules do not let through. The host is
// above them, moderators only do not have to be slow. It needs mu.
func (c *Chat) ruled(from realtime.Caller, rules Rules, now time.Time) error {
	if from.Role == realtime.RoleHost {
		return nil
	}
	if left := rules.TimeOuts[from.Subject].Sub(now); left > 0 {
		return &realtime.CallError{Code: CodeTimedOut, Detail: "You have been timed out in this show. What you write is not shown for a while.", RetryAfter: left}
	}
	if from.Role == realtime.RoleModerator || rules.Slow == 0 {
		return nil
	}
	if wait := c.spokeIn(from).Add(rules.Slow).Sub(now); wait > 0 {
		return &realtime.CallError{Code: CodeSlowMode, Detail: "Slow mode is on: everybody waits a while between two lines.", RetryAfter: wait}
	}
	return nil
}
