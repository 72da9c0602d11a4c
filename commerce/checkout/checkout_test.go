package checkout

import (
	"errors"
	"testing"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
)

func TestFromTapToCapturedOrder(t *testing.T) {
	w := newWorld(t, 3)
	s := w.service()
	h := w.hold(s, "gst_a")
	if h.Title != "Copper pan 28 cm" || h.Total.Minor != 4900 || h.Product != w.product {
		t.Fatalf("%+v", h)
	}
	r := payFor(h, good)
	o := w.paid(s, r)
	if o.State != order.Confirmed || o.Receipt == "" || o.Total.Minor != 5390 || len(o.Lines) != 1 || o.Lines[0].Title != h.Title {
		t.Fatalf("%+v", o)
	}
	w.expect(o.ID, "confirmed authorised sold")
	w.deliver(s)
	w.deliver(s) // an effect may come twice
	w.expect(o.ID, "captured captured sold")
	if n := w.count(`select coalesce(sum(captured), 0) from sandbox.charge`); n != 5390 {
		t.Fatalf("captured %d", n)
	}
	again, created, err := s.Pay(t.Context(), r)
	if err != nil || created || again.Receipt != o.Receipt || again.State != order.Captured {
		t.Fatalf("%+v %v %v", again, created, err)
	}
}

func TestDeclineThenAnotherCard(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	h := w.hold(s, "gst_a")
	for _, number := range []string{bad, broke} {
		r := payFor(h, number)
		var declined *DeclinedError
		if _, _, err := s.Pay(t.Context(), r); !errors.As(err, &declined) || declined.Left <= 0 || declined.Reason == "" {
			t.Fatalf("%v", err)
		}
		w.expect(r.Order, "cancelled failed held")
		w.notPaid(s, r, ErrDeclined) // the same id repeats the same answer
	}
	o := w.paid(s, payFor(h, good))
	w.expect(o.ID, "confirmed authorised sold")
}

func TestPayIsRefused(t *testing.T) {
	w := newWorld(t, 3)
	s := w.service()
	h := w.hold(s, "gst_a")

	stranger := payFor(h, good)
	stranger.Buyer = "gst_b"
	w.notPaid(s, stranger, ErrUnknown)
	nobody := payFor(h, good)
	nobody.Buyer = ""
	w.notPaid(s, nobody, ErrUnknown)
	none := payFor(h, good)
	none.Hold = commerce.NewID[commerce.HoldID]()
	w.notPaid(s, none, ErrUnknown)
	for _, number := range []string{"", "1234", "4242 4242 4242 4241", "4242424242424242424242"} {
		w.notPaid(s, payFor(h, number), payment.ErrCardInvalid)
	}
	badMail := payFor(h, good)
	badMail.Email = "no address"
	w.notPaid(s, badMail, order.ErrEmail)
	noName := payFor(h, good)
	noName.Name = " "
	w.notPaid(s, noName, order.ErrName)

	r := payFor(h, good)
	w.paid(s, r)
	w.notPaid(s, payFor(h, good), ErrOrderConflict) // a second order of a sold hold
	theirs := r
	theirs.Buyer = "gst_b"
	w.notPaid(s, theirs, ErrOrderConflict)
	other := r
	other.Hold = w.hold(s, "gst_a").ID
	w.notPaid(s, other, ErrOrderConflict)

	gone := w.hold(s, "gst_c")
	if err := s.Release(t.Context(), gone.ID, "gst_c"); err != nil {
		t.Fatal(err)
	}
	w.notPaid(s, payFor(gone, good), ErrGone)
}

func TestPaymentsNotConfigured(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	h := w.hold(s, "gst_a")
	s.Provider, s.Vault = payment.NotConfigured{}, payment.NotConfigured{}
	if _, err := s.Hold(t.Context(), w.tap("gst_b")); !errors.Is(err, ErrNotConfigured) {
		t.Fatal(err)
	}
	w.notPaid(s, payFor(h, good), ErrNotConfigured)
	if found, err := s.RedriveDue(t.Context()); found != 0 || err != nil {
		t.Fatal(found, err)
	}
}
