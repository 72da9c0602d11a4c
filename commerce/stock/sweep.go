package stock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// maxSwept is how many pools one round releases lapsed holds in; the rest come a round later.
const maxSwept = 256

// Run sweeps and looks for drift until ctx ends, then waits for the lanes. Sweeping is tidiness: a tap finds lapsed units by
// itself. But nobody may be tapping, and viewers want to see that a unit is back.
func (s *Service) Run(ctx context.Context) error {
	defer s.stop()
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { newWatch(s).run(ctx) })
	ticker := time.NewTicker(s.sweep)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := s.round(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("stock sweep failed", "error", err)
		}
	}
}

// stop refuses new taps and waits for those under way.
func (s *Service) stop() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	close(s.stopping)
	s.work.Wait()
	for _, l := range s.open() {
		l.endQueue()
	}
}

// round is one sweep: lapsed holds, a Redis that was replaced, and lanes that nobody taps on.
func (s *Service) round(ctx context.Context) error {
	return errors.Join(s.sweepHolds(ctx), s.noticeNewServer(ctx), s.visit(ctx))
}

func (s *Service) sweepHolds(ctx context.Context) error {
	// The first condition says the less of the two, and can be looked up in the index.
	rows, err := s.db.Query(ctx, `
		select distinct h.pool from hold h join pool p on p.id = h.pool where h.lapses_at <= `+schema.Usable+` and h.lapses_at <= `+payable+` limit $1`, maxSwept)
	if err != nil {
		return fmt.Errorf("find lapsed holds: %w", err)
	}
	pools, err := pgx.CollectRows(rows, pgx.RowTo[commerce.PoolID])
	if err != nil {
		return fmt.Errorf("find lapsed holds: %w", err)
	}
	var errs []error
	for _, pool := range pools {
		l, err := s.lane(pool)
		if err == nil {
			err = l.releaseLapsed(ctx)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// noticeNewServer makes all copies anew when Redis is another process than before: it may have lost the last
// second of what it had acknowledged.
func (s *Service) noticeNewServer(ctx context.Context) error {
	id, err := s.gate.runID(ctx)
	if err != nil {
		return nil // the lanes find out, and say so
	}
	if s.runID != "" && id != "" && id != s.runID {
		s.log.Info("Redis was restarted; its copies of the pools are made anew")
		for _, l := range s.open() {
			l.force("server")
		}
	}
	if id != "" {
		s.runID = id
	}
	return nil
}

// visit looks after the lanes that this node sells from.
func (s *Service) visit(ctx context.Context) error {
	var errs []error
	for _, l := range s.open() {
		errs = append(errs, l.visit(ctx))
	}
	return errors.Join(errs...)
}

// visit brings the lane to a newer epoch that it has not heard of, sends notes that had to wait, and asks the gate for leases
// that have lapsed.
func (l *lane) visit(ctx context.Context) error {
	now, past, err := l.s.readEpoch(ctx, l.id)
	if err != nil {
		return err
	}
	if past {
		l.distrust(now)
	}
	l.mu.Lock()
	if l.epoch != 0 && now > l.epoch {
		l.epoch = now
	}
	idle := l.waiting.Load() == 0 && !l.notes.any() && !l.away
	l.notes.urgent = l.notes.any()
	if l.rebuild != "" {
		l.poked = maxTries
	}
	l.mu.Unlock()
	l.wake(fromInside)
	if now == 0 || !idle {
		return nil
	}
	got, err := l.s.gate.call(ctx, l.id, gateCall{epoch: now, tag: newTag()})
	switch {
	case errors.Is(err, errNotLoaded):
		return nil // the next tap makes it
	case errors.Is(err, ErrGate) && ctx.Err() == nil:
		l.gateAway(err) // which says so
		return nil
	case err != nil:
		return err
	case len(got.lapsed) > 0:
		return l.lapse(ctx, now, got.lapsed)
	}
	return nil
}

// Copy is what the gate believes of a pool, for `rialto verify`.
type Copy struct {
	Loaded    bool
	Free      int
	TimedFree int // units left of the timed offer's cap; -1 when it has none
	Leases    int
}

// ReadCopy looks at the gate's copy of an epoch and changes nothing.
func (s *Service) ReadCopy(ctx context.Context, pool commerce.PoolID, epoch int64) (Copy, error) {
	return s.gate.peek(ctx, pool, epoch)
}
