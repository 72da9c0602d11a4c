package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
)

// Name is the sandbox's name in payments and in the ledger.
const Name = "sandbox"

// maxIdle is how many connections a client keeps open between calls: a rush makes hundreds at once, and one for each call
// would cost more than the call.
const maxIdle = 100

// maxAnswer has room for a page of charges.
const maxAnswer = 256 << 10

// Client is a payment.Provider, a payment.Lister, a payment.Vault and a payment.Webhooks.
type Client struct {
	base    string
	secret  string
	public  string
	timeout time.Duration
	web     *http.Client
	signed  *standardwebhooks.Webhook
}

var (
	_ payment.Provider = (*Client)(nil)
	_ payment.Vault    = (*Client)(nil)
	_ payment.Webhooks = (*Client)(nil)
	_ payment.Lister   = (*Client)(nil)
)

// NewClient reaches the sandbox at base (http://host:port). public is where buyers reach the sandbox's pages, like
// https://shop.example/sandbox (see Client.Pages); empty: at base. timeout bounds each call; 0: payment.CallTimeout.
func NewClient(base, secret, public string, timeout time.Duration) (*Client, error) {
	if _, err := origin(base); err != nil {
		return nil, errors.New("sandbox: the address is like http://127.0.0.1:9100")
	}
	if public == "" {
		public = base
	}
	if _, err := origin(public); err != nil {
		return nil, errors.New("sandbox: the address of the pages is like https://shop.example/sandbox")
	}
	if timeout == 0 {
		timeout = payment.CallTimeout
	}
	signed, err := signature(secret)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // play money needs no detour, and a card would pass through it
	transport.MaxIdleConnsPerHost = maxIdle
	return &Client{
		base: strings.TrimSuffix(base, "/"), secret: secret, public: strings.TrimSuffix(public, "/"), timeout: timeout, signed: signed,
		web: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// Tokenise hands a card over and forgets it.
func (c *Client) Tokenise(ctx context.Context, typed payment.Card) (string, error) {
	var t token
	err := c.do(ctx, http.MethodPost, "/tokens", card(typed), &t)
	return t.Token, err
}

func (c *Client) Authorise(ctx context.Context, a payment.Authorisation) (payment.Charge, error) {
	return c.charge(ctx, http.MethodPost, "/charges", authorisation{
		Reference: a.Reference, Amount: a.Amount.Minor, Currency: string(a.Amount.Currency), Token: a.Token, ReturnURL: a.Return,
	})
}

func (c *Client) Capture(ctx context.Context, id string, amount money.Amount, key string) (payment.Charge, error) {
	return c.charge(ctx, http.MethodPost, "/charges/"+url.PathEscape(id)+"/capture", movement{Amount: amount.Minor, Key: key})
}

func (c *Client) Refund(ctx context.Context, id string, amount money.Amount, key string) (payment.Charge, error) {
	return c.charge(ctx, http.MethodPost, "/charges/"+url.PathEscape(id)+"/refunds", movement{Amount: amount.Minor, Key: key})
}

func (c *Client) Void(ctx context.Context, a payment.Authorisation) (payment.Charge, error) {
	return c.charge(ctx, http.MethodPost, "/voids", voidance{Reference: a.Reference})
}

func (c *Client) Get(ctx context.Context, id string) (payment.Charge, error) {
	return c.charge(ctx, http.MethodGet, "/charges/"+url.PathEscape(id), nil)
}

func (c *Client) FindByReference(ctx context.Context, reference string) (payment.Charge, error) {
	return c.charge(ctx, http.MethodGet, "/charges?reference="+url.QueryEscape(reference), nil)
}

// Charges goes through all that were made since a time, the oldest first.
func (c *Client) Charges(ctx context.Context, since time.Time) iter.Seq2[payment.Charge, error] {
	return func(yield func(payment.Charge, error) bool) {
		for after, more := "", true; more; {
			var page charges
			query := url.Values{"since": {since.UTC().Format(time.RFC3339Nano)}, "after": {after}}
			if err := c.do(ctx, http.MethodGet, "/charges?"+query.Encode(), nil, &page); err != nil {
				yield(payment.Charge{}, err)
				return
			}
			for _, one := range page.Charges {
				if after = one.ID; !yield(c.read(one), nil) {
					return
				}
			}
			more = len(page.Charges) == pageOfCharges
		}
	}
}

func (c *Client) charge(ctx context.Context, method, path string, in any) (payment.Charge, error) {
	var out charge
	if err := c.do(ctx, method, path, in, &out); err != nil {
		return payment.Charge{}, err
	}
	return c.read(out), nil
}

func (c *Client) read(out charge) payment.Charge {
	if out.Action != "" {
		out.Action = c.public + out.Action
	}
	return payment.Charge{
		ID: out.ID, Reference: out.Reference, Status: payment.Status(out.Status),
		Amount:   money.Amount{Minor: out.Amount, Currency: money.Currency(out.Currency)},
		Captured: out.Captured, Refunded: out.Refunded, Decline: out.Decline, Action: out.Action,
	}
}

// do makes one call. Everything that is not a clear answer is payment.ErrOutcomeUnknown. No error repeats the
// request: it may have held a card.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	if err := schema.Outside(ctx); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return errors.New("sandbox: the request cannot be written")
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.secret)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.web.Do(req)
	if err != nil {
		return fmt.Errorf("%w: sandbox: %w", payment.ErrOutcomeUnknown, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%w: sandbox: %w", payment.ErrOutcomeUnknown, err)
	}
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(text, out); err != nil {
			return fmt.Errorf("%w: sandbox: the answer cannot be read", payment.ErrOutcomeUnknown)
		}
		return nil
	}
	var r refusal
	_ = json.Unmarshal(text, &r) // without a readable body the status decides
	return verdict(resp.StatusCode, r.Code)
}

func verdict(status int, code string) error {
	switch {
	case code == "card_invalid":
		return payment.ErrCardInvalid
	case code == "not_found":
		return payment.ErrNotFound
	case code == "in_flight" || status >= 500 || status == http.StatusTooManyRequests:
		return fmt.Errorf("%w: sandbox: %d %s", payment.ErrOutcomeUnknown, status, code)
	case status >= 400:
		return fmt.Errorf("%w: sandbox: %d %s", payment.ErrRejected, status, code)
	}
	return fmt.Errorf("%w: sandbox: %d", payment.ErrOutcomeUnknown, status)
}
