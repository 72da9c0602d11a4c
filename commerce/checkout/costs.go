package checkout

import (
	"context"
	"errors"
	"fmt"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/delivery"
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
