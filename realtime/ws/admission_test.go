package ws

import (
	"context"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// one is the i-th of many addresses.
func one(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }

// apart is the i-th of many addresses in networks of their own.
func apart(i int) netip.Addr { return netip.AddrFrom4([4]byte{byte(i >> 8), byte(i), 0, 1}) }

func refusals(t *testing.T, reg *prometheus.Registry, reason string) (n float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "rialto_realtime_joins_refused_total" && m.GetLabel()[0].GetValue() == reason {
				n = m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// TestJoinsArePaced: a crowd comes in at the rate of the machine, in order; who
// would wait too long is sent away, for times that spread the crowd.
func TestJoinsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		a := newAdmission(time.Now, reg)
		rate, burst := JoinsPerCore*a.cores, JoinBurst*a.cores
		fits := burst + int(MaxJoinWait)*rate/int(time.Second)
		begin, in, retries := time.Now(), make(chan time.Duration, fits+1000), []time.Duration(nil)
		for i := range fits + 1000 {
			if i < burst { // at once
				p, _ := a.enter(t.Context(), one(i))
				p.leave()
				continue
			}
			if i < fits {
				go func() {
					p, _ := a.enter(t.Context(), one(i))
					in <- time.Since(begin)
					p.leave()
				}()
				synctest.Wait()
				continue
			}
			p, retry := a.enter(t.Context(), one(i))
			if p != nil {
				t.Fatalf("number %d was let in behind %d", i, fits)
			}
			retries = append(retries, retry)
		}
		if spent := time.Since(begin); spent != 0 {
			t.Fatalf("a burst of %d took %v", burst, spent)
		}
		time.Sleep(MaxJoinWait)
		synctest.Wait()
		close(in)
		bins := map[time.Duration]int{}
		for at := range in {
			bins[at/(50*time.Millisecond)]++
		}
		for bin, n := range bins {
			if most := rate/20 + 1; n > most {
				t.Errorf("%d came in bin %d, want %d", n, bin, most)
			}
		}
		if got := refusals(t, reg, refusedRate); got != 1000 {
			t.Errorf("%v refusals are counted", got)
		}
		if !slices.IsSorted(retries) || retries[0] < minRetry || retries[999]-retries[0] < 900*time.Second/time.Duration(rate) {
			t.Errorf("they are told %v to %v", retries[0], retries[999])
		}
		if a.unjoined != 0 {
			t.Errorf("%d places are held by nobody", a.unjoined)
		}
	})
}

// TestOneAddressDoesNotFillTheLine: one that asks as fast as it can leaves the
// rest of the rate to others, and its share comes back.
func TestOneAddressDoesNotFillTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		a := newAdmission(time.Now, reg)
		let := 0
		ask := func(addr netip.Addr) bool {
			p, _ := a.enter(t.Context(), addr)
			if p != nil {
				p.leave()
			}
			return p != nil
		}
		for range 10 * AddressJoinBurst {
			if ask(one(1)) {
				let++
			}
		}
		// While it waited in line some of its own rate came back.
		if most := AddressJoinBurst + int(MaxJoinWait)*AddressJoinsPerSec/int(time.Second) + 1; let < AddressJoinBurst || let > most {
			t.Errorf("%d were let in, want %d to %d", let, AddressJoinBurst, most)
		}
		if !ask(one(2)) || !ask(netip.Addr{}) {
			t.Error("others are kept out")
		}
		if refusals(t, reg, refusedAddressRate) == 0 {
			t.Error("no refusal is counted")
		}
		time.Sleep(time.Second)
		for i := range AddressJoinsPerSec {
			if !ask(one(1)) {
				t.Fatalf("number %d is kept out a second later", i)
			}
		}
	})
}

// TestOneAddressMovesNobodysMoment: however often one asks that is sent away, others
// are told to come as soon as if it had not; the people of one household are
// spread like all, as long as they are no more than may come from there.
func TestOneAddressMovesNobodysMoment(t *testing.T) {
	const floods = 20 * int(maxRetry/time.Second) * AddressJoinsPerSec
	for name, busy := range map[string]bool{"its own limit": false, "a busy node": true} {
		synctest.Test(t, func(t *testing.T) {
			a := newAdmission(time.Now, nil)
			ask := func(addr netip.Addr) time.Duration {
				p, retry := a.enter(t.Context(), addr)
				if p != nil {
					p.leave()
				}
				return retry
			}
			full := func() { a.due = time.Now().Add(time.Hour) }
			if busy {
				full()
			}
			refused := 0
			for range floods {
				switch retry := ask(one(1)); {
				case retry == 0:
				case retry < minRetry || retry > maxRetry:
					t.Fatalf("%s: it is told %v", name, retry)
				default:
					refused++
				}
			}
			full()
			most := minRetry + a.interval
			if busy {
				most += AddressJoinBurst * a.interval
			}
			if got := ask(one(2)); refused == 0 || got > most {
				t.Errorf("%s: another is told %v after %d were sent away, want at most %v", name, got, refused, most)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(time.Now, nil)
		a.due = time.Now().Add(time.Hour)
		for i := range AddressJoinBurst {
			if _, retry := a.enter(t.Context(), one(1)); retry != minRetry+time.Duration(i+1)*a.interval {
				t.Fatalf("number %d of a household is told %v", i, retry)
			}
		}
		if _, retry := a.enter(t.Context(), one(1)); retry != minRetry+(AddressJoinBurst+1)*time.Second/AddressJoinsPerSec {
			t.Errorf("one more is told %v", retry)
		}
	})
}

// TestUnjoinedOfOneAddress at the limit and one past it; IPv6 is counted by the
// network.
func TestUnjoinedOfOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(time.Now, nil)
		addr := netip.MustParseAddr("2001:db8::1")
		var places []*place
		for i := range AddressUnjoined {
			p, _ := a.enter(t.Context(), addr)
			if p == nil {
				t.Fatalf("number %d is kept out", i)
			}
			places = append(places, p)
			addr = addr.Next()
			time.Sleep(time.Second / AddressJoinsPerSec)
		}
		if p, _ := a.enter(t.Context(), addr); p != nil {
			t.Fatal("one more came in")
		}
		if p, _ := a.enter(t.Context(), one(1)); p == nil {
			t.Fatal("another is kept out")
		}
		places[0].leave()
		places[0].leave() // twice is once
		if p, _ := a.enter(t.Context(), addr); p == nil {
			t.Fatal("the free place is not given")
		}
		if p, _ := a.enter(t.Context(), addr); p != nil {
			t.Fatal("it is given twice")
		}
	})
}

