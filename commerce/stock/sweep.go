package stock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// maxSwept is how many pools one round releases lapsed holds in; the rest come a round later.
const maxSwept = 256

// Run sweeps until ctx ends, then waits for the lanes. Sweeping is tidiness: a tap finds lapsed units by
// itself. But nobody may be tapping, and viewers want to see that a unit is back.
func (s *Service) Run(ctx context.Context) error {
	defer s.stop()
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

// round is one sweep: lapsed holds, a Redis that was replaced, and copies that differ from the truth.
func (s *Service) round(ctx context.Context) error {
	return errors.Join(s.sweepHolds(ctx), s.noticeNewServer(ctx), s.compare(ctx))
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

// comparedLevels is what both sides said about a pool.
type comparedLevels struct {
	epoch            int64
	free, gate       int
	timed, gateTimed int // of the timed offer; -1 where it has no cap
}

func (c comparedLevels) same() bool { return c.free == c.gate && c.timed == c.gateTimed }

// compare looks at the pools that this node sells from. While taps are under way the two sides differ
// rightly, so only a difference counts that stays the same over two rounds, with no lease open and no row
// changed in between.
func (s *Service) compare(ctx context.Context) error {
	lanes := s.open()
	seen := make(map[commerce.PoolID]comparedLevels, len(lanes))
	var errs []error
	for _, l := range lanes {
		now, quiet, err := l.look(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !quiet || now.same() {
			continue
		}
		if s.seen[l.id] == now {
			s.log.Warn("the gate's count differed; it is made anew", "pool", l.id, "truth", now.free, "gate", now.gate,
				"truth_timed", now.timed, "gate_timed", now.gateTimed)
			l.force("drift")
			continue
		}
		seen[l.id] = now
	}
	s.seen = seen
	return errors.Join(errs...)
}

// look reads both sides. It also brings the lane to a newer epoch that it has not heard of, and sends notes
// that had to wait.
func (l *lane) look(ctx context.Context) (c comparedLevels, quiet bool, err error) {
	before, err := l.s.truth(ctx, l.id)
	if err != nil {
		return c, false, err
	}
	l.mu.Lock()
	if l.epoch != 0 && before.epoch > l.epoch {
		l.epoch = before.epoch
	}
	idle := l.waiting.Load() == 0 && !l.notes.any() && !l.away
	l.notes.urgent = l.notes.any()
	l.poked = l.rebuild != ""
	l.mu.Unlock()
	l.wake(fromInside)
	if before.epoch == 0 || !idle {
		return c, false, nil
	}
	got, err := l.s.gate.call(ctx, l.id, gateCall{epoch: before.epoch, tag: newTag()})
	if errors.Is(err, errNotLoaded) {
		return c, false, nil // the next tap makes it
	}
	if errors.Is(err, ErrGate) && ctx.Err() == nil {
		l.gateAway(err) // which says so
		return c, false, nil
	}
	if err != nil {
		return c, false, err
	}
	if len(got.lapsed) > 0 {
		return c, false, l.lapse(ctx, before.epoch, got.lapsed)
	}
	after, err := l.s.truth(ctx, l.id)
	if err != nil {
		return c, false, err
	}
	quiet = got.leases == 0 && before == after
	after.gate, after.gateTimed = got.free, got.timed
	return after, quiet, nil
}

// truth is a pool's row; free and epoch alone do not show that it changed and changed back, which two rounds
// make as good as impossible.
func (s *Service) truth(ctx context.Context, pool commerce.PoolID) (c comparedLevels, err error) {
	err = s.db.QueryRow(ctx, `select epoch, on_hand - taken, `+timedFree+` from pool where id = $1`, pool).Scan(&c.epoch, &c.free, &c.timed)
	if err != nil {
		return c, fmt.Errorf("read pool %s: %w", pool, err)
	}
	return c, nil
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
