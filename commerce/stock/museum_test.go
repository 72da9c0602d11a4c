package stock

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Failures that others shipped, where no other test of this package is named after them.

// jseckill #19, a timeout told the winner that they lost: whoever has stopped waiting has not lost. The same id finds
// the hold.
func TestTimeoutIsNoLoss(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(), w.supply(1, 0)
		tap := tapOf(l, "gst_a")
		w.tx(func(ctx context.Context, tx pgx.Tx) error { // somebody stands in the way of every claim
			if _, err := tx.Exec(ctx, `select 1 from pool where id = $1 for update`, l.Pool); err != nil {
				return err
			}
			impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if h, err := s.Hold(impatient, tap); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%+v %v", h, err)
			}
			return nil
		})
		if h := w.hold(s, tap); h.ID != tap.ID {
			t.Fatalf("%+v", h)
		}
		w.refused(s, tapOf(l, "gst_b"), ErrSoldOut)
		if _, taken, _, _ := w.level(l.Pool); taken != 1 {
			t.Fatalf("taken %d", taken)
		}
		w.settled(s, l.Pool)
	})
}

// batch commits taps as a lane does whose gate has let all of them in.
func (w *world) batch(l Level, epoch int64, taps ...Tap) (claimed, error) {
	s := &Service{db: w.db, holdFor: time.Minute}
	asks := make([]*ask, len(taps))
	for i, tap := range taps {
		asks[i] = newAsk(tap)
	}
	return s.commit(w.t.Context(), l.Pool, epoch, distinct(asks), false)
}

// medusa #16502, two lines share one stock item and are checked apart: what is taken together is summed before the check.
func TestLinesAreSummedBeforeTheCheck(t *testing.T) {
	w := newWorld(t, nil, nil)
	l := w.supply(3, 0)
	first, second, third := tapOf(l, "gst_a"), tapOf(l, "gst_a"), tapOf(l, "gst_b")
	first.Quantity, second.Quantity = 2, 2
	got, err := w.batch(l, 0, first, second, third)
	if err != nil {
		t.Fatal(err)
	}
	if _, taken, live, _ := w.level(l.Pool); taken != 3 || live != 3 || got.fates[first.ID] != nil ||
		!errors.Is(got.fates[second.ID], ErrSoldOut) || got.fates[third.ID] != nil {
		t.Fatalf("%v, taken %d of 3, live %d", got.fates, taken, live)
	}
	w.balanced(l.Pool)
}

// medusa #16825, a step fails in a batch and two orders share one unit: a batch is committed as a whole or not at all.
func TestBatchIsAllOrNothing(t *testing.T) {
	w := newWorld(t, nil, nil)
	l := w.supply(5, 0)
	before := w.moved(l.Pool)
	impossible := tapOf(l, "gst_c")
	impossible.Quantity = MaxQuantity + 1 // the table refuses it
	for name, try := range map[string]func() error{
		"a batch that another copy of the gate admitted": func() error {
			_, err := w.batch(l, 7, tapOf(l, "gst_a"), tapOf(l, "gst_b"))
			return err
		},
		"a batch with one impossible tap": func() error {
			big := w.put(Supply{Pool: l.Pool, Show: l.Show, Variant: l.Variant, OnHand: 5 + MaxQuantity + 1})
			_, _, _, epoch := w.level(l.Pool)
			before = w.moved(l.Pool)
			_, err := w.batch(big, epoch, tapOf(l, "gst_a"), impossible, tapOf(l, "gst_b"))
			return err
		},
	} {
		if err := try(); err == nil {
			t.Errorf("%s was committed", name)
		}
		var rows int
		if err := w.db.QueryRow(t.Context(), `select count(*) from hold`).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		if _, taken, _, _ := w.level(l.Pool); rows != 0 || taken != 0 || !slices.Equal(w.moved(l.Pool), before) {
			t.Errorf("%s left %d rows, %d taken and %v", name, rows, taken, w.moved(l.Pool))
		}
	}
	w.balanced(l.Pool)
}
