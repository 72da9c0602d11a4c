package price

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

// PriceSet is the data of the event price.set, whose key is the variant. Amount is the standing price.
type PriceSet struct {
	Variant  commerce.VariantID `json:"variant"`
	Amount   int64              `json:"amount"`
	Currency string             `json:"currency"`
	Flash    *FlashSet          `json:"flash"`
}

// FlashSet is a flash price as pages see it. They judge by the server's clock whether it holds, and by stock.set
// whether it has units left.
type FlashSet struct {
	ID     commerce.FlashID `json:"id"`
	Amount int64            `json:"amount"`
	Starts time.Time        `json:"starts_at"`
	Ends   time.Time        `json:"ends_at"`
	Cap    int              `json:"cap" doc:"Units in all; 0: no cap"`
	Stands *time.Time       `json:"stands_at,omitempty" doc:"Since then its clock stands, because the creator is off the air: it has as long left as from here to ends_at, and ends_at is said anew when the clock goes on. Not there: it runs"`
}

// Kinds is what this package lets a show say.
var Kinds = []outbox.EventKind{
	{Type: "price.set", Class: outbox.Lossless, KeyMember: "variant", Data: PriceSet{},
		About: "What a variant costs: its standing price, and the flash price that holds from its start to its end, if there is one."},
}

// Set is the flash price as pages see it.
func (f Flash) Set() FlashSet {
	return FlashSet{ID: f.ID, Amount: f.Amount, Starts: f.Starts, Ends: f.Ends, Cap: f.Cap, Stands: f.Stands}
}

func event(v catalog.Variant, f *Flash) outbox.EventRow {
	set := PriceSet{Variant: v.ID, Amount: v.Amount, Currency: v.Currency}
	if f != nil {
		flash := f.Set()
		set.Flash = &flash
	}
	return outbox.EventRow{Type: "price.set", Key: v.ID.String(), Class: outbox.Lossless, Data: set}
}

func events(products []catalog.Product, present map[commerce.VariantID]Flash) []outbox.EventRow {
	var rows []outbox.EventRow
	for _, p := range products {
		for _, v := range p.Variants {
			if f, ok := present[v.ID]; ok {
				rows = append(rows, event(v, &f))
			} else {
				rows = append(rows, event(v, nil))
			}
		}
	}
	return rows
}

// Present reads the present flash price of each variant of a show that has one, before its start and after its end,
// too.
func Present(ctx context.Context, q schema.Querier, id commerce.ShowID) (map[commerce.VariantID]Flash, error) {
	list, err := list(ctx, q, `p.show = $1`, id)
	present := map[commerce.VariantID]Flash{}
	for _, f := range list {
		present[f.Variant] = f
	}
	return present, err
}

// list reads present flash prices.
func list(ctx context.Context, q schema.Querier, which string, args ...any) ([]Flash, error) {
	rows, err := q.Query(ctx, `select `+columns+`, case when p.frozen_at < f.ends_at + f.moved then greatest(p.frozen_at, f.starts_at) end
		from pool p join flash f on f.pool = p.id and f.version = p.timed_version
		join variant v on v.id = p.variant where `+which+` order by p.id`, args...)
	if err != nil {
		return nil, fmt.Errorf("read flash prices: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Flash, error) {
		var stands *time.Time
		f, err := scan(row, &stands)
		f.Stands = whole(stands)
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("read flash prices: %w", err)
	}
	return found, nil
}

// Events is what a joining viewer must know: one price.set per variant of the run sheet. Call it in a schema.Snapshot.
func Events(ctx context.Context, q schema.Querier, id commerce.ShowID) ([]outbox.EventRow, error) {
	ids, err := show.Products(ctx, q, id)
	if err != nil {
		return nil, err
	}
	products, err := catalog.List(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	present, err := Present(ctx, q, id)
	if err != nil {
		return nil, err
	}
	return events(products, present), nil
}

// Reprice follows standing prices that the transaction has changed (catalog.Save): a tap at an old one commits
// nothing, in any show. A flash price that is not below the new price, or is in another currency, ends. The caller
// hands ended to Announce, and the pools to checkout.Service.Changed after the commit.
func Reprice(ctx context.Context, tx pgx.Tx, variants ...commerce.VariantID) (pools []commerce.PoolID, ended []stock.Level, err error) {
	if pools, err = stock.Reprice(ctx, tx, variants...); err != nil {
		return nil, nil, err
	}
	over, err := list(ctx, tx, `v.id = any ($1) and (f.amount >= v.amount or f.currency <> v.currency)`, variants)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range over {
		level, was, err := f.end(ctx, tx)
		if err != nil {
			return nil, nil, err
		}
		if was {
			ended = append(ended, level)
		}
	}
	return pools, ended, nil
}

// Announce tells the audience of every open show that sells a product, which the caller has locked (catalog.Save,
// catalog.LockOf), that its words, prices or units have changed: the price of each variant, the list, and the levels
// that the transaction has written. It takes the stream rows of all those shows, so it is the last that the
// transaction does.
func Announce(ctx context.Context, tx pgx.Tx, id commerce.ProductID, levels ...stock.Level) error {
	p, err := catalog.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	shows, err := show.CatalogEvents(ctx, tx, id)
	if err != nil {
		return err
	}
	variants := make([]commerce.VariantID, 0, len(p.Variants))
	for _, v := range p.Variants {
		variants = append(variants, v.ID)
	}
	flashes, err := list(ctx, tx, `v.id = any ($1)`, variants)
	if err != nil {
		return err
	}
	said := map[commerce.ShowID][]outbox.EventRow{}
	for id, catalogSet := range shows {
		present := map[commerce.VariantID]Flash{}
		for _, f := range flashes {
			if f.Show == id {
				present[f.Variant] = f
			}
		}
		said[id] = append(events([]catalog.Product{p}, present), catalogSet)
		for _, l := range levels {
			if l.Show == id {
				said[id] = append(said[id], l.Event())
			}
		}
	}
	return outbox.Events(ctx, tx, said)
}
