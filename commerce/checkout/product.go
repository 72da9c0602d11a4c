package checkout

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/price"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

// DefaultCap is how many units of one variant one buyer may have in a show.
const DefaultCap = 10

// SaveProduct writes a product and its prices. Where it is on sale a hold at an old price commits nothing after this,
// and the audience of every open show that sells it is told. After the commit the caller hands the pools to Changed.
//
// Errors: catalog's.
func SaveProduct(ctx context.Context, tx pgx.Tx, e catalog.Edit) (catalog.Saved, []commerce.PoolID, error) {
	saved, pools, ended, err := save(ctx, tx, e)
	if err != nil || !saved.Changed || saved.Created {
		return saved, pools, err
	}
	return saved, pools, price.Announce(ctx, tx, e.ID, ended...)
}

// save writes a product, and begins a new offer wherever a variant is sold whose price is another now. ended is where
// that was the end of a flash price.
func save(ctx context.Context, tx pgx.Tx, e catalog.Edit) (saved catalog.Saved, pools []commerce.PoolID, ended []stock.Level, err error) {
	if saved, err = catalog.Save(ctx, tx, e); err != nil {
		return catalog.Saved{}, nil, nil, err
	}
	if len(saved.Repriced) > 0 {
		pools, ended, err = price.Reprice(ctx, tx, saved.Repriced...)
	}
	return saved, pools, ended, err
}

// PutProduct puts a product with one variant on sale in a show that the caller has locked: the product and its price,
// its place on the run sheet, its units, and what the audience is told, all with tx. Doing it again with other
// content changes it. After the commit the caller hands the pools to Changed.
//
// Errors: catalog's, show.ErrEnded, show.ErrFull, stock.ErrQuantity.
func PutProduct(ctx context.Context, tx pgx.Tx, s show.Show, e catalog.Edit, units int) (catalog.Product, []commerce.PoolID, error) {
	saved, pools, ended, err := save(ctx, tx, e)
	if err != nil {
		return catalog.Product{}, nil, err
	}
	supplied, err := supply(ctx, tx, s, saved.Product, e.Variants[0].ID, units, ended...)
	return saved.Product, append(pools, supplied...), err
}

// PutStock puts one's own variant on sale in a show that the caller has locked, or changes its number of units. After
// the commit the caller hands the pools to Changed.
//
// Errors: catalog.ErrUnknown, catalog.ErrNotYours, show.ErrNoSupplier, show.ErrEnded, show.ErrFull, stock.ErrQuantity.
func PutStock(ctx context.Context, tx pgx.Tx, s show.Show, by account.Account, variant commerce.VariantID, units int) (catalog.Product, []commerce.PoolID, error) {
	// Locked: a price that changes at this moment finds the product on the run sheet, or is here already.
	p, err := catalog.LockOf(ctx, tx, variant)
	if err != nil {
		return catalog.Product{}, nil, err
	}
	if p.Owner != by.ID {
		return catalog.Product{}, nil, catalog.ErrNotYours
	}
	if err := s.MaySupply(ctx, tx, by); err != nil {
		return catalog.Product{}, nil, err
	}
	pools, err := supply(ctx, tx, s, p, variant, units)
	return p, pools, err
}

// supply makes sure of a place on the run sheet, sets the units of one variant, and tells the audience: of other levels
// that have changed, too.
func supply(ctx context.Context, tx pgx.Tx, s show.Show, p catalog.Product, variant commerce.VariantID, units int,
	others ...stock.Level) ([]commerce.PoolID, error) {
	if _, err := show.AddProduct(ctx, tx, s, p.ID); err != nil {
		return nil, err
	}
	level, err := stock.Put(ctx, tx, stock.Supply{
		Pool: commerce.NewID[commerce.PoolID](), Show: s.ID, Variant: variant, OnHand: units, Cap: DefaultCap,
	})
	if err != nil {
		return nil, err
	}
	if _, err := stock.Reopen(ctx, tx, level.Pool); err != nil { // it may have been taken off before
		return nil, err
	}
	return []commerce.PoolID{level.Pool}, price.Announce(ctx, tx, p.ID, append(others, level)...)
}

// TakeOff takes a product off a show that the caller has locked: its creator decides what it sells, whoever put it
// there, and the audience reads that nothing is left of it. Holds that there are can still be paid. Twice is once. After the commit the caller hands the pools to Changed.
//
// Errors: catalog.ErrUnknown, show.ErrEnded.
func TakeOff(ctx context.Context, tx pgx.Tx, s show.Show, product commerce.ProductID) ([]commerce.PoolID, error) {
	p, err := catalog.Get(ctx, tx, product)
	if err != nil {
		return nil, err
	}
	variants := make([]commerce.VariantID, 0, len(p.Variants))
	for _, v := range p.Variants {
		variants = append(variants, v.ID)
	}
	pools, err := stock.Withdraw(ctx, tx, s.ID, variants...)
	if err != nil {
		return nil, err
	}
	if _, err := show.RemoveProduct(ctx, tx, s, product); err != nil {
		return nil, err
	}
	levels, err := stock.Levels(ctx, tx, s.ID)
	if err != nil {
		return nil, err
	}
	var gone []outbox.EventRow
	for _, l := range levels {
		if slices.Contains(pools, l.Pool) {
			gone = append(gone, l.Event())
		}
	}
	return pools, outbox.Event(ctx, tx, s.ID, gone...)
}

// Close ends the sale of a show with tx, which ends the show too; call it before the show's own events are
// written. Holds that there are can still be paid. After the commit the caller hands the pools to Changed.
func Close(ctx context.Context, tx pgx.Tx, id commerce.ShowID) ([]commerce.PoolID, error) {
	return stock.Close(ctx, tx, id)
}

// Changed makes what PutProduct, PutStock, SaveProduct, TakeOff or Close have committed count everywhere at once.
func (s *Service) Changed(ctx context.Context, pools ...commerce.PoolID) {
	s.offers.forgetPools(pools)
	s.Stock.Changed(ctx, pools...)
	s.Kick()
}
