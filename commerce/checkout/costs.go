package checkout

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/stock"
)

// CostsError says that an order does not cost what the page showed, and what it costs.
type CostsError struct{ Costs delivery.Costs }

func (e *CostsError) Error() string { return "the total is " + e.Costs.Total.String() + " by now" }

// Is lets errors.Is see the kind.
func (e *CostsError) Is(target error) bool { return target == ErrTotal }

// ErrTotal: an order does not cost what the page showed. The error is a *CostsError.
var ErrTotal = errors.New("the total has changed")

// Costs says what a hold's order would cost, for its buyer: what is charged, unless a rate or tax changes meanwhile.
// Of to only the country and the region count. Errors: ErrUnknown, ErrGone, delivery.ErrUnavailable, delivery.ErrRegion,
// money.ErrRange.
func (s *Service) Costs(ctx context.Context, id commerce.HoldID, buyer string, to delivery.Address) (delivery.Costs, error) {
	h, err := stock.Find(ctx, s.Pool, id)
	switch {
	case errors.Is(err, stock.ErrUnknown) || err == nil && (h.Buyer != buyer || buyer == ""):
		return delivery.Costs{}, fmt.Errorf("%w: hold %s", ErrUnknown, id)
	case err != nil:
		return delivery.Costs{}, err
	case !h.State.Live():
		return delivery.Costs{}, ErrGone
	}
	return s.costs(ctx, s.Pool, h, to)
}

func (s *Service) costs(ctx context.Context, q schema.Querier, h stock.Hold, to delivery.Address) (delivery.Costs, error) {
	goods, err := h.Total()
	if err != nil {
		return delivery.Costs{}, err
	}
	return delivery.Quote(ctx, q, delivery.Order{Goods: goods, Home: s.Home, To: to})
}

// charged is what an order of r is charged: the costs now, which must be those that the page showed.
func (s *Service) charged(ctx context.Context, q schema.Querier, h stock.Hold, r PayRequest) (delivery.Costs, error) {
	costs, err := s.costs(ctx, q, h, r.Delivery)
	if err != nil {
		return delivery.Costs{}, err
	}
	if r.Total != nil && *r.Total != costs.Total.Minor {
		return delivery.Costs{}, &CostsError{Costs: costs}
	}
	return costs, nil
}

// order is the order that r asks for, at the costs of now.
func (s *Service) order(ctx context.Context, tx pgx.Tx, h stock.Hold, r PayRequest) (order.Order, error) {
	of, err := readOffer(ctx, tx, offerKey{h.Show, h.Variant})
	if err != nil {
		return order.Order{}, err
	}
	costs, err := s.charged(ctx, tx, h, r)
	return order.Order{
		ID: r.Order, Hold: h.ID, Show: h.Show, Buyer: r.Buyer, Email: r.Email, Name: r.Name, Costs: costs, Delivery: &r.Delivery,
		Lines: []order.Line{{Variant: h.Variant, Product: of.product, Title: of.title, Quantity: h.Quantity, Unit: h.Unit, Owner: of.owner}},
	}, err
}

// save keeps the address where the buyer has asked for it. A guest has no place to keep one.
func (r PayRequest) save(ctx context.Context, tx pgx.Tx) error {
	account, _, err := commerce.ParseSubject(r.Buyer)
	if !r.Save || err != nil || account.IsZero() {
		return nil
	}
	return delivery.Save(ctx, tx, account, r.Delivery)
}
