package payment

import (
	"errors"
	"net/http"
	"time"
)

// ErrSignature: what came to a webhook's address was not sent by the provider, or too long ago.
var ErrSignature = errors.New("webhook is not signed by the provider")

// Notice is what a webhook says happened. It is never believed: it is a reason to ask the provider now.
type Notice struct {
	// ID is the provider's id of the event, the same each time that it is delivered.
	ID string
	// Kind is the provider's word for what happened; only people read it.
	Kind string
	// Reference is the payment's (Payment.Reference), or empty where the provider told the charge alone.
	Reference string
	// Charge is the provider's id of the charge, or empty.
	Charge  string
	Created time.Time
}

// Webhooks is a provider that tells of itself. Notice verifies the signature before it reads anything, and fails with
// ErrSignature when it does not hold; any other error is a body that is signed and makes no sense all the same. A
// notice with neither reference nor charge is about nothing of ours: it is passed over.
type Webhooks interface {
	Notice(header http.Header, body []byte) (Notice, error)
}
