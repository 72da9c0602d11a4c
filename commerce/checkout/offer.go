package checkout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/singleflight"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/ledger"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/stock"
)

// maxOffers bounds what is remembered; beyond it everything is read again.
const maxOffers = 4096

// offer is what a buyer sees: a thing at a price, and the version that both belong to.
type offer struct {
	show    commerce.ShowID
	variant commerce.VariantID
	pool    commerce.PoolID
	product commerce.ProductID
	title   string
	unit    money.Amount
	version int64
	creator commerce.AccountID
	ended   bool
}

type offerKey struct {
	show    commerce.ShowID
	variant commerce.VariantID
}

// offers remembers what was read, so that a tap that loses costs Postgres nothing. An old offer does no harm:
// the gate and the claim compare its version.
type offers struct {
	db    schema.Querier // static after New
	reads singleflight.Group

	mu    sync.Mutex
	known map[offerKey]offer // guarded by mu
}

func (o *offers) get(ctx context.Context, key offerKey) (offer, error) {
	o.mu.Lock()
	found, ok := o.known[key]
	o.mu.Unlock()
	if ok {
		return found, nil
	}
	// Detached: whoever comes first may leave, the others still want the answer.
	read := o.reads.DoChan(string(key.show[:])+string(key.variant[:]), func() (any, error) {
		return readOffer(context.WithoutCancel(ctx), o.db, key)
	})
	select {
	case <-ctx.Done():
		return offer{}, context.Cause(ctx)
	case got := <-read:
		if got.Err != nil {
			return offer{}, got.Err
		}
		found = got.Val.(offer)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known == nil || len(o.known) >= maxOffers {
		o.known = map[offerKey]offer{}
	}
	o.known[key] = found
	return found, nil
}

func (o *offers) forget(key offerKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.known, key)
}

// readOffer sees price and version in one statement, as the transaction that changed them wrote them.
func readOffer(ctx context.Context, q schema.Querier, key offerKey) (offer, error) {
	o := offer{show: key.show, variant: key.variant}
	var currency, product, variant string
	err := q.QueryRow(ctx, `
		select p.id, p.offer_version, v.amount, v.currency, v.title, d.id, d.title, s.creator, s.state = 'ended'
		from pool p join variant v on v.id = p.variant join product d on d.id = v.product join show s on s.id = p.show
		where p.show = $1 and p.variant = $2`, key.show, key.variant).
		Scan(&o.pool, &o.version, &o.unit.Minor, &currency, &variant, &o.product, &product, &o.creator, &o.ended)
	if errors.Is(err, pgx.ErrNoRows) {
		return offer{}, fmt.Errorf("%w: %s", ErrNotSold, key.variant)
	}
	if err != nil {
		return offer{}, fmt.Errorf("read the offer of %s: %w", key.variant, err)
	}
	o.unit.Currency = money.Currency(currency)
	o.title = product
	if variant != "" {
		o.title += ", " + variant
	}
	return o, nil
}

// forgetPools lets new titles show at once; prices are compared anyway.
func (o *offers) forgetPools(pools []commerce.PoolID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.DeleteFunc(o.known, func(_ offerKey, known offer) bool { return slices.Contains(pools, known.pool) })
}

// sale is the ledger's side of an order: the provider owes us the money, and we owe it to the creator.
func (s *Service) sale(ctx context.Context, tx pgx.Tx, h stock.Hold, p payment.Payment) (ledger.Transaction, error) {
	of, err := readOffer(ctx, tx, offerKey{h.Show, h.Variant})
	if err != nil {
		return ledger.Transaction{}, err
	}
	return ledger.Transaction{
		Ref: "sale:" + p.Order.String(), Kind: "sale", Currency: p.Amount.Currency,
		Sides: []ledger.Side{
			{Account: ledger.ProviderReceivable(p.Provider), Minor: p.Amount.Minor},
			{Account: ledger.CreatorPayable(of.creator), Minor: -p.Amount.Minor},
		},
	}, nil
}
