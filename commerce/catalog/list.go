package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/cursor"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// PageSize is how many products a page has.
	PageSize = 24
	// listName is that of its cursors.
	listName = "products"
)

// Page is a part of a list. Next is "" on the last one.
type Page struct {
	Products []Product
	Next     string
}

// Get reads one product with its variants in order.
func Get(ctx context.Context, q schema.Querier, id commerce.ProductID) (Product, error) {
	found, err := List(ctx, q, []commerce.ProductID{id})
	if err != nil {
		return Product{}, err
	}
	if len(found) == 0 {
		return Product{}, ErrUnknown
	}
	return found[0], nil
}

// LockOf reads the product of a variant and makes edits of it wait until the transaction ends.
func LockOf(ctx context.Context, tx pgx.Tx, variant commerce.VariantID) (Product, error) {
	var id commerce.ProductID
	err := tx.QueryRow(ctx, `select id from product where id = (select product from variant where id = $1) for no key update`, variant).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Product{}, ErrUnknown
	}
	if err != nil {
		return Product{}, fmt.Errorf("lock the product of %s: %w", variant, err)
	}
	return Get(ctx, tx, id)
}

// List reads products, in the order of ids; unknown ones are left out.
func List(ctx context.Context, q schema.Querier, ids []commerce.ProductID) ([]Product, error) {
	if len(ids) > MaxList {
		return nil, fmt.Errorf("read %d products at once, at most %d", len(ids), MaxList)
	}
	rows, err := q.Query(ctx, `
		select p.id, p.owner, a.name, p.title, p.description, p.image, v.id, v.title, v.amount, v.currency
		from unnest($1::uuid[]) with ordinality as wanted(id, n)
		join product p on p.id = wanted.id
		join account a on a.id = p.owner
		join variant v on v.product = p.id
		order by wanted.n, v.place`, ids)
	if err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	var (
		found []Product
		p     Product
		v     Variant
	)
	into := []any{&p.ID, &p.Owner, &p.OwnerName, &p.Title, &p.Description, &p.Image, &v.ID, &v.Title, &v.Amount, &v.Currency}
	_, err = pgx.ForEachRow(rows, into, func() error {
		if len(found) == 0 || found[len(found)-1].ID != p.ID {
			found = append(found, p)
		}
		last := &found[len(found)-1]
		last.Variants = append(last.Variants, v)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	return found, nil
}

// ListMine lists the products of an owner, newest first. from is a cursor, "" for the first page.
func ListMine(ctx context.Context, q schema.Querier, owner commerce.AccountID, from string) (Page, error) {
	after, last, err := cursor.Read[commerce.ProductID](listName, from)
	if err != nil {
		return Page{}, err
	}
	// One more than a page: whether there is a next page is known without another question.
	rows, err := q.Query(ctx, `select id, created_at from product
		where owner = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
		order by created_at desc, id desc limit $4`, owner, after, last, PageSize+1)
	if err != nil {
		return Page{}, fmt.Errorf("list products of %s: %w", owner, err)
	}
	var (
		ids  []commerce.ProductID
		id   commerce.ProductID
		at   time.Time
		next string
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error {
		if len(ids) == PageSize-1 {
			next = cursor.Write(listName, at, id)
		}
		ids = append(ids, id)
		return nil
	})
	if err != nil {
		return Page{}, fmt.Errorf("list products of %s: %w", owner, err)
	}
	if len(ids) <= PageSize {
		next = ""
	}
	products, err := List(ctx, q, ids[:min(len(ids), PageSize)])
	return Page{Products: products, Next: next}, err
}
