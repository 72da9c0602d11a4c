package ws

import (
	"container/list"
	"context"
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/realtime"
)

// Limits of coming in. protocol.md repeats them. After a drain or the death of a
// node a whole audience comes at once, and those who watch must not notice.
const (
	// JoinsPerCore is how many pages are let in per second and core. One costs
	// some 300 to 500 µs of a core, with its TLS more, so that joins take half of
	// it at most and events keep the rest. JoinBurst is how many may come at the
	// same moment: what an event may have to wait behind.
	JoinsPerCore = 1000
	JoinBurst    = 50
	// MaxJoinWait is how long a page stands in line, which bounds the line: who
	// stands behind those could not be let in within it.
	MaxJoinWait = 500 * time.Millisecond
	// MaxUnjoined is how many pages per core may be between their upgrade and
	// being let in. When there are as many, the one that has been silent longest
	// makes room, if it has been for silentPatience: a page joins at once. Else the
	// oldest makes room of the network that holds the most, for a page of one that
	// holds fewer.
	MaxUnjoined    = 1000
	silentPatience = 2 * time.Second
	// Of one address: some hundred people of one household, office or phone
	// network come back at the same moment, more of them within seconds.
	AddressJoinsPerSec = 250
	AddressJoinBurst   = 250
	AddressUnjoined    = 250
	// maxAddresses is how many addresses are remembered. One that is forgotten
	// for another counts from nothing; the limits of the node hold all the same.
	maxAddresses = 8192

	// What those who are refused are told to wait: spread at the rate that pages
	// are let in. Browsers do not tell their page; programs do.
	minRetry = time.Second
	maxRetry = 10 * time.Second
)

// Why a page was not let in. Each is a value of the reason label.
const (
	refusedRate            = "rate"     // it would have stood in line for too long
	refusedUnjoined        = "unjoined" // too many have not joined yet
	refusedAddressRate     = "address_rate"
	refusedAddressUnjoined = "address_unjoined"
	refusedGone            = "gone" // it left the line by itself
)

// admission lets pages in at the rate the machine holds, in the order they came,
// and sends the rest away for some seconds. It has no goroutine: each waits for
// the moment it was given.
type admission struct {
	// static
	cores    int
	interval time.Duration // between two joins at the full rate
	now      func() time.Time
	metrics  *admissionMetrics

	mu        sync.Mutex
	due       time.Time // when the next would come at the full rate (GCRA's theoretical arrival time)
	promised  time.Time // when the last one that was sent away would find room
	unjoined  int
	silent    *list.List // of *place: upgraded, and not a word yet; the oldest first
	addresses map[netip.Addr]*visitor
	recent    *list.List // of *visitor: the one that asked last is the last
}

// visitor is an address that asks to come in.
type visitor struct {
	addr     netip.Addr
	due      time.Time
	promised time.Time // when the last one of it that was sent away would find room
	unjoined int
	at       *list.Element
}

// place is held by a page from its request until it has joined or is gone.
type place struct {
	of      *admission
	visitor *visitor // nil for who has no address
	network netip.Prefix
	since   time.Time

	// guarded by of.mu
	left   bool
	end    func()        // makes room
	silent *list.Element // nil once it has spoken
}

func newAdmission(now func() time.Time, reg prometheus.Registerer) *admission {
	cores := runtime.GOMAXPROCS(0)
	return &admission{
		cores: cores, interval: time.Second / time.Duration(JoinsPerCore*cores), now: now, metrics: newAdmissionMetrics(reg),
		due: now(), silent: list.New(), addresses: map[netip.Addr]*visitor{}, recent: list.New(),
	}
}

// enter waits in line for MaxJoinWait at most. Without a place retry says after
// how long the page should come again. Whoever gets a place must leave it.
func (a *admission) enter(ctx context.Context, addr netip.Addr) (p *place, retry time.Duration) {
	addr, now := realtime.Household(addr), a.now()
	a.mu.Lock()
	oldest, why, wait := a.obstacle(addr, now)
	if why != "" {
		retry = a.busy(addr, why, now)
		a.mu.Unlock()
		a.metrics.refused[why].Inc()
		return nil, retry
	}
	p = a.take(addr, now)
	if oldest != nil {
		oldest.quit()
	}
	a.mu.Unlock()
	if oldest != nil {
		oldest.end()
	}
	a.metrics.wait.Observe(max(0, wait).Seconds())
	if wait <= 0 {
		return p, 0
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return p, 0
	case <-ctx.Done():
		p.leave()
		a.metrics.refused[refusedGone].Inc()
		return nil, minRetry
	}
}

// obstacle is why addr cannot be let in, or "": then wait is when its turn
// comes, and oldest has to make room for it, if it is not nil. Needs mu.
func (a *admission) obstacle(addr netip.Addr, now time.Time) (oldest *place, why string, wait time.Duration) {
	if v := a.addresses[addr]; v != nil {
		switch {
		case v.unjoined >= AddressUnjoined:
			return nil, refusedAddressUnjoined, 0
		case v.due.Sub(now) > (AddressJoinBurst-1)*time.Second/AddressJoinsPerSec:
			return nil, refusedAddressRate, 0
		}
	}
	if a.unjoined >= MaxUnjoined*a.cores {
		if oldest = a.makesRoom(addr, now); oldest == nil {
			return nil, refusedUnjoined, 0
		}
	}
	wait = a.due.Sub(now) - time.Duration(JoinBurst*a.cores-1)*a.interval
	if wait > MaxJoinWait {
		return nil, refusedRate, 0
	}
	return oldest, "", wait
}

