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
// are nil.
type request struct {
	id    string
	r     *http.Request
	w     *answer
	addr  netip.Addr
	route string // of the operation, for metrics: never the path itself
	code  string // of the problem, if any
}

type requestKey struct{}

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
		req := &request{id: uuid.Must(uuid.NewV7()).String(), w: &answer{ResponseWriter: w}, addr: a.config.RemoteAddr(r), route: "none"}
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, req))
		req.r = r
		req.w.Header().Set("X-Request-Id", req.id)
		req.w.Header().Set("X-Content-Type-Options", "nosniff")
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

func (a *API) serve(cross *http.CrossOriginProtection, mux *http.ServeMux, req *request) {
	if err := cross.Check(req.r); err != nil {
		p := problem(http.StatusForbidden, "cross_origin", "This request came from another site. Open the page here and try again.")
		req.code = p.Code
		p.write(req.w)
		return
	}
	if err := a.limit(req.r.Context(), everything); err != nil {
		p := a.asProblem(req.r.Context(), err)
		req.code = p.Code
		p.write(req.w)
		return
	}
	if a.quickHold(req) {
		return
	}
	if _, pattern := mux.Handler(req.r); pattern == "" {
		a.noRoute(mux, req.w, req.r)
		return
	}
	mux.ServeHTTP(req.w, req.r)
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
	}
	return m, errors.Join(r.Register(m.requests), r.Register(m.seconds))
}

func (m *metrics) observe(req *request, status int, took time.Duration) {
	m.requests.WithLabelValues(req.route, statusText(status), req.code).Inc()
	m.seconds.WithLabelValues(req.route).Observe(took.Seconds())
}
