package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// batch is how many events of one show, or controls, are handed over in one transaction.
	batch = 256
	// handoverBudget ends a batch early, so that no transaction stays open for long.
	handoverBudget = 5 * time.Second
	// roundLimit bounds a round with all its statements; it is larger than a budget and one try.
	roundLimit = 15 * time.Second
)

// row is one claimed row.
type row struct {
	id       int64
	attempts int // with this try
	failures int // before this try
	message  Message
	broken   error // the payload cannot be read
}

// eventRound hands over the oldest events of one show, in order.
//
// The head row of a show stands for the show: whoever has it locked speaks for it, and everybody else skips
// it. The transaction is the Dispatcher's own and stays open while the handler talks to the bus. That is the
// one exception to "no calls inside a transaction": the rows that it locks are waited for by nobody (writers
// only insert), and when this node dies its locks are gone at once, which no lease can offer.
func (d *Dispatcher) eventRound(ctx context.Context) (more bool, err error) {
	return d.round(ctx, laneEvent, func(ctx context.Context, tx pgx.Tx) ([]row, error) {
		var key string
		// The heads are found by hopping from key to key in the index. The conditions on o are judged again
		// on the newest version when the lock is taken, so a head that was delivered meanwhile is passed over.
		heads := &pgx.Batch{}
		schema.InOrder(heads)
		heads.Queue(`
			with recursive head as (
				(select id, key from outbox where lane = 'event' and parked_at is null order by key, seq limit 1)
				union all
				select n.id, n.key from head h cross join lateral (
					select id, key from outbox where lane = 'event' and parked_at is null and key > h.key
					order by key, seq limit 1) n)
			select o.key from outbox o where o.id = any(array(select id from head)) and o.parked_at is null and o.not_before <= now()
			order by o.not_before, o.id limit 1 for update of o skip locked`).Query(func(rows pgx.Rows) error {
			_, err := pgx.ForEachRow(rows, []any{&key}, func() error { return nil }) // no row is no error: after one all is prepared again
			return err
		})
		if err := tx.SendBatch(ctx, heads).Close(); err != nil || key == "" {
			return nil, err
		}
		return collect(tx.Query(ctx, `
			select id, kind, ref, payload, attempts + 1, failures, created_at, key, seq from outbox
			where lane = 'event' and key = $1 and parked_at is null order by seq limit $2`, key, batch))
	})
}

// controlRound hands over orders to the nodes.
func (d *Dispatcher) controlRound(ctx context.Context) (more bool, err error) {
	return d.round(ctx, laneControl, func(ctx context.Context, tx pgx.Tx) ([]row, error) {
		return claimed(ctx, tx, `
			select id, kind, ref, payload, attempts + 1, failures, created_at, '', 0::bigint from outbox
			where lane = 'control' and parked_at is null and not_before <= now()
			order by id limit $1 for update skip locked`, batch)
	})
}

// round claims rows, hands them over and deletes what was delivered, in one transaction. It does not stop in the
// middle when ctx ends, only between rows: what was handed over shall also be deleted.
func (d *Dispatcher) round(ctx context.Context, l lane, claim func(context.Context, pgx.Tx) ([]row, error)) (more bool, err error) {
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), roundLimit)
	defer cancel()
	err = pgx.BeginFunc(work, d.config.Pool, func(tx pgx.Tx) error {
		rows, err := claim(work, tx)
		if err != nil {
			return fmt.Errorf("claim: %w", err)
		}
		if l == laneEvent && len(rows) > 0 {
			if err := schema.Durable(work, d.config.Pool, tx); err != nil {
				return err
			}
		}
		delivered, err := d.handOver(ctx, work, tx, l, rows)
		if err != nil {
			return err
		}
		// After a failure the next poll is soon enough: a receiver that is away is not asked in a circle.
		more = len(rows) > 0 && len(delivered) == len(rows)
		if len(delivered) == 0 {
			return nil
		}
		if _, err := tx.Exec(work, `delete from outbox where id = any($1)`, delivered); err != nil {
			return fmt.Errorf("delete delivered rows: %w", err)
		}
		return nil
	})
	return more, err
}

func (d *Dispatcher) handOver(ctx, work context.Context, tx pgx.Tx, l lane, rows []row) (delivered []int64, err error) {
	started := time.Now()
	for _, r := range rows {
		if ctx.Err() != nil || time.Since(started) > handoverBudget {
			break
		}
		err := r.broken
		if err == nil {
			err = d.call(work, l.limit, r.message)
		}
		if err == nil {
			delivered = append(delivered, r.id)
			d.metrics.delivered.WithLabelValues(l.name).Inc()
			continue
		}
		f, dbErr := d.failed(work, tx, l, r, err)
		if dbErr != nil {
			return nil, dbErr
		}
		// What comes after a failed event waits behind it, unless it was put aside. Controls have no order, but
		// a receiver that is away is away for all of them.
		if f.parked == "" && (l.name == laneEvent.name || !f.counts) {
			break
		}
	}
	return delivered, nil
}

// claimed sends a statement that takes the first rows of an index.
func claimed(ctx context.Context, to sender, sql string, args ...any) (rows []row, err error) {
	list := &pgx.Batch{}
	schema.InOrder(list)
	list.Queue(sql, args...).Query(func(all pgx.Rows) error {
		rows, err = collect(all, nil)
		return err
	})
	if err := to.SendBatch(ctx, list).Close(); err != nil {
		return nil, err
	}
	return rows, nil
}

// sender is a pool or a transaction.
type sender interface {
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

func collect(rows pgx.Rows, err error) ([]row, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(from pgx.CollectableRow) (r row, err error) {
		var payload []byte
		m := &r.message
		if err = from.Scan(&r.id, &m.Kind, &m.ID, &payload, &r.attempts, &r.failures, &m.Created, &m.Show, &m.Seq); err != nil {
			return r, err
		}
		m.Attempt, m.Data = r.attempts, payload
		if m.Kind != KindEvent {
			return r, nil
		}
		var body eventBody
		if err := json.Unmarshal(payload, &body); err != nil {
			// One such row must not hold up the round for ever; it is parked like any that cannot be helped.
			r.broken = Permanent(fmt.Errorf("event %s: %w", m.ID, err))
			return r, nil
		}
		m.Type, m.Key, m.Class, m.Urgent, m.Data = body.Type, body.Key, body.Class, body.Urgent, body.Data
		return r, nil
	})
}
