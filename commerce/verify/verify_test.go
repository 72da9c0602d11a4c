package verify

import (
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/stock"
)

// A check that cannot fail is none: each invariant finds what breaks it.
func TestEachInvariantCanFail(t *testing.T) {
	// Nobody repairs the gate while damage is being looked for.
	w := newWorld(t, 5, func(c *stock.Config) { c.Sweep = time.Hour })
	b := w.buyer(1)
	hold, order := commerce.NewID[commerce.HoldID](), commerce.NewID[commerce.OrderID]()
	b.until("PUT", "/holds/"+hold.String(), map[string]any{"show": w.show, "variant": w.variant, "quantity": 1})
	status, code, err := b.until("PUT", "/orders/"+order.String(), map[string]any{
		"hold": hold, "email": "vic@example.com", "name": "Vic", "delivery": home(),
		"card": map[string]any{"number": "4242424242424242", "exp_month": 12, "exp_year": time.Now().Year() + 1, "cvc": "123"},
	})
	if err != nil || status != 201 {
		t.Fatal(status, code, err)
	}
	w.captured(1)
	w.clean()
	// What was sold was sold at a flash price.
	w.exec(`update pool set offer_last = 2, timed_version = 2, timed_opens_at = now() - interval '1 hour', timed_closes_at = now() + interval '1 hour',
		timed_cap = 4, timed_taken = 1`)
	w.exec(`update hold set offer = 2`)
	w.exec(`insert into flash (id, show, variant, pool, version, amount, currency, starts_at, ends_at, cap, made_by)
		select gen_random_uuid(), p.show, p.variant, p.id, 2, 4900, 'EUR', p.timed_opens_at, p.timed_closes_at, 4, s.creator
		from pool p join show s on s.id = p.show`)
	w.clean()
	w.exec(`alter table pool drop constraint pool_taken_range`)
	w.exec(`alter table pool drop constraint pool_timed_range`)
	w.exec(`alter table payment drop constraint payment_captured`)
	w.exec(`alter table orders drop constraint orders_total, drop constraint orders_tax`)
	w.exec(`alter table ledger_transaction drop constraint ledger_balanced`)
	w.exec(`alter table ledger_transaction disable trigger user`)
	w.exec(`alter table hold drop constraint hold_quantity_check`)
	for name, damage := range map[string][2]string{
		"units: taken =":   {`update pool set taken = taken + 1`, `update pool set taken = taken - 1`},
		"units: available": {`update pool set on_hand = on_hand - 5`, `update pool set on_hand = on_hand + 5`},
		"units: balances": {`alter table hold disable trigger hold_moved; update hold set state = 'paying'`,
			`update hold set state = 'sold'; alter table hold enable trigger hold_moved`},
		"units: balances of": {`insert into unit_movement (pool, origin, target, kind, units) select id, 'sold', 'available', 'edit', 2 from pool`,
			`insert into unit_movement (pool, origin, target, kind, units) select id, 'available', 'sold', 'edit', 2 from pool`},
		"units: balances of the": {`alter table pool disable trigger user; update pool set on_hand = on_hand + 1`,
			`update pool set on_hand = on_hand - 1; alter table pool enable trigger user`},
		"units: balances of the mov":   {`update pool set taken = taken + 5; update hold set quantity = 6`, `update pool set taken = taken - 5; update hold set quantity = 1`},
		"units: no drift":              {`insert into stock_drift (pool, kind, units, detail) select id, 'oversold', 1, 'by hand' from pool`, `delete from stock_drift`},
		"units: each hold":             {`update hold set pool = gen_random_uuid()`, `update hold set pool = (select id from pool)`},
		"units: no buyer":              {`update hold set quantity = quantity + 10`, `update hold set quantity = quantity - 10`},
		"units: taken at a":            {`update pool set timed_taken = 5`, `update pool set timed_taken = 1`},
		"prices: no flash":             {`update flash set amount = 4800`, `update flash set amount = 4900`},
		"prices: no":                   {`update flash set ends_at = now() - interval '59 minutes'`, `update flash set ends_at = now() + interval '1 hour'`},
		"prices":                       {`update hold set quantity = 5`, `update hold set quantity = 1`},
		"orders: none without":         {`update orders set buyer = 'gst_x'`, `update orders o set buyer = h.buyer from hold h where h.id = o.hold`},
		"orders: each is":              {`update orders set hold = gen_random_uuid()`, `update orders set hold = (select id from hold)`},
		"orders: each is of a hold":    {`update order_line set order_id = gen_random_uuid()`, `update order_line set order_id = (select id from orders)`},
		"orders: each is of a hold ":   {`update order_delivery set order_id = gen_random_uuid()`, `update order_delivery set order_id = (select id from orders)`},
		"orders: each is of a hold t":  {`update payment set order_id = gen_random_uuid()`, `update payment set order_id = (select id from orders)`},
		"orders: each is of a hold th": {`update payment set hold = gen_random_uuid()`, `update payment set hold = (select id from hold)`},
		"orders: no receipt": {`insert into orders (id, hold, show, buyer, email, name, state, total_minor, goods_minor, currency, receipt, confirmed_at)
			select gen_random_uuid(), gen_random_uuid(), show, buyer, email, name, state, total_minor, goods_minor, currency, receipt, now() from orders`,
			`delete from orders where hold not in (select id from hold)`},
		"orders: the total":        {`update order_line set unit_minor = 1`, `update order_line set unit_minor = 4900`},
		"orders: the total is":     {`update orders set total_minor = total_minor + 1`, `update orders set total_minor = total_minor - 1`},
		"orders: the total is the": {`update orders set delivery_minor = 0, tax_included = false`, `update orders set delivery_minor = 490, tax_included = true`},
		"orders: the tax":          {`update orders set tax_minor = tax_minor + 1`, `update orders set tax_minor = tax_minor - 1`},
		"orders: each has":         {`update orders set zone = null`, `update orders set zone = 'domestic'`},
		"money: what is charged":   {`update payment set amount_minor = amount_minor + 1`, `update payment set amount_minor = amount_minor - 1`},
		"money: the tax accounts":  {`update ledger_transaction set accounts[3] = 'tax:FR:payable'`, `update ledger_transaction set accounts[3] = 'tax:IT:payable'`},
		"money: the tax":           {`update orders set tax_region = 'US-CA'`, `update orders set tax_region = 'IT'`},
		"orders: the lines of a":   {`update hold set part_of = gen_random_uuid()`, `update hold set part_of = null`},
		"orders: a confirmed":      {`update hold set state = 'released'`, `update hold set state = 'sold'`},
		"orders: what is being":    {`update hold set state = 'paying'`, `update hold set state = 'sold'`},
		"money: every captured":    {`update payment set captured_minor = 5389`, `update payment set captured_minor = 5390`},
		"money: the ledger sums":   {`update ledger_transaction set amounts[1] = amounts[1] + 1`, `update ledger_transaction set amounts[1] = amounts[1] - 1`},
		"money: each confirmed":    {`update ledger_transaction set ref = 'x' || ref`, `update ledger_transaction set ref = substr(ref, 2)`},
		"money: no card":           {`update payment set token = 'tok'`, `update payment set token = null`},
		"gate: Redis":              {`update pool set taken = taken + 1`, `update pool set taken = taken - 1`},
	} {
		w.exec(damage[0])
		var out strings.Builder
		breaches, err := Run(t.Context(), w.db, w.stock, &out)
		w.must(err)
		if breaches == 0 || !strings.Contains(out.String(), "BREACH "+name) {
			t.Errorf("%s was not found:\n%s", name, out.String())
		}
		w.exec(damage[1])
	}
	w.clean()
}

func TestReportIsBounded(t *testing.T) {
	var out strings.Builder
	if err := report(&out, "many", make([]string, MaxShown+3)); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != MaxShown+2 || !strings.Contains(out.String(), "and 3 more") {
		t.Fatalf("%d lines:\n%s", lines, out.String())
	}
}
