package main

import (
	"maps"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	surgeBuyers = 1_000
	surgeUnits  = 100
	// surgeAtOnce buyers tap at the same time; whoever has an answer makes room for the next. Two sockets each, with both
	// ends in this process: 3,200 descriptors.
	surgeAtOnce = 800
	// surgeWithout taps are answered without Redis before it comes back.
	surgeWithout = 50
)

// faults is what may happen to Redis in the middle of a surge.
var faults = []struct {
	name   string
	strike func(*surge)
}{
	{"nothing happens", func(*surge) {}},
	{"flushed", func(s *surge) { s.market.redis.Flush() }},
	{"killed and back", func(s *surge) { s.outage(s.market.redis.Kill) }},
	{"killed and back empty", func(s *surge) { s.outage(s.market.redis.Lose) }},
}

// surge is a crowd in front of a small pool.
type surge struct {
	t      *testing.T
	market *market
	nodes  []*running
	pan    ware
	buyers []*person

	taps     atomic.Int64
	answered atomic.Int64
	refused  atomic.Int64 // answers that the stock cannot be reached now

	mu sync.Mutex
	// guarded by mu
	yours map[string]*person // acknowledged holds, by id
}

// sourceOf is an address of its own for each buyer: caps are per address.
func sourceOf(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 1, byte(i / 250), byte(i%250 + 1)})
}

