package rush

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

// stall is a show that sells one thing.
type stall struct {
	show    commerce.ShowID
	variant commerce.VariantID
	pool    commerce.PoolID
}

// sell tidies up after the parts before, and opens a show that has so many units of one thing. One buyer may have any number of
// it: the same browsers buy again and again here.
func (b *bench) sell(ctx context.Context, units int) (s stall, err error) {
	if _, err := b.db.Exec(ctx, `vacuum analyze hold, pool, outbox, orders, order_line, order_delivery, payment, ledger_transaction`); err != nil {
		return s, fmt.Errorf("tidy up: %w", err)
	}
	s = stall{show: commerce.NewID[commerce.ShowID](), variant: commerce.NewID[commerce.VariantID]()}
	creator := account.Account{ID: commerce.NewID[commerce.AccountID](), Name: "Mara", Roles: []account.Role{account.Creator}}
	err = schema.InTx(ctx, b.db, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		if _, err := tx.Exec(ctx, `insert into account (id, email, name, roles, password_hash) values ($1, $2, $3, '{creator}', 'x')`,
			creator.ID, creator.ID.String()+"@example.com", creator.Name); err != nil {
			return err
		}
		made, _, err := show.Save(ctx, tx, now, creator, show.Edit{ID: s.show, Title: "A rush"})
		if err != nil {
			return err
		}
		_, pools, err := checkout.PutProduct(ctx, tx, made, catalog.Edit{
			ID: commerce.NewID[commerce.ProductID](), Owner: creator.ID, Title: "Copper pan 28 cm",
			Variants: []catalog.Variant{{ID: s.variant, Amount: 4900, Currency: "EUR"}},
		}, units)
		if err != nil {
			return err
		}
		s.pool = pools[0]
		_, err = tx.Exec(ctx, `update pool set buyer_cap = 0 where id = any($1)`, pools)
		return err
	})
	if err != nil {
		return s, fmt.Errorf("open a show: %w", err)
	}
	return s, nil
}
