package embedded

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// TestKilledProgramLeavesNoOrphan kills the program as nothing can be caught:
// every process that it started must end, and the next start must find what
// was committed.
func TestKilledProgramLeavesNoOrphan(t *testing.T) {
	for _, role := range []string{"program", "program without namespace"} {
		t.Run(role, func(t *testing.T) { killAndStartAgain(t, role, openFolder(t)) })
	}
}

func killAndStartAgain(t *testing.T, role, dir string) {
	program, out := startProgram(t, role, dir)
	pids := awaitReady(t, out)

	busy := connect(t, testDSN(dir))
	exec1(t, busy, "CREATE TABLE kept AS SELECT 42 AS n")
	// A backend in the middle of a long statement must not keep the server.
	asleep := make(chan struct{})
	go func() {
		defer close(asleep)
		busy.Exec(t.Context(), "SELECT pg_sleep(1000)") // ends with its server
	}()
	t.Cleanup(func() { <-asleep })
	watch := connect(t, testDSN(dir))
	eventually(t, "a busy backend", func() bool {
		var n int
		err := watch.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1000)' AND state = 'active'").Scan(&n)
		return err == nil && n == 1
	})
	rd := redis.NewClient(&redis.Options{Network: "unix", Addr: filepath.Join(dir, "redis", "run", redisSocket)})
	defer rd.Close()
	if err := rd.Set(t.Context(), "kept", "42", 0).Err(); err != nil {
		t.Fatal(err)
	}

	all := family(t, pids...)
	if len(all) < len(pids)+4 {
		t.Fatalf("only %v: the server's own processes are missing", all)
	}
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The next start does not wait for the end of the last one by itself.
	next := startBoth(t, dir, role)
	for _, pid := range all {
		eventually(t, fmt.Sprintf("end of process %d", pid), func() bool { return !alive(pid) })
	}
	next.checkKept(t)
}

type both struct {
	pg *Postgres
	rd *Redis
}

func startBoth(t *testing.T, dir, role string) both {
	t.Helper()
	pg, err := StartPostgres(t.Context(), PostgresOptions{Dir: filepath.Join(dir, "pg"), withoutNamespace: role != "program"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopped(t, pg.Stop()) })
	rd, err := StartRedis(t.Context(), RedisOptions{Dir: filepath.Join(dir, "redis"), Required: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopped(t, rd.Stop()) })
	return both{pg, rd}
}

func (b both) checkKept(t *testing.T) {
	t.Helper()
	var n int
	if err := connect(t, b.pg.DSN()).QueryRow(t.Context(), "SELECT n FROM kept").Scan(&n); err != nil || n != 42 {
		t.Errorf("Postgres kept %d, %v", n, err)
	}
	o, err := redis.ParseURL(b.rd.URL())
	if err != nil {
		t.Fatal(err)
	}
	rd := redis.NewClient(o)
	defer rd.Close()
	if got, err := rd.Get(t.Context(), "kept").Result(); err != nil || got != "42" {
		t.Errorf("Redis kept %q, %v", got, err)
	}
}

// TestStoresHoldTheLock has every process of the stores keep the folder, so that
// the next start can wait for them.
func TestStoresHoldTheLock(t *testing.T) {
	dir := t.TempDir()
	b := startBoth(t, dir, "program")
	for store, pids := range map[string][]int{"pg": family(t, b.pg.PID()), "redis": {b.rd.PID()}} {
		lock := filepath.Join(dir, store, lockName)
		for _, pid := range pids {
			if !holds(t, pid, lock) {
				t.Errorf("%s: process %d does not hold %s", store, pid, lock)
			}
		}
	}
}

func holds(t *testing.T, pid int, file string) bool {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(fds, func(fd string) bool {
		at, err := os.Readlink(fd)
		return err == nil && at == file
	})
}

// TestKilledWhileMakingTheData kills the program in the middle of its first
// start.
func TestKilledWhileMakingTheData(t *testing.T) {
	dir := t.TempDir()
	program, _ := startProgram(t, "program", dir)
	catalog := filepath.Join(dir, "pg", makingName, "base", "1")
	eventually(t, "a half-made data folder", func() bool { _, err := os.Stat(catalog); return err == nil })
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	pg, err := StartPostgres(t.Context(), PostgresOptions{Dir: filepath.Join(dir, "pg"), Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	exec1(t, connect(t, pg.DSN()), "CREATE TABLE made (n int)")
	stopped(t, pg.Stop())
}

// TestSecondProgramIsRefused has another process, and this one again, ask for a
// folder in use.
func TestSecondProgramIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pg")
	pg, err := StartPostgres(t.Context(), PostgresOptions{Dir: dir, Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { stopped(t, pg.Stop()) }()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=one more program="+dir)
	said, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(said), "true ") {
		t.Fatalf("another process: %v, %s", err, said)
	}
	if !strings.Contains(string(said), fmt.Sprintf("running process %d", os.Getpid())) {
		t.Errorf("it does not say who: %s", said)
	}
	if err := connect(t, pg.DSN()).Ping(t.Context()); err != nil {
		t.Fatalf("the first was disturbed: %v", err)
	}
}

func testDSN(dir string) string {
	p := Postgres{socket: filepath.Join(dir, "pg", "run"), dbname: postgresDatabase}
	return p.DSN()
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func exec1(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func stopped(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("stop: %v", err)
	}
}
