package order

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/cursor"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// PageSize is how many orders a page of a buyer's list has.
	PageSize = 20
	// listName is that of its cursors, soldName that of what owners list.
	listName = "orders"
	soldName = "sold"
)

// Page is a part of a list. Next is "" on the last one.
type Page struct {
	Orders []Order
	Next   string
}

// ListMine lists what a buyer has bought or is paying for, newest first; what never came to be is left out. from is
// a cursor, "" for the first page.
func ListMine(ctx context.Context, q schema.Querier, buyer, from string) (Page, error) {
	at, id, err := cursor.Read[commerce.OrderID](listName, from)
	if err != nil {
		return Page{}, err
	}
	// One more than a page: whether there is a next page is known without another question.
	rows, err := q.Query(ctx, orderSQL+`
		where o.buyer = $1 and o.state <> 'cancelled' and ($2::timestamptz is null or (o.created_at, o.id) < ($2, $3::uuid))
		order by o.created_at desc, o.id desc limit $4`, buyer, at, id, PageSize+1)
	if err != nil {
		return Page{}, fmt.Errorf("list orders of %s: %w", buyer, err)
	}
	orders, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return Page{}, fmt.Errorf("list orders of %s: %w", buyer, err)
	}
	return pageOf(listName, orders), nil
}

// pageOf cuts a list that was read with one more than a page.
func pageOf(list string, orders []Order) Page {
	if len(orders) <= PageSize {
		return Page{Orders: orders}
	}
	last := orders[PageSize-1]
	return Page{Orders: orders[:PageSize], Next: cursor.Write(list, last.Created, last.ID)}
}

// ListSold lists the paid orders that have products of owner, newest first, with those lines alone: what owner has to
// send. from is a cursor, "" for the first page.
func ListSold(ctx context.Context, q schema.Querier, owner commerce.AccountID, from string) (Page, error) {
	at, id, err := cursor.Read[commerce.OrderID](soldName, from)
	if err != nil {
		return Page{}, err
	}
	// Lines are walked in the order of their index until a page is full.
	rows, err := q.Query(ctx, orderSQL+`
		join (select distinct l.created_at, l.order_id from order_line l
				join orders s on s.id = l.order_id and s.receipt is not null and s.state <> 'cancelled'
			where l.owner = $1 and ($2::timestamptz is null or (l.created_at, l.order_id) < ($2, $3::uuid))
			order by l.created_at desc, l.order_id desc limit $4) mine on mine.order_id = o.id
		order by o.created_at desc, o.id desc`, owner, at, id, PageSize+1)
	if err != nil {
		return Page{}, fmt.Errorf("list what %s has sold: %w", owner, err)
	}
	orders, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return Page{}, fmt.Errorf("list what %s has sold: %w", owner, err)
	}
	for i := range orders {
		orders[i].Lines = slices.DeleteFunc(orders[i].Lines, func(l Line) bool { return l.Owner != owner })
	}
	return pageOf(soldName, orders), nil
}

// IDs lists the ids of orders.
func IDs(orders []Order) []commerce.OrderID {
	ids := make([]commerce.OrderID, len(orders))
	for i, o := range orders {
		ids[i] = o.ID
	}
	return ids
}

// Changes counts how often the orders of each buyer were changed, their making included. Orders are never deleted,
// so the number grows with every commit that changes one of them.
func Changes(ctx context.Context, q schema.Querier, buyers []string) (map[string]int64, error) {
	return schema.Counts(ctx, q, "changes of orders", `select buyer, sum(version)::bigint from orders where buyer = any($1) group by buyer`, buyers)
}

// Touch counts a change of an order that is none of its state: a part of what its buyer reads of it lives elsewhere.
func Touch(ctx context.Context, tx pgx.Tx, id commerce.OrderID) (buyer string, err error) {
	err = tx.QueryRow(ctx, `update orders set version = version + 1, changed_at = now() where id = $1 returning buyer`, id).Scan(&buyer)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", ErrUnknown
	}
	if err != nil {
		return "", fmt.Errorf("touch order %s: %w", id, err)
	}
	return buyer, nil
}
