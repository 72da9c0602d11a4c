package stock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// In a rush a lane's claims follow each other, and each finds the pool as the one before has left it. So a claim is judged by
// what the last one has left, and sent whole, in one trip, with the condition that it is still so: the pool's row is locked for
// no longer than Postgres itself needs. When a word of it is no longer true, or a tap is not simply a new hold that is given,
// nothing has been done and the claim goes the long way (commitOnce), which judges by what it reads.

const (
	// beliefLasts bounds for how long a lane goes without looking: lapsed holds wait for it, or for the sweeper, and the clocks
	// of two machines drift.
	beliefLasts = time.Second
	// clockSlack is how far what we take Postgres' clock for may be off; deadlines are then wrong by as much.
	clockSlack = 50 * time.Millisecond
)

// errDashed says that a hope was: nothing has been done.
var errDashed = errors.New("not as believed")

// belief is a pool as a claim has left it, and when Postgres' clock was read.
type belief struct{ shelf shelf }

// fresh says whether a claim of an epoch may be judged by it.
func (b *belief) fresh(epoch int64) bool {
	s := &b.shelf
	return s.epoch == epoch && !s.early && !s.late && !s.stands && time.Since(s.read) < beliefLasts
}

// at is the pool as it is believed to be now.
func (b *belief) at(now time.Time) shelf {
	s := b.shelf
	s.now, s.age, s.read = s.now.Add(s.age).Add(now.Sub(s.read)).Truncate(time.Microsecond), 0, now
	return s
}

// after is what a claim that was judged by it has left. Postgres' clock was read when it was.
func (b *belief) after(left *shelf) *belief {
	s := *left
	s.now, s.age, s.read = b.shelf.now, b.shelf.age, b.shelf.read
	return &belief{s}
}

// hope commits a batch in one trip, if all of it is given. Its error is errDashed, or leaves open what was done.
func (s *Service) hope(ctx context.Context, pool commerce.PoolID, asks []*ask, believed *belief) (decided, error) {
	c := s.newClaim(nil, asks)
	c.shelf = believed.at(time.Now())
	before := c.shelf
	got, rows, change := c.judge()
	for _, fate := range got.fates {
		if fate != nil {
			return decided{}, errDashed
		}
	}
	conn, err := s.db.Acquire(ctx)
	if err != nil {
		return decided{}, err
	}
	c.Conn = conn
	var f schema.Flight
	f.Queue(`begin`)
	f.Queue(settingsSQL)
	expectPool(&f, &before, change)
	c.expectBuyers(&f, s.barred)
	c.copy(&f, rows)
	err = c.close(ctx, &f, rows, change)
	var refused *pgconn.PgError
	if err != nil && !conn.Conn().IsClosed() && (errors.Is(err, errMet) || errors.As(err, &refused)) {
		c.undo(ctx)
		s.metrics.hopes.WithLabelValues("dashed").Inc()
		return decided{}, fmt.Errorf("%w: %w", errDashed, err)
	}
	if err != nil {
		conn.Release()
		return decided{}, fmt.Errorf("claim %d holds of %s: %w", len(asks), pool, err)
	}
	s.metrics.hopes.WithLabelValues("kept").Inc()
	return decided{claimed: got, conn: conn, believed: believed.after(&c.shelf)}, nil
}

// expectPool takes units off the pool's row if it is as believed, and locks it.
func expectPool(f *schema.Flight, s *shelf, change moved) {
	l := &s.level
	f.Queue(`
		with sold as (
			update pool set taken = taken + $2, timed_taken = timed_taken + $3
			where id = $1 and epoch = $4 and on_hand = $5 and on_hand - taken = $6 and offer_version = $7 and buyer_cap = $8
				and coalesce(opens_at <= now(), true) and coalesce(closes_at > now(), true) and frozen_at is null
				and coalesce(timed_version, 0) = $9 and (timed_cap > 0) = $10 and timed_cap - timed_taken = $11
				and coalesce(timed_opens_at <= now() and now() < timed_closes_at, false) = $12
				and now() between $13::timestamptz - $14::interval and $13::timestamptz + $14::interval
			returning id)
		select expect(exists (select from sold))`,
		l.Pool, change.took, change.timed, s.epoch, l.OnHand, s.free, l.Offer, l.Cap, l.Timed, s.capped, s.timedFree, s.timedOn, s.now, clockSlack)
}

// expectBuyers has nobody be over a limit with what they have beside this batch, or barred.
func (c *claim) expectBuyers(f *schema.Flight, barred string) {
	l := &c.shelf.level
	buyers := make([]string, len(c.asks))
	var sources []int64
	for i, a := range c.asks {
		buyers[i] = a.tap.Buyer
		if a.seen {
			sources = append(sources, int64(a.source))
		}
	}
	names := schema.Names(buyers)
	if l.Cap > 0 {
		f.Queue(`select expect(not exists (select from (`+unitsSQL+`) u where u.sum > $3))`, l.Pool, names, l.Cap-most(c.has.units))
	}
	if len(sources) > 0 {
		f.Queue(`select expect(not exists (select from (`+openSQL+`) o where o.count >= $2))`, sources, MaxPerSource-most(c.has.holds))
	}
	if barred != "" {
		f.Queue(`select expect(not exists (`+barred+`))`, l.Pool, names)
	}
}

// most is the largest of some counts.
func most[K comparable](counts map[K]int) int {
	n := 0
	for _, c := range counts {
		n = max(n, c)
	}
	return n
}