// visitors lets people open the page, at one of the nodes each.
func visitors(nodes []*running) []*person {
	t := nodes[0].market.t
	t.Helper()
	buyers := make([]*person, surgeBuyers)
	for i := range buyers {
		buyers[i] = somebody(t, nodes[i%len(nodes)].url, sourceOf(i))
	}
	each(buyers, func(_ int, b *person) {
		if me, err := b.insist(http.MethodGet, "/me", nil); err != nil || !me.ok() {
			t.Errorf("a buyer opens the page: %v %v", me, err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return buyers
}

// each does something for all buyers, surgeAtOnce at a time, and closes their sockets.
func each(buyers []*person, do func(i int, b *person)) {
	var all sync.WaitGroup
	room := make(chan struct{}, surgeAtOnce)
	for i, b := range buyers {
		room <- struct{}{}
		all.Go(func() {
			do(i, b)
			b.http.CloseIdleConnections()
			<-room
		})
	}
	all.Wait()
}

// in is the same node for a part of its test.
func (n *running) in(t *testing.T) *running {
	part, m := *n, *n.market
	m.t, part.market = t, &m
	return &part
}

// surges lets the crowd come once for each fault.
func surges(nodes ...*running) {
	buyers := visitors(nodes)
	mara := nodes[0].signUp("mara", "creator")
	for _, fault := range faults {
		nodes[0].market.t.Run(fault.name, func(t *testing.T) {
			s := &surge{t: t, buyers: buyers, yours: map[string]*person{}}
			for _, n := range nodes {
				s.nodes = append(s.nodes, n.in(t))
			}
			s.market = s.nodes[0].market
			creator := *mara
			creator.t = t
			s.pan = creator.sell(creator.newShow(), surgeUnits)
			s.run(fault.strike)
		})
	}
}

func (s *surge) run(strike func(*surge)) {
	s.t.Helper()
	last := s.nodes[len(s.nodes)-1]
	page := last.guest().join(s.pan.show)
	page.left(s.pan.variant, surgeUnits)
	s.rush(strike)
	s.stragglers()
	s.asksAgain()
	s.counted()
	page.left(s.pan.variant, 0)
	s.market.clean(s.nodes[0])
	s.pays()
	page.orderly()
	for _, n := range s.nodes {
		s.market.clean(n)
	}
}

// rush lets every buyer tap twice at once with the same id, where there are two nodes at both. The fault strikes when
// half of the taps are on their way.
func (s *surge) rush(strike func(*surge)) {
	middle, struck := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(struck)
		<-middle
		strike(s)
	}()
	each(s.buyers, func(i int, b *person) {
		id := newHold()
		var both sync.WaitGroup
		for second := range 2 {
			at := b.at(s.nodes[(i+second)%len(s.nodes)])
			both.Go(func() {
				if s.taps.Add(1) == surgeBuyers {
					close(middle)
				}
				s.tap(at, id)
			})
		}
		both.Wait()
	})
	<-struck
	s.t.Logf("%d buyers heard yours, %d times the stock could not be reached", len(s.yours), s.refused.Load())
}

// outage ends Redis, and starts it again when the sale has gone on without it for a while.
func (s *surge) outage(end func()) {
	end()
	enough := s.answered.Load() + surgeWithout
	for deadline := time.Now().Add(patience); s.answered.Load() < enough; {
		if time.Now().After(deadline) {
			s.t.Errorf("%d of %d taps were answered while Redis is away", s.answered.Load()-enough+surgeWithout, surgeWithout)
			break
		}
		<-time.After(lookAgain)
	}
	s.market.redis.Start()
}

// tap asks with the same id until there is an answer, and notes it. Whoever is told to come again later does so as late
// as they are told.
func (s *surge) tap(b *person, id string) {
	deadline := time.Now().Add(patience)
	for {
		told := s.told(id)
		r, err := b.try(http.MethodPut, "/holds/"+id, s.pan.tap(1))
		if err != nil || r.status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			s.note(b, id, told, r, err)
			s.answered.Add(1)
			return
		}
		s.refused.Add(1)
		r.checkProblem(s.t)
		after, err := strconv.Atoi(r.header.Get("Retry-After"))
		if r.code() != "stock_unavailable" || err != nil || after < 1 || after > 5 || strings.Contains(r.text("detail"), "Redis") {
			s.t.Errorf("while Redis is away: %s, Retry-After %q", r, r.header.Get("Retry-After"))
			return
		}
		<-time.After(time.Duration(after) * time.Second)
	}
}

// told says whether somebody has heard that this hold is theirs.
func (s *surge) told(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.yours[id] != nil
}

// note takes an answer down. told: it was asked when the hold was acknowledged already, and from then on every answer
// says so. Of two taps at once one may hear that all is sold before the other finds a unit that came back.
func (s *surge) note(b *person, id string, told bool, r reply, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil && r.ok():
		s.yours[id] = b
	case told:
		s.t.Errorf("%s was theirs, and now: %s %v", id, r, err)
	case err == nil && (r.code() == "sold_out" || r.code() == "hold_expired"):
		// An id that was lost on the way is used up; a new try has a new one.
	default:
		s.t.Errorf("a tap: %s %v", r, err)
	}
}

// stragglers tap again, as people do, while units come back that were admitted and never promised.
func (s *surge) stragglers() {
	winners := map[*http.Client]bool{}
	for _, b := range s.yours {
		winners[b.http] = true
	}
	again := 0
	eventually(s.t, "all units are promised", func() bool {
		for len(s.yours) < surgeUnits {
			b := s.buyers[again%surgeBuyers]
			if again++; !winners[b.http] {
				s.tap(b, newHold())
				return len(s.yours) >= surgeUnits
			}
		}
		return true
	})
}

// asksAgain repeats the tap of every winner at every node: it finds the hold.
func (s *surge) asksAgain() {
	var all sync.WaitGroup
	for id, b := range maps.Clone(s.yours) {
		for _, n := range s.nodes {
			all.Go(func() { s.tap(b.at(n), id) })
		}
	}
	all.Wait()
}

// counted checks that what buyers have heard is what Postgres has.
func (s *surge) counted() {
	s.t.Helper()
	ids := make([]string, 0, len(s.yours))
	for id := range s.yours {
		ids = append(ids, strings.TrimPrefix(id, "hld_"))
	}
	if len(s.yours) != surgeUnits {
		s.t.Errorf("%d buyers heard yours, there are %d units", len(s.yours), surgeUnits)
	}
	const held = `select count(*) from hold h join pool p on p.id = h.pool where p.show = $1::uuid and h.state = 'held'`
	show := strings.TrimPrefix(s.pan.show, "shw_")
	if n := s.market.count(held, show); n != surgeUnits {
		s.t.Errorf("%d holds are held, want %d", n, surgeUnits)
	}
	if n := s.market.count(held+` and h.id = any($2::uuid[])`, show, ids); n != len(s.yours) {
		s.t.Errorf("%d of %d acknowledged holds are held", n, len(s.yours))
	}
}

// pays lets every winner pay, twice at once with the same id.
func (s *surge) pays() {
	var all sync.WaitGroup
	for id, b := range s.yours {
		order := orderPath()
		for range 2 {
			all.Go(func() {
				if r, err := b.insist(http.MethodPut, order, paying(id, cardGood)); err != nil || !r.ok() {
					s.t.Errorf("an acknowledged hold cannot be paid: %s %v", r, err)
				}
			})
		}
	}
	all.Wait()
	eventually(s.t, "all money is taken", func() bool {
		return s.market.count(`select count(*) from orders where state = 'captured' and show = $1::uuid`, strings.TrimPrefix(s.pan.show, "shw_")) == surgeUnits
	})
	// Each order has one charge, whatever was asked for how often.
	if charges, orders := s.market.count(`select count(*) from sandbox.charge where status = 'captured'`), s.market.count(`select count(*) from orders`); charges != orders {
		s.t.Errorf("%d charges were captured for %d orders", charges, orders)
	}
}

func TestSurgeOnOneNode(t *testing.T) {
	surges(newMarket(t).node())
}

func TestSurgeOnTwoNodes(t *testing.T) {
	a, b := newMarket(t).pair()
	surges(a, b)
}
