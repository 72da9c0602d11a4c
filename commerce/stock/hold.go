package stock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
)

// Returned is units that Postgres has taken back and the gate must hear of: give it to Service.GiveBack after
// the commit. The zero value is nothing.
type Returned struct {
	Pool    commerce.PoolID
	Epoch   int64
	Entries []entry
	due     *time.Time
}

const (
	holdColumns = `h.id, h.part_of, h.pool, p.show, p.variant, h.buyer, h.quantity, h.state, h.unit_minor, h.currency, h.offer, h.created_at, h.expires_at,
		greatest(0, extract(epoch from h.expires_at - ` + holdClock + `) * 1000)::bigint, p.frozen_at is not null`
	holdSQL = `select ` + holdColumns + ` from hold h join pool p on p.id = h.pool`
)

func scanHold(row pgx.Row) (Hold, error) {
	var (
		h        Hold
		currency string
		left     int64
		of       *commerce.HoldID
	)
	err := row.Scan(&h.ID, &of, &h.Pool, &h.Show, &h.Variant, &h.Buyer, &h.Quantity, &h.State, &h.Unit.Minor, &currency, &h.Offer,
		&h.Created, &h.Expires, &left, &h.Stands)
	if of != nil {
		h.Of = *of
	}
	h.Unit.Currency = money.Currency(currency)
	h.Left = time.Duration(left) * time.Millisecond
	h.Created, h.Expires = h.Created.UTC(), h.Expires.UTC()
	return h, err
}

// Find reads a hold; one whose time is over reads as expired.
func Find(ctx context.Context, q schema.Querier, id commerce.HoldID) (Hold, error) {
	h, err := scanHold(q.QueryRow(ctx, holdSQL+` where h.id = $1`, id))
	if errors.Is(err, pgx.ErrNoRows) || err == nil && h.Several() && h.Of != id {
		return Hold{}, fmt.Errorf("%w: hold %s", ErrUnknown, id)
	}
	if err != nil {
		return Hold{}, fmt.Errorf("find hold %s: %w", id, err)
	}
	h = h.now()
	return h, complete(ctx, q, &h)
}

// now is how a hold reads: a held one whose time is over has expired, whether or not it has been swept.
func (h Hold) now() Hold {
	if h.State == Held && h.Left == 0 {
		h.State = Expired
	}
	return h
}

// OwnLive finds the newest hold of a pool that a buyer has and may still pay, so that somebody at their limit
// is led to what they have.
func OwnLive(ctx context.Context, q schema.Querier, pool commerce.PoolID, buyer string) (Hold, error) {
	h, err := scanHold(q.QueryRow(ctx, holdSQL+` where h.pool = $1 and h.buyer = $2 and h.lapses_at > `+payable+` order by h.created_at desc limit 1`, pool, buyer))
	if errors.Is(err, pgx.ErrNoRows) {
		return Hold{}, fmt.Errorf("%w: no hold of %s", ErrUnknown, buyer)
	}
	if err != nil {
		return Hold{}, fmt.Errorf("find a hold of %s: %w", buyer, err)
	}
	return h, complete(ctx, q, &h)
}

// Free gives back the units of a hold's lines that are in one of the given states, and writes stock.set. It fails with
// ErrState when none is. A payment's end frees from Paying; a buyer from Held.
func Free(ctx context.Context, tx pgx.Tx, id commerce.HoldID, from ...State) ([]Returned, error) {
	var states []string
	for _, s := range from {
		if s.Can(Released) {
			states = append(states, string(s))
		}
	}
	h, err := Find(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	var back []Returned
	for _, line := range h.Lines() { // in the order of their pools
		r, err := freeLine(ctx, tx, line, states)
		if errors.Is(err, ErrState) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("free hold %s: %w", id, err)
		}
		back = append(back, r)
	}
	if len(back) == 0 {
		return nil, fmt.Errorf("%w: hold %s to %s", ErrState, id, Released)
	}
	return back, nil
}

func freeLine(ctx context.Context, tx pgx.Tx, line Hold, states []string) (Returned, error) {
	if _, err := tx.Exec(ctx, `select from pool where id = $1 for no key update`, line.Pool); err != nil {
		return Returned{}, err
	}
	done, err := tx.Exec(ctx, `
		update hold set state = $2, version = version + 1, changed_at = now(), lapses_at = null where id = $1 and state = any($3)`, line.ID, Released, states)
	if err == nil && done.RowsAffected() == 0 {
		err = ErrState
	}
	if err != nil {
		return Returned{}, err
	}
	var units given
	units.add(line.Quantity, line.Offer)
	back, err := units.giveBack(ctx, tx, line.Pool)
	back.Entries = []entry{{id: line.ID, buyer: keyOf(line.Buyer)}}
	return back, err
}

