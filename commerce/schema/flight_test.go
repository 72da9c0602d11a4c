package schema_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

const intoWord = `copy word (n, said) from stdin`

// words is a database with one table.
func words(t *testing.T) (*pgxpool.Pool, *pgx.Conn) {
	t.Helper()
	db := schematest.Pool(t)
	if _, err := db.Exec(t.Context(), `create table word (n int primary key, said text)`); err != nil {
		t.Fatal(err)
	}
	conn, err := db.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Release)
	return db, conn.Conn()
}

func counted(t *testing.T, db *pgxpool.Pool) (n int) {
	t.Helper()
	if err := db.QueryRow(t.Context(), `select count(*) from word`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Statements and rows of a flight are done in their order, more than once on one connection.
func TestAFlightIsDoneInItsOrder(t *testing.T) {
	t.Parallel()
	db, conn := words(t)
	for round := range 3 {
		batch := &pgx.Batch{}
		batch.Queue(`update word set said = said || $1::text where n = $2`, "!", round*10+2)
		var f schema.Flight
		f.Queue(`begin`)
		f.Queue(`insert into word (n, said) values ($1, $2)`, round*10+1, "one")
		f.Copy(intoWord, []byte(string(rune('0'+round))+"2\ttwo\n"+string(rune('0'+round))+"3\tthree\n"))
		f.Batch(batch)
		f.Queue(`commit`)
		if err := f.Go(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
		var said string
		if err := db.QueryRow(t.Context(), `select string_agg(said, ' ' order by n) from word where n / 10 = $1`, round).Scan(&said); err != nil || said != "one two! three" {
			t.Fatalf("%q, %v", said, err)
		}
	}
}

// The first statement that is refused ends the flight, wherever the rows are, and its connection can be used again.
func TestAFlightEndsWhereItIsRefused(t *testing.T) {
	t.Parallel()
	db, conn := words(t)
	row := func(f *schema.Flight, text string) { f.Copy(intoWord, []byte(text)) }
	no := func(f *schema.Flight) { f.Queue(`select expect($1)`, false) }
	for name, c := range map[string]struct {
		fill func(f *schema.Flight)
		code string
	}{
		"before the rows": {func(f *schema.Flight) { no(f); row(f, "1\tone\n") }, "RE001"},
		"at the rows":     {func(f *schema.Flight) { row(f, "1\tone\n1\tone\n"); f.Queue(`insert into word values (2, '')`) }, "23505"},
		"in their form":   {func(f *schema.Flight) { row(f, "one\n") }, "22P02"},
		"after the rows":  {func(f *schema.Flight) { row(f, "1\tone\n"); no(f) }, "RE001"},
	} {
		var f schema.Flight
		f.Queue(`begin`)
		c.fill(&f)
		f.Queue(`commit`)
		err := f.Go(t.Context(), conn)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != c.code || conn.IsClosed() {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := conn.Exec(t.Context(), `rollback`); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := counted(t, db); n != 0 {
			t.Errorf("%s: %d rows", name, n)
		}
	}
}

// What cannot be sent is not sent in part.
func TestAFlightThatCannotBeSent(t *testing.T) {
	t.Parallel()
	db, conn := words(t)
	for name, args := range map[string][]any{"a wrong value": {"one", struct{}{}}, "one too few": {1}} {
		var f schema.Flight
		f.Queue(`insert into word (n, said) values (1, 'one')`)
		f.Queue(`insert into word (n, said) values ($1, $2)`, args...)
		if err := f.Go(t.Context(), conn); err == nil || conn.IsClosed() {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := counted(t, db); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// Who waits in vain closes the connection: whether anything was done is not known. So does who hears that the server ends.
func TestAFlightThatIsLost(t *testing.T) {
	t.Parallel()
	server := embeddedtest.NewPostgresServer(t)
	db := schematest.Open(t, server.DSN())
	if _, err := db.Exec(t.Context(), `create table word (n int primary key, said text); insert into word values (1, '')`, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), `update word set said = 'mine'`); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		wait time.Duration
		end  func()
	}{{"late", 300 * time.Millisecond, func() {}}, {"dead", time.Minute, server.Kill}} {
		conn, err := db.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		var f schema.Flight
		f.Queue(`update word set said = 'yours'`)
		ctx, cancel := context.WithTimeout(t.Context(), c.wait)
		defer cancel()
		ended := make(chan struct{})
		time.AfterFunc(100*time.Millisecond, func() { c.end(); close(ended) })
		var refused *pgconn.PgError
		if err := f.Go(ctx, conn.Conn()); err == nil || errors.As(err, &refused) || !conn.Conn().IsClosed() {
			t.Errorf("%s: %v, closed: %v", c.name, err, conn.Conn().IsClosed())
		}
		<-ended
	}
}
