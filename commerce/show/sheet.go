package show

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// MaxProducts is how many products one show sells.
	MaxProducts = 50
	// MaxShows is how many shows that have not ended sell one product: all of them are told of its price at once.
	MaxShows = 60
	// PinLag is how long before it is heard a creator may have pressed: a longer way, or another clock, says nothing.
	PinLag = 3 * time.Second
)

var (
	// ErrNotListed: only what is on the run sheet can be pinned.
	ErrNotListed = errors.New("this product is not part of the show")
	// ErrFull: the run sheet has MaxProducts already.
	ErrFull = errors.New("a show sells at most 50 products")
	// ErrEverywhere: the product is in MaxShows shows already.
	ErrEverywhere = errors.New("a product is sold in at most 60 shows at the same time")
)

// PinSet is the data of the event pin.set; nil means that nothing is pinned.
type PinSet struct {
	Product  *commerce.ProductID `json:"product" doc:"null: nothing is pinned"`
	PinnedAt int64               `json:"pinned_at" doc:"When the creator pressed, in Unix milliseconds of the server's clock, as pictures were taken then; 0: long ago"`
}

// CatalogSet is the data of the event catalog.set: the list has changed, read it again.
type CatalogSet struct {
	Count int `json:"count" doc:"How many products there are"`
}

// Products is the run sheet, in the creator's order.
func Products(ctx context.Context, q schema.Querier, id commerce.ShowID) ([]commerce.ProductID, error) {
	rows, err := q.Query(ctx, `select product from show_product where show = $1 order by place`, id)
	if err != nil {
		return nil, fmt.Errorf("run sheet of %s: %w", id, err)
	}
	products, err := pgx.CollectRows(rows, pgx.RowTo[commerce.ProductID])
	if err != nil {
		return nil, fmt.Errorf("run sheet of %s: %w", id, err)
	}
	return products, nil
}

// AddProduct puts a product, which the caller has locked too, at the end of the run sheet of a show that the caller
// has locked. A product that is there stays where it is. It writes no event: price.Announce does, once the product is
// as it shall be seen.
func AddProduct(ctx context.Context, tx pgx.Tx, s Show, product commerce.ProductID) (added bool, err error) {
	if s.State == Ended {
		return false, ErrEnded
	}
	tag, err := tx.Exec(ctx, `
		insert into show_product (show, product, place)
		select $1, $2, coalesce(max(place) + 1, 0) from show_product where show = $1
		on conflict (show, product) do nothing`, s.ID, product)
	if err != nil {
		return false, fmt.Errorf("add %s to %s: %w", product, s.ID, err)
	}
	if tag.RowsAffected() == 0 {
		return false, nil
	}
	// Counted after it was added: whoever comes second, counts the first one too.
	var count, shows int
	err = tx.QueryRow(ctx, `select (select count(*) from show_product where show = $1),
		(select count(*) from show_product l join show s on s.id = l.show where l.product = $2 and s.state <> 'ended')`, s.ID, product).Scan(&count, &shows)
	switch {
	case err != nil:
		return false, fmt.Errorf("add %s to %s: %w", product, s.ID, err)
	case count > MaxProducts:
		return false, ErrFull
	case shows > MaxShows:
		return false, ErrEverywhere
	}
	return true, nil
}

// RemoveProduct takes a product off the run sheet of a show that the caller has locked, and off the screen if it is
// pinned. What is not there changes nothing.
func RemoveProduct(ctx context.Context, tx pgx.Tx, s Show, product commerce.ProductID) (removed bool, err error) {
	if s.State == Ended {
		return false, ErrEnded
	}
	tag, err := tx.Exec(ctx, `delete from show_product where show = $1 and product = $2`, s.ID, product)
	if err != nil {
		return false, fmt.Errorf("remove %s from %s: %w", product, s.ID, err)
	}
	if tag.RowsAffected() == 0 {
		return false, nil
	}
	if same(s.Pin, &product) {
		if err := Pin(ctx, tx, s, nil, nil); err != nil {
			return false, err
		}
	}
	var count int
	if err := tx.QueryRow(ctx, `select count(*) from show_product where show = $1`, s.ID).Scan(&count); err != nil {
		return false, fmt.Errorf("remove %s from %s: %w", product, s.ID, err)
	}
	return true, outbox.Event(ctx, tx, s.ID, catalogEvent(count))
}

// CatalogEvents is the catalog.set of every open show that sells a product. Whoever changed the product writes them,
// with what else those shows say about it, in one outbox.Events (see price.Announce).
func CatalogEvents(ctx context.Context, tx pgx.Tx, id commerce.ProductID) (map[commerce.ShowID]outbox.EventRow, error) {
	rows, err := tx.Query(ctx, `
		select l.show, (select count(*) from show_product c where c.show = l.show)
		from show_product l join show s on s.id = l.show where l.product = $1 and s.state <> 'ended'`, id)
	if err != nil {
		return nil, fmt.Errorf("shows that sell %s: %w", id, err)
	}
	events := map[commerce.ShowID]outbox.EventRow{}
	var show commerce.ShowID
	var count int
	_, err = pgx.ForEachRow(rows, []any{&show, &count}, func() error {
		events[show] = catalogEvent(count)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("shows that sell %s: %w", id, err)
	}
	return events, nil
}

// Pin puts a product of the run sheet on the screen of a show that the caller has locked; nil takes it off. The creator
// says when they pressed, in Unix milliseconds of the server's clock; nil, what is to come and what is longer ago than
// PinLag mean now. What is pinned already stays, without an event.
func Pin(ctx context.Context, tx pgx.Tx, s Show, product *commerce.ProductID, pressed *int64) error {
	if s.State == Ended {
		return ErrEnded
	}
	if same(s.Pin, product) {
		return nil
	}
	var at int64
	err := tx.QueryRow(ctx, `
		update show set pin = $2, pinned_at = case when $3::bigint between t.ms - $4 and t.ms then $3 else t.ms end
		from (select floor(extract(epoch from now()) * 1000)::bigint as ms) t
		where id = $1 and ($2::uuid is null or exists (select from show_product where show = $1 and product = $2))
		returning pinned_at`, s.ID, product, pressed, PinLag.Milliseconds()).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotListed
	}
	if err != nil {
		return fmt.Errorf("pin in %s: %w", s.ID, err)
	}
	return outbox.Event(ctx, tx, s.ID, pinEvent(product, at))
}

func same(a, b *commerce.ProductID) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

// Events is what this package lets a show say at one moment, as a person who joins needs it: show.state, pin.set and
// catalog.set. Read it in a schema.Snapshot together with outbox.Seq, which is the version of all of them.
// (price.set, stock.set and drop.set come from the packages of those names.)
func Events(ctx context.Context, q schema.Querier, id commerce.ShowID) ([]outbox.EventRow, error) {
	s, err := Get(ctx, q, id)
	if err != nil {
		return nil, err
	}
	ids, err := Products(ctx, q, id)
	if err != nil {
		return nil, err
	}
	return []outbox.EventRow{s.stateEvent(), pinEvent(s.Pin, s.PinnedAt), catalogEvent(len(ids))}, nil
}

func pinEvent(product *commerce.ProductID, at int64) outbox.EventRow {
	return outbox.EventRow{Type: "pin.set", Key: "pin", Class: outbox.Lossless, Urgent: true, Data: PinSet{Product: product, PinnedAt: at}}
}

func catalogEvent(count int) outbox.EventRow {
	return outbox.EventRow{Type: "catalog.set", Key: "catalog", Class: outbox.Lossless, Data: CatalogSet{Count: count}}
}
