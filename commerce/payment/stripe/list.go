package stripe

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	api "github.com/stripe/stripe-go/v82"

	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
)

// pageOfIntents is how many intents one answer lists.
const pageOfIntents = 10

var _ payment.Lister = (*Client)(nil)

// Charges goes through all intents that were made since a time, the newest first (payment.Lister). What the account has that
// is no payment of ours has no reference.
func (c *Client) Charges(ctx context.Context, since time.Time) iter.Seq2[payment.Charge, error] {
	return func(yield func(payment.Charge, error) bool) {
		if err := schema.Outside(ctx); err != nil {
			yield(payment.Charge{}, fmt.Errorf("stripe: %w", err))
			return
		}
		params := &api.PaymentIntentListParams{CreatedRange: &api.RangeQueryParams{GreaterThanOrEqual: since.Unix()}}
		params.Limit = api.Int64(pageOfIntents)
		for listed, err := range c.stripe.V1PaymentIntents.List(ctx, params) {
			if err != nil {
				yield(payment.Charge{}, verdict(err))
				return
			}
			// A list says too little of what was refused and given back.
			charge, err := c.Get(ctx, listed.ID)
			if errors.Is(err, payment.ErrNotFound) {
				continue // nobody has confirmed it
			}
			if !yield(charge, err) || err != nil {
				return
			}
		}
	}
}
