package sandbox

import (
	"context"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce/schema"
)

//go:embed migrations/*.sql
var files embed.FS

const (
	maxBody    = 16 << 10
	minSecret  = 16
	defaultMum = 30 * time.Second // how long the card that never answers says nothing
	drainFor   = 5 * time.Second
)

// Config is what the server needs.
type Config struct {
	Pool   *pgxpool.Pool
	Secret string // what clients prove themselves with
	Log    *slog.Logger
	Now    func() time.Time // for the expiry of cards
	// Mum is how long the card that never answers keeps its caller waiting; 0: 30 s.
	Mum time.Duration
	// Shop is whom the page of 3-D Secure names; empty: Rialto.
	Shop  string
	Hooks Hooks
}

// Validate says all that is missing.
func (c Config) Validate() error {
	var errs []error
	if c.Pool == nil || c.Log == nil || c.Now == nil {
		errs = append(errs, errors.New("sandbox: a pool, a logger and a clock are needed"))
	}
	if c.Mum < 0 || c.Hooks.least() < 0 {
		errs = append(errs, errors.New("sandbox: no time is negative"))
	}
	if len(c.Secret) < minSecret {
		errs = append(errs, fmt.Errorf("sandbox: the secret has at least %d bytes", minSecret))
	}
	return errors.Join(errs...)
}

// Migrate brings the sandbox's own tables up to date.
func Migrate(ctx context.Context, pool *pgxpool.Pool) error {
	own, err := fs.Sub(files, "migrations")
	if err != nil {
		return fmt.Errorf("sandbox migrations: %w", err)
	}
	if _, err := schema.MigrateFS(ctx, pool, own, "sandbox_schema_version"); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	return nil
}

type server struct {
	Config // static after newServer
	hooks  hooks
}

// Handler serves the protocol of doc.go, and delivers no webhook: that takes Serve. The tables must have been migrated.
func Handler(c Config) (http.Handler, error) {
	s, err := newServer(c)
	if err != nil {
		return nil, err
	}
	return s.handler(), nil
}

func newServer(c Config) (*server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Mum == 0 {
		c.Mum = defaultMum
	}
	if c.Shop == "" {
		c.Shop = "Rialto"
	}
	c.Hooks = c.Hooks.orDefaults()
	own, err := newHooks(c)
	return &server{Config: c, hooks: own}, err
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) })
	for route, handle := range map[string]func(*http.Request) (any, error){
		"POST /tokens":               s.tokenise,
		"POST /charges":              s.authorise,
		"POST /charges/{id}/capture": s.capture,
		"POST /charges/{id}/refunds": s.refund,
		"POST /voids":                s.void,
		"GET /charges/{id}":          s.get,
		"GET /charges":               s.find,
		"PUT /webhooks":              s.register,
	} {
		mux.Handle(route, s.answer(handle))
	}
	mux.HandleFunc("GET /challenge/{id}", s.challenge)
	mux.HandleFunc("POST /challenge/{id}", s.decide)
	return mux
}

// Serve migrates, serves and delivers webhooks until ctx ends, then lets what is under way finish. It closes l.
func Serve(ctx context.Context, l net.Listener, c Config) error {
	defer l.Close()
	s, err := newServer(c)
	if err != nil {
		return err
	}
	if err := Migrate(ctx, c.Pool); err != nil {
		if ctx.Err() != nil {
			return nil // stopped before it had begun
		}
		return err
	}
	var delivery sync.WaitGroup
	defer delivery.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop() // before the wait
	for range hookWorkers {
		delivery.Go(func() { s.deliver(ctx) })
	}
	web := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("sandbox: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainFor)
	defer cancel()
	if err := web.Shutdown(drain); err != nil {
		_ = web.Close() // somebody waits for the card that never answers; they asked for it
	}
	<-served
	return nil
}

// refusal is an answer that says no.
type refusal struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (r *refusal) Error() string { return r.Code + ": " + r.Message }

func no(status int, code, message string) error {
	return &refusal{status: status, Code: code, Message: message}
}

// errMum makes the server say nothing at all.
var errMum = errors.New("keep the caller waiting")

func (s *server) answer(handle func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(s.Secret)) != 1 {
			s.write(w, http.StatusUnauthorized, &refusal{Code: "unauthorised", Message: "send the sandbox's secret"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		body, err := handle(r)
		var refused *refusal
		switch {
		case err == nil:
			s.write(w, http.StatusOK, body)
		case errors.Is(err, errMum):
			timer := time.NewTimer(s.Mum)
			defer timer.Stop()
			select {
			case <-r.Context().Done():
			case <-timer.C:
			}
			panic(http.ErrAbortHandler) // the connection breaks without an answer
		case errors.As(err, &refused):
			s.write(w, refused.status, refused)
		case r.Context().Err() != nil: // nobody waits for the answer
		default:
			s.Log.Error("sandbox request failed", "route", r.Pattern, "error", err)
			s.write(w, http.StatusInternalServerError, &refusal{Code: "internal", Message: "it broke"})
		}
	})
}

func (s *server) write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone; it will ask again
}

func read[T any](r *http.Request) (body T, err error) {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return body, no(http.StatusRequestEntityTooLarge, "body_too_large", "the request is too large")
		}
		return body, no(http.StatusBadRequest, "malformed", "the request cannot be read") // err may quote a card
	}
	return body, nil
}
