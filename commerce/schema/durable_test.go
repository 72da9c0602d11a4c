package schema_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// What a transaction has read of commits that did not wait for the disk survives Postgres once Durable has returned. When
// Postgres dies before that, Durable fails, though the server that came after answers.
func TestDurable(t *testing.T) {
	t.Parallel()
	server := embeddedtest.NewPostgresServer(t)
	db := schematest.Open(t, server.DSN())
	if _, err := db.Exec(t.Context(), `create table word (n int primary key)`); err != nil {
		t.Fatal(err)
	}
	back := func() {
		server.Kill()
		server.Start()
		for deadline := time.Now().Add(30 * time.Second); db.Ping(t.Context()) != nil; { // connections of the dead are noticed one by one
			if time.Now().After(deadline) {
				t.Fatal("Postgres does not come back")
			}
		}
	}
	read := func(n int) pgx.Tx {
		t.Helper()
		if _, err := db.Exec(t.Context(), `begin; set local synchronous_commit = off; insert into word select generate_series($1::int * 1000, $1::int * 1000 + 999); commit`,
			pgx.QueryExecModeSimpleProtocol, n); err != nil {
			t.Fatal(err)
		}
		tx, err := db.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var found int
		if err := tx.QueryRow(t.Context(), `select count(*) from word where n / 1000 = $1`, n).Scan(&found); err != nil || found != 1000 {
			t.Fatal(found, err)
		}
		return tx
	}
	for n := 1; n <= 3; n++ {
		tx := read(n)
		if err := schema.Durable(t.Context(), db, tx); err != nil {
			t.Fatal(err)
		}
		back()
		_ = tx.Rollback(t.Context()) // its connection died
		var found int
		if err := db.QueryRow(t.Context(), `select count(*) from word where n / 1000 = $1`, n).Scan(&found); err != nil || found != 1000 {
			t.Fatalf("%d of 1000 rows that were durable: %v", found, err)
		}
	}
	tx := read(4)
	back()
	if err := schema.Durable(t.Context(), db, tx); err == nil {
		t.Error("what a server knew that died is said to be durable")
	}
	_ = tx.Rollback(t.Context())
}
