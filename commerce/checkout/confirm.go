package checkout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/crash"
	"github.com/rialto-live/rialto/commerce/ledger"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/stock"
)

// confirmation is an order that is about to become its buyer's.
type confirmation struct {
	driven
	charge  payment.Charge
	receipt order.Receipt
}

// confirm makes the order the buyer's: payment, order, hold, ledger and the capture, in one transaction with those of
// others who pay now.
func (s *Service) confirm(ctx context.Context, p driven, charge payment.Charge) (receipt string, err error) {
	defer func() { s.count("confirm", err) }()
	c := &confirmation{driven: p, charge: charge}
	err = s.stages.confirms.Do(ctx, c)
	if errors.Is(err, stock.ErrState) {
		err = s.letGo(ctx, p, charge)
	}
	if err != nil {
		return "", err
	}
	crash.Here("checkout.confirmed")
	s.Kick(EffectCaptures, EffectOrderMail, outbox.KindControl)
	return c.receipt.Number, nil
}

func (s *Service) confirmAll(ctx context.Context, all []*confirmation) []error {
	return together(ctx, s.Pool, all, func(c *confirmation) [16]byte { return c.Hold }, s.confirmTogether)
}

func (s *Service) confirmTogether(ctx context.Context, tx pgx.Tx, _ time.Time, all []*confirmation) ([]error, error) {
	errs, creators, err := s.moveToConfirmed(ctx, tx, all)
	if err != nil || errs != nil {
		return errs, err
	}
	sales, effects := make([]ledger.Transaction, len(all)), captureTogether(all)
	var told []string
	for i, c := range all {
		sales[i] = sale(c.Payment, c.receipt, creators[c.receipt.Show])
		if s.Mail.On() {
			effects = append(effects, receiptMail(c.Order))
		}
		if c.alone {
			told = append(told, c.receipt.Buyer)
		}
	}
	batch, posted := &pgx.Batch{}, map[string]bool{}
	err = errors.Join(
		ledger.Queue(batch, sales, func(ref string) { posted[ref] = true }),
		outbox.QueueEffects(batch, effects...), outbox.QueueMe(batch, told...))
	if err == nil {
		err = tx.SendBatch(ctx, batch).Close()
	}
	if err != nil {
		return nil, fmt.Errorf("confirm %d orders: %w", len(all), err)
	}
	for i, t := range sales {
		if posted[t.Ref] {
			continue
		}
		if errs == nil {
			errs = make([]error, len(all))
		}
		errs[i] = ledger.Post(ctx, tx, t) // posted before: the same, or this order cannot be
	}
	return errs, nil
}

// moveToConfirmed moves payments, holds and orders. errs is nil when all of them have moved.
func (s *Service) moveToConfirmed(ctx context.Context, tx pgx.Tx, all []*confirmation) (errs []error, creators map[commerce.ShowID]commerce.AccountID, err error) {
	news, holds, orders := make([]payment.News, len(all)), make([]commerce.HoldID, len(all)), make([]commerce.OrderID, len(all))
	for i, c := range all {
		news[i], holds[i], orders[i] = payment.News{ID: c.ID, Charge: c.charge.ID}, c.Hold, c.Order
	}
	paid, sold, confirmed := make(map[commerce.PaymentID]bool, len(all)), make(map[commerce.HoldID]bool, len(all)), make(map[commerce.OrderID]order.Receipt, len(all))
	batch := newBatch()
	payment.QueueMove(batch, payment.Authorised, news, func(id commerce.PaymentID) { paid[id] = true })
	var several []commerce.HoldID
	stock.QueueSell(batch, holds, func(h stock.Hold) {
		if sold[h.ID] = true; h.Several() {
			several = append(several, h.ID)
		}
	})
	shows := map[commerce.ShowID]bool{}
	order.QueueConfirm(batch, orders, func(r order.Receipt) { confirmed[r.Order], shows[r.Show] = r, true })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, nil, fmt.Errorf("confirm %d orders: %w", len(all), err)
	}
	if creators, err = s.creators.of(ctx, tx, shows); err != nil {
		return nil, nil, err
	}
	if len(several) > 0 {
		whole, err := stock.SellLines(ctx, tx, several)
		if err != nil {
			return nil, nil, err
		}
		maps.Copy(sold, whole)
	}
	bad := false
	errs = make([]error, len(all))
	for i, c := range all {
		switch r, ok := confirmed[c.Order]; {
		case !paid[c.ID]:
			errs[i] = fmt.Errorf("%w: %s to %s", payment.ErrState, c.ID, payment.Authorised)
		case !sold[c.Hold]:
			errs[i] = fmt.Errorf("%w: hold %s to %s", stock.ErrState, c.Hold, stock.Sold)
		case !ok:
			errs[i] = fmt.Errorf("%w: %s to %s", order.ErrState, c.Order, order.Confirmed)
		case creators[r.Show].IsZero():
			errs[i] = fmt.Errorf("%w: order %s is of no show", order.ErrState, c.Order)
		default:
			c.receipt = r
			continue
		}
		bad = true
	}
	if !bad {
		errs = nil
	}
	return errs, creators, nil
}

// letGo is for a payment whose units are gone, by somebody's hand: the money is let go of, never taken and paid back.
func (s *Service) letGo(ctx context.Context, p driven, charge payment.Charge) error {
	return schema.InTx(ctx, s.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		if err := payment.Move(ctx, tx, p.ID, payment.Authorised, payment.News{Charge: charge.ID}); err != nil {
			return err
		}
		if _, err := stock.Sell(ctx, tx, p.Hold); !errors.Is(err, stock.ErrState) {
			return errors.Join(err, fmt.Errorf("the units of hold %s came back; its payment goes on", p.Hold))
		}
		if err := payment.Move(ctx, tx, p.ID, payment.Voiding, payment.News{}); err != nil {
			return err
		}
		if err := s.writeEnded(ctx, tx, p.Payment); err != nil {
			return err
		}
		return outbox.Effect(ctx, tx, EffectVoid, "void:"+p.ID.String(), effect{Payment: p.ID}, time.Time{})
	})
}
