package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
)

// get reads one address.
func get(t *testing.T, url string) reply {
	t.Helper()
	p := somebody(t, url, loopback)
	answer, err := p.http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return readReply(t, answer)
}

func readReply(t *testing.T, answer *http.Response) reply {
	t.Helper()
	defer answer.Body.Close()
	r := reply{status: answer.StatusCode, header: answer.Header}
	var err error
	if r.raw, err = io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(r.raw, &r.body) // pages are no objects
	return r
}

func (n *running) adminURL() string { return "http://" + n.admin.Addr().String() }

// mountPoints and apiPaths are every URL of the product. Whoever adds one adds it here.
var (
	mountPoints = []string{"/", "/api/v1/", "/events", "/events/", "/whep/", "/whip/", "/ws", "GET /healthz", "GET /readyz", "GET /sandbox/challenge/{id}",
		"POST /hooks/payments/{provider}", "POST /sandbox/challenge/{id}"}
	adminPoints = []string{
		"GET /debug/pprof/", "GET /debug/pprof/cmdline", "GET /debug/pprof/profile", "GET /debug/pprof/symbol", "GET /debug/pprof/trace",
		"GET /healthz", "GET /metrics", "GET /readyz",
	}
	apiPaths = []string{
		"DELETE /holds/{hold}",
		"DELETE /me/address",
		"DELETE /sessions",
		"DELETE /sessions/current",
		"DELETE /shows/{show}/announcement",
		"DELETE /shows/{show}/bans/{subject}",
		"DELETE /shows/{show}/brands/{account}",
		"DELETE /shows/{show}/flash-prices/{flash}",
		"DELETE /shows/{show}/lines/{line}",
		"DELETE /shows/{show}/moderators/{email}",
		"DELETE /shows/{show}/products/{product}",
		"DELETE /shows/{show}/questions/{question}",
		"DELETE /shows/{show}/questions/{question}/vote",
		"DELETE /shows/{show}/timeouts/{subject}",
		"GET /delivery/countries",
		"GET /holds/{hold}",
		"GET /holds/{hold}/costs",
		"GET /mailbox",
		"GET /mailbox/{mail}",
		"GET /me",
		"GET /me/address",
		"GET /me/document",
		"GET /orders/mine",
		"GET /orders/sold",
		"GET /orders/{order}",
		"GET /pictures/{name}",
		"GET /products/mine",
		"GET /products/{product}",
		"GET /shows",
		"GET /shows/mine",
		"GET /shows/supplied",
		"GET /shows/{show}",
		"GET /shows/{show}/audit",
		"GET /shows/{show}/brands",
		"GET /shows/{show}/ledgers",
		"GET /shows/{show}/ledgers/{variant}",
		"GET /shows/{show}/ledgers/{variant}/file",
		"GET /shows/{show}/products",
		"GET /shows/{show}/questions",
		"GET /shows/{show}/sales",
		"GET /shows/{show}/stream-key",
		"GET /shows/{show}/talk",
		"PATCH /me",
		"POST /accounts",
		"POST /password-resets",
		"POST /password-resets/redeem",
		"POST /pictures",
		"POST /room-ticket",
		"POST /sessions",
		"POST /shows/{show}/end",
		"POST /shows/{show}/publish-ticket",
		"POST /shows/{show}/stream-key",
		"PUT /holds/{hold}",
		"PUT /me/address",
		"PUT /me/password",
		"PUT /orders/{order}",
		"PUT /products/{product}",
		"PUT /shows/{show}",
		"PUT /shows/{show}/announcement",
		"PUT /shows/{show}/bans/{subject}",
		"PUT /shows/{show}/brands",
		"PUT /shows/{show}/drops/{drop}",
		"PUT /shows/{show}/flash-prices/{flash}",
		"PUT /shows/{show}/moderators/{email}",
		"PUT /shows/{show}/pin",
		"PUT /shows/{show}/polls/{poll}",
		"PUT /shows/{show}/polls/{poll}/close",
		"PUT /shows/{show}/polls/{poll}/vote",
		"PUT /shows/{show}/products/{product}",
		"PUT /shows/{show}/questions/{question}",
		"PUT /shows/{show}/questions/{question}/answer",
		"PUT /shows/{show}/questions/{question}/merge",
		"PUT /shows/{show}/questions/{question}/vote",
		"PUT /shows/{show}/stock/{variant}",
		"PUT /shows/{show}/talk",
		"PUT /shows/{show}/timeouts/{subject}",
	}
)

