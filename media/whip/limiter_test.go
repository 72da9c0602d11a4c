package whip

import (
	"net/netip"
	"testing"
	"time"
)

func TestLimiterCountsNetworks(t *testing.T) {
	now := time.Now()
	l := newLimiter(1, 2, 10, func() time.Time { return now })
	for _, pair := range [][2]string{
		{"192.0.2.1", "::ffff:192.0.2.1"},
		{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2"},
	} {
		a, b := netip.MustParseAddr(pair[0]), netip.MustParseAddr(pair[1])
		if l.take(a) != 0 || l.take(b) != 0 || l.take(a) != time.Second {
			t.Errorf("%v are not one customer", pair)
		}
	}
	if l.take(netip.MustParseAddr("2001:db8:0:2::1")) != 0 || l.take(netip.MustParseAddr("192.0.2.2")) != 0 {
		t.Error("a neighbour pays for it")
	}
}

// Many addresses cannot fill memory, and those that find no place share one bucket.
func TestLimiterIsBounded(t *testing.T) {
	now := time.Now()
	const size = 50
	l := newLimiter(1, 1, size, func() time.Time { return now })
	addr := netip.MustParseAddr("10.0.0.0")
	refused := 0
	for range size + 2 {
		addr = addr.Next()
		if l.take(addr) > 0 {
			refused++
		}
	}
	if refused != 1 || len(l.buckets) != size {
		t.Errorf("%d refused, %d remembered", refused, len(l.buckets))
	}
	now = now.Add(time.Second) // every bucket is full again and may be forgotten
	if l.take(addr.Next()) != 0 || len(l.buckets) > size {
		t.Errorf("%d remembered", len(l.buckets))
	}
}

func TestLimiterRefusalCostsNothing(t *testing.T) {
	now := time.Now()
	l := newLimiter(1, 1, 10, func() time.Time { return now })
	addr := netip.MustParseAddr("192.0.2.1")
	l.take(addr)
	for range 100 {
		if wait := l.take(addr); wait != time.Second {
			t.Fatalf("told to wait %s", wait)
		}
	}
}

func TestLimiterForgetsWhoHasNotAskedForAWhile(t *testing.T) {
	now := time.Now()
	l := newLimiter(1, 2, 3*sweepLook, func() time.Time { return now })
	addr := netip.MustParseAddr("10.0.0.0")
	for range sweepLook + 1 {
		addr = addr.Next()
		l.take(addr)
	}
	l.sweep()
	if n := len(l.buckets); n != sweepLook+1 {
		t.Errorf("%d remembered, although all have just asked", n)
	}
	now = now.Add(time.Second)
	for range 2 {
		if l.take(addr) != 0 {
			t.Fatal("a full bucket refuses")
		}
	}
	l.sweep() // one too many for a single one
	l.sweep()
	if n := len(l.buckets); n != 1 || l.take(addr) == 0 {
		t.Errorf("%d remembered, and not the one that has just asked", n)
	}
}
