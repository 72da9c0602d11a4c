package stock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
)

// Level is how many units of a pool can be had.
type Level struct {
	Pool    commerce.PoolID
	Show    commerce.ShowID
	Variant commerce.VariantID
	OnHand  int
	Left    int
	// Offer is the version of the pool's offer; a Tap repeats it.
	Offer int64
	// Cap is how many units one buyer may have; 0: no limit.
	Cap int
	// Timed is the version of the timed offer, 0 when there is none.
	Timed int64
	// TimedLeft is how many units can be had at the timed offer, never more than Left; nil when it has no cap.
	TimedLeft *int
	// usedUp says that the change which made this level took the last of them.
	usedUp bool
}

// StockSet is the data of the event stock.set: what is left of a variant in a show.
// FlashLeft is what is left at the flash price (the pool's timed offer), null when it has no cap or there is none.
type StockSet struct {
	Variant   commerce.VariantID `json:"variant"`
	Pool      commerce.PoolID    `json:"pool"`
	Left      int                `json:"left"`
	FlashLeft *int               `json:"flash_left"`
}

// Event is what the show says about this level. Sold out is urgent: nobody should tap in vain for a tick. So is the
// end of the timed offer's units, when they end: not again with every unit that is sold after them.
func (l Level) Event() outbox.EventRow {
	return outbox.EventRow{
		Type: "stock.set", Key: l.Variant.String(), Class: outbox.Latest, Urgent: l.Left == 0 || l.usedUp,
		Data: StockSet{Variant: l.Variant, Pool: l.Pool, Left: l.Left, FlashLeft: l.TimedLeft},
	}
}

func (l Level) announce(ctx context.Context, tx pgx.Tx) error {
	return outbox.Event(ctx, tx, l.Show, l.Event())
}

// Supply is what a pool is to be. Put it as often as wanted: only differences count.
type Supply struct {
	Pool    commerce.PoolID // used when the pool does not exist yet
	Show    commerce.ShowID
	Variant commerce.VariantID
	OnHand  int
	Cap     int
}

// Put makes the pool of a show's variant, or changes its number of units and its cap. The caller writes the
// level's Event when it has written what else the show says (a stream's row is the last lock), and calls
// Service.Changed after the commit. Fewer units than are taken are refused with ErrQuantity.
func Put(ctx context.Context, tx pgx.Tx, s Supply) (Level, error) {
	if s.OnHand < 0 || s.OnHand > MaxOnHand || s.Cap < 0 {
		return Level{}, fmt.Errorf("%w: %d units, 0 to %d are possible", ErrQuantity, s.OnHand, MaxOnHand)
	}
	row := tx.QueryRow(ctx, `
		insert into pool as p (id, show, variant, on_hand, buyer_cap) values ($1, $2, $3, $4, $5)
		on conflict (show, variant) do update set on_hand = excluded.on_hand, buyer_cap = excluded.buyer_cap,
			epoch = p.epoch + 1, epoch_at = '-infinity'
		returning `+levelColumns,
		s.Pool, s.Show, s.Variant, s.OnHand, s.Cap)
	l, err := scanLevel(row)
	if schema.Violates(err, takenRange) {
		return Level{}, fmt.Errorf("%w: more than %d units are already taken", ErrQuantity, s.OnHand)
	}
	if err != nil {
		return Level{}, fmt.Errorf("put pool of %s: %w", s.Variant, err)
	}
	return l, nil
}

// Reprice begins a new offer version in every pool of the variants, for the transaction that changes their prices: a
// tap at the old price then commits nothing. A timed offer stays. After the commit the caller calls Service.Changed
// with the pools.
func Reprice(ctx context.Context, tx pgx.Tx, variants ...commerce.VariantID) ([]commerce.PoolID, error) {
	return change(ctx, tx, "reprice", `variant = any ($1)`, `offer_last = offer_last + 1, offer_version = offer_last + 1`, variants)
}

// Window is when a pool sells. A zero time is no bound.
type Window struct{ Opens, Closes time.Time }

// SetWindow changes when one pool sells. It fails with ErrUnknown for a pool that is not there. After the commit the
// caller calls Service.Changed with the pool.
func SetWindow(ctx context.Context, tx pgx.Tx, pool commerce.PoolID, w Window) error {
	changed, err := change(ctx, tx, "window", `id = $1`, `opens_at = $2, closes_at = $3`, pool, bound(w.Opens), bound(w.Closes))
	if err == nil && len(changed) == 0 {
		return fmt.Errorf("%w: pool %s", ErrUnknown, pool)
	}
	return err
}

