package stripe

import (
	"fmt"

	api "github.com/stripe/stripe-go/v82"

	"github.com/rialto-live/rialto/commerce/payment"
)

// failed says that the last try to pay an intent was refused.
func failed(pi *api.PaymentIntent) bool {
	return pi.LastPaymentError != nil || pi.LatestCharge != nil && pi.LatestCharge.Status == api.ChargeStatusFailed
}

// confirmed says that somebody tried to pay an intent, or ended it. One that waits for that has taken no money and
// is no charge yet.
func confirmed(pi *api.PaymentIntent) bool {
	switch pi.Status {
	case api.PaymentIntentStatusRequiresPaymentMethod, api.PaymentIntentStatusRequiresConfirmation:
		return failed(pi)
	}
	return true
}

// token is the PaymentMethod that was tried last.
func token(pi *api.PaymentIntent) string {
	switch {
	case pi.PaymentMethod != nil:
		return pi.PaymentMethod.ID
	case pi.LastPaymentError != nil && pi.LastPaymentError.PaymentMethod != nil:
		return pi.LastPaymentError.PaymentMethod.ID
	}
	return ""
}

// chargeOf reads an intent: payment.ErrNotFound when nobody has confirmed it, payment.ErrOutcomeUnknown while Stripe
// itself waits for an answer.
func chargeOf(pi *api.PaymentIntent) (payment.Charge, error) {
	c := payment.Charge{ID: pi.ID, Reference: pi.Metadata[referenceKey], Amount: amountOf(pi.Amount, pi.Currency)}
	if !confirmed(pi) {
		return payment.Charge{}, fmt.Errorf("%w: stripe: intent %s was not confirmed", payment.ErrNotFound, pi.ID)
	}
	switch pi.Status {
	case api.PaymentIntentStatusRequiresAction:
		c.Status = payment.ChargeRequiresAction
		if next := pi.NextAction; next != nil && next.RedirectToURL != nil {
			c.Action = next.RedirectToURL.URL
		}
	case api.PaymentIntentStatusRequiresCapture:
		c.Status = payment.ChargeAuthorised
	case api.PaymentIntentStatusSucceeded:
		c.Status, c.Captured = payment.ChargeCaptured, pi.AmountReceived
		if pi.LatestCharge != nil {
			c.Refunded = pi.LatestCharge.AmountRefunded
		}
	case api.PaymentIntentStatusCanceled:
		c.Status = payment.ChargeVoided
		if failed(pi) {
			c.Status, c.Decline = payment.ChargeDeclined, decline(pi)
		}
	case api.PaymentIntentStatusRequiresPaymentMethod, api.PaymentIntentStatusRequiresConfirmation:
		c.Status, c.Decline = payment.ChargeDeclined, decline(pi)
	default: // processing
		return payment.Charge{}, fmt.Errorf("%w: stripe: intent %s is %s", payment.ErrOutcomeUnknown, pi.ID, pi.Status)
	}
	return c, nil
}

// decline is why a card was refused, in one of Stripe's words.
func decline(pi *api.PaymentIntent) string {
	if e := pi.LastPaymentError; e != nil {
		for _, word := range []string{string(e.DeclineCode), string(e.Code)} {
			if word != "" {
				return word
			}
		}
	}
	if charge := pi.LatestCharge; charge != nil && charge.FailureCode != "" {
		return charge.FailureCode
	}
	return string(api.ErrorCodeCardDeclined)
}
