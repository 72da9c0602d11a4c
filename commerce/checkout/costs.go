package checkout

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/money"
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
	of := s.sent(h, to)
	if of.Goods, err = h.Total(); err != nil {
		return delivery.Costs{}, err
	}
	return delivery.Quote(ctx, s.Pool, of)
}

// sent is where a hold's goods shall go, and in which money they are paid.
func (s *Service) sent(h stock.Hold, to delivery.Address) delivery.Order {
	return delivery.Order{Goods: money.Amount{Currency: h.Unit.Currency}, Home: s.Home, To: to}
}

// charged is what an order of r is charged: the costs now, which must be those that the page showed.
func (s *Service) charged(quotes delivery.Quotes, h stock.Hold, r PayRequest) (costs delivery.Costs, err error) {
	of := s.sent(h, r.Delivery)
	if of.Goods, err = h.Total(); err != nil {
		return delivery.Costs{}, err
	}
	if costs, err = quotes.Of(of); err != nil {
		return delivery.Costs{}, err
	}
	if r.Total != nil && *r.Total != costs.Total.Minor {
		return delivery.Costs{}, &CostsError{Costs: costs}
	}
	return costs, nil
}

// save keeps the address where the buyer has asked for it. A guest has no place to keep one.
func (r PayRequest) save(batch *pgx.Batch) {
	if account, _, err := commerce.ParseSubject(r.Buyer); r.Save && err == nil && !account.IsZero() {
		delivery.QueueSave(batch, account, r.Delivery)
	}
}
