package stock

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// Whoever asks what a pool's holds are reads that pool's pages, and not the holds of all shows there ever were.
func TestAPoolDoesNotReadHistory(t *testing.T) {
	t.Parallel()
	db := schematest.Pool(t)
	if _, err := db.Exec(t.Context(), `
		insert into pool (id, show, variant, on_hand, taken)
			select lpad(to_hex(n), 32, '0')::uuid, gen_random_uuid(), gen_random_uuid(), 1000, 1000 from generate_series(1, 100) n;
		insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at, version)
			select gen_random_uuid(), lpad(to_hex(1 + n / 1000), 32, '0')::uuid, 'gst_' || n, 1, 'sold', 100, 'EUR', now(), 0 from generate_series(0, 99999) n;
		`, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), `vacuum analyze hold, pool`); err != nil { // as it is done behind the sales
		t.Fatal(err)
	}
	pool := commerce.PoolID{15: 50}
	for name, q := range map[string]struct {
		sql  string
		args []any
	}{
		"the leak detector": {`select h.holds from pool p` + heldSQL + ` where p.id = any($1)`, []any{[]commerce.PoolID{pool}}},
		"a new copy":        {liveSQL, []any{pool, liveStates}},
	} {
		rows, err := db.Query(t.Context(), `explain (analyze, timing off, buffers) `+q.sql, append([]any{pgx.QueryExecModeDescribeExec}, q.args...)...)
		if err != nil {
			t.Fatal(name, err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if plan := strings.Join(lines, "\n"); err != nil || !strings.Contains(plan, "hold_of_pool") {
			t.Errorf("%s: %v\n%s", name, err, plan)
		}
	}
}
