package checkout

import (
	"errors"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/stock"
)

// waiting is an order that its buyer has to confirm at their bank.
func (w *world) waiting(s *Service, h Held) (PayRequest, payment.Payment) {
	w.t.Helper()
	r := payFor(h, asks)
	if o := w.paid(s, r); o.State != order.Pending || o.Receipt != "" {
		w.t.Fatalf("%+v", o)
	}
	w.expect(r.Order, "pending requires_action paying")
	p := w.payment(r.Order)
	if !p.Waits() || p.Token != "" || p.Charge == "" {
		w.t.Fatalf("%+v", p)
	}
	return r, p
}

func (w *world) payment(id commerce.OrderID) payment.Payment {
	w.t.Helper()
	p, err := payment.OfOrder(w.t.Context(), w.db, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// quiet lets the second pass in which nobody is asked again.
func (w *world) quiet(id commerce.PaymentID) {
	w.t.Helper()
	w.exec(`update payment set changed_at = changed_at - interval '2 seconds' where id = $1`, id)
}

// told counts what the pages of a buyer were told.
func (w *world) told(buyer string) int {
	w.t.Helper()
	return w.count(`select count(*) from outbox where lane = 'control' and payload->'people'->0->>'subject' = $1`, buyer)
}

func (w *world) look(s *Service, id commerce.OrderID) order.Order {
	w.t.Helper()
	o, err := order.Get(w.t.Context(), w.db, id)
	if err == nil {
		o, err = s.Look(w.t.Context(), o)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

func (w *world) mine(s *Service, buyer string) Mine {
	w.t.Helper()
	m, err := s.Mine(w.t.Context(), buyer)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// The buyer comes back from their bank, and the page that they come back to learns at once: no webhook is needed.
func TestBuyerConfirmsAndComesBack(t *testing.T) {
	w, b := newWorld(t, 1), newBank()
	s := w.service(b.with())
	h := w.hold(s, "gst_a")
	before := w.mine(s, "gst_a").Version
	r, p := w.waiting(s, h)
	m := w.mine(s, "gst_a")
	if m.Version <= before || len(m.Orders) != 1 || m.Payments[r.Order].Action != p.Action || len(m.Holds) != 1 {
		t.Fatalf("%+v", m)
	}
	if back := b.wishes[0].Return; back != "https://shop.example/orders/"+r.Order.String() {
		t.Fatalf("the way back is %q", back)
	}

	b.settle(p.Reference(), payment.ChargeAuthorised)
	if o := w.look(s, r.Order); o.State != order.Pending { // it has just been asked
		t.Fatalf("%+v", o)
	}
	if n := w.count(`select count(*) from payment where next_at <= now() + $1::interval`, lookEvery); n != 1 {
		t.Fatal("somebody looked, and nobody hurries")
	}
	w.quiet(p.ID)
	if o := w.look(s, r.Order); o.State != order.Confirmed || o.Receipt == "" {
		t.Fatalf("%+v", o)
	}
	w.expect(r.Order, "confirmed authorised sold")
	if w.told("gst_a") != 1 {
		t.Error("the buyer's other pages were not told")
	}
	if after := w.payment(r.Order); after.Action != "" || after.Return != "" {
		t.Errorf("%+v", after)
	}
	if now := w.mine(s, "gst_a"); now.Version <= m.Version {
		t.Errorf("version %d after %d", now.Version, m.Version)
	}
	w.deliver(s)
	w.expect(r.Order, "captured captured sold")
	if minor, charges := b.sum(); minor != 5390 || charges != 1 {
		t.Fatalf("%d captured of %d charges", minor, charges)
	}
}

// Refused at the bank: the order never came to be, the units stay for another card.
func TestBuyerRefusesAtTheBank(t *testing.T) {
	w, b := newWorld(t, 1), newBank()
	s := w.service(b.with())
	h := w.hold(s, "gst_a")
	r, p := w.waiting(s, h)
	w.exec(`update hold set expires_at = now() where id = $1`, h.ID) // the hold's own time is over meanwhile
	b.settle(p.Reference(), payment.ChargeDeclined)
	w.due(p.ID)
	w.redrive(s)
	w.expect(r.Order, "cancelled failed held")
	if w.told("gst_a") != 1 {
		t.Error("nobody was told")
	}
	if found, err := s.Find(t.Context(), h.ID, "gst_a"); err != nil || found.Left < stock.AfterDecline-10*time.Second {
		t.Errorf("%+v %v", found, err)
	}
	var declined *DeclinedError
	if _, _, err := s.Pay(t.Context(), r); !errors.As(err, &declined) || declined.Reason != "authentication_failed" {
		t.Error(err)
	}
	o := w.paid(s, payFor(h, good))
	w.expect(o.ID, "confirmed authorised sold")
}

// saleor #11168, a 45 s reservation shorter than 3-D Secure: whoever is at their bank keeps the units, and at the pay
// deadline the payment is ended at the provider first.
func TestBankSlowerThanTheHoldKeepsItsUnits(t *testing.T) {
	w, b := newWorld(t, 1), newBank()
	s := w.service(b.with(), func(c *stock.Config, _ *Config) { c.HoldFor, c.Sweep = 300*time.Millisecond, 10*time.Millisecond })
	h := w.hold(s, "gst_a")
	r, p := w.waiting(s, h)
	w.eventually("the hold's time is over", func() bool {
		return w.count(`select count(*) from hold where id = $1 and expires_at < now()`, h.ID) == 1
	})
	w.due(p.ID)
	w.redrive(s)
	if _, err := s.Hold(t.Context(), w.tap("gst_b")); !errors.Is(err, stock.ErrSoldOut) {
		t.Fatal(err)
	}
	w.expect(r.Order, "pending requires_action paying")

	w.exec(`update payment set deadline = now() where id = $1`, p.ID)
	w.due(p.ID)
	b.around = func(call string, _ bool) error {
		if call == "void" {
			return payment.ErrOutcomeUnknown
		}
		return nil
	}
	if _, err := s.RedriveDue(t.Context()); !errors.Is(err, payment.ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	w.expect(r.Order, "pending voiding paying") // the provider said nothing: the units stay
	if now := w.payment(r.Order); now.Waits() || w.told("gst_a") != 1 {
		t.Errorf("the buyer is still sent to the bank: %+v", now)
	}
	b.around = newBank().around
	w.due(p.ID)
	w.redrive(s)
	w.expect(r.Order, "cancelled voided released")
	w.hold(s, "gst_b")
	b.settle(p.Reference(), payment.ChargeAuthorised) // too late
	if c, err := b.FindByReference(t.Context(), p.Reference()); err != nil || c.Status != payment.ChargeVoided {
		t.Fatalf("%+v %v", c, err)
	}
	w.notPaid(s, r, ErrGone)
}

// The pay tap is repeated while the buyer is at their bank: one charge, the same address, and few questions.
func TestPayAgainWhileTheBankIsAsked(t *testing.T) {
	w, b := newWorld(t, 1), newBank()
	s := w.service(b.with())
	r, p := w.waiting(s, w.hold(s, "gst_a"))
	for range 3 {
		if o := w.paid(s, r); o.State != order.Pending {
			t.Fatalf("%+v", o)
		}
	}
	if b.asked != 0 {
		t.Errorf("asked %d times within a second", b.asked)
	}
	// The provider is away for a moment: the buyer may still confirm.
	w.quiet(p.ID)
	b.around = func(string, bool) error { return payment.ErrOutcomeUnknown }
	if o := w.paid(s, r); o.State != order.Pending {
		t.Fatalf("%+v", o)
	}
	w.expect(r.Order, "pending unknown paying")
	if now := w.payment(r.Order); !now.Waits() || now.Action != p.Action {
		t.Errorf("%+v", now)
	}
	b.around = newBank().around
	b.settle(p.Reference(), payment.ChargeAuthorised)
	w.quiet(p.ID)
	if o := w.paid(s, r); o.State != order.Confirmed {
		t.Fatalf("%+v", o)
	}
	if minor, charges := b.sum(); minor != 0 || charges != 1 || len(b.wishes) != 1 {
		t.Errorf("%d, %d charges, %d wishes", minor, charges, len(b.wishes))
	}
	w.notPaid(s, payFor(Held{Hold: stock.Hold{ID: r.Hold, Buyer: "gst_a"}}, good), ErrOrderConflict)
}

// A company that authorises another amount than the order's is not believed: the money is let go of.
func TestAnotherAmountIsNotTaken(t *testing.T) {
	w, b := newWorld(t, 1), newBank()
	s := w.service(b.with())
	r, p := w.waiting(s, w.hold(s, "gst_a"))
	b.settle(p.Reference(), payment.ChargeAuthorised)
	b.charges[p.Reference()].Amount.Minor = 1
	w.due(p.ID)
	w.redrive(s)
	w.expect(r.Order, "cancelled voided released")
}

// The shop changes its payment company while payments are open: the new one is asked nothing about them, since only
// the old one knows what became of their money. When that one is set up again, they go on.
func TestPaymentOfAnotherCompanyWaitsForIt(t *testing.T) {
	w, old, next := newWorld(t, 2), newBank(), newBank()
	before := w.service(old.with())
	after := w.service(next.with(), func(_ *stock.Config, c *Config) { c.Name = "next" })
	asked, p := w.waiting(before, w.hold(before, "gst_a"))
	bought := w.paid(before, payFor(w.hold(before, "gst_b"), good))
	capture := w.payment(bought.ID)

	w.exec(`update payment set deadline = now() where id = $1`, p.ID)
	w.due(p.ID)
	if found, err := after.RedriveDue(t.Context()); err != nil || found != 0 {
		t.Fatalf("the new company goes on with %d payments: %v", found, err)
	}
	if o := w.look(after, asked.Order); o.State != order.Pending {
		t.Fatalf("%+v", o)
	}
	if err := after.drive(t.Context(), p.ID, true); !errors.Is(err, payment.ErrElsewhere) || !errors.Is(err, payment.ErrOutcomeUnknown) {
		t.Fatalf("driven by the new company: %v", err)
	}
	m := outbox.Message{Kind: EffectCapture, ID: capture.CaptureKey(), Data: []byte(`{"payment":"` + capture.ID.String() + `"}`)}
	if err := after.Handlers()[EffectCapture](t.Context(), m); !errors.Is(err, payment.ErrElsewhere) {
		t.Fatalf("captured by the new company: %v", err)
	}
	w.expect(asked.Order, "pending requires_action paying")
	w.expect(bought.ID, "confirmed authorised sold")
	if minor, charges := next.sum(); minor != 0 || charges != 0 || next.asked != 0 {
		t.Fatalf("the new company was asked: %d, %d charges, %d questions", minor, charges, next.asked)
	}

	w.redrive(before)
	w.deliver(before)
	w.expect(asked.Order, "cancelled voided released")
	w.expect(bought.ID, "captured captured sold")
}
