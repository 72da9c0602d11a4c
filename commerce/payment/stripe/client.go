package stripe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	api "github.com/stripe/stripe-go/v82"

	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
)

// Name is Stripe's name in payments, in the ledger and in the address of its webhooks.
const Name = "stripe"

const (
	maxAnswer = 1 << 20 // bytes; an intent with its charge has some 10 kB
	// idleConns are kept open: a surge pays over many at once.
	idleConns = 64
)

// Config is what a client needs.
type Config struct {
	Secret  string // sk_… or rk_…
	Webhook string // whsec_…, what Stripe signs its webhooks with
	// Timeout bounds each call of payment.Provider, however many requests it makes; 0: payment.CallTimeout.
	Timeout time.Duration
	// Base is another address than Stripe's, for tests.
	Base string
}

// Client is a payment.Provider and payment.Webhooks.
type Client struct {
	config Config
	stripe *api.Client
}

var (
	_ payment.Provider = (*Client)(nil)
	_ payment.Webhooks = (*Client)(nil)
)

// introduce tells Stripe who calls. The library keeps that in a variable of its own, so it is set once.
var introduce = sync.OnceFunc(func() { api.SetAppInfo(&api.AppInfo{Name: "Rialto", URL: "https://github.com/rialto-live/rialto"}) })

// NewClient makes a client; nothing is called yet.
func NewClient(c Config) (*Client, error) {
	if c.Secret == "" || c.Webhook == "" {
		return nil, errors.New("stripe: the secret key and the webhooks' secret are needed")
	}
	if c.Timeout == 0 {
		c.Timeout = payment.CallTimeout
	}
	introduce()
	wire := http.DefaultTransport.(*http.Transport).Clone()
	wire.MaxIdleConnsPerHost = idleConns
	backend := &api.BackendConfig{
		HTTPClient: &http.Client{
			Transport:     bounded{wire},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		LeveledLogger:     &api.LeveledLogger{Level: api.LevelNull}, // errors are logged where they stop, and without bodies
		MaxNetworkRetries: api.Int64(0),                             // checkout decides what is tried again, and when
		EnableTelemetry:   api.Bool(false),
	}
	if c.Base != "" {
		backend.URL = api.String(strings.TrimSuffix(c.Base, "/"))
	}
	return &Client{config: c, stripe: api.NewClient(c.Secret, api.WithBackends(api.NewBackendsWithConfig(backend)))}, nil
}

// call begins one call of payment.Provider.
func (c *Client) call(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := schema.Outside(ctx); err != nil {
		return ctx, func() {}, fmt.Errorf("stripe: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	return ctx, cancel, nil
}

// bounded cuts answers that are too long, so that they cannot be read.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}
