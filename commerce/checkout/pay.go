package checkout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/stock"
)

// payTap is one pay tap under way.
type payTap struct {
	PayRequest

	// What was found before anything is written; see look.
	known  bool       // there is an order of this id
	hold   stock.Hold // the zero one: not there, or somebody else's
	banned bool
	quotes delivery.Quotes

	token string // for the provider

	// What has become of it; see begin.
	made    bool
	order   order.Order
	payment payment.Payment
}

// errNotMoved says that a hold cannot be paid now.
var errNotMoved = errors.New("the hold was not set paying")

// look finds what there is to know about pay taps before a card is handed to anybody. begin judges for good.
func (s *Service) look(ctx context.Context, taps []*payTap) []error {
	orders, holds := make([]commerce.OrderID, len(taps)), make([]commerce.HoldID, len(taps))
	for i, t := range taps {
		orders[i], holds[i] = t.Order, t.Hold
	}
	known, found := map[commerce.OrderID]bool{}, make(map[commerce.HoldID]stock.Hold, len(taps))
	err := s.read(ctx, func(batch *pgx.Batch) {
		order.QueueKnown(batch, orders, func(id commerce.OrderID) { known[id] = true })
		stock.QueueFind(batch, holds, func(h stock.Hold) { found[h.ID] = h })
	})
	if err == nil {
		err = s.lookOn(ctx, taps, known, found)
	}
	errs := make([]error, len(taps))
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// lookOn is the second trip, which needs the first one's answers.
func (s *Service) lookOn(ctx context.Context, taps []*payTap, known map[commerce.OrderID]bool, found map[commerce.HoldID]stock.Hold) error {
	buyers := map[commerce.PoolID][]string{}
	var sent []delivery.Order
	var several []commerce.HoldID
	for _, t := range taps {
		t.known = known[t.Order]
		h, ok := found[t.Hold]
		if t.known || !ok || h.Buyer != t.Buyer || t.Buyer == "" || h.Several() && h.Of != h.ID {
			continue
		}
		if t.hold = h; h.Several() {
			several = append(several, h.ID)
		}
		buyers[h.Pool] = append(buyers[h.Pool], h.Buyer)
		sent = append(sent, s.sent(h, t.Delivery))
	}
	if len(sent) == 0 {
		return nil
	}
	type barred struct {
		pool  commerce.PoolID
		buyer string
	}
	out, lines := map[barred]bool{}, map[commerce.HoldID][]stock.Hold{}
	var quotes delivery.Quotes
	if err := s.read(ctx, func(batch *pgx.Batch) {
		for pool, of := range buyers {
			community.Barred(batch, pool, of, func(buyer string) { out[barred{pool, buyer}] = true })
		}
		quotes = delivery.Queue(batch, sent)
		if len(several) > 0 {
			stock.QueueLines(batch, several, func(h stock.Hold) { lines[h.Of] = append(lines[h.Of], h) })
		}
	}); err != nil {
		return err
	}
	for _, t := range taps {
		t.quotes, t.banned = quotes, out[barred{t.hold.Pool, t.Buyer}]
		if t.hold.Several() {
			t.hold = stock.Join(lines[t.hold.ID])
		}
	}
	return nil
}

// payable refuses early.
func (s *Service) payable(t *payTap) error {
	switch h := t.hold; {
	case h.ID.IsZero():
		return fmt.Errorf("%w: hold %s", ErrUnknown, t.Hold)
	case !h.State.Live():
		return ErrGone
	case h.State != stock.Held:
		return ErrOrderConflict
	case t.banned:
		return ErrBanned
	}
	_, err := s.charged(t.quotes, t.hold, t.PayRequest)
	return err
}

// begin commits the row before the call: order pending, hold paying, and a payment that this caller drives. For a tap that
// was made before it answers the order of then.
func (s *Service) begin(ctx context.Context, t *payTap) error {
	err := s.stages.begins.Do(ctx, t)
	if errors.Is(err, errNotMoved) {
		return s.standing(ctx, t)
	}
	return err
}

func (s *Service) beginAll(ctx context.Context, taps []*payTap) []error {
	errs := together(ctx, s.Pool, taps, func(t *payTap) [16]byte { return t.hold.ID }, s.beginTogether)
	for i, t := range taps {
		switch {
		case schema.Violates(errs[i], order.OnePerHold) || schema.Violates(errs[i], order.OnePerID):
			errs[i] = ErrOrderConflict
		case errs[i] == nil && !t.made:
			errs[i] = errNotMoved
		}
	}
	return errs
}

func (s *Service) beginTogether(ctx context.Context, tx pgx.Tx, now time.Time, taps []*payTap) ([]error, error) {
	moved, known, offers, quotes, err := s.pay(ctx, tx, taps)
	if err != nil {
		return nil, err
	}
	errs, bad := make([]error, len(taps)), false
	var orders []order.Order
	var payments []payment.Payment
	batch := &pgx.Batch{}
	for i, t := range taps {
		t.made = false
		h, n := t.lines(moved)
		if n == 0 {
			continue
		}
		if n < 1+len(t.hold.More) { // some of its lines are gone: all stay what they are
			errs[i], bad = errNotMoved, true
			continue
		}
		if known[t.Order] { // the id belongs to another hold's order
			errs[i], bad = ErrOrderConflict, true
			continue
		}
		known[t.Order] = true
		if errs[i] = s.compose(t, now, h, offers, quotes); errs[i] != nil {
			bad = true
			continue
		}
		orders, payments = append(orders, t.order), append(payments, t.payment)
		t.save(batch)
	}
	if bad || len(orders) == 0 {
		return errs, nil
	}
	if err := order.QueueCreate(batch, orders); err != nil {
		return nil, err
	}
	payment.QueueCreate(batch, payments, s.PayFor)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("write %d orders: %w", len(orders), err)
	}
	return nil, nil
}

