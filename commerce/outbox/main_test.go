package outbox_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

const patience = 30 * time.Second

// eventually waits for a condition; how long it takes is nobody's promise.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			tb.Fatalf("never: %s", what)
		}
		wait := time.NewTimer(5 * time.Millisecond)
		<-wait.C
	}
}

func write(tb testing.TB, pool *pgxpool.Pool, fn func(ctx context.Context, tx pgx.Tx) error) {
	tb.Helper()
	err := schema.InTx(tb.Context(), pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error { return fn(ctx, tx) })
	if err != nil {
		tb.Fatal(err)
	}
}

// start runs a dispatcher until the returned function is called or the test ends.
func start(tb testing.TB, pool *pgxpool.Pool, handlers map[string]outbox.Handler) (*outbox.Dispatcher, *prometheus.Registry, func()) {
	tb.Helper()
	registry := prometheus.NewRegistry()
	d, err := outbox.New(outbox.Config{
		Pool: pool, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Registerer: registry, Handlers: handlers, Poll: 10 * time.Millisecond,
	})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := d.Run(ctx); err != nil {
			tb.Errorf("Run: %v", err)
		}
	}()
	stop := sync.OnceFunc(func() { cancel(); <-done })
	tb.Cleanup(stop)
	return d, registry, stop
}

// metric sums a counter over its labels.
func metric(tb testing.TB, registry *prometheus.Registry, name string) (sum float64) {
	tb.Helper()
	families, err := registry.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// recorder keeps what a handler was given.
type recorder struct {
	mu   sync.Mutex
	seen []outbox.Message
}

func (r *recorder) handle(_ context.Context, m outbox.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, m)
	return nil
}

func (r *recorder) all() []outbox.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]outbox.Message(nil), r.seen...)
}

func count(tb testing.TB, pool *pgxpool.Pool, where string) (n int) {
	tb.Helper()
	if err := pool.QueryRow(tb.Context(), `select count(*) from outbox where `+where).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

func newShow() commerce.ShowID { return commerce.NewID[commerce.ShowID]() }

func event(data any) outbox.EventRow {
	return outbox.EventRow{Type: "pin.set", Key: "pin", Class: outbox.Lossless, Data: data}
}
