package lean

import (
	"slices"
	"time"

	"github.com/pion/stun/v4"
)

const (
	// maxPaths bounds the verified paths of a session.
	maxPaths = 8

	// silentFor is how long a path may be silent before another one that is nominated replaces it: the longest time between
	// two checks of a client that is well (RFC 7675 section 5.1: 5 s, a fifth more or less).
	silentFor = 6 * time.Second

	// reportHold is how long the current path must not have been heard before the client's reports bring one back that was
	// left. Reports that were on their way when the client changed, or overtook each other, arrive within it.
	reportHold = 500 * time.Millisecond

	// rememberedChecks bounds the transactions that are remembered of each path.
	rememberedChecks = 8
)

// choice is which of the verified paths media takes, and why. Clients nominate differently: Firefox all that it checks,
// Chromium the one it uses as long as it uses it, Pion once. What all have in common is that their reports come over the
// path they use. So:
//
//   - The first path nominated in a generation is taken at once.
//   - A nominated path of higher priority, or UDP instead of TCP at the same priority, is taken at once, unless it was
//     nominated and left before: a client that nominates all says nothing new by doing it again.
//   - A nominated path is taken when the current one has been silent for silentFor, and any when it has been for consentFor.
//   - A path that a report comes over is taken at once when it never was left. One that was left is taken back by the second
//     sign since the current path was heard, and after reportHold: a report that was late has no second, and a client
//     that is seen on two paths in turns stays where it is.
//   - When reports take back a path from one that was never heard, its nomination was an old one that somebody played
//     again, or means nothing: for the rest of the generation priorities move nothing.
//
// Moves by priority only climb, so they end; moves by reports are at most one in reportHold and path.
type choice struct {
	known       []*verified
	current     *verified // in known; nil before the first nomination
	moved       time.Duration
	settled     bool // the newest generation was nominated
	reportsOnly bool

	list []path // of known; a new one for each change
}

// verified is a path that an authentic request came over.
type verified struct {
	path
	generation uint32 // the newest that a request was of

	priority  uint32 // the highest of the generation's requests
	nominated bool   // in its generation
	spent     bool   // was nominated and left: to nominate it again says nothing
	left      bool   // was current, and is not
	claimed   bool   // a report or a nomination came since the current path was heard

	seen     time.Duration // last authentic packet
	spoke    bool          // a report came over it
	reported time.Duration // when the last one did

	checks [rememberedChecks][stun.TransactionIDSize]byte // a ring of transactions; zero: none
	next   uint8
}

// path returns where media goes; false before the first nomination.
func (c *choice) path() (path, bool) {
	if c.current == nil {
		return path{}, false
	}
	return c.current.path, true
}

// paths returns all that are verified, maxPaths at most. The slice is never written again: after a change there is another.
func (c *choice) paths() []path { return c.list }

func (c *choice) find(p path) *verified {
	for _, v := range c.known {
		if v.path == p {
			return v
		}
	}
	return nil
}

// take judges an authentic check of a generation. ok: it may be answered; fresh: it was not seen before.
//
// A request can be captured and played again from elsewhere, to have media sent there. So one whose transaction another
// path is remembered for makes no path, and says nothing about the one it came over but that it is in use.
func (c *choice) take(k *check, from path, now time.Duration) (fresh, ok bool) {
	v := c.find(from)
	for _, other := range c.known {
		if slices.Contains(other.checks[:], k.id) {
			if v != nil && v != other {
				v.seen = now
			}
			return false, v != nil
		}
	}
	c.forget(func(v *verified) bool { return now-v.seen >= consentFor })
	if v = c.find(from); v == nil {
		v = c.add(from, k.generation)
	}
	v.checks[v.next] = k.id
	v.next = (v.next + 1) % rememberedChecks
	v.seen = now
	if v.generation < k.generation {
		v.generation, v.priority = k.generation, 0
		v.nominated, v.spent = false, false
	}
	if v.generation == k.generation { // what a former generation says about a path of the newest counts no more
		v.priority = max(v.priority, k.priority)
		v.nominated = v.nominated || k.nominates
		c.checked(v, k, now)
	}
	return true, true
}

// checked moves to v if the check that came over it is a reason to.
func (c *choice) checked(v *verified, k *check, now time.Duration) {
	switch {
	case k.nominates && k.newest && !c.settled:
		c.settled, c.reportsOnly = true, false
		c.move(v, now)
	case v == c.current:
	case c.current == nil:
		if k.nominates {
			c.move(v, now)
		}
	case v.nominated && c.silent(silentFor, now), c.silent(consentFor, now),
		k.nominates && c.prefers(v):
		c.move(v, now)
	case k.nominates:
		v.claimed, v.spent = true, v.left
	}
}

// prefers says that by its priority v is better than the current path.
func (c *choice) prefers(v *verified) bool {
	cur := c.current
	if c.reportsOnly || v.spent || v.generation != cur.generation {
		return false
	}
	return v.priority > cur.priority || v.priority == cur.priority && cur.tcp && !v.tcp
}

// silent says that nothing authentic came over the current path for longer than d.
func (c *choice) silent(d, now time.Duration) bool { return now-c.current.seen > d }

// report notes an authentic report of the client over from. What comes over a path that no check has verified says nothing.
func (c *choice) report(from path, now time.Duration) {
	v, cur := c.find(from), c.current
	if v == nil {
		return
	}
	v.seen, v.reported, v.spoke = now, now, true
	switch {
	case cur == nil:
	case v == cur:
		c.unclaim()
	case !v.left || c.silent(silentFor, now):
		c.move(v, now)
	case v.claimed && now-max(c.moved, cur.reported) >= reportHold:
		c.reportsOnly = c.reportsOnly || !cur.spoke
		c.move(v, now)
	default:
		v.claimed = true
	}
}

// add makes a path known. When there are too many, the one that has been silent for longest is forgotten, but never the
// current one.
func (c *choice) add(p path, generation uint32) *verified {
	v := &verified{path: p, generation: generation}
	if len(c.known) < maxPaths {
		c.known = append(c.known, v)
	} else {
		at := -1
		for i, old := range c.known {
			if old != c.current && (at < 0 || old.seen < c.known[at].seen) {
				at = i
			}
		}
		c.known[at] = v
	}
	c.publish()
	return v
}

// forget drops the paths that are of no use any more, but never the current one.
func (c *choice) forget(useless func(*verified) bool) {
	before := len(c.known)
	c.known = slices.DeleteFunc(c.known, func(v *verified) bool { return v != c.current && useless(v) })
	if len(c.known) != before {
		c.publish()
	}
}

func (c *choice) publish() {
	c.list = make([]path, len(c.known))
	for i, v := range c.known {
		c.list[i] = v.path
	}
}

func (c *choice) move(v *verified, now time.Duration) {
	if v == c.current {
		return
	}
	if c.current != nil {
		c.current.left, c.current.spent = true, c.current.nominated
	}
	v.left, v.spent = false, false
	c.current, c.moved = v, now
	c.unclaim()
}

func (c *choice) unclaim() {
	for _, v := range c.known {
		v.claimed = false
	}
}
