package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	api "github.com/stripe/stripe-go/v82"

	"github.com/rialto-live/rialto/commerce/payment"
)

// errDeclined: the card was refused. It never leaves this package: a decline is a Charge.
var errDeclined = errors.New("card declined")

// errMoved: the intent is not in a state for this; somebody else was faster, or this was done before.
var errMoved = errors.New("intent is in another state")

// errStuck: Stripe remembers a 500 under this key, and will answer it for as long as it does.
var errStuck = errors.New("an old failure is remembered under this key")

// verdict turns what the library says into one of payment's errors. The library's own text is never passed on:
// it is the whole answer, with the secret of the intent in it.
func verdict(err error) error {
	if err == nil {
		return nil
	}
	var e *api.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%w: stripe: %w", payment.ErrOutcomeUnknown, transport(err))
	}
	at := fmt.Sprintf("%d %s %s", e.HTTPStatusCode, e.Type, e.Code)
	if e.Param != "" {
		at += " (" + e.Param + ")"
	}
	if e.RequestID != "" {
		at += ", request " + e.RequestID
	}
	status := e.HTTPStatusCode
	switch {
	case status >= 500 && replayed(e.LastResponse):
		return fmt.Errorf("%w: %w: stripe: %s", payment.ErrOutcomeUnknown, errStuck, at)
	case status >= 500, status == http.StatusConflict, status == http.StatusTooManyRequests:
		return fmt.Errorf("%w: stripe: %s", payment.ErrOutcomeUnknown, at)
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: stripe: %s", payment.ErrNotFound, at)
	case e.Type == api.ErrorTypeCard:
		return fmt.Errorf("%w: %w: stripe: %s", payment.ErrRejected, errDeclined, at)
	case e.Code == api.ErrorCodePaymentIntentUnexpectedState:
		return fmt.Errorf("%w: %w: stripe: %s", payment.ErrRejected, errMoved, at)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fmt.Errorf("%w: stripe does not accept the secret key for this (STRIPE_SECRET_KEY): %s", payment.ErrRejected, at)
	case status >= 400:
		return fmt.Errorf("%w: stripe: %s", payment.ErrRejected, at)
	}
	return fmt.Errorf("%w: stripe: %s", payment.ErrOutcomeUnknown, at)
}

// transport is an error from below the API, without what it may quote of an answer.
func transport(err error) error {
	var u *url.Error
	switch {
	case errors.As(err, &u):
		return u.Err // the address holds a reference at most, and is known
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return errors.New("the answer cannot be read")
}

// replayed says that an answer is an old one that Stripe remembers for the request's key.
func replayed(r *api.APIResponse) bool {
	return r != nil && r.Header.Get("Idempotent-Replayed") == "true"
}
