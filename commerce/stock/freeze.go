package stock

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// While a pool's clocks stand (frozen_at) its holds do not lapse and its timed offer does not end, unless they had by then. What
// begins meanwhile begins, and its clock stands from there.
const (
	// payable is what a deadline must lie behind, of a hold h of the pool p; lapsing the same for the pool $1. LEAST ignores null.
	payable = `least(` + schema.Usable + `, p.frozen_at)`
	lapsing = `least(` + schema.Usable + `, (select f.frozen_at from pool f where f.id = $1))`
	// holdClock is the time on the clock of a hold.
	holdClock = `coalesce(case when p.frozen_at is not null then greatest(p.frozen_at, h.created_at) end, ` + schema.UsableClock + `)`
	// earliest is the earliest deadline of the pool $1, null when none runs.
	earliest = `(select min(l.lapses_at) from hold l where l.pool = $1 and l.lapses_at is not null
		and not exists (select from pool f where f.id = $1 and f.frozen_at is not null))`

	// TimedCloses is when a pool's timed offer ends, as far as anybody can tell: while its clock stands it has that much left, and
	// ends no sooner than in a day. (Thaw sets that right; the cap of a freeze is far less.)
	TimedCloses = `case when frozen_at < timed_closes_at then timed_closes_at + interval '1 day' else timed_closes_at end`
)

// Frozen is what Freeze has stopped.
type Frozen struct {
	Pools  []commerce.PoolID
	Buyers []string // whose holds, sorted
}

// Freeze stops the clocks of all pools of a show, which the caller has locked, as of at. After the commit the caller calls
// Service.Changed with the pools. Pools whose clocks stand already stay as they are.
func Freeze(ctx context.Context, tx pgx.Tx, show commerce.ShowID, at time.Time) (Frozen, error) {
	pools, err := change(ctx, tx, "freeze", `show = $1 and frozen_at is null`, `frozen_at = $2`, show, at)
	if err != nil {
		return Frozen{}, err
	}
	buyers, err := touch(ctx, tx, pools)
	return Frozen{Pools: pools, Buyers: buyers}, err
}

// touch makes the holds of pools read differently for their buyers.
func touch(ctx context.Context, tx pgx.Tx, pools []commerce.PoolID) ([]string, error) {
	rows, err := tx.Query(ctx, `update hold set version = version + 1 where pool = any($1) and lapses_at is not null returning buyer`, pools)
	if err != nil {
		return nil, fmt.Errorf("holds of %d pools: %w", len(pools), err)
	}
	buyers := map[string]bool{}
	var buyer string
	if _, err := pgx.ForEachRow(rows, []any{&buyer}, func() error { buyers[buyer] = true; return nil }); err != nil {
		return nil, fmt.Errorf("holds of %d pools: %w", len(pools), err)
	}
	return slices.Sorted(maps.Keys(buyers)), nil
}

// Thaw lets the clocks of a show's pools go on, which the caller has locked and which have stood since began. Holds that had not
// lapsed then have as long as they had, and so have those of paying and timed offers; nothing moves by more than most. It answers
// what has moved, the pools whose clocks go on, and when. After the commit the caller calls Service.Changed with the pools.
func Thaw(ctx context.Context, tx pgx.Tx, show commerce.ShowID, began time.Time, most time.Duration, paying []commerce.HoldID) (e Extended, thawed []commerce.PoolID, until time.Time, err error) {
	// Locked first: claims that are under way have seen the clocks stand, and come before the moment at which they go on.
	rows, err := tx.Query(ctx, `select id from pool where show = $1 and frozen_at is not null order by id for no key update`, show)
	if err == nil {
		thawed, err = pgx.CollectRows(rows, pgx.RowTo[commerce.PoolID])
	}
	if err == nil {
		err = tx.QueryRow(ctx, `select clock_timestamp()`).Scan(&until)
	}
	if err != nil {
		return Extended{}, nil, time.Time{}, fmt.Errorf("thaw %s: %w", show, err)
	}
	lost := schema.Lost{Began: began, Ended: until, Cap: most}
	// A timed offer whose time is used up ends now, not before what was sold at it.
	e.Timed, err = moveTimed(ctx, tx, `p.id = any($4) and timed_closes_at > $1 and timed_opens_at < $2`, `$2`,
		share(`$2::timestamptz`, `timed_opens_at`), lost.Began, lost.Ended, lost.Cap, thawed)
	if err != nil {
		return Extended{}, nil, time.Time{}, err
	}
	if err := e.moveHolds(ctx, tx, `h.pool = any($5)`, share(`$2::timestamptz`, `h.created_at`), lost, paying, thawed); err != nil {
		return Extended{}, nil, time.Time{}, err
	}
	_, err = change(ctx, tx, "thaw", `id = any($1)`, `frozen_at = null`, thawed)
	return e, thawed, until.UTC(), err
}
