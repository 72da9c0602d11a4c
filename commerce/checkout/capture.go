package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/crash"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// captureTogetherMost is how many payments one effect is about: at the speed that companies allow their calls end within one try.
	captureTogetherMost = 256
	// capturesAtOnce is how many such effects one node works on at the same time; those whose calls have been answered are
	// noted together.
	capturesAtOnce = 4
	// captureCalls is how many calls are with the company: at three a second each no more than companies allow.
	captureCalls = 32
)

// captures is the payload of EffectCaptures.
type captures struct {
	Payments []commerce.PaymentID `json:"payments"`
}

// captureTogether has the money of orders taken which are confirmed together. A payment is confirmed once, so that the first
// one names them all.
func captureTogether(all []*confirmation) (rows []outbox.EffectRow) {
	for some := range slices.Chunk(all, captureTogetherMost) {
		of := captures{Payments: make([]commerce.PaymentID, len(some))}
		for i, c := range some {
			of.Payments[i] = c.ID
		}
		rows = append(rows, outbox.EffectRow{Kind: EffectCaptures, ID: some[0].CaptureKey(), Payload: of})
	}
	return rows
}

// taking is the money of one confirmed order, on its way.
type taking struct {
	payment  payment.Payment
	captured int64 // in minor units
}

// errNever: no try will take this money.
var errNever = errors.New("it cannot be captured")

// capture is an outbox handler: it takes the money of orders that were confirmed together, of each once. One that fails hurts
// no neighbour: each try goes on with all that is not taken.
func (s *Service) capture(ctx context.Context, m outbox.Message) error {
	var e struct {
		captures
		effect
	}
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return outbox.Permanent(fmt.Errorf("effect %s: %w", m.ID, err))
	}
	ids := e.Payments
	if !e.Payment.IsZero() {
		ids = append(ids, e.Payment)
	}
	var found map[commerce.PaymentID]payment.Payment
	if err := s.read(ctx, func(batch *pgx.Batch) { found = payment.QueueGet(batch, ids) }); err != nil {
		s.count("capture", err)
		return err
	}
	errs := make([]error, len(ids))
	var calls sync.WaitGroup
	for i, id := range ids {
		p, ok := found[id]
		if !ok {
			errs[i] = fmt.Errorf("%w: %s", payment.ErrUnknownPayment, id)
			continue
		}
		calls.Go(func() {
			defer func() {
				if cause := recover(); cause != nil { // a failure like any other
					errs[i] = fmt.Errorf("capture %s panicked: %v\n%s", p.ID, cause, debug.Stack())
				}
				s.count("capture", errs[i])
			}()
			errs[i] = s.capturePayment(ctx, p)
		})
	}
	calls.Wait()
	return captureError(errs)
}

// captureError is what all of them say together: it is put aside for a person when nothing else is left of it, and tried for ever
// while the company of one is away.
func captureError(errs []error) error {
	all, never := errors.Join(errs...), true
	for _, err := range errs {
		if away(err) {
			return outbox.Unavailable(all)
		}
		never = never && (err == nil || errors.Is(err, errNever))
	}
	if all != nil && never {
		return outbox.Permanent(all)
	}
	return all
}

// capturePayment takes the money of one payment, and notes it with those of others.
func (s *Service) capturePayment(ctx context.Context, p payment.Payment) error {
	switch {
	case p.State == payment.Captured:
		return nil
	case p.State != payment.Authorised:
		return fmt.Errorf("%w: %w: %s is %s", errNever, payment.ErrState, p.ID, p.State)
	case p.Provider != s.Name:
		return p.Elsewhere()
	}
	charge, err := s.takeMoney(ctx, p)
	if err != nil {
		return fmt.Errorf("capture %s: %w", p.ID, err)
	}
	crash.Here("checkout.capture_called")
	if charge.Captured != p.Amount.Minor {
		return fmt.Errorf("%w: %w: %d of %v was captured of %s", errNever, payment.ErrRejected, charge.Captured, p.Amount, p.ID)
	}
	err = s.stages.marks.Do(ctx, &taking{payment: p, captured: charge.Captured})
	if errors.Is(err, payment.ErrState) {
		return nil // another dispatcher was faster
	}
	if err == nil {
		crash.Here("checkout.captured")
		s.Kick(outbox.KindControl)
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

func (s *Service) markAll(ctx context.Context, all []*taking) []error {
	return together(ctx, s.Pool, all, func(t *taking) [16]byte { return t.payment.Hold }, s.markTogether)
}

// markTogether notes that money was taken, of payments and of their orders.
func (s *Service) markTogether(ctx context.Context, tx pgx.Tx, _ time.Time, all []*taking) ([]error, error) {
	news, orders, errs := make([]payment.News, len(all)), make([]commerce.OrderID, len(all)), make([]error, len(all))
	for i, t := range all {
		news[i], orders[i] = payment.News{ID: t.payment.ID, Captured: t.captured}, t.payment.Order
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
		case !paid[t.payment.ID]:
			errs[i] = fmt.Errorf("%w: %s to %s", payment.ErrState, t.payment.ID, payment.Captured)
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

// uncaptured counts the payments whose money has been reserved for longer than that and is not taken, and says since when the
// oldest is. Their captures are in the outbox until they are done, also when they have been put aside.
func uncaptured(ctx context.Context, q schema.Querier, longer time.Duration) (n int, oldest time.Duration, err error) {
	var ms int64
	err = q.QueryRow(ctx, `
		with waiting as (
			select payload, created_at from outbox where lane = 'effect' and kind = any($2) and done_at is null and parked_at is null
			union all
			select payload, created_at from outbox where lane = 'effect' and kind = any($2) and parked_at is not null),
		each as (
			select json_array_elements_text(payload -> 'payments') as id, created_at from waiting
			union all
			select payload ->> 'payment', created_at from waiting)
		select count(*), coalesce((extract(epoch from now() - min(each.created_at)) * 1000)::bigint, 0)
		from each join payment p on p.id = replace(each.id, 'pay_', '')::uuid and p.state = 'authorised'
		where each.created_at < now() - $1::interval`, longer, []string{EffectCaptures, EffectCapture}).Scan(&n, &ms)
	if err != nil {
		return 0, 0, fmt.Errorf("uncaptured payments: %w", err)
	}
	return n, time.Duration(ms) * time.Millisecond, nil
}
