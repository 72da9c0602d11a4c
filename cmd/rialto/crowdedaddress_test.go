package main

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/rialto-live/rialto/commerce/stock"
)

// forwarded is a browser behind a proxy that says so, or somebody who claims to be one.
type forwarded struct {
	claim string
	next  http.RoundTripper
}

func (f forwarded) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", f.claim)
	return f.next.RoundTrip(r)
}

// stranger is a browser that nobody knows, at an address; claim, when there is one, goes into X-Forwarded-For.
func (n *running) stranger(from netip.Addr, claim string) *person {
	p := somebody(n.market.t, n.url, from)
	if claim != "" {
		p.http.Transport = forwarded{claim, p.http.Transport}
	}
	return p
}

// grab taps with one new browser after the other, as somebody does who throws their cookies away, until nobody gets
// anything any more, and answers how many did.
func grab(t *testing.T, pan ware, newcomer func(i int) *person) (got int) {
	t.Helper()
	for i := range stock.MaxPerSource + 20 {
		r, err := newcomer(i).insist(http.MethodPut, "/holds/"+newHold(), pan.tap(1))
		switch {
		case err != nil:
			t.Fatal(err)
		case r.ok():
			got++
		case r.code() == "limit_reached":
			r.checkProblem(t)
			return got
		default:
			t.Fatalf("a tap: %s", r)
		}
	}
	return got
}

// Guests without cookies are new people each time, so that a limit per buyer says nothing. What one address may hold is
// limited, and whoever is at another one still finds units.
func TestOneAddressCannotTakeAWholePool(t *testing.T) {
	n := newMarket(t).node()
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), stock.MaxPerSource+10)
	here, there := netip.MustParseAddr("127.1.7.1"), netip.MustParseAddr("127.1.7.2")
	if got := grab(t, pan, func(int) *person { return n.stranger(here, "") }); got != stock.MaxPerSource {
		t.Errorf("one address holds %d units, at most %d", got, stock.MaxPerSource)
	}
	// No proxy of ours stands in front: what somebody writes there themselves counts for nothing.
	forged := func(i int) *person {
		return n.stranger(here, netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String())
	}
	if got := grab(t, pan, forged); got != 0 {
		t.Errorf("with a forged X-Forwarded-For the same address has %d more", got)
	}
	n.stranger(there, "").hold(pan, 1)
	n.market.clean(n)
}

// Behind a proxy of ours everybody comes from its address: the person's counts, which the proxy has written last.
func TestBehindOurProxyThePersonsAddressCounts(t *testing.T) {
	n := newMarket(t).node(func(c *Config) { c.TrustedProxy = true })
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 3*stock.MaxPerSource+10)
	proxy := netip.MustParseAddr("127.1.8.1")
	// Before what the proxy wrote stands what the client claims, another address each time.
	claims := func(i int) string { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String() + ", 203.0.113.7" }
	if got := grab(t, pan, func(i int) *person { return n.stranger(proxy, claims(i)) }); got != stock.MaxPerSource {
		t.Errorf("one person behind the proxy holds %d units, at most %d", got, stock.MaxPerSource)
	}
	if got := grab(t, pan, func(int) *person { return n.stranger(proxy, "203.0.113.8") }); got != stock.MaxPerSource {
		t.Errorf("the next person behind the proxy got %d units, want %d", got, stock.MaxPerSource)
	}
	// An IPv6 network counts as one address.
	v6 := func(i int) *person {
		var a [16]byte
		copy(a[:], []byte{0x20, 0x01, 0x0d, 0xb8})
		a[15] = byte(i + 1)
		return n.stranger(proxy, netip.AddrFrom16(a).String())
	}
	if got := grab(t, pan, v6); got != stock.MaxPerSource {
		t.Errorf("one IPv6 network holds %d units, at most %d", got, stock.MaxPerSource)
	}
	n.market.clean(n)
}
