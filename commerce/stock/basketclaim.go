package stock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// basketRounds is how many rounds of baskets are under way at once: the next is read and judged while the one before waits
	// for the disk.
	basketRounds = 2
	// basketPools is how many pools one transaction of baskets is about at most, when it is about more than one basket.
	basketPools = 64
)

// claimBaskets is a round: it has admitted baskets decided, and tells the gates. It answers nil for those that are their buyers'
// now, errAgain, errKnown, or why not.
func (s *Service) claimBaskets(ctx context.Context, all []*basket) []error {
	errs := make([]error, 0, len(all))
	for len(errs) < len(all) {
		some := all[len(errs):]
		pools := map[commerce.PoolID]bool{}
		n := slices.IndexFunc(some, func(b *basket) bool {
			for _, a := range b.asks {
				pools[a.tap.Pool] = true
			}
			return len(pools) > basketPools
		})
		if n > 0 {
			some = some[:n]
		}
		errs = append(errs, s.claimTogether(ctx, some)...)
	}
	return errs
}

// claimTogether is one transaction.
func (s *Service) claimTogether(ctx context.Context, all []*basket) []error {
	for _, b := range all {
		for _, a := range b.asks {
			a.source = sourceOf(a.tap.Source)
			a.seen = s.addresses.seen(a.source)
		}
	}
	t, err := s.commitTogether(ctx, all)
	if err == nil && t.conn != nil {
		committed()
		err = flush(ctx, t.conn)
		s.metrics.batch.WithLabelValues("basket").Observe(float64(len(all)))
	}
	s.metrics.calls.WithLabelValues("basket", result(err)).Inc()
	if err == nil {
		t.settle(ctx, s)
		return t.errs
	}
	// Whether it was committed is not known: the leases lapse, and the ids find what there is.
	s.log.Warn("claim of baskets failed", "baskets", len(all), "error", err)
	errs := make([]error, len(all))
	for i, b := range all {
		for _, a := range b.asks {
			a.lane.leave(a)
		}
		errs[i] = unavailable(err)
	}
	return errs
}

// commitTogether decides baskets. Its error leaves open what was done.
func (s *Service) commitTogether(ctx context.Context, all []*basket) (*together, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	for try := 1; ; try++ {
		t, err := s.commitTogetherOnce(ctx, all)
		if err == nil {
			return t, nil
		}
		if try == schema.MaxTries || !errors.Is(err, errMet) && !schema.Retryable(err) {
			return nil, fmt.Errorf("claim %d baskets: %w", len(all), err)
		}
	}
}

// commitTogetherOnce is commitOnce with a claim for each pool.
func (s *Service) commitTogetherOnce(ctx context.Context, all []*basket) (*together, error) {
	conn, err := s.db.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	t := s.newTogether(conn, all)
	batch := opening()
	for _, c := range t.claims {
		c.queue(batch, c.pool(), s.barred)
	}
	err = readShelf(conn.SendBatch(ctx, batch).Close())
	placed := false
	if err == nil {
		if placed = t.judge(); placed {
			err = t.write(ctx)
		}
	}
	if err != nil || !placed {
		t.claims[0].undo(ctx)
		return t, err
	}
	t.conn = conn
	return t, nil
}

// together is baskets that are decided in one transaction, with a claim for each of their pools. conn is nil as long as nothing is
// committed.
type together struct {
	conn   *pgxpool.Conn // see decided
	all    []*basket
	errs   []error         // of each
	claims []*claimOfLines // in the order of their pools, which is that of their locks
	by     map[commerce.PoolID]*claimOfLines
}

// claimOfLines is the claim of a pool of which baskets want lines.
type claimOfLines struct {
	*claim
	rows   []row // of baskets that are placed
	change moved
	short  bool // the gate admitted more than there was
}

func (c *claimOfLines) pool() commerce.PoolID { return c.asks[0].tap.Pool }

func (s *Service) newTogether(conn *pgxpool.Conn, all []*basket) *together {
	t := &together{all: all, errs: make([]error, len(all)), by: map[commerce.PoolID]*claimOfLines{}}
	open := map[sourceKey]int{} // an address has what it gets of other pools, too
	for _, b := range all {
		for _, a := range b.asks {
			c := t.by[a.tap.Pool]
			if c == nil {
				c = &claimOfLines{claim: s.newClaim(conn, nil)}
				c.wary, c.has.holds = true, open
				t.by[a.tap.Pool], t.claims = c, append(t.claims, c)
			}
			c.asks, c.direct = append(c.asks, a), c.direct || a.epoch == directEpoch
		}
	}
	slices.SortFunc(t.claims, func(a, b *claimOfLines) int {
		x, y := a.pool(), b.pool()
		return bytes.Compare(x[:], y[:])
	})
	return t
}

