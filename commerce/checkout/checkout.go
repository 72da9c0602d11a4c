package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/crash"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
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
}

// Held is a hold as its buyer sees it.
type Held struct {
	stock.Hold
	Product commerce.ProductID
	Title   string
	Total   money.Amount
}

// Hold takes units at the present price. The errors are stock's, and ErrNotSold, ErrNotConfigured (nobody is
// made to wait for a thing that cannot be paid), ErrClosed, ErrBanned, *LimitError, *PriceError.
func (s *Service) Hold(ctx context.Context, r HoldRequest) (_ Held, err error) {
	defer func() { s.count("hold", err) }()
	if !s.Payments() {
		return Held{}, ErrNotConfigured
	}
	h, o, err := s.take(ctx, r)
	switch {
	case errors.Is(err, stock.ErrClosed):
		return Held{}, ErrClosed
	case errors.Is(err, stock.ErrLimit):
		if own, findErr := stock.OwnLive(ctx, s.Pool, o.pool, r.Buyer); findErr == nil {
			err = &LimitError{Hold: own.ID}
		}
		return Held{}, err
	case errors.Is(err, stock.ErrBarred):
		return Held{}, s.barred(ctx, r)
	case err != nil:
		return Held{}, err
	}
	return s.held(ctx, h)
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
	s.Kick()
	o, err := s.offers.get(ctx, offerKey{h.Show, h.Variant})
	if err != nil {
		return Held{}, err
	}
	total, err := h.Total()
	return Held{Hold: h, Product: o.product, Title: o.title, Total: total}, err
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
	if o, known, err := s.repeated(ctx, r); known || err != nil {
		return o, false, err
	}
	if !s.Payments() {
		return order.Order{}, false, ErrNotConfigured
	}
	if r.Email, r.Name, err = order.Contact(r.Email, r.Name); err != nil {
		return order.Order{}, false, err
	}
	if r.Delivery, err = r.Delivery.Check(); err != nil {
		return order.Order{}, false, err
	}
	if err := s.payable(ctx, r); err != nil {
		if errors.Is(err, ErrOrderConflict) {
			// Being paid: by this very order when the pay tap came twice at once.
			if o, known, again := s.repeated(ctx, r); known || again != nil {
				return o, false, again
			}
		}
		return order.Order{}, false, err
	}
	token, err := s.token(ctx, r)
	if err != nil {
		return order.Order{}, false, err
	}
	o, created, err := s.begin(ctx, r, token)
	if err != nil {
		return order.Order{}, false, err
	}
	crash.Here("checkout.begun")
	o, err = s.goOn(ctx, o)
	return o, created, err
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

// payable refuses early, before a card is handed to anybody. begin judges for good.
func (s *Service) payable(ctx context.Context, r PayRequest) error {
	h, err := stock.Find(ctx, s.Pool, r.Hold)
	switch {
	case errors.Is(err, stock.ErrUnknown) || err == nil && (h.Buyer != r.Buyer || r.Buyer == ""):
		return fmt.Errorf("%w: hold %s", ErrUnknown, r.Hold)
	case err != nil:
		return err
	case !h.State.Live():
		return ErrGone
	case h.State != stock.Held:
		return ErrOrderConflict
	}
	if err := community.Check(ctx, s.Pool, h.Show, r.Buyer); err != nil {
		return err
	}
	_, err = s.charged(ctx, s.Pool, h, r)
	return err
}

// begin commits the row before the call: order pending, payment intent, hold paying.
func (s *Service) begin(ctx context.Context, r PayRequest, token string) (o order.Order, created bool, err error) {
	err = schema.InTx(ctx, s.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		h, err := stock.Pay(ctx, tx, r.Hold, r.Buyer)
		switch {
		case errors.Is(err, stock.ErrState):
			// Being paid or sold: by this very order when the pay tap came twice at once.
			o, err = order.Get(ctx, tx, r.Order)
			created = false
			if err != nil || o.Buyer != r.Buyer || o.Hold != r.Hold {
				return ErrOrderConflict
			}
			return nil
		case errors.Is(err, stock.ErrGone):
			return ErrGone
		case errors.Is(err, stock.ErrUnknown):
			return fmt.Errorf("%w: hold %s", ErrUnknown, r.Hold)
		case err != nil:
			return err
		}
		wish, err := s.order(ctx, tx, h, r)
		if err != nil {
			return err
		}
		o, created, err = order.Create(ctx, tx, wish)
		if err == nil && !created || errors.Is(err, order.ErrHoldTaken) {
			return ErrOrderConflict // the id belongs to another hold's order; undo
		}
		if err != nil {
			return err
		}
		if err := r.save(ctx, tx); err != nil {
			return err
		}
		back, err := s.OrderURL(o.ID, o.Created)
		if err != nil {
			return err
		}
		return payment.Create(ctx, tx, payment.Payment{
			ID: commerce.NewID[commerce.PaymentID](), Order: o.ID, Hold: h.ID, Provider: s.Name, Amount: o.Total, Token: token, Return: back,
		}, s.PayFor)
	})
	return o, created, err
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
	now, known := s.outcome(ctx, o.ID)
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
