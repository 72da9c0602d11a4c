package checkout

import (
	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/ledger"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
)

// sale is the ledger's side of an order: the provider owes us the money, and we owe it on, the tax to its region and
// everything else to the creator of its show.
func sale(p payment.Payment, r order.Receipt, creator commerce.AccountID) ledger.Transaction {
	sides := []ledger.Side{{Account: ledger.ProviderReceivable(p.Provider), Minor: p.Amount.Minor}}
	for _, owed := range []ledger.Side{
		{Account: ledger.CreatorPayable(creator), Minor: r.Tax.Minor - p.Amount.Minor},
		{Account: ledger.TaxPayable(r.Region), Minor: -r.Tax.Minor},
	} {
		if owed.Minor != 0 {
			sides = append(sides, owed)
		}
	}
	return ledger.Transaction{Ref: "sale:" + p.Order.String(), Kind: "sale", Currency: p.Amount.Currency, Sides: sides}
}

// queueCreators adds to a batch the question whose shows some orders are of. The answers are there when it has been sent.
func queueCreators(batch *pgx.Batch, ids []commerce.OrderID) map[commerce.ShowID]commerce.AccountID {
	creators := map[commerce.ShowID]commerce.AccountID{}
	batch.Queue(`select distinct s.id, s.creator from unnest($1::uuid[]) as w(id) join orders o on o.id = w.id join show s on s.id = o.show`, ids).Query(func(rows pgx.Rows) error {
		var show commerce.ShowID
		var creator commerce.AccountID
		_, err := pgx.ForEachRow(rows, []any{&show, &creator}, func() error { creators[show] = creator; return nil })
		return err
	})
	return creators
}
