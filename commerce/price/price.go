package price

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

const (
	MinLasts = 10 * time.Second
	MaxLasts = 24 * time.Hour
	// MaxAhead is how far in the future a flash price may start.
	MaxAhead = 24 * time.Hour
	// maxBehind forgives a start that was now when it was asked for.
	maxBehind = time.Minute
	// MaxPerVariant is how many flash prices a variant may have in one show, one after the other.
	MaxPerVariant = 1000
)

// What can be wrong; the texts are for the person who asked.
var (
	ErrPrice    = errors.New("a flash price is at least 0.01 and below the standing price")
	ErrTime     = errors.New("a flash price starts now or within a day, and lasts from 10 seconds to 24 hours")
	ErrCap      = errors.New("a flash price is for at most 1,000,000 units; 0 means as many as there are")
	ErrConflict = errors.New("this id stands for another flash price; make a new id for a new one")
	ErrTooMany  = errors.New("a product has at most 1000 flash prices in one show")
	ErrUnknown  = errors.New("no such flash price in this show")
)

// Wish is a flash price that is asked for. The id is made by the client.
type Wish struct {
	ID      commerce.FlashID
	Variant commerce.VariantID
	Amount  int64 // minor units of the variant's currency
	Starts  *time.Time
	Lasts   time.Duration // whole seconds
	Cap     int           // units in all; 0: no cap
}

// Flash is a price for a while: in [Starts, Ends), for at most Cap units. Times are UTC, in whole milliseconds.
type Flash struct {
	ID       commerce.FlashID
	Show     commerce.ShowID
	Variant  commerce.VariantID
	Pool     commerce.PoolID
	Version  int64 // of the pool's timed offer
	Amount   int64
	Currency string
	Starts   time.Time
	Ends     time.Time
	Cap      int
	Over     bool // cancelled or replaced
	// Stands is since when its clock stands because the creator is off the air: it lasts from when that is over for as long as
	// from Stands to Ends. nil: it runs. Only of a present one.
	Stands *time.Time

	moved time.Duration // how much later than it was made for it ends
	asked *time.Time    // the start that was asked for, nil: at once
}

const columns = `f.id, f.show, f.variant, f.pool, f.version, f.amount, f.currency, f.starts_at, f.ends_at + f.moved, f.cap, f.over_at is not null, f.asked_at, f.moved`

func scan(row pgx.Row, more ...any) (f Flash, err error) {
	into := []any{&f.ID, &f.Show, &f.Variant, &f.Pool, &f.Version, &f.Amount, &f.Currency, &f.Starts, &f.Ends, &f.Cap, &f.Over, &f.asked, &f.moved}
	err = row.Scan(append(into, more...)...)
	f.Starts, f.Ends = f.Starts.UTC(), f.Ends.UTC()
	return f, err
}

// Set puts a flash price on a variant of a show that the caller, the show's creator by, has locked. It takes the place
// of the one that there may be. The same wish again is answered with what it has made, whatever has become of that.
// now is the transaction's time. After the commit the caller hands the pools, if any, to checkout.Service.Changed.
//
// Errors: ErrPrice, ErrTime, ErrCap, ErrConflict, ErrTooMany, show.ErrEnded, show.ErrNotListed.
func Set(ctx context.Context, tx pgx.Tx, now time.Time, s show.Show, by account.Account, w Wish) (Flash, []commerce.PoolID, error) {
	if w.ID.IsZero() || w.Variant.IsZero() {
		return Flash{}, nil, fmt.Errorf("flash price and variant: %w", commerce.ErrID)
	}
	w.Starts = whole(w.Starts)
	before, err := find(ctx, tx, w.ID)
	if err == nil {
		if before.Show != s.ID || !before.made(w) {
			return Flash{}, nil, ErrConflict
		}
		return before, nil, nil
	}
	if !errors.Is(err, ErrUnknown) {
		return Flash{}, nil, err
	}
	if s.State == show.Ended {
		return Flash{}, nil, show.ErrEnded
	}
	f, err := w.flash(now)
	if err != nil {
		return Flash{}, nil, err
	}
	f.Show = s.ID
	p, err := listed(ctx, tx, s.ID, w.Variant)
	if err != nil {
		return Flash{}, nil, err
	}
	v := variantOf(p, w.Variant)
	if w.Amount < catalog.MinAmount || w.Amount >= v.Amount {
		return Flash{}, nil, ErrPrice
	}
	f.Currency = v.Currency
	level, err := f.offer(ctx, tx)
	if err != nil {
		return Flash{}, nil, err
	}
	if err := f.write(ctx, tx, by.ID); err != nil {
		return Flash{}, nil, err
	}
	return f, []commerce.PoolID{f.Pool}, outbox.Event(ctx, tx, s.ID, event(v, &f), level.Event())
}

// flash judges the times and the cap.
func (w Wish) flash(now time.Time) (Flash, error) {
	f := Flash{ID: w.ID, Variant: w.Variant, Amount: w.Amount, Cap: w.Cap, asked: w.Starts, Starts: now.UTC().Truncate(time.Millisecond)}
	if w.Starts != nil {
		f.Starts = *w.Starts
	}
	f.Ends = f.Starts.Add(w.Lasts)
	switch {
	case w.Lasts < MinLasts || w.Lasts > MaxLasts || f.Starts.After(now.Add(MaxAhead)) || f.Starts.Before(now.Add(-maxBehind)) || !f.Ends.After(now):
		return Flash{}, ErrTime
	case w.Cap < 0 || w.Cap > stock.MaxOnHand:
		return Flash{}, ErrCap
	}
	return f, nil
}

