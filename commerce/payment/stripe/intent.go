package stripe

import (
	"context"
	"errors"
	"fmt"
	"strings"

	api "github.com/stripe/stripe-go/v82"

	"github.com/rialto-live/rialto/commerce/payment"
)

const (
	// referenceKey and captureKey are our entries in an intent's metadata.
	referenceKey = "reference"
	captureKey   = "capture"
	// confirmSuffix makes the key of the confirmation from the reference.
	confirmSuffix = ":confirm"
	// maxNamesakes bounds how many intents of one reference are looked at; there is more than one only when a
	// key was older than Stripe remembers.
	maxNamesakes = 10
)

// withCharge has the intent's last charge told with it: why it failed, and what was refunded.
func withCharge() []*string { return []*string{api.String("latest_charge")} }

// Authorise reserves money, or answers what became of the same wish before.
func (c *Client) Authorise(ctx context.Context, a payment.Authorisation) (payment.Charge, error) {
	ctx, cancel, err := c.call(ctx)
	defer cancel()
	if err != nil {
		return payment.Charge{}, err
	}
	pi, _, err := c.open(ctx, a)
	if err != nil {
		return payment.Charge{}, err
	}
	if confirmed(pi) {
		if used := token(pi); used != "" && a.Token != "" && used != a.Token {
			return payment.Charge{}, fmt.Errorf("%w: stripe: this reference was paid with another card", payment.ErrRejected)
		}
		return chargeOf(pi)
	}
	return c.confirm(ctx, pi.ID, a)
}

// open finds the intent of a reference, as it is now, or makes it. Authorise and Void call it with the same content,
// because one key stands for one content. fresh says that it was made just now.
func (c *Client) open(ctx context.Context, a payment.Authorisation) (pi *api.PaymentIntent, fresh bool, err error) {
	if a.Reference == "" {
		return nil, false, fmt.Errorf("%w: stripe: a payment needs a reference", payment.ErrRejected)
	}
	minor, currency, err := wire(a.Amount)
	if err != nil {
		return nil, false, err
	}
	params := &api.PaymentIntentCreateParams{
		Amount: minor, Currency: currency,
		CaptureMethod:      api.String(string(api.PaymentIntentCaptureMethodManual)),
		PaymentMethodTypes: []*string{api.String(string(api.PaymentMethodTypeCard))},
		Metadata:           map[string]string{referenceKey: a.Reference},
		Expand:             withCharge(),
	}
	params.SetIdempotencyKey(a.Reference)
	pi, err = c.stripe.V1PaymentIntents.Create(ctx, params)
	if err != nil {
		return nil, false, verdict(err)
	}
	if !replayed(pi.LastResponse) {
		return pi, true, nil
	}
	pi, err = c.retrieve(ctx, pi.ID)
	return pi, false, err
}

func (c *Client) confirm(ctx context.Context, id string, a payment.Authorisation) (payment.Charge, error) {
	params := &api.PaymentIntentConfirmParams{PaymentMethod: api.String(a.Token), Expand: withCharge()}
	if a.Return != "" {
		params.ReturnURL = api.String(a.Return)
	}
	params.SetIdempotencyKey(a.Reference + confirmSuffix)
	pi, err := c.stripe.V1PaymentIntents.Confirm(ctx, id, params)
	err = verdict(err)
	switch {
	case errors.Is(err, errDeclined), errors.Is(err, errMoved), err == nil && replayed(pi.LastResponse):
		now, again := c.retrieve(ctx, id)
		if again != nil {
			return payment.Charge{}, again
		}
		if pi = now; !confirmed(pi) {
			if err == nil {
				err = payment.ErrRejected
			}
			return payment.Charge{}, fmt.Errorf("%w: and the intent was not confirmed", err)
		}
	case errors.Is(err, payment.ErrNotFound):
		return payment.Charge{}, fmt.Errorf("%w: %v", payment.ErrRejected, err) // the intent is there: it is the token that is not
	case err != nil:
		return payment.Charge{}, err
	}
	return chargeOf(pi)
}

// Void ends a reference: its intent is cancelled, and made for that when there is none yet.
func (c *Client) Void(ctx context.Context, a payment.Authorisation) (payment.Charge, error) {
	ctx, cancel, err := c.call(ctx)
	defer cancel()
	if err != nil {
		return payment.Charge{}, err
	}
	pi, fresh, err := c.open(ctx, a)
	stuck := errors.Is(err, errStuck)
	if err != nil && !stuck {
		return payment.Charge{}, err
	}
	ended := payment.Charge{Reference: a.Reference, Status: payment.ChargeVoided, Amount: a.Amount}
	if !stuck {
		if ended, err = c.cancel(ctx, pi); err != nil {
			return payment.Charge{}, err
		}
	}
	if stuck || fresh {
		// The key knows of no intent. An older one than keys are remembered would be found by search.
		namesakes, err := c.search(ctx, a.Reference)
		if err != nil && !errors.Is(err, payment.ErrRejected) { // where Stripe offers no search, there is none to wait for
			return payment.Charge{}, err
		}
		for _, other := range namesakes {
			if pi != nil && other.ID == pi.ID {
				continue
			}
			if ended, err = c.cancel(ctx, other); err != nil {
				return payment.Charge{}, err
			}
		}
	}
	return ended, nil
}

