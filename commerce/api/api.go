package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/mail"
	"github.com/rialto-live/rialto/commerce/schema"
)

// Base is where the program mounts Handler.
const Base = "/api/v1"

// Config is what the API needs. All but Secure, Sandbox, TrustedOrigins, Version, Sale, Room and Mailbox must be set.
type Config struct {
	Pool       *pgxpool.Pool
	Log        *slog.Logger
	Now        func() time.Time
	Registerer prometheus.Registerer
	Accounts   *account.Service
	Signer     *guard.Signer
	Limiter    *guard.Limiter
	// Kick is called after each commit (outbox.Dispatcher.Kick).
	Kick func()
	// WHIPURL is where a show is published.
	WHIPURL func(ctx context.Context, show commerce.ShowID) (string, error)
	// Said finds a line of a show's chat among those that were said last; nil when nobody remembers it. It may be nil.
	Said func(ctx context.Context, show commerce.ShowID, line commerce.LineID) *community.Line
	// RemoteAddr is the person's address (the program knows which proxies to believe).
	RemoteAddr func(r *http.Request) netip.Addr

	Secure         bool     // PUBLIC_URL is https: cookies never travel in the clear
	Sandbox        bool     // money is play money; pages show the test cards
	Version        string   // of the program, for the OpenAPI document
	TrustedOrigins []string // other origins of ours whose pages may write (other nodes' PUBLIC_URL)

	Sale Sale // stock, checkout and what else selling needs; see sale.go
	Room Room // what other areas say over a show's socket, for the document
	// Mailbox, when set, is open to everybody: only for trying out (`rialto dev`).
	Mailbox *mail.Mailbox
}

// Validate says all that is missing.
func (c Config) Validate() error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New("api: "+what+" is needed"))
		}
	}
	need(c.Pool != nil, "a pool")
	need(c.Log != nil, "a logger")
	need(c.Now != nil, "a clock")
	need(c.Registerer != nil, "a metrics registerer")
	need(c.Accounts != nil, "the account service")
	need(c.Signer != nil, "a signer")
	need(c.Limiter != nil, "a limiter")
	need(c.Kick != nil, "the dispatcher's kick")
	need(c.WHIPURL != nil, "WHIPURL")
	need(c.RemoteAddr != nil, "RemoteAddr")
	return errors.Join(errs...)
}

// API serves commerce over HTTP.
type API struct {
	// static after New
	config       Config
	log          *slog.Logger
	huma         huma.API
	mux          *http.ServeMux
	handler      http.Handler
	metrics      *metrics
	translations []translation

	sessions knownSessions // who taps; has its own lock
	taps     tapTime       // the same
}

// New builds all operations. It reads nothing and starts nothing.
func New(config Config) (*API, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(config.Registerer)
	if err != nil {
		return nil, fmt.Errorf("api: metrics: %w", err)
	}
	a := describe(config)
	a.metrics = m
	if a.handler, err = a.wrap(a.mux); err != nil {
		return nil, err
	}
	return a, nil
}

// describe registers all operations; it needs nothing of config that only running them would need.
func describe(config Config) *API {
	a := &API{config: config, log: config.Log, mux: http.NewServeMux()}
	a.huma = humago.New(a.mux, a.document())
	for _, part := range a.parts() {
		part()
	}
	a.describeRoom()
	a.tighten()
	return a
}

// Handler serves everything under Base; paths are absolute.
func (a *API) Handler() http.Handler { return a.handler }

func (a *API) document() huma.Config {
	c := huma.DefaultConfig("Rialto", cmp.Or(a.config.Version, "dev"))
	c.Info.Description = aboutAPI
	c.Components.Schemas = huma.NewMapRegistry(schemaPrefix, schemaName)
	c.OpenAPIPath = Base + "/openapi"
	// huma's docs page would load scripts from another host, which our CSP refuses: ours is at /docs. $schema
	// links would tell nobody anything.
	c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", nil
	c.Transformers = []huma.Transformer{fromHuma}
	// A body in another form is refused as 415 rather than guessed at.
	c.Formats = map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat}
	return c
}

// inTx runs a workflow in one transaction and wakes the dispatcher when it has committed.
func (a *API) inTx(ctx context.Context, fn func(ctx context.Context, tx pgx.Tx, now time.Time) error) error {
	if err := schema.InTx(ctx, a.config.Pool, fn); err != nil {
		return err
	}
	a.config.Kick()
	return nil
}
