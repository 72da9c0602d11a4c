package stripe

import (
	"context"
	"errors"
	"fmt"

	api "github.com/stripe/stripe-go/v82"

	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
)

// Capture takes reserved money. The key is kept in the intent too, so that a repetition is known as one after
// Stripe has forgotten it.
func (c *Client) Capture(ctx context.Context, id string, amount money.Amount, key string) (payment.Charge, error) {
	ctx, cancel, err := c.call(ctx)
	defer cancel()
	if err != nil {
		return payment.Charge{}, err
	}
	minor, err := movement(id, amount, key)
	if err != nil {
		return payment.Charge{}, err
	}
	params := &api.PaymentIntentCaptureParams{AmountToCapture: minor, Metadata: map[string]string{captureKey: key}, Expand: withCharge()}
	params.SetIdempotencyKey(key)
	pi, err := c.stripe.V1PaymentIntents.Capture(ctx, id, params)
	err = verdict(err)
	switch {
	case errors.Is(err, errMoved), errors.Is(err, errStuck), err == nil && replayed(pi.LastResponse):
		now, again := c.retrieve(ctx, id)
		if again != nil {
			return payment.Charge{}, again
		}
		ours := now.Status == api.PaymentIntentStatusSucceeded && now.Metadata[captureKey] == key && now.AmountReceived == amount.Minor
		if err != nil && !ours {
			return payment.Charge{}, err
		}
		pi = now
	case err != nil:
		return payment.Charge{}, err
	}
	return chargeOf(pi)
}

// Refund gives captured money back. Stripe would do it again under a key that it has forgotten, so the refunds that
// there are are looked at first: each has its key.
func (c *Client) Refund(ctx context.Context, id string, amount money.Amount, key string) (payment.Charge, error) {
	ctx, cancel, err := c.call(ctx)
	defer cancel()
	if err != nil {
		return payment.Charge{}, err
	}
	minor, err := movement(id, amount, key)
	if err != nil {
		return payment.Charge{}, err
	}
	pi, err := c.retrieve(ctx, id)
	if err != nil {
		return payment.Charge{}, err
	}
	if pi.Status != api.PaymentIntentStatusSucceeded || amountOf(0, pi.Currency).Currency != amount.Currency {
		return payment.Charge{}, fmt.Errorf("%w: stripe: %v of an intent in %s that is %s", payment.ErrRejected, amount, pi.Currency, pi.Status)
	}
	refund, err := c.refundOf(ctx, id, key)
	if err != nil {
		return payment.Charge{}, err
	}
	if refund == nil {
		params := &api.RefundCreateParams{PaymentIntent: api.String(id), Amount: minor, Metadata: map[string]string{refundKey: key}}
		params.SetIdempotencyKey(key)
		refund, err = c.stripe.V1Refunds.Create(ctx, params)
		if err = verdict(err); err != nil {
			return payment.Charge{}, err
		}
	}
	if refund.Amount != amount.Minor || refund.Status == api.RefundStatusFailed || refund.Status == api.RefundStatusCanceled {
		return payment.Charge{}, fmt.Errorf("%w: stripe: refund %s of %d is %s", payment.ErrRejected, refund.ID, refund.Amount, refund.Status)
	}
	if pi, err = c.retrieve(ctx, id); err != nil {
		return payment.Charge{}, err
	}
	return chargeOf(pi)
}

// refundKey is our entry in a refund's metadata.
const refundKey = "key"

// refundOf finds the refund that was made with a key, or nil.
func (c *Client) refundOf(ctx context.Context, id, key string) (*api.Refund, error) {
	params := &api.RefundListParams{PaymentIntent: api.String(id)}
	params.Limit = api.Int64(100)
	for refund, err := range c.stripe.V1Refunds.List(ctx, params) {
		if err != nil {
			return nil, verdict(err)
		}
		if refund.Metadata[refundKey] == key {
			return refund, nil
		}
	}
	return nil, nil
}

// movement judges what a capture and a refund have in common. Without a key the library would make one up, and the
// call could not be repeated.
func movement(id string, amount money.Amount, key string) (minor *int64, err error) {
	switch {
	case id == "":
		return nil, fmt.Errorf("%w: stripe: no id", payment.ErrNotFound)
	case key == "":
		return nil, fmt.Errorf("%w: stripe: a movement of money needs a key", payment.ErrRejected)
	}
	minor, _, err = wire(amount)
	return minor, err
}
