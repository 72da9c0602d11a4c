package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/bridge"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/chain"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/mail"
	"github.com/rialto-live/rialto/commerce/outage"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/payment/sandbox"
	"github.com/rialto-live/rialto/commerce/payment/stripe"
	"github.com/rialto-live/rialto/commerce/stock"
	"github.com/rialto-live/rialto/media"
)

// saleParts is the buy tap's journey on this node.
type saleParts struct {
	signer     *guard.Signer
	mails      *mail.Service
	mailbox    *mail.Mailbox // nil unless mails are kept here
	accounts   *account.Service
	stock      *stock.Service
	checkout   *checkout.Service
	keeper     community.Keeper
	outages    *outage.Keeper
	sealer     *chain.Sealer
	bank       *sandbox.Client // nil when sandbox money is not in use
	dispatcher *outbox.Dispatcher
	hooks      *payment.Hooks
	api        *api.API
}

// clock is a node's. Nothing that is promised hangs on it; a build that is to be killed can set it wrong.
var clock = time.Now

func (a *App) buildSale() (err error) {
	s := &saleParts{}
	a.saleParts = s
	kick := func() { s.dispatcher.Kick() } // checkout and dispatcher need each other
	if s.signer, err = guard.NewSigner(clock, a.cfg.Secret); err != nil {
		return err
	}
	limiter, err := guard.NewLimiter(a.redis, a.log, a.registry, clock)
	if err != nil {
		return err
	}
	if err := a.buildMail(); err != nil {
		return err
	}
	s.accounts = account.New(a.pool, account.NewHasher(), kick).WithMail(s.mails, s.signer)
	if s.stock, err = stock.New(stock.Config{
		Pool: a.pool, Redis: a.redis, Log: a.log, Registerer: a.registry, HoldFor: a.cfg.HoldTTL, Barred: community.BarredSQL,
	}); err != nil {
		return err
	}
	if err := a.buildCheckout(limiter); err != nil {
		return err
	}
	if s.outages, err = outage.New(outage.Config{
		Pool: a.pool, Stock: s.stock, Log: a.log, Registerer: a.registry, Wrote: kick, Changed: s.checkout.Changed,
	}); err != nil {
		return err
	}
	s.keeper = community.Keeper{Pool: a.pool, Log: a.log, Wrote: kick}
	s.sealer = &chain.Sealer{Pool: a.pool, Log: a.log}
	handlers := map[string]outbox.Handler{
		outbox.KindEvent:   bridge.Events(a.bus),
		outbox.KindControl: bridge.Control(a.bus, a.pool),
	}
	maps.Copy(handlers, s.checkout.Handlers())
	maps.Copy(handlers, s.accounts.Handlers())
	if s.dispatcher, err = outbox.New(outbox.Config{Pool: a.pool, Log: a.log, Registerer: a.registry, Handlers: handlers, AtOnce: s.checkout.AtOnce()}); err != nil {
		return err
	}
	s.api, err = api.New(api.Config{
		Pool: a.pool, Log: a.log, Now: clock, Registerer: a.registry,
		Accounts: s.accounts, Signer: s.signer, Limiter: limiter, Kick: kick,
		WHIPURL: a.whipURL, Said: bridge.Said(a.bus.Recent), RemoteAddr: remoteAddr(a.cfg.TrustedProxy),
		Secure: a.cfg.secure(), Sandbox: a.cfg.Sandbox, Version: version(),
		Sale: api.Sale{Checkout: s.checkout, CardKey: a.cfg.StripeCardKey}, Room: roomKinds, Mailbox: s.mailbox,
	})
	return err
}

const shopName = "Rialto" // whose mails they are, where MAIL_FROM does not say

