package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
)

// startWithin bounds the start of a child on a busy machine; a Postgres that was killed replays its log first.
const startWithin = 2 * time.Minute

// stores are what the nodes work on: as durable as real ones. The payment company has a Postgres of its own, to which
// nothing ever happens: what it knows is its, whatever becomes of ours.
type stores struct {
	dir string // static
	log *slog.Logger

	mu sync.Mutex // one change at a time
	// guarded by mu
	postgres, bank *embedded.Postgres
	redis          *embedded.Redis
	postgresDown   bool
	redisDown      bool
}

func openStores(ctx context.Context, dir string, log *slog.Logger) (s *stores, err error) {
	s = &stores{dir: dir, log: log}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	s.bank, err = embedded.StartPostgres(ctx, embedded.PostgresOptions{Dir: filepath.Join(dir, "bank"), Fast: true, Log: log})
	if err == nil {
		s.postgres, err = embedded.StartPostgres(ctx, s.postgresOptions())
	}
	if err == nil {
		s.redis, err = embedded.StartRedis(ctx, s.redisOptions())
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stores) postgresOptions() embedded.PostgresOptions {
	return embedded.PostgresOptions{Dir: filepath.Join(s.dir, "postgres"), Log: s.log}
}

func (s *stores) redisOptions() embedded.RedisOptions {
	return embedded.RedisOptions{Dir: filepath.Join(s.dir, "redis"), Required: true, Log: s.log}
}

// close ends all of them, also paused ones.
func (s *stores) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if s.redis != nil {
		errs = append(errs, s.redis.Resume(), s.redis.Stop())
	}
	for _, p := range []*embedded.Postgres{s.postgres, s.bank} {
		if p != nil {
			errs = append(errs, p.Resume(), p.Stop())
		}
	}
	return errors.Join(errs...)
}

// killPostgres ends it as a power cut would. What is down already stays so.
func (s *stores) killPostgres() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.postgresGone()
}

// postgresGone needs mu.
func (s *stores) postgresGone() error {
	if s.postgresDown {
		return nil
	}
	s.postgresDown = true
	return errors.Join(s.postgres.Resume(), s.postgres.Kill())
}

// startPostgres starts it where it is down.
func (s *stores) startPostgres(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.postgresUp(ctx)
}

// postgresUp needs mu.
func (s *stores) postgresUp(ctx context.Context) error {
	if !s.postgresDown {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	server, err := embedded.StartPostgres(ctx, s.postgresOptions())
	if err != nil {
		return err
	}
	s.postgres, s.postgresDown = server, false
	return nil
}

// pausePostgres lets it hang for a time.
func (s *stores) pausePostgres(rest func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.postgresDown {
		return nil
	}
	if err := s.postgres.Pause(); err != nil {
		return errors.Join(err, s.postgres.Resume())
	}
	return errors.Join(rest(), s.postgres.Resume())
}

func (s *stores) killRedis() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.redisDown {
		return nil
	}
	s.redisDown = true
	return errors.Join(s.redis.Resume(), s.redis.Kill())
}

func (s *stores) startRedis(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.redisUp(ctx)
}

// redisUp needs mu.
func (s *stores) redisUp(ctx context.Context) error {
	if !s.redisDown {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	server, err := embedded.StartRedis(ctx, s.redisOptions())
	if err != nil {
		return err
	}
	s.redis, s.redisDown = server, false
	return nil
}

func (s *stores) pauseRedis(rest func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.redisDown {
		return nil
	}
	return errors.Join(s.redis.Pause(), rest(), s.redis.Resume())
}

// flushRedis empties it, as a wrong hand on the console would.
func (s *stores) flushRedis(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.redisDown {
		return nil
	}
	return s.redisEmpty(ctx)
}

// redisEmpty needs mu, and a Redis that runs.
func (s *stores) redisEmpty(ctx context.Context) error {
	client, err := dialRedis(s.redis.URL())
	if err != nil {
		return err
	}
	defer client.Close()
	return client.FlushAll(ctx).Err()
}

// redisBack is a failover to a copy that is behind: it knows what was written until keep, and nothing that it answered since.
func (s *stores) redisBack(ctx context.Context, rest func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.redisDown {
		return nil
	}
	data, copied := filepath.Join(s.dir, "redis", "data"), filepath.Join(s.dir, "redis-behind")
	defer os.RemoveAll(copied)
	if err := copyTree(data, copied); err != nil {
		return err
	}
	if err := rest(); err != nil {
		return err
	}
	s.redisDown = true
	if err := errors.Join(s.redis.Kill(), os.RemoveAll(data), os.Rename(copied, data)); err != nil {
		return err
	}
	return s.redisUp(ctx)
}

// backup stops Postgres in order, copies what it has, and starts it again. It says when it was made.
func (s *stores) backup(ctx context.Context) (made time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.postgresUp(ctx); err != nil {
		return made, err
	}
	s.postgresDown = true
	if err := s.postgres.Stop(); err != nil {
		return made, err
	}
	made = time.Now()
	if err := errors.Join(os.RemoveAll(s.kept()), copyTree(s.data(), s.kept())); err != nil {
		return made, fmt.Errorf("back up: %w", err)
	}
	return made, s.postgresUp(ctx)
}

// restore puts the backup in the place of a Postgres that is lost. Redis, which knows of what was lost, is emptied.
func (s *stores) restore(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(s.postgresGone(), os.RemoveAll(s.data()), os.Rename(s.kept(), s.data())); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if s.redisDown {
		if err := os.RemoveAll(filepath.Join(s.dir, "redis", "data")); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		return s.postgresUp(ctx)
	}
	return errors.Join(s.redisEmpty(ctx), s.postgresUp(ctx))
}

func (s *stores) data() string { return filepath.Join(s.dir, "postgres", "data") }
func (s *stores) kept() string { return filepath.Join(s.dir, "postgres-kept") }

func (s *stores) urls() (postgres, bank, redis string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.postgres.DSN(), s.bank.DSN(), s.redis.URL()
}

func dialRedis(url string) (*redis.Client, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

// copyTree copies a folder with its permissions. A file that goes away meanwhile is left out.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(at, info.Mode().Perm())
		}
		if !d.Type().IsRegular() {
			return nil // a socket
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(at, text, info.Mode().Perm())
	})
}
