package order

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
)

// What a batch of QueueCreate violates when a hold has another order that lives, and when an order of this id is there.
const (
	OnePerHold = "orders_one_per_hold"
	OnePerID   = "orders_pkey"
)

// QueueCreate adds to a batch that pending orders are written, with their costs, lines and addresses. Whoever knows that an
// id is there already (QueueKnown) leaves it out: every row would pay for a softer way than a violation, and hardly any needs
// it. An order that is not Valid is an error, and nothing is added.
func QueueCreate(batch *pgx.Batch, orders []Order) error {
	for i := range orders {
		if err := orders[i].Valid(); err != nil {
			return err
		}
	}
	batch.Queue(`
		insert into orders (id, hold, show, buyer, email, name, state, total_minor, currency,
			goods_minor, delivery_minor, tax_minor, tax_rate, tax_included, tax_kind, tax_region, zone)
		select id, hold, show, buyer, email, name, 'pending', total, currency, goods, delivery, tax, rate, included, kind, region, zone
		from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::bigint[], $10::bigint[],
			$11::bigint[], $12::int[], $13::bool[], $14::text[], $15::text[], $16::text[])
			as w(id, hold, show, buyer, email, name, total, currency, goods, delivery, tax, rate, included, kind, region, zone)`,
		schema.Column(orders, func(o *Order) commerce.OrderID { return o.ID }), schema.Column(orders, func(o *Order) commerce.HoldID { return o.Hold }),
		schema.Column(orders, func(o *Order) commerce.ShowID { return o.Show }), schema.Column(orders, func(o *Order) string { return o.Buyer }),
		schema.Column(orders, func(o *Order) string { return o.Email }), schema.Column(orders, func(o *Order) string { return o.Name }),
		schema.Column(orders, func(o *Order) int64 { return o.Costs.Total.Minor }), schema.Column(orders, func(o *Order) string { return string(o.Costs.Total.Currency) }),
		schema.Column(orders, func(o *Order) int64 { return o.Costs.Goods.Minor }), schema.Column(orders, func(o *Order) int64 { return o.Costs.Delivery.Minor }),
		schema.Column(orders, func(o *Order) int64 { return o.Costs.Tax.Amount.Minor }), schema.Column(orders, func(o *Order) int32 { return int32(o.Costs.Tax.Rate) }),
		schema.Column(orders, func(o *Order) bool { return o.Costs.Tax.Included }), schema.Column(orders, func(o *Order) string { return o.Costs.Tax.Kind }),
		schema.Column(orders, func(o *Order) string { return o.Costs.Tax.Region }), schema.Column(orders, func(o *Order) string { return string(o.Costs.Zone) }))
	queueLines(batch, orders)
	batch.Queue(`
		insert into order_delivery (order_id, name, line1, line2, city, region, postcode, country)
		select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])`,
		schema.Column(orders, func(o *Order) commerce.OrderID { return o.ID }), schema.Column(orders, func(o *Order) string { return o.Delivery.Name }),
		schema.Column(orders, func(o *Order) string { return o.Delivery.Line1 }), schema.Column(orders, func(o *Order) string { return o.Delivery.Line2 }),
		schema.Column(orders, func(o *Order) string { return o.Delivery.City }), schema.Column(orders, func(o *Order) string { return o.Delivery.Region }),
		schema.Column(orders, func(o *Order) string { return o.Delivery.Postcode }), schema.Column(orders, func(o *Order) string { return o.Delivery.Country }))
	return nil
}

// placed is a line of an order.
type placed struct {
	Line
	of    commerce.OrderID
	place int32
}

func queueLines(batch *pgx.Batch, orders []Order) {
	lines := make([]placed, 0, len(orders))
	for _, o := range orders {
		for place, l := range o.Lines {
			lines = append(lines, placed{Line: l, of: o.ID, place: int32(place)})
		}
	}
	batch.Queue(`
		insert into order_line (order_id, place, variant, product, title, quantity, unit_minor, owner)
		select * from unnest($1::uuid[], $2::int[], $3::uuid[], $4::uuid[], $5::text[], $6::int[], $7::bigint[], $8::uuid[])`,
		schema.Column(lines, func(l *placed) commerce.OrderID { return l.of }), schema.Column(lines, func(l *placed) int32 { return l.place }),
		schema.Column(lines, func(l *placed) commerce.VariantID { return l.Variant }), schema.Column(lines, func(l *placed) commerce.ProductID { return l.Product }),
		schema.Column(lines, func(l *placed) string { return clip(l.Title) }), schema.Column(lines, func(l *placed) int32 { return int32(l.Quantity) }),
		schema.Column(lines, func(l *placed) int64 { return l.Unit.Minor }), schema.Column(lines, func(l *placed) commerce.AccountID { return l.Owner }))
}

// Receipt is what an order is confirmed with.
type Receipt struct {
	Order  commerce.OrderID
	Show   commerce.ShowID
	Buyer  string
	Number string // for people
	Tax    money.Amount
	Region string // whose the tax is; "" for none
}

// QueueConfirm adds to a batch that pending orders become their buyers', each with a receipt number, and calls confirmed for
// each that did. It is two steps of the machine in one: pending to authorised to confirmed.
func QueueConfirm(batch *pgx.Batch, ids []commerce.OrderID, confirmed func(Receipt)) {
	batch.Queue(`
		update orders o set state = 'confirmed', version = version + 2, changed_at = now(), confirmed_at = now(), receipt = nextval('receipt_number')
		from unnest($1::uuid[]) as w(id) where o.id = w.id and o.state = any($2)
		returning o.id, o.show, o.buyer, o.receipt, o.tax_minor, o.currency, o.tax_region`, ids, sources(Authorised)).Query(func(rows pgx.Rows) error {
		var r Receipt
		var number int64
		var currency string
		_, err := pgx.ForEachRow(rows, []any{&r.Order, &r.Show, &r.Buyer, &number, &r.Tax.Minor, &currency, &r.Region}, func() error {
			r.Number, r.Tax.Currency = receiptNumber(number), money.Currency(currency)
			confirmed(r)
			return nil
		})
		return err
	})
}

// QueueMove adds to a batch that orders make one step of the machine, and calls moved for each that did.
func QueueMove(batch *pgx.Batch, ids []commerce.OrderID, to State, moved func(id commerce.OrderID, buyer string)) error {
	if to == Confirmed {
		return errors.New("an order is confirmed by QueueConfirm alone")
	}
	batch.Queue(`
		update orders o set state = $2, version = version + 1, changed_at = now()
		from unnest($1::uuid[]) as w(id) where o.id = w.id and o.state = any($3) returning o.id, o.buyer`, ids, to, sources(to)).Query(func(rows pgx.Rows) error {
		var id commerce.OrderID
		var buyer string
		_, err := pgx.ForEachRow(rows, []any{&id, &buyer}, func() error { moved(id, buyer); return nil })
		return err
	})
	return nil
}

// Move is QueueMove of one order, or fails with ErrState.
func Move(ctx context.Context, tx pgx.Tx, id commerce.OrderID, to State) error {
	batch, ok := &pgx.Batch{}, false
	schema.ByKey(batch)
	err := QueueMove(batch, []commerce.OrderID{id}, to, func(commerce.OrderID, string) { ok = true })
	if err == nil {
		err = tx.SendBatch(ctx, batch).Close()
	}
	if err != nil {
		return fmt.Errorf("order %s to %s: %w", id, to, err)
	}
	if !ok {
		return fmt.Errorf("%w: %s to %s", ErrState, id, to)
	}
	return nil
}
