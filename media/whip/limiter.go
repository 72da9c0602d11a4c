package whip

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// evictionLook is how many places are looked at to find one that can be given
// to a new address, and sweepLook at each sweep; map order makes them random.
const (
	evictionLook = 32
	sweepLook    = 4096
)

// limiter is a token bucket for each address. An IPv6 customer has 2^64
// addresses, so there the network of 64 bits counts as one.
type limiter struct {
	// static
	rate  rate.Limit
	burst int
	size  int
	now   func() time.Time

	mu        sync.Mutex
	buckets   map[netip.Addr]*rate.Limiter
	strangers *rate.Limiter // shared by those who find no place
}

func newLimiter(perSecond float64, burst, size int, now func() time.Time) *limiter {
	return &limiter{rate: rate.Limit(perSecond), burst: burst, size: size, now: now,
		buckets: map[netip.Addr]*rate.Limiter{}, strangers: rate.NewLimiter(rate.Limit(perSecond), burst)}
}

// take returns zero, or how long the address should wait.
func (l *limiter) take(addr netip.Addr) time.Duration {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	reservation := l.bucket(source(addr), now).ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

func (l *limiter) bucket(addr netip.Addr, now time.Time) *rate.Limiter {
	b := l.buckets[addr]
	if b != nil {
		return b
	}
	if len(l.buckets) >= l.size && !l.evict(now, evictionLook) {
		return l.strangers
	}
	b = rate.NewLimiter(l.rate, l.burst)
	l.buckets[addr] = b
	return b
}

// sweep forgets addresses that have not asked for a while, so that a crowd of
// yesterday takes no memory today.
func (l *limiter) sweep() {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.evict(now, sweepLook)
}

// evict looks at so many places, and frees those whose bucket is full again:
// forgetting them changes nothing.
func (l *limiter) evict(now time.Time, look int) bool {
	looked, freed := 0, false
	for addr, b := range l.buckets {
		if b.TokensAt(now) >= float64(l.burst) {
			delete(l.buckets, addr)
			freed = true
		}
		if looked++; looked == look {
			break
		}
	}
	return freed
}

func source(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return addr
	}
	network, err := addr.Prefix(64)
	if err != nil {
		return addr
	}
	return network.Addr()
}
