package embeddedtest

import (
	"context"
	"log"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
)

// startWithin is generous: many test binaries may start servers at once on a
// small machine.
const startWithin = 2 * time.Minute

// search is where servers are looked for; zero is this machine's usual places.
// Only this package's own tests change it.
var search embedded.Search

// shared is the test binary's one Postgres.
var shared struct {
	once sync.Once

	// written in once
	dir    string
	server *embedded.Postgres
	err    error
}

// Main runs the tests and ends the shared server. Its result is for os.Exit.
func Main(m *testing.M) int {
	code := m.Run()
	// Taken, the once also waits for a start that is still under way.
	shared.once.Do(func() {})
	if shared.server == nil {
		return code
	}
	if err := shared.server.Stop(); err != nil {
		log.Printf("embeddedtest: %v", err)
		code = max(code, 1)
	}
	if err := os.RemoveAll(shared.dir); err != nil {
		log.Printf("embeddedtest: %v", err)
		code = max(code, 1)
	}
	return code
}

// Postgres is the address of the test binary's server, as its administrator.
// The first call starts it. A test makes a database of its own in it, best by
// CREATE DATABASE … TEMPLATE; the name in the address is the path of its URL.
func Postgres(tb testing.TB) (adminDSN string) {
	tb.Helper()
	shared.once.Do(startShared)
	if shared.err != nil {
		tb.Fatalf("embeddedtest: %v", shared.err)
	}
	select {
	case <-shared.server.Done():
		tb.Fatalf("embeddedtest: the shared server has ended: %v", shared.server.Err())
	default:
	}
	return shared.server.DSN()
}

func startShared() {
	sweep()
	shared.dir, shared.err = os.MkdirTemp("", folderPrefix)
	if shared.err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	shared.server, shared.err = embedded.StartPostgres(ctx, embedded.PostgresOptions{Dir: filepath.Join(shared.dir, "pg"), Fast: true, Search: search})
}

// PostgresServer is one test's own server.
type PostgresServer struct {
	tb     testing.TB
	o      embedded.PostgresOptions
	server *embedded.Postgres
}

// NewPostgresServer starts a server that ends with the test. It is as durable
// as a real one, so that Kill loses nothing that was committed.
func NewPostgresServer(tb testing.TB) *PostgresServer {
	tb.Helper()
	s := &PostgresServer{tb: tb, o: embedded.PostgresOptions{Dir: filepath.Join(tb.TempDir(), "pg"), Search: search}}
	s.Start()
	tb.Cleanup(func() {
		if err := s.server.Stop(); err != nil {
			tb.Errorf("embeddedtest: %v", err)
		}
	})
	return s
}

// DSN is the address; it stays the same over Kill and Start.
func (s *PostgresServer) DSN() string { return s.server.DSN() }

// Start starts it again after Kill or Stop, with its data.
func (s *PostgresServer) Start() {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	server, err := embedded.StartPostgres(ctx, s.o)
	if err != nil {
		s.tb.Fatalf("embeddedtest: %v", err)
	}
	s.server = server
}

// Stop ends it in order.
func (s *PostgresServer) Stop() { s.tb.Helper(); s.check(s.server.Stop()) }

// Kill ends it as a power cut would.
func (s *PostgresServer) Kill() { s.tb.Helper(); s.check(s.server.Kill()) }

// Restart ends it in order and starts it again.
func (s *PostgresServer) Restart() { s.tb.Helper(); s.Stop(); s.Start() }

func (s *PostgresServer) check(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("embeddedtest: %v", err)
	}
}

// Freeze stops the server as a machine that hangs would: it keeps its connections and answers nothing. Thaw lets it go
// on; the test's end does so too.
func (s *PostgresServer) Freeze() {
	s.tb.Helper()
	s.check(s.server.Pause())
	s.tb.Cleanup(s.Thaw) // runs before the server's own end
}

// Thaw lets a frozen server go on. Twice is once.
func (s *PostgresServer) Thaw() { s.tb.Helper(); s.check(s.server.Resume()) }
