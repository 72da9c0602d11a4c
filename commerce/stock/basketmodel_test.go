package stock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/commerce"
)

// baskets is what some pools should be, in plain arithmetic.
type baskets struct {
	levels []Level
	onHand []int
	limit  int // units of one pool that a buyer may have
	holds  []*modelBasket
}

type modelBasket struct {
	Basket
	state State
}

func (m *baskets) taken(pool commerce.PoolID, buyer string) (all, theirs int) {
	for _, h := range m.holds {
		for _, l := range h.Lines {
			if h.state.Live() && l.Pool == pool {
				if all += l.Quantity; h.Buyer == buyer {
					theirs += l.Quantity
				}
			}
		}
	}
	return all, theirs
}

// want is the answer that a new basket gets: of its pools in their order.
func (m *baskets) want(b Basket) error {
	units := map[commerce.PoolID]int{}
	for _, l := range b.Lines {
		units[l.Pool] += l.Quantity
	}
	for i, l := range m.levels {
		n := units[l.Pool]
		switch all, theirs := m.taken(l.Pool, b.Buyer); {
		case n == 0:
		case theirs+n > m.limit:
			return ErrLimit
		case all+n > m.onHand[i]:
			return ErrSoldOut
		}
	}
	return nil
}

// Any order of baskets over some pools, repetitions, releases, payments, lapses and losses of Redis: what plain arithmetic says.
func TestBasketsFollowTheModel(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		nodes := []*Service{w.service(sweepEvery(never)), w.service(sweepEvery(never))}
		rapid.Check(t, func(rt *rapid.T) {
			m := &baskets{limit: rapid.IntRange(1, 4).Draw(rt, "limit")}
			for range 3 {
				n := rapid.IntRange(0, 6).Draw(rt, "on hand")
				m.levels, m.onHand = append(m.levels, w.supply(n, m.limit)), append(m.onHand, n)
			}
			for step := range rapid.IntRange(1, 12).Draw(rt, "steps") {
				s := nodes[rapid.IntRange(0, 1).Draw(rt, "node")]
				action := rapid.SampledFrom([]string{"basket", "basket", "basket", "again", "release", "lapse", "pay", "sell", "unpay", "flush"}).Draw(rt, "action")
				if err := m.act(rt, w, s, action); err != nil {
					rt.Fatalf("step %d, %s: %v", step, action, err)
				}
				w.idle(nodes...)
				for i, l := range m.levels {
					all, _ := m.taken(l.Pool, "")
					if onHand, taken, live, _ := w.level(l.Pool); taken != all || live != all || onHand != m.onHand[i] {
						rt.Fatalf("step %d, %s: pool %d: %d of %d taken, %d live, the model says %d of %d", step, action, i, taken, onHand, live, all, m.onHand[i])
					}
					w.balanced(l.Pool)
				}
				w.linesStand()
			}
		})
	})
}

func (m *baskets) basket(rt *rapid.T, w *world, s *Service) error {
	b := Basket{ID: commerce.NewID[commerce.HoldID](), Buyer: fmt.Sprintf("gst_%d", rapid.IntRange(0, 2).Draw(rt, "buyer"))}
	for range rapid.IntRange(1, 4).Draw(rt, "lines") {
		l := rapid.SampledFrom(m.levels).Draw(rt, "pool")
		b.Lines = append(b.Lines, Line{Pool: l.Pool, Quantity: rapid.IntRange(1, 2).Draw(rt, "quantity"), Unit: tapOf(l, "").Unit, Offer: l.Offer})
	}
	want := m.want(b)
	h, err := s.HoldAll(w.t.Context(), b)
	if err == nil {
		m.holds = append(m.holds, &modelBasket{b, Held})
		if h.ID != b.ID || h.Replayed {
			return fmt.Errorf("held %+v", h)
		}
	}
	return expect(err, want)
}

func (m *baskets) act(rt *rapid.T, w *world, s *Service, action string) error {
	switch action {
	case "basket":
		return m.basket(rt, w, s)
	case "flush":
		w.flush()
		return nil
	}
	if len(m.holds) == 0 {
		return nil
	}
	h := rapid.SampledFrom(m.holds).Draw(rt, "hold")
	switch action {
	case "again":
		again := h.Basket
		again.Lines = slices.Clone(h.Lines)
		slices.Reverse(again.Lines)
		got, err := s.HoldAll(w.t.Context(), again)
		if h.state.Live() {
			if err == nil && !got.Replayed {
				return errors.New("a repetition was taken for a new basket")
			}
			return expect(err, nil)
		}
		if err == nil {
			return fmt.Errorf("a hold that is %s came back", h.state)
		}
		return nil
	case "release":
		_, err := s.Release(w.t.Context(), h.ID, h.Buyer)
		return h.moved(Released, err, !h.state.Live() || h.state == Held)
	case "lapse":
		return h.lapse(w, s)
	}
	to := map[string]State{"pay": Paying, "sell": Sold, "unpay": Held}[action]
	err := w.try(func(ctx context.Context, tx pgx.Tx) (err error) {
		switch to {
		case Paying:
			_, err = Pay(ctx, tx, h.ID, h.Buyer)
		case Sold:
			_, err = Sell(ctx, tx, h.ID)
		case Held:
			_, err = Unpay(ctx, tx, h.ID)
		}
		return err
	})
	return h.moved(to, err, h.state.Can(to))
}

func (h *modelBasket) moved(to State, err error, possible bool) error {
	one := modelHold{state: h.state}
	err = one.moved(to, err, possible)
	h.state = one.state
	return err
}

func (h *modelBasket) lapse(w *world, s *Service) error {
	if h.state != Held {
		return nil
	}
	if _, err := w.db.Exec(w.t.Context(), `update hold set lapses_at = now() where id = $1 or part_of = $1`, h.ID); err != nil {
		return err
	}
	h.state = Expired
	for _, l := range h.Lines {
		lane, err := s.lane(l.Pool)
		if err == nil {
			err = lane.releaseLapsed(w.t.Context())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
