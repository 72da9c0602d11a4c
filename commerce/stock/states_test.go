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

// Every state times every step: what the table has happens, all else is refused and changes nothing.
func TestHoldTransitionMatrix(t *testing.T) {
	w := newWorld(t, nil, nil)
	l := w.supply(1000, 0)
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
			_, _, err := Free(ctx, tx, id, States()...)
			return err
		},
	}
	for _, from := range States() {
		for to, step := range steps {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				id := w.row(l, from, "gst_a")
				_, before, _, _ := w.level(l.Pool)
				err := w.try(func(ctx context.Context, tx pgx.Tx) error { return step(ctx, tx, id) })
				var now State
				if scanErr := w.db.QueryRow(t.Context(), `select state from hold where id = $1`, id).Scan(&now); scanErr != nil {
					t.Fatal(scanErr)
				}
				want := from
				if from.Can(to) {
					want = to
				}
				if now != want || (err == nil) != from.Can(to) {
					t.Fatalf("is %s, want %s; %v", now, want, err)
				}
				if err != nil && !errors.Is(err, ErrState) && !errors.Is(err, ErrGone) {
					t.Fatal(err)
				}
				_, taken, live, _ := w.level(l.Pool)
				if taken != live || from.Live() && now.Live() && taken != before {
					t.Fatalf("taken %d, before %d, live %d", taken, before, live)
				}
			})
		}
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
