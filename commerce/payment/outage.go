package payment

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// open is State.Open as SQL, by the index of what is due.
const open = `next_at is not null and state in ('intent', 'sent', 'unknown', 'requires_action')`

// Extend gives back to open payments their part of time in which no outcome could be written, unless their deadline was over
// before. It answers the holds that they are for. Its rows are locked before any hold's.
func Extend(ctx context.Context, tx pgx.Tx, lost schema.Lost) ([]commerce.HoldID, error) {
	rows, err := tx.Query(ctx, `
		update payment set deadline = deadline + least($3::interval, $2::timestamptz - greatest($1::timestamptz, created_at))
		where `+open+` and deadline > $1 and created_at < $2 returning hold`, lost.Began, lost.Ended, lost.Cap)
	if err != nil {
		return nil, fmt.Errorf("extend payments: %w", err)
	}
	holds, err := pgx.CollectRows(rows, pgx.RowTo[commerce.HoldID])
	if err != nil {
		return nil, fmt.Errorf("extend payments: %w", err)
	}
	return holds, nil
}

// Paying lists the holds that open payments are for.
func Paying(ctx context.Context, q schema.Querier) ([]commerce.HoldID, error) {
	rows, err := q.Query(ctx, `select hold from payment where `+open)
	if err != nil {
		return nil, fmt.Errorf("open payments: %w", err)
	}
	holds, err := pgx.CollectRows(rows, pgx.RowTo[commerce.HoldID])
	if err != nil {
		return nil, fmt.Errorf("open payments: %w", err)
	}
	return holds, nil
}
