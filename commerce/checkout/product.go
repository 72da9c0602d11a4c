package checkout

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

// DefaultCap is how many units of one variant one buyer may have in a show.
const DefaultCap = 10

// PutProduct puts a product on sale in a show that the caller has locked: the product and its price, its place
// on the run sheet, its units, and what the audience is told, all with tx. Doing it again with other content
// changes it. After the commit the caller hands the pools to Changed.
//
// Errors: catalog's, show.ErrEnded, show.ErrFull, stock.ErrQuantity.
func PutProduct(ctx context.Context, tx pgx.Tx, s show.Show, e catalog.Edit, units int) (catalog.Product, []commerce.PoolID, error) {
	before, err := price(ctx, tx, e.Variant.ID)
	if err != nil {
		return catalog.Product{}, nil, err
	}
	p, err := catalog.Save(ctx, tx, e)
	if err != nil {
		return catalog.Product{}, nil, err
	}
	if _, err := show.AddProduct(ctx, tx, s, p.ID); err != nil {
		return catalog.Product{}, nil, err
	}
	var pools []commerce.PoolID
	if before != nil && (before.Amount != e.Variant.Amount || before.Currency != e.Variant.Currency) {
		// In every show that sells it: a hold at the old price must not commit after this.
		if pools, err = stock.Reprice(ctx, tx, e.Variant.ID); err != nil {
			return catalog.Product{}, nil, err
		}
	}
	level, err := stock.Put(ctx, tx, stock.Supply{
		Pool: commerce.NewID[commerce.PoolID](), Show: s.ID, Variant: e.Variant.ID, OnHand: units, Cap: DefaultCap,
	})
	if err != nil {
		return catalog.Product{}, nil, err
	}
	if err := show.Announce(ctx, tx, p.ID); err != nil {
		return catalog.Product{}, nil, err
	}
	return p, append(pools, level.Pool), outbox.Event(ctx, tx, s.ID, level.Event())
}

// price is what a variant costs until now; nil when it is new.
func price(ctx context.Context, tx pgx.Tx, id commerce.VariantID) (*catalog.Variant, error) {
	rows, err := tx.Query(ctx, `select id, title, amount, currency from variant where id = $1`, id)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[catalog.Variant])
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// Close ends the sale of a show with tx, which ends the show too; call it before the show's own events are
// written. Holds that there are can still be paid. After the commit the caller hands the pools to Changed.
func Close(ctx context.Context, tx pgx.Tx, id commerce.ShowID) ([]commerce.PoolID, error) {
	return stock.Close(ctx, tx, id)
}

// Changed makes what PutProduct or Close have committed count everywhere at once.
func (s *Service) Changed(ctx context.Context, pools ...commerce.PoolID) {
	s.offers.forgetPools(pools)
	s.Stock.Changed(ctx, pools...)
	s.Kick()
}
