package outbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce/crash"
)

const (
	// MaxEffects is how many effects one node works on at once.
	MaxEffects = 8
	// lease is how long a claimed effect belongs to its node; longer than a try may take, so that two nodes
	// never work on one effect unless one of them stood still.
	lease = 30 * time.Second
	// stopGrace is what effects at work are given to finish when the program stops. What is cut off is tried
	// again with the same id when its lease is over.
	stopGrace = 5 * time.Second

	// effects that were done are kept for keepDone, so that writing one again is nothing.
	keepDone  = 14 * 24 * time.Hour
	trimEvery = time.Minute
	trimBatch = 1000
	dbLimit   = 5 * time.Second
)

// effects claims effects and works on up to MaxEffects of them at once. No transaction is open meanwhile.
func (d *Dispatcher) effects(ctx context.Context) {
	kinds := slices.DeleteFunc(slices.Collect(maps.Keys(d.config.Handlers)), func(kind string) bool {
		return kind == KindEvent || kind == KindControl
	})
	if len(kinds) == 0 {
		return
	}
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()

	var group errgroup.Group
	slots := make(chan struct{}, MaxEffects)
	d.loop(ctx, worker{lane: laneEffect.name, kick: d.effectsKick, round: func(ctx context.Context) (bool, error) {
		free := cap(slots) - len(slots) // only this loop fills slots, so there are at least so many
		if free == 0 {
			return false, nil // each one that ends kicks
		}
		rows, err := d.claimEffects(ctx, kinds, free)
		for _, r := range rows {
			slots <- struct{}{}
			group.Go(func() error {
				d.effect(work, r)
				<-slots
				tell(d.effectsKick)
				return nil
			})
		}
		return len(rows) == free, err
	}})
	grace := time.AfterFunc(stopGrace, cut)
	defer grace.Stop()
	_ = group.Wait()
}

// claimEffects takes rows by moving the time at which they are due behind the lease.
func (d *Dispatcher) claimEffects(ctx context.Context, kinds []string, most int) ([]row, error) {
	ctx, cancel := context.WithTimeout(ctx, dbLimit)
	defer cancel()
	rows, err := collect(d.config.Pool.Query(ctx, `
		update outbox o set attempts = attempts + 1, not_before = now() + $3::interval
		from (select id from outbox where lane = 'effect' and done_at is null and parked_at is null
			and not_before <= now() and kind = any($1) order by not_before limit $2 for update skip locked) due
		where o.id = due.id
		returning o.id, o.kind, o.ref, o.payload, o.attempts, o.failures, o.created_at, '', 0::bigint`, kinds, most, lease))
	if err != nil {
		return nil, fmt.Errorf("claim effects: %w", err)
	}
	return rows, nil
}

// effect tries one and writes down what came of it. If that cannot be written, the lease ends and the effect
// is tried again with the same id.
func (d *Dispatcher) effect(ctx context.Context, r row) {
	err := d.call(ctx, laneEffect.limit, r.message)
	note, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbLimit)
	defer cancel()
	if err == nil {
		crash.Here("outbox.effect_done")
		// attempts fences: a claim that was taken over by another node is theirs to finish.
		_, err = d.config.Pool.Exec(note, `update outbox set done_at = now(), last_error = null where id = $1 and attempts = $2`, r.id, r.attempts)
		if err == nil {
			d.metrics.delivered.WithLabelValues(laneEffect.name).Inc()
			return
		}
	} else {
		_, err = d.failed(note, d.config.Pool, laneEffect, r, err)
	}
	if err != nil {
		d.metrics.claims.WithLabelValues(laneEffect.name).Inc()
		d.config.Log.Error("outbox effect: its outcome could not be noted; it will be tried again", "kind", r.message.Kind, "id", r.message.ID, "error", err)
	}
}

// trim deletes effects that were done long ago.
func (d *Dispatcher) trim(ctx context.Context) {
	every := time.NewTicker(trimEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		for {
			n, err := d.trimOnce(ctx)
			if err != nil && ctx.Err() == nil {
				d.metrics.claims.WithLabelValues("trim").Inc()
			}
			if err != nil || n < trimBatch {
				break
			}
		}
	}
}

func (d *Dispatcher) trimOnce(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, dbLimit)
	defer cancel()
	tag, err := d.config.Pool.Exec(ctx, `
		delete from outbox where id in (select id from outbox where done_at < now() - $1::interval
			order by done_at limit $2 for update skip locked)`, keepDone, trimBatch)
	if err != nil {
		return 0, fmt.Errorf("trim: %w", err)
	}
	return tag.RowsAffected(), nil
}
