package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rialto-live/rialto/commerce/guard"
)

// parts lists what is served. A part registers its operations and its table of errors; it lives in the
// files that bear its name.
func (a *API) parts() []func() {
	return []func(){
		a.registerOnce,
		a.registerMe,
		a.registerAccounts,
		a.registerResets,
		a.registerAddress,
		a.registerShows,
		a.registerKeys,
		a.registerBans,
		a.registerTalk,
		a.registerModerators,
		a.registerQuestions,
		a.registerPolls,
		a.registerRoom,
		a.registerPictures,
		a.registerSale,
		a.registerCatalog,
		a.registerBrands,
		a.registerMailbox,
	}
}

const (
	// MaxBody is the most that an operation reads when it says nothing else.
	MaxBody = 64 << 10
	// bodyWithin is how long it waits for that.
	bodyWithin = 5 * time.Second
	// answerWithin bounds what an operation does then: a store that hangs must not make people hang. It is many times
	// what the slowest one takes.
	answerWithin = 10 * time.Second

	tagPeople  = "People"
	tagShows   = "Shows"
	tagTalk    = "Talk"
	tagCatalog = "Catalogue"
	tagSale    = "Sale"
	tagMail    = "Mailbox"
)

// operation is what differs between operations; register fills in what is the same for all.
type operation struct {
	ID      string // in camelCase, unique: it names functions in generated clients
	Method  string
	Path    string // below Base
	Summary string
	Tag     string
	Status  int      // of success; 0: 200. An output with a Status field decides by itself
	Makes   bool     // it answers 201 instead when the thing is new
	Body    int64    // most bytes of the body; 0: MaxBody
	Public  bool     // the answer is the same for everybody and may be cached as its headers say
	Codes   []string // the problems that a client should expect, for the document
	// Patience is how long the body may take to arrive; 0: bodyWithin.
	Patience time.Duration
	// Within is how long the work may take; 0: answerWithin. Who waits longer, for a payment company, asks first
	// whether our records can be reached at all.
	Within time.Duration
	// Rule, when named, is counted per address before anything else.
	Rule guard.Rule
	// Once: the request must carry an Idempotency-Key; see idempotency.go. For what makes something whose id we
	// choose. The work must be safe to do again: a node may be killed between doing it and noting that it did.
	Once bool
}

// register adds one operation. handler may return any error; see API.translate.
func register[I, O any](a *API, op operation, handler func(context.Context, *I) (*O, error)) {
	if op.Once {
		op.Codes = append(op.Codes, "idempotency_key_missing", "idempotency_key_invalid", "idempotency_key_reused", "idempotency_in_flight")
	}
	described := huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: Base + op.Path, Summary: op.Summary, Tags: []string{op.Tag},
		DefaultStatus: op.Status,
		// huma takes only bodies that are smaller than its limit.
		MaxBodyBytes:    cmp.Or(op.Body, MaxBody) + 1,
		BodyReadTimeout: cmp.Or(op.Patience, bodyWithin),
		Responses:       map[string]*huma.Response{"default": a.problemResponse(op.Codes)},
	}
	if op.Once {
		described.Middlewares = huma.Middlewares{a.once(op)}
		describeOnce(&described)
	}
	huma.Register(a.huma, described, func(ctx context.Context, in *I) (*O, error) {
		r := requestOf(ctx)
		r.route = op.Method + " " + op.Path
		if !op.Public {
			r.w.Header().Set("Cache-Control", "no-store")
		}
		if !op.Once { // which has counted it
			if err := a.limit(ctx, op.Rule); err != nil {
				return nil, err
			}
		}
		ctx, cancel := bounded(ctx, cmp.Or(op.Within, answerWithin))
		defer cancel()
		var out *O
		err := a.reachable(ctx, op)
		if err == nil {
			out, err = handler(ctx, in)
		}
		if err != nil {
			// Never cached, whatever the operation said of its success.
			r.w.Header().Set("Cache-Control", "no-store")
			p := a.asProblem(ctx, err)
			r.code = p.Code
			return nil, p
		}
		return out, nil
	})
	if op.Makes {
		describeMaking(described)
	}
}

// errSlow ends what has taken too long because of a store.
var errSlow = errors.New("a store does not answer")

func bounded(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, errSlow)
}

// reachable asks Postgres for a sign of life before an operation that may rightly take long.
func (a *API) reachable(ctx context.Context, op operation) error {
	if op.Within <= answerWithin {
		return nil
	}
	ctx, cancel := bounded(ctx, answerWithin)
	defer cancel()
	if err := a.config.Pool.Ping(ctx); err != nil {
		return fmt.Errorf("before %s: %w", op.ID, err)
	}
	return nil
}

// describeMaking adds the answer of an operation that has made something new.
func describeMaking(op huma.Operation) {
	made := *op.Responses[statusText(http.StatusOK)]
	made.Description = http.StatusText(http.StatusCreated)
	op.Responses[statusText(http.StatusCreated)] = &made
}

// problemResponse describes every refusal of an operation.
func (a *API) problemResponse(codes []string) *huma.Response {
	registry := a.huma.OpenAPI().Components.Schemas
	text := "A problem (RFC 9457)."
	if len(codes) > 0 {
		text += " Codes to expect: " + strings.Join(codes, ", ") + "."
	}
	return &huma.Response{Description: text, Content: map[string]*huma.MediaType{
		"application/problem+json": {Schema: registry.Schema(problemType, true, "Problem")},
	}}
}

// limit counts one request of an address under a rule.
func (a *API) limit(ctx context.Context, rule guard.Rule) error {
	if rule.Name == "" {
		return nil
	}
	return a.limitKey(ctx, rule, requestOf(ctx).from)
}

// limitKey is limit for something other than the address (an e-mail, an account).
func (a *API) limitKey(ctx context.Context, rule guard.Rule, key string) error {
	ok, wait, err := a.config.Limiter.Allow(ctx, rule, key)
	if err != nil {
		return err
	}
	if ok {
		return nil
	}
	p := problem(http.StatusTooManyRequests, "too_many_attempts", "").retry(wait)
	p.Detail = "That was too often. Try again in " + p.GetHeaders().Get("Retry-After") + " seconds."
	return p
}

// noRoute answers what is not under any route, in our form.
func (a *API) noRoute(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	// The router knows which methods the path has; its own plain-text answer is thrown away.
	probe := &headerOnly{header: http.Header{}}
	mux.ServeHTTP(probe, r)
	status := http.StatusNotFound
	if probe.status == http.StatusMethodNotAllowed {
		status = http.StatusMethodNotAllowed
		w.Header()["Allow"] = probe.header["Allow"]
	}
	p := problem(status, statusCode(status), statusDetail(status))
	requestOf(r.Context()).code = p.Code
	p.write(w)
}

// headerOnly keeps what the router would have answered.
type headerOnly struct {
	header http.Header
	status int
}

func (h *headerOnly) Header() http.Header         { return h.header }
func (h *headerOnly) Write(b []byte) (int, error) { return len(b), nil }
func (h *headerOnly) WriteHeader(status int)      { h.status = status }

func statusText(status int) string { return strconv.Itoa(status) }
