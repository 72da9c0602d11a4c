package price

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/stock"
)

// saidAtOnce is less than the outbox takes in one call.
const saidAtOnce = 1000

// Moved notes that flash prices end later, because their timed offers do: in the transaction that moved those
// (stock.Extend, stock.Thaw).
func Moved(ctx context.Context, tx pgx.Tx, moves []stock.TimedMove) error {
	pools, versions, by := make([]commerce.PoolID, len(moves)), make([]int64, len(moves)), make([]int64, len(moves))
	for i, m := range moves {
		pools[i], versions[i], by[i] = m.Pool, m.Version, m.By.Microseconds()
	}
	_, err := tx.Exec(ctx, `update flash f set moved = f.moved + m.by * interval '1 microsecond'
		from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as m(pool, version, by) where f.pool = m.pool and f.version = m.version`, pools, versions, by)
	if err != nil {
		return fmt.Errorf("move the ends of %d flash prices: %w", len(moves), err)
	}
	return nil
}

// Clocks says anew what the variants of pools cost that have a flash price, whose clock has changed. It takes the streams' rows,
// so it is the last that the transaction does.
func Clocks(ctx context.Context, tx pgx.Tx, pools []commerce.PoolID) error {
	flashes, err := list(ctx, tx, `p.id = any ($1)`, pools)
	if err != nil || len(flashes) == 0 {
		return err
	}
	variants := make([]commerce.VariantID, len(flashes))
	for i, f := range flashes {
		variants[i] = f.Variant
	}
	rows, err := tx.Query(ctx, `select id, amount, currency from variant where id = any ($1)`, variants)
	if err != nil {
		return fmt.Errorf("prices of %d variants: %w", len(variants), err)
	}
	var v catalog.Variant
	standing := map[commerce.VariantID]catalog.Variant{}
	if _, err := pgx.ForEachRow(rows, []any{&v.ID, &v.Amount, &v.Currency}, func() error { standing[v.ID] = v; return nil }); err != nil {
		return fmt.Errorf("prices of %d variants: %w", len(variants), err)
	}
	// In the order of the streams' keys, so many at a time as the outbox takes at once.
	slices.SortFunc(flashes, func(a, b Flash) int { return strings.Compare(a.Show.String(), b.Show.String()) })
	for some := range slices.Chunk(flashes, saidAtOnce) {
		said := map[commerce.ShowID][]outbox.EventRow{}
		for _, f := range some {
			said[f.Show] = append(said[f.Show], event(standing[f.Variant], &f))
		}
		if err := outbox.Events(ctx, tx, said); err != nil {
			return err
		}
	}
	return nil
}
