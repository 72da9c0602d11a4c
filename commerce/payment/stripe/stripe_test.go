package stripe

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/stripe/stripe-go/v82"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/payment/paymenttest"
)

var price = money.Amount{Minor: 4900, Currency: "EUR"}

func (c *company) wish(card paymenttest.Card) payment.Authorisation {
	return payment.Authorisation{
		Reference: commerce.NewID[commerce.PaymentID]().String(), Amount: price, Token: c.card(card), Return: paymenttest.ReturnTo,
	}
}

func (c *company) held(a payment.Authorisation, want int64) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := c.books.held(a.Reference); got != want {
		c.t.Errorf("%d is held, want %d", got, want)
	}
}

func want(t *testing.T, status payment.Status, c payment.Charge, err error) payment.Charge {
	t.Helper()
	if err != nil || c.Status != status {
		t.Fatalf("%+v %v, want %s", c, err, status)
	}
	return c
}

// A plain payment is two requests, and a repetition asks once more for what has become of it.
func TestRequestsOfAPayment(t *testing.T) {
	c, client, _ := newCompany(t)
	a := c.wish(paymenttest.Pays)
	for _, asked := range [][]string{
		{"POST /v1/payment_intents", "POST /v1/payment_intents/pi_1/confirm"},
		{"GET /v1/payment_intents/pi_1"}, // after the creation's remembered answer
	} {
		charge, err := client.Authorise(t.Context(), a)
		want(t, payment.ChargeAuthorised, charge, err)
		if got := c.took(); !slices.Equal(got, asked) {
			t.Errorf("asked %q, want %q", got, asked)
		}
	}
}

// The index may know nothing for minutes: the same wish is the same payment all the same.
func TestIndexIsLate(t *testing.T) {
	c, client, _ := newCompany(t)
	c.books.frozen = true
	a := c.wish(paymenttest.Pays)
	first, err := client.Authorise(t.Context(), a)
	want(t, payment.ChargeAuthorised, first, err)
	if _, err := client.FindByReference(t.Context(), a.Reference); !errors.Is(err, payment.ErrNotFound) {
		t.Fatal(err)
	}
	again, err := client.Authorise(t.Context(), a)
	if want(t, payment.ChargeAuthorised, again, err); again.ID != first.ID {
		t.Errorf("two intents: %s, %s", first.ID, again.ID)
	}
	ended, err := client.Void(t.Context(), a)
	want(t, payment.ChargeVoided, ended, err)
	c.held(a, 0)
}