func TestEveryMountPointIsKnown(t *testing.T) {
	n := newMarket(t).node()
	if got := slices.Sorted(maps.Keys(n.routes())); !slices.Equal(got, mountPoints) {
		t.Errorf("the front door has\n%q, this list\n%q", got, mountPoints)
	}
	if got := slices.Sorted(maps.Keys(n.adminRoutes())); !slices.Equal(got, adminPoints) {
		t.Errorf("the admin door has\n%q, this list\n%q", got, adminPoints)
	}
	document := get(t, n.url+"/api/v1/openapi.json")
	var spec struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	if err := json.Unmarshal(document.raw, &spec); err != nil || !strings.HasPrefix(spec.OpenAPI, "3.1") {
		t.Fatalf("the OpenAPI document: %v, version %q", err, spec.OpenAPI)
	}
	var got []string
	for path, methods := range spec.Paths {
		for method := range methods {
			got = append(got, strings.ToUpper(method)+" "+strings.TrimPrefix(path, "/api/v1"))
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, apiPaths) {
		t.Errorf("the API has\n%q, this list\n%q", got, apiPaths)
	}
}

func TestDoorsAnswer(t *testing.T) {
	n := newMarket(t).node()
	for _, door := range []string{n.url, n.adminURL()} {
		if r := get(t, door+"/healthz"); r.status != http.StatusOK || r.text("status") != "ok" || r.text("node") != n.nodes.id {
			t.Errorf("healthz: %s", r)
		}
		if r := get(t, door+"/readyz"); r.status != http.StatusOK || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("readyz: %s %v", r, r.header)
		}
	}
	for path, code := range map[string]string{"/api/v1/nothing": "not_found", "/api/v1/": "not_found", "/whip/": "not_found", "/whep/a/b/c/d": "not_found"} {
		r := get(t, n.url+path)
		if r.status != http.StatusNotFound || r.code() != code {
			t.Errorf("%s: %s", path, r)
		}
		r.checkProblem(t)
	}
	wrong := get(t, n.url+"/api/v1/sessions")
	if wrong.status != http.StatusMethodNotAllowed || wrong.header.Get("Allow") == "" {
		t.Errorf("a method that is not taken: %s", wrong)
	}
	wrong.checkProblem(t)
	for _, secret := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/cmdline"} {
		if r := get(t, n.url+secret); strings.Contains(string(r.raw), "rialto_") || strings.Contains(string(r.raw), "goroutine") {
			t.Errorf("%s can be read from everywhere", secret)
		}
	}
	if r := get(t, n.adminURL()+"/debug/pprof/goroutine?debug=1"); r.status != http.StatusOK || !strings.Contains(string(r.raw), "goroutine profile") {
		t.Errorf("pprof on the admin door: %s", r)
	}
	page := get(t, n.url+"/")
	if policy := page.header.Get("Content-Security-Policy"); page.status != http.StatusOK || policy == "" || strings.Contains(policy, "unsafe-inline") {
		t.Errorf("the home page: %d, its policy %q", page.status, policy)
	}
}

