package checkout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/singleflight"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
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
	quote   // the standing price
	timed   *timedQuote
	creator commerce.AccountID // of the show
	owner   commerce.AccountID // of the product
	ended   bool

	dbNow time.Time // the database's time when it was read
	read  time.Time // ours then
}

// quote is one of an offer's prices.
type quote struct {
	unit    money.Amount
	version int64
}

// timedQuote is a price that holds in [opens, closes), while there are units at it.
type timedQuote struct {
	quote
	opens, closes time.Time
	left          *int // when it was read; nil: no cap
}

// now is the database's time, as far as this node can tell. An error of it costs a second look, no money: gate and
// claim judge by their own clocks.
func (o offer) now() time.Time { return o.dbNow.Add(time.Since(o.read)) }

// present is the price that a tap for so many units has now.
func (o offer) present(quantity int) quote {
	if t, now := o.timed, o.now(); t != nil && !now.Before(t.opens) && now.Before(t.closes) && (t.left == nil || *t.left >= quantity) {
		return t.quote
	}
	return o.quote
}

// other is the price that a tap has when it is not q.
func (o offer) other(q quote) quote {
	if o.timed != nil && q.version != o.timed.version {
		return o.timed.quote
	}
	return o.quote
}

// choose is the price at which to tap. refused is the version that has just been refused, 0 for none. ok is false when
// the buyer must be asked: the price that they were shown is not to be had.
func (o offer) choose(r HoldRequest, refused int64) (q quote, ok bool) {
	if r.Unit == nil {
		if q = o.present(r.Quantity); q.version == refused {
			q = o.other(q) // the last unit at a price may just have gone, or come back
		}
		return q, q.version != refused
	}
	switch shown := *r.Unit; {
	case o.timed != nil && o.timed.unit.Minor == shown:
		q = o.timed.quote
	case o.unit.Minor == shown:
		q = o.quote
	default:
		// A price of the past: refused, unless this very hold was made at it before.
		return quote{unit: money.Amount{Minor: shown, Currency: o.unit.Currency}, version: noVersion}, refused != noVersion
	}
	return q, q.version != refused
}

// noVersion is the version of no offer.
const noVersion = -1

type offerKey struct {
	show    commerce.ShowID
	variant commerce.VariantID
}

func (k offerKey) text() string { return string(k.show[:]) + string(k.variant[:]) }

// take taps at the price that the buyer was shown, or at the present one when they do not say what they saw. A price
// that was read a while ago is read again before the buyer hears of it. Nobody pays another price than they were
// shown: the error is then a *PriceError. The offer is the last one that was read.
func (s *Service) take(ctx context.Context, r HoldRequest) (stock.Hold, offer, error) {
	key := offerKey{r.Show, r.Variant}
	var refused int64
	for try := 1; ; try++ {
		o, err := s.offers.get(ctx, key)
		if err != nil {
			return stock.Hold{}, offer{}, err
		}
		q, ok := o.choose(r, refused)
		if !ok || try > priceTries {
			return stock.Hold{}, o, o.changed(r, refused)
		}
		h, err := s.Stock.Hold(ctx, stock.Tap{
			ID: r.ID, Pool: o.pool, Buyer: r.Buyer, Quantity: r.Quantity, Unit: q.unit, Offer: max(q.version, 0), Source: r.Source,
		})
		if !errors.Is(err, stock.ErrOfferChanged) {
			return h, o, err
		}
		refused = q.version
		s.offers.forget(key, o)
		if errors.Is(err, stock.ErrGone) { // the id is used up: only the buyer can make a new one
			if o, err = s.offers.get(ctx, key); err != nil {
				return stock.Hold{}, offer{}, err
			}
			return stock.Hold{}, o, o.changed(r, refused)
		}
	}
}

// changed tells the price that a tap has which was refused at another.
func (o offer) changed(r HoldRequest, refused int64) error {
	q := o.present(r.Quantity)
	if q.version == refused {
		q = o.other(q)
	}
	return &PriceError{Price: q.unit}
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
	read := o.reads.DoChan(key.text(), func() (any, error) {
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

// forget makes the next tap read an offer again, unless somebody has done so since.
func (o *offers) forget(key offerKey, old offer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known[key].read.Equal(old.read) {
		delete(o.known, key)
		o.reads.Forget(key.text()) // one that began before may not see the change
	}
}

// readOffer sees prices and versions in one statement, as the transaction that changed them wrote them.
func readOffer(ctx context.Context, q schema.Querier, key offerKey) (offer, error) {
	rows, err := q.Query(ctx, offerSQL, []commerce.ShowID{key.show}, []commerce.VariantID{key.variant})
	if err != nil {
		return offer{}, fmt.Errorf("read the offer of %s: %w", key.variant, err)
	}
	o, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (offer, error) { return scanOffer(row) })
	if errors.Is(err, pgx.ErrNoRows) {
		return offer{}, fmt.Errorf("%w: %s", ErrNotSold, key.variant)
	}
	if err != nil {
		return offer{}, fmt.Errorf("read the offer of %s: %w", key.variant, err)
	}
	return o, nil
}

// queueOffers is readOffer of some keys as a part of a batch. The offers are there when it has been sent.
func queueOffers(batch *pgx.Batch, keys map[offerKey]bool) map[offerKey]offer {
	var shows []commerce.ShowID
	var variants []commerce.VariantID
	for key := range keys {
		shows, variants = append(shows, key.show), append(variants, key.variant)
	}
	offers := make(map[offerKey]offer, len(keys))
	batch.Queue(offerSQL, shows, variants).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			o, err := scanOffer(rows)
			if err != nil {
				return err
			}
			offers[offerKey{o.show, o.variant}] = o
		}
		return rows.Err()
	})
	return offers
}

const offerSQL = `
	select p.show, p.variant, p.id, p.offer_version, v.amount, v.currency, v.title, d.id, d.title, d.owner, s.creator, s.state = 'ended', clock_timestamp(),
		f.version, f.amount, f.starts_at, ` + stock.TimedCloses + `, case when p.timed_cap > 0 then least(p.timed_cap - p.timed_taken, p.on_hand - p.taken) end
	from unnest($1::uuid[], $2::uuid[]) as w(show, variant) join pool p on p.show = w.show and p.variant = w.variant
		join variant v on v.id = p.variant join product d on d.id = v.product join show s on s.id = p.show
		left join flash f on f.pool = p.id and f.version = p.timed_version`

func scanOffer(row pgx.Row) (offer, error) {
	o := offer{read: time.Now()}
	var (
		currency, product, variant string
		version, amount            *int64
		opens, closes              *time.Time
		left                       *int
	)
	err := row.Scan(&o.show, &o.variant, &o.pool, &o.version, &o.unit.Minor, &currency, &variant, &o.product, &product, &o.owner, &o.creator, &o.ended, &o.dbNow,
		&version, &amount, &opens, &closes, &left)
	if err != nil {
		return offer{}, err
	}
	o.unit.Currency = money.Currency(currency)
	if version != nil {
		o.timed = &timedQuote{opens: *opens, closes: *closes, left: left, quote: quote{
			unit: money.Amount{Minor: *amount, Currency: o.unit.Currency}, version: *version,
		}}
	}
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
