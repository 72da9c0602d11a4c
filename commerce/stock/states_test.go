package stock

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
)

// put writes a hold in a state, as if it had come there.
func (w *world) row(l Level, state State, buyer string) commerce.HoldID {
	w.t.Helper()
	id := commerce.NewID[commerce.HoldID]()
	w.tx(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at, lapses_at)
			values ($1, $2, $3, 1, $4, 4900, 'EUR', now() + interval '1 minute', case when $4 = 'held' then now() + interval '1 minute' end)`,
			id, l.Pool, buyer, state)
		if err == nil && state.Live() {
			_, err = tx.Exec(ctx, `update pool set taken = taken + 1 where id = $1`, l.Pool)
		}
		return err
	})
	return id
}

// Every state times every state: what the table has happens, all else is refused and changes nothing, of the whole row.
// The pool's count and the movements of units follow.
func TestHoldTransitionMatrix(t *testing.T) {
	w := newWorld(t, nil, nil)
	l := w.supply(1000, 0)
	s := &Service{db: w.db, holdFor: time.Minute}
	steps := map[State]func(ctx context.Context, tx pgx.Tx, id commerce.HoldID) error{
		Paying: func(ctx context.Context, tx pgx.Tx, id commerce.HoldID) error {
			_, err := Pay(ctx, tx, id, "gst_a")
			return err
		},
		Sold: func(ctx context.Context, tx pgx.Tx, id commerce.HoldID) error {
			_, err := Sell(ctx, tx, id)
			return err
		},
		Held: func(ctx context.Context, tx pgx.Tx, id commerce.HoldID) error {
			_, err := Unpay(ctx, tx, id)
			return err
		},
		Released: func(ctx context.Context, tx pgx.Tx, id commerce.HoldID) error {
			_, err := Free(ctx, tx, id, States()...)
			return err
		},
	}
	for _, from := range States() {
		for _, to := range States() {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				w := w.in(t)
				id := w.row(l, from, "gst_a")
				before, moved := w.whole(id), len(w.moved(l.Pool))
				_, taken, _, _ := w.level(l.Pool)
				var err error
				switch step := steps[to]; {
				case step != nil:
					err = w.try(func(ctx context.Context, tx pgx.Tx) error { return step(ctx, tx, id) })
				case to == Expired: // by its time alone
					err = w.lapses(s, l, id)
				default: // a tombstone is written where there is no hold, never over one
					_, _, err = s.bury(t.Context(), l.Pool, []lapsedLease{{ids: []entry{{id: id}}}})
				}
				w.stepped(l, id, from, to, err, before, taken, moved)
			})
		}
	}
}

// in is the same world for a part of its test.
func (w *world) in(t *testing.T) *world {
	part := *w
	part.t = t
	return &part
}

// lapses lets the time of a hold pass, if it has one, and sweeps.
func (w *world) lapses(s *Service, l Level, id commerce.HoldID) error {
	w.t.Helper()
	if _, err := w.db.Exec(w.t.Context(), `update hold set lapses_at = now() where id = $1 and lapses_at is not null`, id); err != nil {
		return err
	}
	_, err := s.expire(w.t.Context(), l.Pool)
	return err
}

// whole is all of a hold's row.
func (w *world) whole(id commerce.HoldID) (row string) {
	w.t.Helper()
	if err := w.db.QueryRow(w.t.Context(), `select to_json(h)::text from hold h where id = $1`, id).Scan(&row); err != nil {
		w.t.Fatal(err)
	}
	return row
}

// stepped judges what a step has made of a hold that was in from.
func (w *world) stepped(l Level, id commerce.HoldID, from, to State, err error, before string, taken, moved int) {
	w.t.Helper()
	h, findErr := Find(w.t.Context(), w.db, id)
	if findErr != nil {
		w.t.Fatal(findErr)
	}
	_, takenNow, live, _ := w.level(l.Pool)
	movedNow := len(w.moved(l.Pool))
	if takenNow != live {
		w.t.Fatalf("taken %d, but %d units stand in holds", takenNow, live)
	}
	w.balanced(l.Pool)
	if !from.Can(to) {
		byItself := to == Expired || to == Void // these find nothing to do, which is no error
		if after := w.whole(id); after != before || takenNow != taken || movedNow != moved {
			w.t.Fatalf("refused, and became\n%s\nof\n%s; taken %d of %d", after, before, takenNow, taken)
		}
		if byItself != (err == nil) || err != nil && !errors.Is(err, ErrState) && !errors.Is(err, ErrGone) {
			w.t.Fatalf("refused with %v", err)
		}
		return
	}
	left := 0
	if !to.Live() {
		left = 1
	}
	if err != nil || h.State != to || takenNow != taken-left || movedNow != moved+1 {
		w.t.Fatalf("is %s, want %s; taken %d of %d; %d movements; %v", h.State, to, takenNow, taken, movedNow-moved, err)
	}
}

func TestPayIsForItsBuyerInTime(t *testing.T) {
	w := newWorld(t, nil, nil)
	l := w.supply(10, 0)
	id := w.row(l, Held, "gst_a")
	pay := func(buyer string) error {
		return w.try(func(ctx context.Context, tx pgx.Tx) error { _, err := Pay(ctx, tx, id, buyer); return err })
	}
	if err := pay("gst_b"); !errors.Is(err, ErrUnknown) {
		t.Fatalf("a stranger: %v", err)
	}
	w.tx(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update hold set expires_at = now(), lapses_at = now() where id = $1`, id)
		return err
	})
	if err := pay("gst_a"); !errors.Is(err, ErrGone) {
		t.Fatalf("too late: %v", err)
	}
	if h, err := Find(t.Context(), w.db, id); err != nil || h.State != Expired {
		t.Fatalf("a lapsed hold reads as %s, %v", h.State, err)
	}
}

