package outage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/price"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/stock"
)

const (
	// MaxMoved is how far one outage moves a deadline at most. Units may not be kept from others for a day because a database
	// was away for one.
	MaxMoved = 15 * time.Minute
	// DefaultEvery and DefaultGap are those of Config. A beat may be late on a busy node; Postgres restarts in less.
	DefaultEvery = time.Second
	DefaultGap   = 5 * time.Second
	// beatWithin bounds one beat, and lookWithin what it finds to do: longer than the locks of an extension may be waited for.
	beatWithin = 5 * time.Second
	lookWithin = 30 * time.Second
	// toldAtOnce is less than the outbox takes in one call.
	toldAtOnce = 1000
)

// Config is what a Keeper needs. Pool, Stock, Log and Registerer must be set.
type Config struct {
	Pool       *pgxpool.Pool
	Stock      *stock.Service
	Log        *slog.Logger
	Registerer prometheus.Registerer
	// Wrote is told that outbox rows were committed, and Changed of pools whose offers were changed (checkout.Service.Changed).
	// nil: nobody, and Stock.Changed.
	Wrote   func()
	Changed func(context.Context, ...commerce.PoolID)

	Every time.Duration // between beats; 0: DefaultEvery
	Gap   time.Duration // between two beats, that is an outage; 0: DefaultGap. All nodes have the same
}

// Validate says all that is wrong.
func (c Config) Validate() error {
	var errs []error
	for what, missing := range map[string]bool{
		"a Postgres pool": c.Pool == nil, "stock": c.Stock == nil, "a logger": c.Log == nil, "a metrics registerer": c.Registerer == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("outage: %s is needed", what))
		}
	}
	if c.Every < 0 || c.Gap < 0 || c.Gap != 0 && c.Gap < 2*c.Every {
		errs = append(errs, errors.New("outage: no time is negative, and a gap is two beats or more"))
	}
	return errors.Join(errs...)
}

// Keeper beats. Any number of them, in any number of programs, work on the same database.
type Keeper struct {
	Config  // static after New
	metrics *metrics
}

// New makes a Keeper. It starts nothing; see Run.
func New(c Config) (*Keeper, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Every == 0 {
		c.Every = DefaultEvery
	}
	if c.Gap == 0 {
		c.Gap = max(DefaultGap, 2*c.Every)
	}
	if c.Wrote == nil {
		c.Wrote = func() {}
	}
	if c.Changed == nil {
		c.Changed = c.Stock.Changed
	}
	m, err := newMetrics(c.Registerer)
	if err != nil {
		return nil, fmt.Errorf("outage metrics: %w", err)
	}
	return &Keeper{Config: c, metrics: m}, nil
}

// Run looks again and again until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.Every)
	defer tick.Stop()
	for failing := false; ; {
		err := k.Look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if (err != nil) != failing {
			failing = err != nil
			k.Log.Warn("the beat that deadlines are judged by", "goes", !failing, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Look beats once, and does what is due.
func (k *Keeper) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	if err := k.beat(ctx); err != nil {
		return err
	}
	return k.shows(ctx)
}

// beat moves the beat on, unless another node has just done so or the last one is too old. Where Postgres' clock was set back
// by more than a gap, the beat follows it.
func (k *Keeper) beat(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, beatWithin)
	defer cancel()
	tag, err := k.Pool.Exec(short, `
		insert into beat (at, gap) values (clock_timestamp(), $1)
		on conflict (one) do update set at = excluded.at, gap = excluded.gap
		where excluded.at - beat.at between $2 and beat.gap or excluded.at < beat.at - beat.gap`, k.Gap, k.Every/2)
	if err != nil {
		return fmt.Errorf("beat: %w", err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	return k.after(ctx)
}

// moved is what came of an outage.
type moved struct {
	schema.Lost
	stock.Extended
	payments int
}

// after extends the deadlines if there was an outage that nobody has seen to.
func (k *Keeper) after(ctx context.Context) error {
	var m moved
	err := schema.InTx(ctx, k.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		m = moved{Lost: schema.Lost{Cap: MaxMoved}}
		var over bool
		// For update, so that the beat is read as whoever had it before has left it.
		err := tx.QueryRow(ctx, `select at from beat where one for update`).Scan(&m.Began)
		if err == nil {
			err = tx.QueryRow(ctx, `select clock_timestamp(), clock_timestamp() - at > gap from beat where one`).Scan(&m.Ended, &over)
		}
		if err != nil || !over {
			m = moved{}
			return err
		}
		paying, err := payment.Extend(ctx, tx, m.Lost)
		if err != nil {
			return err
		}
		if m.Extended, err = stock.Extend(ctx, tx, m.Lost, paying); err != nil {
			return err
		}
		m.payments = len(paying)
		return m.write(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("move deadlines: %w", err)
	}
	if m.Began.IsZero() {
		return nil
	}
	k.metrics.count("postgres", m.Ended.Sub(m.Began), m.Most(), m.Holds, m.payments, len(m.Timed))
	k.Log.Warn("nobody could buy for a while: deadlines were moved", "away", m.Ended.Sub(m.Began).Round(time.Millisecond),
		"moved", m.Most().Round(time.Millisecond), "holds", m.Holds, "payments", m.payments, "flash_prices", len(m.Timed))
	k.Changed(ctx, poolsOf(m.Timed)...)
	k.Wrote()
	k.Stock.Deadlines(ctx, m.Pools...)
	return nil
}

// write notes the outage, moves the beat to its end, and tells the buyers' pages.
func (m moved) write(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `insert into outage (began_at, ended_at, moved, holds, payments, flashes) values ($1, $2, $3, $4, $5, $6)`,
		m.Began, m.Ended, m.Most(), m.Holds, m.payments, len(m.Timed)); err != nil {
		return fmt.Errorf("note an outage: %w", err)
	}
	if _, err := tx.Exec(ctx, `update beat set at = $1 where one`, m.Ended); err != nil {
		return fmt.Errorf("beat: %w", err)
	}
	return tell(ctx, tx, m.Extended, poolsOf(m.Timed))
}

// tell notes how far flash prices have moved, and tells everybody's pages. The clocks of pools have changed.
func tell(ctx context.Context, tx pgx.Tx, e stock.Extended, pools []commerce.PoolID) error {
	if err := price.Moved(ctx, tx, e.Timed); err != nil {
		return err
	}
	if err := me(ctx, tx, e.Buyers); err != nil {
		return err
	}
	return price.Clocks(ctx, tx, pools)
}

func poolsOf(moves []stock.TimedMove) []commerce.PoolID {
	pools := make([]commerce.PoolID, len(moves))
	for i, m := range moves {
		pools[i] = m.Pool
	}
	return pools
}

// me writes that the documents of buyers change, so many at a time as the outbox takes at once.
func me(ctx context.Context, tx pgx.Tx, buyers []string) error {
	for some := range slices.Chunk(buyers, toldAtOnce) {
		if err := outbox.Me(ctx, tx, some...); err != nil {
			return err
		}
	}
	return nil
}
