package stock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

const patience = 30 * time.Second // bounds waiting when something is broken; nothing waits for it when all is well

// onEachStore runs a test on a real Redis and on miniredis, each with a database of its own.
func onEachStore(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) {
		server := embeddedtest.NewRedisServer(t)
		test(t, newWorld(t, func() redis.UniversalClient { return open(t, server.URL()) }, func() { server.Flush() }))
	})
	t.Run("miniredis", func(t *testing.T) {
		server := miniredis.RunT(t)
		test(t, newWorld(t, func() redis.UniversalClient { return open(t, "redis://"+server.Addr()) }, server.FlushAll))
	})
}

func open(t *testing.T, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// world is the stores of one test and services on them.
type world struct {
	t     *testing.T
	db    *pgxpool.Pool
	redis func() redis.UniversalClient
	flush func()
	show  commerce.ShowID
}

func newWorld(t *testing.T, client func() redis.UniversalClient, flush func()) *world {
	return &world{t: t, db: schematest.Pool(t), redis: client, flush: flush, show: commerce.NewID[commerce.ShowID]()}
}

func (w *world) config() Config {
	return Config{Pool: w.db, Redis: w.redis(), Log: slog.New(slog.DiscardHandler), Registerer: registry()}
}

func registry() *prometheus.Registry { return prometheus.NewRegistry() }

// service is one node; it is stopped with the test, after all that it has begun.
func (w *world) service(change ...func(*Config)) *Service {
	w.t.Helper()
	c := w.config()
	for _, f := range change {
		f(&c)
	}
	s, err := New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	return s
}

func holdFor(d time.Duration) func(*Config) { return func(c *Config) { c.HoldFor = d } }
func sweepEvery(d time.Duration) func(*Config) {
	return func(c *Config) { c.Sweep = d }
}

// supply makes a pool with units of a new variant.
func (w *world) supply(units, limit int) Level {
	w.t.Helper()
	return w.put(Supply{
		Pool: commerce.NewID[commerce.PoolID](), Show: w.show, Variant: commerce.NewID[commerce.VariantID](), OnHand: units, Cap: limit,
	})
}

func (w *world) put(s Supply) (l Level) {
	w.t.Helper()
	w.tx(func(ctx context.Context, tx pgx.Tx) (err error) { l, err = Put(ctx, tx, s); return err })
	return l
}

func (w *world) tx(fn func(ctx context.Context, tx pgx.Tx) error) {
	w.t.Helper()
	if err := w.try(fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) try(fn func(ctx context.Context, tx pgx.Tx) error) error {
	return schema.InTx(w.t.Context(), w.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error { return fn(ctx, tx) })
}

func tapOf(l Level, buyer string) Tap {
	return Tap{
		ID: commerce.NewID[commerce.HoldID](), Pool: l.Pool, Buyer: buyer, Quantity: 1,
		Unit: money.Amount{Minor: 4900, Currency: "EUR"}, Offer: l.Offer,
	}
}

func (w *world) hold(s *Service, tap Tap) Hold {
	w.t.Helper()
	h, err := s.Hold(w.t.Context(), tap)
	if err != nil {
		w.t.Fatalf("hold: %v", err)
	}
	return h
}

func (w *world) refused(s *Service, tap Tap, want error) {
	w.t.Helper()
	if h, err := s.Hold(w.t.Context(), tap); !errors.Is(err, want) {
		w.t.Fatalf("hold: %v, %v; want %v", h.State, err, want)
	}
}

// over says that an id is used up: a repetition hears that, or that nothing is left, but never "yours".
func (w *world) over(s *Service, tap Tap) {
	w.t.Helper()
	if h, err := s.Hold(w.t.Context(), tap); !errors.Is(err, ErrGone) && !errors.Is(err, ErrSoldOut) {
		w.t.Fatalf("a used up id: %v, %v", h.State, err)
	}
	w.tx(func(ctx context.Context, tx pgx.Tx) error {
		h, err := Find(ctx, tx, tap.ID)
		if err == nil && h.State.Live() {
			w.t.Fatalf("a used up id lives: %+v", h)
		}
		return err
	})
}

func (w *world) level(pool commerce.PoolID) (onHand, taken, live int, epoch int64) {
	w.t.Helper()
	err := w.db.QueryRow(context.Background(), `
		select on_hand, taken, epoch, (select coalesce(sum(quantity), 0) from hold where pool = $1 and state in ('held', 'paying', 'sold'))
		from pool where id = $1`, pool).Scan(&onHand, &taken, &epoch, &live)
	if err != nil {
		w.t.Fatal(err)
	}
	return onHand, taken, live, epoch
}

// timed is how many units are free at a pool's timed offer, and checks that it counts what stands in holds.
func (w *world) timed(pool commerce.PoolID) (free int) {
	w.t.Helper()
	var taken, live int
	err := w.db.QueryRow(context.Background(), `
		select timed_taken, `+timedFree+`, (select coalesce(sum(quantity), 0) from hold
			where pool = p.id and offer = p.timed_version and state in ('held', 'paying', 'sold'))
		from pool p where id = $1`, pool).Scan(&taken, &free, &live)
	if err != nil {
		w.t.Fatal(err)
	}
	if taken != live {
		w.t.Fatalf("%d taken at the timed offer, but %d units stand in holds", taken, live)
	}
	return free
}

// offer gives a pool a timed offer that opened an hour ago.
func (w *world) offer(l Level, limit int, lasts time.Duration) Level {
	w.t.Helper()
	now := time.Now()
	return w.setOffer(l, TimedOffer{Opens: now.Add(-time.Hour), Closes: now.Add(lasts), Cap: limit})
}

func (w *world) setOffer(l Level, o TimedOffer) (set Level) {
	w.t.Helper()
	w.tx(func(ctx context.Context, tx pgx.Tx) (err error) { set, err = SetOffer(ctx, tx, l.Pool, o); return err })
	return set
}

// timedTap is a tap at the timed offer.
func timedTap(l Level, buyer string) Tap {
	tap := tapOf(l, buyer)
	tap.Offer, tap.Unit.Minor = l.Timed, 2900
	return tap
}

// settled waits until the gate and the truth say the same and no lease is open, and fails when they never do.
func (w *world) settled(s *Service, pool commerce.PoolID) {
	w.t.Helper()
	var last string
	w.eventually(func() bool {
		onHand, taken, live, epoch := w.level(pool)
		if taken != live {
			w.t.Fatalf("taken %d, but %d units stand in holds", taken, live)
		}
		timed := w.timed(pool)
		c, err := s.ReadCopy(w.t.Context(), pool, epoch)
		last = fmt.Sprintf("on hand %d, taken %d, timed %d, gate %+v, %v", onHand, taken, timed, c, err)
		return err == nil && c.Loaded && c.Leases == 0 && c.Free == onHand-taken && c.TimedFree == timed
	}, func() string { return last })
	w.balanced(pool)
}

// idle waits until no lane of the nodes has anything to do or to say.
func (w *world) idle(nodes ...*Service) {
	w.t.Helper()
	for _, s := range nodes {
		for _, l := range s.open() {
			w.eventually(func() bool {
				l.mu.Lock()
				defer l.mu.Unlock()
				return l.waiting.Load() == 0 && !l.gating && !l.claiming && len(l.flushes) == 0 && !l.notes.any()
			}, func() string { return "a lane is never idle" })
		}
	}
}

func (w *world) eventually(done func() bool, state func() string) {
	w.t.Helper()
	if done() {
		return
	}
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Now().After(deadline) {
			w.t.Fatalf("never came to be: %s", state())
		}
		<-tick.C
	}
}

// durably commits a claim as a lane does.
func durably(t testing.TB, s *Service, pool commerce.PoolID, epoch int64, asks []*ask, wary bool) (claimed, error) {
	t.Helper()
	got, err := s.commit(t.Context(), pool, epoch, asks, wary, nil)
	if err == nil {
		err = got.flush(t.Context())
	}
	return got.claimed, err
}
