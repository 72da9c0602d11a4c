package checkout

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
)

// What is confirmed together is one effect, of so many payments at most, each of which is in one.
func TestCapturesAreWrittenTogether(t *testing.T) {
	all := make([]*confirmation, 2*captureTogetherMost+1)
	for i := range all {
		all[i] = &confirmation{driven: driven{Payment: payment.Payment{ID: commerce.NewID[commerce.PaymentID]()}}}
	}
	rows, seen, names := captureTogether(all), map[commerce.PaymentID]bool{}, map[string]bool{}
	for _, r := range rows {
		of := r.Payload.(captures).Payments
		if len(of) > captureTogetherMost || r.Kind != EffectCaptures {
			t.Errorf("%s of %d payments", r.Kind, len(of))
		}
		if raw, err := json.Marshal(r.Payload); err != nil || len(raw) > outbox.MaxPayload {
			t.Errorf("%d bytes, %v", len(raw), err)
		}
		names[r.ID] = true
		for _, id := range of {
			seen[id] = true
		}
	}
	if len(rows) != 3 || len(names) != 3 || len(seen) != len(all) {
		t.Errorf("%d effects with %d names, %d payments of %d", len(rows), len(names), len(seen), len(all))
	}
}

// capturesOf is the effect that takes the money of some orders.
func capturesOf(t *testing.T, ids ...commerce.PaymentID) outbox.Message {
	t.Helper()
	raw, err := json.Marshal(captures{Payments: ids})
	if err != nil {
		t.Fatal(err)
	}
	return outbox.Message{Kind: EffectCaptures, ID: "cap:" + ids[0].String(), Data: raw}
}

// One whose money cannot be taken hurts none of those that it came with, and nobody is charged twice.
func TestACaptureThatFailsHurtsNoNeighbour(t *testing.T) {
	w, b := newWorld(t, 10), newBank()
	s := w.service(b.with())
	var ids []commerce.PaymentID
	var orders []commerce.OrderID
	for n := range 4 {
		o := w.paid(s, payFor(w.hold(s, fmt.Sprintf("gst_%d", n)), good))
		orders, ids = append(orders, o.ID), append(ids, w.payment(o.ID).ID)
	}
	w.exec(`update payment set state = 'voiding', next_at = now() where id = $1`, ids[1])
	w.exec(`update payment set provider = 'another' where id = $1`, ids[2])
	nobody := commerce.NewID[commerce.PaymentID]()
	for range 2 {
		err := s.Handlers()[EffectCaptures](t.Context(), capturesOf(t, append(ids[:4:4], nobody)...))
		for _, want := range []error{payment.ErrState, payment.ErrElsewhere, payment.ErrUnknownPayment} {
			if !errors.Is(err, want) {
				t.Errorf("%v, want %v in it", err, want)
			}
		}
		for _, id := range []commerce.PaymentID{ids[1], ids[2], nobody} {
			if !strings.Contains(err.Error(), id.String()) {
				t.Errorf("%v does not name %s", err, id)
			}
		}
		if minor, _ := b.sum(); minor != 2*5390 {
			t.Errorf("%d were taken", minor)
		}
	}
	for n, want := range []string{"captured captured sold", "confirmed voiding sold", "confirmed authorised sold", "captured captured sold"} {
		w.expect(orders[n], want)
	}
	w.exec(`update payment set provider = $2 where id = $1`, ids[2], s.Name)
	if err := s.Handlers()[EffectCaptures](t.Context(), capturesOf(t, ids[0], ids[2], ids[3])); err != nil {
		t.Error(err)
	}
	w.expect(orders[2], "captured captured sold")
}

// A call that panics is a failure of its own payment.
func TestACaptureThatPanicsIsAFailure(t *testing.T) {
	w, b := newWorld(t, 2), newBank()
	s := w.service(b.with())
	p := w.payment(w.paid(s, payFor(w.hold(s, "gst_a"), good)).ID)
	b.around = func(call string, _ bool) error {
		if call == "capture" {
			panic("no")
		}
		return nil
	}
	if err := s.Handlers()[EffectCaptures](t.Context(), capturesOf(t, p.ID)); err == nil || !strings.Contains(err.Error(), p.ID.String()) {
		t.Error(err)
	}
}

// Captures are tried for ever while one of them cannot be asked about, and put aside when no try will help any.
func TestWhatBecomesOfCaptures(t *testing.T) {
	never, odd, away := fmt.Errorf("%w: x", errNever), errors.New("odd"), payment.ErrOutcomeUnknown
	mark := func(err error) error { return err.(interface{ Unwrap() []error }).Unwrap()[1] }
	permanent, unavailable := mark(outbox.Permanent(odd)), mark(outbox.Unavailable(odd))
	for _, c := range []struct {
		errs                    []error
		fails, aside, withoutUs bool // it is an error, one for a person, one that is tried for ever
	}{
		{errs: []error{nil, nil}},
		{errs: []error{nil, never}, fails: true, aside: true},
		{errs: []error{never, nil, odd}, fails: true},
		{errs: []error{never, away, odd}, fails: true, withoutUs: true},
	} {
		if got := captureError(c.errs); (got != nil) != c.fails || errors.Is(got, permanent) != c.aside || errors.Is(got, unavailable) != c.withoutUs {
			t.Errorf("%v: %v", c.errs, got)
		}
	}
}
