package schema

import (
	"context"
	"embed"
	"fmt"
	"hash/fnv"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var files embed.FS

// Table is where the versions that have been applied are kept.
const Table = "schema_version"

// lockPoll is how often a node that found another one migrating looks again.
const lockPoll = 50 * time.Millisecond

// Migrate brings the database to the newest version of Rialto's own tables and says how many files it
// applied. Safe to call from several nodes at once and again and again.
func Migrate(ctx context.Context, pool *pgxpool.Pool) (applied int, err error) {
	own, err := fs.Sub(files, "migrations")
	if err != nil {
		return 0, fmt.Errorf("embedded migrations: %w", err)
	}
	return MigrateFS(ctx, pool, own, Table)
}

// MigrateFS is Migrate for another set of numbered SQL files with its own version table (the payment
// sandbox keeps such a set).
func MigrateFS(ctx context.Context, pool *pgxpool.Pool, set fs.FS, table string) (applied int, err error) {
	unlock, err := lock(ctx, pool, table)
	if err != nil {
		return 0, err
	}
	defer unlock()
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, set, goose.WithTableName(table), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return len(results), fmt.Errorf("migrate: %w", err)
	}
	return len(results), nil
}

// lock holds an advisory lock on a connection of its own, so that a pool of one connection still can
// migrate, and so that a killed node frees the lock by losing the connection. It polls: a waiting
// pg_advisory_lock is a running statement, and CREATE INDEX CONCURRENTLY of the node that migrates would
// wait for it for ever.
func lock(ctx context.Context, pool *pgxpool.Pool, table string) (unlock func(), err error) {
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect for migrations: %w", err)
	}
	// The session's end frees the lock; the caller's ctx may be over by then.
	unlock = func() { _ = conn.Close(context.WithoutCancel(ctx)) }
	name := fnv.New64a()
	_, _ = name.Write([]byte("rialto migrate " + table))
	for {
		var ok bool
		if err := conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", int64(name.Sum64())).Scan(&ok); err != nil {
			unlock()
			return nil, fmt.Errorf("lock for migrations: %w", err)
		}
		if ok {
			return unlock, nil
		}
		if err := pause(ctx, lockPoll); err != nil {
			unlock()
			return nil, fmt.Errorf("wait for another node's migrations: %w", err)
		}
	}
}
