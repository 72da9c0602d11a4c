package rush

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	poolConns  = 40 // as the program has
	redisConns = 64
)

// bench is the stores of one run.
type bench struct {
	Options
	dir      string
	postgres *embedded.Postgres
	server   *embedded.Redis
	db       *pgxpool.Pool
	redis    *redis.Client
	nowhere  *redis.Client // a Redis that does not answer
}

func open(ctx context.Context, o Options) (b *bench, err error) {
	b = &bench{Options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.dir, err = os.MkdirTemp("", "rialto-bench-"); err != nil {
		return b, err
	}
	log := slog.New(slog.DiscardHandler)
	if b.postgres, err = embedded.StartPostgres(ctx, embedded.PostgresOptions{Dir: filepath.Join(b.dir, "postgres"), Log: log}); err != nil {
		return b, err
	}
	if b.server, err = embedded.StartRedis(ctx, embedded.RedisOptions{Dir: filepath.Join(b.dir, "redis"), Log: log, Required: true}); err != nil {
		return b, err
	}
	cfg, err := pgxpool.ParseConfig(b.postgres.DSN())
	if err != nil {
		return b, err
	}
	cfg.MaxConns = poolConns
	if b.db, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return b, err
	}
	if _, err := schema.Migrate(ctx, b.db); err != nil {
		return b, err
	}
	options, err := redis.ParseURL(b.server.URL())
	if err != nil {
		return b, err
	}
	options.PoolSize = redisConns
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	b.redis = redis.NewClient(options)
	gone := *options
	gone.Addr += ".gone"
	b.nowhere = redis.NewClient(&gone)
	return b, b.redis.Ping(ctx).Err()
}

func (b *bench) close() error {
	var errs []error
	if b.redis != nil {
		errs = append(errs, b.redis.Close(), b.nowhere.Close())
	}
	if b.db != nil {
		b.db.Close()
	}
	if b.server != nil {
		errs = append(errs, b.server.Stop())
	}
	if b.postgres != nil {
		errs = append(errs, b.postgres.Stop())
	}
	if b.dir != "" {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("end the stores: %w", err)
	}
	return nil
}

func (b *bench) window() time.Duration { return time.Duration(b.Seconds) * time.Second }
