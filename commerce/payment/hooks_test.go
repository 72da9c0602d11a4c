package payment

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// company signs what it tells.
type company struct{ key []byte }

func (c company) sign(body []byte) string {
	mac := hmac.New(sha256.New, c.key)
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func (c company) Notice(header http.Header, body []byte) (n Notice, err error) {
	if !hmac.Equal([]byte(c.sign(body)), []byte(header.Get("Signature"))) {
		return Notice{}, ErrSignature
	}
	if err := json.Unmarshal(body, &n); err != nil {
		return Notice{}, errors.New("no JSON")
	}
	return n, nil
}

// door is the webhooks' address of one node.
type door struct {
	t       *testing.T
	db      *pgxpool.Pool
	hooks   *Hooks
	server  *httptest.Server
	company company
	woken   atomic.Int64
}

func newDoor(t *testing.T, db *pgxpool.Pool) *door {
	t.Helper()
	d := &door{t: t, db: db, company: company{[]byte("secret")}}
	log := slog.New(slog.DiscardHandler)
	still := time.Now() // no bucket fills up again
	limiter, err := guard.NewLimiter(nil, log, prometheus.NewRegistry(), func() time.Time { return still })
	if err != nil {
		t.Fatal(err)
	}
	d.hooks, err = NewHooks(HooksConfig{
		Pool: db, Log: log, Registerer: prometheus.NewRegistry(), Providers: map[string]Webhooks{"acme": d.company}, Limiter: limiter,
		RemoteAddr: func(r *http.Request) netip.Addr { return netip.MustParseAddrPort(r.RemoteAddr).Addr() },
		Received:   func() { d.woken.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /hooks/payments/{provider}", d.hooks)
	d.server = httptest.NewServer(mux)
	t.Cleanup(d.server.Close)
	return d
}

// send posts a body; the answer's code is "" when it was taken.
func (d *door) send(provider, signature string, body []byte) (status int, code string, header http.Header) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.server.URL+"/hooks/payments/"+provider, bytes.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Signature", signature)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	var problem struct {
		Code, Detail string
		Status       int
	}
	if answer.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(answer.Body).Decode(&problem); err != nil || problem.Status != answer.StatusCode || problem.Detail == "" ||
			answer.Header.Get("Content-Type") != "application/problem+json" {
			d.t.Errorf("%d is no problem: %+v %v", answer.StatusCode, problem, err)
		}
	}
	return answer.StatusCode, problem.Code, answer.Header
}

func (d *door) tell(n Notice) (status int, code string) {
	d.t.Helper()
	body, err := json.Marshal(n)
	if err != nil {
		d.t.Fatal(err)
	}
	status, code, _ = d.send("acme", d.company.sign(body), body)
	return status, code
}

func (d *door) counted(result string) float64 {
	d.t.Helper()
	var m dto.Metric
	if err := d.hooks.came.WithLabelValues(result).Write(&m); err != nil {
		d.t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

func (d *door) kept() (n int) {
	d.t.Helper()
	if err := d.db.QueryRow(d.t.Context(), `select count(*) from payment_event`).Scan(&n); err != nil {
		d.t.Fatal(err)
	}
	return n
}

func TestOnlyWhatIsSignedIsKept(t *testing.T) {
	d := newDoor(t, schematest.Pool(t))
	body := []byte(`{"ID":"evt_1","Kind":"charge.authorised","Reference":"pay_x"}`)
	changed := bytes.Replace(body, []byte("evt_1"), []byte("evt_2"), 1)
	junk := []byte("junk")
	for name, test := range map[string]struct {
		provider, signature string
		body                []byte
		status              int
		code                string
	}{
		"no signature":        {"acme", "", body, 400, "signature_invalid"},
		"another's":           {"acme", company{[]byte("guess")}.sign(body), body, 400, "signature_invalid"},
		"changed on the way":  {"acme", d.company.sign(body), changed, 400, "signature_invalid"},
		"empty":               {"acme", "", nil, 400, "signature_invalid"},
		"nobody's address":    {"other", d.company.sign(body), body, 404, "provider_unknown"},
		"too large":           {"acme", "", bytes.Repeat([]byte("x"), MaxHook+1), 413, "body_too_large"},
		"as large as may be":  {"acme", "", bytes.Repeat([]byte("x"), MaxHook), 400, "signature_invalid"},
		"signed, no sense":    {"acme", d.company.sign(junk), junk, 400, "malformed"},
		"signed, about us":    {"acme", d.company.sign([]byte(`{"ID":"evt_9"}`)), []byte(`{"ID":"evt_9"}`), 204, ""},
		"signed, without id":  {"acme", d.company.sign([]byte(`{"Charge":"ch"}`)), []byte(`{"Charge":"ch"}`), 400, "malformed"},
		"a path that is none": {"acme%2F..", "", body, 404, "provider_unknown"},
	} {
		if status, code, _ := d.send(test.provider, test.signature, test.body); status != test.status || code != test.code {
			t.Errorf("%s: %d %q, want %d %q", name, status, code, test.status, test.code)
		}
	}
	if d.kept() != 0 || d.woken.Load() != 0 {
		t.Fatalf("%d were kept, %d times woken", d.kept(), d.woken.Load())
	}
	if status, code, _ := d.send("acme", d.company.sign(body), body); status != 204 || d.kept() != 1 || d.woken.Load() != 1 {
		t.Fatalf("%d %q, %d kept, %d woken", status, code, d.kept(), d.woken.Load())
	}
}

// At its limits a notice is kept, one past them it is refused once and for all: a 5xx would be sent again for days.
func TestLimitsOfANotice(t *testing.T) {
	d := newDoor(t, schematest.Pool(t))
	most := Notice{ID: strings.Repeat("i", maxNoticeID), Kind: strings.Repeat("k", maxKind), Reference: strings.Repeat("r", maxReference), Charge: strings.Repeat("c", maxCharge)}
	if status, code := d.tell(most); status != 204 {
		t.Fatalf("%d %s", status, code)
	}
	for name, change := range map[string]func(*Notice){
		"id": func(n *Notice) { n.ID += "x" }, "kind": func(n *Notice) { n.Kind += "x" }, "reference": func(n *Notice) { n.Reference += "x" },
		"charge": func(n *Notice) { n.Charge += "x" }, "a zero byte": func(n *Notice) { n.Kind = "a\x00b" },
	} {
		over := most
		change(&over)
		if status, code := d.tell(over); status != 400 || code != "malformed" {
			t.Errorf("%s: %d %s", name, status, code)
		}
	}
}

// The same event, many times at once, is kept once; each is told that it arrived.
func TestTheSameEventIsKeptOnce(t *testing.T) {
	d := newDoor(t, schematest.Pool(t))
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if status, code := d.tell(Notice{ID: "evt_1", Reference: "pay_x"}); status != 204 {
				t.Errorf("%d %s", status, code)
			}
		})
	}
	group.Wait()
	if d.kept() != 1 || d.woken.Load() != 1 {
		t.Fatalf("%d kept, %d woken", d.kept(), d.woken.Load())
	}
	if fresh, again := d.counted("kept"), d.counted("repeated"); fresh != 1 || again != 15 {
		t.Errorf("counted %v and %v", fresh, again)
	}
	// Ids are the provider's own: another one may have the same.
	if fresh, err := Receive(t.Context(), d.db, "other", Notice{ID: "evt_1"}); err != nil || !fresh {
		t.Error(fresh, err)
	}
}

