package chaos

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
)

// facts reads what the stores and the payment company say of the cell.
func (c *cell) facts(ctx context.Context) (facts, error) {
	f := facts{
		holds: map[commerce.HoldID]holdFact{}, orders: map[commerce.OrderID]orderFact{}, opens: map[commerce.PoolID]time.Time{},
		byHand: c.byHand, lostSince: c.lostSince,
	}
	for _, b := range c.world.buyers {
		f.subjects = append(f.subjects, b.subject)
	}
	db, show := c.world.db, c.sale.show
	if err := db.QueryRow(ctx, `select now()`).Scan(&f.at); err != nil {
		return f, fmt.Errorf("facts: %w", err)
	}
	pools, err := list[poolFact](ctx, db, `
		select p.id, p.on_hand, p.taken, p.buyer_cap from pool p join unnest($2::uuid[]) with ordinality o (variant, place) on o.variant = p.variant
		where p.show = $1 order by o.place`, show, c.sale.variants)
	if err != nil {
		return f, err
	}
	if f.pools = pools; len(pools) != poolCount {
		return f, fmt.Errorf("facts: %d pools of %d", len(pools), poolCount)
	}
	if !c.opensAt.IsZero() {
		f.opens[pools[poolFew].ID] = c.opensAt
	}
	holds, err := list[holdRow](ctx, db, `
		select h.id, coalesce(h.part_of, h.id), h.pool, h.buyer, h.quantity, h.state, h.created_at, h.expires_at, h.changed_at
		from hold h join pool p on p.id = h.pool where p.show = $1 order by h.id = h.part_of desc nulls first`, show)
	if err != nil {
		return f, err
	}
	f.holds = holdsOf(holds)
	orders, err := list[orderFact](ctx, db, `
		select o.id, o.hold, o.buyer, o.state, o.total_minor, 'pay_' || replace(p.id::text, '-', ''), p.state, p.captured_minor
		from orders o join payment p on p.order_id = o.id where o.show = $1`, show)
	if err != nil {
		return f, err
	}
	for _, o := range orders {
		f.orders[o.ID] = o
	}
	f.charges, err = c.charges(ctx, orders)
	return f, err
}

// charges are those of the cell's payments, and those of no payment at all.
func (c *cell) charges(ctx context.Context, orders []orderFact) ([]chargeFact, error) {
	all, err := list[chargeFact](ctx, c.world.bank, `select reference, status, amount, captured, refunded from sandbox.charge`)
	if err != nil {
		return nil, err
	}
	known, err := list[struct{ Reference string }](ctx, c.world.db, `select 'pay_' || replace(id::text, '-', '') from payment`)
	if err != nil {
		return nil, err
	}
	mine, ours := map[string]bool{}, map[string]bool{}
	for _, o := range orders {
		mine[o.Payment] = true
	}
	for _, k := range known {
		ours[k.Reference] = true
	}
	var own []chargeFact
	for _, charge := range all {
		if mine[charge.Reference] || !ours[charge.Reference] {
			own = append(own, charge)
		}
	}
	return own, nil
}

// holdsOf puts the lines of a hold, each of which is a row, together.
func holdsOf(rows []holdRow) map[commerce.HoldID]holdFact {
	holds := make(map[commerce.HoldID]holdFact, len(rows))
	for _, row := range rows {
		if h, known := holds[row.Of]; known {
			h.more = append(h.more, row)
			holds[row.Of] = h
		} else {
			holds[row.Of] = holdFact{holdRow: row}
		}
	}
	return holds
}

func list[T any](ctx context.Context, db *pgxpool.Pool, sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("facts: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		return nil, fmt.Errorf("facts: %w", err)
	}
	return all, nil
}
