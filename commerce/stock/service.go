package stock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/gather"
	"github.com/rialto-live/rialto/commerce/schema"
)

// Config is what a Service needs. Pool, Redis, Log and Registerer must be set.
type Config struct {
	Pool       *pgxpool.Pool
	Redis      redis.UniversalClient // without retries of its own, or few: the gate's calls are retried by the buyer
	Log        *slog.Logger
	Registerer prometheus.Registerer

	// Barred is SQL that asks which buyers ($2, schema.Names) may not buy in the show of a pool ($1), in its one column; "": anybody may.
	Barred string

	HoldFor time.Duration // 0: DefaultHoldFor
	PayFor  time.Duration // 0: DefaultPayFor
	Sweep   time.Duration // how often Run looks for lapsed holds; 0: defaultSweep. For drift it looks so often too, but not more often than once a second
}

const (
	defaultSweep = time.Second
	minHoldFor   = 100 * time.Millisecond // below it a hold would lapse before its buyer has read "yours"
)

// Validate says all that is missing.
func (c Config) Validate() error {
	var errs []error
	for what, missing := range map[string]bool{
		"a Postgres pool": c.Pool == nil, "a Redis client": c.Redis == nil,
		"a logger": c.Log == nil, "a metrics registerer": c.Registerer == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("stock: %s is needed", what))
		}
	}
	if c.HoldFor != 0 && c.HoldFor < minHoldFor || c.PayFor < 0 || c.Sweep < 0 {
		errs = append(errs, fmt.Errorf("stock: a hold lasts at least %v, and no time is negative", minHoldFor))
	}
	return errors.Join(errs...)
}

// Service answers taps. Any number of them, in any number of programs, work on the same stores.
type Service struct {
	// static after New
	db        *pgxpool.Pool
	gate      gate
	log       *slog.Logger
	metrics   *metrics
	barred    string
	holdFor   time.Duration
	payFor    time.Duration
	sweep     time.Duration
	outages   *outages
	addresses addresses // who has tapped here
	baskets   *gather.Stage[*basket]

	work     sync.WaitGroup // the lanes' loops
	stopping chan struct{}  // closed when Run ends

	mu sync.Mutex
	// guarded by mu
	lanes  map[commerce.PoolID]*lane
	closed bool

	// owned by Run
	runID string // of the Redis server, "" when it does not say
}

// New makes a Service. It starts nothing: the first tap of a pool starts its lane.
func New(c Config) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(c.Registerer)
	if err != nil {
		return nil, fmt.Errorf("stock metrics: %w", err)
	}
	s := &Service{
		db: c.Pool, gate: gate{redis: c.Redis}, log: c.Log, metrics: m, barred: c.Barred,
		holdFor: c.HoldFor, payFor: c.PayFor, sweep: c.Sweep, outages: newOutages(), stopping: make(chan struct{}),
		lanes: map[commerce.PoolID]*lane{},
	}
	s.baskets = gather.New(nil, basketRounds, 2*claimTimeout, s.claimBaskets)
	if s.holdFor == 0 {
		s.holdFor = DefaultHoldFor
	}
	if s.payFor == 0 {
		s.payFor = DefaultPayFor
	}
	if s.sweep == 0 {
		s.sweep = defaultSweep
	}
	s.addresses.lasts = s.holdFor
	return s, nil
}

// Hold takes units for a buyer, or repeats the answer that this id had. It returns only after the hold is
// durable. When ctx ends first the tap goes on without its caller: the same id finds the result.
func (s *Service) Hold(ctx context.Context, tap Tap) (Hold, error) {
	if err := tap.validate(); err != nil {
		return Hold{}, err
	}
	if err := schema.Outside(ctx); err != nil {
		return Hold{}, fmt.Errorf("hold: %w", err)
	}
	a := newAsk(tap)
	if err := s.ask(a); err != nil {
		return Hold{}, err
	}
	select {
	case <-a.done:
		got := a.end()
		s.metrics.answered(got.err)
		if got.err != nil {
			return Hold{}, got.err
		}
		return *got.hold, nil
	case <-ctx.Done():
		return Hold{}, fmt.Errorf("hold %s: %w", tap.ID, context.Cause(ctx))
	}
}

func (s *Service) ask(a *ask) error {
	for {
		l, err := s.lane(a.tap.Pool)
		if err != nil {
			return err
		}
		if err = l.ask(a); !errors.Is(err, errRetired) {
			return err
		}
	}
}

// lane finds or makes a pool's lane. Lanes without work are forgotten when there are too many.
func (s *Service) lane(id commerce.PoolID) (*lane, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("%w: stopping", ErrUnavailable)
	}
	if l := s.lanes[id]; l != nil {
		return l, nil
	}
	if len(s.lanes) >= MaxPools && !s.forgetIdle() {
		s.metrics.refused.WithLabelValues("pools").Inc()
		return nil, fmt.Errorf("%w: too many pools at once", ErrUnavailable)
	}
	l := &lane{s: s, id: id, flushes: make(chan struct{}, maxFlushes)}
	s.lanes[id] = l
	return l, nil
}

// forgetIdle frees at least one place, if any lane has no work. It is called with mu held; a lane's own
// mutex comes after it. An idle lane holds nothing but an epoch, which the next tap reads again.
func (s *Service) forgetIdle() bool {
	freed := false
	for id, l := range s.lanes {
		if l.retireIfIdle() {
			delete(s.lanes, id)
			freed = true
		}
	}
	return freed
}

// open lists the lanes there are.
func (s *Service) open() []*lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	lanes := make([]*lane, 0, len(s.lanes))
	for _, l := range s.lanes {
		lanes = append(lanes, l)
	}
	return lanes
}

// start runs a lane's loop. After the service has stopped only a loop that is running itself may do that: the
// work group is never added to from nothing while Run waits for it.
func (s *Service) start(inside bool, loop func(ctx context.Context)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && !inside {
		return false
	}
	// A lane outlives its callers' contexts: what has been begun is finished, each step within its own limit.
	s.work.Go(func() { loop(context.Background()) })
	return true
}
