package checkout

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/ledger"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/stock"
)

// sale is the ledger's side of an order: the provider owes us the money, and we owe it on, the tax to its region and
// everything else to the creator.
func (s *Service) sale(ctx context.Context, tx pgx.Tx, h stock.Hold, p payment.Payment) (ledger.Transaction, error) {
	of, err := readOffer(ctx, tx, offerKey{h.Show, h.Variant})
	if err != nil {
		return ledger.Transaction{}, err
	}
	o, err := order.Get(ctx, tx, p.Order)
	if err != nil {
		return ledger.Transaction{}, err
	}
	tax := o.Costs.Tax
	sides := []ledger.Side{{Account: ledger.ProviderReceivable(p.Provider), Minor: p.Amount.Minor}}
	for _, owed := range []ledger.Side{
		{Account: ledger.CreatorPayable(of.creator), Minor: tax.Amount.Minor - p.Amount.Minor},
		{Account: ledger.TaxPayable(tax.Region), Minor: -tax.Amount.Minor},
	} {
		if owed.Minor != 0 {
			sides = append(sides, owed)
		}
	}
	return ledger.Transaction{Ref: "sale:" + p.Order.String(), Kind: "sale", Currency: p.Amount.Currency, Sides: sides}, nil
}