// TestTheSilentMakeRoom: where all places are taken by pages that say nothing,
// the oldest goes for each that comes; one that has spoken stays.
func TestTheSilentMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		a := newAdmission(time.Now, reg)
		most := MaxUnjoined * a.cores
		ended := make([]bool, most)
		for i := range most {
			p, _ := a.enter(t.Context(), apart(i))
			if p == nil {
				t.Fatalf("number %d is kept out", i)
			}
			p.upgraded(func() { ended[i] = true })
			if i == 0 {
				p.spoke()
			}
			time.Sleep(a.interval)
		}
		for time.Since(a.silent.Front().Value.(*place).since) < silentPatience {
			if p, _ := a.enter(t.Context(), apart(most)); p != nil {
				t.Fatal("one more came in before anybody had been silent for long")
			}
			time.Sleep(100 * time.Millisecond)
		}
		if refusals(t, reg, refusedUnjoined) == 0 {
			t.Error("no refusal is counted")
		}
		for i := range 10 {
			if p, _ := a.enter(t.Context(), apart(most+i)); p == nil {
				t.Fatal("nobody makes room")
			}
		}
		if ended[0] || !ended[1] || !ended[10] || ended[11] || a.unjoined != most {
			t.Errorf("%v had to go, %d places are held", ended[:12], a.unjoined)
		}
	})
}

// TestOneNetworkMakesRoom: whoever fills all places with silent pages from one
// network, faster than they grow old, keeps nobody out but themselves.
func TestOneNetworkMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		a := newAdmission(time.Now, reg)
		most, ended := MaxUnjoined*a.cores, 0
		full := func(i int) bool {
			p, _ := a.enter(t.Context(), netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, byte(i >> 8), byte(i)}))
			if p != nil {
				p.upgraded(func() { ended++ })
			}
			time.Sleep(a.interval)
			return p == nil
		}
		for i := range most {
			if full(i) {
				t.Fatalf("number %d is kept out", i)
			}
		}
		for i := range 100 {
			p, _ := a.enter(t.Context(), apart(i))
			if p == nil || ended != i+1 {
				t.Fatalf("page %d is kept out, %d had to go", i, ended)
			}
			p.upgraded(func() { t.Error("one of few had to go") })
			if !full(most + i) {
				t.Fatal("the network takes a place for one that it lost")
			}
		}
	})
}

// TestLeavingTheLine gives the place back.
func TestLeavingTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		a := newAdmission(time.Now, reg)
		ctx, cancel := context.WithCancel(t.Context())
		var left atomic.Int64
		for i := range JoinBurst*a.cores + 10 {
			go func() {
				if p, retry := a.enter(ctx, one(i)); p == nil && retry > 0 {
					left.Add(1)
				}
			}()
			synctest.Wait()
		}
		cancel()
		synctest.Wait()
		if left.Load() != 10 || a.unjoined != JoinBurst*a.cores || refusals(t, reg, refusedGone) != 10 {
			t.Errorf("%d left, %d places are held", left.Load(), a.unjoined)
		}
	})
}

// TestAddressesAreForgotten: the table has a bound, and who holds places beyond
// it gives them back all the same.
func TestAddressesAreForgotten(t *testing.T) {
	a := newAdmission(func() time.Time { return time.Unix(0, 0) }, nil)
	var first *place
	for i := range maxAddresses + 1 {
		p := a.take(one(i), a.now())
		if i == 0 {
			first = p
			continue
		}
		p.leave()
		if len(a.addresses) > maxAddresses || a.recent.Len() != len(a.addresses) {
			t.Fatalf("%d addresses are remembered", len(a.addresses))
		}
	}
	if a.addresses[one(0)] != nil || a.addresses[one(1)] == nil {
		t.Error("another was forgotten than the oldest")
	}
	first.leave()
	if a.unjoined != 0 {
		t.Errorf("%d places are held by nobody", a.unjoined)
	}
}
