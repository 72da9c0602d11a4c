package drop

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

const (
	// MaxAhead is how far in the future a drop may be.
	MaxAhead = 365 * 24 * time.Hour
	// MaxPerVariant is how many drops a variant may have in one show, opened ones included.
	MaxPerVariant = 100
)

// What can be wrong; the texts are for the person who asked.
var (
	ErrTime     = errors.New("a timed release is in the future, and within a year")
	ErrOpen     = errors.New("this release has opened already")
	ErrConflict = errors.New("this product has another timed release that has not opened yet; move that one")
	ErrTaken    = errors.New("this id stands for the release of another product, or in another show")
	ErrTooMany  = errors.New("a product has at most 100 timed releases in one show")
)

// Drop is the timed release of one variant in one show. Opens nil: it was opened by hand, and sells at once.
type Drop struct {
	ID      commerce.DropID
	Show    commerce.ShowID
	Variant commerce.VariantID
	Opens   *time.Time // UTC, whole milliseconds
}

// Set is the data of the event drop.set, whose key is the variant.
type Set struct {
	Variant commerce.VariantID `json:"variant"`
	Drop    commerce.DropID    `json:"drop"`
	OpensAt *time.Time         `json:"opens_at"`
}

// Event is what the show says about the drop.
func (d Drop) Event() outbox.EventRow {
	return outbox.EventRow{
		Type: "drop.set", Key: d.Variant.String(), Class: outbox.Lossless,
		Data: Set{Variant: d.Variant, Drop: d.ID, OpensAt: d.Opens},
	}
}

// Put makes or moves a drop in the show s that the caller has locked; by is who asks. Opens nil opens it now. What is
// so already changes nothing, however late it is asked again. After the commit the caller hands the pools, if any, to
// checkout.Service.Changed.
//
// Errors: show.ErrEnded; show.ErrNoSupplier and show.ErrNotYours for whoever is neither the show's creator nor the
// product's owner and one of its brands; show.ErrNotListed; ErrTime, ErrOpen, ErrConflict, ErrTaken, ErrTooMany.
func Put(ctx context.Context, tx pgx.Tx, s show.Show, by account.Account, d Drop) (Drop, []commerce.PoolID, error) {
	d.Show, d.Opens = s.ID, whole(d.Opens)
	if d.ID.IsZero() || d.Variant.IsZero() {
		return Drop{}, nil, fmt.Errorf("drop and variant: %w", commerce.ErrID)
	}
	if s.State == show.Ended {
		return Drop{}, nil, show.ErrEnded
	}
	if err := may(ctx, tx, s, by, d.Variant); err != nil {
		return Drop{}, nil, err
	}
	before, open, err := find(ctx, tx, d.ID)
	if err != nil {
		return Drop{}, nil, err
	}
	if before != nil {
		switch {
		case before.Show != d.Show || before.Variant != d.Variant:
			return Drop{}, nil, ErrTaken
		case same(before.Opens, d.Opens), open && d.Opens == nil:
			return *before, nil, nil
		case open:
			return Drop{}, nil, ErrOpen
		}
	}
	level, err := stock.LevelOf(ctx, tx, s.ID, d.Variant)
	if errors.Is(err, stock.ErrUnknown) {
		return Drop{}, nil, show.ErrNotListed
	}
	if err != nil {
		return Drop{}, nil, err
	}
	if err := stock.SetWindow(ctx, tx, level.Pool, d.window()); err != nil {
		return Drop{}, nil, err
	}
	if err := d.write(ctx, tx, by.ID, before == nil); err != nil {
		return Drop{}, nil, err
	}
	return d, []commerce.PoolID{level.Pool}, outbox.Event(ctx, tx, s.ID, d.Event())
}

func (d Drop) window() (w stock.Window) {
	if d.Opens != nil {
		w.Opens = *d.Opens
	}
	return w
}

