package payment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/commerce/crash"
	"github.com/rialto-live/rialto/commerce/guard"
)

const (
	// MaxHook is the most bytes that a webhook may have.
	MaxHook = 64 << 10

	hookWithin     = 5 * time.Second // for the body to arrive
	keepWithin     = 5 * time.Second // for Postgres to keep it
	hookRetryAfter = 5 * time.Second
)

// hookRule is for one address. A company sends from few, and much at once after a drop.
var hookRule = guard.Rule{Name: "hook_address", Burst: 2000, Every: 2 * time.Millisecond}

// HooksConfig is what Hooks needs. All must be set.
type HooksConfig struct {
	Pool       *pgxpool.Pool
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Providers  map[string]Webhooks // by the name in the address, which is that of their payments
	Limiter    *guard.Limiter
	RemoteAddr func(*http.Request) netip.Addr
	Received   func() // called after each commit of a fresh notice; must not block
}

// Hooks is where payment companies tell what happened: POST with the path value "provider". It answers 204 as soon as
// the notice is committed, and also for one that came before; everything else happens later, on whichever node lives.
type Hooks struct {
	config HooksConfig // static after NewHooks
	came   *prometheus.CounterVec
}

// NewHooks makes the handler.
func NewHooks(c HooksConfig) (*Hooks, error) {
	if c.Pool == nil || c.Log == nil || c.Registerer == nil || c.Limiter == nil || c.RemoteAddr == nil || c.Received == nil {
		return nil, errors.New("payment: hooks need a pool, a logger, a registerer, a limiter, the sender's address and somebody to wake")
	}
	h := &Hooks{config: c, came: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rialto_commerce_payment_hooks_total", Help: "Webhooks of payment companies, by what became of the request.",
	}, []string{"result"})}
	if err := c.Registerer.Register(h.came); err != nil {
		return nil, fmt.Errorf("payment: metrics: %w", err)
	}
	return h, nil
}

// refusal is a webhook that is not taken.
type refusal struct {
	status int
	code   string
	detail string
	retry  time.Duration
}

func (r *refusal) Error() string { return r.code }

func (h *Hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	result, err := h.take(w, r)
	if err == nil {
		h.came.WithLabelValues(result).Inc()
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var no *refusal
	if !errors.As(err, &no) {
		h.config.Log.ErrorContext(r.Context(), "a webhook could not be kept", "error", err)
		no = &refusal{http.StatusServiceUnavailable, "unavailable", "We cannot keep this for a moment. Send it again.", hookRetryAfter}
	}
	h.came.WithLabelValues(no.code).Inc()
	no.write(w)
}

// take keeps one webhook. Nothing is looked at, let alone kept, before its signature was.
func (h *Hooks) take(w http.ResponseWriter, r *http.Request) (result string, err error) {
	name := r.PathValue("provider")
	provider := h.config.Providers[name]
	if provider == nil {
		return "", &refusal{http.StatusNotFound, "provider_unknown", "No payment company of this name is set up here.", 0}
	}
	ok, wait, err := h.config.Limiter.Allow(r.Context(), hookRule, h.config.RemoteAddr(r).String())
	if err != nil {
		return "", err
	}
	if !ok {
		return "", &refusal{http.StatusTooManyRequests, "too_many_attempts", "That is too much at once. Send it again later.", wait}
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(hookWithin)) // a recorder in a test has none
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxHook))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return "", &refusal{http.StatusRequestEntityTooLarge, "body_too_large", "A webhook has at most 64 KiB.", 0}
	case err != nil:
		return "", &refusal{http.StatusBadRequest, "malformed", "The request did not arrive whole.", 0}
	}
	notice, err := provider.Notice(r.Header, body)
	switch {
	case errors.Is(err, ErrSignature):
		return "", &refusal{http.StatusBadRequest, "signature_invalid", "This is not signed with our secret, or too old.", 0}
	case err != nil:
		h.config.Log.WarnContext(r.Context(), "a signed webhook makes no sense", "provider", name, "error", err)
		return "", &refusal{http.StatusBadRequest, "malformed", "This is signed, and cannot be read.", 0}
	case notice.Reference == "" && notice.Charge == "":
		return "ignored", nil // about nothing that we could ask for
	}
	return h.keep(r.Context(), name, notice)
}

func (h *Hooks) keep(ctx context.Context, name string, n Notice) (result string, err error) {
	ctx, cancel := context.WithTimeout(ctx, keepWithin)
	defer cancel()
	fresh, err := Receive(ctx, h.config.Pool, name, n)
	switch {
	case errors.Is(err, ErrNotice):
		h.config.Log.WarnContext(ctx, "a signed webhook makes no sense", "provider", name, "error", err)
		return "", &refusal{http.StatusBadRequest, "malformed", "This is signed, and cannot be read.", 0}
	case err != nil:
		return "", err
	case !fresh:
		return "repeated", nil
	}
	crash.Here("payment.received")
	h.config.Received()
	return "kept", nil
}

// write answers with problem details (RFC 9457).
func (r *refusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	if r.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(r.retry.Seconds()))))
	}
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the sender may be gone
		"type": "https://rialto.live/problems/" + r.code, "title": http.StatusText(r.status), "status": r.status, "detail": r.detail, "code": r.code,
	})
}
