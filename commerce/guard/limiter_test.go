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
	for name, url := range stores(t) {
		for _, alone := range []int{0, 3, 5} { // of a node by itself nobody sees a difference
			rule := guard.Rule{Name: fmt.Sprint("test", alone), Burst: 5, Every: time.Hour, Alone: alone}
			t.Run(fmt.Sprintf("%s, %d alone", name, alone), func(t *testing.T) { burstThenPace(t, url, rule) })
		}
	}
}

func burstThenPace(t *testing.T, url string, rule guard.Rule) {
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
	other := guard.Rule{Name: "other" + rule.Name, Burst: 1, Every: time.Hour}
	if ok, _, err := l.Allow(t.Context(), other, "a"); !ok || err != nil {
		t.Errorf("another rule: %v, %v", ok, err)
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

// passes counts how many of so many tries in a row pass.
func passes(t *testing.T, l *guard.Limiter, rule guard.Rule, tries int) (n int) {
	t.Helper()
	for range tries {
		ok, _, err := l.Allow(t.Context(), rule, "a")
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			n++
		}
	}
	return n
}

// Nodes that count five alone let four more pass each than one would, and not one more; whoever hammers then does not
// reach Redis.
func TestAFewAreCountedAlone(t *testing.T) {
	mini := miniredis.RunT(t)
	rule := guard.Rule{Name: "test", Burst: 20, Every: time.Hour, Alone: 5}
	nodes := []*guard.Limiter{limiter(t, "redis://"+mini.Addr(), time.Now), limiter(t, "redis://"+mini.Addr(), time.Now)}
	if passes(t, nodes[0], rule, 4) != 4 || len(mini.Keys()) != 0 {
		t.Errorf("four are not counted alone: Redis has %q", mini.Keys())
	}
	if passes(t, nodes[0], rule, 1) != 1 || len(mini.Keys()) != 1 {
		t.Errorf("nobody was told of five: Redis has %q", mini.Keys())
	}
	total := 5
	for range 10 {
		for _, l := range nodes {
			total += passes(t, l, rule, 5)
		}
	}
	if want := rule.Burst + len(nodes)*(rule.Alone-1); total != want {
		t.Errorf("%d have passed, want %d", total, want)
	}
	mini.Close()
	for _, l := range nodes {
		if n := passes(t, l, rule, 3); n != 0 {
			t.Errorf("%d more have passed: Redis was asked again", n)
		}
	}
}

// What has passed while Redis was away, and what had not been told before, is told when it is back.
func TestWhatPassedAloneIsToldLater(t *testing.T) {
	var now atomic.Int64
	mini := miniredis.RunT(t)
	clock := func() time.Time { return time.Unix(now.Load(), 0) }
	rule := guard.Rule{Name: "test", Burst: 20, Every: time.Hour, Alone: 5}
	one, other := limiter(t, "redis://"+mini.Addr(), clock), limiter(t, "redis://"+mini.Addr(), clock)
	passes(t, one, rule, 3)
	addr := mini.Addr()
	mini.Close()
	if n := passes(t, one, rule, 40); n != rule.Burst-3 {
		t.Errorf("away: %d have passed after three, at most %d", n, rule.Burst)
	}
	if err := mini.StartAddr(addr); err != nil {
		t.Fatal(err)
	}
	now.Add(int64(time.Hour / time.Second)) // one more may pass here, and tells
	if n := passes(t, one, rule, 2); n != 0 {
		t.Errorf("%d have passed though %d had in this hour", n, rule.Burst)
	}
	if n := passes(t, other, rule, 40); n != rule.Alone-1 {
		t.Errorf("the other node lets %d pass, which nobody had told it of", n)
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
	for _, rule := range []guard.Rule{{}, {Name: "x", Every: time.Second}, {Name: "x", Burst: 1}, {Burst: 1, Every: time.Second},
		{Name: "x", Burst: 2, Every: time.Second, Alone: 3}} {
		if ok, _, err := l.Allow(t.Context(), rule, "a"); err == nil || ok {
			t.Errorf("%+v was taken", rule)
		}
	}
}
