package paymenttest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
)

// Card is what a buyer's card does.
type Card string

// The cards that each company must have for the suite.
const (
	Pays     Card = "pays"
	Declines Card = "is declined"
	AsksBank Card = "asks the bank" // 3-D Secure; then it pays
)

// Company is one provider and the other side of it.
type Company struct {
	payment.Provider
	// Vault is nil where cards never pass through us.
	Vault    payment.Vault
	Webhooks payment.Webhooks
	// Token makes a fresh one-time token of a card.
	Token func(t *testing.T, c Card) string
	// Answer is the buyer's at Charge.Action. The company may refuse it.
	Answer func(t *testing.T, c payment.Charge, yes bool)
	// Held reads the company's books: what is reserved or taken, and not given back, under a reference, in minor units.
	Held func(t *testing.T, reference string) int64
	// Sign makes a webhook about a reference that the company sent at a time.
	Sign func(t *testing.T, reference string, at time.Time) (http.Header, []byte)
	// Wire stands in front of the company's server.
	Wire *Wire
}

// Fault is what a Wire does to one request.
type Fault int

// The faults, in the order of Faults.
const (
	Breaks      Fault = iota // nothing is done; 500
	BreaksAfter              // it is done, then 500
	Cut                      // it is done, then the connection breaks
	Silent                   // it is done, and no answer comes until the caller gives up
	Garbled                  // it is done, and the answer cannot be read
	Busy                     // nothing is done; 429
)

// Faults lists all of them by name.
var Faults = map[string]Fault{"500": Breaks, "done, then 500": BreaksAfter, "done, then cut": Cut, "done, then silence": Silent, "done, then garbled": Garbled, "429": Busy}

// Wire passes requests on, and can be made to fail at one of them. The zero Wire only passes on.
type Wire struct {
	mu    sync.Mutex
	armed bool   // guarded by mu
	fault Fault  // guarded by mu
	skip  int    // guarded by mu
	gave  func() // guarded by mu; what a caller's patience ends with
	hit   bool   // guarded by mu
}

// Arm makes the request after skip others fail. giveUp is called when a Silent one is done.
func (w *Wire) Arm(f Fault, skip int, giveUp func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed, w.fault, w.skip, w.gave, w.hit = true, f, skip, giveUp, false
}

// Disarm lets all pass again, and says whether a request was made to fail.
func (w *Wire) Disarm() (hit bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = false
	return w.hit
}

func (w *Wire) next() (f Fault, giveUp func(), fails bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.armed {
		return 0, nil, false
	}
	if w.skip > 0 {
		w.skip--
		return 0, nil, false
	}
	w.armed, w.hit = false, true
	return w.fault, w.gave, true
}

// Front is the wire in front of a server.
func (w *Wire) Front(server http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		fault, giveUp, fails := w.next()
		if !fails {
			server.ServeHTTP(out, r)
			return
		}
		if fault != Breaks && fault != Busy {
			server.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithoutCancel(r.Context())))
		}
		switch fault {
		case Cut:
			panic(http.ErrAbortHandler)
		case Silent:
			giveUp()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		case Garbled:
			out.WriteHeader(http.StatusOK)
			_, _ = out.Write([]byte(`{"id": "`)) // the caller may be gone
		case Busy:
			out.WriteHeader(http.StatusTooManyRequests)
		default:
			out.WriteHeader(http.StatusInternalServerError)
		}
	})
}

const (
	// ReturnTo is the page that buyers of the suite come back to.
	ReturnTo = "https://shop.example/orders/1?link=abc"
	// patience bounds what a test waits for; nothing waits so long when all is well.
	patience = 20 * time.Second
	pause    = 5 * time.Millisecond
)

var euros = money.Amount{Minor: 4900, Currency: "EUR"}

// bench is a company in one test.
type bench struct {
	*testing.T
	Company
}

func (b bench) wish(card Card) payment.Authorisation { return b.wishOf(card, euros) }

func (b bench) wishOf(card Card, amount money.Amount) payment.Authorisation {
	return payment.Authorisation{
		Reference: commerce.NewID[commerce.PaymentID]().String(), Amount: amount, Token: b.Token(b.T, card), Return: ReturnTo,
	}
}

// authorised is money that is reserved.
func (b bench) authorised(amount money.Amount) (payment.Authorisation, payment.Charge) {
	b.Helper()
	a := b.wishOf(Pays, amount)
	charge, err := b.Authorise(b.Context(), a)
	b.is(charge, err, payment.ChargeAuthorised)
	return a, charge
}

func (b bench) captured(amount money.Amount) (payment.Authorisation, payment.Charge) {
	b.Helper()
	a, charge := b.authorised(amount)
	charge, err := b.Capture(b.Context(), charge.ID, amount, "cap:"+a.Reference)
	b.is(charge, err, payment.ChargeCaptured)
	return a, charge
}

// is fails unless a call answered a charge of this status.
func (b bench) is(c payment.Charge, err error, want payment.Status) {
	b.Helper()
	if err != nil || c.Status != want {
		b.Fatalf("%+v %v, want %s", c, err, want)
	}
}

func (b bench) refuses(err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Errorf("%v, want %v", err, want)
	}
}

func (b bench) holds(a payment.Authorisation, want int64) {
	b.Helper()
	if got := b.Held(b.T, a.Reference); got != want {
		b.Errorf("the company holds %d under this reference, want %d", got, want)
	}
}

// found finds a charge by its reference: a company's index may be a moment late.
func (b bench) found(reference string) payment.Charge {
	b.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(pause) {
		c, err := b.FindByReference(b.Context(), reference)
		if err == nil {
			return c
		}
		if !errors.Is(err, payment.ErrNotFound) {
			b.Fatal(err)
		}
	}
	b.Fatal("the charge was never found by its reference")
	return payment.Charge{}
}

// until repeats a call while its outcome is unknown, as our redriver does.
func (b bench) until(call func() (payment.Charge, error)) (payment.Charge, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(pause) {
		c, err := call()
		if !errors.Is(err, payment.ErrOutcomeUnknown) || time.Now().After(deadline) {
			return c, err
		}
	}
}
