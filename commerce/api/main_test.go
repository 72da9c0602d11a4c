package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

const secret = "a secret that has at least 32 bytes"

// site is the API on a real port, over a database of its own.
type site struct {
	t      *testing.T
	pool   *pgxpool.Pool
	api    *api.API
	server *httptest.Server
	signer *guard.Signer
}

func newSite(t *testing.T, change ...func(*api.Config)) *site {
	t.Helper()
	pool := schematest.Pool(t)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	registry := prometheus.NewRegistry()
	signer, err := guard.NewSigner(time.Now, secret)
	if err != nil {
		t.Fatal(err)
	}
	limiter, err := guard.NewLimiter(nil, log, registry, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	config := api.Config{
		Pool: pool, Log: log, Now: time.Now, Registerer: registry, Accounts: account.New(pool, account.NewHasher(), nil),
		Signer: signer, Limiter: limiter, Kick: func() {},
		WHIPURL: func(_ context.Context, show commerce.ShowID) (string, error) {
			return "https://media.test/whip/" + show.String(), nil
		},
		RemoteAddr: func(r *http.Request) netip.Addr {
			if from := r.Header.Get("Test-From"); from != "" {
				return netip.MustParseAddr(from)
			}
			return netip.MustParseAddrPort(r.RemoteAddr).Addr()
		},
	}
	for _, fn := range change {
		fn(&config)
	}
	a, err := api.New(config)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, pool: pool, api: a, signer: signer, server: httptest.NewServer(a.Handler())}
	t.Cleanup(s.server.Close)
	return s
}

// browser is a client with cookies.
type browser struct {
	s      *site
	client *http.Client
	header http.Header
}

func (s *site) browser() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{s: s, client: &http.Client{Jar: jar}, header: http.Header{}}
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

func (b *browser) do(method, path string, body any) reply {
	t := b.s.t
	t.Helper()
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, b.s.server.URL+"/api/v1"+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = b.header.Clone()
	if reader != nil && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	out := reply{status: answer.StatusCode, header: answer.Header}
	if out.raw, err = io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(out.raw, &out.body)
	h, err := theTruth()
	if err != nil {
		t.Fatal(err)
	}
	h.check(t, method, path, out)
	return out
}

// want asks and checks the status, and the code of a problem ("" for success).
func (b *browser) want(status int, code, method, path string, body any) reply {
	b.s.t.Helper()
	r := b.do(method, path, body)
	got, _ := r.body["code"].(string)
	if r.status != status || got != code {
		b.s.t.Fatalf("%s %s: %d %q, want %d %q: %s", method, path, r.status, got, status, code, r.raw)
	}
	if status >= 400 {
		r.checkProblem(b.s.t)
	}
	return r
}

// checkProblem checks what every refusal has.
func (r reply) checkProblem(t *testing.T) {
	t.Helper()
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q of a problem", got)
	}
	for _, member := range []string{"type", "title", "detail", "code"} {
		if s, ok := r.body[member].(string); !ok || s == "" {
			t.Errorf("a problem without %s: %s", member, r.raw)
		}
	}
	if r.body["status"] != float64(r.status) {
		t.Errorf("a problem with another status than the answer's %d: %s", r.status, r.raw)
	}
	if r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("a problem that may be cached: %v", r.header)
	}
	if r.header.Get("X-Request-Id") == "" {
		t.Error("no request id")
	}
}

func (b *browser) cookie(name string) *http.Cookie {
	at, err := url.Parse(b.s.server.URL + "/")
	if err != nil {
		b.s.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(at) {
		if c.Name == name {
			return c
		}
	}
	return nil
}

const password = "market-on-a-bridge"

// signUp makes an account and a browser that is signed in; the name becomes the address too.
func (s *site) signUp(name string, roles ...string) (*browser, string) {
	s.t.Helper()
	b := s.browser()
	r := b.want(http.StatusCreated, "", "POST", "/accounts", map[string]any{
		"id": commerce.NewID[commerce.AccountID](), "email": name + "@example.com", "name": name, "password": password, "roles": roles,
	})
	return b, r.body["id"].(string)
}

// newShow makes a show of a creator's browser.
func (b *browser) newShow() string {
	b.s.t.Helper()
	id := commerce.NewID[commerce.ShowID]().String()
	b.want(http.StatusCreated, "", "PUT", "/shows/"+id, map[string]any{"title": "Mara's kitchen"})
	return id
}

// outbox counts rows that match.
func (s *site) outbox(where string, args ...any) (n int) {
	s.t.Helper()
	if err := s.pool.QueryRow(s.t.Context(), `select count(*) from outbox where `+where, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}
