package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stripe/stripe-go/v82/webhook"

	"github.com/rialto-live/rialto/commerce/payment"
)

const signatureHeader = "Stripe-Signature"

// Notice verifies what came to our webhook's address and says what it is about: Reference for events of an intent of
// ours, Charge for those of its charges and refunds, neither for all else that the account may send.
func (c *Client) Notice(header http.Header, body []byte) (payment.Notice, error) {
	if err := webhook.ValidatePayload(body, header.Get(signatureHeader), c.config.Webhook); err != nil {
		return payment.Notice{}, fmt.Errorf("%w: stripe: %w", payment.ErrSignature, err)
	}
	// Only what never changed in any version of the API is read: the account's own version may be another one.
	var event struct {
		ID      string `json:"id"`
		Type    string `json:"type"`
		Created int64  `json:"created"`
		Data    struct {
			Object struct {
				ID       string            `json:"id"`
				Object   string            `json:"object"`
				Intent   json.RawMessage   `json:"payment_intent"`
				Metadata map[string]string `json:"metadata"`
			} `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil || event.ID == "" || event.Type == "" {
		return payment.Notice{}, errors.New("stripe: a signed webhook is not an event")
	}
	n := payment.Notice{ID: event.ID, Kind: event.Type, Created: time.Unix(event.Created, 0).UTC()}
	if about := event.Data.Object; about.Object == "payment_intent" {
		n.Reference, n.Charge = about.Metadata[referenceKey], about.ID
	} else if len(about.Intent) > 0 {
		_ = json.Unmarshal(about.Intent, &n.Charge) // null and expanded ones leave it empty
	}
	return n, nil
}
