package stock

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/commerce"
)

// model is what a pool should be, in plain arithmetic.
type model struct {
	onHand, cap int
	level       Level // the versions that there are
	old         []int64
	timed       *TimedOffer // nil: none
	on          bool        // it is in its window
	untold      bool        // the gate's copy may be from before the last change of a price
	holds       map[commerce.HoldID]*modelHold
	ids         []commerce.HoldID
}

type modelHold struct {
	tap   Tap
	state State
}

func (m *model) taken(buyer string) (all, theirs int) {
	for _, h := range m.holds {
		if h.state.Live() {
			all += h.tap.Quantity
			if h.tap.Buyer == buyer {
				theirs += h.tap.Quantity
			}
		}
	}
	return all, theirs
}

// timedLeft is how many units the timed offer has, as if it were on.
func (m *model) timedLeft() int {
	all, _ := m.taken("")
	left := m.onHand - all
	if m.timed.Cap == 0 {
		return left
	}
	taken := 0
	for _, h := range m.holds {
		if h.state.Live() && h.tap.Offer == m.level.Timed {
			taken += h.tap.Quantity
		}
	}
	return min(left, m.timed.Cap-taken)
}

// wrongOffer says whether a tap is at a price that does not hold.
func (m *model) wrongOffer(t Tap) bool {
	all, _ := m.taken("")
	switch t.Offer {
	case m.level.Offer:
		return m.on && t.Quantity <= m.timedLeft()
	case m.level.Timed:
		return !m.on || t.Quantity <= m.onHand-all && t.Quantity > m.timedLeft()
	}
	return true
}

// want is the answer that a new tap must get.
func (m *model) want(t Tap) error {
	all, theirs := m.taken(t.Buyer)
	switch {
	case m.wrongOffer(t):
		return ErrOfferChanged
	case m.cap > 0 && theirs+t.Quantity > m.cap:
		return ErrLimit
	case all+t.Quantity > m.onHand:
		return ErrSoldOut
	}
	return nil
}

// Any order of taps, repetitions, releases, payments, lapses, changes, prices and losses of Redis: gate and truth
// together do what plain arithmetic says.
func TestGateAndTruthFollowTheModel(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		nodes := []*Service{w.service(sweepEvery(never)), w.service(sweepEvery(never))}
		rapid.Check(t, func(rt *rapid.T) {
			m := &model{onHand: rapid.IntRange(0, 8).Draw(rt, "on hand"), cap: rapid.IntRange(0, 4).Draw(rt, "cap"), holds: map[commerce.HoldID]*modelHold{}}
			l := w.supply(m.onHand, m.cap)
			m.level = l
			for step := range rapid.IntRange(1, 14).Draw(rt, "steps") {
				s := nodes[rapid.IntRange(0, 1).Draw(rt, "node")]
				action := rapid.SampledFrom([]string{"tap", "tap", "tap", "again", "release", "lapse", "pay", "sell", "unpay", "flush", "change",
					"offer", "offer", "no offer", "reprice"}).Draw(rt, "action")
				if err := act(rt, w, s, m, l, action); err != nil {
					rt.Fatalf("step %d, %s: %v", step, action, err)
				}
				w.idle(nodes...) // what comes back has reached the gate, whichever node taps next
				all, _ := m.taken("")
				if onHand, taken, live, _ := w.level(l.Pool); taken != all || live != all || onHand != m.onHand {
					rt.Fatalf("step %d, %s: %d of %d taken, %d live, the model says %d of %d", step, action, taken, onHand, live, all, m.onHand)
				}
				if err := m.sameAs(w, l.Pool); err != nil {
					rt.Fatalf("step %d, %s: %v", step, action, err)
				}
			}
		})
	})
}

// sameAs compares what people are told with the model.
func (m *model) sameAs(w *world, pool commerce.PoolID) error {
	w.timed(pool)
	w.balanced(pool)
	l, err := levelOf(w.t.Context(), w.db, pool)
	if err != nil {
		return err
	}
	if told := l.TimedLeft; (told != nil) != (m.timed != nil && m.timed.Cap > 0) || told != nil && *told != m.timedLeft() {
		return fmt.Errorf("%v units are left at the timed offer %+v", told, m.timed)
	}
	return nil
}

