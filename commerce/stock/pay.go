package stock

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
)

// QueuePay adds to a batch that holds, of several lines each of them, are set paying, each for the buyer at the same place, and calls moved for each that
// was. From here only the payment's end moves its units. Whoever is not among them: see WhyNot. Sorted by id, so that two
// batches with the same holds wait for each other in one order. (lapses_at is hidden from its index, which lists all held
// holds of a hot pool: a plan that is made while there are few, and kept, would read them all and compare each with each.)
func QueuePay(batch *pgx.Batch, ids []commerce.HoldID, buyers []string, moved func(Hold)) {
	batch.Queue(`
		update hold h set state = 'paying', version = h.version + 1, changed_at = now(), lapses_at = null
		from unnest($1::uuid[], $2::text[]) as w(id, buyer), pool p
		where h.id = w.id and h.buyer = w.buyer and h.state = any($3) and h.lapses_at + interval '0' > `+payable+` and p.id = h.pool returning `+holdColumns,
		ids, buyers, sources(Paying)).Query(each(moved))
}

// QueueSell adds to a batch that the units of paid holds go to their orders, and calls moved for each that did. Of one of several
// lines it is the first that goes: see SellLines. The pool's
// row is not touched: they are taken already.
func QueueSell(batch *pgx.Batch, ids []commerce.HoldID, moved func(Hold)) {
	batch.Queue(`
		update hold h set state = 'sold', version = h.version + 1, changed_at = now()
		from unnest($1::uuid[]) as w(id), pool p
		where h.id = w.id and h.state = any($2) and p.id = h.pool returning `+holdColumns,
		ids, sources(Sold)).Query(each(moved))
}

// QueueFind adds to a batch that holds are read; see Find. Those that there are come in any order, each of several lines with its
// first alone (QueueLines).
func QueueFind(batch *pgx.Batch, ids []commerce.HoldID, found func(Hold)) {
	batch.Queue(`select `+holdColumns+` from unnest($1::uuid[]) as w(id) join hold h on h.id = w.id join pool p on p.id = h.pool`, ids).Query(each(func(h Hold) { found(h.now()) }))
}

func each(do func(Hold)) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		for rows.Next() {
			h, err := scanHold(rows)
			if err != nil {
				return err
			}
			do(h)
		}
		return rows.Err()
	}
}

// Pay sets all lines of a hold paying. It fails with ErrGone when the time is over, with ErrState when it is being paid or sold
// already, with ErrUnknown when buyer is not its buyer (a stranger learns nothing).
func Pay(ctx context.Context, tx pgx.Tx, id commerce.HoldID, buyer string) (Hold, error) {
	h, err := move(ctx, tx, id, Paying, func(batch *pgx.Batch, ids []commerce.HoldID, moved func(Hold)) {
		QueuePay(batch, ids, slices.Repeat([]string{buyer}, len(ids)), moved)
	})
	if errors.Is(err, ErrState) {
		now, findErr := Find(ctx, tx, id)
		if findErr != nil {
			return Hold{}, findErr
		}
		return now, now.WhyNot(buyer)
	}
	return h, err
}

// WhyNot says why a hold was not set paying for buyer: ErrUnknown, ErrGone or ErrState.
func (h Hold) WhyNot(buyer string) error {
	switch {
	case h.Buyer != buyer || buyer == "":
		return fmt.Errorf("%w: hold %s", ErrUnknown, h.ID)
	case !h.State.Live():
		return ErrGone
	}
	return fmt.Errorf("%w: hold %s is %s", ErrState, h.ID, h.State)
}

// Sell sells all lines of a hold, or none: ErrState.
func Sell(ctx context.Context, tx pgx.Tx, id commerce.HoldID) (Hold, error) {
	return move(ctx, tx, id, Sold, QueueSell)
}

// Unpay gives the buyer of a declined payment another try: the old deadline, and at least AfterDecline. It fails with ErrState when
// no line of the hold is being paid.
func Unpay(ctx context.Context, tx pgx.Tx, id commerce.HoldID) (Hold, error) {
	done, err := tx.Exec(ctx, `
		update hold set state = 'held', version = version + 1, changed_at = now(),
			expires_at = greatest(expires_at, now() + $3::interval), lapses_at = greatest(expires_at, now() + $3::interval)
		where (id = $1 or part_of = $1) and state = any($2)`, id, sources(Held), AfterDecline)
	if err == nil && done.RowsAffected() == 0 {
		err = ErrState
	}
	if err != nil {
		return Hold{}, fmt.Errorf("hold %s to %s: %w", id, Held, err)
	}
	return Find(ctx, tx, id)
}
