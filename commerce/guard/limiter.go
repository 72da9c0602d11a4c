package guard

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// MaxBuckets bounds the memory of a node that counts alone. The bucket that was used longest ago goes
	// first: whoever hammers stays remembered.
	MaxBuckets = 100_000
	// redisPatience is how long a request may wait to be counted with the other nodes.
	redisPatience = 250 * time.Millisecond
	// redisRest is how long Redis is left alone after it failed, so that an outage costs one wait per
	// second and not one per request.
	redisRest = time.Second
)

// Rule is a token bucket: Burst at once, then one more per Every.
type Rule struct {
	Name  string // in keys and metrics: "sign_in_address"
	Burst int
	Every time.Duration
	// Alone is how many of a key a node counts by itself before it tells the others, so that a crowd does not cost a trip to
	// Redis each; 0 and 1 tell of every one. One node never lets more pass than Burst; n nodes together let at most
	// n*(Alone-1) more pass at once than one would. What has passed is told later, so that in the long run it is Every for all
	// nodes together. At most Burst.
	Alone int
}

// Limiter counts under rules. New with a nil client counts in this process alone.
type Limiter struct {
	// static after New
	client  redis.UniversalClient
	script  *redis.Script
	log     *slog.Logger
	now     func() time.Time
	refused *prometheus.CounterVec
	alone   prometheus.Counter

	// guarded by mu
	mu      sync.Mutex
	buckets buckets
	resting time.Time // Redis is not asked before
}

//go:embed limit.lua
var limitScript string

// NewLimiter takes a client or nil. The clock is for the buckets of this process; Redis uses its own.
func NewLimiter(client redis.UniversalClient, log *slog.Logger, registerer prometheus.Registerer, now func() time.Time) (*Limiter, error) {
	if log == nil || registerer == nil || now == nil {
		return nil, errors.New("guard: a limiter needs a logger, a registerer and a clock")
	}
	l := &Limiter{
		client: client, script: redis.NewScript(limitScript), log: log, now: now,
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rialto_commerce_limit_refused_total", Help: "Requests refused by a rate limit.",
		}, []string{"rule"}),
		alone: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rialto_commerce_limit_alone_total", Help: "Limits counted by this node alone because Redis did not answer.",
		}),
		buckets: newBuckets(now()),
	}
	for _, c := range []prometheus.Collector{l.refused, l.alone} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("guard: metrics: %w", err)
		}
	}
	return l, nil
}

// Allow counts one more of key under rule. When it may not be, wait says after how long it may (at
// least a millisecond), and nothing is counted: hammering does not prolong the wait.
func (l *Limiter) Allow(ctx context.Context, rule Rule, key string) (ok bool, wait time.Duration, err error) {
	if rule.Name == "" || rule.Burst < 1 || rule.Every < time.Millisecond {
		return false, 0, fmt.Errorf("guard: rule %q needs a burst of at least 1 and a pace of at least 1ms", rule.Name)
	}
	if rule.Alone > rule.Burst {
		return false, 0, fmt.Errorf("guard: rule %q counts %d alone, of a burst of %d", rule.Name, rule.Alone, rule.Burst)
	}
	if l.client != nil {
		if err := schema.Outside(ctx); err != nil {
			return false, 0, fmt.Errorf("rate limit %s: %w", rule.Name, err)
		}
	}
	wait, err = l.count(ctx, rule, key)
	if err != nil {
		return false, 0, err
	}
	if wait > 0 {
		l.refused.WithLabelValues(rule.Name).Inc()
		return false, max(wait, time.Millisecond), nil
	}
	return true, 0, nil
}

// count counts one more, or says how long to wait.
func (l *Limiter) count(ctx context.Context, rule Rule, key string) (time.Duration, error) {
	own := l.buckets.key(rule.Name, key)
	if l.client == nil {
		return l.own(own, rule), nil
	}
	if rule.Alone <= 1 {
		wait, counted, err := l.shared(ctx, rule, key, 0)
		if err == nil && !counted {
			wait = l.own(own, rule)
		}
		return wait, err
	}
	wait, passed, tell := l.here(own, rule)
	if !tell {
		return wait, nil
	}
	wait, counted, err := l.shared(ctx, rule, key, passed)
	l.told(own, rule, wait, passed, counted)
	return wait, err
}

// here counts in this node. tell says that it is time to tell Redis of this one, and of so many that have passed before.
func (l *Limiter) here(key bucketKey, rule Rule) (wait time.Duration, passed int, tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, now := l.buckets.get(key), l.passed()
	if wait = b.shut - now; wait <= 0 {
		wait = b.take(now, rule)
	}
	if wait > 0 {
		return wait, 0, false
	}
	if b.untold++; b.untold < rule.Alone {
		return 0, 0, false
	}
	passed, b.untold = b.untold-1, 0
	return 0, passed, true
}

// passed is the time since the buckets began.
func (l *Limiter) passed() time.Duration { return l.now().Sub(l.buckets.begun) }

// told notes what came of telling Redis: nothing, when counted is false, and then it is told with the next one.
func (l *Limiter) told(key bucketKey, rule Rule, wait time.Duration, passed int, counted bool) {
	if counted && wait == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets.get(key)
	if counted { // refused: Redis knows of those before, and this one is none
		b.full, b.shut = b.full-rule.Every, l.passed()+wait
		return
	}
	b.untold = min(b.untold+passed+1, rule.Burst)
}

// shared counts in Redis one more, and so many that have passed before it; counted is false when this node has to count
// alone.
func (l *Limiter) shared(ctx context.Context, rule Rule, key string, passed int) (wait time.Duration, counted bool, err error) {
	l.mu.Lock()
	resting := l.now().Before(l.resting)
	l.mu.Unlock()
	if !resting {
		bounded, cancel := context.WithTimeout(ctx, redisPatience)
		micros, err := l.script.Run(bounded, l.client, []string{"rialto:limit:" + rule.Name + ":" + key}, rule.Burst, rule.Every.Microseconds(), passed).Int64()
		cancel()
		if err == nil {
			return time.Duration(micros) * time.Microsecond, true, nil
		}
		if ctx.Err() != nil { // the caller left; that says nothing about Redis
			return 0, false, context.Cause(ctx)
		}
		l.rest(err)
	}
	l.alone.Inc()
	return 0, false, nil
}

func (l *Limiter) rest(err error) {
	l.mu.Lock()
	now := l.now()
	first := !now.Before(l.resting)
	l.resting = now.Add(redisRest)
	l.mu.Unlock()
	if !first { // a crowd was waiting, and one line says it for all
		return
	}
	l.log.Warn("rate limits are counted by this node alone: Redis does not answer", "error", err)
}

func (l *Limiter) own(key bucketKey, rule Rule) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buckets.get(key).take(l.passed(), rule)
}
