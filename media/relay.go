package media

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
)

// Config of a Relay. The zero value works.
type Config struct {
	// OnAir is called when the first media of a stream arrives, and again when its publisher has not been heard for Grace.
	// Calls for one stream are in order; a flicker shorter than a call may be left out. It may block: media does not wait.
	OnAir func(StreamID, bool)
	// Grace is how long a stream stays on air without media.
	Grace time.Duration
	// MaxBitrate in bit/s is what a publisher may send whose Grant says nothing.
	MaxBitrate int

	MaxPublishers       int // on this node
	MaxViewers          int // on this node
	MaxViewersPerStream int

	// Workers is how many goroutines send; 0 takes one per core.
	Workers    int
	Registerer prometheus.Registerer // nil: metrics are not exported
}

// Validate says everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	for name, v := range map[string]int{
		"MaxBitrate": c.MaxBitrate, "MaxPublishers": c.MaxPublishers, "MaxViewers": c.MaxViewers,
		"MaxViewersPerStream": c.MaxViewersPerStream, "Workers": c.Workers, "Grace": int(c.Grace),
	} {
		if v < 0 {
			errs = append(errs, fmt.Errorf("media: %s must not be negative", name))
		}
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.MaxBitrate, DefaultMaxBitrate)
	def(&c.MaxPublishers, DefaultMaxPublishers)
	def(&c.MaxViewers, DefaultMaxViewers)
	def(&c.MaxViewersPerStream, DefaultMaxViewersPerStream)
	def(&c.Workers, runtime.GOMAXPROCS(0))
	if c.Grace == 0 {
		c.Grace = DefaultGrace
	}
	if c.OnAir == nil {
		c.OnAir = func(StreamID, bool) {}
	}
	return c
}

// Relay takes each publisher's packets once and hands them to every viewer.
type Relay struct {
	// static after New
	cfg     Config
	epoch   time.Time
	metrics *metrics
	workers []*worker
	air     *announcer
	flush   func(worker int) // static once Run runs

	mu         sync.Mutex
	streams    map[StreamID]*stream
	publishers int
	viewers    int
	closed     bool
}

// New makes a Relay; nothing moves before Run.
func New(cfg Config) (*Relay, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	r := &Relay{
		cfg:     cfg,
		epoch:   time.Now(),
		metrics: newMetrics(cfg.Registerer),
		air:     newAnnouncer(cfg.OnAir),
		streams: map[StreamID]*stream{},
		flush:   func(int) {},
	}
	for i := range cfg.Workers {
		r.workers = append(r.workers, newWorker(r, i))
	}
	r.metrics.gauge("lateness_seconds", "How long media lately stayed before it was sent, by the worst worker.",
		func() float64 { return r.Lateness().Seconds() })
	return r, nil
}

// Run moves media until ctx is done, then ends every session. It returns nil unless something broke. Run may be called once.
func (r *Relay) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, w := range r.workers {
		g.Go(func() error { return w.run(ctx) })
	}
	g.Go(func() error { return r.air.run(ctx) })
	g.Go(func() error { return r.sweep(ctx) })
	err := g.Wait()
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.end(Match{}, ErrClosed)
	return err
}

// Workers is how many goroutines send. It never changes.
func (r *Relay) Workers() int { return len(r.workers) }

// OnFlush has flush called by each worker, with its number, when it has sent something and is done: what senders held back
// to send together has to go out then. That is up to twice in a turn, for those who follow live and then for the others.
// OnFlush is called before Run, and once.
func (r *Relay) OnFlush(flush func(worker int)) { r.flush = flush }

// now is the relay's clock: monotonic, and never 0, which atomics use for "not yet".
func (r *Relay) now() time.Duration { return time.Since(r.epoch) + 1 }

// OnAir reports whether a stream has media, its grace time included.
func (r *Relay) OnAir(id StreamID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.streams[id]
	return s != nil && s.onAir
}

// Revoke ends every session the match selects, publishers and viewers alike, and says how many. A revoked
// publisher's stream keeps its grace time: a ban or a rotated key ends the person's media, not the show.
// A match that names nothing selects nobody: it is always a mistake.
func (r *Relay) Revoke(m Match) int {
	if m == (Match{}) {
		return 0
	}
	return r.end(m, ErrRevoked)
}

// Close ends a stream: every session of it, and its time on air at once.
func (r *Relay) Close(id StreamID) {
	if id == "" {
		return // no stream, and to end it would match them all
	}
	r.mu.Lock()
	if s := r.streams[id]; s != nil {
		r.setOnAir(s, false)
	}
	r.mu.Unlock()
	r.end(Match{Stream: id}, ErrEnded)
}

// sweep watches deadlines: grace times and grants that run out.
func (r *Relay) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			r.expire()
		}
	}
}

func (r *Relay) expire() {
	now, wall := r.now(), time.Now()
	var over []func()
	r.mu.Lock()
	expired := func(g Grant) bool { return !g.Expires.IsZero() && !wall.Before(g.Expires) }
	for id, s := range r.streams {
		if s.onAir && s.graceOver(now) {
			r.setOnAir(s, false)
			if s.current != nil {
				s.current.live.Store(false) // connected but silent: its next packet puts it on air anew
			}
		}
		for _, p := range []*Publisher{s.current, s.next} {
			if p != nil && expired(p.grant) {
				over = append(over, func() { r.endPublisher(p, ErrExpired) })
			}
		}
		for v := range s.subs {
			if expired(v.grant) {
				over = append(over, func() { r.endSubscriber(v, ErrExpired) })
			}
		}
		if s.empty() {
			delete(r.streams, id)
		}
	}
	r.mu.Unlock()
	for _, end := range over {
		end()
	}
}
