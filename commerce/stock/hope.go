package stock

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

var (
	// errNoHope says that by what is believed some of a batch is refused: that is for who has read it.
	errNoHope = errors.New("not all of it would be given")
	// errDashed says that a hope was sent in vain: nothing has been done.
	errDashed = errors.New("not as believed")
)

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

// hope commits a batch in one trip, if all of it is given. Its error is errNoHope, errDashed, or leaves open what was done.
func (s *Service) hope(ctx context.Context, pool commerce.PoolID, asks []*ask, believed *belief) (decided, error) {
	c := s.newClaim(nil, asks)
	c.shelf = believed.at(time.Now())
	before := c.shelf
	got, rows, change := c.judge()
	for _, fate := range got.fates {
		if fate != nil {
			return decided{}, errNoHope
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

// expectPool locks the pool's row and takes units off it, if all that the batch was judged by stands there and Postgres' clock is
// what it was taken for.
func expectPool(f *schema.Flight, s *shelf, change moved) {
	f.Queue(`
		with sold as (
			update pool set taken = taken + $2, timed_taken = timed_taken + $3
			where id = $1 and now() between $4::timestamptz - $5::interval and $4::timestamptz + $5::interval
				and (`+shelfColumns+`) = ($6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
			returning id)
		select expect(exists (select from sold))`,
		append([]any{s.level.Pool, change.took, change.timed, s.now, clockSlack}, s.columns()...)...)
}

// expectBuyers has nobody be over a limit with what they have beside this batch, or barred.
func (c *claim) expectBuyers(f *schema.Flight, barred string) {
	l := &c.shelf.level
	names, sources := c.people()
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

// most is the largest count of a batch's buyers, or of its addresses.
func most[K comparable](counts map[K]int) int { return slices.Max(slices.Collect(maps.Values(counts))) }