// makesRoom is the silent page that must go so that addr can come, or nil. Needs mu.
func (a *admission) makesRoom(addr netip.Addr, now time.Time) *place {
	front := a.silent.Front()
	if front == nil {
		return nil
	}
	if oldest := front.Value.(*place); now.Sub(oldest.since) >= silentPatience {
		return oldest
	}
	held := map[netip.Prefix]int{}
	for e := front; e != nil; e = e.Next() {
		held[e.Value.(*place).network]++
	}
	most := slices.Max(slices.Collect(maps.Values(held)))
	if most <= held[networkOf(addr)]+1 { // it would hold as many itself
		return nil
	}
	for e := front; ; e = e.Next() {
		if p := e.Value.(*place); held[p.network] == most {
			return p
		}
	}
}

// networkOf is what one owner of addresses easily has many of.
func networkOf(addr netip.Addr) netip.Prefix {
	bits := 24
	if addr.Is6() {
		bits = 48
	}
	network, _ := addr.Prefix(bits) // of no address: the network of those without
	return network
}

// take needs mu.
func (a *admission) take(addr netip.Addr, now time.Time) *place {
	a.due = later(a.due, now).Add(a.interval)
	p := &place{of: a, since: now, network: networkOf(addr)}
	if addr.IsValid() {
		p.visitor = a.visit(addr)
		p.visitor.due = later(p.visitor.due, now).Add(time.Second / AddressJoinsPerSec)
		p.visitor.unjoined++
	}
	a.unjoined++
	a.metrics.unjoined.Inc()
	return p
}

// visit finds an address, or remembers it in the place of the one that has not
// asked for the longest time. Needs mu.
func (a *admission) visit(addr netip.Addr) *visitor {
	if v := a.addresses[addr]; v != nil {
		a.recent.MoveToBack(v.at)
		return v
	}
	if len(a.addresses) == maxAddresses {
		delete(a.addresses, a.recent.Remove(a.recent.Front()).(*visitor).addr)
	}
	v := &visitor{addr: addr}
	v.at = a.recent.PushBack(v)
	a.addresses[addr] = v
	return v
}

// busy says when to come back: each that is sent away gets the moment behind the
// one before it, so that a crowd comes as the machine can take it. Who is sent
// away for their address's sake stands behind those of that address, and so does
// who asks more often than an address is let in: one alone moves nobody else's
// moment. Needs mu.
func (a *admission) busy(addr netip.Addr, why string, now time.Time) time.Duration {
	if addr.IsValid() {
		v, latest := a.visit(addr), now.Add(maxRetry)
		v.promised = later(v.promised, now.Add(minRetry)).Add(time.Second / AddressJoinsPerSec)
		if v.promised.After(latest) {
			v.promised = latest
			return anyRetry()
		}
		own := v.promised.Sub(now)
		if why == refusedAddressRate || why == refusedAddressUnjoined || own > minRetry+AddressJoinBurst*time.Second/AddressJoinsPerSec {
			return own
		}
	}
	a.promised = later(a.promised, now.Add(minRetry)).Add(a.interval)
	if latest := now.Add(maxRetry); a.promised.After(latest) {
		a.promised = now.Add(anyRetry()) // and it begins anew somewhere
	}
	return a.promised.Sub(now)
}

func anyRetry() time.Duration { return minRetry + rand.N(maxRetry-minRetry) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// upgraded notes that the page has its socket and can be let go by end, which
// may be called from any goroutine and must not wait.
func (p *place) upgraded(end func()) {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	if !p.left {
		p.since, p.end = p.of.now(), end
		p.silent = p.of.silent.PushBack(p)
	}
}

// spoke notes that the join has come: what takes time now is not the page's
// fault.
func (p *place) spoke() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.hush()
}

// hush needs of.mu.
func (p *place) hush() {
	if p.silent != nil {
		p.of.silent.Remove(p.silent)
		p.silent = nil
	}
}

// leave gives the place back: the page has joined, or is gone. It may be called
// again, by anybody.
func (p *place) leave() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.quit()
}

// quit needs of.mu.
func (p *place) quit() {
	if p.left {
		return
	}
	p.left = true
	p.hush()
	p.of.unjoined--
	p.of.metrics.unjoined.Dec()
	if p.visitor != nil {
		p.visitor.unjoined--
	}
}

type admissionMetrics struct {
	refused  map[string]prometheus.Counter // fixed after newAdmissionMetrics
	unjoined prometheus.Gauge
	wait     prometheus.Histogram
}

func newAdmissionMetrics(reg prometheus.Registerer) *admissionMetrics {
	m := &admissionMetrics{
		refused:  map[string]prometheus.Counter{},
		unjoined: prometheus.NewGauge(prometheus.GaugeOpts{Name: "rialto_realtime_unjoined", Help: "Pages between their request and being let in."}),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rialto_realtime_join_wait_seconds", Help: "How long pages that were let in stood in line.",
			Buckets: []float64{0, .005, .02, .05, .1, .2, .5},
		}),
	}
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rialto_realtime_joins_refused_total", Help: "Pages that were not let in, by reason.",
	}, []string{"reason"})
	for _, reason := range []string{refusedRate, refusedUnjoined, refusedAddressRate, refusedAddressUnjoined, refusedGone} {
		m.refused[reason] = refused.WithLabelValues(reason)
	}
	if reg != nil {
		reg.MustRegister(m.unjoined, refused, m.wait)
	}
	return m
}
