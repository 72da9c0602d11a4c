package embedded

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// nothing finds no program.
var nothing = Search{Folders: []string{}}

func redisClient(t *testing.T, url string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestRedisKeepsDataOverAStop(t *testing.T) {
	o := RedisOptions{Dir: filepath.Join(t.TempDir(), strings.Repeat("deep", 30), "redis"), Required: true}
	for round := range 2 {
		rd, err := StartRedis(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if !rd.Durable() {
			t.Error("a redis-server is not taken for durable")
		}
		if _, err := StartRedis(t.Context(), o); !errors.Is(err, ErrInUse) {
			t.Errorf("a second server on the same folder: %v", err)
		}
		n, err := redisClient(t, rd.URL()).Incr(t.Context(), "rounds").Result()
		if err != nil || n != int64(round+1) {
			t.Errorf("round %d counts %d, %v", round, n, err)
		}
		if err := errors.Join(rd.Stop(), rd.Stop(), rd.Err()); err != nil {
			t.Fatal(err)
		}
		<-rd.Done()
	}
}

func TestDemoRedis(t *testing.T) {
	var out bytes.Buffer
	rd, err := StartRedis(t.Context(), RedisOptions{Dir: t.TempDir(), Search: nothing, Log: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "level=WARN") || !strings.Contains(out.String(), "demo store, not durable") {
		t.Errorf("it is not loud: %q", out.String())
	}
	if rd.Durable() {
		t.Error("memory is taken for durable")
	}
	c := redisClient(t, rd.URL())
	if err := c.Set(t.Context(), "k", "v", 50*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	if left := c.PTTL(t.Context(), "k").Val(); left <= 0 || left > 50*time.Millisecond {
		t.Errorf("%s left of 50ms", left)
	}
	// Nobody turns its clock: expiry must come by itself.
	eventually(t, "expiry", func() bool { return errors.Is(c.Get(t.Context(), "k").Err(), redis.Nil) })
	script := redis.NewScript(`redis.call('SET', KEYS[1], '1', 'PX', 30) return redis.call('PTTL', KEYS[1])`)
	if n, err := script.Run(t.Context(), c, []string{"s"}).Int(); err != nil || n <= 0 {
		t.Errorf("a script sees %d, %v", n, err)
	}
	eventually(t, "expiry of what a script set", func() bool { return c.Exists(t.Context(), "s").Val() == 0 })

	stranger := redis.NewClient(&redis.Options{Addr: rd.demo.Addr()})
	defer stranger.Close()
	if err := stranger.Get(t.Context(), "k").Err(); err == nil || errors.Is(err, redis.Nil) {
		t.Errorf("anybody of this machine may read: %v", err)
	}
	if err := errors.Join(rd.Stop(), rd.Stop(), rd.Kill(), rd.Err()); err != nil {
		t.Fatal(err)
	}
	<-rd.Done()
}

func TestRequiredRedisIsNotReplaced(t *testing.T) {
	if _, err := StartRedis(t.Context(), RedisOptions{Dir: t.TempDir(), Search: nothing, Required: true}); !errors.Is(err, ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}
