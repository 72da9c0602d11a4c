package stock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
)

// basketOf is one unit of each pool.
func basketOf(buyer string, levels ...Level) Basket {
	b := Basket{ID: commerce.NewID[commerce.HoldID](), Buyer: buyer}
	for _, l := range levels {
		tap := tapOf(l, buyer)
		b.Lines = append(b.Lines, Line{Pool: l.Pool, Quantity: 1, Unit: tap.Unit, Offer: l.Offer})
	}
	return b
}

func (w *world) holdAll(s *Service, b Basket) Hold {
	w.t.Helper()
	h, err := s.HoldAll(w.t.Context(), b)
	if err != nil {
		w.t.Fatalf("hold all: %v", err)
	}
	return h
}

// refusedAll says what a basket is refused with, and of which pool.
func (w *world) refusedAll(s *Service, b Basket, want error, at Level) {
	w.t.Helper()
	h, err := s.HoldAll(w.t.Context(), b)
	var of *LineError
	if !errors.Is(err, want) || at.Pool.IsZero() == errors.As(err, &of) || of != nil && of.Pool != at.Pool {
		w.t.Fatalf("hold all: %v, %v; want %v of %s", h.State, err, want, at.Pool)
	}
}

// takenOf is how many units of each pool are taken, when gate and truth agree.
func (w *world) takenOf(s *Service, levels ...Level) (taken []int) {
	w.t.Helper()
	for _, l := range levels {
		w.settled(s, l.Pool)
		_, n, _, _ := w.level(l.Pool)
		taken = append(taken, n)
	}
	return taken
}

func (w *world) takes(s *Service, levels []Level, want ...int) {
	w.t.Helper()
	if got := w.takenOf(s, levels...); !slices.Equal(got, want) {
		w.t.Fatalf("taken %v, want %v", got, want)
	}
}

// linesStand says what is wrong with holds of several lines: all lines of one are in one state.
func (w *world) linesStand() {
	w.t.Helper()
	rows, err := w.db.Query(context.Background(), `
		select part_of::text || ': ' || string_agg(distinct state, ', ') from hold where part_of is not null
		group by part_of having count(distinct state) > 1 or count(*) < 2 or not bool_or(id = part_of)`)
	if err != nil {
		w.t.Fatal(err)
	}
	if wrong, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(wrong) > 0 {
		w.t.Fatalf("lines of holds do not stand together: %v, %v", wrong, err)
	}
}

func TestABasketIsOneHold(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s := w.service(sweepEvery(never))
		levels := []Level{w.supply(3, 0), w.supply(3, 2), w.supply(3, 0)}
		b := basketOf("gst_a", levels...)
		b.Lines[1].Quantity = 2
		h := w.holdAll(s, b)
		total, err := h.Total()
		if h.ID != b.ID || len(h.Lines()) != 3 || h.Replayed || err != nil || total.Minor != 4*4900 {
			t.Fatalf("%+v, %v, %v", h, total, err)
		}
		w.takes(s, levels, 1, 2, 1)
		slices.Reverse(b.Lines) // in whatever order, with whichever node
		if again := w.holdAll(w.service(), b); !again.Replayed || again.ID != b.ID || len(again.Lines()) != 3 {
			t.Fatalf("repeated: %+v", again)
		}
		other := b
		other.Lines = b.Lines[1:]
		w.refusedAll(s, other, ErrConflict, Level{}) // its first is the same
		one := tapOf(levels[0], "gst_a")
		for _, line := range h.Lines() {
			one.ID, one.Pool, one.Quantity = line.ID, line.Pool, line.Quantity
			w.refused(s, one, ErrConflict) // a line is not a hold
		}
		w.refusedAll(s, basketOf("gst_a", levels...), ErrLimit, levels[1])
		if own, err := OwnLive(t.Context(), w.db, levels[1].Pool, "gst_a"); err != nil || own.ID != b.ID {
			t.Fatalf("what they hold: %+v, %v", own, err)
		}
		if mine, err := ListMine(t.Context(), w.db, "gst_a"); err != nil || len(mine) != 1 || len(mine[0].Lines()) != 3 {
			t.Fatalf("mine: %+v, %v", mine, err)
		}
		for range 2 {
			if gone, err := s.Release(t.Context(), b.ID, "gst_a"); err != nil || gone.State != Released {
				t.Fatalf("released: %+v, %v", gone, err)
			}
		}
		w.takes(s, levels, 0, 0, 0)
		w.refusedAll(s, b, ErrGone, Level{})
		w.takes(s, levels, 0, 0, 0)
	})
}

