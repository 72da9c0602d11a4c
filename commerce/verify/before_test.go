package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// An installation that has sold before it knew of delivery and tax is brought up to date: its orders cost their goods,
// go nowhere, belong to who owns the product, and everything that must be true is.
func TestOrdersOfBeforeStayWhole(t *testing.T) {
	db := schematest.Open(t, schematest.Empty(t))
	old := fstest.MapFS{}
	files, err := filepath.Glob("../schema/migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		if name := filepath.Base(file); name < "00023" {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			old[name] = &fstest.MapFile{Data: text}
		}
	}
	if _, err := schema.MigrateFS(t.Context(), db, old, schema.Table); err != nil {
		t.Fatal(err)
	}
	id, owner := commerce.NewID[commerce.OrderID](), commerce.NewID[commerce.AccountID]()
	sql := fmt.Sprintf(`
		with a as (insert into account (id, email, name, roles, password_hash) values ('%[2]x', 'mara@example.com', 'Mara', '{creator}', 'x') returning id),
		s as (insert into show (id, creator, title, description) select gen_random_uuid(), id, 'Kitchen', '' from a returning id),
		d as (insert into product (id, owner, title, description, image) select gen_random_uuid(), id, 'Pan', '', '/x' from a returning id),
		v as (insert into variant (id, product, title, amount, currency, place) select gen_random_uuid(), id, '', 4900, 'EUR', 0 from d returning id, product),
		p as (insert into pool (id, show, variant, on_hand, taken) select gen_random_uuid(), s.id, v.id, 3, 2 from s, v returning id, show),
		h as (insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at) select gen_random_uuid(), id, 'gst_a', 2, 'sold', 4900, 'EUR', now()
			from p returning id),
		o as (insert into orders (id, hold, show, buyer, email, name, state, total_minor, currency, receipt, confirmed_at, created_at)
			select '%[1]x', h.id, p.show, 'gst_a', 'vic@example.com', 'Vic', 'captured', 9800, 'EUR', 1, now(), '2026-01-02 03:04:05+00' from h, p returning id, hold),
		l as (insert into order_line (order_id, place, variant, product, title, quantity, unit_minor) select o.id, 0, v.id, v.product, 'Pan', 2, 4900 from o, v),
		b as (insert into ledger_transaction (ref, kind, currency, accounts, amounts) values ('sale:%[3]s', 'sale', 'EUR', '{a,b}', '{9800,-9800}'))
		insert into payment (id, order_id, hold, provider, state, amount_minor, currency, captured_minor, next_at, deadline)
			select gen_random_uuid(), id, hold, 'sandbox', 'captured', 9800, 'EUR', 9800, now(), now() from o`, [16]byte(id), [16]byte(owner), id)
	if _, err := db.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	if n, err := schema.Migrate(t.Context(), db); err != nil || n == 0 {
		t.Fatal(n, err)
	}
	o, err := order.Get(t.Context(), db, id)
	if err != nil || o.Delivery != nil || o.Costs.Goods != o.Total || o.Costs.Total != o.Total || o.Total.Minor != 9800 || o.Costs.Delivery.Minor != 0 ||
		o.Costs.Tax.Amount.Minor != 0 || o.Costs.Tax.Name() != "" || o.Costs.Zone != "" || o.Lines[0].Owner != owner {
		t.Fatalf("%+v %v", o, err)
	}
	if page, err := order.ListSold(t.Context(), db, owner, ""); err != nil || len(page.Orders) != 1 || page.Orders[0].ID != id {
		t.Fatalf("%+v %v", page, err)
	}
	var out strings.Builder
	if breaches, err := Run(t.Context(), db, nil, &out); err != nil || breaches != 0 {
		t.Fatalf("%d breaches, %v\n%s", breaches, err, out.String())
	}
}
