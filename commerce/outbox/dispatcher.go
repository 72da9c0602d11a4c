package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce/gather"
)

const (
	// MinConns is the smallest pool that a Dispatcher works with: each event worker and the control worker
	// hold a connection while they hand over, and effects need one now and then.
	MinConns = eventWorkers + 2
	// DefaultPoll keeps a revocation that another node wrote well under its promised second.
	DefaultPoll = 100 * time.Millisecond

	eventWorkers = 2

	// breathFor is the least time from one round of a loop to the next, so that a crowd of kicks is no crowd of rounds. Who
	// kicks a loop that has been still for so long waits for nothing.
	breathFor = 5 * time.Millisecond

	// MaxAtOnce bounds Config.AtOnce: each claim is a goroutine, and so many calls are lost for a lease when a node dies.
	MaxAtOnce = gather.MaxTogether
)

// Config is what a Dispatcher needs. Poll alone may be left out.
type Config struct {
	Pool       *pgxpool.Pool
	Log        *slog.Logger
	Registerer prometheus.Registerer
	// Handlers by kind. KindEvent and KindControl serve those lanes; every other name is an effect's kind.
	// Rows of a kind without a handler stay where they are: another version of the program may know it.
	Handlers map[string]Handler
	// AtOnce is how many effects of a kind one node works on at once, where that is not MaxEffects together with others.
	// Its handler shares what it needs of the database among its calls.
	AtOnce map[string]int
	// Poll is how often the tables are looked at without a Kick (rows of other nodes, rows that waited).
	Poll time.Duration // 0: DefaultPoll
}

// Validate says all that is missing.
func (c Config) Validate() error {
	var errs []error
	if c.Pool == nil {
		errs = append(errs, errors.New("outbox: a pool is needed"))
	} else if most := c.Pool.Config().MaxConns; most < MinConns {
		errs = append(errs, fmt.Errorf("outbox: the pool has %d connections, at least %d are needed", most, MinConns))
	}
	if c.Log == nil {
		errs = append(errs, errors.New("outbox: a logger is needed"))
	}
	if c.Registerer == nil {
		errs = append(errs, errors.New("outbox: a metrics registerer is needed"))
	}
	for kind, handler := range c.Handlers {
		if handler == nil {
			errs = append(errs, fmt.Errorf("outbox: the handler of %q is nil", kind))
		}
	}
	for kind, n := range c.AtOnce {
		if n < 1 || n > MaxAtOnce {
			errs = append(errs, fmt.Errorf("outbox: %d effects of %q at once, 1 to %d can be", n, kind, MaxAtOnce))
		}
	}
	if c.Poll < 0 {
		errs = append(errs, errors.New("outbox: a negative poll time"))
	}
	return errors.Join(errs...)
}

// Dispatcher delivers the rows of the outbox. Several may run on one database.
type Dispatcher struct {
	// static after New
	config  Config
	metrics *metrics
	workers []worker
	crews   []*crew
	done    *gather.Stage[row] // effects that are to be marked as done
}

// worker is one loop: round does what there is and says whether there may be more at once.
type worker struct {
	lane  string
	round func(ctx context.Context) (more bool, err error)
	kick  chan struct{} // capacity 1
}

// New makes a Dispatcher; nothing runs until Run.
func New(config Config) (*Dispatcher, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if config.Poll == 0 {
		config.Poll = DefaultPoll
	}
	m, err := newMetrics(config.Registerer)
	if err != nil {
		return nil, fmt.Errorf("outbox: metrics: %w", err)
	}
	d := &Dispatcher{config: config, metrics: m, crews: config.crews()}
	d.done = gather.New(nil, 1, dbLimit, d.noteDone)
	add := func(lane string, round func(context.Context) (bool, error), n int) {
		for range n {
			d.workers = append(d.workers, worker{lane: lane, round: round, kick: make(chan struct{}, 1)})
		}
	}
	if config.Handlers[KindEvent] != nil {
		add(laneEvent.name, d.eventRound, eventWorkers)
	}
	if config.Handlers[KindControl] != nil {
		add(laneControl.name, d.controlRound, 1)
	}
	return d, nil
}

// Run delivers until ctx ends, then waits for the handlers at work and returns nil. What they could not finish
// stays in the table, and is claimed again by whoever comes next. A Dispatcher runs once.
func (d *Dispatcher) Run(ctx context.Context) error {
	var group errgroup.Group
	for _, w := range d.workers {
		group.Go(func() error { d.loop(ctx, w); return nil })
	}
	for _, c := range d.crews {
		group.Go(func() error { d.effects(ctx, c); return nil })
	}
	group.Go(func() error { d.trim(ctx); return nil })
	return group.Wait()
}

// Kick tells those who work on some kinds (KindEvent, KindControl, effects') that rows of them have just been committed, or
// everybody when no kind is named: who looks for what nobody has written looks in vain. It never blocks.
func (d *Dispatcher) Kick(kinds ...string) {
	for _, w := range d.workers {
		if len(kinds) == 0 || slices.Contains(kinds, w.lane) {
			tell(w.kick)
		}
	}
	for _, c := range d.crews {
		if len(kinds) == 0 || slices.ContainsFunc(c.kinds, func(kind string) bool { return slices.Contains(kinds, kind) }) {
			tell(c.kick)
		}
	}
}

func tell(kick chan struct{}) {
	select {
	case kick <- struct{}{}:
	default: // told already
	}
}

// loop runs rounds while there is something to do, and otherwise waits for a kick or the next poll.
func (d *Dispatcher) loop(ctx context.Context, w worker) {
	poll := time.NewTicker(d.config.Poll)
	defer poll.Stop()
	failing := false
	breath := time.NewTimer(0)
	defer breath.Stop()
	for ctx.Err() == nil {
		select { // what was written meanwhile goes together
		case <-ctx.Done():
			return
		case <-breath.C:
		}
		breath.Reset(breathFor)
		more, err := w.round(ctx)
		d.note(w.lane, &failing, err)
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-poll.C:
		case <-w.kick:
			if err != nil { // a kick must not turn a database that is away into a busy loop
				select {
				case <-ctx.Done():
				case <-poll.C:
				}
			}
		}
	}
}

// note counts a round that failed because of the database, and logs when that begins and when it ends.
func (d *Dispatcher) note(lane string, failing *bool, err error) {
	if err != nil {
		d.metrics.claims.WithLabelValues(lane).Inc()
	}
	if (err != nil) == *failing {
		return
	}
	*failing = err != nil
	if *failing {
		d.config.Log.Error("outbox stands still", "lane", lane, "error", err)
	} else {
		d.config.Log.Info("outbox moves again", "lane", lane)
	}
}

// call runs a handler within its time limit; a panic is a failure like any other.
func (d *Dispatcher) call(ctx context.Context, limit time.Duration, m Message) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("handler of %s panicked: %v", m.Kind, cause)
			d.config.Log.Error("outbox handler panicked", "kind", m.Kind, "id", m.ID, "cause", cause, "stack", string(debug.Stack()))
		}
	}()
	return d.config.Handlers[m.Kind](ctx, m)
}