// medusa #16502, in one hold: lines of one pool are one line. With nothing else beside them the hold is one like any other.
func TestLinesOfOnePoolAreSummed(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l, other := w.service(), w.supply(3, 0), w.supply(9, 0)
		b := basketOf("gst_a", l, other, l)
		b.Lines[0].Quantity = 3
		w.refusedAll(s, b, ErrSoldOut, l)
		b.Lines[0].Quantity = 2
		if h := w.holdAll(s, b); len(h.Lines()) != 2 {
			t.Fatalf("%+v", h)
		}
		w.takes(s, []Level{l, other}, 3, 1)
		alone := basketOf("gst_b", other, other)
		h := w.holdAll(s, alone)
		tap := tapOf(other, "gst_b")
		tap.ID, tap.Quantity = alone.ID, 2
		if again := w.hold(s, tap); h.Several() || !again.Replayed {
			t.Fatalf("%+v, %+v", h, again)
		}
	})
}

// Whoever cannot have all has nothing, and what the other gates had admitted can be had by others at once.
func TestABasketThatIsRefusedTakesNothing(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s := w.service()
		levels := []Level{w.supply(1, 0), w.supply(1, 0), w.supply(1, 0), w.supply(1, 0)}
		slices.SortFunc(levels, func(a, b Level) int { return slices.Compare(a.Pool[:], b.Pool[:]) })
		w.hold(s, tapOf(levels[2], "gst_first"))
		for range 3 {
			w.refusedAll(s, basketOf("gst_a", levels...), ErrSoldOut, levels[2])
		}
		w.holdAll(s, basketOf("gst_b", levels[0], levels[1], levels[3]))
		w.takes(s, levels, 1, 1, 1, 1)
		var lines int
		if err := w.db.QueryRow(t.Context(), `select count(*) from hold where buyer = 'gst_a'`).Scan(&lines); err != nil || lines != 0 {
			t.Errorf("somebody who lost has %d rows: %v", lines, err)
		}
	})
}

// Postgres knows better than the gate: nothing is taken, the id may be sent again, and the gate's copy is made anew.
func TestPostgresRefusesABasket(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s := w.service()
		levels := []Level{w.supply(5, 0), w.supply(5, 0)}
		w.holdAll(s, basketOf("gst_a", levels...))
		// By hand, past the gate.
		for _, sql := range []string{`update pool set on_hand = taken where id = $1`, `update pool set on_hand = 5 where id = $1`} {
			if _, err := w.db.Exec(t.Context(), sql, levels[1].Pool); err != nil {
				t.Fatal(err)
			}
			b := basketOf("gst_b", levels...)
			if sql[len("update pool set on_hand = ")] == '5' {
				w.eventually(func() bool { _, err := s.HoldAll(t.Context(), b); return err == nil }, func() string { return "no unit of the new ones" })
				continue
			}
			w.refusedAll(s, b, ErrSoldOut, levels[1])
			w.refusedAll(s, b, ErrSoldOut, levels[1])
		}
		w.takes(s, levels, 2, 2)
	})
}

