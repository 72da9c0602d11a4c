package storm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
)

// Trouble is what happens to Redis in the middle.
type Trouble string

// The troubles. With Restarted nothing that Redis has answered is lost; with
// Killed the last moments can be; with Lost and Emptied all is.
const (
	Untroubled Trouble = "none"
	Restarted  Trouble = "restarted"
	Killed     Trouble = "killed"
	Lost       Trouble = "lost"
	Emptied    Trouble = "emptied"
)

// keepsData says whether Redis knows afterwards what it knew.
func (t Trouble) keepsData() bool { return t == Untroubled || t == Restarted }

// startWithin bounds the start of the Redis child.
const startWithin = time.Minute

// store is the one Redis of the cluster.
type store struct {
	dir    string
	server *embedded.Redis
}

func newStore(ctx context.Context, dir string) (*store, error) {
	s := &store{dir: filepath.Join(dir, "redis")}
	return s, s.start(ctx)
}

func (s *store) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	server, err := embedded.StartRedis(ctx, embedded.RedisOptions{Dir: s.dir, Required: true})
	if err != nil {
		return err // the one before has ended, and can be stopped again
	}
	s.server = server
	return nil
}

func (s *store) options() (*redis.Options, error) { return redis.ParseURL(s.server.URL()) }

// suffer brings the trouble and its end.
func (s *store) suffer(ctx context.Context, t Trouble) error {
	var err error
	switch t {
	case Untroubled:
		return nil
	case Emptied:
		return s.flush(ctx)
	case Restarted:
		err = s.server.Stop()
	case Killed, Lost:
		err = s.server.Kill()
	}
	if err != nil {
		return fmt.Errorf("end Redis: %w", err)
	}
	if t == Lost {
		if err := os.RemoveAll(filepath.Join(s.dir, "data")); err != nil {
			return fmt.Errorf("lose what Redis knew: %w", err)
		}
	}
	return s.start(ctx)
}

func (s *store) flush(ctx context.Context) error {
	o, err := s.options()
	if err != nil {
		return err
	}
	client := redis.NewClient(o)
	defer client.Close()
	return client.FlushAll(ctx).Err()
}
