package chaos

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
	"github.com/rialto-live/rialto/commerce/stock"
)

const (
	lookAgain   = 50 * time.Millisecond
	comeAtOnce  = 16      // guests that open the page at the same time
	maxSaid     = 8 << 10 // of what a command says
	commandFor  = 2 * time.Minute
	clockSkew   = 2 * time.Second // node 0 is ahead by it, node 1 behind
	poolMaxConn = 8
)

// world is everything that a run needs, of its own.
type world struct {
	// static
	o       Options
	dir     string
	stores  *stores
	wire    *wire
	sandbox *process
	nodes   [nodeCount]*process
	urls    [nodeCount]string
	buyers  []*buyer
	db      *pgxpool.Pool // ours
	bank    *pgxpool.Pool // the company's
	redis   *redis.Client
	gate    *stock.Service // to look at the gate's copies, and for nothing else
	env     []string       // of the commands

	group *errgroup.Group
	stop  context.CancelFunc
}

func openWorld(ctx context.Context, o Options, dir string) (w *world, err error) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	w = &world{o: o, dir: dir}
	ctx, w.stop = context.WithCancel(ctx)
	w.group, ctx = errgroup.WithContext(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
			w = nil
		}
	}()
	if w.stores, err = openStores(ctx, dir, log); err != nil {
		return w, err
	}
	postgres, bank, gate := w.stores.urls()
	if w.db, err = openPool(ctx, postgres); err != nil {
		return w, err
	}
	if w.bank, err = openPool(ctx, bank); err != nil {
		return w, err
	}
	if w.redis, err = dialRedis(gate); err != nil {
		return w, err
	}
	if w.gate, err = stock.New(stock.Config{Pool: w.db, Redis: w.redis, Log: log, Registerer: prometheus.NewRegistry()}); err != nil {
		return w, err
	}
	if err := w.start(ctx, postgres, bank, gate); err != nil {
		return w, err
	}
	if err := w.ready(ctx); err != nil {
		return w, err
	}
	return w, w.invite(ctx)
}

func openPool(ctx context.Context, dsn string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = poolMaxConn
	return pgxpool.NewWithConfig(ctx, cfg)
}

// start starts the programs, each of which is started again whenever it ends.
func (w *world) start(ctx context.Context, postgres, bank, gate string) (err error) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails in crypto/rand
	secret := hex.EncodeToString(raw[:])
	at, err := freeAddress()
	if err != nil {
		return err
	}
	w.sandbox, err = newProcess(w.dir, "sandbox", w.o.Program, []string{"sandbox"},
		[]string{"DATABASE_URL=" + bank, "LISTEN=" + at, "SANDBOX_SECRET=" + secret, "LOG_LEVEL=WARN"}, sandboxLine)
	if err != nil {
		return err
	}
	if w.wire, err = newWire(secret, func() string { return "http://" + at }); err != nil {
		return err
	}
	w.env = []string{
		"DATABASE_URL=" + postgres, "REDIS_URL=" + gate, "SANDBOX_URL=" + w.wire.url, "SANDBOX_SECRET=" + secret, "RIALTO_SANDBOX=1", "RIALTO_SECRET=" + secret,
		"MEDIA_PUBLIC_IP=127.0.0.1", "MEDIA_PORT=0", "ADMIN_LISTEN=127.0.0.1:0", "LOG_LEVEL=WARN", "HOLD_TTL=5m",
	}
	for i, skew := range []time.Duration{clockSkew, -clockSkew} {
		at, err := freeAddress()
		if err != nil {
			return err
		}
		w.urls[i] = "http://" + at
		env := append([]string{"LISTEN=" + at, "PUBLIC_URL=" + w.urls[i], "CLOCK_SKEW=" + skew.String()}, w.env...)
		if w.nodes[i], err = newProcess(w.dir, fmt.Sprint("node", i), w.o.Program, []string{"serve"}, env, readyLine); err != nil {
			return err
		}
	}
	w.group.Go(func() error { return w.wire.run(ctx) })
	w.group.Go(func() error { return w.sandbox.run(ctx) })
	if _, err := w.sandbox.await(ctx); err != nil {
		return err
	}
	for i := range w.nodes {
		w.group.Go(func() error { return w.nodes[i].run(ctx) })
		if _, err := w.nodes[i].await(ctx); err != nil { // one after the other: the first brings the database up to date
			return err
		}
	}
	return nil
}

