package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/crash"
	"github.com/rialto-live/rialto/commerce/gather"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/stock"
)

// drive claims a payment and makes the call that it waits for.
func (s *Service) drive(ctx context.Context, id commerce.PaymentID, alone bool) error {
	var p driven
	err := schema.InTx(ctx, s.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) (err error) {
		var before payment.Payment
		if p.Payment, before, err = payment.Drive(ctx, tx, id, s.Name); err != nil {
			return err
		}
		// Whoever had to confirm elsewhere may come back to another page than the one that asks.
		if p.alone = alone || before.Waits(); before.Waits() && !p.Waits() {
			if err := s.writeEnded(ctx, tx, before); err != nil {
				return err
			}
			return p.changed(ctx, tx)
		}
		return nil
	})
	if errors.Is(err, payment.ErrState) {
		return nil // its outcome is known
	}
	if err != nil {
		s.count("drive", err)
		return err
	}
	_, err = s.settle(ctx, p)
	return err
}

// settle makes the call for a payment that this caller drives, and commits what came of it. receipt is that of an order
// which was confirmed just now.
func (s *Service) settle(ctx context.Context, p driven) (receipt string, err error) {
	defer func() { s.count("drive", err) }()
	// From here the payment is ours alone for payment.DriveFor; what is begun is finished even when the buyer
	// closes the page.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), payment.DriveFor-payment.CallTimeout/2)
	defer cancel()
	crash.Here("checkout.driven")
	if p.State == payment.Voiding {
		return "", s.void(ctx, p)
	}
	charge, err := s.ask(ctx, p.Payment)
	switch {
	case errors.Is(err, payment.ErrRejected):
		// The provider will never do it, whatever we repeat: end it like a decline, but make sure first.
		return "", s.reject(ctx, p, err)
	case err != nil:
		return "", errors.Join(err, s.move(ctx, p.ID, payment.Unknown, payment.News{}))
	}
	switch charge.Status {
	case payment.ChargeAuthorised, payment.ChargeCaptured:
		if charge.Amount != p.Amount {
			return "", s.reject(ctx, p, fmt.Errorf("%w: it authorised %v of %v", payment.ErrRejected, charge.Amount, p.Amount))
		}
		crash.Here("checkout.authorised")
		return s.confirm(ctx, p, charge)
	case payment.ChargeRequiresAction:
		return "", s.wait(ctx, p, charge)
	case payment.ChargeDeclined:
		return "", s.decline(ctx, p, charge)
	case payment.ChargeVoided:
		return "", s.end(ctx, p, charge, payment.Voiding)
	}
	err = fmt.Errorf("%w: charge %s is %q", payment.ErrOutcomeUnknown, charge.ID, charge.Status)
	return "", errors.Join(err, s.move(ctx, p.ID, payment.Unknown, payment.News{Charge: charge.ID}))
}

// driven is a payment that this caller drives. alone: the buyer waits for no answer, so that their pages are told.
type driven struct {
	payment.Payment
	alone bool
}

// tell writes that the buyer's document changes, when no answer tells them.
func (p driven) tell(ctx context.Context, tx pgx.Tx, buyer string) error {
	if !p.alone {
		return nil
	}
	return outbox.Me(ctx, tx, buyer)
}

// changed writes that an order reads differently although its own state is the same.
func (p driven) changed(ctx context.Context, tx pgx.Tx) error {
	buyer, err := order.Touch(ctx, tx, p.Order)
	if err != nil {
		return err
	}
	return p.tell(ctx, tx, buyer)
}

// ask authorises, or finds out what an earlier try that had no answer has done. The key is the same always.
func (s *Service) ask(ctx context.Context, p payment.Payment) (payment.Charge, error) {
	if p.Charge != "" {
		charge, err := s.Provider.Get(ctx, p.Charge)
		if !errors.Is(err, payment.ErrNotFound) {
			return charge, err
		}
	}
	if p.Attempts > 1 {
		charge, err := s.Provider.FindByReference(ctx, p.Reference())
		if !errors.Is(err, payment.ErrNotFound) {
			return charge, err
		}
	}
	return s.Provider.Authorise(ctx, p.Authorisation())
}

// wait commits that the buyer has to confirm at their bank. The units are theirs meanwhile, until the pay deadline.
func (s *Service) wait(ctx context.Context, p driven, charge payment.Charge) (err error) {
	defer func() { s.count("wait", err) }()
	if charge.Action == "" {
		err := fmt.Errorf("%w: %s waits for its buyer, and nobody says where", payment.ErrOutcomeUnknown, charge.ID)
		return errors.Join(err, s.move(ctx, p.ID, payment.Unknown, payment.News{Charge: charge.ID}))
	}
	err = schema.InTx(ctx, s.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		if err := payment.Move(ctx, tx, p.ID, payment.RequiresAction, payment.News{Charge: charge.ID, Action: charge.Action}); err != nil {
			return err
		}
		if charge.Action == p.Action {
			return nil
		}
		return p.changed(ctx, tx)
	})
	if err != nil {
		return err
	}
	crash.Here("checkout.waits")
	if p.alone {
		s.Kick(outbox.KindControl)
	}
	return nil
}

