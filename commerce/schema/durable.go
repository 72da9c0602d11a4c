package schema

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// FlushSQL is a transaction that leaves nothing but a line in Postgres' log, and waits until that is on disk (or wherever the
// setting synchronous_commit says). The log has one order: what has committed before is then durable as well, though its own
// commit may not have waited (synchronous_commit off).
const FlushSQL = `select pg_logical_emit_message(true, 'rialto', '')`

// Durable returns when all that the transaction has read is durable. It needs another connection of the pool.
func Durable(ctx context.Context, db *pgxpool.Pool, tx pgx.Tx) error {
	_, err := db.Exec(ctx, FlushSQL)
	if err == nil {
		// Had Postgres died in between, and lost what was read, the transaction would have died with it.
		_, err = tx.Exec(ctx, ``)
	}
	if err != nil {
		return fmt.Errorf("wait for the disk: %w", err)
	}
	return nil
}