// Close ends the sale in all pools of a show, now. One that was closed before stays as it was. Holds that there
// are can still be paid. After the commit the caller calls Service.Changed with the pools.
func Close(ctx context.Context, tx pgx.Tx, show commerce.ShowID) ([]commerce.PoolID, error) {
	return change(ctx, tx, "close", `show = $1 and (closes_at is null or closes_at > now())`, `closes_at = now()`, show)
}

// change writes pools, locked in id order, and ends their epoch: the gate's copies hold what was before.
func change(ctx context.Context, tx pgx.Tx, what, which, set string, args ...any) ([]commerce.PoolID, error) {
	rows, err := tx.Query(ctx, `
		with own as (select id from pool where `+which+` order by id for no key update)
		update pool p set `+set+`, epoch = epoch + 1, epoch_at = '-infinity'
		from own where p.id = own.id returning p.id`, args...)
	if err != nil {
		return nil, fmt.Errorf("%s of pools: %w", what, err)
	}
	pools, err := pgx.CollectRows(rows, pgx.RowTo[commerce.PoolID])
	if err != nil {
		return nil, fmt.Errorf("%s of pools: %w", what, err)
	}
	return pools, nil
}

func bound(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

const (
	levelColumns = `id, show, variant, on_hand, on_hand - taken, offer_version, buyer_cap, coalesce(timed_version, 0), ` + timedLeft
	levelSQL     = `select ` + levelColumns + ` from pool`
)

// LevelOf reads the pool of a variant in a show.
func LevelOf(ctx context.Context, q schema.Querier, show commerce.ShowID, variant commerce.VariantID) (Level, error) {
	l, err := scanLevel(q.QueryRow(ctx, levelSQL+` where show = $1 and variant = $2`, show, variant))
	if errors.Is(err, pgx.ErrNoRows) {
		return Level{}, fmt.Errorf("%w: variant %s in show %s", ErrUnknown, variant, show)
	}
	if err != nil {
		return Level{}, fmt.Errorf("level of %s: %w", variant, err)
	}
	return l, nil
}

// Levels reads all pools of a show.
func Levels(ctx context.Context, q schema.Querier, show commerce.ShowID) ([]Level, error) {
	rows, err := q.Query(ctx, levelSQL+` where show = $1 order by id`, show)
	if err != nil {
		return nil, fmt.Errorf("levels of %s: %w", show, err)
	}
	levels, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Level, error) { return scanLevel(row) })
	if err != nil {
		return nil, fmt.Errorf("levels of %s: %w", show, err)
	}
	return levels, nil
}

// Events is what a joining viewer must know: one stock.set per pool. Call it in a schema.Snapshot.
func Events(ctx context.Context, q schema.Querier, show commerce.ShowID) ([]outbox.EventRow, error) {
	levels, err := Levels(ctx, q, show)
	if err != nil {
		return nil, err
	}
	rows := make([]outbox.EventRow, len(levels))
	for i, l := range levels {
		rows[i] = l.Event()
	}
	return rows, nil
}

func scanLevel(row pgx.Row) (Level, error) {
	var l Level
	err := row.Scan(&l.Pool, &l.Show, &l.Variant, &l.OnHand, &l.Left, &l.Offer, &l.Cap, &l.Timed, &l.TimedLeft)
	return l, err
}

// Totals is how many units of a show are promised and sold.
type Totals struct{ Held, Sold int }

// TotalsOf reads them; held counts what is being paid too.
func TotalsOf(ctx context.Context, q schema.Querier, show commerce.ShowID) (Totals, error) {
	var t Totals
	err := q.QueryRow(ctx, `
		select coalesce(sum(h.quantity) filter (where h.state in ('held', 'paying')), 0), coalesce(sum(h.quantity) filter (where h.state = 'sold'), 0)
		from pool p join hold h on h.pool = p.id where p.show = $1`, show).Scan(&t.Held, &t.Sold)
	if err != nil {
		return Totals{}, fmt.Errorf("totals of %s: %w", show, err)
	}
	return t, nil
}
