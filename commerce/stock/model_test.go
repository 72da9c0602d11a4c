package stock

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/commerce"
)

// model is what a pool should be, in plain arithmetic.
type model struct {
	onHand, cap int
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

// want is the answer that a new tap must get.
func (m *model) want(t Tap) error {
	all, theirs := m.taken(t.Buyer)
	switch {
	case m.cap > 0 && theirs+t.Quantity > m.cap:
		return ErrLimit
	case all+t.Quantity > m.onHand:
		return ErrSoldOut
	}
	return nil
}

// Any order of taps, repetitions, releases, payments, lapses, changes and losses of Redis: gate and truth
// together do what plain arithmetic says.
func TestGateAndTruthFollowTheModel(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		nodes := []*Service{w.service(sweepEvery(never)), w.service(sweepEvery(never))}
		rapid.Check(t, func(rt *rapid.T) {
			m := &model{onHand: rapid.IntRange(0, 8).Draw(rt, "on hand"), cap: rapid.IntRange(0, 4).Draw(rt, "cap"), holds: map[commerce.HoldID]*modelHold{}}
			l := w.supply(m.onHand, m.cap)
			for step := range rapid.IntRange(1, 14).Draw(rt, "steps") {
				s := nodes[rapid.IntRange(0, 1).Draw(rt, "node")]
				action := rapid.SampledFrom([]string{"tap", "tap", "tap", "again", "release", "lapse", "pay", "sell", "unpay", "flush", "change"}).Draw(rt, "action")
				if err := act(rt, w, s, m, l, action); err != nil {
					rt.Fatalf("step %d, %s: %v", step, action, err)
				}
				w.idle(nodes...) // what comes back has reached the gate, whichever node taps next
				all, _ := m.taken("")
				if onHand, taken, live, _ := w.level(l.Pool); taken != all || live != all || onHand != m.onHand {
					rt.Fatalf("step %d, %s: %d of %d taken, %d live, the model says %d of %d", step, action, taken, onHand, live, all, m.onHand)
				}
			}
		})
	})
}

func act(rt *rapid.T, w *world, s *Service, m *model, l Level, action string) error {
	switch action {
	case "tap":
		tap := tapOf(l, fmt.Sprintf("gst_%d", rapid.IntRange(0, 2).Draw(rt, "buyer")))
		tap.Quantity = rapid.IntRange(1, 3).Draw(rt, "quantity")
		want := m.want(tap)
		_, err := s.Hold(w.t.Context(), tap)
		if err == nil {
			m.holds[tap.ID], m.ids = &modelHold{tap: tap, state: Held}, append(m.ids, tap.ID)
		}
		return expect(err, want)
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
