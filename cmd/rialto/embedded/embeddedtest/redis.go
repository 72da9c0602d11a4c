package embeddedtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
)

// Redis is the address of an empty server that ends with the test.
func Redis(tb testing.TB) (url string) {
	tb.Helper()
	return NewRedisServer(tb).URL()
}

// RedisServer is one test's own server.
type RedisServer struct {
	tb     testing.TB
	dir    string
	server *embedded.Redis
}

// NewRedisServer starts an empty server that ends with the test.
func NewRedisServer(tb testing.TB) *RedisServer {
	tb.Helper()
	s := &RedisServer{tb: tb, dir: filepath.Join(tb.TempDir(), "redis")}
	s.Start()
	tb.Cleanup(func() {
		if err := s.server.Stop(); err != nil {
			tb.Errorf("embeddedtest: %v", err)
		}
	})
	return s
}

// URL is the address; it stays the same over Kill and Start.
func (s *RedisServer) URL() string { return s.server.URL() }

// Start starts it again after Kill or Stop, with its data.
func (s *RedisServer) Start() {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	server, err := embedded.StartRedis(ctx, embedded.RedisOptions{Dir: s.dir, Required: true, Search: search})
	s.check(err)
	s.server = server
}

// Stop ends it in order.
func (s *RedisServer) Stop() { s.tb.Helper(); s.check(s.server.Stop()) }

// Kill ends it as a power cut would.
func (s *RedisServer) Kill() { s.tb.Helper(); s.check(s.server.Kill()) }

// Lose ends it as a disk that dies would: what it knew is gone.
func (s *RedisServer) Lose() {
	s.tb.Helper()
	s.Kill()
	s.check(os.RemoveAll(filepath.Join(s.dir, "data")))
}

// Restart ends it in order and starts it again.
func (s *RedisServer) Restart() { s.tb.Helper(); s.Stop(); s.Start() }

// Flush empties it, as a wrong hand on the console would.
func (s *RedisServer) Flush() {
	s.tb.Helper()
	o, err := redis.ParseURL(s.URL())
	s.check(err)
	client := redis.NewClient(o)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	s.check(client.FlushAll(ctx).Err())
}

func (s *RedisServer) check(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("embeddedtest: %v", err)
	}
}
