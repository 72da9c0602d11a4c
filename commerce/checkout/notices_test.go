package checkout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/payment/sandbox"
)

// notice puts one into the inbox, as a node does before it answers 204.
func (w *world) notice(id string, p payment.Payment) {
	w.t.Helper()
	if _, err := payment.Receive(w.t.Context(), w.db, sandbox.Name, payment.Notice{ID: id, Kind: "charge", Reference: p.Reference()}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) drainOnce(s *Service) (busy bool) {
	w.t.Helper()
	_, busy, err := s.DrainNotices(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return busy
}

// drained waits until nothing is open in the inbox, as Run does.
func (w *world) drained(s *Service) {
	w.t.Helper()
	w.eventually("the inbox is empty", func() bool {
		w.drainOnce(s)
		return w.count(`select count(*) from payment_event where done_at is null`) == 0
	})
}

func (w *world) note(id string) (note string) {
	w.t.Helper()
	if err := w.db.QueryRow(w.t.Context(), `select coalesce(note, '') from payment_event where id = $1`, id).Scan(&note); err != nil {
		w.t.Fatal(err)
	}
	return note
}

func counted(t *testing.T, c *prometheus.CounterVec, labels ...string) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.WithLabelValues(labels...).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// once checks what is true of a paid order, whatever came in whichever order.
func (w *world) once(b *bank, id commerce.OrderID, want string) {
	w.t.Helper()
	w.expect(id, want)
	if n := w.count(`select count(*) from ledger_transaction where ref = 'sale:' || $1`, id.String()); n != 1 {
		w.t.Errorf("%d ledger transactions of %s", n, id)
	}
	if n := w.count(`select count(*) from payment where order_id = $1`, id); n != 1 {
		w.t.Errorf("%d payments of %s", n, id)
	}
	if n := w.count(`select count(*) from orders where hold = (select hold from orders where id = $1)`, id); n != 1 {
		w.t.Errorf("%d orders of one hold", n)
	}
}

// The buyer confirms and never comes back: the webhook alone makes the order theirs, and tells their pages.
func TestNoticeConfirmsAnOrder(t *testing.T) {
	w, b := newWorld(t, 1), newBank()
	s := w.service(b.with())
	r, p := w.waiting(s, w.hold(s, "gst_a"))
	w.notice("early", p) // it says nothing that was not known
	w.drained(s)
	w.expect(r.Order, "pending requires_action paying")
	if w.told("gst_a") != 0 {
		t.Error("the buyer was told of nothing")
	}
	b.settle(p.Reference(), payment.ChargeAuthorised)
	w.notice("late", p)
	w.drained(s)
	w.once(b, r.Order, "confirmed authorised sold")
	if w.told("gst_a") != 1 || w.note("late") != "asked" || counted(t, s.notices, noticeAsked) != 2 {
		t.Errorf("told %d, %q", w.told("gst_a"), w.note("late"))
	}
}

// A notice lies: nothing that it says is believed.
func TestNoticeIsNotBelieved(t *testing.T) {
	w, b := newWorld(t, 1), newBank()
	s := w.service(b.with())
	r, p := w.waiting(s, w.hold(s, "gst_a"))
	for n, kind := range []string{"charge.captured", "charge.voided", "charge.declined"} {
		if _, err := payment.Receive(t.Context(), w.db, sandbox.Name, payment.Notice{ID: fmt.Sprint(n), Kind: kind, Reference: p.Reference()}); err != nil {
			t.Fatal(err)
		}
	}
	w.drained(s)
	w.expect(r.Order, "pending requires_action paying")
}

// Failure 12, early: the webhook is there before the answer of the very call that it tells of.
func TestNoticeBeforeTheAnswer(t *testing.T) {
	w, b := newWorld(t, 1), newBank()
	s, other := w.service(b.with()), w.service(b.with())
	called, answer := make(chan struct{}), make(chan struct{})
	b.around = func(call string, done bool) error {
		if call == "authorise" && done {
			close(called)
			<-answer
		}
		return nil
	}
	r := payFor(w.hold(s, "gst_a"), good)
	paid := make(chan error, 1)
	go func() {
		_, _, err := s.Pay(context.WithoutCancel(t.Context()), r)
		paid <- err
	}()
	<-called
	p := w.payment(r.Order)
	w.notice("early", p)
	if !w.drainOnce(other) {
		t.Error("nobody was seen to ask")
	}
	w.expect(r.Order, "pending sent paying")
	if w.note("early") != "" {
		t.Errorf("closed before it could be asked: %q", w.note("early"))
	}
	close(answer)
	if err := <-paid; err != nil {
		t.Fatal(err)
	}
	w.drained(other)
	w.once(b, r.Order, "confirmed authorised sold")
	if w.note("early") != "known already" {
		t.Error(w.note("early"))
	}
}

// Failure 12, twice and out of order, before and after the capture.
func TestNoticesTwiceAndOutOfOrder(t *testing.T) {
	w, b := newWorld(t, 3), newBank()
	s := w.service(b.with())
	kinds := []string{"captured", "authorised", "requires_action", "authorised"}
	for n, from := range []int{0, 1, 2} {
		r, p := w.waiting(s, w.hold(s, fmt.Sprintf("gst_%d", n)))
		b.settle(p.Reference(), payment.ChargeAuthorised)
		for i := range kinds {
			w.notice(fmt.Sprintf("%d %s", n, kinds[(i+from)%len(kinds)]), p)
			w.drained(s)
			if i == 1 {
				w.deliver(s)
			}
		}
		w.deliver(s)
		w.once(b, r.Order, "captured captured sold")
	}
	if n := w.count(`select count(*) from payment_event`); n != 9 {
		t.Errorf("%d events are kept of 12, of which 3 came twice", n)
	}
	if n := w.count(`select count(*) from payment_event where note like 'we have%'`); n != 0 {
		t.Errorf("%d disagreements", n)
	}
}

// saleor #19220, medusa #13301, sylius #15172: webhook, the browser's return, a repeated pay tap and the redrivers of two
// nodes, all at once. One order, one payment.
func TestNoticeRacesTheBrowserAndTheRedriver(t *testing.T) {
	const orders = 8
	w, b := newWorld(t, orders), newBank()
	nodes := []*Service{w.service(b.with()), w.service(b.with())}
	var requests []PayRequest
	for n := range orders {
		r, p := w.waiting(nodes[0], w.hold(nodes[0], fmt.Sprintf("gst_%d", n)))
		requests = append(requests, r)
		to := payment.ChargeAuthorised
		if n%4 == 3 {
			to = payment.ChargeDeclined
		}
		b.settle(p.Reference(), to)
		w.quiet(p.ID)
		w.due(p.ID)
		w.notice(fmt.Sprint("a", n), p)
		w.notice(fmt.Sprint("b", n), p)
	}
	var group sync.WaitGroup
	for _, s := range nodes {
		for n, r := range requests {
			group.Go(func() {
				if _, err := s.Look(t.Context(), order.Order{ID: r.Order, State: order.Pending}); err != nil {
					t.Errorf("look: %v", err)
				}
			})
			group.Go(func() {
				_, _, err := s.Pay(t.Context(), r)
				if want := n%4 == 3; want != errors.Is(err, ErrDeclined) || !want && err != nil {
					t.Errorf("pay: %v", err)
				}
			})
		}
		group.Go(func() {
			if _, err := s.RedriveDue(t.Context()); err != nil {
				t.Errorf("redrive: %v", err)
			}
		})
		group.Go(func() { w.drainOnce(s) })
	}
	group.Wait()
	w.drained(nodes[1])
	for n, r := range requests {
		if n%4 == 3 {
			w.expect(r.Order, "cancelled failed held")
			continue
		}
		w.once(b, r.Order, "confirmed authorised sold")
	}
	for _, s := range nodes {
		w.deliver(s)
	}
	if minor, charges := b.sum(); minor != 6*5390 || charges != orders {
		t.Errorf("%d captured of %d charges", minor, charges)
	}
}

// A node is killed after it has answered 204, before or after it has taken the event up: another one goes on.
func TestAnotherNodeDrains(t *testing.T) {
	w, b := newWorld(t, 1), newBank()
	dead := w.service(b.with())
	r, p := w.waiting(dead, w.hold(dead, "gst_a"))
	w.notice("evt", p)
	b.settle(p.Reference(), payment.ChargeAuthorised)
	if events, err := payment.Claim(t.Context(), w.db, sandbox.Name, 10); err != nil || len(events) != 1 {
		t.Fatal(events, err)
	}
	w.exec(`update payment_event set next_at = now()`) // the lease of the dead one is over
	alive := w.service(b.with(), quickly)
	w.running(alive)
	w.eventually("confirmed", func() bool { return w.states(r.Order) == "confirmed authorised sold" })
	w.eventually("closed", func() bool { return w.note("evt") != "" })
}

// A disagreement is never hidden: it is counted, logged and noted, and changes nothing.
func TestDisagreements(t *testing.T) {
	for name, test := range map[string]struct {
		ours, theirs string // theirs: what a hand at the provider makes of the charge
		capture      bool
		change       func(c *payment.Charge)
		agree        bool
	}{
		"the authorisation ran out":   {ours: "authorised", theirs: "voided", change: func(c *payment.Charge) { c.Status = payment.ChargeVoided }},
		"captured by hand, in part":   {ours: "authorised", theirs: "captured", change: func(c *payment.Charge) { c.Status, c.Captured = payment.ChargeCaptured, 1 }},
		"captured, and not yet noted": {ours: "authorised", change: func(c *payment.Charge) { c.Status, c.Captured = payment.ChargeCaptured, c.Amount.Minor }, agree: true},
		"refunded by hand":            {ours: "captured", theirs: "captured", capture: true, change: func(c *payment.Charge) { c.Refunded = 1 }},
		"captured, and voided there":  {ours: "captured", theirs: "voided", capture: true, change: func(c *payment.Charge) { c.Status = payment.ChargeVoided }},
		"captured by both":            {ours: "captured", capture: true, change: func(*payment.Charge) {}, agree: true},
	} {
		t.Run(name, func(t *testing.T) {
			w, b := newWorld(t, 1), newBank()
			s := w.service(b.with())
			o := w.paid(s, payFor(w.hold(s, "gst_a"), good))
			if test.capture {
				w.deliver(s)
			}
			p := w.payment(o.ID)
			before := w.states(o.ID)
			test.change(b.charges[p.Reference()])
			w.notice("evt", p)
			w.drained(s)
			w.expect(o.ID, before)
			if test.agree {
				if w.note("evt") != "known already" {
					t.Error(w.note("evt"))
				}
				return
			}
			if counted(t, s.disagreements, test.ours, test.theirs) != 1 || !slices.Contains([]string{"confirmed", "captured"}, string(w.look(s, o.ID).State)) {
				t.Error("not counted")
			}
			if note := w.note("evt"); note == "" || note == "known already" {
				t.Errorf("note %q", note)
			}
		})
	}
}

// The same for payments that ended without money: what can still be taken there is a disagreement.
func TestDisagreementsAboutWhatHasEnded(t *testing.T) {
	for name, number := range map[string]string{"failed": bad, "voided": good} {
		for _, theirs := range []payment.Status{payment.ChargeAuthorised, payment.ChargeCaptured, payment.ChargeRequiresAction, payment.ChargeDeclined, payment.ChargeVoided} {
			t.Run(fmt.Sprint(name, " ", theirs), func(t *testing.T) {
				w, b := newWorld(t, 1), newBank()
				s := w.service(b.with())
				o, p := w.begun(s, w.hold(s, "gst_a"), number)
				if name == "voided" {
					w.exec(`update payment set deadline = now()`)
				}
				w.due(p.ID)
				w.redrive(s)
				before := w.states(o.ID)
				b.charges[p.Reference()].Status = theirs
				w.notice("evt", p)
				w.drained(s)
				w.expect(o.ID, before)
				fine := theirs == payment.ChargeDeclined || theirs == payment.ChargeVoided
				if got := counted(t, s.disagreements, name, string(theirs)); (got == 0) != fine {
					t.Errorf("counted %v; %q", got, w.note("evt"))
				}
			})
		}
	}
}

// A notice about nothing of ours is tried for a while (its payment may be committed elsewhere), then closed.
func TestStrangeNotices(t *testing.T) {
	w, b := newWorld(t, 1), newBank()
	s := w.service(b.with())
	strange := payment.Payment{ID: commerce.NewID[commerce.PaymentID]()}
	w.notice("evt", strange)
	for range 3 {
		w.drainOnce(s)
		if n := w.count(`select count(*) from payment_event where done_at is null and next_at > now()`); n != 1 {
			t.Fatal("it is not put off")
		}
		w.exec(`update payment_event set next_at = now()`)
	}
	w.exec(`update payment_event set received_at = now() - interval '1 hour'`)
	w.drainOnce(s)
	if w.note("evt") != "no payment of ours" || counted(t, s.notices, noticeStrange) != 1 || b.asked != 0 {
		t.Fatalf("%q, asked %d times", w.note("evt"), b.asked)
	}
}

// The provider tells, and does not answer: the payment is asked about until it does.
func TestNoticeWhileTheProviderIsAway(t *testing.T) {
	w, b := newWorld(t, 2), newBank()
	s := w.service(b.with())
	r, p := w.waiting(s, w.hold(s, "gst_a"))
	known := w.paid(s, payFor(w.hold(s, "gst_b"), good))
	b.settle(p.Reference(), payment.ChargeAuthorised)
	b.around = func(string, bool) error { return payment.ErrOutcomeUnknown }
	w.notice("open", p)
	w.notice("known", w.payment(known.ID))
	w.drainOnce(s)
	w.expect(r.Order, "pending unknown paying")
	if w.note("open") == "" || w.note("known") != "" {
		t.Errorf("%q %q", w.note("open"), w.note("known"))
	}
	w.exec(`update payment_event set next_at = now(), received_at = now() - interval '2 days' where id = 'known'`)
	w.drainOnce(s)
	if counted(t, s.notices, noticeSilent) != 1 {
		t.Errorf("%q", w.note("known"))
	}
	b.around = newBank().around
	w.due(p.ID)
	w.redrive(s)
	w.once(b, r.Order, "confirmed authorised sold")
}

// Failure 16: no webhook ever comes, and nobody comes back.
func TestWebhooksAreLostForDays(t *testing.T) {
	w, b := newWorld(t, 1), newBank()
	s := w.service(b.with(), quickly)
	r, p := w.waiting(s, w.hold(s, "gst_a"))
	b.settle(p.Reference(), payment.ChargeAuthorised)
	w.running(s)
	start := time.Now()
	w.eventually("confirmed", func() bool { return w.states(r.Order) == "confirmed authorised sold" })
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if w.told("gst_a") != 1 {
		t.Error("nobody was told")
	}
}
