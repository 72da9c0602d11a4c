package checkout

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/crash"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/stock"
)

// priceTries is how often a tap reads a price that keeps changing under it.
const priceTries = 4

// HoldRequest is a tap on Buy. ID is made by the client and repeated on retry.
type HoldRequest struct {
	ID       commerce.HoldID
	Show     commerce.ShowID
	Variant  commerce.VariantID
	Buyer    string
	Quantity int
	Unit     *int64 // the price that the page showed, in minor units; nil: whatever the price is
	Source   string // where it comes from, opaque
	// Lines are several things that are wanted together: all of them or none. Variant, Quantity and Unit are then not looked at.
	Lines []LineRequest
}

// Held is a hold as its buyer sees it.
type Held struct {
	stock.Hold
	Product commerce.ProductID
	Title   string
	Total   money.Amount
	Lines   []HeldLine // all lines, of a hold that has several; Product and Title are those of the first
}

// Hold takes units at the present price. The errors are stock's, and ErrNotSold, ErrNotConfigured (nobody is
// made to wait for a thing that cannot be paid), ErrClosed, ErrBanned, *LimitError, *PriceError; of one of several things, *LineError.
func (s *Service) Hold(ctx context.Context, r HoldRequest) (_ Held, err error) {
	defer func() { s.count("hold", err) }()
	if !s.Payments() {
		return Held{}, ErrNotConfigured
	}
	if len(r.Lines) > 0 {
		h, err := s.takeAll(ctx, r)
		if err != nil {
			return Held{}, err
		}
		return s.held(ctx, h)
	}
	h, o, err := s.take(ctx, r)
	if err != nil {
		return Held{}, s.refusedHold(ctx, r, o, err)
	}
	return s.held(ctx, h)
}

// refusedHold is what the buyer hears when stock refuses units at an offer.
func (s *Service) refusedHold(ctx context.Context, r HoldRequest, o offer, err error) error {
	switch {
	case errors.Is(err, stock.ErrClosed):
		return ErrClosed
	case errors.Is(err, stock.ErrLimit):
		if own, findErr := stock.OwnLive(ctx, s.Pool, o.pool, r.Buyer); findErr == nil {
			return &LimitError{Hold: own.ID}
		}
	case errors.Is(err, stock.ErrBarred):
		return s.barred(ctx, r)
	}
	return err
}

// barred takes from whoever is banned what they held before.
func (s *Service) barred(ctx context.Context, r HoldRequest) error {
	_, err := s.Stock.Release(ctx, r.ID, r.Buyer)
	if err != nil && !errors.Is(err, stock.ErrState) && !errors.Is(err, stock.ErrUnknown) {
		return err
	}
	s.Kick()
	return ErrBanned
}

// Find reads a hold for its buyer.
func (s *Service) Find(ctx context.Context, id commerce.HoldID, buyer string) (Held, error) {
	h, err := stock.Find(ctx, s.Pool, id)
	if errors.Is(err, stock.ErrUnknown) || err == nil && (h.Buyer != buyer || buyer == "") {
		return Held{}, fmt.Errorf("%w: hold %s", ErrUnknown, id)
	}
	if err != nil {
		return Held{}, err
	}
	return s.held(ctx, h)
}

// Release gives a hold back for its buyer. Twice is once.
func (s *Service) Release(ctx context.Context, id commerce.HoldID, buyer string) (err error) {
	defer func() { s.count("release", err) }()
	_, err = s.Stock.Release(ctx, id, buyer)
	if errors.Is(err, stock.ErrUnknown) {
		return fmt.Errorf("%w: hold %s", ErrUnknown, id)
	}
	s.Kick()
	return err
}

func (s *Service) held(ctx context.Context, h stock.Hold) (Held, error) {
	s.Kick(outbox.KindEvent)
	return heldOf(h, func(key offerKey) (offer, error) { return s.offers.get(ctx, key) })
}

// PayRequest is the pay tap. Order is made by the client and repeated on retry; a try after a decline needs a
// new one.
type PayRequest struct {
	Order commerce.OrderID
	Hold  commerce.HoldID
	Buyer string
	Email string
	Name  string
	Card  payment.Card
	Token string // instead of Card, where the provider's own field on the page takes the card

	Delivery delivery.Address // as it was typed
	Total    *int64           // what the page showed, in minor units; nil: whatever it costs
	Save     bool             // keep the address in the buyer's account, if they have one
}

