package stock

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
)

// moved lists the movements of a pool: kind, units, and the buckets that they left and entered.
func (w *world) moved(pool commerce.PoolID) (lines []string) {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), `
		select kind || ' ' || units || ': ' || origin || ' to ' || target from unit_movement where pool = $1 order by id`, pool)
	if err == nil {
		lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return lines
}

// balanced checks that what has moved makes what stands, and that no bucket was ever below zero.
func (w *world) balanced(pool commerce.PoolID) {
	w.t.Helper()
	var wrong string
	err := w.db.QueryRow(w.t.Context(), `
		with stands as (
			select 'supply' as bucket, -on_hand as units from pool where id = $1
			union all select 'available', on_hand - taken from pool where id = $1
			union all select state, sum(quantity) from hold where pool = $1 and state in ('held', 'paying', 'sold') group by state
		),
		entry as (select bucket, units, sum(units) over (partition by bucket order by movement) as reached from unit_entry where pool = $1),
		makes as (select bucket, sum(units) as units, min(reached) as lowest from entry group by bucket)
		select coalesce(string_agg(format('%s is %s, movements make %s, at least %s', bucket, s.units, m.units, m.lowest), '; '), '')
		from stands s full join makes m using (bucket)
		where coalesce(s.units, 0) <> coalesce(m.units, 0) or bucket <> 'supply' and m.lowest < 0`, pool).Scan(&wrong)
	if err != nil {
		w.t.Fatal(err)
	}
	if wrong != "" {
		w.t.Fatalf("%s\n%s", wrong, strings.Join(w.moved(pool), "\n"))
	}
}

// Each step of a unit's life is one movement from where it was to where it is.
func TestUnitsMoveByDoubleEntries(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(sweepEvery(never)), w.supply(5, 0)
		taps := []Tap{tapOf(l, "gst_a"), tapOf(l, "gst_b"), tapOf(l, "gst_c")}
		taps[0].Quantity = 2
		for _, tap := range taps {
			w.hold(s, tap)
		}
		sold, declined, lapsed := taps[0].ID, taps[1].ID, taps[2].ID
		step := func(fn func(ctx context.Context, tx pgx.Tx) (Hold, error)) {
			t.Helper()
			w.tx(func(ctx context.Context, tx pgx.Tx) error { _, err := fn(ctx, tx); return err })
		}
		step(func(ctx context.Context, tx pgx.Tx) (Hold, error) { return Pay(ctx, tx, sold, "gst_a") })
		step(func(ctx context.Context, tx pgx.Tx) (Hold, error) { return Sell(ctx, tx, sold) })
		step(func(ctx context.Context, tx pgx.Tx) (Hold, error) { return Pay(ctx, tx, declined, "gst_b") })
		step(func(ctx context.Context, tx pgx.Tx) (Hold, error) { return Unpay(ctx, tx, declined) })
		step(func(ctx context.Context, tx pgx.Tx) (Hold, error) { return Pay(ctx, tx, declined, "gst_b") })
		step(func(ctx context.Context, tx pgx.Tx) (Hold, error) {
			_, err := Free(ctx, tx, declined, Paying)
			return Hold{}, err
		})
		if _, err := w.db.Exec(t.Context(), `update hold set lapses_at = now() where id = $1`, lapsed); err != nil {
			t.Fatal(err)
		}
		if _, err := s.expire(t.Context(), l.Pool); err != nil {
			t.Fatal(err)
		}
		w.put(Supply{Pool: l.Pool, Show: l.Show, Variant: l.Variant, OnHand: 9})
		w.put(Supply{Pool: l.Pool, Show: l.Show, Variant: l.Variant, OnHand: 9, Cap: 1}) // the same number moves nothing
		w.tx(func(ctx context.Context, tx pgx.Tx) error { _, err := Withdraw(ctx, tx, l.Show, l.Variant); return err })
		want := []string{
			"supply 5: supply to available",
			"hold 2: available to held", "hold 1: available to held", "hold 1: available to held",
			"pay 2: held to paying", "sell 2: paying to sold",
			"pay 1: held to paying", "decline 1: paying to held", "pay 1: held to paying", "release 1: paying to available",
			"expire 1: held to available",
			"supply 4: supply to available", "withdraw 7: available to supply",
		}
		if got := w.moved(l.Pool); !slices.Equal(got, want) {
			t.Fatalf("moved:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		w.balanced(l.Pool)
	})
}

// A batch is one row, with its ids in order; the units that lapsed come back in the same statement, before they are
// promised again; a tap that is refused leaves a tombstone and moves nothing.
func TestBatchIsOneMovement(t *testing.T) {
	w := newWorld(t, nil, nil)
	s, l := &Service{db: w.db, holdFor: time.Hour}, w.supply(MaxBatch, 0)
	batch := func(n int) (asks []*ask) {
		for i := range n {
			asks = append(asks, newAsk(tapOf(l, fmt.Sprintf("gst_%d", i))))
		}
		return asks
	}
	commit := func(asks []*ask) {
		t.Helper()
		if _, err := durably(t, s, l.Pool, 0, distinct(asks), false); err != nil {
			t.Fatal(err)
		}
	}
	first := batch(MaxBatch)
	commit(first)
	commit(first) // its COMMIT had no answer: sent again
	if _, err := w.db.Exec(t.Context(), `update hold set lapses_at = now() where pool = $1`, l.Pool); err != nil {
		t.Fatal(err)
	}
	commit(batch(MaxBatch)) // the new ones take what has lapsed
	commit(batch(3))        // nothing is left
	want := []string{
		fmt.Sprintf("supply %d: supply to available", MaxBatch), fmt.Sprintf("hold %d: available to held", MaxBatch),
		fmt.Sprintf("expire %d: held to available", MaxBatch), fmt.Sprintf("hold %d: available to held", MaxBatch),
	}
	if got := w.moved(l.Pool); !slices.Equal(got, want) {
		t.Fatalf("moved:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var whole bool
	err := w.db.QueryRow(t.Context(), `
		select bool_and(holds = (select array_agg(distinct id order by id) from unnest(holds) as id) and cardinality(holds) = units)
		from unit_movement where pool = $1 and kind <> 'supply'`, l.Pool).Scan(&whole)
	if err != nil || !whole {
		t.Fatalf("the rows do not list their holds once and in order: %v", err)
	}
	w.balanced(l.Pool)
}

// What a transaction undoes has not moved.
func TestUndoneStepMovesNothing(t *testing.T) {
	w := newWorld(t, nil, nil)
	l := w.supply(3, 0)
	id := w.row(l, Held, "gst_a")
	before := w.moved(l.Pool)
	undone := fmt.Errorf("changed my mind")
	err := w.try(func(ctx context.Context, tx pgx.Tx) error {
		if _, err := Pay(ctx, tx, id, "gst_a"); err != nil {
			return err
		}
		return undone
	})
	if err != undone {
		t.Fatal(err)
	}
	if got := w.moved(l.Pool); !slices.Equal(got, before) {
		t.Fatalf("moved %v, before %v", got, before)
	}
}

func TestMovementsAreFinal(t *testing.T) {
	w := newWorld(t, nil, nil)
	l := w.supply(3, 0)
	for _, sql := range []string{`update unit_movement set units = 4`, `delete from unit_movement`, `truncate unit_movement`} {
		if _, err := w.db.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "only added to") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	w.balanced(l.Pool)
}
