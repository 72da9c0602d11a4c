package stock

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// A claim's transaction gives the pool's row to the next claim without waiting for the disk, and nobody hears anything of it
// before the disk has it (schema.FlushSQL). The next claim is made meanwhile.

// maxFlushes is how many claims of a pool wait for the disk at once.
const maxFlushes = 2

// decided is a claim that is judged and committed, but may not be durable.
type decided struct {
	claimed
	// conn is the one that has committed it. Only there can be waited: when Postgres dies and loses the commit the connection
	// dies with it, where another one could be to the server that came after.
	conn *pgxpool.Conn
	// believed is what it has left the pool as.
	believed *belief
}

// flush returns when the claim is durable. An error leaves open whether it is.
func (d decided) flush(ctx context.Context) error { return flush(ctx, d.conn) }

func flush(ctx context.Context, conn *pgxpool.Conn) error {
	defer conn.Release()
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	if _, err := conn.Exec(ctx, schema.FlushSQL); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// answer tells the gate and the buyers what became of a claim, once it is durable.
func (l *lane) answer(ctx context.Context, epoch int64, asks []*ask, got decided) {
	defer func() { <-l.flushes }()
	err := got.flush(ctx)
	l.s.metrics.calls.WithLabelValues("claim", result(err)).Inc()
	if err != nil {
		l.unknown(asks, err)
		return
	}
	if got.past {
		l.pastCopy(ctx, got.epoch)
	}
	l.s.metrics.batch.WithLabelValues("claim").Observe(float64(len(asks)))
	l.s.metrics.swept.WithLabelValues("hold").Add(float64(len(got.lapsed)))
	l.settle(epoch, asks, &got.claimed)
	first := make(map[commerce.HoldID]bool, len(asks))
	for _, a := range asks {
		id := a.tap.ID
		h, err := verdict(&a.tap, &got.claimed)
		if _, fresh := got.fates[id]; err == nil && (!fresh || first[id]) {
			again := *h
			again.Replayed = true
			h = &again
		}
		first[id] = true
		l.reply(a, h, err)
	}
}

// unknown is for a claim of which is not known whether it was committed. Nothing is promised; the leases lapse, and the id
// finds what there is.
func (l *lane) unknown(asks []*ask, err error) {
	l.s.log.Warn("claim failed", "pool", l.id, "taps", len(asks), "error", err)
	l.fail(asks, unavailable(err))
}
