package stock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// Seckill projects that compare the total with what is sold before they raise it sell N + 1. Each stage by itself, without
// the other one that would refuse the extra: the gate with more taps than units in one call, and one after the other; and
// Postgres in one batch that a gate has let in too many of. Of two units each, too.
func TestExactlyNAreAdmitted(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s := w.service(sweepEvery(never))
		for _, c := range []struct{ units, quantity, fit int }{{1, 1, 1}, {3, 1, 3}, {4, 2, 2}, {5, 2, 2}} {
			taps := func(l Level) (taps []Tap) {
				for i := range c.fit + 3 {
					tap := tapOf(l, fmt.Sprintf("gst_%d", i))
					tap.Quantity = c.quantity
					taps = append(taps, tap)
				}
				return taps
			}
			for name, call := range map[string]int{"in one call": c.fit + 3, "one after the other": 1} {
				l := w.supply(c.units, 0)
				epoch := w.loaded(s, l)
				said := ""
				for some := range slices.Chunk(taps(l), call) {
					asks := make([]*ask, len(some))
					for i, tap := range some {
						asks[i] = newAsk(tap)
					}
					got, err := s.gate.call(t.Context(), l.Pool, gateCall{epoch: epoch, tag: newTag(), asks: asks})
					if err != nil {
						t.Fatal(err)
					}
					said += got.letters
				}
				if want := strings.Repeat("A", c.fit) + "SSS"; said != want {
					t.Errorf("%d units, %d a tap, %s: the gate says %s, want %s", c.units, c.quantity, name, said, want)
				}
			}
			l := w.supply(c.units, 0)
			got, err := w.batch(l, 0, taps(l)...)
			if err != nil {
				t.Fatal(err)
			}
			fit := 0
			for _, fate := range got.fates {
				if fate == nil {
					fit++
				} else if !errors.Is(fate, ErrSoldOut) {
					t.Error(fate)
				}
			}
			if _, taken, _, _ := w.level(l.Pool); fit != c.fit || taken != fit*c.quantity {
				t.Errorf("%d units, %d a tap: Postgres gives %d, %d taken", c.units, c.quantity, fit, taken)
			}
			w.balanced(l.Pool)
		}
	})
}

// loaded has the gate load a pool, with all of its units free, and answers the epoch of the copy.
func (w *world) loaded(s *Service, l Level) (epoch int64) {
	w.t.Helper()
	first := tapOf(l, "gst_first")
	w.hold(s, first)
	if _, err := s.Release(w.t.Context(), first.ID, first.Buyer); err != nil {
		w.t.Fatal(err)
	}
	w.settled(s, l.Pool)
	_, _, _, epoch = w.level(l.Pool)
	return epoch
}

// batch commits taps as a lane does whose gate has let all of them in.
func (w *world) batch(l Level, epoch int64, taps ...Tap) (claimed, error) {
	s := &Service{db: w.db, holdFor: time.Minute}
	asks := make([]*ask, len(taps))
	for i, tap := range taps {
		asks[i] = newAsk(tap)
	}
	return durably(w.t, s, l.Pool, epoch, distinct(asks), false)
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
