package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/commerce/guard"
)

var problemType = reflect.TypeFor[Problem]()

// everything is the fence before all operations, per address. A page that opens makes about ten requests; an
// office behind one address has many pages.
var everything = guard.Rule{Name: "api_address", Burst: 600, Every: 10 * time.Millisecond, Alone: 60}

// request is what the layers around the operations know of one request. Of one that came over a room's socket r and w
// are nil. It is the context of its own.
type request struct {
	context.Context
	id    string
	r     *http.Request
	w     *answer
	own   answer     // what w points to
	tap   tapContext // that a tap is judged within; here, so that it costs nothing of its own
	from  string     // the address, as it is counted
	route string     // of the operation, for metrics: never the path itself
	code  string     // of the problem, if any
}

type requestKey struct{}

// Value makes the request known to all that is done for it.
func (r *request) Value(key any) any {
	if key == (requestKey{}) {
		return r
	}
	return r.Context.Value(key)
}

func requestOf(ctx context.Context) *request { return ctx.Value(requestKey{}).(*request) }

func requestID(ctx context.Context) string {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r.id
	}
	return ""
}

// answer remembers whether anything has been sent.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController (read deadlines) through.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// wrap puts around the router what holds for every request.
func (a *API) wrap(mux *http.ServeMux) (http.Handler, error) {
	cross := http.NewCrossOriginProtection()
	for _, origin := range a.config.TrustedOrigins {
		if err := cross.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("api: trusted origin %q: %w", origin, err)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := a.config.Now()
		req := newRequest(r.Context(), a.config.RemoteAddr(r), "none")
		req.r, req.own.ResponseWriter = r, w
		req.w = &req.own
		header := w.Header()
		header["X-Request-Id"] = []string{req.id}
		header["X-Content-Type-Options"] = nosniff
		defer func() {
			if cause := recover(); cause != nil {
				if p := a.panicked(req, cause); req.w.status == 0 {
					p.write(req.w)
				}
			}
			a.metrics.observe(req, req.w.status, a.config.Now().Sub(started))
		}()
		a.serve(cross, mux, req)
	}), nil
}

// Values of headers that stand in nearly every answer. Nobody changes them.
var (
	nosniff     = []string{"nosniff"}
	noStore     = []string{"no-store"}
	jsonBody    = []string{"application/json"}
	problemBody = []string{"application/problem+json"}
)

func newRequest(ctx context.Context, addr netip.Addr, route string) *request {
	return &request{Context: ctx, id: uuid.Must(uuid.NewV7()).String(), from: addressKey(addr), route: route}
}

func (a *API) serve(cross *http.CrossOriginProtection, mux *http.ServeMux, req *request) {
	if err := cross.Check(req.r); err != nil {
		req.refuse(problem(http.StatusForbidden, "cross_origin", "This request came from another site. Open the page here and try again."))
		return
	}
	if err := a.limit(req, everything); err != nil {
		req.refuse(a.asProblem(req, err))
		return
	}
	if a.quickHold(req) {
		return
	}
	req.r = req.r.WithContext(req)
	if _, pattern := mux.Handler(req.r); pattern == "" {
		a.noRoute(mux, req.w, req.r)
		return
	}
	mux.ServeHTTP(req.w, req.r)
}

// refuse answers outside of an operation.
func (r *request) refuse(p *Problem) {
	r.code = p.Code
	p.write(r.w)
}

func (a *API) panicked(req *request, cause any) *Problem {
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	a.log.Error("panic in a request", "cause", cause, "request", req.id, "route", req.route, "stack", string(debug.Stack()))
	return internal(req.id)
}

// addressKey groups an IPv6 network: one person has a /64 at least, and could wear it like a bag of hats.
func addressKey(addr netip.Addr) string {
	addr = addr.Unmap()
	if addr.Is6() {
		if prefix, err := addr.WithZone("").Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}

// unreachable says whether Postgres could not be asked at all (as against: it said no).
func unreachable(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &connect), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errSlow), pgconn.SafeToRetry(err):
		return true // the last is a connection that had died before anything was sent
	case errors.As(err, &pg):
		// Class 57 is operator intervention (shutting down, starting up), 53 is out of resources.
		return pg.Code[:2] == "57" || pg.Code[:2] == "53"
	}
	return errors.As(err, &network)
}

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec

	mu    sync.RWMutex
	lines map[outcome]line // of those that have been; guarded by mu
}

// outcome is what requests are counted by.
type outcome struct {
	route  string
	status int
	code   string
}

// line is where they are counted: to look that up costs more than to count.
type line struct {
	requests prometheus.Counter
	seconds  prometheus.Observer
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rialto_commerce_api_requests_total", Help: "Requests by operation, status and problem code.",
		}, []string{"route", "status", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rialto_commerce_api_request_seconds", Help: "Time to answer, by operation.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		lines: map[outcome]line{},
	}
	return m, errors.Join(r.Register(m.requests), r.Register(m.seconds))
}

func (m *metrics) observe(req *request, status int, took time.Duration) {
	is := outcome{req.route, status, req.code}
	m.mu.RLock()
	l, known := m.lines[is]
	m.mu.RUnlock()
	if !known {
		l = line{m.requests.WithLabelValues(is.route, statusText(status), is.code), m.seconds.WithLabelValues(is.route)}
		m.mu.Lock()
		m.lines[is] = l
		m.mu.Unlock()
	}
	l.requests.Inc()
	l.seconds.Observe(took.Seconds())
}
