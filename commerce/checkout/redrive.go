package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/stock"
)

const (
	// EffectCapture takes the money of a confirmed order; EffectVoid ends a payment that shall not be.
	EffectCapture = "payment.capture"
	EffectVoid    = "payment.void"

	redriveBatch = 32
	awaitPoll    = 50 * time.Millisecond
	awaitFor     = payment.CallTimeout + 2*time.Second
)

// effect is the payload of both.
type effect struct {
	Payment commerce.PaymentID `json:"payment"`
}

// Handlers is what the outbox's dispatcher needs of checkout.
func (s *Service) Handlers() map[string]outbox.Handler {
	return map[string]outbox.Handler{EffectCapture: s.capture, EffectVoid: s.voidEffect}
}

// Run goes on with payments whose driver died or got no answer, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(s.Config.Redrive)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if _, err := s.RedriveDue(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("some payments are still open", "error", err)
		}
	}
}

// RedriveDue goes on once with each payment that is due, and says how many it found.
func (s *Service) RedriveDue(ctx context.Context) (found int, err error) {
	if !s.Payments() {
		return 0, nil
	}
	due, err := payment.Due(ctx, s.Pool, redriveBatch)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, id := range due {
		if ctx.Err() != nil {
			break
		}
		if err := s.drive(ctx, id, true); err != nil && !errors.Is(err, payment.ErrBusy) {
			errs = append(errs, fmt.Errorf("payment %s: %w", id, err))
		}
	}
	return len(due), errors.Join(errs...)
}

// await waits for whoever drives a payment just now.
func (s *Service) await(ctx context.Context, id commerce.PaymentID) error {
	ctx, cancel := context.WithTimeout(ctx, awaitFor)
	defer cancel()
	ticker := time.NewTicker(awaitPoll)
	defer ticker.Stop()
	for {
		p, err := payment.Get(ctx, s.Pool, id)
		if err != nil {
			return err
		}
		if !p.State.Open() && p.State != payment.Voiding || p.State == payment.Unknown {
			return nil
		}
		select {
		case <-ctx.Done():
			return ErrPending
		case <-ticker.C:
		}
	}
}

// void ends a payment for good at the provider, and only then gives its units back: as long as money could
// still be taken for them they are the buyer's.
func (s *Service) void(ctx context.Context, p driven) (err error) {
	defer func() { s.count("void", err) }()
	charge, err := s.Provider.Void(ctx, p.Authorisation())
	if err != nil {
		return errors.Join(err, payment.Rest(ctx, s.Pool, p.ID))
	}
	if charge.Status != payment.ChargeVoided && charge.Status != payment.ChargeDeclined {
		return errors.Join(fmt.Errorf("%w: a voided charge is %s", payment.ErrRejected, charge.Status), payment.Rest(ctx, s.Pool, p.ID))
	}
	return s.end(ctx, p, charge, "")
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
	var back stock.Returned
	err := schema.InTx(ctx, s.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		back = stock.Returned{}
		if first != "" {
			if err := payment.Move(ctx, tx, p.ID, first, payment.News{Charge: charge.ID}); err != nil {
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
		_, back, err = stock.Free(ctx, tx, p.Hold, stock.Paying)
		if err != nil && !errors.Is(err, stock.ErrState) { // the units may have gone before the payment
			return err
		}
		return p.tell(ctx, tx, o.Buyer)
	})
	if err != nil {
		return err
	}
	s.Stock.GiveBack(back)
	s.Kick()
	return nil
}

// capture is an outbox handler: it takes the money of a confirmed order, once.
func (s *Service) capture(ctx context.Context, m outbox.Message) (err error) {
	defer func() { s.count("capture", err) }()
	p, err := s.subject(ctx, m)
	if err != nil || p.State == payment.Captured {
		return err
	}
	if p.State != payment.Authorised {
		return outbox.Permanent(fmt.Errorf("%w: capture of a payment that is %s", payment.ErrState, p.State))
	}
	charge, err := s.Provider.Capture(ctx, p.Charge, p.Amount, p.CaptureKey())
	if err != nil {
		return effectError(err)
	}
	if charge.Captured != p.Amount.Minor {
		return outbox.Permanent(fmt.Errorf("%w: captured %d of %v", payment.ErrRejected, charge.Captured, p.Amount))
	}
	err = schema.InTx(ctx, s.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		if err := payment.Move(ctx, tx, p.ID, payment.Captured, payment.News{Captured: charge.Captured}); err != nil {
			return err
		}
		if err := order.Move(ctx, tx, p.Order, order.Captured); err != nil {
			return err
		}
		o, err := order.Get(ctx, tx, p.Order)
		if err != nil {
			return err
		}
		return outbox.Me(ctx, tx, o.Buyer)
	})
	if errors.Is(err, payment.ErrState) {
		return nil // another dispatcher was faster
	}
	return err
}

// voidEffect is an outbox handler: it ends a payment that is voiding.
func (s *Service) voidEffect(ctx context.Context, m outbox.Message) error {
	p, err := s.subject(ctx, m)
	if err != nil || p.State == payment.Voided {
		return err
	}
	if err := s.drive(ctx, p.ID, true); err != nil {
		return effectError(err)
	}
	return nil
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

func (s *Service) subject(ctx context.Context, m outbox.Message) (payment.Payment, error) {
	var e effect
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return payment.Payment{}, outbox.Permanent(fmt.Errorf("effect %s: %w", m.ID, err))
	}
	return payment.Get(ctx, s.Pool, e.Payment)
}

// effectError says whether trying for ever is right: while a provider is away, yes.
func effectError(err error) error {
	if errors.Is(err, payment.ErrOutcomeUnknown) || errors.Is(err, payment.ErrNotConfigured) || errors.Is(err, payment.ErrBusy) {
		return outbox.Unavailable(err)
	}
	return err
}

func (s *Service) move(ctx context.Context, id commerce.PaymentID, to payment.State, n payment.News) error {
	return schema.InTx(ctx, s.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		return payment.Move(ctx, tx, id, to, n)
	})
}

// pending hides which way an outcome is not known yet; what is an answer stays one.
func pending(err error) error {
	if errors.Is(err, payment.ErrOutcomeUnknown) || errors.Is(err, payment.ErrBusy) {
		return fmt.Errorf("%w: %w", ErrPending, err)
	}
	return err
}
