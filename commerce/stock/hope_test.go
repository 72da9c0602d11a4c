package stock

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/rialto-live/rialto/commerce"
)

// hopes is how many claims of a node went in one trip, and how many of those were dashed.
func hopes(s *Service) (kept, dashed int) {
	count := func(result string) int {
		var m dto.Metric
		if err := s.metrics.hopes.WithLabelValues(result).Write(&m); err != nil {
			panic(err)
		}
		return int(m.GetCounter().GetValue())
	}
	return count("kept"), count("dashed")
}

// hopeful has a node's last claim of a pool be less than beliefLasts ago.
func (w *world) hopeful(s *Service, tap func() Tap) {
	w.t.Helper()
	w.eventually(func() bool {
		before, _ := hopes(s)
		w.hold(s, tap())
		after, _ := hopes(s)
		return after > before
	}, func() string { return "no claim goes in one trip" })
}

// Whatever has changed since the last claim is seen by one that was sent before it could know.
func TestAHopeThatIsDashed(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		for name, c := range map[string]struct {
			change string // what somebody else does to the pool $1
			buyer  string // "": gst_last
			want   error
			sent   bool // in vain
		}{
			"somebody else has sold": {change: `update pool set taken = taken + 1 where id = $1`, sent: true},
			"all others are sold":    {change: `update pool set taken = on_hand where id = $1`, want: ErrSoldOut, sent: true},
			"units were added":       {change: `update pool set on_hand = on_hand + 5 where id = $1`, sent: true},
			"the price has changed":  {change: `update pool set offer_version = offer_version + 1 where id = $1`, want: ErrGone, sent: true},
			"the sale is over":       {change: `update pool set closes_at = now() where id = $1`, want: ErrClosed, sent: true},
			"the sale begins later":  {change: `update pool set opens_at = now() + interval '1 hour' where id = $1`, want: ErrNotOpen, sent: true},
			"the clocks stand":       {change: `update pool set frozen_at = now() where id = $1`, sent: true},
			"the cap was lowered":    {change: `update pool set buyer_cap = 1 where id = $1`, sent: true},
			"the buyer has all they may": {change: `insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at, lapses_at, version)
				select gen_random_uuid(), $1, 'gst_last', 2, 'held', 1, 'EUR', now() + interval '1 hour', now() + interval '1 hour', 0`, want: ErrLimit, sent: true},
			"the buyer was barred": {buyer: "gst_barred", want: ErrBarred, sent: true},
			"nothing":              {},
		} {
			s := w.service(func(c *Config) {
				c.Barred = `select b from unnest(string_to_array($2, E'\x1f')) b where b = 'gst_barred' and $1::uuid is not null`
			})
			l := w.supply(1000, 2)
			n := 0
			w.hopeful(s, func() Tap { n++; return tapOf(l, fmt.Sprintf("gst_%d", n)) })
			_, before := hopes(s)
			if c.change != "" {
				if _, err := w.db.Exec(t.Context(), c.change, l.Pool); err != nil {
					t.Fatal(name, err)
				}
			}
			h, err := s.Hold(t.Context(), tapOf(l, cmp.Or(c.buyer, "gst_last")))
			_, after := hopes(s)
			if !errors.Is(err, c.want) || err == nil && h.State != Held || after-before != map[bool]int{true: 1}[c.sent] {
				t.Errorf("%s: %v, %v; %v hopes were dashed", name, h.State, err, after-before)
			}
		}
	})
}

// An address that has as many holds as it may is refused by a claim in one trip too.
func TestAHopeKnowsAddresses(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s := w.service()
		l := w.supply(1000, 0)
		n := 0
		tap := func() Tap {
			n++
			tap := tapOf(l, fmt.Sprintf("gst_%d", n))
			tap.Source = "one address"
			return tap
		}
		for range MaxPerSource {
			w.hold(s, tap())
		}
		w.refused(s, tap(), ErrLimit)
		if kept, _ := hopes(s); kept == 0 {
			t.Error("no claim went in one trip")
		}
	})
}

// An id that was used elsewhere means what it meant there.
func TestAHopeMeetsAnId(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, other := w.service(), w.service()
		l, elsewhere := w.supply(1000, 0), w.supply(10, 0)
		n := 0
		w.hopeful(s, func() Tap { n++; return tapOf(l, fmt.Sprintf("gst_%d", n)) })
		used := tapOf(elsewhere, "gst_last")
		w.hold(other, used)
		used.Pool, used.Offer = l.Pool, l.Offer
		w.refused(s, used, ErrConflict)
		if _, dashed := hopes(s); dashed != 1 {
			t.Errorf("%v hopes were dashed", dashed)
		}
		w.settled(s, l.Pool)
	})
}

// A pool that lapsed holds come back to gives them to the next who ask, though no claim in one trip looks for them.
func TestAHopeLeavesWhatHasLapsed(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s := w.service(holdFor(minHoldFor), sweepEvery(time.Hour))
		l := w.supply(2, 1)
		first := tapOf(l, "gst_a")
		w.hold(s, first)
		w.hold(s, tapOf(l, "gst_b"))
		time.Sleep(2 * minHoldFor)
		w.hold(s, tapOf(l, "gst_c"))
		w.over(s, first)
		w.hold(s, tapOf(l, "gst_a")) // who may have one, and has none any more
		w.settled(s, l.Pool)
	})
}

// Two nodes that sell the same pool at once, each by what it believes, sell what there is and no more.
func TestTwoNodesHope(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		nodes := []*Service{w.service(), w.service()}
		const units, buyers, rounds = 300, 16, 40
		l := w.supply(units, 0)
		var all sync.WaitGroup
		var mu sync.Mutex
		told := map[commerce.HoldID]bool{}
		for b := range buyers {
			all.Go(func() {
				for r := range rounds {
					tap := tapOf(l, fmt.Sprintf("gst_%d_%d", b, r))
					_, err := nodes[b%2].Hold(t.Context(), tap)
					if err != nil && !errors.Is(err, ErrSoldOut) {
						t.Error(err)
					}
					if err == nil {
						mu.Lock()
						told[tap.ID] = true
						mu.Unlock()
					}
				}
			})
		}
		all.Wait()
		if len(told) != units {
			t.Errorf("%d were told \"yours\" of %d units", len(told), units)
		}
		w.settled(nodes[0], l.Pool)
		for _, s := range nodes {
			kept, dashed := hopes(s)
			t.Logf("%v kept, %v dashed", kept, dashed)
		}
	})
}
