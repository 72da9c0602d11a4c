package outage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/price"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

const (
	// MaxFrozen is how long the clocks of a show stand at most while its creator is off the air. Whoever does not come back keeps
	// the units from others no longer.
	MaxFrozen = 15 * time.Minute
	// showsAtOnce is how many shows one look sees to; the others are seen to by the next.
	showsAtOnce = 64
)

// SetOnAir is show.SetOnAir, and stops or lets go on the show's clocks in the same transaction, whose time is now. After the
// commit the caller calls after, which is never nil without an error.
//
// Errors: show.SetOnAir's.
func (k *Keeper) SetOnAir(ctx context.Context, tx pgx.Tx, now time.Time, id commerce.ShowID, on bool, node string) (after func(context.Context), err error) {
	if _, err = show.Lock(ctx, tx, id); err != nil {
		return nil, err
	}
	// The clocks first: what a show says is the last lock.
	var goes bool
	err = tx.QueryRow(ctx, `select on_air and state = 'live' and node = $2 from show where id = $1`, id, node).Scan(&goes)
	if err != nil {
		return nil, fmt.Errorf("on air %s: %w", id, err)
	}
	after = func(context.Context) {}
	switch {
	case on:
		after, err = k.thaw(ctx, tx, id)
	case goes:
		after, err = k.freeze(ctx, tx, id, now)
	}
	if err != nil {
		return nil, err
	}
	_, _, err = show.SetOnAir(ctx, tx, id, on, node)
	return after, err
}

// shows finds the shows whose clocks are not as they should be: those of a node that died, of a show that has ended, and of a
// creator who did not come back in time.
func (k *Keeper) shows(ctx context.Context) error {
	rows, err := k.Pool.Query(ctx, `
		select s.id from show s where s.state = 'live' and not s.on_air and s.off_air_at > clock_timestamp() - $1::interval
			and not exists (select from show_outage o where o.show = s.id and (o.ended_at is null or o.off_air_at = s.off_air_at))
		union
		select o.show from show_outage o join show s on s.id = o.show
		where o.ended_at is null and (s.state <> 'live' or s.on_air or s.off_air_at > o.off_air_at or o.began_at <= clock_timestamp() - $1::interval)
		limit $2`, MaxFrozen, showsAtOnce)
	var ids []commerce.ShowID
	if err == nil {
		ids, err = pgx.CollectRows(rows, pgx.RowTo[commerce.ShowID])
	}
	if err != nil {
		return fmt.Errorf("find shows whose clocks are wrong: %w", err)
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, k.follow(ctx, id))
	}
	return errors.Join(errs...)
}

// follow makes a show's clocks stand or go as the show is, in a transaction of its own. One that somebody else has locked is left
// to the next look.
func (k *Keeper) follow(ctx context.Context, id commerce.ShowID) error {
	after := func(context.Context) {}
	err := schema.InTx(ctx, k.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		after = func(context.Context) {}
		var off *time.Time
		var dark bool
		err := tx.QueryRow(ctx, `select off_air_at, state = 'live' and not on_air from show where id = $1 for no key update skip locked`, id).Scan(&off, &dark)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("is %s on the air: %w", id, err)
		}
		var wrong, fresh bool
		err = tx.QueryRow(ctx, `
			select exists (select from show_outage where show = $1 and ended_at is null and
					(not $3 or off_air_at < $2 or began_at <= clock_timestamp() - $4::interval)),
				$3 and coalesce($2 > clock_timestamp() - $4::interval, false) and
					not exists (select from show_outage where show = $1 and (ended_at is null or off_air_at = $2))`, id, off, dark, MaxFrozen).Scan(&wrong, &fresh)
		switch {
		case err != nil:
			return fmt.Errorf("do the clocks of %s stand: %w", id, err)
		case wrong:
			after, err = k.thaw(ctx, tx, id)
		case fresh:
			after, err = k.freeze(ctx, tx, id, *off)
		}
		return err
	})
	if err == nil {
		after(ctx)
	}
	return err
}

// freeze stops the clocks of a show that the caller has locked, which went off the air at off.
func (k *Keeper) freeze(ctx context.Context, tx pgx.Tx, id commerce.ShowID, off time.Time) (after func(context.Context), err error) {
	// What has been made up for is not made up for again: an outage of Postgres, or this creator's last one, whose end was noted
	// by a transaction that began before this one and was committed after that.
	var at time.Time
	err = tx.QueryRow(ctx, `
		insert into show_outage (show, off_air_at, began_at) values ($1, $2::timestamptz, greatest($2::timestamptz,
			(select max(ended_at) from outage), (select max(ended_at) from show_outage where show = $1))) returning began_at`, id, off).Scan(&at)
	if err != nil {
		return nil, fmt.Errorf("note that %s is off the air: %w", id, err)
	}
	f, err := stock.Freeze(ctx, tx, id, at)
	if err != nil {
		return nil, err
	}
	if err := me(ctx, tx, f.Buyers); err != nil {
		return nil, err
	}
	return func(ctx context.Context) { k.told(ctx, f.Pools) }, price.Clocks(ctx, tx, f.Pools)
}

// thaw lets the clocks of a show that the caller has locked go on, if they stand.
func (k *Keeper) thaw(ctx context.Context, tx pgx.Tx, id commerce.ShowID) (after func(context.Context), err error) {
	lost := schema.Lost{Cap: MaxFrozen}
	err = tx.QueryRow(ctx, `select began_at from show_outage where show = $1 and ended_at is null`, id).Scan(&lost.Began)
	if errors.Is(err, pgx.ErrNoRows) {
		return func(context.Context) {}, nil
	}
	var beyond time.Duration
	if err == nil {
		// An outage of Postgres has not moved what stood still. What it took beyond this one's cap is its own.
		err = tx.QueryRow(ctx, `select coalesce(sum(least($3::interval, ended_at - greatest(began_at, $1::timestamptz + $2::interval))), '0') from outage
			where ended_at > $1::timestamptz + $2::interval`, lost.Began, MaxFrozen, MaxMoved).Scan(&beyond)
	}
	if err != nil {
		return nil, fmt.Errorf("since when do the clocks of %s stand: %w", id, err)
	}
	lost.Cap += beyond
	paying, err := payment.Paying(ctx, tx)
	if err != nil {
		return nil, err
	}
	e, pools, until, err := stock.Thaw(ctx, tx, id, lost.Began, lost.Cap, paying)
	if err != nil {
		return nil, err
	}
	lost.Ended = until
	tag, err := tx.Exec(ctx, `update show_outage set ended_at = $2, moved = $3, holds = $4, flashes = $5 where show = $1 and ended_at is null`,
		id, until, lost.Most(), e.Holds, len(e.Timed))
	if err == nil && tag.RowsAffected() != 1 {
		err = errors.New("somebody else has noted it")
	}
	if err != nil {
		return nil, fmt.Errorf("note that the clocks of %s go on: %w", id, err)
	}
	return func(ctx context.Context) {
		k.metrics.count("creator", lost.Ended.Sub(lost.Began), lost.Most(), e.Holds, 0, len(e.Timed))
		k.told(ctx, pools)
	}, tell(ctx, tx, e, pools)
}

// told lets what was committed count everywhere.
func (k *Keeper) told(ctx context.Context, pools []commerce.PoolID) {
	k.Changed(ctx, pools...)
	k.Wrote()
}