// may lets the show's creator, and the product's owner where they may supply the show.
func may(ctx context.Context, tx pgx.Tx, s show.Show, by account.Account, variant commerce.VariantID) error {
	if err := s.MaySupply(ctx, tx, by); err != nil {
		return err
	}
	var owner commerce.AccountID
	err := tx.QueryRow(ctx, `select p.owner from variant v join product p on p.id = v.product join show_product l on l.product = p.id
		where v.id = $1 and l.show = $2`, variant, s.ID).Scan(&owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return show.ErrNotListed
	}
	if err != nil {
		return fmt.Errorf("whose is %s: %w", variant, err)
	}
	if s.Creator != by.ID && owner != by.ID {
		return show.ErrNotYours
	}
	return nil
}

// write is called when the pool's row is locked: nothing has been sold, or will be, at a time that it refuses.
func (d Drop) write(ctx context.Context, tx pgx.Tx, by commerce.AccountID, fresh bool) error {
	var now time.Time
	var pending bool
	var count int
	err := tx.QueryRow(ctx, `select clock_timestamp(), count(*), coalesce(bool_or(opens_at > clock_timestamp()) filter (where id <> $3), false)
		from drops where show = $1 and variant = $2`, d.Show, d.Variant, d.ID).Scan(&now, &count, &pending)
	if err != nil {
		return fmt.Errorf("read drops of %s: %w", d.Variant, err)
	}
	switch {
	case d.Opens != nil && (!d.Opens.After(now) || d.Opens.After(now.Add(MaxAhead))):
		return ErrTime
	case pending:
		return ErrConflict
	case fresh && count >= MaxPerVariant:
		return ErrTooMany
	}
	if fresh {
		_, err := tx.Exec(ctx, `insert into drops (id, show, variant, opens_at, made_by) values ($1, $2, $3, $4, $5)`, d.ID, d.Show, d.Variant, d.Opens, by)
		if schema.Violates(err, "drops_pkey") {
			return ErrTaken // the same id for another show, at this moment
		}
		if err != nil {
			return fmt.Errorf("make %s: %w", d.ID, err)
		}
		return nil
	}
	tag, err := tx.Exec(ctx, `update drops set opens_at = $2 where id = $1 and opens_at > clock_timestamp()`, d.ID, d.Opens)
	if err != nil {
		return fmt.Errorf("move %s: %w", d.ID, err)
	}
	if tag.RowsAffected() == 0 {
		return ErrOpen
	}
	return nil
}

func find(ctx context.Context, q schema.Querier, id commerce.DropID) (found *Drop, open bool, err error) {
	d := Drop{ID: id}
	err = q.QueryRow(ctx, `select show, variant, opens_at, coalesce(opens_at <= clock_timestamp(), true) from drops where id = $1`, id).
		Scan(&d.Show, &d.Variant, &d.Opens, &open)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", id, err)
	}
	d.Opens = whole(d.Opens)
	return &d, open, nil
}

// Latest reads the drop that counts of each variant of a show that ever had one.
func Latest(ctx context.Context, q schema.Querier, id commerce.ShowID) (map[commerce.VariantID]Drop, error) {
	rows, err := q.Query(ctx, `select distinct on (variant) id, show, variant, opens_at from drops where show = $1 order by variant, place desc`, id)
	if err != nil {
		return nil, fmt.Errorf("drops of %s: %w", id, err)
	}
	var d Drop
	latest := map[commerce.VariantID]Drop{}
	_, err = pgx.ForEachRow(rows, []any{&d.ID, &d.Show, &d.Variant, &d.Opens}, func() error {
		d.Opens = whole(d.Opens)
		latest[d.Variant] = d
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("drops of %s: %w", id, err)
	}
	return latest, nil
}

// Events is what a joining viewer must know: one drop.set per variant that has or had a drop. Call it in a
// schema.Snapshot.
func Events(ctx context.Context, q schema.Querier, id commerce.ShowID) ([]outbox.EventRow, error) {
	latest, err := Latest(ctx, q, id)
	if err != nil {
		return nil, err
	}
	events := make([]outbox.EventRow, 0, len(latest))
	for _, d := range latest {
		events = append(events, d.Event())
	}
	return events, nil
}

// whole is a time in UTC without parts of a millisecond, which gate and pages do not tell apart; never an earlier one.
func whole(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	at := t.UTC().Truncate(time.Millisecond)
	if at.Before(*t) {
		at = at.Add(time.Millisecond)
	}
	return &at
}

func same(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(*b)
}