// buildMail chooses where mails go: to the mail server of SMTP_URL, in `rialto
// dev` into a table, else nowhere.
func (a *App) buildMail() (err error) {
	cfg := mail.Config{Mailer: mail.None{}, Shop: shopName, Home: a.URL(), Registerer: a.registry, Now: clock}
	switch {
	case a.cfg.SMTPURL != "":
		server, err := mail.NewSMTP(a.cfg.SMTPURL, a.cfg.MailFrom)
		if err != nil {
			return err
		}
		cfg.Mailer, cfg.Shop = server, server.Shop()
	case a.cfg.mailbox:
		a.mailbox = mail.NewMailbox(a.pool)
		cfg.Mailer = a.mailbox
	}
	a.mails, err = mail.New(cfg)
	return err
}

// buildCheckout chooses the payment provider: Stripe where its keys are set, the
// sandbox where it is allowed, else none, and then every Buy says so. What it tells
// comes in by a door of its own.
func (a *App) buildCheckout(limiter *guard.Limiter) (err error) {
	cfg := checkout.Config{
		Pool: a.pool, Stock: a.stock, Provider: payment.NotConfigured{}, Vault: payment.NotConfigured{}, Name: "none",
		Log: a.log, Registerer: a.registry, Kick: func(kinds ...string) { a.dispatcher.Kick(kinds...) }, OrderURL: a.orderURL, Mail: a.mails, Home: a.cfg.ShopCountry,
	}
	switch {
	case a.cfg.stripe():
		client, err := stripe.NewClient(stripe.Config{Secret: a.cfg.StripeSecret, Webhook: a.cfg.StripeWebhook})
		if err != nil {
			return err
		}
		cfg.Provider, cfg.Vault, cfg.Name = client, nil, stripe.Name
	case a.cfg.Sandbox && a.cfg.SandboxURL != "":
		client, err := sandbox.NewClient(a.cfg.SandboxURL, a.cfg.SandboxSecret, a.URL()+sandboxPath, 0)
		if err != nil {
			return fmt.Errorf("SANDBOX_URL: %w", err)
		}
		cfg.Provider, cfg.Vault, cfg.Name = client, client, sandbox.Name
		a.bank = client
	}
	if a.checkout, err = checkout.New(cfg); err != nil {
		return err
	}
	tells := map[string]payment.Webhooks{}
	if w, ok := cfg.Provider.(payment.Webhooks); ok {
		tells[cfg.Name] = w
	}
	a.hooks, err = payment.NewHooks(payment.HooksConfig{
		Pool: a.pool, Log: a.log, Registerer: a.registry, Providers: tells, Limiter: limiter, RemoteAddr: remoteAddr(a.cfg.TrustedProxy),
		Received: a.checkout.Noticed,
	})
	return err
}

func (a *App) orderURL(id commerce.OrderID, created time.Time) (string, error) {
	path, err := a.signer.OrderPath(id, created)
	return a.URL() + path, err
}

// whipURL is where a show is published: at its origin, or here when it has none.
func (a *App) whipURL(ctx context.Context, show commerce.ShowID) (string, error) {
	at, err := a.nodes.Locate(ctx, media.StreamID(show.String()))
	if err != nil || at == "" {
		at = a.URL() // without Redis a publish is judged again at the door
	}
	return at + "/whip/" + show.String(), nil
}

func runSandbox(ctx context.Context, args []string, at terminal) error {
	if err := parseFlags(newFlags("sandbox"), args, at); err != nil {
		return err
	}
	cfg, err := settings(at)
	if err != nil {
		return err
	}
	if cfg.DatabaseURL == "" || cfg.SandboxSecret == "" {
		return fmt.Errorf("sandbox: DATABASE_URL and SANDBOX_SECRET are needed: %w", errUsage)
	}
	pool, err := openPool(ctx, cfg.DatabaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	l, err := listenTCP(cfg.Listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(at.out, "%s%s\n", sandboxReady, sandboxURL(l.Addr()))
	return sandbox.Serve(ctx, l, sandbox.Config{
		Pool: pool, Secret: cfg.SandboxSecret, Log: newLog(at.err, cfg.LogLevel, true), Now: time.Now,
	})
}

func sandboxURL(addr net.Addr) string { return "http://" + addr.String() }
