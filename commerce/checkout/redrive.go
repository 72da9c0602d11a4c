package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
)

const (
	// EffectCaptures takes the money of orders that were confirmed together; EffectCapture, which earlier versions wrote, of one.
	// EffectVoid ends a payment that shall not be.
	EffectCaptures = "payment.captures"
	EffectCapture  = "payment.capture"
	EffectVoid     = "payment.void"

	redriveBatch = 64
	atOnce       = 8 // payments that one node asks about at the same time
	awaitPoll    = 50 * time.Millisecond
	awaitFor     = payment.CallTimeout + 2*time.Second

	// lookEvery is how often at most somebody who looks at an order makes us ask its provider.
	lookEvery = time.Second
	lookFor   = 2 * time.Second
)

// effect is the payload of what is about one payment.
type effect struct {
	Payment commerce.PaymentID `json:"payment"`
}

// Handlers is what the outbox's dispatcher needs of checkout.
func (s *Service) Handlers() map[string]outbox.Handler {
	handlers := map[string]outbox.Handler{EffectCaptures: s.capture, EffectCapture: s.capture, EffectVoid: s.voidEffect}
	if s.Mail.On() {
		handlers[EffectOrderMail], handlers[EffectEndedMail] = s.mailReceipt, s.mailEnded
	}
	return handlers
}

// AtOnce is how many effects of a kind the dispatcher shall have this node work on at once; see outbox.Config.
func (s *Service) AtOnce() map[string]int { return map[string]int{EffectCaptures: capturesAtOnce} }

// Run goes on with payments whose driver died or got no answer, and with what payment companies tell, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	var group errgroup.Group
	group.Go(func() error { return s.redrive(ctx) })
	group.Go(func() error { return s.drain(ctx) })
	return group.Wait()
}

func (s *Service) redrive(ctx context.Context) error {
	ticker := time.NewTicker(s.Config.Redrive)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for found := redriveBatch; found == redriveBatch && ctx.Err() == nil; {
			var err error
			if found, err = s.RedriveDue(ctx); err != nil {
				if ctx.Err() == nil {
					s.Log.Warn("some payments are still open", "error", err)
				}
				break
			}
		}
	}
}

// RedriveDue goes on once with each payment that is due, and says how many it found.
func (s *Service) RedriveDue(ctx context.Context) (found int, err error) {
	if !s.Payments() {
		return 0, nil
	}
	due, err := payment.Due(ctx, s.Pool, s.Name, redriveBatch)
	if err != nil {
		return 0, err
	}
	errs := make([]error, len(due))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, id := range due {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := s.drive(ctx, id, true); err != nil && !errors.Is(err, payment.ErrBusy) {
				errs[i] = fmt.Errorf("payment %s: %w", id, err)
			}
			return nil
		})
	}
	_ = group.Wait() // one that fails does not stop the others
	return len(due), errors.Join(errs...)
}

// Look asks about an order that waits for its buyer's bank, because somebody looks at it (they are back, perhaps),
// and answers how it stands. What cannot be found out now stays as it was read; it is asked again soon.
func (s *Service) Look(ctx context.Context, o order.Order) (order.Order, error) {
	if o.State != order.Pending || !s.Payments() {
		return o, nil
	}
	p, err := payment.OfOrder(ctx, s.Pool, o.ID)
	switch {
	case err != nil:
		return order.Order{}, err
	case !p.Waits():
		return o, nil
	}
	if err = s.press(ctx, p, true, lookFor); err != nil && !errors.Is(err, payment.ErrOutcomeUnknown) && !errors.Is(err, ErrPending) {
		s.Log.Warn("an order was looked at, and could not be asked about", "order", o.ID, "error", err)
	}
	return order.Get(ctx, s.Pool, o.ID)
}

// press asks about a payment for somebody who waits for it, or lets them wait for whoever asks already. What has just
// been asked and waits for its buyer is asked again soon instead.
func (s *Service) press(ctx context.Context, p payment.Payment, alone bool, most time.Duration) error {
	if p.State == payment.RequiresAction && p.Quiet < lookEvery {
		return payment.Hurry(ctx, s.Pool, p.ID, lookEvery)
	}
	err := s.drive(ctx, p.ID, alone)
	if errors.Is(err, payment.ErrBusy) {
		return s.await(ctx, p.ID, most)
	}
	return err
}

// await waits for whoever drives a payment just now, at most so long.
func (s *Service) await(ctx context.Context, id commerce.PaymentID, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	ticker := time.NewTicker(awaitPoll)
	defer ticker.Stop()
	for {
		p, err := payment.Get(ctx, s.Pool, id)
		if err != nil {
			return err
		}
		if !p.State.Due() || p.State == payment.Unknown || p.State == payment.RequiresAction {
			return nil
		}
		select {
		case <-ctx.Done():
			return ErrPending
		case <-ticker.C:
		}
	}
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

func (s *Service) subject(ctx context.Context, m outbox.Message) (payment.Payment, error) {
	var e effect
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return payment.Payment{}, outbox.Permanent(fmt.Errorf("effect %s: %w", m.ID, err))
	}
	return payment.Get(ctx, s.Pool, e.Payment)
}

// effectError says whether trying for ever is right: while a provider is away, yes.
func effectError(err error) error {
	if away(err) {
		return outbox.Unavailable(err)
	}
	return err
}

// away says that a provider cannot be asked now, or has not answered.
func away(err error) bool {
	return errors.Is(err, payment.ErrOutcomeUnknown) || errors.Is(err, payment.ErrNotConfigured) || errors.Is(err, payment.ErrBusy)
}
