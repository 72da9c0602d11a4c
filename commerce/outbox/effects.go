package outbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce/crash"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// MaxEffects is how many effects one node works on at once, those of the kinds of Config.AtOnce left out.
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

// crew works on effects of some kinds, on so many at once.
type crew struct {
	kinds  []string
	atOnce int
	kick   chan struct{} // capacity 1, wakes its claimer
	hungry atomic.Bool   // its last claim found as many as it had places for, so that there may be more
}

// crews has one for each kind that has a number of its own, and one for all others.
func (c Config) crews() []*crew {
	others := &crew{atOnce: MaxEffects, kick: make(chan struct{}, 1)}
	var all []*crew
	for _, kind := range slices.Sorted(maps.Keys(c.Handlers)) {
		switch n := c.AtOnce[kind]; {
		case kind == KindEvent || kind == KindControl:
		case n > 0:
			all = append(all, &crew{kinds: []string{kind}, atOnce: n, kick: make(chan struct{}, 1)})
		default:
			others.kinds = append(others.kinds, kind)
		}
	}
	if len(others.kinds) > 0 {
		all = append(all, others)
	}
	return all
}

// effects claims a crew's effects and works on as many of them at once as it may. No transaction is open meanwhile.
func (d *Dispatcher) effects(ctx context.Context, c *crew) {
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()

	var group errgroup.Group
	slots := make(chan struct{}, c.atOnce)
	d.loop(ctx, worker{lane: laneEffect.name, kick: c.kick, round: func(ctx context.Context) (bool, error) {
		c.hungry.Store(true)
		free := cap(slots) - len(slots) // only this loop fills slots, so there are at least so many
		if free == 0 {
			return false, nil // each one that ends kicks
		}
		rows, err := d.claimEffects(ctx, c.kinds, free)
		c.hungry.Store(len(rows) == free)
		for _, r := range rows {
			slots <- struct{}{}
			group.Go(func() error {
				d.effect(work, r)
				<-slots
				if c.hungry.Load() {
					tell(c.kick)
				}
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
	rows, err := claimed(ctx, d.config.Pool, `
		update outbox o set attempts = attempts + 1, not_before = now() + $3::interval
		from (select due.id from unnest($1::text[]) as w(kind) cross join lateral (
			select id, not_before from outbox where lane = 'effect' and done_at is null and parked_at is null
				and kind = w.kind and not_before <= now() order by not_before limit $2 for update skip locked) due
			order by due.not_before limit $2) due
		where o.id = due.id
		returning o.id, o.kind, o.ref, o.payload, o.attempts, o.failures, o.created_at, '', 0::bigint`, kinds, most, lease)
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
		if err = d.done.Do(note, r); err == nil {
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

// noteDone marks effects as done, all at once. attempts fences: a claim that was taken over by another node is theirs to
// finish.
func (d *Dispatcher) noteDone(ctx context.Context, rows []row) []error {
	ids, attempts, errs := make([]int64, len(rows)), make([]int, len(rows)), make([]error, len(rows))
	for i, r := range rows {
		ids[i], attempts[i] = r.id, r.attempts
	}
	all := &pgx.Batch{}
	schema.ByKey(all)
	all.Queue(`
		update outbox o set done_at = now(), last_error = null from unnest($1::bigint[], $2::int[]) as w(id, attempts)
		where o.id = w.id and o.attempts = w.attempts`, ids, attempts)
	err := d.config.Pool.SendBatch(ctx, all).Close()
	for i := range errs {
		errs[i] = err
	}
	return errs
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
