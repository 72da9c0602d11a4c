package schema_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// Statements that are given keys look rows up by them, whatever Postgres knows of the tables when it plans: that they are
// empty, or have a handful of rows.
func TestKeysAreLookedUp(t *testing.T) {
	pool := schematest.Pool(t)
	fill := []string{`select`, `
		insert into orders (id, hold, show, buyer, email, name, state, total_minor, goods_minor, currency)
		select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'gst_a', 'vic@example.com', 'Vic', 'pending', 4900, 4900, 'EUR' from generate_series(1, 60);
		insert into payment (id, order_id, hold, provider, state, amount_minor, currency, next_at, deadline)
			select gen_random_uuid(), id, hold, 'sandbox', 'sent', 1, 'EUR', now(), now() from orders;
		insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at) select hold, show, 'gst_a', 1, 'paying', 1, 'EUR', now() from orders`}
	for _, rows := range fill {
		if _, err := pool.Exec(t.Context(), rows); err != nil {
			t.Fatal(err)
		}
		if _, err := pool.Exec(t.Context(), `vacuum analyze orders, payment, hold, pool`); err != nil {
			t.Fatal(err)
		}
		for statement, index := range map[string]string{
			`update payment p set charge = 'x' from unnest($1::uuid[]) as w(id) where p.id = w.id and p.state || '' = any('{sent}')`:                      "payment_pkey",
			`update orders o set version = 2 from unnest($1::uuid[]) as w(id) where o.id = w.id and o.state = any('{pending}')`:                           "orders_pkey",
			`update hold h set state = 'sold' from unnest($1::uuid[]) as w(id), pool p where h.id = w.id and h.state = any('{paying}') and p.id = h.pool`: "hold_pkey",
			`select o.id from unnest($1::uuid[]) as w(id) join orders o on o.id = w.id`:                                                                   "orders_pkey",
		} {
			var plan []string
			batch := &pgx.Batch{}
			batch.Queue(`begin`)
			schema.ByKey(batch)
			batch.Queue(`explain `+statement, []string{}).Query(func(rows pgx.Rows) (err error) {
				plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
				return err
			})
			batch.Queue(`rollback`)
			if err := pool.SendBatch(t.Context(), batch).Close(); err != nil {
				t.Fatal(err)
			}
			said := strings.Join(plan, "\n")
			if !strings.Contains(said, "Bitmap Index Scan on "+index) || !strings.Contains(said, "Index Cond: (id = w.id)") {
				t.Errorf("%s\n%s", statement, said)
			}
		}
	}
}
