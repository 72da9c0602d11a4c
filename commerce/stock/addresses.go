package stock

import (
	"sync"
	"time"
)

// Nearly every address holds one thing. Its first hold is not written down under it, which would cost a surge a tenth of its
// speed: the node remembers for a while that the address has been here, and takes its first hold to be open. So an address may
// have one more on each further node that it comes to, and at the limit one less when its first is over.

// addresses is which addresses have come to this node lately: all of them, and now and then one that has not.
type addresses struct {
	lasts time.Duration

	mu sync.Mutex
	// guarded by mu
	now, before *filter
	came        int       // to now
	since       time.Time // of now
}

const (
	// filterBits and filterHolds make a set of which one question in fifty is answered wrongly when it is full (Bloom 1970, two
	// bits for each).
	filterBits  = 1 << 20
	filterHolds = 80_000
)

type filter [filterBits / 64]uint64

// seen says whether an address has been here before, and notes that it was. It is remembered for at least lasts, or until so
// many others have come that there is no room.
func (a *addresses) seen(from sourceKey) bool {
	if from == 0 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now == nil {
		a.now, a.before = new(filter), new(filter)
	}
	if now := time.Now(); a.came == filterHolds || now.Sub(a.since) > a.lasts {
		a.before, a.now = a.now, a.before
		clear(a.now[:])
		a.came, a.since = 0, now
	}
	// The key is a hash already.
	one, two := uint64(from)%filterBits, uint64(from)>>32%filterBits
	has := func(set *filter, bit uint64) bool { return set[bit/64]&(1<<(bit%64)) != 0 }
	known := has(a.now, one) && has(a.now, two)
	if !known {
		a.now[one/64] |= 1 << (one % 64)
		a.now[two/64] |= 1 << (two % 64)
		a.came++
	}
	return known || has(a.before, one) && has(a.before, two)
}
