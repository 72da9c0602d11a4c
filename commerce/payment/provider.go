package payment

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/rialto-live/rialto/commerce/money"
)

var (
	// ErrNotConfigured: no payment company is set up.
	ErrNotConfigured = errors.New("payments are not configured")
	// ErrOutcomeUnknown: the provider may or may not have done it. Ask, or repeat with the same key; never with
	// a new one.
	ErrOutcomeUnknown = errors.New("payment outcome is unknown")
	// ErrRejected: the provider understood and refuses (a wrong amount, a state that does not allow it). No
	// repetition can help.
	ErrRejected = errors.New("payment provider refused the call")
	// ErrNotFound: the provider has no such charge.
	ErrNotFound = errors.New("charge is not known to the provider")
	// ErrCardInvalid: what was typed is not a card.
	ErrCardInvalid = errors.New("this is not a card that can be charged; check the number, the date and the code")
)

// Status is what the provider says about a charge.
type Status string

// What a charge can be at the provider.
const (
	// ChargeRequiresAction: the buyer must confirm at Charge.Action first (3-D Secure).
	ChargeRequiresAction Status = "requires_action"
	ChargeAuthorised     Status = "authorised"
	ChargeCaptured       Status = "captured"
	ChargeDeclined       Status = "declined"
	ChargeVoided         Status = "voided"
)

// Charge is the provider's record.
type Charge struct {
	ID        string
	Reference string
	Status    Status
	Amount    money.Amount
	Captured  int64 // minor units
	Refunded  int64
	Decline   string // why declined, a stable word
	Action    string // where the buyer confirms, while ChargeRequiresAction
}

// Authorisation asks for money to be reserved. Reference is unique for ever and the call's idempotency key.
type Authorisation struct {
	Reference string
	Amount    money.Amount
	Token     string
	Return    string // the page of ours that the buyer comes back to after an action elsewhere
}

// Provider is a payment company. Every call may be repeated with the same arguments and then answers the same
// or what has become of it since. Errors are those above; anything else counts as ErrOutcomeUnknown.
type Provider interface {
	// Authorise reserves money. A decline is a Charge, not an error.
	Authorise(ctx context.Context, a Authorisation) (Charge, error)
	// Capture takes reserved money, once per key.
	Capture(ctx context.Context, charge string, amount money.Amount, key string) (Charge, error)
	// Void ends the reference of an authorisation: after it has answered no money can be taken under it, even by
	// an Authorise that is still on its way. A charge that was declined stays so. The token is not needed.
	Void(ctx context.Context, a Authorisation) (Charge, error)
	// Refund gives captured money back, once per key.
	Refund(ctx context.Context, charge string, amount money.Amount, key string) (Charge, error)
	Get(ctx context.Context, charge string) (Charge, error)
	FindByReference(ctx context.Context, reference string) (Charge, error)
}

// Lister is a Provider whose charges can be gone through, as after a disaster.
type Lister interface {
	// Charges are those that were made since a time, in an order of the company's own, as they are now. An error is the
	// last of them. One that nobody has confirmed yet, and that has no money therefore, may be left out.
	Charges(ctx context.Context, since time.Time) iter.Seq2[Charge, error]
}

// Card is what a buyer types. It prints as nothing and is never stored: hand it to a Vault and forget it.
type Card struct {
	Number   string
	ExpMonth int
	ExpYear  int
	CVC      string
}

// String keeps a card out of any log.
func (Card) String() string { return "card(hidden)" }

// GoString keeps a card out of %#v too.
func (Card) GoString() string { return "payment.Card{hidden}" }

// Vault turns a card into a one-time token.
type Vault interface {
	Tokenise(ctx context.Context, c Card) (token string, err error)
}

// NotConfigured is the provider and vault of a program that has none.
type NotConfigured struct{}

func (NotConfigured) Authorise(context.Context, Authorisation) (Charge, error) {
	return Charge{}, ErrNotConfigured
}
func (NotConfigured) Capture(context.Context, string, money.Amount, string) (Charge, error) {
	return Charge{}, ErrNotConfigured
}
func (NotConfigured) Void(context.Context, Authorisation) (Charge, error) {
	return Charge{}, ErrNotConfigured
}
func (NotConfigured) Refund(context.Context, string, money.Amount, string) (Charge, error) {
	return Charge{}, ErrNotConfigured
}
func (NotConfigured) Get(context.Context, string) (Charge, error) { return Charge{}, ErrNotConfigured }
func (NotConfigured) FindByReference(context.Context, string) (Charge, error) {
	return Charge{}, ErrNotConfigured
}
func (NotConfigured) Tokenise(context.Context, Card) (string, error) { return "", ErrNotConfigured }
