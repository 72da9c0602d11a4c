package stripe

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v82/webhook"

	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/payment/paymenttest"
)

const (
	secretKey  = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
	webhookKey = "whsec_ofthistest"
)

// company is a small Stripe with a memory. Each request is first shown to the judge, which must allow its shape; then
// its own books decide what happens, as Stripe's reference has it, and the judge's answer, a whole object of the API,
// is filled with that.
type company struct {
	t     *testing.T
	judge *judge

	mu    sync.Mutex
	keys  map[string]*kept // guarded by mu
	books *books           // guarded by mu
	// guarded by mu: the next request to this path breaks inside Stripe, and Stripe remembers that
	breaks string
	// guarded by mu: what was asked, in order
	asked []string
}

// kept is what Stripe remembers of an idempotency key.
type kept struct {
	request string
	done    bool
	status  int
	body    []byte
}

// newCompany starts a company, and a client of it behind a wire.
func newCompany(t *testing.T) (*company, *Client, *paymenttest.Wire) {
	t.Helper()
	j, err := theJudge()
	if err != nil {
		t.Fatal("stripe-mock: ", err)
	}
	c := &company{t: t, judge: j, keys: map[string]*kept{}, books: newBooks()}
	wire := &paymenttest.Wire{}
	web := httptest.NewServer(wire.Front(c))
	t.Cleanup(web.Close)
	client, err := NewClient(Config{Secret: secretKey, Webhook: webhookKey, Base: web.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c, client, wire
}

func TestSuite(t *testing.T) {
	paymenttest.Run(t, func(t *testing.T) paymenttest.Company {
		c, client, wire := newCompany(t)
		return paymenttest.Company{
			Provider: client, Webhooks: client, Wire: wire,
			Token: func(_ *testing.T, card paymenttest.Card) string { return c.card(card) },
			Held: func(_ *testing.T, reference string) int64 {
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.books.held(reference)
			},
			Answer: func(_ *testing.T, charge payment.Charge, yes bool) {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.books.answer(charge.ID, yes)
			},
			Sign: func(t *testing.T, reference string, at time.Time) (http.Header, []byte) {
				return signed(t, at, event("payment_intent", map[string]any{"id": "pi_1", "metadata": map[string]string{"reference": reference}}))
			},
		}
	})
}

func event(object string, about map[string]any) map[string]any {
	about["object"] = object
	return map[string]any{
		"id": "evt_" + object, "object": "event", "type": object + ".happened", "created": 1764000000, "api_version": "2019-01-01",
		"data": map[string]any{"object": about},
	}
}

func signed(t *testing.T, at time.Time, event any) (http.Header, []byte) {
	t.Helper()
	body, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	payload := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: webhookKey, Timestamp: at})
	return http.Header{"Stripe-Signature": {payload.Header}}, body
}

func (c *company) card(does paymenttest.Card) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.books.newCard(does)
}

// breakNext makes the next request to a path fail inside Stripe, as one that Stripe remembers.
func (c *company) breakNext(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.breaks = path
}

// forget is what happens to keys after a day.
func (c *company) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = map[string]*kept{}
}

// took answers what was asked since the last time.
func (c *company) took() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := c.asked
	c.asked = nil
	return asked
}

var plainPath = regexp.MustCompile(`^[A-Za-z0-9_/]+$`)

func (c *company) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || r.Header.Get("Authorization") != "Bearer "+secretKey {
		c.t.Errorf("%s %s: %v, authorised by %q", r.Method, r.URL, err, r.Header.Get("Authorization"))
	}
	if r.Method == http.MethodGet {
		form = r.URL.Query()
	}
	key := r.Header.Get("Idempotency-Key")
	request := r.Method + " " + r.URL.Path + " " + string(body)
	if key != "" {
		old, mine := c.claim(key, request)
		if !mine {
			replay(w, old, request)
			return
		}
	}
	fixture := map[string]any{}
	if plainPath.MatchString(r.URL.EscapedPath()) {
		status, answer, err := c.judge.allows(r, body)
		if err != nil || status != http.StatusOK {
			c.t.Errorf("stripe-mock refuses %s %s %s: %d %s %v", r.Method, r.URL, body, status, answer, err)
		}
		decoder := json.NewDecoder(bytes.NewReader(answer))
		decoder.UseNumber()
		if err := decoder.Decode(&fixture); err != nil {
			c.t.Errorf("stripe-mock's answer to %s: %v", r.URL, err)
		}
	}
	status, answer := c.serve(r, key, form, fixture)
	respond(w, status, answer)
}

// serve does one request and keeps its answer under its key.
func (c *company) serve(r *http.Request, key string, form url.Values, fixture map[string]any) (status int, answer []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, r.Method+" "+r.URL.Path)
	var body map[string]any
	if c.breaks == r.URL.Path {
		c.breaks = ""
		status, body = wrong(http.StatusInternalServerError, "api_error", "", "")
	} else {
		status, body = c.books.serve(r.Method, strings.TrimPrefix(r.URL.EscapedPath(), "/v1/"), form, fixture)
	}
	answer, err := json.Marshal(body)
	if err != nil {
		c.t.Error(err)
	}
	if k := c.keys[key]; key != "" && k != nil {
		k.done, k.status, k.body = true, status, answer
	}
	return status, answer
}

// claim takes a key for a request, or answers who has it.
func (c *company) claim(key, request string) (old kept, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.keys[key]; k != nil {
		return *k, false
	}
	c.keys[key] = &kept{request: request}
	return kept{}, true
}

func replay(w http.ResponseWriter, old kept, request string) {
	switch {
	case old.request != request:
		status, body := wrong(http.StatusBadRequest, "idempotency_error", "", "")
		answer, _ := json.Marshal(body)
		respond(w, status, answer)
	case !old.done:
		status, body := wrong(http.StatusConflict, "idempotency_error", "idempotency_key_in_use", "")
		answer, _ := json.Marshal(body)
		respond(w, status, answer)
	default:
		w.Header().Set("Idempotent-Replayed", "true")
		respond(w, old.status, old.body)
	}
}

func respond(w http.ResponseWriter, status int, answer []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Request-Id", "req_1")
	w.WriteHeader(status)
	_, _ = w.Write(answer) // the caller may be gone
}

// wrong is an error of the API.
func wrong(status int, kind, code, param string) (int, map[string]any) {
	e := map[string]any{"type": kind, "message": "words for people, with sk_test_secrets in them"}
	if code != "" {
		e["code"] = code
	}
	if param != "" {
		e["param"] = param
	}
	return status, map[string]any{"error": e}
}
