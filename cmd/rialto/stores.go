package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
	"github.com/rialto-live/rialto/commerce/stock"
	"github.com/rialto-live/rialto/commerce/verify"
)

const (
	// defaultData is where the embedded stores live without --data.
	defaultData = ".rialto"
	// runFile says where the embedded stores of a running `rialto dev` answer.
	// It is believed only while the data folder's lock is held.
	runFile = "run.json"

	poolConns  = 40 // Postgres connections of one node
	redisConns = 64 // more than are used at once: a small pool delays recovery after an outage
)

// stores is an open Postgres and, where there is one, an open Redis.
type stores struct {
	pool  *pgxpool.Pool
	redis *redis.Client // nil when no Redis can be had
	stop  []func() error
}

func (s *stores) close() error {
	if s.redis != nil {
		_ = s.redis.Close()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	var errs []error
	for _, stop := range s.stop {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

// gate reads what the gate in Redis holds, to be compared with Postgres; nil
// when there is no Redis to read.
func (s *stores) gate() (verify.Redis, error) {
	if s.redis == nil {
		return nil, nil
	}
	return stock.New(stock.Config{
		Pool: s.pool, Redis: s.redis, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
}

func openPool(ctx context.Context, dsn string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	// A larger pool_max_conns in the URL stands; pgx's own default is one per core.
	cfg.MaxConns = max(cfg.MaxConns, poolConns)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open Postgres: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("reach Postgres (DATABASE_URL): %w", err)
	}
	return pool, nil
}

// openRedis does not insist on an answer: a node starts while Redis is away
// and says so on /readyz.
func openRedis(url string) (*redis.Client, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	opts.PoolSize = redisConns
	opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(opts), nil
}

// withStores runs a command on the configured stores, or on the embedded ones
// of --data: those of a running `rialto dev`, else started for the command.
func withStores(ctx context.Context, name string, args []string, at terminal, do func(*stores) error) error {
	return withStoresFlags(ctx, newFlags(name), args, at, do)
}

func withStoresFlags(ctx context.Context, flags *flag.FlagSet, args []string, at terminal, do func(*stores) error) error {
	data := dataFlag(flags)
	if err := parseFlags(flags, args, at); err != nil {
		return err
	}
	return onStores(ctx, *data, at, do)
}

func dataFlag(flags *flag.FlagSet) *string {
	return flags.String("data", defaultData, "`folder` of the embedded stores, used when DATABASE_URL is not set")
}

func onStores(ctx context.Context, data string, at terminal, do func(*stores) error) error {
	cfg, err := settings(at)
	if err != nil {
		return err
	}
	s, err := openStores(ctx, cfg, data)
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.close())
}

func openStores(ctx context.Context, cfg Config, data string) (s *stores, err error) {
	s = &stores{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
			s = nil
		}
	}()
	if cfg.DatabaseURL == "" {
		if err := s.findEmbedded(ctx, &cfg, data); err != nil {
			return s, err
		}
	}
	if s.pool, err = openPool(ctx, cfg.DatabaseURL); err != nil {
		return s, err
	}
	if cfg.RedisURL != "" {
		s.redis, err = openRedis(cfg.RedisURL)
	}
	return s, err
}

// findEmbedded fills in where the embedded stores answer.
func (s *stores) findEmbedded(ctx context.Context, cfg *Config, data string) error {
	if _, err := os.Stat(data); err != nil {
		return fmt.Errorf("DATABASE_URL is not set and there is no folder %q of embedded stores (give --data): %w", data, errUsage)
	}
	quiet := slog.New(slog.DiscardHandler)
	postgres, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{Dir: filepath.Join(data, "postgres"), Log: quiet})
	if errors.Is(err, embedded.ErrInUse) {
		at, err := readRunFile(data)
		if err != nil {
			return err
		}
		cfg.DatabaseURL, cfg.RedisURL = at.Database, at.Redis
		return nil
	}
	if err != nil {
		return err
	}
	cfg.DatabaseURL = postgres.DSN()
	s.stop = append(s.stop, postgres.Stop)
	return nil
}

// runningStores is the content of runFile: what a second node needs to work on
// the same stores. Redis is empty when it lives in the process of `rialto dev`
// and nobody else can reach it.
type runningStores struct {
	Database string `json:"database"`
	Redis    string `json:"redis,omitempty"`
	Sandbox  string `json:"sandbox,omitempty"`
}

func readRunFile(data string) (at runningStores, err error) {
	text, err := os.ReadFile(filepath.Join(data, runFile))
	if err != nil {
		return at, fmt.Errorf("the stores in %q are in use by a program that has not said where they answer: %w", data, err)
	}
	return at, json.Unmarshal(text, &at)
}

func writeRunFile(data string, at runningStores) error {
	text, err := json.Marshal(at)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(data, runFile), text, 0o600)
}

func newLog(w io.Writer, level slog.Level, asJSON bool) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