// A cross-site page gets nowhere: not at the API, not at media, not at the rooms.
func TestOtherSitesAreRefused(t *testing.T) {
	n := newMarket(t).node()
	vic := n.guest()
	for path, status := range map[string]int{"/api/v1/sessions": http.StatusForbidden, "/ws": http.StatusForbidden} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+path, strings.NewReader("{}"))
		if path == "/ws" {
			r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+path, nil)
			for name, value := range map[string]string{
				"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
			} {
				r.Header.Set(name, value)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", "https://elsewhere.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		answer, err := vic.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("%s from another site: %d, want %d", path, answer.StatusCode, status)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, n.url+"/whep/shw_x", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "https://elsewhere.example")
	answer, err := vic.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if allowed := answer.Header.Get("Access-Control-Allow-Origin"); allowed != "" {
		t.Errorf("media lets in pages of %q", allowed)
	}
}

// readiness waits until a node says so, and what is away.
func (n *running) readiness(status int, what string) {
	n.market.t.Helper()
	var last reply
	eventually(n.market.t, "readyz says so", func() bool {
		last = get(n.market.t, n.url+"/readyz")
		return last.status == status && (last.text("status") == "degraded") == (what == "redis")
	})
	for _, store := range []string{"postgres", "redis"} {
		if good := last.text(store) == "ok"; good != (store != what) {
			n.market.t.Errorf("%s is away, and readyz says %s", what, last)
		}
	}
	if r := get(n.market.t, n.url+"/healthz"); r.status != http.StatusOK {
		n.market.t.Errorf("healthz: %s: a restart would not help", r)
	}
}

func TestReadyzFollowsTheStores(t *testing.T) {
	postgres := embeddedtest.NewPostgresServer(t)
	m := newMarket(t)
	n := m.node(func(c *Config) { c.DatabaseURL = postgres.DSN() })
	n.readiness(http.StatusOK, "nothing")
	m.redis.Kill()
	n.readiness(http.StatusOK, "redis") // what it sells goes on
	m.redis.Start()
	n.readiness(http.StatusOK, "nothing")
	postgres.Kill()
	n.readiness(http.StatusServiceUnavailable, "postgres")
	// People are told so in words, with when to come again.
	r, err := somebody(t, n.url, loopback).try(http.MethodGet, "/shows", nil)
	if err != nil || r.status != http.StatusServiceUnavailable || r.code() != "unavailable" || r.header.Get("Retry-After") == "" {
		t.Errorf("without Postgres the API says %s %v", r, err)
	}
	postgres.Start()
	n.readiness(http.StatusOK, "nothing")
	n.guest()
}

// sample is one line of the exposition format.
var sample = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\.)*",?)*\})? (\S+)( \d+)?$`)

func TestMetricsOfAllAreas(t *testing.T) {
	n := newMarket(t).node()
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 1)
	mara.goLive(pan.show)
	n.guest().join(pan.show).onAir(true)
	sees(t, n.guest().watch(pan.show), 3)
	vic := n.guest()
	vic.want(http.StatusCreated, "", http.MethodPut, orderPath(), paying(vic.hold(pan, 1), cardGood))

	r := get(t, n.adminURL()+"/metrics")
	families := map[string]bool{}
	for line := range strings.Lines(string(r.raw)) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			families[strings.Fields(name)[0]] = true
		} else if !strings.HasPrefix(line, "#") && !sample.MatchString(line) {
			t.Errorf("a line that no scraper reads: %q", line)
		}
	}
	for _, area := range []string{"go_", "process_", "rialto_media_", "rialto_media_whip_", "rialto_realtime_", "rialto_realtime_bus_", "rialto_commerce_api_", "rialto_commerce_stock_", "rialto_commerce_outbox_", "rialto_commerce_checkout_"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(families)), func(name string) bool { return strings.HasPrefix(name, area) }) {
			t.Errorf("nothing is counted of %s; there is %v", area, slices.Sorted(maps.Keys(families)))
		}
	}
	for name := range families {
		if strings.HasPrefix(name, "rialto_") && !regexp.MustCompile(`^rialto(_[a-z0-9]+)+$`).MatchString(name) {
			t.Errorf("%s is no name of ours", name)
		}
	}
	for _, secret := range []string{mara.subject, pan.show, "4242"} {
		if strings.Contains(string(r.raw), secret) {
			t.Errorf("the metrics name %s", secret)
		}
	}
}