// A 500 that Stripe remembers for the creation: the intent's name never reached anybody.
func TestCreationIsStuck(t *testing.T) {
	c, client, _ := newCompany(t)
	a := c.wish(paymenttest.Pays)
	c.breakNext("/v1/payment_intents")
	for range 2 {
		if _, err := client.Authorise(t.Context(), a); !errors.Is(err, payment.ErrOutcomeUnknown) {
			t.Fatal(err)
		}
	}
	for range 2 {
		ended, err := client.Void(t.Context(), a)
		want(t, payment.ChargeVoided, ended, err)
	}
	if _, err := client.Authorise(t.Context(), a); !errors.Is(err, payment.ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	c.held(a, 0)
}

// Nobody knows yet that the creation is stuck: a void that is the first to ask waits for certainty.
func TestVoidIsBroken(t *testing.T) {
	c, client, _ := newCompany(t)
	a := c.wish(paymenttest.Pays)
	c.breakNext("/v1/payment_intents")
	if _, err := client.Void(t.Context(), a); !errors.Is(err, payment.ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	ended, err := client.Void(t.Context(), a)
	want(t, payment.ChargeVoided, ended, err)
}

// The confirmation broke inside Stripe. The intent is no charge then, and can be ended.
func TestConfirmationIsStuck(t *testing.T) {
	c, client, _ := newCompany(t)
	a := c.wish(paymenttest.Pays)
	c.breakNext("/v1/payment_intents/pi_1/confirm")
	for range 2 {
		if _, err := client.Authorise(t.Context(), a); !errors.Is(err, payment.ErrOutcomeUnknown) {
			t.Fatal(err)
		}
		if _, err := client.FindByReference(t.Context(), a.Reference); !errors.Is(err, payment.ErrNotFound) {
			t.Fatal(err) // also once the index has it
		}
	}
	if _, err := client.Get(t.Context(), "pi_1"); !errors.Is(err, payment.ErrNotFound) {
		t.Fatal(err)
	}
	ended, err := client.Void(t.Context(), a)
	want(t, payment.ChargeVoided, ended, err)
	again, err := client.Authorise(t.Context(), a)
	want(t, payment.ChargeVoided, again, err)
	c.held(a, 0)
}

// A day later Stripe has forgotten our keys; money still moves once per key.
func TestKeysAreForgotten(t *testing.T) {
	c, client, _ := newCompany(t)
	a := c.wish(paymenttest.Pays)
	charge, err := client.Authorise(t.Context(), a)
	want(t, payment.ChargeAuthorised, charge, err)
	for range 2 {
		took, err := client.Capture(t.Context(), charge.ID, price, "cap:1")
		want(t, payment.ChargeCaptured, took, err)
		c.forget()
	}
	if _, err := client.Capture(t.Context(), charge.ID, price, "cap:2"); !errors.Is(err, payment.ErrRejected) {
		t.Fatal(err)
	}
	for n, key := range []string{"ref:1", "ref:2", "ref:1", "ref:2"} {
		back, err := client.Refund(t.Context(), charge.ID, money.Amount{Minor: 900, Currency: "EUR"}, key)
		if want(t, payment.ChargeCaptured, back, err); back.Refunded != min(int64(n+1)*900, 1800) {
			t.Errorf("%s: %+v", key, back)
		}
		c.forget()
	}
	if _, err := client.Refund(t.Context(), charge.ID, price, "ref:1"); !errors.Is(err, payment.ErrRejected) {
		t.Fatal("a key for another sum:", err)
	}
	c.held(a, 3100)
}

// A void whose key is forgotten makes an intent of its own; the one that has the money is found and ended too.
func TestVoidAfterKeysAreForgotten(t *testing.T) {
	c, client, _ := newCompany(t)
	for name, take := range map[string]bool{"authorised": false, "captured": true} {
		a := c.wish(paymenttest.Pays)
		charge, err := client.Authorise(t.Context(), a)
		want(t, payment.ChargeAuthorised, charge, err)
		if take {
			took, err := client.Capture(t.Context(), charge.ID, price, "cap:"+a.Reference)
			want(t, payment.ChargeCaptured, took, err)
		}
		if _, err := client.FindByReference(t.Context(), a.Reference); err != nil && !errors.Is(err, payment.ErrNotFound) {
			t.Fatal(err) // a day is enough for any index
		}
		c.forget()
		ended, err := client.Void(t.Context(), a)
		if take {
			if !errors.Is(err, payment.ErrRejected) {
				t.Errorf("%s: %+v %v", name, ended, err)
			}
			found, err := client.FindByReference(t.Context(), a.Reference)
			want(t, payment.ChargeCaptured, found, err) // of the two, the one that matters
			c.held(a, price.Minor)
			continue
		}
		if want(t, payment.ChargeVoided, ended, err); ended.ID != charge.ID {
			t.Errorf("%s: ended %s alone, not %s", name, ended.ID, charge.ID)
		}
		c.held(a, 0)
	}
}

// A capture that Stripe remembers as broken is unknown until it is forgotten, and then done once.
func TestCaptureIsStuck(t *testing.T) {
	c, client, _ := newCompany(t)
	a := c.wish(paymenttest.Pays)
	charge, err := client.Authorise(t.Context(), a)
	want(t, payment.ChargeAuthorised, charge, err)
	c.breakNext("/v1/payment_intents/pi_1/capture")
	for range 2 {
		if _, err := client.Capture(t.Context(), charge.ID, price, "cap:1"); !errors.Is(err, payment.ErrOutcomeUnknown) {
			t.Fatal(err)
		}
	}
	c.forget()
	took, err := client.Capture(t.Context(), charge.ID, price, "cap:1")
	want(t, payment.ChargeCaptured, took, err)
}

// While Stripe waits for a bank, nobody knows.
func TestProcessing(t *testing.T) {
	c, client, _ := newCompany(t)
	a := c.wish(paymenttest.Pays)
	charge, err := client.Authorise(t.Context(), a)
	want(t, payment.ChargeAuthorised, charge, err)
	c.books.intents[charge.ID].status = "processing"
	for name, call := range map[string]func() (payment.Charge, error){
		"get":       func() (payment.Charge, error) { return client.Get(t.Context(), charge.ID) },
		"authorise": func() (payment.Charge, error) { return client.Authorise(t.Context(), a) },
		"void":      func() (payment.Charge, error) { return client.Void(t.Context(), a) },
	} {
		if got, err := call(); !errors.Is(err, payment.ErrOutcomeUnknown) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

// Without a page to come back to the bank cannot be asked; the payment waits for its deadline.
func TestNoPageToComeBackTo(t *testing.T) {
	c, client, _ := newCompany(t)
	a := c.wish(paymenttest.AsksBank)
	a.Return = ""
	charge, err := client.Authorise(t.Context(), a)
	if want(t, payment.ChargeRequiresAction, charge, err); charge.Action != "" {
		t.Errorf("%+v", charge)
	}
}

func TestWhatIsNeverSent(t *testing.T) {
	c, client, _ := newCompany(t)
	odd := c.wish(paymenttest.Pays)
	odd.Amount = money.Amount{Minor: 12345, Currency: "KWD"}
	nameless := c.wish(paymenttest.Pays)
	nameless.Reference = ""
	for name, a := range map[string]payment.Authorisation{"a fifth decimal": odd, "no reference": nameless} {
		if _, err := client.Authorise(t.Context(), a); !errors.Is(err, payment.ErrRejected) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := client.Capture(t.Context(), "pi_1", price, ""); !errors.Is(err, payment.ErrRejected) {
		t.Errorf("no key: %v", err)
	}
	if asked := c.took(); len(asked) != 0 {
		t.Errorf("asked %q", asked)
	}
}

// Each currency that we sell in is counted by Stripe as it is by us.
func TestCurrencies(t *testing.T) {
	for _, currency := range money.Currencies() {
		text, _, _ := strings.Cut(money.Amount{Minor: 1000, Currency: currency}.String(), " ")
		_, fraction, _ := strings.Cut(text, ".")
		if got := decimals(currency); got != len(fraction) {
			t.Errorf("%s: Stripe counts with %d decimals, we with %d", currency, got, len(fraction))
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	const secretly = `"message":"buyer@example.com sk_test_abc","payment_intent":{"id":"pi_1","client_secret":"pi_1_secret_x"}`
	failure := func(kind, code string) string {
		return `{"error":{"type":"` + kind + `","code":"` + code + `",` + secretly + `}}`
	}
	for name, test := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"secret key refused":  {401, failure("invalid_request_error", ""), payment.ErrRejected},
		"not allowed":         {403, failure("invalid_request_error", ""), payment.ErrRejected},
		"bad request":         {400, failure("invalid_request_error", "parameter_unknown"), payment.ErrRejected},
		"other content":       {400, failure("idempotency_error", ""), payment.ErrRejected},
		"card":                {402, failure("card_error", "expired_card"), payment.ErrRejected},
		"not there":           {404, failure("invalid_request_error", "resource_missing"), payment.ErrNotFound},
		"in progress":         {409, failure("idempotency_error", "idempotency_key_in_use"), payment.ErrOutcomeUnknown},
		"too many":            {429, failure("invalid_request_error", "rate_limit"), payment.ErrOutcomeUnknown},
		"locked":              {429, failure("invalid_request_error", "lock_timeout"), payment.ErrOutcomeUnknown},
		"broken":              {500, failure("api_error", ""), payment.ErrOutcomeUnknown},
		"gateway":             {502, "<html>sk_test_abc</html>", payment.ErrOutcomeUnknown},
		"a page":              {200, "<html>sk_test_abc</html>", payment.ErrOutcomeUnknown},
		"a page that refuses": {403, "<html>sk_test_abc</html>", payment.ErrOutcomeUnknown},
		"an error of nothing": {400, `{"sk_test_abc":1}`, payment.ErrOutcomeUnknown},
		"elsewhere":           {302, "sk_test_abc", payment.ErrOutcomeUnknown},
		"no end":              {200, `{"id":"` + strings.Repeat("x", maxAnswer) + `"}`, payment.ErrOutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests++
				if r.Header.Get("X-Stripe-Client-Telemetry") != "" || r.Header.Get("Stripe-Version") != api.APIVersion ||
					!strings.Contains(r.Header.Get("User-Agent"), "Rialto") {
					t.Errorf("%v", r.Header)
				}
				w.Header().Set("Request-Id", "req_7")
				w.Header().Set("Location", "/v1/elsewhere")
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer web.Close()
			client, err := NewClient(Config{Secret: secretKey, Webhook: webhookKey, Base: web.URL})
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Capture(t.Context(), "pi_1", price, "cap:1")
			if !errors.Is(err, test.want) {
				t.Fatal(err)
			}
			for _, secret := range []string{"sk_test", "client_secret", "_secret_", "buyer@", secretKey} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error has a secret: %v", err)
				}
			}
			if strings.HasPrefix(test.body, `{"error"`) && !strings.Contains(err.Error(), "req_7") {
				t.Errorf("the error does not say which request: %v", err)
			}
			if requests != 1 {
				t.Errorf("%d requests", requests)
			}
		})
	}
	if api.Key != "" {
		t.Error("the library's global key is set")
	}
}

func TestNoAnswer(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer web.Close()
	for name, base := range map[string]string{"silence": web.URL, "nobody": "http://127.0.0.1:1"} {
		client, err := NewClient(Config{Secret: secretKey, Webhook: webhookKey, Base: base, Timeout: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Get(t.Context(), "pi_1"); !errors.Is(err, payment.ErrOutcomeUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range []Config{{}, {Secret: secretKey}, {Webhook: webhookKey}} {
		if _, err := NewClient(c); err == nil {
			t.Error("a client without its secrets was made")
		}
	}
}

func TestNotices(t *testing.T) {
	_, client, _ := newCompany(t)
	for name, test := range map[string]struct {
		object            string
		about             map[string]any
		reference, charge string
	}{
		"an intent of ours":   {"payment_intent", map[string]any{"id": "pi_1", "metadata": map[string]string{"reference": "pay_1"}}, "pay_1", "pi_1"},
		"an intent of others": {"payment_intent", map[string]any{"id": "pi_2", "metadata": map[string]string{}}, "", "pi_2"},
		"a charge":            {"charge", map[string]any{"id": "ch_1", "payment_intent": "pi_1", "metadata": map[string]string{"reference": "x"}}, "", "pi_1"},
		"a charge of nothing": {"charge", map[string]any{"id": "ch_1", "payment_intent": nil}, "", ""},
		"a whole intent":      {"refund", map[string]any{"id": "re_1", "payment_intent": map[string]any{"id": "pi_1"}}, "", ""},
		"something else":      {"payout", map[string]any{"id": "po_1"}, "", ""},
	} {
		n, err := client.Notice(signed(t, time.Now(), event(test.object, test.about)))
		want := payment.Notice{
			ID: "evt_" + test.object, Kind: test.object + ".happened", Reference: test.reference, Charge: test.charge, Created: time.Unix(1764000000, 0).UTC(),
		}
		if err != nil || n != want {
			t.Errorf("%s: %+v %v", name, n, err)
		}
	}
	for name, body := range map[string]any{"no event": map[string]any{}, "a list": []int{1}} {
		if _, err := client.Notice(signed(t, time.Now(), body)); err == nil || errors.Is(err, payment.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
