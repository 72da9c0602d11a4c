package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// routes is every mount point of the product, in one list.
func (a *App) routes() map[string]http.Handler {
	events := http.HandlerFunc(a.sockets.ServeEvents)
	routes := map[string]http.Handler{
		"/api/v1/":     a.api.Handler(),
		"/whip/":       a.whip,
		"/whep/":       a.whip,
		"/ws":          a.sockets,
		"/events":      events,
		"/events/":     events,
		"GET /healthz": http.HandlerFunc(a.healthz),
		"GET /readyz":  http.HandlerFunc(a.readyz),
		"/":            a.pages,

		"POST /hooks/payments/{provider}": a.hooks,
	}
	if a.bank != nil {
		pages := a.bank.Pages()
		routes["GET "+sandboxPath+"/challenge/{id}"], routes["POST "+sandboxPath+"/challenge/{id}"] = pages, pages
	}
	return routes
}

// adminRoutes is what ADMIN_LISTEN serves: for the owner of the machine alone.
func (a *App) adminRoutes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /metrics":             promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{Registry: a.registry}),
		"GET /healthz":             http.HandlerFunc(a.healthz),
		"GET /readyz":              http.HandlerFunc(a.readyz),
		"GET /debug/pprof/":        http.HandlerFunc(pprof.Index),
		"GET /debug/pprof/cmdline": http.HandlerFunc(pprof.Cmdline),
		"GET /debug/pprof/profile": http.HandlerFunc(pprof.Profile),
		"GET /debug/pprof/symbol":  http.HandlerFunc(pprof.Symbol),
		"GET /debug/pprof/trace":   http.HandlerFunc(pprof.Trace),
	}
}

func mount(routes map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	for pattern, handler := range routes {
		mux.Handle(pattern, handler)
	}
	return mux
}

// healthz says that the process serves; restarting it would not help otherwise.
func (a *App) healthz(w http.ResponseWriter, _ *http.Request) {
	answerStatus(w, http.StatusOK, map[string]string{"status": "ok", "node": a.nodes.id})
}

const readyTimeout = 2 * time.Second

// readyz says whether people should be sent to this node: Postgres answers and
// it is not stopping. Without Redis it sells on, more slowly, and all nodes are
// without it as a rule: to send people away would end the sale.
func (a *App) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	report := map[string]string{"status": "ok", "node": a.nodes.id, "postgres": "ok", "redis": "ok"}
	code := http.StatusOK
	unready := func(what, why string) {
		report[what], report["status"], code = why, "unready", http.StatusServiceUnavailable
	}
	// Both at once: one that hangs must not take the other's time.
	var postgres, redis error
	var both sync.WaitGroup
	both.Go(func() { postgres = a.pool.Ping(ctx) })
	both.Go(func() { redis = a.redis.Ping(ctx).Err() })
	both.Wait()
	if redis != nil {
		report["redis"], report["status"] = "does not answer", "degraded"
	}
	if postgres != nil {
		unready("postgres", "does not answer")
	}
	if a.stopping.Load() {
		unready("node", "stopping")
	}
	answerStatus(w, code, report)
}

func answerStatus(w http.ResponseWriter, code int, report map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(report) // nobody is left to tell
}
