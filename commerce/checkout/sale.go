package checkout

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/ledger"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
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

// creators remembers whose shows are: that never changes.
type creators struct {
	mu    sync.Mutex
	known map[commerce.ShowID]commerce.AccountID // guarded by mu
}

// maxCreators bounds what is remembered; beyond it everything is read again.
const maxCreators = 4096

// of answers whose some shows are. One that is not there has nobody.
func (c *creators) of(ctx context.Context, q schema.Querier, shows map[commerce.ShowID]bool) (map[commerce.ShowID]commerce.AccountID, error) {
	found := make(map[commerce.ShowID]commerce.AccountID, len(shows))
	var unknown []commerce.ShowID
	c.mu.Lock()
	for show := range shows {
		if creator, ok := c.known[show]; ok {
			found[show] = creator
		} else {
			unknown = append(unknown, show)
		}
	}
	c.mu.Unlock()
	if len(unknown) == 0 {
		return found, nil
	}
	rows, err := q.Query(ctx, `select id, creator from show where id = any($1)`, unknown)
	if err == nil {
		var show commerce.ShowID
		var creator commerce.AccountID
		_, err = pgx.ForEachRow(rows, []any{&show, &creator}, func() error { found[show] = creator; return nil })
	}
	if err != nil {
		return nil, fmt.Errorf("creators of shows: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= maxCreators {
		c.known = map[commerce.ShowID]commerce.AccountID{}
	}
	maps.Copy(c.known, found)
	return found, nil
}
