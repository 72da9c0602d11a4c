package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func limiter(t *testing.T, url string, now func() time.Time) *guard.Limiter {
	t.Helper()
	var client redis.UniversalClient
	if url != "" {
		options, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		options.MaxRetries = -1
		c := redis.NewClient(options)
		t.Cleanup(func() { _ = c.Close() })
		client = c
	}
	l, err := guard.NewLimiter(client, slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry(), now)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// One suite for the three ways to count.
func stores(t *testing.T) map[string]string {
	mini := miniredis.RunT(t)
	return map[string]string{"alone": "", "redis": embeddedtest.Redis(t), "miniredis": "redis://" + mini.Addr()}
}

func TestBurstThenPace(t *testing.T) {
	rule := guard.Rule{Name: "test", Burst: 5, Every: time.Hour}
	for name, url := range stores(t) {
		t.Run(name, func(t *testing.T) {
			l := limiter(t, url, time.Now)
			for i := range rule.Burst {
				if ok, _, err := l.Allow(t.Context(), rule, "a"); !ok || err != nil {
					t.Fatalf("%d of the burst: %v, %v", i+1, ok, err)
				}
			}
			for range 3 { // hammering does not prolong the wait
				ok, wait, err := l.Allow(t.Context(), rule, "a")
				if ok || err != nil || wait > time.Hour || wait < time.Hour-time.Minute {
					t.Fatalf("one past it: %v, wait %v, %v", ok, wait, err)
				}
			}
			if ok, _, err := l.Allow(t.Context(), rule, "b"); !ok || err != nil {
				t.Errorf("somebody else: %v, %v", ok, err)
			}
			other := guard.Rule{Name: "other", Burst: 1, Every: time.Hour}
			if ok, _, err := l.Allow(t.Context(), other, "a"); !ok || err != nil {
				t.Errorf("another rule: %v, %v", ok, err)
			}
		})
	}
}

func TestWaitIsTrue(t *testing.T) {
	rule := guard.Rule{Name: "test", Burst: 1, Every: 300 * time.Millisecond}
	for name, url := range stores(t) {
		t.Run(name, func(t *testing.T) {
			l := limiter(t, url, time.Now)
			if ok, _, _ := l.Allow(t.Context(), rule, "a"); !ok {
				t.Fatal("the first was refused")
			}
			ok, wait, _ := l.Allow(t.Context(), rule, "a")
			if ok || wait <= 0 || wait > rule.Every {
				t.Fatalf("second: %v, wait %v", ok, wait)
			}
			<-time.After(wait)
			if ok, _, _ := l.Allow(t.Context(), rule, "a"); !ok {
				t.Error("refused after the wait")
			}
		})
	}
}

func TestManyAtOnceOnTwoNodes(t *testing.T) {
	rule := guard.Rule{Name: "test", Burst: 20, Every: time.Hour}
	url := embeddedtest.Redis(t)
	nodes := []*guard.Limiter{limiter(t, url, time.Now), limiter(t, url, time.Now)}
	var allowed atomic.Int64
	var group errgroup.Group
	for i := range 200 {
		group.Go(func() error {
			ok, _, err := nodes[i%2].Allow(context.Background(), rule, "a")
			if ok {
				allowed.Add(1)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if allowed.Load() != int64(rule.Burst) {
		t.Errorf("%d allowed, want %d", allowed.Load(), rule.Burst)
	}
}

func TestRedisAwayIsCountedAlone(t *testing.T) {
	var now atomic.Int64
	mini := miniredis.RunT(t)
	l := limiter(t, "redis://"+mini.Addr(), func() time.Time { return time.Unix(now.Load(), 0) })
	rule := guard.Rule{Name: "test", Burst: 2, Every: time.Hour}
	allow := func() bool {
		t.Helper()
		ok, _, err := l.Allow(t.Context(), rule, "a")
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !allow() {
		t.Fatal("first")
	}
	addr := mini.Addr()
	mini.Close()
	if got := []bool{allow(), allow(), allow()}; !slices.Equal(got, []bool{true, true, false}) {
		t.Error("away: this node has a whole bucket of its own and no more")
	}
	if err := mini.StartAddr(addr); err != nil {
		t.Fatal(err)
	}
	if allow() {
		t.Error("Redis is left alone for a while")
	}
	now.Add(2)
	if !allow() || allow() {
		t.Error("back: Redis remembers one of two")
	}
}

func TestLimiterInsideATransaction(t *testing.T) {
	pool := schematest.Pool(t)
	l := limiter(t, embeddedtest.Redis(t), time.Now)
	err := schema.InTx(t.Context(), pool, func(ctx context.Context, _ pgx.Tx, _ time.Time) error {
		_, _, err := l.Allow(ctx, guard.Rule{Name: "test", Burst: 1, Every: time.Second}, "a")
		return err
	})
	if !errors.Is(err, schema.ErrInTransaction) {
		t.Errorf("asked Redis inside a transaction: %v", err)
	}
}

func TestBucketsAreBounded(t *testing.T) {
	now := time.Unix(0, 0)
	l := limiter(t, "", func() time.Time { return now })
	rule := guard.Rule{Name: "test", Burst: 1, Every: time.Hour}
	allow := func(key string) bool {
		ok, _, err := l.Allow(t.Context(), rule, key)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	allow("first")
	for i := range guard.MaxBuckets - 1 {
		allow(fmt.Sprint(i))
	}
	if allow("first") {
		t.Error("at the limit a bucket was forgotten")
	}
	allow("one past it") // drops the bucket used longest ago, which is "0"
	if allow("first") {
		t.Error("the one just used was dropped")
	}
	if !allow("0") {
		t.Error("more than MaxBuckets are kept")
	}
}

func TestBadRules(t *testing.T) {
	l := limiter(t, "", time.Now)
	for _, rule := range []guard.Rule{{}, {Name: "x", Every: time.Second}, {Name: "x", Burst: 1}, {Burst: 1, Every: time.Second}} {
		if ok, _, err := l.Allow(t.Context(), rule, "a"); err == nil || ok {
			t.Errorf("%+v was taken", rule)
		}
	}
}