// judge decides about each basket, after all that came before it. It says whether one is placed.
func (t *together) judge() (placed bool) {
	was := make([]opened, len(t.claims))
	for i, c := range t.claims {
		was[i] = c.open()
	}
	seen := make(map[commerce.HoldID]bool, len(t.all))
	for i, b := range t.all {
		if t.errs[i] = t.judgeBasket(b, seen[b.id]); t.errs[i] == nil {
			t.place(b)
			placed = true
		}
		seen[b.id] = true
	}
	for i, c := range t.claims {
		c.change = c.moved(was[i])
	}
	return placed
}

// judgeBasket says why not. nil: all of its lines are counted. twice: it is in this round already.
func (t *together) judgeBasket(b *basket, twice bool) (err error) {
	if twice {
		return errAgain
	}
	show := t.by[b.asks[0].tap.Pool].shelf.level.Show
	for _, a := range b.asks {
		c := t.by[a.tap.Pool]
		switch {
		case t.stale(a):
			a.lane.outdated(a.epoch)
			err = errAgain
		case err != nil:
		case c.has.barred[a.tap.Buyer]: // nobody tells them what they may have
			err = &LineError{a.tap.Pool, ErrBarred}
		case c.known[a.tap.ID] != nil:
			err = errKnown
		case c.shelf.level.Show != show:
			err = &LineError{a.tap.Pool, fmt.Errorf("%w: pools of several shows in one hold", ErrUnknown)}
		}
	}
	if err != nil {
		return err
	}
	for i, a := range b.asks {
		c := t.by[a.tap.Pool]
		fate := c.shelf.judge(a, c.has)
		if fate == nil {
			continue
		}
		for _, before := range b.asks[:i] {
			c := t.by[before.tap.Pool]
			c.shelf.place(before, c.has, -1)
		}
		c.short = c.short || gateIsShort(fate)
		return &LineError{a.tap.Pool, refusedLine(fate, c.shelf.free)}
	}
	return nil
}

// stale says whether the copy that admitted a line is not the pool's present one.
func (t *together) stale(a *ask) bool {
	return a.epoch != directEpoch && a.epoch != t.by[a.tap.Pool].shelf.epoch
}

// refusedLine is what the buyer hears. No tombstone is written, so the id may be sent again.
func refusedLine(fate error, left int) error {
	switch {
	case errors.Is(fate, ErrSoldOut):
		return &SoldOutError{Left: left}
	case errors.Is(fate, errOfferLate):
		return ErrOfferChanged
	}
	return fate
}

// place makes the hold of a basket.
func (t *together) place(b *basket) {
	lines := make([]Hold, len(b.asks))
	for i, a := range b.asks {
		c := t.by[a.tap.Pool]
		lines[i] = c.shelf.hold(&a.tap, c.holdFor)
		lines[i].Of = b.id
		c.rows = append(c.rows, row{ask: a, state: Held})
	}
	b.hold = Join(lines)
}

// write is the second trip.
func (t *together) write(ctx context.Context) error {
	var f schema.Flight
	for _, c := range t.claims {
		c.put(&f, c.rows, c.change)
	}
	// The shows' streams are locked last, and in one order.
	slices.SortStableFunc(t.claims, func(a, b *claimOfLines) int {
		return bytes.Compare(a.shelf.level.Show[:], b.shelf.level.Show[:])
	})
	for _, c := range t.claims {
		if err := c.tell(&f, c.rows, c.change); err != nil {
			return err
		}
	}
	return t.claims[0].send(ctx, &f)
}

// settle tells the gates, once what is committed is durable.
func (t *together) settle(ctx context.Context, s *Service) {
	back := map[*claimOfLines][]entry{}
	for i, b := range t.all {
		for _, a := range b.asks {
			if c := t.by[a.tap.Pool]; t.errs[i] != nil && !t.stale(a) {
				back[c] = append(back[c], a.back()...)
			}
		}
	}
	for _, c := range t.claims {
		lane, epoch, news := c.asks[0].lane, c.shelf.epoch, due{}
		if t.conn != nil {
			back[c] = append(back[c], c.gone...)
			s.metrics.swept.WithLabelValues("hold").Add(float64(len(c.gone)))
			news = due{known: len(c.rows) > 0, at: c.shelf.now.Add(c.holdFor)}
		}
		if c.direct {
			if epoch = directEpoch; t.conn != nil && c.change.any() {
				lane.pastCopy(ctx, c.shelf.epoch)
			}
		}
		var present []*ask
		for _, a := range c.asks {
			if t.stale(a) {
				lane.judged(a.epoch, []*ask{a}, a.back(), false, due{})
			} else {
				present = append(present, a)
			}
		}
		lane.judged(epoch, present, back[c], c.short, news)
		for _, a := range c.asks {
			lane.leave(a)
		}
	}
}