// price changes the pool's offers: a timed one that is over, on or still to come, none, or a new standing one.
func (m *model) price(rt *rapid.T, w *world, s *Service, action string) {
	m.old = append(m.old, m.level.Offer, m.level.Timed)
	switch action {
	case "offer":
		at := rapid.SampledFrom([]time.Duration{-2 * time.Hour, -time.Hour, -time.Hour, -time.Hour, time.Hour}).Draw(rt, "opens")
		opens := time.Now().Add(at)
		m.timed = &TimedOffer{Opens: opens, Closes: opens.Add(90 * time.Minute), Cap: rapid.IntRange(0, 4).Draw(rt, "cap of the offer")}
		m.on = at == -time.Hour
		m.level = w.setOffer(m.level, *m.timed)
	case "no offer":
		m.timed, m.on = nil, false
		w.tx(func(ctx context.Context, tx pgx.Tx) (err error) {
			m.level, err = ClearOffer(ctx, tx, m.level.Pool)
			return err
		})
	case "reprice":
		w.tx(func(ctx context.Context, tx pgx.Tx) error { _, err := Reprice(ctx, tx, m.level.Variant); return err })
		var err error
		if m.level, err = levelOf(w.t.Context(), w.db, m.level.Pool); err != nil {
			rt.Fatal(err)
		}
	}
	m.untold = rapid.Bool().Draw(rt, "untold")
	if !m.untold { // a node that dies before it tells costs nobody more than a second try
		s.Changed(w.t.Context(), m.level.Pool)
	}
}

// refusedAsBefore says whether a tap was refused as it would have been before a change that the gate was not told of:
// nothing is left, whatever the price is now.
func (m *model) refusedAsBefore(err, want error) bool {
	return m.untold && want != nil && (errors.Is(err, ErrSoldOut) || errors.Is(err, ErrLimit))
}

// tap is a tap of somebody at some price, of the past, too.
func (m *model) tap(rt *rapid.T, w *world, s *Service, l Level) error {
	tap := tapOf(l, fmt.Sprintf("gst_%d", rapid.IntRange(0, 2).Draw(rt, "buyer")))
	tap.Quantity = rapid.IntRange(1, 3).Draw(rt, "quantity")
	tap.Offer = rapid.SampledFrom(append([]int64{m.level.Offer, m.level.Timed, m.level.Offer, m.level.Timed}, m.old...)).Draw(rt, "price")
	want := m.want(tap)
	_, err := s.Hold(w.t.Context(), tap)
	if m.refusedAsBefore(err, want) {
		return nil
	}
	if err == nil {
		m.holds[tap.ID], m.ids = &modelHold{tap: tap, state: Held}, append(m.ids, tap.ID)
	}
	return expect(err, want)
}

func act(rt *rapid.T, w *world, s *Service, m *model, l Level, action string) error {
	switch action {
	case "tap":
		return m.tap(rt, w, s, l)
	case "offer", "no offer", "reprice":
		m.price(rt, w, s, action)
		return nil
	case "flush":
		w.flush()
		return nil
	case "change":
		all, _ := m.taken("")
		m.onHand = all + rapid.IntRange(0, 4).Draw(rt, "more")
		w.put(Supply{Pool: l.Pool, Show: l.Show, Variant: l.Variant, OnHand: m.onHand, Cap: m.cap})
		s.Changed(w.t.Context(), l.Pool)
		return nil
	}
	if len(m.ids) == 0 {
		return nil
	}
	h := m.holds[rapid.SampledFrom(m.ids).Draw(rt, "hold")]
	switch action {
	case "again":
		got, err := s.Hold(w.t.Context(), h.tap)
		if h.state.Live() {
			if err == nil && !got.Replayed {
				return errors.New("a repetition was taken for a new tap")
			}
			return expect(err, nil)
		}
		if err == nil {
			return fmt.Errorf("a hold that is %s came back", h.state)
		}
		return nil
	case "release":
		_, err := s.Release(w.t.Context(), h.tap.ID, h.tap.Buyer)
		return h.moved(Released, err, !h.state.Live() || h.state == Held)
	case "lapse":
		if h.state != Held {
			return nil
		}
		if _, err := w.db.Exec(w.t.Context(), `update hold set lapses_at = now() where id = $1`, h.tap.ID); err != nil {
			return err
		}
		lane, err := s.lane(l.Pool)
		if err == nil {
			err = lane.releaseLapsed(w.t.Context())
		}
		h.state = Expired
		return err
	}
	to := map[string]State{"pay": Paying, "sell": Sold, "unpay": Held}[action]
	err := w.try(func(ctx context.Context, tx pgx.Tx) (err error) {
		switch to {
		case Paying:
			_, err = Pay(ctx, tx, h.tap.ID, h.tap.Buyer)
		case Sold:
			_, err = Sell(ctx, tx, h.tap.ID)
		case Held:
			_, err = Unpay(ctx, tx, h.tap.ID)
		}
		return err
	})
	return h.moved(to, err, h.state.Can(to))
}

// moved judges a step against the table.
func (h *modelHold) moved(to State, err error, possible bool) error {
	if possible != (err == nil) {
		return fmt.Errorf("from %s to %s: %w", h.state, to, err)
	}
	if err == nil && h.state.Can(to) {
		h.state = to
	}
	return nil
}

func expect(err, want error) error {
	if want == nil && err == nil || want != nil && errors.Is(err, want) {
		return nil
	}
	return fmt.Errorf("answered %w, the model says %v", err, want)
}
