package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
)

const (
	secretFile   = "secret" // signs guest tokens and order links of this data folder
	secretBytes  = 32
	sandboxReady = "rialto: sandbox ready on " // what the sandbox child prints
)

// devOptions are the flags of `rialto dev`.
type devOptions struct {
	data, listen, admin string
	mediaPort           int
	demo                bool
}

func runDev(ctx context.Context, args []string, at terminal) error {
	var o devOptions
	flags := newFlags("dev")
	flags.StringVar(&o.data, "data", defaultData, "`folder` that keeps the embedded stores")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` of the pages, the API and WHIP")
	flags.StringVar(&o.admin, "admin", "127.0.0.1:8081", "`address` of metrics and profiles")
	flags.IntVar(&o.mediaPort, "media-port", 8443, "`port`, UDP and TCP, of all video; 0 takes a free one")
	flags.BoolVar(&o.demo, "demo", true, "run the demo show")
	if err := parseFlags(flags, args, at); err != nil {
		return err
	}
	cfg, err := settings(at)
	if err != nil {
		return err
	}
	log := newLog(at.err, cfg.LogLevel, false)
	house, err := openHouse(ctx, cfg, o, log)
	if err != nil {
		return err
	}
	return errors.Join(house.run(ctx, at), house.close())
}

// house is everything of the embedded default: the stores and the sandbox as
// children, and one node on top of them.
type house struct {
	app      *App
	demo     *demo
	children []child // in the order of starting; they stop in reverse
}

type child struct {
	name string
	embeddedChild
}

// embeddedChild is what Postgres, Redis and the sandbox have in common.
type embeddedChild interface {
	Stop() error
	Done() <-chan struct{}
	Err() error
}

func openHouse(ctx context.Context, cfg Config, o devOptions, log *slog.Logger) (h *house, err error) {
	h = &house{}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
			h = nil
		}
	}()
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return h, fmt.Errorf("data folder: %w", err)
	}
	cfg.Listen, cfg.AdminListen, cfg.MediaPort = o.listen, o.admin, o.mediaPort
	if cfg.PublicURL == "" {
		cfg.PublicURL = localURL(o.listen)
	}
	if cfg.Secret == "" {
		if cfg.Secret, err = keepSecret(filepath.Join(o.data, secretFile)); err != nil {
			return h, err
		}
	}
	cfg.Sandbox, cfg.mailbox = true, cfg.SMTPURL == ""
	if err := errors.Join(cfg.validateValues()...); err != nil {
		return h, settingsError(err)
	}
	// Taken before the stores start, so that a second start says in a moment
	// what is in the way.
	for _, addr := range []string{o.listen, o.admin} {
		if err := portFree(addr); err != nil {
			return h, err
		}
	}
	run, err := h.openStores(ctx, &cfg, o.data, log)
	if err != nil {
		return h, err
	}
	if err := h.openSandbox(ctx, &cfg, log); err != nil {
		return h, err
	}
	run.Sandbox = cfg.SandboxURL
	if err := writeRunFile(o.data, run); err != nil {
		return h, err
	}
	if h.app, err = newApp(ctx, cfg, log); err != nil {
		return h, err
	}
	if o.demo {
		// To itself it always speaks over loopback, whatever PUBLIC_URL says.
		h.demo, err = newDemo("http://"+h.app.front.Addr().String(), h.app.whip.Publisher, log)
	}
	return h, err
}

// localURL is what a person types for a listening address.
func localURL(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" {
		return "" // the App says its URL when it knows its port
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && (ip.IsLoopback() && ip.String() == "127.0.0.1" || ip.IsUnspecified())) {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func portFree(addr string) error {
	l, err := listenTCP(addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// keepSecret reads the folder's secret, or makes it.
func keepSecret(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err == nil && len(strings.TrimSpace(string(text))) >= minSecretLength {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("secret of the data folder: %w", err)
	}
	raw := make([]byte, secretBytes)
	_, _ = rand.Read(raw) // never fails in crypto/rand
	secret := hex.EncodeToString(raw)
	// Renamed into place: a half-written secret would sign out everybody.
	draft := file + ".new"
	if err := os.WriteFile(draft, []byte(secret+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("secret of the data folder: %w", err)
	}
	return secret, os.Rename(draft, file)
}

// openStores answers where others find the stores.
func (h *house) openStores(ctx context.Context, cfg *Config, data string, log *slog.Logger) (run runningStores, err error) {
	run = runningStores{Database: cfg.DatabaseURL, Redis: cfg.RedisURL}
	if cfg.DatabaseURL == "" {
		postgres, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{Dir: filepath.Join(data, "postgres"), Log: log})
		if err != nil {
			return run, err
		}
		h.children = append(h.children, child{"postgres", postgres})
		cfg.DatabaseURL = postgres.DSN()
		run.Database = cfg.DatabaseURL
	}
	if cfg.RedisURL == "" {
		redis, err := embedded.StartRedis(ctx, embedded.RedisOptions{Dir: filepath.Join(data, "redis"), Log: log})
		if err != nil {
			return run, err
		}
		h.children = append(h.children, child{"redis", redis})
		cfg.RedisURL = redis.URL()
		run.Redis = ""
		if redis.Durable() {
			run.Redis = cfg.RedisURL
		}
	}
	return run, nil
}

// openSandbox starts the sandbox provider as a child of its own: it has to
// survive the death of a node like a real provider does, and be reached like one.
func (h *house) openSandbox(ctx context.Context, cfg *Config, log *slog.Logger) error {
	if cfg.SandboxURL != "" || cfg.stripe() { // in test mode, where its money is play money too
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program for the sandbox: %w", err)
	}
	if cfg.SandboxSecret == "" {
		cfg.SandboxSecret = cfg.Secret
	}
	found := make(chan string, 1)
	sandbox, err := embedded.StartChild(ctx, embedded.ChildOptions{
		Name: "sandbox", Path: program, Args: []string{"sandbox"}, Log: log,
		Env: []string{
			"PATH=/usr/bin:/bin", "DATABASE_URL=" + cfg.DatabaseURL, "LISTEN=127.0.0.1:0",
			"SANDBOX_SECRET=" + cfg.SandboxSecret, "LOG_LEVEL=" + cfg.LogLevel.String(),
		},
		Line: func(line string) {
			if at, ok := strings.CutPrefix(line, sandboxReady); ok {
				found <- at
				return
			}
			log.Info(line, "child", "sandbox")
		},
		Ready: func(ctx context.Context) error {
			select {
			case cfg.SandboxURL = <-found:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
	if err != nil {
		return err
	}
	h.children = append(h.children, child{"sandbox", sandbox})
	return nil
}

// run serves until ctx ends or a child dies.
func (h *house) run(ctx context.Context, at terminal) error {
	runs := []func(context.Context) error{}
	for _, c := range h.children {
		runs = append(runs, func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return nil
			case <-c.Done():
				return fmt.Errorf("%s is gone: %w", c.name, errors.Join(c.Err(), errors.New("start again; the data is kept")))
			}
		})
	}
	visitors := []func(context.Context) error{func(ctx context.Context) error { h.announce(ctx, at); return nil }}
	if h.demo != nil {
		visitors = append(visitors, h.demo.run)
	}
	return runStages(ctx, h.app.log,
		stage{"demo", visitors},
		stage{"node", []func(context.Context) error{h.app.Run}},
		stage{"children", runs})
}

const announceTimeout = 30 * time.Second

// announce prints the ready line once the node answers as ready.
func (h *house) announce(ctx context.Context, at terminal) {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	if err := h.app.awaitReady(ctx); err != nil {
		return // it is stopping, and says why itself
	}
	fmt.Fprintf(at.out, "rialto: ready on %s\n", h.app.URL())
	if h.app.mailbox != nil {
		fmt.Fprintf(at.out, "rialto: mails are kept on %s/mailbox\n", h.app.URL())
	}
	if h.demo == nil {
		return
	}
	for _, who := range demoAccounts {
		fmt.Fprintf(at.out, "rialto: demo account %s, password %s (%s)\n", who.Email, demoPassword, who.About)
	}
}

// close stops the children, the last started first.
func (h *house) close() error {
	var errs []error
	for i := len(h.children) - 1; i >= 0; i-- {
		errs = append(errs, h.children[i].Stop())
	}
	return errors.Join(errs...)
}