// Pay pays a hold, or repeats what became of this order id. created is false for a repetition. An order that has to
// be confirmed at the buyer's bank is answered pending; its payment says where. Errors:
// *DeclinedError, payment.ErrCardInvalid, ErrNotConfigured, ErrGone, ErrOrderConflict, ErrPending, ErrUnknown,
// ErrBanned, order.ErrEmail, order.ErrName, delivery.FieldErrors, *CostsError and those of Costs.
func (s *Service) Pay(ctx context.Context, r PayRequest) (_ order.Order, created bool, err error) {
	defer func() { s.count("pay", err) }()
	t := &payTap{PayRequest: r}
	email, name, contactErr := order.Contact(r.Email, r.Name)
	to, addressErr := r.Delivery.Check()
	if addressErr == nil {
		t.Delivery = to
	}
	if err := s.stages.looks.Do(ctx, t); err != nil {
		return order.Order{}, false, pending(err)
	}
	switch {
	case t.known:
		o, _, err := s.repeated(ctx, r)
		return o, false, err
	case !s.Payments():
		return order.Order{}, false, ErrNotConfigured
	case contactErr != nil || addressErr != nil:
		return order.Order{}, false, cmp.Or(contactErr, addressErr)
	}
	t.Email, t.Name = email, name
	if err := s.payable(t); err != nil {
		if errors.Is(err, ErrOrderConflict) {
			// Being paid: by this very order when the pay tap came twice at once.
			if o, known, again := s.repeated(ctx, r); known || again != nil {
				return o, false, again
			}
		}
		return order.Order{}, false, err
	}
	if t.token, err = s.token(ctx, r); err != nil {
		return order.Order{}, false, err
	}
	if err := s.begin(ctx, t); err != nil {
		return order.Order{}, false, pending(err)
	}
	if !t.made {
		o, err := s.goOn(ctx, t.order)
		return o, false, err
	}
	crash.Here("checkout.begun")
	o, err := s.pursue(ctx, t)
	return o, true, err
}

// pursue makes the call for a payment that has just been begun, and answers where its order stands.
func (s *Service) pursue(ctx context.Context, t *payTap) (order.Order, error) {
	receipt, err := s.settle(ctx, driven{Payment: t.payment})
	if receipt == "" {
		return s.answer(ctx, t.Order, err)
	}
	o := t.order
	o.State, o.Receipt = order.Confirmed, receipt
	return o, nil
}

// repeated goes on with the order of this id, if there is one.
func (s *Service) repeated(ctx context.Context, r PayRequest) (o order.Order, known bool, err error) {
	o, err = order.Get(ctx, s.Pool, r.Order)
	switch {
	case errors.Is(err, order.ErrUnknown):
		return order.Order{}, false, nil
	case err != nil:
		return order.Order{}, false, err
	case o.Buyer != r.Buyer || o.Hold != r.Hold:
		return order.Order{}, true, ErrOrderConflict
	}
	o, err = s.goOn(ctx, o)
	return o, true, err
}

// goOn brings an order as far as it can be brought now, and answers where it stands.
func (s *Service) goOn(ctx context.Context, o order.Order) (order.Order, error) {
	p, err := payment.OfOrder(ctx, s.Pool, o.ID)
	if err != nil {
		return order.Order{}, err
	}
	if p.State.Due() {
		err = s.press(ctx, p, false, awaitFor)
	}
	return s.answer(ctx, o.ID, err)
}

// answer says where an order stands, or that err keeps it from being known.
func (s *Service) answer(ctx context.Context, id commerce.OrderID, err error) (order.Order, error) {
	now, known := s.outcome(ctx, id)
	if err != nil && known != nil {
		return order.Order{}, pending(err)
	}
	return now, known
}

// outcome reads what became of an order. One that waits for its buyer's bank is an answer: pending.
func (s *Service) outcome(ctx context.Context, id commerce.OrderID) (order.Order, error) {
	o, p, err := s.stands(ctx, id)
	switch {
	case err != nil:
		return order.Order{}, err
	case p.Waits():
		return o, nil
	case o.State == order.Pending || o.State == order.Authorised:
		return o, ErrPending
	case o.State != order.Cancelled:
		return o, nil
	case p.State != payment.Failed:
		return o, ErrGone // voided: the deadline passed before the money came
	}
	h, err := stock.Find(ctx, s.Pool, o.Hold)
	if err != nil {
		return order.Order{}, err
	}
	return o, &DeclinedError{Reason: p.Decline, Expires: h.Expires, Left: h.Left}
}

// stands reads an order, and its payment unless the order came to be. Both are of one moment: the payment is read last,
// and when it was decided after the order was read, the order is read again.
func (s *Service) stands(ctx context.Context, id commerce.OrderID) (o order.Order, p payment.Payment, err error) {
	for range 2 {
		if o, err = order.Get(ctx, s.Pool, id); err != nil {
			return o, p, err
		}
		if o.State != order.Pending && o.State != order.Authorised && o.State != order.Cancelled {
			return o, payment.Payment{}, nil
		}
		if p, err = payment.OfOrder(ctx, s.Pool, id); err != nil || p.State.Due() || o.State == order.Cancelled {
			break
		}
	}
	return o, p, err
}
