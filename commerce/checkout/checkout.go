package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/ledger"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
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
	case err != nil:
		return Held{}, err
	}
	if err := s.allowed(ctx, h); err != nil {
		return Held{}, err
	}
	return s.held(ctx, h)
}

// allowed is asked of winners only, so that a losing tap reads nothing. Whoever is banned gives back at once.
func (s *Service) allowed(ctx context.Context, h stock.Hold) error {
	err := community.Check(ctx, s.Pool, h.Show, h.Buyer)
	if !errors.Is(err, community.ErrBanned) {
		return err
	}
	if _, err := s.Stock.Release(ctx, h.ID, h.Buyer); err != nil && !errors.Is(err, stock.ErrState) {
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
}

// Pay pays a hold, or repeats what became of this order id. created is false for a repetition. Errors:
// *DeclinedError, payment.ErrCardInvalid, ErrNotConfigured, ErrGone, ErrOrderConflict, ErrPending, ErrUnknown,
// ErrBanned, order.ErrEmail, order.ErrName.
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
	if err := s.payable(ctx, r); err != nil {
		if errors.Is(err, ErrOrderConflict) {
			// Being paid: by this very order when the pay tap came twice at once.
			if o, known, again := s.repeated(ctx, r); known || again != nil {
				return o, false, again
			}
		}
		return order.Order{}, false, err
	}
	token, err := s.Vault.Tokenise(ctx, r.Card)
	if err != nil {
		return order.Order{}, false, pending(err)
	}
	o, created, err := s.begin(ctx, r, token)
	if err != nil {
		return order.Order{}, false, err
	}
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
	return community.Check(ctx, s.Pool, h.Show, r.Buyer)
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
		of, err := readOffer(ctx, tx, offerKey{h.Show, h.Variant})
		if err != nil {
			return err
		}
		o, created, err = order.Create(ctx, tx, order.Order{
			ID: r.Order, Hold: h.ID, Show: h.Show, Buyer: r.Buyer, Email: r.Email, Name: r.Name,
			Lines: []order.Line{{Variant: h.Variant, Product: of.product, Title: of.title, Quantity: h.Quantity, Unit: h.Unit}},
		})
		if err == nil && !created || errors.Is(err, order.ErrHoldTaken) {
			return ErrOrderConflict // the id belongs to another hold's order; undo
		}
		if err != nil {
			return err
		}
		return payment.Create(ctx, tx, payment.Payment{
			ID: commerce.NewID[commerce.PaymentID](), Order: o.ID, Hold: h.ID, Provider: s.Name, Amount: o.Total, Token: token,
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
	if p.State.Open() || p.State == payment.Voiding {
		err := s.drive(ctx, p.ID, false)
		if errors.Is(err, payment.ErrBusy) {
			err = s.await(ctx, p.ID)
		}
		if err != nil {
			return order.Order{}, pending(err)
		}
	}
	return s.outcome(ctx, o.ID)
}

// outcome reads what became of an order.
func (s *Service) outcome(ctx context.Context, id commerce.OrderID) (order.Order, error) {
	o, err := order.Get(ctx, s.Pool, id)
	if err != nil {
		return order.Order{}, err
	}
	switch o.State {
	case order.Pending, order.Authorised:
		return o, ErrPending
	case order.Cancelled:
	default:
		return o, nil
	}
	p, err := payment.OfOrder(ctx, s.Pool, id)
	if err != nil {
		return order.Order{}, err
	}
	if p.State != payment.Failed {
		return o, ErrGone // voided: the deadline passed before the money came
	}
	h, err := stock.Find(ctx, s.Pool, o.Hold)
	if err != nil {
		return order.Order{}, err
	}
	return o, &DeclinedError{Reason: p.Decline, Expires: h.Expires, Left: h.Left}
}

// drive makes the call that a payment waits for, and commits what came of it.
func (s *Service) drive(ctx context.Context, id commerce.PaymentID, alone bool) (err error) {
	defer func() { s.count("drive", err) }()
	p := driven{alone: alone}
	err = schema.InTx(ctx, s.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) (err error) {
		p.Payment, _, err = payment.Drive(ctx, tx, id)
		return err
	})
	if errors.Is(err, payment.ErrState) {
		return nil // its outcome is known
	}
	if err != nil {
		return err
	}
	// From here the payment is ours alone for payment.DriveFor; what is begun is finished even when the buyer
	// closes the page.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), payment.DriveFor-payment.CallTimeout/2)
	defer cancel()
	if p.State == payment.Voiding {
		return s.void(ctx, p)
	}
	charge, err := s.ask(ctx, p.Payment)
	switch {
	case errors.Is(err, payment.ErrRejected):
		// The provider will never do it, whatever we repeat: end it like a decline, but make sure first.
		return s.reject(ctx, p, err)
	case err != nil:
		return errors.Join(err, s.move(ctx, p.ID, payment.Unknown, payment.News{}))
	}
	switch charge.Status {
	case payment.ChargeAuthorised, payment.ChargeCaptured:
		return s.confirm(ctx, p, charge)
	case payment.ChargeDeclined:
		return s.decline(ctx, p, charge)
	}
	return s.end(ctx, p, charge, payment.Voiding)
}

// ask authorises, or finds out what an earlier try that had no answer has done. The key is the same always.
func (s *Service) ask(ctx context.Context, p payment.Payment) (payment.Charge, error) {
	if p.Attempts > 1 {
		charge, err := s.Provider.FindByReference(ctx, p.Reference())
		if !errors.Is(err, payment.ErrNotFound) {
			return charge, err
		}
	}
	return s.Provider.Authorise(ctx, p.Authorisation())
}

// confirm makes the order the buyer's: payment, order, hold, ledger and the capture, in one transaction.
func (s *Service) confirm(ctx context.Context, p driven, charge payment.Charge) (err error) {
	defer func() { s.count("confirm", err) }()
	err = schema.InTx(ctx, s.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		if err := payment.Move(ctx, tx, p.ID, payment.Authorised, payment.News{Charge: charge.ID}); err != nil {
			return err
		}
		h, err := stock.Sell(ctx, tx, p.Hold)
		if errors.Is(err, stock.ErrState) {
			// The units are gone, by somebody's hand: the money is let go of, never taken and paid back.
			if err := payment.Move(ctx, tx, p.ID, payment.Voiding, payment.News{}); err != nil {
				return err
			}
			return outbox.Effect(ctx, tx, EffectVoid, "void:"+p.ID.String(), effect{Payment: p.ID}, time.Time{})
		}
		if err != nil {
			return err
		}
		if err := order.Confirm(ctx, tx, p.Order); err != nil {
			return err
		}
		sale, err := s.sale(ctx, tx, h, p.Payment)
		if err != nil {
			return err
		}
		if err := ledger.Post(ctx, tx, sale); err != nil {
			return err
		}
		if err := p.tell(ctx, tx, h.Buyer); err != nil {
			return err
		}
		return outbox.Effect(ctx, tx, EffectCapture, p.CaptureKey(), effect{Payment: p.ID}, time.Time{})
	})
	if err != nil {
		return err
	}
	s.Kick()
	return nil
}

// decline ends the try and leaves the units with the buyer for another card.
func (s *Service) decline(ctx context.Context, p driven, charge payment.Charge) (err error) {
	defer func() { s.count("decline", err) }()
	var h stock.Hold
	err = schema.InTx(ctx, s.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		if err := payment.Move(ctx, tx, p.ID, payment.Failed, payment.News{Charge: charge.ID, Decline: charge.Decline}); err != nil {
			return err
		}
		if err := order.Move(ctx, tx, p.Order, order.Cancelled); err != nil {
			return err
		}
		var err error
		if h, err = stock.Unpay(ctx, tx, p.Hold); err != nil {
			return err
		}
		return p.tell(ctx, tx, h.Buyer)
	})
	if err != nil {
		return err
	}
	if err := s.Stock.Lapses(ctx, h); err != nil {
		s.Log.Warn("the gate was not told a deadline", "hold", h.ID, "error", err) // the sweep sees to it
	}
	return nil
}
