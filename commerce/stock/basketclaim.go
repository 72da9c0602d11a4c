package stock

import (
	"context"
	"errors"
	"fmt"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// decidedAll is what Postgres has decided about lines that stand together, in their order. Only a decision that is neither known nor
// refused has been committed, and must be flushed.
type decidedAll struct {
	decided
	lines   []claimed
	barred  bool                      // the buyer may have nothing
	known   bool                      // an id of them is no new one
	refused error                     // why there is nothing of it
	fates   map[commerce.HoldID]error // of each line, when it is refused
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
	f, got := judgeAll(claims)
	if got.known = got.known && !got.barred; got.known || got.refused != nil {
		return got, nil
	}
	if err := claims[0].send(ctx, f); err != nil {
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

// judgeAll judges each line by its pool, and writes what they come to when all are given.
func judgeAll(claims []*claim) (f *schema.Flight, all decidedAll) {
	f, all.fates = &schema.Flight{}, map[commerce.HoldID]error{}
	rows, changes := make([][]row, len(claims)), make([]moved, len(claims))
	for i, c := range claims {
		t := &c.asks[0].tap
		all.known = all.known || c.known[t.ID] != nil
		var got claimed
		got, rows[i], changes[i] = c.judge()
		fate := got.fates[t.ID]
		switch {
		case got.barred[t.Buyer]: // nobody tells them what they may have
			fate, all.barred = ErrBarred, true
		case c.shelf.level.Show != claims[0].shelf.level.Show:
			fate = fmt.Errorf("%w: pools of several shows in one hold", ErrUnknown)
		}
		if fate != nil {
			all.fates[t.ID] = fate
			if all.refused == nil {
				all.refused = &LineError{t.Pool, refusedLine(fate, &got)}
			}
		}
		all.lines = append(all.lines, got)
	}
	for i, c := range claims {
		c.put(f, rows[i], changes[i])
	}
	for i, c := range claims {
		if err := c.tell(f, rows[i], changes[i]); err != nil && all.refused == nil {
			all.refused = err
		}
	}
	return f, all
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