// cancel ends one intent. One that was declined stays so: it is cancelled too, but it did not end by our wish.
func (c *Client) cancel(ctx context.Context, pi *api.PaymentIntent) (payment.Charge, error) {
	before, err := chargeOf(pi)
	if err == nil && before.Status == payment.ChargeCaptured {
		return payment.Charge{}, fmt.Errorf("%w: stripe: the money was captured; refund it", payment.ErrRejected)
	}
	if pi.Status != api.PaymentIntentStatusCanceled {
		now, err := c.stripe.V1PaymentIntents.Cancel(ctx, pi.ID, &api.PaymentIntentCancelParams{Expand: withCharge()})
		if err = verdict(err); errors.Is(err, errMoved) {
			now, err = c.retrieve(ctx, pi.ID)
		}
		if err != nil {
			return payment.Charge{}, err
		}
		pi = now
	}
	after, err := chargeOf(pi)
	switch {
	case pi.Status == api.PaymentIntentStatusSucceeded:
		return payment.Charge{}, fmt.Errorf("%w: stripe: the money was captured; refund it", payment.ErrRejected)
	case pi.Status != api.PaymentIntentStatusCanceled:
		return payment.Charge{}, fmt.Errorf("%w: stripe: the intent is %s", payment.ErrOutcomeUnknown, pi.Status)
	case before.Status == payment.ChargeDeclined:
		return before, nil
	}
	return after, err
}

// Get reads a charge. An intent that nobody has confirmed is none: payment.ErrNotFound.
func (c *Client) Get(ctx context.Context, id string) (payment.Charge, error) {
	ctx, cancel, err := c.call(ctx)
	defer cancel()
	if err != nil {
		return payment.Charge{}, err
	}
	pi, err := c.retrieve(ctx, id)
	if err != nil {
		return payment.Charge{}, err
	}
	return chargeOf(pi)
}

func (c *Client) retrieve(ctx context.Context, id string) (*api.PaymentIntent, error) {
	if id == "" {
		return nil, fmt.Errorf("%w: stripe: no id", payment.ErrNotFound)
	}
	pi, err := c.stripe.V1PaymentIntents.Retrieve(ctx, id, &api.PaymentIntentRetrieveParams{Expand: withCharge()})
	return pi, verdict(err)
}

// FindByReference looks in Stripe's index, which is late by seconds and more: see the package's words on that.
func (c *Client) FindByReference(ctx context.Context, reference string) (payment.Charge, error) {
	ctx, cancel, err := c.call(ctx)
	defer cancel()
	if err != nil {
		return payment.Charge{}, err
	}
	namesakes, err := c.search(ctx, reference)
	if err != nil {
		return payment.Charge{}, err
	}
	best := payment.Charge{}
	missing := fmt.Errorf("%w: stripe: reference %q", payment.ErrNotFound, reference)
	for _, pi := range namesakes {
		charge, err := chargeOf(pi)
		switch {
		case errors.Is(err, payment.ErrNotFound):
		case err != nil:
			return payment.Charge{}, err
		case missing != nil || weight(charge) > weight(best):
			best, missing = charge, nil
		}
	}
	return best, missing
}

// weight orders charges of one reference by how much they matter: taken money most.
func weight(c payment.Charge) int {
	for n, status := range []payment.Status{
		payment.ChargeVoided, payment.ChargeDeclined, payment.ChargeRequiresAction, payment.ChargeAuthorised, payment.ChargeCaptured,
	} {
		if c.Status == status {
			return n
		}
	}
	return -1
}

// search finds the intents of a reference and reads each: the index may be behind in what it says of them too.
func (c *Client) search(ctx context.Context, reference string) ([]*api.PaymentIntent, error) {
	params := &api.PaymentIntentSearchParams{}
	params.Query = "metadata['" + referenceKey + "']:'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(reference) + "'"
	params.Limit = api.Int64(maxNamesakes)
	params.Single = true
	var found []*api.PaymentIntent
	for hit, err := range c.stripe.V1PaymentIntents.Search(ctx, params) {
		if err != nil {
			return nil, verdict(err)
		}
		pi, err := c.retrieve(ctx, hit.ID)
		if err != nil {
			return nil, err
		}
		if pi.Metadata[referenceKey] == reference {
			found = append(found, pi)
		}
	}
	return found, nil
}