// pay sets holds paying, and reads which orders are there already and what those that are not are made of.
func (s *Service) pay(ctx context.Context, tx pgx.Tx, taps []*payTap) (
	moved map[commerce.HoldID]stock.Hold, known map[commerce.OrderID]bool, offers map[offerKey]offer, quotes delivery.Quotes, err error,
) {
	var lines []stock.Hold
	keys, orders, sent := map[offerKey]bool{}, make([]commerce.OrderID, len(taps)), make([]delivery.Order, len(taps))
	for i, t := range taps {
		orders[i], sent[i] = t.Order, s.sent(t.hold, t.Delivery)
		for _, line := range t.hold.Lines() {
			lines, keys[offerKey{line.Show, line.Variant}] = append(lines, line), true
		}
	}
	slices.SortFunc(lines, func(a, b stock.Hold) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	ids := schema.Column(lines, func(l *stock.Hold) commerce.HoldID { return l.ID })
	buyers := schema.Column(lines, func(l *stock.Hold) string { return l.Buyer })
	moved, known = make(map[commerce.HoldID]stock.Hold, len(taps)), map[commerce.OrderID]bool{}
	batch := newBatch()
	stock.QueuePay(batch, ids, buyers, func(h stock.Hold) { moved[h.ID] = h })
	order.QueueKnown(batch, orders, func(id commerce.OrderID) { known[id] = true })
	offers, quotes = queueOffers(batch, keys), delivery.Queue(batch, sent)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, nil, nil, nil, fmt.Errorf("pay %d holds: %w", len(taps), err)
	}
	return moved, known, offers, quotes, nil
}

// compose makes the order that a tap asks for, at the costs of now, and its payment.
func (s *Service) compose(t *payTap, now time.Time, h stock.Hold, offers map[offerKey]offer, quotes delivery.Quotes) error {
	lines, err := linesOf(h, offers)
	if err != nil {
		return err
	}
	costs, err := s.charged(quotes, h, t.PayRequest)
	if err != nil {
		return err
	}
	back, err := s.OrderURL(t.Order, now)
	if err != nil {
		return err
	}
	t.order = order.Order{
		ID: t.Order, Hold: h.ID, Show: h.Show, Buyer: t.Buyer, Email: t.Email, Name: t.Name, State: order.Pending, Total: costs.Total, Costs: costs,
		Lines: lines, Created: now, Delivery: &t.Delivery,
	}
	if err := t.order.Valid(); err != nil {
		return err
	}
	t.payment = payment.Begin(payment.Payment{
		ID: commerce.NewID[commerce.PaymentID](), Order: t.Order, Hold: h.ID, Provider: s.Name, Amount: costs.Total, Token: t.token, Return: back,
	})
	t.made = true
	return nil
}

// lines takes the lines of a tap's hold, n of them, out of those that were set paying: a second tap on the same hold comes too late.
func (t *payTap) lines(moved map[commerce.HoldID]stock.Hold) (h stock.Hold, n int) {
	h, ok := moved[t.hold.ID]
	if delete(moved, t.hold.ID); ok {
		n = 1
	}
	if !t.hold.Several() {
		return h, n
	}
	all := []stock.Hold{h}
	for _, line := range t.hold.More {
		if l, ok := moved[line.ID]; ok {
			delete(moved, line.ID)
			all, n = append(all, l), n+1
		}
	}
	return stock.Join(all), n
}

func linesOf(h stock.Hold, offers map[offerKey]offer) ([]order.Line, error) {
	var lines []order.Line
	for _, l := range h.Lines() {
		of, ok := offers[offerKey{l.Show, l.Variant}]
		if !ok {
			return nil, fmt.Errorf("%w: %s", ErrNotSold, l.Variant)
		}
		lines = append(lines, order.Line{Variant: l.Variant, Product: of.product, Title: of.title, Quantity: l.Quantity, Unit: l.Unit, Owner: of.owner})
	}
	return lines, nil
}

// standing finds what a tap stands for whose hold was not set paying by it.
func (s *Service) standing(ctx context.Context, t *payTap) error {
	// Being paid or sold: by this very order when the pay tap came twice at once.
	o, err := order.Get(ctx, s.Pool, t.Order)
	if err == nil && o.Buyer == t.Buyer && o.Hold == t.Hold {
		t.order = o
		return nil
	}
	if err != nil && !errors.Is(err, order.ErrUnknown) {
		return err
	}
	h, err := stock.Find(ctx, s.Pool, t.Hold)
	if err == nil {
		err = h.WhyNot(t.Buyer)
	}
	switch {
	case errors.Is(err, stock.ErrUnknown):
		return fmt.Errorf("%w: hold %s", ErrUnknown, t.Hold)
	case errors.Is(err, stock.ErrGone):
		return ErrGone
	case errors.Is(err, stock.ErrState):
		return ErrOrderConflict
	}
	return err
}
