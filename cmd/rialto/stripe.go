package main

import (
	"fmt"
	"strings"
)

// stripe says that Stripe takes the payments.
func (c *Config) stripe() bool { return c.StripeSecret != "" }

// validateStripe says what is wrong with Stripe's three keys. No message has a
// part of one: messages are logged, pasted and mailed.
func (c *Config) validateStripe() (wrong []error) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	keys := []struct {
		name, value string
		starts      []string
	}{
		{"STRIPE_SECRET_KEY", c.StripeSecret, []string{"sk_test_", "sk_live_", "rk_test_", "rk_live_"}},
		{"STRIPE_PUBLISHABLE_KEY", c.StripeCardKey, []string{"pk_test_", "pk_live_"}},
		{"STRIPE_WEBHOOK_SECRET", c.StripeWebhook, []string{"whsec_"}},
	}
	var set, missing []string
	for _, k := range keys {
		if k.value == "" {
			missing = append(missing, k.name)
			continue
		}
		set = append(set, k.name)
		if !startsWithOne(k.value, k.starts) || strings.ContainsFunc(k.value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			say("%s is not such a key of Stripe's: it starts with %s", k.name, strings.Join(k.starts, " or "))
		}
	}
	if len(set) == 0 {
		return nil
	}
	if len(missing) > 0 {
		say("%s missing: Stripe needs all three of STRIPE_SECRET_KEY, STRIPE_PUBLISHABLE_KEY and STRIPE_WEBHOOK_SECRET, or none of them", are(missing))
	}
	if c.SandboxURL != "" {
		say("SANDBOX_URL and %s are set: only one company can take the payments; unset the one or the others", set[0])
	}
	secretLive, cardLive := strings.Contains(c.StripeSecret, "_live_"), strings.Contains(c.StripeCardKey, "_live_")
	switch {
	case c.StripeSecret != "" && c.StripeCardKey != "" && secretLive != cardLive:
		say("STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY are of two modes: take both from test mode or both from live mode")
	case c.Sandbox && (secretLive || cardLive):
		say("Stripe's live keys are real money, and this is a place for trying out (`rialto dev`, or RIALTO_SANDBOX=1): use test keys here")
	case secretLive && !c.secure():
		say("Stripe takes real cards only on https: PUBLIC_URL has to start with https://")
	}
	return wrong
}

func startsWithOne(value string, starts []string) bool {
	for _, start := range starts {
		if strings.HasPrefix(value, start) && len(value) > len(start) {
			return true
		}
	}
	return false
}

// are is a list of names with its verb.
func are(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return strings.Join(names, " and ") + " are"
}
