package sandbox

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rialto-live/rialto/commerce/payment"
)

// signature is what webhooks are signed with: a key of its own, made of the secret that both ends have, so that whoever learns
// one cannot call the other's API with it.
func signature(secret string) (*standardwebhooks.Webhook, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "rialto sandbox webhooks", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("sandbox: the key of webhooks: %w", err)
	}
	return standardwebhooks.NewWebhookRaw(key)
}

// Register tells the sandbox where this node hears of its charges. Twice is once.
func (c *Client) Register(ctx context.Context, address string) error {
	var kept endpoint
	return c.do(ctx, http.MethodPut, "/webhooks", endpoint{URL: address}, &kept)
}

// Notice verifies a webhook (payment.Webhooks). A signature holds for five minutes.
func (c *Client) Notice(header http.Header, body []byte) (payment.Notice, error) {
	if err := c.signed.Verify(body, header); err != nil {
		return payment.Notice{}, fmt.Errorf("%w: %w", payment.ErrSignature, err)
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil || e.Type == "" || e.Data.ID == "" || e.Data.Reference == "" {
		return payment.Notice{}, errors.New("sandbox: the webhook cannot be read")
	}
	return payment.Notice{
		ID: header.Get(standardwebhooks.HeaderWebhookID), Kind: e.Type, Reference: e.Data.Reference, Charge: e.Data.ID, Created: e.Timestamp,
	}, nil
}

// plainHost has nothing in it that would mean something in a header.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9.\-\[\]:]+$`)

// origin is scheme and host of an address that browsers and servers can be sent to.
func origin(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || !plainHost.MatchString(u.Host) {
		return "", errors.New("not an http or https address")
	}
	return u.Scheme + "://" + u.Host, nil
}
