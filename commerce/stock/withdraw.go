package stock

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
)

// Withdraw takes out of a show what is left of some variants: no units remain there but the taken ones, which can still
// be paid, and nothing is sold any more, units of holds that lapse included. Put and Reopen undo it. After the commit
// the caller calls Service.Changed with the pools.
func Withdraw(ctx context.Context, tx pgx.Tx, show commerce.ShowID, variants ...commerce.VariantID) ([]commerce.PoolID, error) {
	return change(ctx, tx, "withdraw", `show = $1 and variant = any ($2)`, `on_hand = taken, closes_at = now()`, show, variants)
}

// Reopen lets a pool sell again that was closed, from its opening on. After the commit the caller calls
// Service.Changed with the pools.
func Reopen(ctx context.Context, tx pgx.Tx, pool commerce.PoolID) ([]commerce.PoolID, error) {
	return change(ctx, tx, "reopen", `id = $1 and closes_at is not null`, `closes_at = null`, pool)
}
