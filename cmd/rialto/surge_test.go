package main

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	surgeBuyers = 500
	surgeUnits  = 50
)

// surge is a crowd in front of a small pool.
type surge struct {
	t      *testing.T
	market *market
	pan    ware
	buyers []*person

	taps  atomic.Int64
	flush sync.Once

	mu sync.Mutex
	// guarded by mu
	yours map[string]*person // acknowledged holds, by id
	lost  map[string]int     // "sold out" answers, by id
}

// sourceOf is an address of its own for each buyer: caps are per address.
func sourceOf(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 1, byte(i / 250), byte(i%250 + 1)})
}

func newSurge(m *market, nodes ...*running) *surge {
	m.t.Helper()
	mara := nodes[0].signUp("mara", "creator")
	s := &surge{t: m.t, market: m, pan: mara.sell(mara.newShow(), surgeUnits), yours: map[string]*person{}, lost: map[string]int{}}
	s.buyers = make([]*person, surgeBuyers)
	var arriving sync.WaitGroup
	for i := range s.buyers {
		s.buyers[i] = somebody(m.t, nodes[i%len(nodes)].url, sourceOf(i))
		arriving.Go(func() {
			if me, err := s.buyers[i].insist(http.MethodGet, "/me", nil); err != nil || !me.ok() {
				m.t.Errorf("a buyer opens the page: %v %v", me, err)
			}
		})
	}
	arriving.Wait()
	if m.t.Failed() {
		m.t.FailNow()
	}
	return s
}

// rush lets every buyer tap twice at once with the same id. Redis loses its memory in the middle.
func (s *surge) rush() {
	var all sync.WaitGroup
	for _, b := range s.buyers {
		id := newHold()
		for range 2 {
			all.Go(func() {
				if s.taps.Add(1) == surgeBuyers {
					s.flush.Do(s.market.redis.Flush)
				}
				s.tap(b, id)
			})
		}
	}
	all.Wait()
}

// tap asks with the same id until there is an answer, and notes it.
func (s *surge) tap(b *person, id string) {
	r, err := b.insist(http.MethodPut, "/holds/"+id, s.pan.tap(1))
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil && r.ok():
		s.yours[id] = b
	case err == nil && (r.code() == "sold_out" || r.code() == "hold_expired"):
		s.lost[id]++ // an id that was lost on the way is used up; a new try has a new one
	default:
		s.t.Errorf("a tap: %s %v", r, err)
	}
}

// stragglers tap again, as people do, while units come back that were admitted and never promised.
func (s *surge) stragglers() {
	lost := make([]*person, 0, len(s.buyers))
	for _, b := range s.buyers {
		if !s.has(b) {
			lost = append(lost, b)
		}
	}
	eventually(s.t, "all units are promised", func() bool {
		if len(s.yours) >= surgeUnits {
			return true
		}
		b := lost[0]
		lost = lost[1:]
		s.tap(b, newHold())
		return false
	})
}

func (s *surge) has(b *person) bool {
	for _, winner := range s.yours {
		if winner == b {
			return true
		}
	}
	return false
}

// counted checks that what buyers have heard is what Postgres has.
func (s *surge) counted() {
	s.t.Helper()
	for id := range s.yours {
		if s.lost[id] > 0 {
			s.t.Errorf("%s heard yours and sold out", id)
		}
	}
	if len(s.yours) != surgeUnits {
		s.t.Errorf("%d buyers heard yours, there are %d units", len(s.yours), surgeUnits)
	}
	ids := make([]string, 0, len(s.yours))
	for id := range s.yours {
		ids = append(ids, strings.TrimPrefix(id, "hld_"))
	}
	if n := s.market.count(`select count(*) from hold where state = 'held'`); n != surgeUnits {
		s.t.Errorf("%d holds are held, want %d", n, surgeUnits)
	}
	if n := s.market.count(`select count(*) from hold where state = 'held' and id = any($1::uuid[])`, ids); n != len(s.yours) {
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
		return s.market.count(`select count(*) from orders where state = 'captured'`) == surgeUnits
	})
	if n := s.market.count(`select count(*) from sandbox.charge where status = 'captured'`); n != surgeUnits {
		s.t.Errorf("%d charges were captured, want %d", n, surgeUnits)
	}
}

func (s *surge) run(nodes ...*running) {
	s.t.Helper()
	page := nodes[len(nodes)-1].guest().join(s.pan.show)
	page.left(s.pan.variant, surgeUnits)
	s.rush()
	s.stragglers()
	s.counted()
	page.left(s.pan.variant, 0)
	s.market.clean(nodes[0])
	s.pays()
	page.orderly()
	for _, n := range nodes {
		s.market.clean(n)
	}
}

func TestSurgeOnOneNode(t *testing.T) {
	m := newMarket(t)
	n := m.node()
	newSurge(m, n).run(n)
}

func TestSurgeOnTwoNodes(t *testing.T) {
	m := newMarket(t)
	a, b := m.pair()
	newSurge(m, a, b).run(a, b)
}