func TestABasketIsPaidAsAWhole(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s := w.service(sweepEvery(never))
		levels := []Level{w.supply(9, 0), w.supply(9, 0)}
		b := basketOf("gst_a", levels...)
		h := w.holdAll(s, b)
		all := func(want State) {
			t.Helper()
			now, err := Find(t.Context(), w.db, b.ID)
			if err != nil || now.State != want || now.More[0].State != want {
				t.Fatalf("%+v, %v; want %s", now, err, want)
			}
			w.linesStand()
		}
		w.tx(func(ctx context.Context, tx pgx.Tx) error { _, err := Pay(ctx, tx, b.ID, "gst_a"); return err })
		all(Paying)
		w.tx(func(ctx context.Context, tx pgx.Tx) error { _, err := Unpay(ctx, tx, b.ID); return err })
		all(Held)
		// One line is over, by hand: nobody pays the other.
		if _, err := w.db.Exec(t.Context(), `update hold set lapses_at = now(), expires_at = now() where id = $1`, h.More[0].ID); err != nil {
			t.Fatal(err)
		}
		if err := w.try(func(ctx context.Context, tx pgx.Tx) error { _, err := Pay(ctx, tx, b.ID, "gst_a"); return err }); !errors.Is(err, ErrGone) {
			t.Fatalf("half of it was paid: %v", err)
		}
		if now, err := Find(t.Context(), w.db, b.ID); err != nil || now.State != Expired {
			t.Fatalf("%+v, %v", now, err)
		}
		w.refusedAll(s, b, ErrGone, Level{})
		b = basketOf("gst_b", levels...)
		h = w.holdAll(s, b)
		w.tx(func(ctx context.Context, tx pgx.Tx) error { _, err := Pay(ctx, tx, b.ID, "gst_b"); return err })
		if _, err := w.db.Exec(t.Context(), `update hold set state = 'released' where id = $1`, h.More[0].ID); err != nil {
			t.Fatal(err)
		}
		w.tx(func(ctx context.Context, tx pgx.Tx) error {
			if _, err := Sell(ctx, tx, b.ID); !errors.Is(err, ErrState) {
				t.Errorf("half of it was sold: %v", err)
			}
			back, err := Free(ctx, tx, b.ID, Paying)
			if len(back) != 1 {
				t.Errorf("%d lines were freed: %v", len(back), err)
			}
			return err
		})
	})
}

func TestWhatABasketMayBe(t *testing.T) {
	w := newWorld(t, func() redis.UniversalClient { return open(t, embeddedtest.NewRedisServer(t).URL()) }, nil)
	s := w.service()
	var levels []Level
	for range MaxLines + 1 {
		levels = append(levels, w.supply(5, 0))
	}
	w.refusedAll(s, Basket{ID: commerce.NewID[commerce.HoldID](), Buyer: "gst_a"}, ErrQuantity, Level{})
	w.refusedAll(s, basketOf("gst_a", levels...), ErrQuantity, Level{})
	if h := w.holdAll(s, basketOf("gst_a", levels[:MaxLines]...)); len(h.Lines()) != MaxLines {
		t.Errorf("%d lines", len(h.Lines()))
	}
	b := basketOf("gst_a", levels[:2]...)
	b.Lines[1].Unit.Currency = "USD"
	w.refusedAll(s, b, ErrQuantity, Level{})
	b = basketOf("gst_a", levels[0], levels[0], levels[1])
	b.Lines[0].Quantity = MaxQuantity
	w.refusedAll(s, b, ErrQuantity, levels[0])
	b = basketOf("gst_a", levels[0], levels[0], levels[1])
	b.Lines[0].Offer++
	w.refusedAll(s, b, ErrOfferChanged, levels[0])
	w.refusedAll(s, basketOf("", levels[:2]...), ErrUnknown, levels[0])
	w.refusedAll(s, basketOf("gst_a", levels[0], Level{Pool: commerce.PoolID{0xff, 15: 1}}), ErrUnknown, Level{Pool: commerce.PoolID{0xff, 15: 1}})
	elsewhere := w.put(Supply{Pool: commerce.NewID[commerce.PoolID](), Show: commerce.NewID[commerce.ShowID](), Variant: commerce.NewID[commerce.VariantID](), OnHand: 5})
	w.refusedAll(s, basketOf("gst_a", levels[0], elsewhere), ErrUnknown, elsewhere)
	w.takes(s, append(levels[:2:2], elsewhere), 1, 1, 0)
}

// Baskets and taps of a crowd on two nodes want the same units, in any order of pools: each unit once, each basket whole.
func TestBasketsInACrowd(t *testing.T) {
	const units, buyers = 40, 120
	onEachStore(t, func(t *testing.T, w *world) {
		nodes := []*Service{w.service(), w.service()}
		levels := []Level{w.supply(units, 0), w.supply(units, 0), w.supply(units, 0)}
		var got [3]atomic.Int64
		var group sync.WaitGroup
		for i := range buyers {
			group.Go(func() {
				s, buyer := nodes[i%2], fmt.Sprintf("gst_%d", i)
				at := []int{i % 3, (i + 1 + i/7%2) % 3}
				var err error
				if i%4 == 0 {
					at = at[:1]
					_, err = untilAnswered(t.Context(), s, tapOf(levels[at[0]], buyer))
				} else {
					b := basketOf(buyer, levels[at[0]], levels[at[1]])
					for {
						if _, err = s.HoldAll(t.Context(), b); !errors.Is(err, ErrUnavailable) {
							break
						}
					}
				}
				switch {
				case err == nil:
					for _, pool := range at {
						got[pool].Add(1)
					}
				case !errors.Is(err, ErrSoldOut):
					t.Error(err)
				}
			})
		}
		group.Wait()
		w.takes(nodes[0], levels, int(got[0].Load()), int(got[1].Load()), int(got[2].Load()))
		w.linesStand()
		if sold := got[0].Load() + got[1].Load() + got[2].Load(); sold < 2*units {
			t.Errorf("%d units found their buyers", sold)
		}
	})
}

