package main

import (
	"context"
	"fmt"
	"time"

	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/payment/sandbox"
	"github.com/rialto-live/rialto/commerce/payment/stripe"
)

const (
	defaultSince = 7 * 24 * time.Hour
	maxSince     = 180 * 24 * time.Hour // no company gives money back for longer
)

// rebuild is what `rialto verify --rebuild` does after a backup of Postgres was restored.
func rebuild(ctx context.Context, s *stores, since time.Duration, yes bool, at terminal) error {
	if since <= 0 || since > maxSince {
		return fmt.Errorf("--since is up to %s, not %s: %w", maxSince, since, errUsage)
	}
	cfg, err := settings(at)
	if err != nil {
		return err
	}
	company, err := provider(cfg)
	if err != nil {
		return err
	}
	r := checkout.Rebuild{DB: s.pool, Provider: company, Since: time.Now().Add(-since), Do: yes, Say: func(c payment.Charge, done string) error {
		if !yes {
			done = "to be " + done
		}
		_, err := fmt.Fprintf(at.out, "%-8s %s of %v: no payment stands for it (%s)\n", done, c.ID, c.Amount, c.Reference)
		return err
	}}
	got, err := r.Run(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(at.out, "rialto: %d charges, %d of them known here, %d without money; %d reservations and %d payments belong to nobody\n",
		got.Seen, got.Known, got.Harmless, got.Voided, got.Refunded)
	if err == nil && !yes && got.Voided+got.Refunded > 0 {
		_, err = fmt.Fprintln(at.out, "rialto: nothing was done; --yes gives this money back. Be sure that no other installation uses this account.")
	}
	return err
}

// provider is the payment company of the settings, to be asked and told to give back.
func provider(cfg Config) (payment.Provider, error) {
	switch {
	case cfg.stripe():
		return stripe.NewClient(stripe.Config{Secret: cfg.StripeSecret, Webhook: cfg.StripeWebhook})
	case cfg.Sandbox && cfg.SandboxURL != "":
		return sandbox.NewClient(cfg.SandboxURL, cfg.SandboxSecret, "", 0)
	}
	return nil, fmt.Errorf("--rebuild asks the payment company, and none is set up: STRIPE_SECRET_KEY, or SANDBOX_URL with RIALTO_SANDBOX=1: %w", errUsage)
}
