package stock

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// lockWait bounds how long deadlines wait for the claims that are under way, and new ones for the deadlines. Postgres asks a vacuum
// that is in the way to go after half of that.
const lockWait = 2 * time.Second

// Extended is what Extend or Thaw has moved.
type Extended struct {
	Holds  int
	Pools  []commerce.PoolID // whose holds, in id order
	Buyers []string          // sorted
	Timed  []TimedMove       // in pool order
}

// TimedMove is a timed offer that ends later than it did.
type TimedMove struct {
	Pool    commerce.PoolID
	Version int64
	By      time.Duration
}

// Extend gives back to each hold its part of time that was lost: to all that had not lapsed before, and to those of paying,
// whose own deadline is what a declined card falls back to; and to timed offers that were on. What stood still already (Freeze)
// is given it by Thaw. It waits for all who are changing holds and makes the others wait until the transaction ends, so that no
// claim that was caught in an outage is left out. Whose prices the timed offers
// are is told in the same transaction (price.Moved). After the commit call Deadlines with the pools, and Changed with those of the
// timed offers.
//
// The error is Postgres' lock_not_available when somebody holds on to a hold for longer than lockWait.
func Extend(ctx context.Context, tx pgx.Tx, lost schema.Lost, paying []commerce.HoldID) (e Extended, err error) {
	// As set_config's value: SET takes no arguments.
	if _, err := tx.Exec(ctx, `select set_config('lock_timeout', $1, true)`, lockWait.String()); err != nil {
		return Extended{}, fmt.Errorf("extend holds: %w", err)
	}
	const until = `least($2::timestamptz, p.frozen_at)`
	if e.Timed, err = moveTimed(ctx, tx, until+` > timed_opens_at and timed_closes_at > $1`, ``, share(until, `timed_opens_at`), lost.Began, lost.Ended, lost.Cap); err != nil {
		return Extended{}, err
	}
	if _, err := tx.Exec(ctx, `lock table hold in share row exclusive mode`); err != nil {
		return Extended{}, fmt.Errorf("extend holds: %w", err)
	}
	err = e.moveHolds(ctx, tx, `$5::uuid[] is null`, share(until, `h.created_at`), lost, paying, nil)
	return e, err
}

// share is SQL: the part of the time from $1 until an end that something has lived through since, at most $3.
func share(until, since string) string {
	return `least($3::interval, ` + until + ` - greatest($1::timestamptz, ` + since + `))`
}

// moveHolds moves the deadlines of the holds which were open at $1, and of those of $4 that are being paid. $5 are pools.
func (e *Extended) moveHolds(ctx context.Context, tx pgx.Tx, which, by string, lost schema.Lost, paying []commerce.HoldID, pools []commerce.PoolID) error {
	rows, err := tx.Query(ctx, `
		with moving as (
			select h.id, `+by+` as by
			from (select * from hold where lapses_at > $1 union all select * from hold where id = any($4) and state = 'paying') h
				join pool p on p.id = h.pool
			where h.created_at < $2 and `+which+`)
		update hold h set expires_at = h.expires_at + by, lapses_at = h.lapses_at + by, changed_at = now(), version = h.version + 1
		from moving m where m.id = h.id and by > interval '0' and h.state in ('held', 'paying')
		returning h.pool, h.buyer`, lost.Began, lost.Ended, lost.Cap, paying, pools)
	if err != nil {
		return fmt.Errorf("extend holds: %w", err)
	}
	var (
		pool   commerce.PoolID
		buyer  string
		of     = map[commerce.PoolID]bool{}
		buyers = map[string]bool{}
	)
	if _, err := pgx.ForEachRow(rows, []any{&pool, &buyer}, func() error {
		e.Holds++
		of[pool], buyers[buyer] = true, true
		return nil
	}); err != nil {
		return fmt.Errorf("extend holds: %w", err)
	}
	e.Pools = slices.SortedFunc(maps.Keys(of), func(a, b commerce.PoolID) int { return bytes.Compare(a[:], b[:]) })
	e.Buyers = slices.Sorted(maps.Keys(buyers))
	return nil
}

// moveTimed moves the ends of timed offers, in pool order, by at least what makes them end at least. The pools' epochs end: the
// gate's copies have the old ends. $1 to $3 are began, ended and the cap.
func moveTimed(ctx context.Context, tx pgx.Tx, which, least, by string, args ...any) (moves []TimedMove, err error) {
	to := `timed_closes_at + (` + by + `)`
	if least != "" {
		to = `greatest(` + to + `, ` + least + `)`
	}
	rows, err := tx.Query(ctx, `
		with own as (select p.id, p.timed_closes_at as before, `+to+` as after from pool p
			where p.timed_version is not null and `+which+` order by p.id for no key update)
		update pool p set timed_closes_at = after, epoch = epoch + 1, epoch_at = '-infinity'
		from own where own.id = p.id and after > before returning p.id, p.timed_version, after - before`, args...)
	if err == nil {
		moves, err = pgx.CollectRows(rows, pgx.RowToStructByPos[TimedMove])
	}
	if err != nil {
		return nil, fmt.Errorf("move timed offers: %w", err)
	}
	slices.SortFunc(moves, func(a, b TimedMove) int { return bytes.Compare(a.Pool[:], b.Pool[:]) })
	return moves, nil
}

// Deadlines tells the gate the earliest deadline of pools whose holds were extended, at most maxSwept of them. A gate that is
// not told lets one tap past the old deadline through to Postgres, and knows then.
func (s *Service) Deadlines(ctx context.Context, pools ...commerce.PoolID) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	for _, pool := range pools[:min(len(pools), maxSwept)] {
		l, err := s.lane(pool)
		if err == nil {
			err = l.releaseLapsed(ctx)
		}
		if err != nil {
			s.log.Debug("the gate was not told a deadline", "pool", pool, "error", err) // a tap sees to it
			return
		}
	}
}
