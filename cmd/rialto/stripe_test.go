package main

import (
	"strings"
	"testing"
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
