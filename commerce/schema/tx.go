package schema

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Querier is what reads take: a pool, a connection or a transaction.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

var (
	// ErrInTransaction is answered by Outside, and by InTx within InTx.
	ErrInTransaction = errors.New("inside a database transaction")
	// ErrContended means that every try of a transaction lost against others. Nothing was written; the
	// caller may ask again later.
	ErrContended = errors.New("transaction kept losing to others")
)

const (
	// MaxTries bounds how often InTx runs its function.
	MaxTries = 8
	// retryPause grows with each try and is drawn at random below it, so that two losers part.
	retryPause = 4 * time.Millisecond
)

type markKey struct{}

// Outside fails with ErrInTransaction when ctx belongs to an open transaction. Every client of something
// that is not Postgres calls it before it dials.
func Outside(ctx context.Context) error {
	if ctx.Value(markKey{}) != nil {
		return ErrInTransaction
	}
	return nil
}

// InTx runs fn in one read-committed transaction and commits when fn returns nil. now is the
// transaction's own time, from Postgres: the same value that now() has in its statements.
//
// When Postgres answers 40001 or 40P01 fn runs again in a new transaction, at most MaxTries times; then
// the error matches ErrContended. An error of COMMIT whose outcome is unknown (a lost connection) is
// returned as it is: the caller reads again by its own id, it never writes twice blindly.
func InTx(ctx context.Context, pool *pgxpool.Pool, fn func(ctx context.Context, tx pgx.Tx, now time.Time) error) error {
	if err := Outside(ctx); err != nil {
		return fmt.Errorf("open a transaction: %w", err)
	}
	for try := 1; ; try++ {
		err := once(ctx, pool, pgx.TxOptions{}, fn)
		if !Retryable(err) {
			return err
		}
		if try == MaxTries {
			return fmt.Errorf("%w after %d tries: %w", ErrContended, try, err)
		}
		if err := pause(ctx, time.Duration(try)*retryPause); err != nil {
			return err
		}
	}
}

// Snapshot runs fn in one read-only repeatable-read transaction: all of its reads see one moment.
func Snapshot(ctx context.Context, pool *pgxpool.Pool, fn func(ctx context.Context, q Querier, now time.Time) error) error {
	if err := Outside(ctx); err != nil {
		return fmt.Errorf("open a snapshot: %w", err)
	}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return once(ctx, pool, options, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		return fn(ctx, tx, now)
	})
}

// Retryable says whether Postgres undid a transaction only because of others: serialization failure or
// deadlock. A batcher that owns its transaction uses it for the same decision that InTx makes.
func Retryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// Violates says whether err is the violation of the named constraint (unique, check or foreign key).
func Violates(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.ConstraintName == constraint
}

func once(ctx context.Context, pool *pgxpool.Pool, options pgx.TxOptions,
	fn func(ctx context.Context, tx pgx.Tx, now time.Time) error) error {
	inside := context.WithValue(ctx, markKey{}, true)
	return pgx.BeginTxFunc(inside, pool, options, func(tx pgx.Tx) error {
		var now time.Time
		if err := tx.QueryRow(inside, "select now()").Scan(&now); err != nil {
			return fmt.Errorf("read the transaction's time: %w", err)
		}
		return fn(inside, tx, now.UTC())
	})
}

func pause(ctx context.Context, most time.Duration) error {
	timer := time.NewTimer(rand.N(most) + time.Microsecond)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