// decline ends the try and leaves the units with the buyer for another card.
func (s *Service) decline(ctx context.Context, p driven, charge payment.Charge) (err error) {
	defer func() { s.count("decline", err) }()
	var h stock.Hold
	err = schema.InTx(ctx, s.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) (err error) {
		if err := payment.Move(ctx, tx, p.ID, payment.Failed, payment.News{Charge: charge.ID, Decline: charge.Decline}); err != nil {
			return err
		}
		if err := order.Move(ctx, tx, p.Order, order.Cancelled); err != nil {
			return err
		}
		h, err = stock.Unpay(ctx, tx, p.Hold)
		if errors.Is(err, stock.ErrState) { // the units went before the payment, by somebody's hand: none are left to keep
			h, err = stock.Find(ctx, tx, p.Hold)
		}
		if err != nil {
			return err
		}
		return p.tell(ctx, tx, h.Buyer)
	})
	if err != nil {
		return err
	}
	crash.Here("checkout.declined")
	if h.State != stock.Held {
		return nil
	}
	if err := s.Stock.Lapses(ctx, h); err != nil {
		s.Log.Warn("the gate was not told a deadline", "hold", h.ID, "error", err) // the sweep sees to it
	}
	return nil
}

// void ends a payment for good at the provider, and only then gives its units back: as long as money could
// still be taken for them they are the buyer's.
func (s *Service) void(ctx context.Context, p driven) (err error) {
	defer func() { s.count("void", err) }()
	charge, err := s.Provider.Void(ctx, p.Authorisation())
	if errors.Is(err, payment.ErrRejected) {
		charge, err = s.giveBack(ctx, p, err)
	}
	if err != nil {
		return errors.Join(err, payment.Rest(ctx, s.Pool, p.ID))
	}
	if charge.Status != payment.ChargeVoided && charge.Status != payment.ChargeDeclined {
		return errors.Join(fmt.Errorf("%w: a voided charge is %s", payment.ErrRejected, charge.Status), payment.Rest(ctx, s.Pool, p.ID))
	}
	crash.Here("checkout.void_called")
	return s.end(ctx, p, charge, "")
}

// giveBack is for a method that takes the money at once, which no void can end: money taken for an order that will
// never be goes back whole, once. why is what the void was refused with.
func (s *Service) giveBack(ctx context.Context, p driven, why error) (payment.Charge, error) {
	charge, err := s.find(ctx, p.Payment)
	if err != nil || charge.Status != payment.ChargeCaptured {
		return charge, errors.Join(why, err)
	}
	if charge.Refunded < charge.Captured {
		whole := money.Amount{Minor: charge.Captured, Currency: charge.Amount.Currency}
		if charge, err = s.Provider.Refund(ctx, charge.ID, whole, "back:"+p.ID.String()); err != nil {
			return charge, err
		}
		s.Log.Warn("money was taken for an order that will never be, and has gone back", "payment", p.ID, "order", p.Order)
	}
	if charge.Refunded != charge.Captured {
		return charge, fmt.Errorf("%w: %d of %d went back", payment.ErrRejected, charge.Refunded, charge.Captured)
	}
	charge.Status = payment.ChargeVoided
	return charge, nil
}

// reject ends a payment that the provider refuses to make. The void makes sure that nothing was reserved.
func (s *Service) reject(ctx context.Context, p driven, why error) error {
	s.Log.Error("the provider refused a payment", "payment", p.ID, "error", why)
	if err := s.move(ctx, p.ID, payment.Voiding, payment.News{Decline: "rejected"}); err != nil {
		return err
	}
	return s.void(ctx, p)
}

// end commits that a payment can take no money: order cancelled, units free. first is a step on the way to
// voided that the payment has not made yet.
func (s *Service) end(ctx context.Context, p driven, charge payment.Charge, first payment.State) error {
	var back []stock.Returned
	err := schema.InTx(ctx, s.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		back = nil
		if first != "" {
			if err := payment.Move(ctx, tx, p.ID, first, payment.News{Charge: charge.ID}); err != nil {
				return err
			}
			if err := s.writeEnded(ctx, tx, p.Payment); err != nil {
				return err
			}
		}
		if err := payment.Move(ctx, tx, p.ID, payment.Voided, payment.News{Charge: charge.ID}); err != nil {
			return err
		}
		if err := order.Move(ctx, tx, p.Order, order.Cancelled); err != nil {
			return err
		}
		o, err := order.Get(ctx, tx, p.Order)
		if err != nil {
			return err
		}
		back, err = stock.Free(ctx, tx, p.Hold, stock.Paying)
		if err != nil && !errors.Is(err, stock.ErrState) { // the units may have gone before the payment
			return err
		}
		return p.tell(ctx, tx, o.Buyer)
	})
	if err != nil {
		return err
	}
	s.Stock.GiveBack(back...)
	s.Kick()
	return nil
}

func (s *Service) move(ctx context.Context, id commerce.PaymentID, to payment.State, n payment.News) error {
	return schema.InTx(ctx, s.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		return payment.Move(ctx, tx, id, to, n)
	})
}

// pending hides which way an outcome is not known yet; what is an answer stays one.
func pending(err error) error {
	if errors.Is(err, payment.ErrOutcomeUnknown) || errors.Is(err, payment.ErrBusy) || errors.Is(err, gather.ErrCrowded) || errors.Is(err, gather.ErrUnanswered) {
		return fmt.Errorf("%w: %w", ErrPending, err)
	}
	return err
}