// close ends everything.
func (w *world) close() error {
	w.stop()
	var errs []error
	errs = append(errs, w.group.Wait())
	for _, b := range w.buyers {
		b.browser.CloseIdleConnections()
		b.calm.CloseIdleConnections()
	}
	for _, p := range []*pgxpool.Pool{w.db, w.bank} {
		if p != nil {
			p.Close()
		}
	}
	if w.redis != nil {
		errs = append(errs, w.redis.Close())
	}
	if w.stores != nil {
		errs = append(errs, w.stores.close())
	}
	return errors.Join(errs...)
}

// ready waits until both nodes say that they can do everything.
func (w *world) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for i := range w.nodes {
		if _, err := w.nodes[i].await(ctx); err != nil {
			return err
		}
		if err := w.wellAt(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) wellAt(ctx context.Context, node int) error {
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.urls[node]+"/readyz", nil)
		if err != nil {
			return err
		}
		said := ""
		if got, err := http.DefaultClient.Do(r); err == nil {
			text, _ := io.ReadAll(io.LimitReader(got.Body, maxSaid))
			_ = got.Body.Close()
			if said = string(text); got.StatusCode == http.StatusOK && strings.Contains(said, `"status":"ok"`) {
				return nil
			}
		}
		if pause(ctx, lookAgain); ctx.Err() != nil {
			return fmt.Errorf("node %d is not well, but %s: %w", node, said, context.Cause(ctx))
		}
	}
}

// invite lets the buyers open the page: each is a guest from then on, wherever they tap.
func (w *world) invite(ctx context.Context) error {
	var all errgroup.Group
	all.SetLimit(comeAtOnce)
	w.buyers = make([]*buyer, w.o.Buyers)
	for i := range w.buyers {
		b := &buyer{number: i, browser: newBrowser(addressOf(1, i)), calm: newBrowser(addressOf(2, i))}
		w.buyers[i] = b
		all.Go(func() error {
			a, header, err := ask(ctx, b.calm, "", w.urls[i%nodeCount], http.MethodGet, "/me", nil)
			if err != nil {
				return fmt.Errorf("a buyer opens the page: %w", err)
			}
			b.subject, b.cookie = a.text("subject"), cookies(header)
			if b.subject == "" || b.cookie == "" {
				return fmt.Errorf("a buyer opens the page: %d %v", a.status, a.body)
			}
			return nil
		})
	}
	return all.Wait()
}

// cookies are those that an answer sets, as a browser sends them.
func cookies(header http.Header) string {
	var list []string
	for _, c := range (&http.Response{Header: header}).Cookies() {
		list = append(list, c.Name+"="+c.Value)
	}
	return strings.Join(list, "; ")
}

// command runs the program to its end, and answers with what it says.
func (w *world) command(ctx context.Context, args ...string) (said string, err error) {
	var mu sync.Mutex
	ctx, cancel := context.WithTimeout(ctx, commandFor)
	defer cancel()
	child, err := embedded.StartChild(ctx, embedded.ChildOptions{
		Name: strings.Join(args, " "), Path: w.o.Program, Args: args, Env: append([]string{"PATH=/usr/bin:/bin", "TMPDIR=" + os.TempDir()}, w.env...),
		Line: func(line string) {
			mu.Lock()
			defer mu.Unlock()
			if len(said) < maxSaid {
				said += line + "\n"
			}
		},
	})
	if err != nil {
		return "", err
	}
	select {
	case <-child.Done():
		err = child.Err()
	case <-ctx.Done():
		err = errors.Join(context.Cause(ctx), child.Kill())
	}
	mu.Lock()
	defer mu.Unlock()
	return said, err
}

// logs is where what the programs have said is.
func (w *world) logs() string { return filepath.Join(w.dir, "node*.log") }