// While Postgres is away the sender is asked to come again, and then it is kept.
func TestPostgresAwayIsSaid(t *testing.T) {
	postgres := embeddedtest.NewPostgresServer(t)
	db, err := pgxpool.New(t.Context(), postgres.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if _, err := schema.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	d := newDoor(t, db)
	body := []byte(`{"ID":"evt_1","Reference":"pay_x"}`)
	postgres.Kill()
	if status, code, header := d.send("acme", d.company.sign(body), body); status != 503 || code != "unavailable" || header.Get("Retry-After") == "" {
		t.Fatalf("%d %s %v", status, code, header)
	}
	if status, code, _ := d.send("acme", "", body); status != 400 || code != "signature_invalid" {
		t.Fatalf("%d %s: what is not signed is refused, whoever is away", status, code)
	}
	postgres.Start()
	deadline, tick := time.Now().Add(30*time.Second), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for status := 0; status != 204; <-tick.C {
		if status, _, _ = d.send("acme", d.company.sign(body), body); time.Now().After(deadline) {
			t.Fatalf("still %d", status)
		}
	}
	if d.kept() != 1 {
		t.Fatalf("%d kept", d.kept())
	}
}

func TestAFloodIsSlowedDown(t *testing.T) {
	d := newDoor(t, schematest.Pool(t))
	for n := range hookRule.Burst + 1 {
		r := httptest.NewRequest(http.MethodPost, "/hooks/payments/acme", strings.NewReader("x"))
		r.SetPathValue("provider", "acme")
		w := httptest.NewRecorder()
		d.hooks.ServeHTTP(w, r)
		if want := map[bool]int{false: 400, true: 429}[n == hookRule.Burst]; w.Code != want || (w.Code == 429) != (w.Header().Get("Retry-After") != "") {
			t.Fatalf("request %d: %d, want %d", n, w.Code, want)
		}
	}
}

func TestHooksNeedTheirParts(t *testing.T) {
	if _, err := NewHooks(HooksConfig{}); err == nil {
		t.Fatal("made of nothing")
	}
}
