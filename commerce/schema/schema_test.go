package schema_test

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

func TestNodesMigrateAtOnce(t *testing.T) {
	dsn := schematest.Empty(t)
	var total atomic.Int64
	var group errgroup.Group
	for range 4 {
		pool := schematest.Open(t, dsn)
		group.Go(func() error {
			n, err := schema.Migrate(t.Context(), pool)
			total.Add(int64(n))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	pool := schematest.Open(t, dsn)
	var files int64
	if err := pool.QueryRow(t.Context(), `select count(*) from schema_version where version_id > 0`).Scan(&files); err != nil {
		t.Fatal(err)
	}
	if files == 0 || total.Load() != files {
		t.Errorf("%d files in the table, %d applied by all nodes together", files, total.Load())
	}
	if n, err := schema.Migrate(t.Context(), pool); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
}

func TestWaitingForMigrationsEndsWithTheCaller(t *testing.T) {
	pool := schematest.Open(t, schematest.Empty(t))
	held, release := make(chan struct{}), make(chan struct{})
	set := fstest.MapFS{"00001_wait.sql": {Data: []byte("-- +goose Up\nselect pg_advisory_lock(7);\n")}}
	if _, err := pool.Exec(t.Context(), "select 1"); err != nil {
		t.Fatal(err)
	}
	// Somebody holds lock 7, so the first node hangs in its migration.
	var group errgroup.Group
	group.Go(func() error {
		return pool.AcquireFunc(context.Background(), func(c *pgxpool.Conn) error {
			if _, err := c.Exec(context.Background(), "select pg_advisory_lock(7)"); err != nil {
				return err
			}
			close(held)
			<-release
			_, err := c.Exec(context.Background(), "select pg_advisory_unlock(7)")
			return err
		})
	})
	<-held
	group.Go(func() error { _, err := schema.MigrateFS(context.Background(), pool, set, "other_version"); return err })
	waiting := func() (n int) {
		_ = pool.QueryRow(t.Context(), `select count(*) from pg_locks where locktype = 'advisory' and not granted`).Scan(&n)
		return n
	}
	for deadline := time.Now().Add(20 * time.Second); waiting() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the first migration never waited")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := schema.MigrateFS(ctx, pool, set, "other_version"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second node in a hurry: %v", err)
	}
	close(release)
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

func table(t *testing.T) *pgxpool.Pool {
	t.Helper()
	p := schematest.Pool(t)
	if _, err := p.Exec(t.Context(), `create table thing (id int primary key, n int not null constraint thing_n check (n >= 0)); insert into thing values (1, 0), (2, 0)`); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDeadlockIsTriedAgain(t *testing.T) {
	p := table(t)
	var runs atomic.Int64
	both := make(chan struct{}, 2)
	lock := func(first, second int) error {
		tries := 0
		return schema.InTx(t.Context(), p, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
			runs.Add(1)
			if _, err := tx.Exec(ctx, `update thing set n = n + 1 where id = $1`, first); err != nil {
				return err
			}
			if tries++; tries == 1 { // both hold their first row before either asks for its second
				both <- struct{}{}
				for len(both) < 2 {
					<-time.After(time.Millisecond)
				}
			}
			_, err := tx.Exec(ctx, `update thing set n = n + 1 where id = $1`, second)
			return err
		})
	}
	var group errgroup.Group
	group.Go(func() error { return lock(1, 2) })
	group.Go(func() error { return lock(2, 1) })
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := p.QueryRow(t.Context(), `select sum(n) from thing`).Scan(&n); err != nil || n != 4 {
		t.Errorf("sum %d, %v; both transactions count once", n, err)
	}
	if runs.Load() < 3 {
		t.Errorf("%d runs: there was no deadlock to try again after", runs.Load())
	}
}

func TestContendedAfterMaxTries(t *testing.T) {
	p := table(t)
	for losing, want := range map[int]error{schema.MaxTries - 1: nil, schema.MaxTries: schema.ErrContended} {
		runs := 0
		err := schema.InTx(t.Context(), p, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
			if runs++; runs <= losing {
				_, err := tx.Exec(ctx, `do $$ begin raise exception sqlstate '40001'; end $$`)
				return err
			}
			return nil
		})
		if !errors.Is(err, want) || (want == nil) != (err == nil) {
			t.Errorf("after losing %d times: %v, want %v", losing, err, want)
		}
	}
}

func TestOtherErrorsAreNotTriedAgain(t *testing.T) {
	p := table(t)
	runs := 0
	err := schema.InTx(t.Context(), p, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		runs++
		_, err := tx.Exec(ctx, `update thing set n = -1 where id = 1`)
		return err
	})
	if runs != 1 || !schema.Violates(err, "thing_n") || schema.Violates(err, "other") {
		t.Errorf("%d runs, %v", runs, err)
	}
}

func TestInsideAndOutside(t *testing.T) {
	p := table(t)
	if err := schema.Outside(t.Context()); err != nil {
		t.Errorf("outside: %v", err)
	}
	var now time.Time
	err := schema.InTx(t.Context(), p, func(ctx context.Context, tx pgx.Tx, at time.Time) error {
		if err := schema.Outside(ctx); !errors.Is(err, schema.ErrInTransaction) {
			t.Errorf("inside: %v", err)
		}
		nested := schema.InTx(ctx, p, func(context.Context, pgx.Tx, time.Time) error { t.Error("ran inside"); return nil })
		if !errors.Is(nested, schema.ErrInTransaction) {
			t.Errorf("nested: %v", nested)
		}
		now = at
		var same bool
		err := tx.QueryRow(ctx, `select now() = $1`, at).Scan(&same)
		if !same {
			t.Error("the given time is not the transaction's")
		}
		return err
	})
	if err != nil || now.Location() != time.UTC {
		t.Errorf("%v, %v", err, now)
	}
}

func TestSnapshotSeesOneMoment(t *testing.T) {
	p := table(t)
	sum := func(ctx context.Context, q schema.Querier) (n int) {
		if err := q.QueryRow(ctx, `select sum(n) from thing`).Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	err := schema.Snapshot(t.Context(), p, func(ctx context.Context, q schema.Querier, _ time.Time) error {
		before := sum(ctx, q)
		if _, err := p.Exec(t.Context(), `update thing set n = n + 1`); err != nil {
			return err
		}
		if after := sum(ctx, q); after != before {
			t.Errorf("the snapshot moved from %d to %d", before, after)
		}
		var readOnly *pgconn.PgError
		if _, err := q.Exec(ctx, `update thing set n = 9`); !errors.As(err, &readOnly) || readOnly.Code != "25006" {
			t.Errorf("a write in a snapshot: %v", err)
		}
		return nil
	})
	if err == nil { // the refused write has ended the transaction
		t.Error("a snapshot with a failed statement commits")
	}
}
