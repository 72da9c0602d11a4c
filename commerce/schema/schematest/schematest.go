package schematest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	template = "rialto_template"
	// patience bounds each step on a busy machine; nothing waits for it when all is well.
	patience = 60 * time.Second
	// poolSize is larger than any one test's number of transactions that wait for each other.
	poolSize = 24
)

var (
	mu    sync.Mutex // CREATE DATABASE refuses a template that anybody is connected to, so copies go one by one
	built bool
)

// Pool opens a pool on a fresh database with all of Rialto's tables; both go away with the test.
func Pool(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	return Open(tb, Database(tb))
}

// Database makes a fresh migrated database and returns its address, for tests that need several pools
// (nodes) on one store, or that break connections.
func Database(tb testing.TB) (dsn string) {
	tb.Helper()
	return create(tb, true)
}

// Empty makes a database without any table, for tests of the migrations themselves.
func Empty(tb testing.TB) (dsn string) {
	tb.Helper()
	return create(tb, false)
}

// Open opens a pool that is closed with the test.
func Open(tb testing.TB, dsn string) *pgxpool.Pool {
	tb.Helper()
	pool := open(tb, dsn)
	tb.Cleanup(pool.Close)
	return pool
}

func open(tb testing.TB, dsn string) *pgxpool.Pool {
	tb.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		tb.Fatalf("schematest: address: %v", err)
	}
	config.MaxConns = poolSize
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		tb.Fatalf("schematest: open: %v", err)
	}
	return pool
}

func create(tb testing.TB, migrated bool) string {
	tb.Helper()
	admin := embeddedtest.Postgres(tb)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	mu.Lock()
	defer mu.Unlock()
	from := "template0"
	if migrated {
		from = template
		if !built {
			run(ctx, tb, admin, "drop database if exists "+template)
			run(ctx, tb, admin, "create database "+template)
			pool := open(tb, At(tb, admin, template))
			_, err := schema.Migrate(ctx, pool)
			pool.Close()
			if err != nil {
				tb.Fatalf("schematest: %v", err)
			}
			built = true
		}
	}
	name := "t" + strings.TrimPrefix(commerce.NewID[commerce.ShowID]().String(), "shw_")
	run(ctx, tb, admin, "create database "+name+" template "+from)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		run(ctx, tb, admin, "drop database if exists "+name+" with (force)")
	})
	return At(tb, admin, name)
}

// At is the address of another database on the same server.
func At(tb testing.TB, dsn, database string) string {
	tb.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		tb.Fatalf("schematest: address: %v", err)
	}
	parts := []string{
		fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable", config.Host, config.Port, config.User, database),
	}
	if config.Password != "" {
		parts = append(parts, "password="+config.Password)
	}
	return strings.Join(parts, " ")
}

func run(ctx context.Context, tb testing.TB, dsn, sql string) {
	tb.Helper()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		tb.Fatalf("schematest: connect: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		tb.Fatalf("schematest: %s: %v", sql, err)
	}
}
