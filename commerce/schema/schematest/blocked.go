package schematest

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// AwaitBlocked returns when a transaction in the pool's database waits for a lock: the test that holds it knows then
// that the other one has come to that line.
func AwaitBlocked(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		var waiting bool
		err := pool.QueryRow(tb.Context(), `select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')`).
			Scan(&waiting)
		if err != nil {
			tb.Fatal(err)
		}
		if waiting {
			return
		}
	}
	tb.Fatal("nobody came to wait")
}