// Release gives a held hold back for its buyer. Doing it twice is one release. ErrUnknown for anybody else's,
// ErrState when it is being paid or sold.
func (s *Service) Release(ctx context.Context, id commerce.HoldID, buyer string) (Hold, error) {
	var (
		h    Hold
		back []Returned
	)
	err := schema.InTx(ctx, s.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		back = nil
		var err error
		if h, err = Find(ctx, tx, id); err != nil {
			return err
		}
		if h.Buyer != buyer {
			return fmt.Errorf("%w: hold %s", ErrUnknown, id)
		}
		if !h.State.Live() {
			return nil
		}
		if back, err = Free(ctx, tx, id, Held); err == nil {
			h, err = Find(ctx, tx, id)
		}
		return err
	})
	if err != nil {
		return Hold{}, fmt.Errorf("release: %w", err)
	}
	s.GiveBack(back...)
	return h, nil
}

// GiveBack tells the gate of units that have come back. Call it after the commit. When it is lost (a crash)
// the comparison of gate and truth finds the difference.
func (s *Service) GiveBack(all ...Returned) {
	for _, r := range all {
		l, err := s.lane(r.Pool)
		if err != nil {
			s.metrics.dropped.WithLabelValues("stopping").Add(float64(len(r.Entries)))
			continue
		}
		l.note(fromOutside, r.Epoch, nil, r.Entries, due{})
	}
}

// Lapses tells the gate the deadline of a hold that went back from paying to held.
func (s *Service) Lapses(ctx context.Context, h Hold) error {
	for _, line := range h.Lines() {
		epoch, _, err := s.readEpoch(ctx, line.Pool)
		if err != nil {
			return err
		}
		l, err := s.lane(line.Pool)
		if err != nil {
			return err
		}
		l.note(fromOutside, epoch, nil, nil, due{at: line.Expires, known: true})
	}
	return nil
}

// Changed tells every node that pools were changed by Put, SetWindow or SetOffer: their gate's copies are removed, so
// that the next tap finds the new epoch. A node that misses it notices at its next sweep.
func (s *Service) Changed(ctx context.Context, pools ...commerce.PoolID) {
	for _, pool := range pools {
		epoch, _, err := s.readEpoch(ctx, pool)
		if err == nil {
			err = s.gate.forget(ctx, pool, epoch)
		}
		if err != nil {
			s.log.Warn("the gate was not told of a change", "pool", pool, "error", err)
		}
	}
}

// expire ends the lapsed holds of one pool.
func (s *Service) expire(ctx context.Context, pool commerce.PoolID) (Returned, error) {
	var back Returned
	err := schema.InTx(ctx, s.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		back = Returned{Pool: pool}
		if err := tx.QueryRow(ctx, `select epoch from pool where id = $1 for no key update`, pool).Scan(&back.Epoch); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `
			update hold set state = $2, lapses_at = null, changed_at = now(), version = version + 1
			where pool = $1 and lapses_at <= `+lapsing+` returning id, buyer, quantity, offer`, pool, Expired)
		if err != nil {
			return err
		}
		var (
			id       commerce.HoldID
			buyer    string
			quantity int
			offer    int64
			units    given
			entries  []entry
			buyers   []string
		)
		if _, err := pgx.ForEachRow(rows, []any{&id, &buyer, &quantity, &offer}, func() error {
			units.add(quantity, offer)
			entries, buyers = append(entries, entry{id: id, buyer: keyOf(buyer)}), append(buyers, buyer)
			return nil
		}); err != nil {
			return err
		}
		var next *time.Time
		if err := tx.QueryRow(ctx, `select `+earliest, pool).Scan(&next); err != nil {
			return err
		}
		if err := outbox.Me(ctx, tx, buyers...); err != nil {
			return err
		}
		if len(entries) > 0 {
			if back, err = units.giveBack(ctx, tx, pool); err != nil {
				return err
			}
		}
		back.Entries, back.due = entries, next
		return nil
	})
	if err != nil {
		return Returned{}, fmt.Errorf("expire holds of %s: %w", pool, err)
	}
	return back, nil
}