// A hold of pools on different nodes of a cluster, one of which dies: it has all of its lines, or none.
func TestABasketOverACluster(t *testing.T) {
	cluster := embeddedtest.NewRedisCluster(t)
	w := newWorld(t, func() redis.UniversalClient { return cluster.Client() }, nil)
	s := w.service()
	levels := make([]Level, 3)
	for i := range levels {
		pool := commerce.NewID[commerce.PoolID]()
		for owner(cluster, pool) != i {
			pool = commerce.NewID[commerce.PoolID]()
		}
		levels[i] = w.put(Supply{Pool: pool, Show: w.show, Variant: commerce.NewID[commerce.VariantID](), OnHand: 20})
	}
	for i := range 5 {
		w.holdAll(s, basketOf(fmt.Sprintf("gst_%d", i), levels...))
	}
	cluster.Kill(1)
	for i := range 5 {
		b := basketOf(fmt.Sprintf("gst_dead_%d", i), levels...)
		w.eventually(func() bool { _, err := s.HoldAll(t.Context(), b); return err == nil }, func() string { return "no basket without a node" })
	}
	for _, l := range levels {
		if _, taken, live, _ := w.level(l.Pool); taken != 10 || live != 10 {
			t.Errorf("%d taken, %d live", taken, live)
		}
		w.balanced(l.Pool)
	}
	w.linesStand()
}

// Each line counts for the address that it comes from, also beside the others of its basket.
func TestABasketCountsForItsAddress(t *testing.T) {
	w := newWorld(t, func() redis.UniversalClient { return open(t, embeddedtest.NewRedisServer(t).URL()) }, nil)
	s := w.service()
	var levels []Level
	for range MaxLines {
		levels = append(levels, w.supply(MaxPerSource, 0))
	}
	from := func(n int) Basket {
		b := basketOf("gst_a", levels[:n]...)
		b.Source = "here"
		return b
	}
	for range MaxPerSource/MaxLines - 1 {
		w.holdAll(s, from(MaxLines))
	}
	w.holdAll(s, from(MaxLines-1))
	w.refusedAll(s, from(2), ErrLimit, levels[1])
	w.holdAll(s, from(1))
	w.refusedAll(s, from(1), ErrLimit, Level{})
	w.takes(s, levels[:2], 4, 3)
}

// admitted is a basket that the gates have let in.
func (w *world) admitted(s *Service, b Basket) *basket {
	w.t.Helper()
	taps, err := b.taps()
	on := &basket{id: b.ID}
	if err == nil {
		err = s.admitAll(on, taps)
	}
	if err != nil || len(on.asks) != len(taps) {
		w.t.Fatal(err)
	}
	return on
}

// One that cannot be does not hurt its neighbours: each basket of a round is judged by itself, after all that came before it, and what
// nobody gets goes back.
func TestBasketsOfARound(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s := w.service(sweepEvery(never), func(c *Config) {
			c.Barred = `select b from unnest(string_to_array($2, E'\x1f')) b where b = 'gst_barred' and $1::uuid is not null`
		})
		levels := []Level{w.supply(9, 0), w.supply(9, 2), w.supply(9, 0)}
		known := basketOf("gst_known", levels...)
		w.holdAll(s, known)
		first, last := basketOf("gst_a", levels...), basketOf("gst_a", levels[1:]...)
		limit := basketOf("gst_else", levels...)
		var round []*basket
		for _, b := range []Basket{first, first, known, basketOf("gst_barred", levels...), last} {
			round = append(round, w.admitted(s, b))
		}
		// The gate lets nobody in who is over a limit, so it is asked as somebody else.
		over := w.admitted(s, limit)
		for _, a := range over.asks {
			a.tap.Buyer = "gst_a"
		}
		stale := w.admitted(s, basketOf("gst_b", levels...))
		stale.asks[2].epoch--
		round = append(round, over, stale, w.admitted(s, basketOf("gst_c", levels[0], levels[2])))
		is := s.claimBaskets(t.Context(), round)
		for i, want := range []error{nil, errAgain, errKnown, ErrBarred, nil, ErrLimit, errAgain, nil} {
			if !errors.Is(is[i], want) || (is[i] == nil) != (want == nil) {
				t.Errorf("basket %d: %v, want %v", i, is[i], want)
			}
			if want == nil && (round[i].hold.ID != round[i].id || len(round[i].hold.Lines()) != len(round[i].asks)) {
				t.Errorf("basket %d: %+v", i, round[i].hold)
			}
		}
		w.linesStand()
		w.idle(s)
		for i, l := range levels {
			if _, taken, live, _ := w.level(l.Pool); taken != []int{3, 3, 4}[i] || live != taken {
				t.Errorf("pool %d: %d taken, %d live", i, taken, live)
			}
			w.balanced(l.Pool)
		}
	})
}

