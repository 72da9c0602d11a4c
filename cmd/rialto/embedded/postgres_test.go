package embedded

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func startPG(t *testing.T, o PostgresOptions) *Postgres {
	t.Helper()
	pg, err := StartPostgres(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopped(t, pg.Stop()) })
	return pg
}

func setting(t *testing.T, pg *Postgres, name string) string {
	t.Helper()
	var value string
	if err := connect(t, pg.DSN()).QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// TestPostgresKeepsDataOverAStop also checks what a person's data rests on.
func TestPostgresKeepsDataOverAStop(t *testing.T) {
	o := PostgresOptions{Dir: filepath.Join(t.TempDir(), "pg")}
	pg := startPG(t, o)
	for name, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
		"listen_addresses": "", "TimeZone": "UTC", "server_encoding": "UTF8", "shared_buffers": "128MB", "wal_init_zero": "off",
	} {
		if got := setting(t, pg, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	exec1(t, connect(t, pg.DSN()), "CREATE TABLE kept AS SELECT 42 AS n")
	if err := errors.Join(pg.Stop(), pg.Stop()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-pg.Done():
	default:
		t.Error("Stop returned before the end")
	}
	again := startPG(t, o)
	var n int
	if err := connect(t, again.DSN()).QueryRow(t.Context(), "SELECT n FROM kept").Scan(&n); err != nil || n != 42 {
		t.Fatalf("kept %d, %v", n, err)
	}
}

// TestPostgresAfterAnInterruptedFirstStart finds what a kill -9 in the middle
// of making the data folder leaves.
func TestPostgresAfterAnInterruptedFirstStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pg")
	half := filepath.Join(dir, makingName, "base")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, makingName, versionFile), []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pg := startPG(t, PostgresOptions{Dir: dir, Fast: true})
	if got := setting(t, pg, "fsync"); got != "off" {
		t.Errorf("Fast, and fsync is %q", got)
	}
}

func TestPostgresOfAnotherVersionIsNotOpened(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pg")
	if err := os.MkdirAll(filepath.Join(dir, dataName), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, dataName, versionFile), []byte("9.6\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := StartPostgres(t.Context(), PostgresOptions{Dir: dir})
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "install 9") {
		t.Fatalf("got %v", err)
	}
}

func TestPostgresStartCanBeGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "pg")
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if _, err := StartPostgres(ctx, PostgresOptions{Dir: dir, elsewhere: elsewhere}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(elsewhere); !isAbsent(err) {
		t.Error("giving up was taken for a refused user namespace")
	}
	startPG(t, PostgresOptions{Dir: dir, Fast: true}) // the folder is free again
}

func TestPostgresThatDiesSaysSo(t *testing.T) {
	pg := startPG(t, PostgresOptions{Dir: filepath.Join(t.TempDir(), "pg"), Fast: true})
	if err := pg.child.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-pg.Done()
	if err := pg.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("it says %v", err)
	}
}

// TestSocketOfADeepFolder has a data folder whose path is longer than a
// socket's may be.
func TestSocketOfADeepFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep", 30), "pg")
	pg := startPG(t, PostgresOptions{Dir: dir, Fast: true})
	if len(pg.socket) > maxSocketPath || strings.HasPrefix(pg.socket, dir) {
		t.Fatalf("the socket is in %s", pg.socket)
	}
	if err := connect(t, pg.DSN()).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopped(t, pg.Stop())
	if _, err := os.Stat(pg.socket); !isAbsent(err) {
		t.Fatalf("left behind: %s, %v", pg.socket, err)
	}
}

func TestSocketFolderLength(t *testing.T) {
	const name = "s"
	base := t.TempDir()
	for over, want := range map[int]bool{0: false, 1: true} {
		// dir + "/run/s" is exactly as long as the kernel takes, or one more.
		dir := filepath.Join(base, strings.Repeat("d", maxSocketPath-len(base)-len("//run/s")+over))
		folder, temporary, err := socketFolder(dir, name, identity{})
		if err != nil {
			t.Fatal(err)
		}
		if temporary != want {
			t.Errorf("%d over the limit: %s, temporary %v", over, folder, temporary)
		}
		if temporary {
			t.Cleanup(func() { os.RemoveAll(folder) })
		}
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s is open to others: %v, %v", folder, info.Mode(), err)
		}
	}
}

// TestPrivateFolderIsNotALink refuses what another user may have laid in a
// shared temporary folder.
func TestPrivateFolderIsNotALink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := privateFolder(link); err == nil {
		t.Fatal("a link was taken for a folder")
	}
}

func TestPostgresLogsQuietly(t *testing.T) {
	var out bytes.Buffer
	line := postgresLine(slog.New(slog.NewTextHandler(&out, nil)))
	line("LOG:  database system is ready to accept connections")
	line("ERROR:  duplicate key value violates unique constraint")
	if out.Len() > 0 {
		t.Errorf("said %s", out.String())
	}
	line("PANIC:  could not write to file")
	if !strings.Contains(out.String(), "level=WARN") {
		t.Errorf("said %s", out.String())
	}
}
