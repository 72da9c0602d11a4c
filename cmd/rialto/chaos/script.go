package chaos

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
)

// What scripts and faults do to a cell. Each returns when it is over, and what it took away is back then.

const (
	fliesEvery = 50 * time.Millisecond
	handEvery  = 40 * time.Millisecond
	mostByHand = 12 // holds in one cell
)

// after rests in the load for a time. A load that ends sooner ends the rest.
func (c *cell) after(d time.Duration) error {
	pause(c.load, d)
	return c.ctx.Err()
}

func (c *cell) redisLost() error {
	if c.plan.flips%2 == 0 {
		return errors.Join(c.after(c.plan.scripted), c.flush())
	}
	return errors.Join(c.after(c.plan.scripted), c.redisDownFor(c.plan.lasts))
}

func (c *cell) flush() error {
	c.history.note("Redis is emptied")
	return c.world.stores.flushRedis(c.ctx)
}

func (c *cell) redisDownFor(d time.Duration) error {
	c.history.note("Redis is killed")
	err := errors.Join(c.world.stores.killRedis(), c.after(d), c.world.stores.startRedis(c.ctx))
	c.history.note("Redis is back")
	return err
}

func (c *cell) redisBackInTime() error {
	if err := c.after(c.plan.scripted); err != nil {
		return err
	}
	c.history.note("Redis is copied")
	err := c.world.stores.redisBack(c.ctx, func() error { return c.after(c.plan.lasts) })
	c.history.note("Redis is what it was then")
	return err
}

// redisLongAway lasts as long as the crowd does.
func (c *cell) redisLongAway() error {
	return errors.Join(c.after(c.plan.scripted), c.redisDownFor(c.world.o.load))
}

func (c *cell) postgresAway() error {
	return errors.Join(c.after(c.plan.scripted), c.postgresDownFor(2*c.plan.lasts))
}

func (c *cell) postgresDownFor(d time.Duration) error {
	c.history.note("Postgres is killed")
	err := errors.Join(c.world.stores.killPostgres(), c.after(d), c.world.stores.startPostgres(c.ctx))
	c.history.note("Postgres is back")
	return err
}

func (c *cell) redisKilled() error {
	return errors.Join(c.after(c.plan.strikes), c.redisDownFor(c.plan.lasts))
}

func (c *cell) redisFlushed() error {
	return errors.Join(c.after(c.plan.strikes), c.flush(), c.after(c.plan.lasts), c.flush())
}

func (c *cell) redisPaused() error {
	err := c.after(c.plan.strikes)
	c.history.note("Redis hangs")
	err = errors.Join(err, c.world.stores.pauseRedis(func() error { return c.after(c.plan.lasts) }))
	c.history.note("Redis goes on")
	return err
}

func (c *cell) postgresKilled() error {
	return errors.Join(c.after(c.plan.strikes), c.postgresDownFor(c.plan.lasts))
}

func (c *cell) postgresPaused() error {
	err := c.after(c.plan.strikes)
	c.history.note("Postgres hangs")
	err = errors.Join(err, c.world.stores.pausePostgres(func() error { return c.after(c.plan.lasts) }))
	c.history.note("Postgres goes on")
	return err
}

// sandboxKilled is beside what the wire does to the calls.
func (c *cell) sandboxKilled() error {
	err := c.after(c.plan.strikes)
	c.history.note("the sandbox is killed")
	err = errors.Join(err, c.world.sandbox.hold(c.ctx), c.after(c.plan.lasts))
	c.world.sandbox.release()
	c.history.note("the sandbox is started")
	return err
}

// timeFlies brings the ends of holds near while their buyers are about to pay.
func (c *cell) timeFlies() error {
	return c.again(fliesEvery, func(ctx context.Context) error {
		_, err := c.world.db.Exec(ctx, `
			update hold set lapses_at = now() + interval '30 milliseconds', expires_at = now() + interval '30 milliseconds'
			where coalesce(part_of, id) in (select coalesce(h.part_of, h.id) from hold h join pool p on p.id = h.pool where p.show = $1 and h.state = 'held' and h.expires_at > now() + interval '1 minute'
				order by h.created_at desc limit 4)`, c.sale.show)
		return err
	})
}

// again does something until the crowd goes. A Postgres that is away is no reason to stop.
func (c *cell) again(every time.Duration, do func(ctx context.Context) error) error {
	if err := c.after(c.plan.scripted); err != nil {
		return err
	}
	for c.load.Err() == nil {
		ctx, cancel := context.WithTimeout(c.load, tapWithin)
		_ = do(ctx)
		cancel()
		pause(c.load, every)
	}
	return c.ctx.Err()
}

// wrongHand takes the units of holds away that are being paid, as somebody with a console might.
func (c *cell) wrongHand() error {
	return c.again(handEvery, func(ctx context.Context) error {
		if len(c.byHand) >= mostByHand {
			return nil
		}
		return pgx.BeginFunc(ctx, c.world.db, func(tx pgx.Tx) error {
			var id, of commerce.HoldID
			var pool commerce.PoolID
			err := tx.QueryRow(ctx, `select h.id, coalesce(h.part_of, h.id), p.id from hold h join pool p on p.id = h.pool where p.show = $1 and h.state = 'paying' order by h.id desc limit 1`,
				c.sale.show).Scan(&id, &of, &pool)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `select from pool where id = $1 for no key update`, pool); err != nil {
				return err
			}
			var quantity int
			err = tx.QueryRow(ctx, `update hold set state = 'released', version = version + 1, changed_at = now() where id = $1 and state = 'paying' returning quantity`,
				id).Scan(&quantity)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `update pool set taken = taken - $2 where id = $1`, pool, quantity); err != nil {
				return err
			}
			c.byHand[of] = true // also when the commit's answer is lost
			return nil
		})
	})
}

// drop opens one of the pools in the middle of the load; see prepare.
func (c *cell) drop() error {
	pause(c.load, time.Until(c.opensAt))
	c.history.note("the drop opens")
	return c.ctx.Err()
}

// backInTime restores a backup of Postgres: what was committed after it is lost. No node runs until all is well and what the
// payment company knows beyond is given back; see heal.
func (c *cell) backInTime() error {
	if err := c.after(c.plan.scripted); err != nil {
		return err
	}
	made, err := c.world.stores.backup(c.ctx)
	if err != nil {
		return err
	}
	c.history.note("Postgres is backed up")
	c.lostSince = made
	if err := c.after(2 * c.plan.lasts); err != nil {
		return err
	}
	for _, n := range c.world.nodes {
		if err := n.hold(c.ctx); err != nil {
			return err
		}
	}
	c.history.note("Postgres is lost, and the backup restored")
	return c.world.stores.restore(c.ctx)
}
