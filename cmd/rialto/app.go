package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/web"
)

const (
	readHeaderTimeout = 5 * time.Second // a slow-loris holds a connection no longer than this
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 32 << 10
	http2Silence      = 25 * time.Second // after which a connection of HTTP/2 is asked whether it still is one
	http2PingTimeout  = 15 * time.Second // to answer that
	shutdownTimeout   = 15 * time.Second // for requests that are being answered
	drainWindow       = 5 * time.Second  // over which viewers are asked to come again, elsewhere
	sweepEvery        = 10 * time.Minute
	readyPoll         = 20 * time.Millisecond
)

// App is one node: everything it is made of, wired by hand. newApp builds it
// and takes its ports, Run blocks until the node has stopped.
type App struct {
	// static after newApp
	cfg      Config
	log      *slog.Logger
	registry *prometheus.Registry
	pool     *pgxpool.Pool
	redis    *redis.Client
	nodes    *directory
	front    net.Listener
	admin    net.Listener
	server   *http.Server
	adminSrv *http.Server
	pages    http.Handler
	*mediaParts
	*roomParts
	*saleParts

	stopping atomic.Bool
}

// newApp connects to the stores, brings the database up to date, takes the
// ports and builds all parts. It starts nothing.
func newApp(ctx context.Context, cfg Config, log *slog.Logger) (a *App, err error) {
	a = &App{cfg: cfg, log: log, registry: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			a.release()
			a = nil
		}
	}()
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := a.listen(); err != nil {
		return a, err
	}
	if a.pool, err = openPool(ctx, cfg.DatabaseURL); err != nil {
		return a, err
	}
	if applied, err := schema.Migrate(ctx, a.pool); err != nil {
		return a, err
	} else if applied > 0 {
		log.Info("database brought up to date", "migrations", applied)
	}
	if !cfg.Sandbox {
		if err := refuseDemo(ctx, a.pool); err != nil {
			return a, err
		}
	}
	if a.redis, err = openRedis(cfg.RedisURL); err != nil {
		return a, err
	}
	a.nodes = newDirectory(a.redis, a.URL(), streamsHere{
		onAir: func(id media.StreamID) bool { return a.relay.OnAir(id) },
		close: func(id media.StreamID) { a.relay.Close(id) },
	}, log)
	for _, build := range []func() error{a.buildRooms, a.buildSale, a.buildDoor, a.buildMedia} {
		if err := build(); err != nil {
			return a, err
		}
	}
	a.pages = web.Handler(web.Config{NodeOrigins: a.nodes.Origins, Mailbox: a.mailbox != nil, Stripe: a.cfg.stripe()})
	a.server = a.newServer(mount(a.routes()))
	a.adminSrv = a.newServer(mount(a.adminRoutes()))
	return a, nil
}

func (a *App) newServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		HTTP2:    &http.HTTP2Config{SendPingTimeout: http2Silence, PingTimeout: http2PingTimeout},
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
}

// listen takes the TCP ports before anything is built, so that a taken port is
// one clear line and not a node half started.
func (a *App) listen() (err error) {
	if a.front, err = listenTCP(a.cfg.Listen); err != nil {
		return err
	}
	if a.admin, err = listenTCP(a.cfg.AdminListen); err != nil {
		return err
	}
	if a.cfg.TLSCert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(a.cfg.TLSCert, a.cfg.TLSKey)
	if err != nil {
		return fmt.Errorf("TLS_CERT and TLS_KEY: %w", err)
	}
	a.front = tls.NewListener(a.front, &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	})
	return nil
}

func listenTCP(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is taken: stop what listens there, or choose another address", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return l, nil
}

// URL is where people open this node.
func (a *App) URL() string {
	if a.cfg.PublicURL != "" {
		return strings.TrimSuffix(a.cfg.PublicURL, "/")
	}
	return "http://" + a.front.Addr().String()
}

// awaitReady returns when the node answers over its own front door.
func (a *App) awaitReady(ctx context.Context) error {
	for {
		conn, err := net.DialTimeout("tcp", a.front.Addr().String(), time.Second)
		if err == nil {
			return conn.Close()
		}
		if pause(ctx, readyPoll); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// release gives back what newApp took, when Run will never be called.
func (a *App) release() {
	for _, l := range []net.Listener{a.front, a.admin} {
		if l != nil {
			_ = l.Close()
		}
	}
	if a.mediaParts != nil {
		a.mediaParts.release()
	}
	if a.redis != nil {
		_ = a.redis.Close()
	}
	if a.pool != nil {
		a.pool.Close()
	}
}

// Run serves until ctx ends or something breaks. It stops accepting first,
// then ends media and rooms, then hands over what the outbox still holds, and
// closes the stores last.
func (a *App) Run(ctx context.Context) error {
	defer a.release()
	return runStages(ctx, a.log,
		stage{"front", []func(context.Context) error{a.serveFront, a.drain}},
		stage{"media", []func(context.Context) error{a.whip.Run}},
		stage{"transport", []func(context.Context) error{a.peers.Run, a.relay.Run}},
		stage{"promises", []func(context.Context) error{a.stock.Run, a.checkout.Run, a.outages.Run, a.keeper.Run, a.sealer.Run, a.reap, a.sweep, a.subscribe}},
		stage{"outbox", []func(context.Context) error{a.dispatcher.Run}},
		stage{"rooms", []func(context.Context) error{a.hub.Run, a.chat.Run, a.obey}},
		stage{"bus", []func(context.Context) error{a.bus.Run, a.nodes.run, a.serveAdmin, collect}},
	)
}

func (a *App) serveFront(ctx context.Context) error { return serve(ctx, a.server, a.front) }

func (a *App) serveAdmin(ctx context.Context) error { return serve(ctx, a.adminSrv, a.admin) }

func serve(ctx context.Context, server *http.Server, on net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(on) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", on.Addr(), err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		_ = server.Close() // who has not finished by now is cut off
	}
	<-failed
	return nil
}

// drain asks the viewers to go elsewhere once this node is stopping.
func (a *App) drain(ctx context.Context) error {
	<-ctx.Done()
	a.stopping.Store(true)
	stop, cancel := context.WithTimeout(context.Background(), drainWindow)
	defer cancel()
	a.hub.Drain(stop, a.cfg.drain)
	return nil
}

// sweep deletes what serves nobody any more: sessions that ended long ago, and
// answers that are too old to be repeated.
func (a *App) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := a.accounts.DropExpired(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("expired sessions stay a little longer", "error", err)
		}
		if err := guard.SweepOnce(ctx, a.pool); err != nil && ctx.Err() == nil {
			a.log.Warn("old idempotency keys stay a little longer", "error", err)
		}
	}
}
