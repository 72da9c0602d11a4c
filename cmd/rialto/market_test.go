package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce/payment/sandbox"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/verify"
)

func TestMain(m *testing.M) {
	redis.SetLogger(silent{}) // as the program does
	code := embeddedtest.Main(m)
	dropBinaries()
	os.Exit(code)
}

const (
	// patience bounds what is no promise to anybody; nothing waits for it when all is well.
	patience = 60 * time.Second
	// lookAgain is how often a condition is looked at that nobody announces.
	lookAgain = 10 * time.Millisecond
	// revokedWithin is the promise: who lost a right is out on every node.
	revokedWithin = time.Second

	sandboxSecret = "the sandbox of these tests"
)

// market is what the nodes of one test share: the stores and the sandbox.
type market struct {
	t     *testing.T
	dsn   string
	db    *pgxpool.Pool
	redis *embeddedtest.RedisServer
	bank  string // URL of the sandbox
	log   *journal
}

func newMarket(t *testing.T) *market {
	t.Helper()
	m := &market{t: t, dsn: schematest.Database(t), redis: embeddedtest.NewRedisServer(t), log: newJournal(t)}
	m.db = schematest.Open(t, m.dsn)
	m.bank = m.openBank()
	return m
}

// openBank serves the sandbox provider on a port of its own until the test ends.
func (m *market) openBank() string {
	m.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		m.t.Fatal(err)
	}
	pool := schematest.Open(m.t, m.dsn)
	background(m.t, "sandbox", func(ctx context.Context) error {
		return sandbox.Serve(ctx, l, sandbox.Config{Pool: pool, Secret: sandboxSecret, Log: m.log.logger(), Now: time.Now})
	})
	return "http://" + l.Addr().String()
}

// config is a node's settings on these stores, on free ports.
func (m *market) config() Config {
	return Config{
		DatabaseURL: m.dsn, RedisURL: m.redis.URL(), MediaPublicIP: []string{"127.0.0.1"},
		Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", Secret: strings.Repeat("s", minSecretLength),
		Sandbox: true, SandboxURL: m.bank, SandboxSecret: sandboxSecret, HoldTTL: 5 * time.Minute,
	}
}

// running is one node.
type running struct {
	*App
	market *market
	url    string
	stop   func() // ends it in order and waits; may be called twice
}

// node starts the real program on port 0, with the settings changed.
func (m *market) node(change ...func(*Config)) *running {
	m.t.Helper()
	cfg := m.config()
	for _, f := range change {
		f(&cfg)
	}
	app, err := newApp(m.t.Context(), cfg, m.log.logger())
	if err != nil {
		m.t.Fatal(err)
	}
	n := &running{App: app, market: m, url: app.URL()}
	n.stop = background(m.t, "node "+app.nodes.id, app.Run)
	return n
}

// background runs something until the test ends, or until stop is called.
func background(t *testing.T, name string, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s ended with %v", name, err)
			}
		case <-time.After(patience):
			t.Errorf("%s does not end", name)
		}
	})
	t.Cleanup(stop)
	return stop
}

// count asks Postgres one number.
func (m *market) count(sql string, args ...any) (n int) {
	m.t.Helper()
	if err := m.db.QueryRow(m.t.Context(), sql, args...).Scan(&n); err != nil {
		m.t.Fatal(err)
	}
	return n
}

// clean runs what `rialto verify` runs, with the gate of one node.
func (m *market) clean(n *running) {
	m.t.Helper()
	var out strings.Builder
	breaches, err := verify.Run(m.t.Context(), m.db, n.stock, &out)
	if err != nil || breaches != 0 {
		m.t.Fatalf("%d breaches, %v\n%s", breaches, err, out.String())
	}
}

// eventually waits for a condition that nobody announces.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	within(t, patience, what, done)
}

func within(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	deadline, tick := time.Now().Add(limit), time.NewTicker(lookAgain)
	defer tick.Stop()
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: never came to be, in %s", what, limit)
		}
		<-tick.C
	}
}

// journal keeps what nodes log, and shows it when the test has failed.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func newJournal(t *testing.T) *journal {
	j := &journal{}
	t.Cleanup(func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if t.Failed() {
			t.Logf("what the nodes said:\n%s", j.text.String())
		}
	})
	return j
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) logger() *slog.Logger { return newLog(j, slog.LevelInfo, false) }
