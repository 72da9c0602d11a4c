package stock

import (
	"context"
	"errors"
	"fmt"

	"github.com/rialto-live/rialto/commerce/schema"
)

// decidedAll is what Postgres has decided about lines that stand together, in their order. Only a decision that is neither known nor
// refused has been committed, and must be flushed.
type decidedAll struct {
	decided
	lines   []claimed
	known   bool  // an id of them is no new one
	refused error // why there is nothing of it
}

// commitAll decides about one line of each of several pools in one transaction. errAgain: what admitted a line is not the pool's
// present copy. Other errors leave open what was done.
func (s *Service) commitAll(ctx context.Context, asks []*ask) (decidedAll, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	for _, a := range asks {
		a.source = sourceOf(a.tap.Source)
		a.seen = s.addresses.seen(a.source)
	}
	for try := 1; ; try++ {
		got, err := s.commitAllOnce(ctx, asks)
		if err == nil || errors.Is(err, errAgain) {
			return got, err
		}
		if try == schema.MaxTries || !errors.Is(err, errMet) && !schema.Retryable(err) {
			return decidedAll{}, fmt.Errorf("claim the %d lines of hold %s: %w", len(asks), asks[0].of, err)
		}
	}
}

// commitAllOnce is commitOnce with a claim for each pool. Their rows are locked in the order of the asks, which is that of their ids.
func (s *Service) commitAllOnce(ctx context.Context, asks []*ask) (got decidedAll, err error) {
	conn, err := s.db.Acquire(ctx)
	if err != nil {
		return decidedAll{}, err
	}
	claims := make([]*claim, len(asks))
	batch := opening()
	for i, a := range asks {
		c := s.newClaim(conn, asks[i:i+1])
		c.wary, c.direct = true, a.epoch == directEpoch
		if i > 0 {
			c.has.holds = claims[0].has.holds // an address has what it gets by the other lines, too
		}
		c.queue(batch, a.tap.Pool, s.barred)
		claims[i] = c
	}
	done := false
	defer func() {
		if !done {
			claims[0].undo(ctx)
		}
	}()
	if err := readShelf(conn.SendBatch(ctx, batch).Close()); err != nil {
		return decidedAll{}, err
	}
	if err := outdatedAny(claims); err != nil {
		return decidedAll{}, err
	}
	got, parts := judgeAll(claims)
	if got.known || got.refused != nil {
		return got, nil
	}
	var f schema.Flight
	for i, c := range claims {
		c.put(&f, parts[i].rows, parts[i].change)
	}
	for i, c := range claims { // the shows' streams are locked last
		if err := c.tell(&f, parts[i].rows, parts[i].change); err != nil {
			return decidedAll{}, err
		}
	}
	if err := claims[0].send(ctx, &f); err != nil {
		return decidedAll{}, err
	}
	done, got.conn = true, conn
	return got, nil
}

// outdatedAny has the lanes whose copy is not the present one read their epochs again.
func outdatedAny(claims []*claim) (err error) {
	for _, c := range claims {
		if a := c.asks[0]; !c.direct && c.shelf.epoch != a.epoch {
			a.lane.outdated(a.epoch)
			err = fmt.Errorf("%w: %w", errAgain, errStaleEpoch)
		}
	}
	return err
}

// part is what a claim of one of the pools writes.
type part struct {
	rows   []row
	change moved
}

// judgeAll judges each line by its pool.
func judgeAll(claims []*claim) (all decidedAll, parts []part) {
	for _, c := range claims {
		t := &c.asks[0].tap
		all.known = all.known || c.known[t.ID] != nil
		got, rows, change := c.judge()
		fate := got.fates[t.ID]
		switch {
		case got.barred[t.Buyer]: // nobody tells them what they may have
			fate, all.known = ErrBarred, false
		case c.shelf.level.Show != claims[0].shelf.level.Show:
			fate = fmt.Errorf("%w: pools of several shows in one hold", ErrUnknown)
		}
		if got.fates[t.ID] = fate; fate != nil && all.refused == nil {
			all.refused = &LineError{t.Pool, refusedLine(fate, &got)}
		}
		all.lines, parts = append(all.lines, got), append(parts, part{rows, change})
	}
	return all, parts
}

// refusedLine is what the buyer hears. No tombstone is written, so the id may be sent again.
func refusedLine(fate error, got *claimed) error {
	switch {
	case errors.Is(fate, ErrSoldOut):
		return &SoldOutError{Left: got.left}
	case errors.Is(fate, errOfferLate):
		return ErrOfferChanged
	}
	return fate
}