// Baskets of more pools than one transaction is about, of a crowd that comes at once.
func TestBasketsOfManyPools(t *testing.T) {
	const pools, buyers = basketPools + 10, 150
	w := newWorld(t, func() redis.UniversalClient { return open(t, embeddedtest.NewRedisServer(t).URL()) }, nil)
	s := w.service()
	var levels []Level
	for range pools {
		levels = append(levels, w.supply(buyers, 0))
	}
	var group sync.WaitGroup
	for i := range buyers {
		group.Go(func() {
			if _, err := s.HoldAll(t.Context(), basketOf(fmt.Sprint("gst_", i), levels[i%pools], levels[(i*7+1)%pools], levels[(i*13+2)%pools])); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	sum := 0
	for _, n := range w.takenOf(s, levels...) {
		sum += n
	}
	if sum != 3*buyers {
		t.Errorf("%d units are taken, want %d", sum, 3*buyers)
	}
	w.linesStand()
}

// Whoever is barred hears nothing else, also not of what they have.
func TestABasketOfSomebodyBarred(t *testing.T) {
	w := newWorld(t, func() redis.UniversalClient { return open(t, embeddedtest.NewRedisServer(t).URL()) }, nil)
	s := w.service(func(c *Config) {
		c.Barred = `select b from unnest(string_to_array($2, E'\x1f')) b where b = 'gst_barred' and $1::uuid is not null`
	})
	levels := []Level{w.supply(5, 0), w.supply(5, 0)}
	had := basketOf("gst_barred", levels...)
	w.holdAll(w.service(), had)
	for _, b := range []Basket{had, basketOf("gst_barred", levels...)} {
		if h, err := s.HoldAll(t.Context(), b); !errors.Is(err, ErrBarred) {
			t.Errorf("%+v, %v", h, err)
		}
	}
	w.holdAll(s, basketOf("gst_a", levels...))
	w.takes(s, levels, 2, 2)
}

// Whoever goes away finds with the same id what became of it.
func TestABasketOfWhomNobodyWaitsFor(t *testing.T) {
	w := newWorld(t, func() redis.UniversalClient { return open(t, embeddedtest.NewRedisServer(t).URL()) }, nil)
	s := w.service()
	levels := []Level{w.supply(5, 0), w.supply(5, 0)}
	b := basketOf("gst_a", levels...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.HoldAll(ctx, b); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	w.holdAll(s, b)
	w.takes(s, levels, 1, 1)
}

// A node dies between the gates and Postgres: the leases lapse, their ids never become a hold, and the units can be had.
func TestALostBasketComesBack(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		dead, s := w.service(), w.service(sweepEvery(50*time.Millisecond))
		levels := []Level{w.supply(1, 0), w.supply(1, 0)}
		b := basketOf("gst_a", levels...)
		on := w.admitted(dead, b)
		first := Level{Pool: on.asks[0].tap.Pool}
		for _, a := range on.asks {
			a.lane.leave(a)
		}
		w.refusedAll(s, basketOf("gst_b", levels...), ErrSoldOut, first)
		late := basketOf("gst_b", levels...)
		w.eventually(func() bool { _, err := s.HoldAll(t.Context(), late); return err == nil }, func() string { return "the units never came back" })
		w.refusedAll(s, b, ErrSoldOut, first)
		w.takes(s, levels, 1, 1)
	})
}
