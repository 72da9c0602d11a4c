package checkout

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/stock"
)

// Mine is what a buyer has under way.
type Mine struct {
	// Version grows with every commit that changes a hold, an order or the way an order's payment reads to this buyer,
	// and with nothing else: it is the number of those changes. Two readings with the same version list the same, but for holds whose time has
	// passed in between.
	Version int64
	Holds   []Held        // that can be paid, or are being paid; newest first
	Orders  []order.Order // the newest; see order.PageSize
	// Payments are those of Orders.
	Payments map[commerce.OrderID]payment.Payment
}

// Mine reads it at one moment. A buyer "" has nothing.
func (s *Service) Mine(ctx context.Context, buyer string) (m Mine, err error) {
	if buyer == "" {
		return Mine{}, nil
	}
	err = schema.Snapshot(ctx, s.Pool, func(ctx context.Context, q schema.Querier, _ time.Time) error {
		m = Mine{}
		versions, err := versions(ctx, q, []string{buyer})
		if err != nil {
			return err
		}
		m.Version = versions[buyer]
		page, err := order.ListMine(ctx, q, buyer, "")
		if err != nil {
			return err
		}
		m.Orders = page.Orders
		if m.Payments, err = payment.OfOrders(ctx, q, order.IDs(m.Orders)); err != nil {
			return err
		}
		holds, err := stock.ListMine(ctx, q, buyer)
		if err != nil {
			return err
		}
		for _, h := range holds {
			held, err := heldOf(h, func(key offerKey) (offer, error) { return readOffer(ctx, q, key) })
			if err != nil {
				return err
			}
			m.Holds = append(m.Holds, held)
		}
		return nil
	})
	return m, err
}

// Versions is Mine.Version of several buyers at one moment; who has nothing has 0.
func Versions(ctx context.Context, pool *pgxpool.Pool, buyers []string) (of map[string]int64, err error) {
	err = schema.Snapshot(ctx, pool, func(ctx context.Context, q schema.Querier, _ time.Time) (err error) {
		of, err = versions(ctx, q, buyers)
		return err
	})
	return of, err
}

func versions(ctx context.Context, q schema.Querier, buyers []string) (map[string]int64, error) {
	of, err := stock.Changes(ctx, q, buyers)
	if err != nil {
		return nil, err
	}
	orders, err := order.Changes(ctx, q, buyers)
	if err != nil {
		return nil, err
	}
	for buyer, n := range orders {
		of[buyer] += n
	}
	return of, nil
}
