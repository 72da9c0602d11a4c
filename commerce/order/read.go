package order

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
)

const orderSQL = `
	select o.id, o.hold, o.show, o.buyer, o.email, o.name, o.state, o.total_minor, o.currency, o.created_at, coalesce(o.receipt, 0),
		o.goods_minor, o.delivery_minor, o.tax_minor, o.tax_rate, o.tax_included, o.tax_kind, o.tax_region, coalesce(o.zone, ''),
		d.order_id is not null, coalesce(d.name, ''), coalesce(d.line1, ''), coalesce(d.line2, ''), coalesce(d.city, ''), coalesce(d.region, ''),
		coalesce(d.postcode, ''), coalesce(d.country, ''),
		array(select l.variant from order_line l where l.order_id = o.id order by l.place),
		array(select l.product from order_line l where l.order_id = o.id order by l.place),
		array(select l.title from order_line l where l.order_id = o.id order by l.place),
		array(select l.quantity from order_line l where l.order_id = o.id order by l.place),
		array(select l.unit_minor from order_line l where l.order_id = o.id order by l.place),
		array(select l.owner from order_line l where l.order_id = o.id order by l.place)
	from orders o left join order_delivery d on d.order_id = o.id`

// Get reads an order whoever asks; the caller decides who may see it.
func Get(ctx context.Context, q schema.Querier, id commerce.OrderID) (Order, error) {
	rows, err := q.Query(ctx, orderSQL+` where o.id = $1`, id)
	if err != nil {
		return Order{}, fmt.Errorf("read order %s: %w", id, err)
	}
	o, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return Order{}, ErrUnknown
	}
	if err != nil {
		return Order{}, fmt.Errorf("read order %s: %w", id, err)
	}
	return o, nil
}

// QueueKnown adds to a batch the question which of some ids stand for an order, whosever, and calls known for each.
func QueueKnown(batch *pgx.Batch, ids []commerce.OrderID, known func(commerce.OrderID)) {
	batch.Queue(`select o.id from unnest($1::uuid[]) as w(id) join orders o on o.id = w.id`, ids).Query(func(rows pgx.Rows) error {
		var id commerce.OrderID
		_, err := pgx.ForEachRow(rows, []any{&id}, func() error { known(id); return nil })
		return err
	})
}

// Recent lists the newest orders of a show that came to be, at most MaxRecent.
func Recent(ctx context.Context, q schema.Querier, show commerce.ShowID) ([]Order, error) {
	rows, err := q.Query(ctx, orderSQL+` where o.show = $1 and o.receipt is not null order by o.created_at desc, o.id desc limit $2`, show, MaxRecent)
	if err != nil {
		return nil, fmt.Errorf("orders of %s: %w", show, err)
	}
	orders, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("orders of %s: %w", show, err)
	}
	return orders, nil
}

// Revenue is what a show has sold, by currency: the goods alone, as they were priced.
func Revenue(ctx context.Context, q schema.Querier, show commerce.ShowID) ([]money.Amount, error) {
	rows, err := q.Query(ctx, `
		select currency, sum(goods_minor)::bigint from orders
		where show = $1 and state in ('confirmed', 'captured', 'fulfilled', 'settled') group by currency order by 2 desc`, show)
	if err != nil {
		return nil, fmt.Errorf("revenue of %s: %w", show, err)
	}
	amounts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a money.Amount, err error) {
		var currency string
		err = row.Scan(&currency, &a.Minor)
		a.Currency = money.Currency(currency)
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("revenue of %s: %w", show, err)
	}
	return amounts, nil
}

// Bought says whether buyer has an order of this show that is confirmed and was not taken back.
func Bought(ctx context.Context, q schema.Querier, show commerce.ShowID, buyer string) (bought bool, err error) {
	var paid []string
	for _, s := range States() {
		if s.Paid() {
			paid = append(paid, string(s))
		}
	}
	err = q.QueryRow(ctx, "select exists (select from orders where buyer = $1 and show = $2 and state = any($3))", buyer, show, paid).Scan(&bought)
	if err != nil {
		return false, fmt.Errorf("orders of %s: %w", show, err)
	}
	return bought, nil
}

func scan(row pgx.CollectableRow) (Order, error) {
	var (
		o          Order
		currency   string
		receipt    int64
		variants   []commerce.VariantID
		products   []commerce.ProductID
		titles     []string
		quantities []int
		units      []int64
		owners     []commerce.AccountID
		sent       bool
		to         delivery.Address
	)
	c := &o.Costs
	err := row.Scan(&o.ID, &o.Hold, &o.Show, &o.Buyer, &o.Email, &o.Name, &o.State, &o.Total.Minor, &currency, &o.Created, &receipt,
		&c.Goods.Minor, &c.Delivery.Minor, &c.Tax.Amount.Minor, &c.Tax.Rate, &c.Tax.Included, &c.Tax.Kind, &c.Tax.Region, &c.Zone,
		&sent, &to.Name, &to.Line1, &to.Line2, &to.City, &to.Region, &to.Postcode, &to.Country,
		&variants, &products, &titles, &quantities, &units, &owners)
	if err != nil {
		return Order{}, err
	}
	o.Created, o.Total.Currency = o.Created.UTC(), money.Currency(currency)
	for _, a := range []*money.Amount{&c.Goods, &c.Delivery, &c.Tax.Amount} {
		a.Currency = o.Total.Currency
	}
	c.Total = o.Total
	if sent {
		o.Delivery = &to
	}
	if receipt > 0 {
		o.Receipt = receiptNumber(receipt)
	}
	for i := range variants {
		o.Lines = append(o.Lines, Line{
			Variant: variants[i], Product: products[i], Title: titles[i], Quantity: quantities[i],
			Unit: money.Amount{Minor: units[i], Currency: o.Total.Currency}, Owner: owners[i],
		})
	}
	return o, nil
}

func receiptNumber(n int64) string { return fmt.Sprintf("R-%08d", n) }