// made says whether the flash price is what the wish asks for.
func (f Flash) made(w Wish) bool {
	return f.Variant == w.Variant && f.Amount == w.Amount && f.Cap == w.Cap && f.Ends.Sub(f.Starts)-f.moved == w.Lasts &&
		(f.asked == nil) == (w.Starts == nil) && (f.asked == nil || f.asked.Equal(*w.Starts))
}

// listed locks the product of a variant that the show sells.
func listed(ctx context.Context, tx pgx.Tx, id commerce.ShowID, variant commerce.VariantID) (catalog.Product, error) {
	p, err := catalog.LockOf(ctx, tx, variant)
	if errors.Is(err, catalog.ErrUnknown) {
		return catalog.Product{}, show.ErrNotListed
	}
	if err != nil {
		return catalog.Product{}, err
	}
	var on bool
	if err := tx.QueryRow(ctx, `select exists (select from show_product where show = $1 and product = $2)`, id, p.ID).Scan(&on); err != nil {
		return catalog.Product{}, fmt.Errorf("does %s sell %s: %w", id, variant, err)
	}
	if !on {
		return catalog.Product{}, show.ErrNotListed
	}
	return p, nil
}

// offer makes the pool's timed offer, and notes which one it is.
func (f *Flash) offer(ctx context.Context, tx pgx.Tx) (stock.Level, error) {
	level, err := stock.LevelOf(ctx, tx, f.Show, f.Variant)
	if errors.Is(err, stock.ErrUnknown) {
		return stock.Level{}, show.ErrNotListed // no units of it are part of the show
	}
	if err == nil {
		level, err = stock.SetOffer(ctx, tx, level.Pool, stock.TimedOffer{Opens: f.Starts, Closes: f.Ends, Cap: f.Cap})
	}
	f.Pool, f.Version = level.Pool, level.Timed
	if err != nil {
		return level, err
	}
	var stands *time.Time
	err = tx.QueryRow(ctx, `select case when frozen_at is not null then greatest(frozen_at, timed_opens_at) end from pool where id = $1`, f.Pool).Scan(&stands)
	if err != nil {
		return level, fmt.Errorf("does the clock of %s stand: %w", f.Variant, err)
	}
	f.Stands = whole(stands)
	return level, nil
}

func (f Flash) write(ctx context.Context, tx pgx.Tx, by commerce.AccountID) error {
	var count int
	if err := tx.QueryRow(ctx, `select count(*) from flash where pool = $1`, f.Pool).Scan(&count); err != nil {
		return fmt.Errorf("count flash prices of %s: %w", f.Variant, err)
	}
	if count >= MaxPerVariant {
		return ErrTooMany
	}
	if _, err := tx.Exec(ctx, `update flash set over_at = now() where pool = $1 and over_at is null`, f.Pool); err != nil {
		return fmt.Errorf("end the flash price of %s: %w", f.Variant, err)
	}
	_, err := tx.Exec(ctx, `insert into flash (id, show, variant, pool, version, amount, currency, asked_at, starts_at, ends_at, cap, made_by)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		f.ID, f.Show, f.Variant, f.Pool, f.Version, f.Amount, f.Currency, f.asked, f.Starts, f.Ends, f.Cap, by)
	if schema.Violates(err, "flash_pkey") {
		return ErrConflict // the same id for another show, at this moment
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", f.ID, err)
	}
	return nil
}

// Cancel ends a flash price of a show that the caller has locked, now; twice is once. After the commit the caller
// hands the pools, if any, to checkout.Service.Changed. ErrUnknown when the show has none of this id, show.ErrEnded
// when the show is over before the flash price is.
func Cancel(ctx context.Context, tx pgx.Tx, s show.Show, id commerce.FlashID) ([]commerce.PoolID, error) {
	f, err := find(ctx, tx, id)
	switch {
	case err != nil:
		return nil, err
	case f.Show != s.ID:
		return nil, ErrUnknown
	case f.Over:
		return nil, nil
	case s.State == show.Ended:
		return nil, show.ErrEnded
	}
	p, err := catalog.LockOf(ctx, tx, f.Variant)
	if err != nil {
		return nil, err
	}
	level, ended, err := f.end(ctx, tx)
	if err != nil || !ended {
		return nil, err
	}
	return []commerce.PoolID{f.Pool}, outbox.Event(ctx, tx, s.ID, event(variantOf(p, f.Variant), nil), level.Event())
}

// end makes a flash price over. It answers false when it was so before the product was locked: a standing price may
// have ended it.
func (f Flash) end(ctx context.Context, tx pgx.Tx) (stock.Level, bool, error) {
	f, err := find(ctx, tx, f.ID)
	if err != nil || f.Over {
		return stock.Level{}, false, err
	}
	level, err := stock.ClearOffer(ctx, tx, f.Pool)
	if err != nil {
		return stock.Level{}, false, err
	}
	if _, err := tx.Exec(ctx, `update flash set over_at = now() where id = $1`, f.ID); err != nil {
		return stock.Level{}, false, fmt.Errorf("end %s: %w", f.ID, err)
	}
	return level, true, nil
}

func find(ctx context.Context, q schema.Querier, id commerce.FlashID) (Flash, error) {
	f, err := scan(q.QueryRow(ctx, `select `+columns+` from flash f where f.id = $1`, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return Flash{}, ErrUnknown
	}
	if err != nil {
		return Flash{}, fmt.Errorf("read %s: %w", id, err)
	}
	return f, nil
}

func variantOf(p catalog.Product, id commerce.VariantID) catalog.Variant {
	for _, v := range p.Variants {
		if v.ID == id {
			return v
		}
	}
	return catalog.Variant{ID: id}
}

// whole is a time in UTC without parts of a millisecond, which gate and pages do not tell apart.
func whole(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	at := t.UTC().Truncate(time.Millisecond)
	return &at
}
