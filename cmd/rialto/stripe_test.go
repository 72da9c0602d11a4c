package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v82/webhook"
)

func TestStripeKeysAreAllOrNone(t *testing.T) {
	good := Config{
		PublicURL: "https://shop.example", MediaPort: 8443, HoldTTL: minHoldTTL, Listen: ":1", AdminListen: ":2", ShopCountry: "IT",
		StripeSecret: "sk_test_TELLTALE", StripeCardKey: "pk_test_TELLTALE", StripeWebhook: "whsec_TELLTALE",
	}
	for name, test := range map[string]struct {
		change func(c *Config)
		says   string // "" for nothing
	}{
		"test mode":       {func(*Config) {}, ""},
		"none":            {func(c *Config) { c.StripeSecret, c.StripeCardKey, c.StripeWebhook = "", "", "" }, ""},
		"live":            {func(c *Config) { c.StripeSecret, c.StripeCardKey = "sk_live_TELLTALE", "pk_live_TELLTALE" }, ""},
		"restricted key":  {func(c *Config) { c.StripeSecret = "rk_test_TELLTALE" }, ""},
		"tried out":       {func(c *Config) { c.Sandbox = true }, ""},
		"no secret":       {func(c *Config) { c.StripeSecret = "" }, "STRIPE_SECRET_KEY is missing"},
		"only one":        {func(c *Config) { c.StripeSecret, c.StripeWebhook = "", "" }, "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET are missing"},
		"swapped":         {func(c *Config) { c.StripeSecret, c.StripeCardKey = c.StripeCardKey, c.StripeSecret }, "STRIPE_SECRET_KEY is not such a key"},
		"no key":          {func(c *Config) { c.StripeWebhook = "TELLTALE" }, "STRIPE_WEBHOOK_SECRET is not such a key"},
		"a start alone":   {func(c *Config) { c.StripeSecret = "sk_test_" }, "STRIPE_SECRET_KEY is not such a key"},
		"a line too many": {func(c *Config) { c.StripeSecret += "\n" }, "STRIPE_SECRET_KEY is not such a key"},
		"two companies":   {func(c *Config) { c.Sandbox, c.SandboxURL = true, "http://127.0.0.1:9" }, "only one company"},
		"two modes":       {func(c *Config) { c.StripeCardKey = "pk_live_TELLTALE" }, "two modes"},
		"live, tried out": {func(c *Config) {
			c.Sandbox, c.StripeSecret, c.StripeCardKey = true, "sk_live_TELLTALE", "pk_live_TELLTALE"
		}, "use test keys"},
		"live in the clear": {func(c *Config) {
			c.PublicURL, c.StripeSecret, c.StripeCardKey = "http://shop.example", "sk_live_TELLTALE", "pk_live_TELLTALE"
		}, "https"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			test.change(&c)
			var text strings.Builder
			for _, err := range c.validateValues() {
				text.WriteString(err.Error() + "\n")
			}
			if (test.says == "") != (text.String() == "") || !strings.Contains(text.String(), test.says) {
				t.Errorf("says %q, want %q", text.String(), test.says)
			}
			if strings.Contains(text.String(), "TELLTALE") {
				t.Errorf("a key is told: %q", text.String())
			}
		})
	}
}

// With the three keys the node takes tokens for cards, hears Stripe's webhooks and lets the pages load its fields.
func TestStripeOnANode(t *testing.T) {
	m := newMarket(t)
	n := m.node(func(c *Config) {
		c.SandboxURL, c.StripeSecret, c.StripeCardKey, c.StripeWebhook = "", "sk_test_TELLTALE", "pk_test_1", "whsec_1"
	})
	me := n.guest().want(http.StatusOK, "", http.MethodGet, "/me", nil)
	if me.body["provider"] != "stripe" || me.body["card_key"] != "pk_test_1" || me.body["payments"] != true || strings.Contains(me.String(), "TELLTALE") {
		t.Errorf("%s", me)
	}
	page, err := http.Get(n.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	page.Body.Close()
	if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "https://js.stripe.com") {
		t.Errorf("the page may not load Stripe's fields: %s", csp)
	}
	event := `{"id":"evt_1","object":"event","type":"payment_intent.amount_capturable_updated","created":1764000000,
		"data":{"object":{"object":"payment_intent","id":"pi_1","metadata":{"reference":"pay_0198c0de000070008000000000000001"}}}}`
	post := func(path, key string) int {
		signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(event), Secret: key, Timestamp: time.Now()})
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+path, strings.NewReader(event))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Stripe-Signature", signed.Header)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	for _, test := range []struct {
		path, key string
		want      int
	}{
		{"/hooks/payments/stripe", "whsec_1", http.StatusNoContent},
		{"/hooks/payments/stripe", "whsec_1", http.StatusNoContent}, // delivered twice
		{"/hooks/payments/stripe", "whsec_2", http.StatusBadRequest},
		{"/hooks/payments/sandbox", "whsec_1", http.StatusNotFound},
	} {
		if got := post(test.path, test.key); got != test.want {
			t.Errorf("%s signed with %s: %d, want %d", test.path, test.key, got, test.want)
		}
	}
}