// A declined buyer has the old deadline, and at least two minutes.
func TestUnpayKeepsTheLaterDeadline(t *testing.T) {
	w := newWorld(t, nil, nil)
	l := w.supply(10, 0)
	for left, want := range map[time.Duration]time.Duration{10 * time.Second: AfterDecline, 4 * time.Minute: 4 * time.Minute} {
		id := w.row(l, Paying, "gst_a")
		w.tx(func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `update hold set expires_at = now() + $2::interval where id = $1`, id, left); err != nil {
				return err
			}
			h, err := Unpay(ctx, tx, id)
			if h.Left < want-2*time.Second || h.Left > want {
				t.Errorf("%v left became %v", left, h.Left)
			}
			return err
		})
	}
}

func TestReleaseIsForItsBuyerAndTwiceIsOnce(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(), w.supply(1, 0)
		tap := tapOf(l, "gst_a")
		w.hold(s, tap)
		if _, err := s.Release(t.Context(), tap.ID, "gst_b"); !errors.Is(err, ErrUnknown) {
			t.Fatalf("a stranger: %v", err)
		}
		for range 2 {
			if h, err := s.Release(t.Context(), tap.ID, "gst_a"); err != nil || h.State != Released {
				t.Fatalf("%+v %v", h, err)
			}
		}
		w.settled(s, l.Pool)
		w.refused(s, tap, ErrGone)
		paying := tapOf(l, "gst_a")
		w.hold(s, paying)
		w.tx(func(ctx context.Context, tx pgx.Tx) error { _, err := Pay(ctx, tx, paying.ID, "gst_a"); return err })
		if _, err := s.Release(t.Context(), paying.ID, "gst_a"); !errors.Is(err, ErrState) {
			t.Fatalf("while it is being paid: %v", err)
		}
	})
}

func TestPoolsChange(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(sweepEvery(50*time.Millisecond)), w.supply(1, 0)
		w.hold(s, tapOf(l, "gst_a"))
		w.refused(s, tapOf(l, "gst_b"), ErrSoldOut)
		w.put(Supply{Pool: commerce.NewID[commerce.PoolID](), Show: l.Show, Variant: l.Variant, OnHand: 2})
		s.Changed(t.Context(), l.Pool)
		w.hold(s, tapOf(l, "gst_b"))
		err := w.try(func(ctx context.Context, tx pgx.Tx) error {
			_, err := Put(ctx, tx, Supply{Pool: l.Pool, Show: l.Show, Variant: l.Variant, OnHand: 1})
			return err
		})
		if !errors.Is(err, ErrQuantity) {
			t.Fatalf("fewer than are taken: %v", err)
		}
		w.put(Supply{Pool: l.Pool, Show: l.Show, Variant: l.Variant, OnHand: 9})
		// The node that changed it died before it told Redis: the sweep finds the new epoch.
		w.eventually(func() bool {
			_, err := s.Hold(t.Context(), tapOf(l, "gst_c"))
			return err == nil
		}, func() string { return "the new units were never sold" })
		w.tx(func(ctx context.Context, tx pgx.Tx) error { _, err := Reprice(ctx, tx, l.Variant); return err })
		s.Changed(t.Context(), l.Pool)
		w.refused(s, tapOf(l, "gst_d"), ErrOfferChanged)
		l.Offer++
		w.hold(s, tapOf(l, "gst_d"))
		w.tx(func(ctx context.Context, tx pgx.Tx) error { _, err := Close(ctx, tx, w.show); return err })
		s.Changed(t.Context(), l.Pool)
		w.refused(s, tapOf(l, "gst_e"), ErrClosed)
		w.tx(func(ctx context.Context, tx pgx.Tx) error {
			return SetWindow(ctx, tx, l.Pool, Window{Opens: time.Now().Add(time.Hour)})
		})
		s.Changed(t.Context(), l.Pool)
		w.refused(s, tapOf(l, "gst_e"), ErrNotOpen)
		err = w.try(func(ctx context.Context, tx pgx.Tx) error {
			return SetWindow(ctx, tx, commerce.NewID[commerce.PoolID](), Window{})
		})
		if !errors.Is(err, ErrUnknown) {
			t.Fatalf("a pool that is not there: %v", err)
		}
	})
}
