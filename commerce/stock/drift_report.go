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

// maxDrifts is how many findings the table stock_drift keeps, but for those that are not repaired.
const maxDrifts = 10_000

// foundDrift reports a finding, before anything is repaired: whoever is killed in between leaves it to the next who looks.
// It is not ours when the pool has another epoch by now: then it has been repaired, or changed, and is looked at again. A
// finding that is open already, also of another node at this moment, is reported once; and while more is promised than
// there is, what follows from that is no news.
func (s *Service) foundDrift(ctx context.Context, d drift) (ours bool, err error) {
	var id *int64
	err = schema.InTx(ctx, s.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		id = nil
		// The repair changes the epoch under the same lock, so a finding cannot come after its own repair.
		err := tx.QueryRow(ctx, `select true from pool where id = $1 and epoch = $2 for no key update`, d.pool, d.epoch).Scan(&ours)
		if errors.Is(err, pgx.ErrNoRows) {
			ours = false
			return nil
		}
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `
			insert into stock_drift (pool, kind, units, detail) select $1, $2::text, $3, $4
			where not exists (select from stock_drift where pool = $1 and repaired_at is null and (kind = $2 or kind = 'oversold' and $2 <> 'gate'))
			returning id`, d.pool, d.kind, d.units, d.detail).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err == nil {
			_, err = tx.Exec(ctx, `delete from stock_drift where id <= $1 and repaired_at is not null`, *id-maxDrifts)
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("report drift of %s: %w", d.pool, err)
	}
	if id != nil {
		s.metrics.driftFound.WithLabelValues(d.kind).Inc()
		s.log.Warn("units have drifted", "pool", d.pool, "kind", d.kind, "units", d.units, "detail", d.detail)
	}
	return ours, nil
}

// repairTruth brings a pool's row and the movements of its units to what its holds say. What stands was read without a lock,
// but the differences are still the same: no step of a sale changes them, and any repair ends the epoch. The gate's copy
// ends with it, since it knows holds that are not there, or does not know some that are.
func (s *Service) repairTruth(ctx context.Context, d drift, stands *standing) error {
	return s.repair(ctx, d, func(ctx context.Context, tx pgx.Tx) (done []string, err error) {
		// More than there is, or than the cap of the timed offer, it cannot say: then it says that nothing is left.
		level, err := scanLevel(tx.QueryRow(ctx, `
			update pool set taken = least(on_hand, taken + $3),
				timed_taken = case when timed_cap > 0 then least(timed_cap, timed_taken + $4) else timed_taken + $4 end,
				epoch = epoch + 1, epoch_at = '-infinity'
			where id = $1 and epoch = $2 returning `+levelColumns, d.pool, d.epoch, stands.live()-stands.taken, stands.timed-stands.timedTaken))
		if err != nil {
			return nil, err
		}
		for _, e := range stands.edits() {
			if _, err := tx.Exec(ctx, `insert into unit_movement (pool, origin, target, kind, units, holds) values ($1, $2, $3, 'edit', $4, coalesce($5, '{}'::uuid[]))`,
				d.pool, bucketNames[e.from], bucketNames[e.to], e.units, e.holds); err != nil {
				return nil, err
			}
		}
		if done, err = repaired(ctx, tx, d.pool, `kind <> 'gate' and (kind <> 'oversold' or not $2)`, stands.beyondRepair()); err != nil {
			return nil, err
		}
		return done, level.announce(ctx, tx)
	})
}

// repairGate ends the epoch of a copy that is wrong: nothing that it admits counts from here on, and the next tap finds
// that a new one must be made.
func (s *Service) repairGate(ctx context.Context, d drift) error {
	return s.repair(ctx, d, func(ctx context.Context, tx pgx.Tx) ([]string, error) {
		var epoch int64
		err := tx.QueryRow(ctx, `update pool set epoch = epoch + 1, epoch_at = '-infinity' where id = $1 and epoch = $2 returning epoch`, d.pool, d.epoch).Scan(&epoch)
		if err != nil {
			return nil, err
		}
		return repaired(ctx, tx, d.pool, `kind = 'gate'`)
	})
}

// repair runs fn in a transaction, and tells the gate and those who read the log. fn answers pgx.ErrNoRows when the pool has
// another epoch by now: then somebody else has repaired it, or it was changed and is looked at again.
func (s *Service) repair(ctx context.Context, d drift, fn func(ctx context.Context, tx pgx.Tx) (done []string, err error)) error {
	var done []string
	err := schema.InTx(ctx, s.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) (err error) {
		done, err = fn(ctx, tx)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("repair drift of %s: %w", d.pool, err)
	}
	s.Changed(ctx, d.pool)
	s.mu.Lock()
	l := s.lanes[d.pool]
	s.mu.Unlock()
	if l != nil {
		l.force("") // who taps next finds the new copy made
	}
	s.tellRepaired(d.pool, done)
	return nil
}

// closeDrift is for findings of which nothing is left to be found: somebody has put them right, or was killed before they
// could say that they had.
func (s *Service) closeDrift(ctx context.Context, pool commerce.PoolID, gate bool) error {
	done, err := repaired(ctx, s.db, pool, `(kind = 'gate') = $2`, gate)
	if err != nil {
		return fmt.Errorf("close drift of %s: %w", pool, err)
	}
	s.tellRepaired(pool, done)
	return nil
}

// repaired notes that some of a pool's findings are, and answers their kinds.
func repaired(ctx context.Context, q schema.Querier, pool commerce.PoolID, which string, args ...any) ([]string, error) {
	rows, err := q.Query(ctx, `update stock_drift set repaired_at = clock_timestamp() where pool = $1 and repaired_at is null and `+which+` returning kind`,
		append([]any{pool}, args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (s *Service) tellRepaired(pool commerce.PoolID, kinds []string) {
	for _, kind := range kinds {
		s.metrics.driftRepaired.WithLabelValues(kind).Inc()
		s.log.Info("drift of units is repaired", "pool", pool, "kind", kind)
	}
}
