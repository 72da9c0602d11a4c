package embeddedtest_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func client(t *testing.T, url string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestPostgresIsOneServerOfManyDatabases(t *testing.T) {
	first, second := embeddedtest.Postgres(t), embeddedtest.Postgres(t)
	if first != second {
		t.Fatalf("two servers: %s and %s", first, second)
	}
	conn := connect(t, first)
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE made_by_a_test"); err != nil {
		t.Fatal(err)
	}
}

func TestPostgresServerSurvivesKill(t *testing.T) {
	s := embeddedtest.NewPostgresServer(t)
	before := s.DSN()
	if _, err := connect(t, before).Exec(t.Context(), "CREATE TABLE kept AS SELECT 7 AS n"); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s.Start()
	if s.DSN() != before {
		t.Errorf("the address changed from %s to %s", before, s.DSN())
	}
	var n int
	if err := connect(t, s.DSN()).QueryRow(t.Context(), "SELECT n FROM kept").Scan(&n); err != nil || n != 7 {
		t.Fatalf("kept %d, %v", n, err)
	}
	s.Restart()
	if err := connect(t, s.DSN()).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRedisServersShareNothing(t *testing.T) {
	a, b := client(t, embeddedtest.Redis(t)), client(t, embeddedtest.Redis(t))
	if err := a.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := b.Get(t.Context(), "k").Err(); err != redis.Nil {
		t.Fatalf("the other server answered %v", err)
	}
}

func TestRedisServerSurvivesKillAndForgetsOnFlush(t *testing.T) {
	s := embeddedtest.NewRedisServer(t)
	if err := client(t, s.URL()).Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s.Start()
	c := client(t, s.URL())
	if got, err := c.Get(t.Context(), "k").Result(); err != nil || got != "v" {
		t.Fatalf("after kill: %q, %v", got, err)
	}
	s.Flush()
	if err := c.Get(t.Context(), "k").Err(); err != redis.Nil {
		t.Fatalf("after flush: %v", err)
	}
}
