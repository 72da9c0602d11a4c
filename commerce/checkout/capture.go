package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/crash"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
)

const (
	// CapturesAtOnce is how many captures one node works on at the same time; those whose calls have been answered are noted
	// together.
	CapturesAtOnce = 128
	// captureCalls is how many of them are with the company: at three a second each no more than companies allow.
	captureCalls = 32
)

// taking is the money of one confirmed order, on its way.
type taking struct {
	id       commerce.PaymentID
	payment  payment.Payment // once read
	captured int64           // once taken, in minor units
}

// capture is an outbox handler: it takes the money of a confirmed order, once.
func (s *Service) capture(ctx context.Context, m outbox.Message) (err error) {
	defer func() { s.count("capture", err) }()
	var e effect
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return outbox.Permanent(fmt.Errorf("effect %s: %w", m.ID, err))
	}
	t := &taking{id: e.Payment}
	if err := s.stages.reads.Do(ctx, t); err != nil {
		return err
	}
	p := t.payment
	if p.State == payment.Captured {
		return nil
	}
	if p.State != payment.Authorised {
		return outbox.Permanent(fmt.Errorf("%w: capture of a payment that is %s", payment.ErrState, p.State))
	}
	if p.Provider != s.Name {
		return effectError(p.Elsewhere())
	}
	charge, err := s.takeMoney(ctx, p)
	if err != nil {
		return effectError(err)
	}
	crash.Here("checkout.capture_called")
	if charge.Captured != p.Amount.Minor {
		return outbox.Permanent(fmt.Errorf("%w: captured %d of %v", payment.ErrRejected, charge.Captured, p.Amount))
	}
	t.captured = charge.Captured
	err = s.stages.marks.Do(ctx, t)
	if errors.Is(err, payment.ErrState) {
		return nil // another dispatcher was faster
	}
	if err == nil {
		crash.Here("checkout.captured")
		s.Kick()
	}
	return err
}

// takeMoney makes the call.
func (s *Service) takeMoney(ctx context.Context, p payment.Payment) (payment.Charge, error) {
	select {
	case s.calls <- struct{}{}:
	case <-ctx.Done():
		return payment.Charge{}, fmt.Errorf("%w: it was not asked: %w", payment.ErrOutcomeUnknown, context.Cause(ctx))
	}
	defer func() { <-s.calls }()
	charge, err := s.Provider.Capture(ctx, p.Charge, p.Amount, p.CaptureKey())
	if errors.Is(err, payment.ErrRejected) {
		// A method that takes the money at once knows no capture: what is taken is taken.
		if now, findErr := s.find(ctx, p); findErr == nil && now.Captured == p.Amount.Minor && now.Refunded == 0 {
			return now, nil
		}
	}
	return charge, err
}

// readAll reads the payments whose money shall be taken.
func (s *Service) readAll(ctx context.Context, all []*taking) []error {
	ids, errs := make([]commerce.PaymentID, len(all)), make([]error, len(all))
	for i, t := range all {
		ids[i] = t.id
	}
	var found map[commerce.PaymentID]payment.Payment
	err := s.read(ctx, func(batch *pgx.Batch) { found = payment.QueueGet(batch, ids) })
	for i, t := range all {
		p, ok := found[t.id]
		if errs[i] = err; err == nil && !ok {
			errs[i] = payment.ErrUnknownPayment
		}
		t.payment = p
	}
	return errs
}

func (s *Service) markAll(ctx context.Context, all []*taking) []error {
	return together(ctx, s.Pool, all, func(t *taking) [16]byte { return t.payment.Hold }, s.markTogether)
}

// markTogether notes that money was taken, of payments and of their orders.
func (s *Service) markTogether(ctx context.Context, tx pgx.Tx, _ time.Time, all []*taking) ([]error, error) {
	news, orders, errs := make([]payment.News, len(all)), make([]commerce.OrderID, len(all)), make([]error, len(all))
	for i, t := range all {
		news[i], orders[i] = payment.News{ID: t.id, Captured: t.captured}, t.payment.Order
	}
	paid, buyers := make(map[commerce.PaymentID]bool, len(all)), make(map[commerce.OrderID]string, len(all))
	batch := newBatch()
	payment.QueueMove(batch, payment.Captured, news, func(id commerce.PaymentID) { paid[id] = true })
	err := order.QueueMove(batch, orders, order.Captured, func(id commerce.OrderID, buyer string) { buyers[id] = buyer })
	if err == nil {
		err = tx.SendBatch(ctx, batch).Close()
	}
	if err != nil {
		return nil, fmt.Errorf("note %d captures: %w", len(all), err)
	}
	bad, told := false, make([]string, 0, len(all))
	for i, t := range all {
		buyer, ok := buyers[t.payment.Order]
		switch {
		case !paid[t.id]:
			errs[i] = fmt.Errorf("%w: %s to %s", payment.ErrState, t.id, payment.Captured)
		case !ok:
			errs[i] = fmt.Errorf("%w: %s to %s", order.ErrState, t.payment.Order, order.Captured)
		}
		bad, told = bad || errs[i] != nil, append(told, buyer)
	}
	if bad {
		return errs, nil
	}
	return nil, outbox.Me(ctx, tx, told...)
}
