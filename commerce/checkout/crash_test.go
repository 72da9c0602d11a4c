package checkout

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/stock"
)

// begin is a pay tap up to its first commit.
func begin(ctx context.Context, s *Service, r PayRequest) (*payTap, error) {
	t := &payTap{PayRequest: r}
	err := s.stages.looks.Do(ctx, t)
	if err == nil {
		err = s.payable(t)
	}
	if err == nil {
		t.token, err = s.token(ctx, r)
	}
	if err == nil {
		err = s.begin(ctx, t)
	}
	return t, err
}

// begun is a pay tap whose node died right after that commit, long enough ago for others to go on.
func (w *world) begun(s *Service, h Held, number string) (order.Order, payment.Payment) {
	w.t.Helper()
	tap, err := begin(w.t.Context(), s, payFor(h, number))
	if err != nil || !tap.made {
		w.t.Fatalf("%v %v", tap.made, err)
	}
	w.expect(tap.Order, "pending sent paying")
	p, err := payment.OfOrder(w.t.Context(), w.db, tap.Order)
	if now := p; err != nil || now.State != tap.payment.State || now.Attempts != tap.payment.Attempts || now.Authorisation() != tap.payment.Authorisation() {
		w.t.Fatalf("%+v of %+v, %v", p, tap.payment, err)
	}
	w.due(p.ID)
	return tap.order, p
}

// due lets time pass for a payment: whoever drove it is gone, and it is its turn.
func (w *world) due(id commerce.PaymentID) {
	w.t.Helper()
	w.exec(`update payment set next_at = now(), driven_until = null where id = $1`, id)
}

func (w *world) redrive(s *Service) {
	w.t.Helper()
	if _, err := s.RedriveDue(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// takeAway is a hand that frees the units of a payment that is under way.
func (w *world) takeAway(hold commerce.HoldID) {
	w.t.Helper()
	w.try(func(ctx context.Context, tx pgx.Tx) error {
		_, err := stock.Free(ctx, tx, hold, stock.Paying)
		return err
	})
}

func (w *world) authorise(s *Service, p payment.Payment) payment.Charge {
	w.t.Helper()
	c, err := s.Provider.Authorise(w.t.Context(), payment.Authorisation{Reference: p.Reference(), Amount: p.Amount, Token: p.Token})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// Whoever dies between two steps, another node goes on, with one charge, one order, one capture.
func TestCrashBetweenAnyTwoSteps(t *testing.T) {
	for name, die := range map[string]func(w *world, s *Service, o order.Order, p payment.Payment){
		"after the intent": func(*world, *Service, order.Order, payment.Payment) {},
		"before the call": func(w *world, s *Service, _ order.Order, p payment.Payment) {
			w.try(func(ctx context.Context, tx pgx.Tx) error {
				_, _, err := payment.Drive(ctx, tx, p.ID, p.Provider)
				return err
			})
		},
		"after the call": func(w *world, s *Service, _ order.Order, p payment.Payment) {
			w.try(func(ctx context.Context, tx pgx.Tx) error {
				_, _, err := payment.Drive(ctx, tx, p.ID, p.Provider)
				return err
			})
			w.authorise(s, p)
		},
		"after the confirm": func(w *world, s *Service, o order.Order, p payment.Payment) {
			if _, err := s.goOn(w.t.Context(), o); err != nil {
				w.t.Fatal(err)
			}
		},
		"after the capture's call": func(w *world, s *Service, o order.Order, p payment.Payment) {
			if _, err := s.goOn(w.t.Context(), o); err != nil {
				w.t.Fatal(err)
			}
			p, err := payment.Get(w.t.Context(), w.db, p.ID)
			if err == nil {
				_, err = s.Provider.Capture(w.t.Context(), p.Charge, p.Amount, p.CaptureKey())
			}
			if err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			dead := w.service()
			o, p := w.begun(dead, w.hold(dead, "gst_a"), good)
			die(w, dead, o, p)
			w.due(p.ID)
			alive := w.service()
			w.redrive(alive)
			w.deliver(alive)
			w.expect(o.ID, "captured captured sold")
			if n := w.count(`select count(*) from sandbox.charge where status = 'captured' and captured = 5390`); n != 1 {
				t.Fatalf("%d captured charges", n)
			}
			if n := w.count(`select count(*) from sandbox.charge`); n != 1 {
				t.Fatalf("%d charges", n)
			}
			if n := w.count(`select count(*) from ledger_transaction`); n != 1 {
				t.Fatalf("%d ledger transactions", n)
			}
		})
	}
}

func (w *world) try(fn func(ctx context.Context, tx pgx.Tx) error) {
	w.t.Helper()
	err := schema.InTx(w.t.Context(), w.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error { return fn(ctx, tx) })
	if err != nil {
		w.t.Fatal(err)
	}
}

// The call was made and its answer was a 500, or none at all: unknown, then known, never twice.
func TestUnknownThenKnown(t *testing.T) {
	for name, number := range map[string]string{"500": errors5, "no answer": silent} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			s := w.service()
			r := payFor(w.hold(s, "gst_a"), number)
			w.notPaid(s, r, ErrPending)
			w.expect(r.Order, "pending unknown paying")
			o := w.paid(s, r) // the page asks again with the same id
			w.expect(o.ID, "confirmed authorised sold")
			if n := w.count(`select count(*) from sandbox.charge`); n != 1 {
				t.Fatalf("%d charges", n)
			}
		})
	}
}

// woocommerce #20928, #14625, the hold timer cancelled orders that were paid: cancel before release. At the deadline the
// payment is ended at the provider first, and only then the units go back. A call that was still on its way takes no
// money afterwards.
func TestDeadlineCancelsBeforeItReleases(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	o, p := w.begun(s, w.hold(s, "gst_a"), good)
	w.exec(`update payment set deadline = now() where id = $1`, p.ID)
	w.due(p.ID)

	w.sandbox.CloseClientConnections()
	away := s.Provider
	s.Provider = brokenProvider{away}
	if _, err := s.RedriveDue(t.Context()); !errors.Is(err, payment.ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	w.expect(o.ID, "pending voiding paying") // the provider said nothing: the units stay
	if _, err := s.Hold(t.Context(), w.tap("gst_b")); !errors.Is(err, stock.ErrSoldOut) {
		t.Fatal(err)
	}

	s.Provider = away
	w.due(p.ID)
	w.redrive(s)
	w.expect(o.ID, "cancelled voided released")
	w.hold(s, "gst_b")
	if late := w.authorise(s, p); late.Status != payment.ChargeVoided {
		t.Fatalf("a late call was %s", late.Status)
	}
	w.notPaid(s, PayRequest{Order: o.ID, Hold: o.Hold, Buyer: o.Buyer}, ErrGone)
}

type brokenProvider struct{ payment.Provider }

func (brokenProvider) Void(context.Context, payment.Authorisation) (payment.Charge, error) {
	return payment.Charge{}, payment.ErrOutcomeUnknown
}

// The deadline passes after the money was authorised and before anybody could confirm it: void, never capture.
func TestDeadlineAfterAuthorisationVoids(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	o, p := w.begun(s, w.hold(s, "gst_a"), good)
	w.authorise(s, p)
	w.exec(`update payment set deadline = now() where id = $1`, p.ID)
	w.due(p.ID)
	w.redrive(s)
	w.expect(o.ID, "cancelled voided released")
	if n := w.count(`select count(*) from sandbox.charge where status = 'voided'`); n != 1 {
		t.Fatalf("%d voided charges", n)
	}
}

// woocommerce-gateway-stripe #5720, and an admin's hand: authorised, but the units are gone. The money is let
// go of; it is never captured and paid back.
func TestUnitsGoneBeforeConfirm(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	o, p := w.begun(s, w.hold(s, "gst_a"), good)
	w.takeAway(p.Hold)
	if _, err := s.goOn(t.Context(), o); !errors.Is(err, ErrPending) {
		t.Fatal(err)
	}
	w.deliver(s)
	w.expect(o.ID, "cancelled voided released")
	if n := w.count(`select count(*) from sandbox.charge where captured > 0`); n != 0 {
		t.Fatal("money was captured for nothing")
	}
}

// The card is declined after the units are gone: the payment ends all the same.
func TestUnitsGoneBeforeADecline(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	o, p := w.begun(s, w.hold(s, "gst_a"), bad)
	w.takeAway(p.Hold)
	if _, err := s.goOn(t.Context(), o); !errors.Is(err, ErrDeclined) {
		t.Fatal(err)
	}
	w.expect(o.ID, "cancelled failed released")
}

// saleor #11168: a payment slower than the hold keeps its units.
func TestPaymentSlowerThanTheHoldKeepsItsUnits(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service(func(c *stock.Config, _ *Config) { c.HoldFor, c.Sweep = 300*time.Millisecond, 10*time.Millisecond })
	h := w.hold(s, "gst_a")
	o, p := w.begun(s, h, good)
	w.eventually("the hold's time is over", func() bool {
		return w.count(`select count(*) from hold where id = $1 and expires_at < now()`, h.ID) == 1
	})
	if _, err := s.Hold(t.Context(), w.tap("gst_b")); !errors.Is(err, stock.ErrSoldOut) {
		t.Fatal(err)
	}
	w.due(p.ID)
	w.redrive(s)
	w.expect(o.ID, "confirmed authorised sold")
}

// saleor #7399, openfoodnetwork #3925: whatever is tapped and retried at once, one order and one charge.
func TestPayTapsAtOnce(t *testing.T) {
	w := newWorld(t, 1)
	nodes := []*Service{w.service(), w.service()}
	h := w.hold(nodes[0], "gst_a")
	same := payFor(h, good)
	var group sync.WaitGroup
	var mu sync.Mutex
	receipts := map[string]bool{}
	for i := range 8 {
		r := same
		if i >= 4 {
			r = payFor(h, good) // another tab
		}
		group.Go(func() {
			o, _, err := nodes[i%2].Pay(t.Context(), r)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				receipts[o.Receipt] = true
			} else if !errors.Is(err, ErrOrderConflict) {
				t.Errorf("pay tap %d: %v", i, err)
			}
		})
	}
	group.Wait()
	w.deliver(nodes[0])
	if n := w.count(`select count(*) from sandbox.charge`); n != 1 || len(receipts) != 1 {
		t.Fatalf("%d charges, receipts %v", n, receipts)
	}
	if n := w.count(`select coalesce(sum(captured), 0) from sandbox.charge`); n != 5390 {
		t.Fatalf("captured %d", n)
	}
}

// The redriver runs by itself.
func TestRunGoesOn(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service(quickly)
	o, p := w.begun(s, w.hold(s, "gst_a"), good)
	w.due(p.ID)
	w.running(s)
	w.eventually("confirmed", func() bool { return w.states(o.ID) == "confirmed authorised sold" })
}

// quickly makes a node look for what is due all the time.
func quickly(_ *stock.Config, c *Config) { c.Redrive = 10 * time.Millisecond }

// running is a node whose Run goes on until the test ends.
func (w *world) running(s *Service) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
}

// A capture that cannot be is put aside at once; one whose company is away is tried for ever.
func TestCaptureErrors(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	_, p := w.begun(s, w.hold(s, "gst_a"), good)
	m := outbox.Message{Kind: EffectCapture, ID: p.CaptureKey(), Data: []byte(`{"payment":"` + p.ID.String() + `"}`)}
	if err := s.Handlers()[EffectCapture](t.Context(), m); !errors.Is(err, payment.ErrState) {
		t.Fatalf("capture before the authorisation: %v", err)
	}
	m.Data = []byte(`nonsense`)
	if err := s.Handlers()[EffectCapture](t.Context(), m); err == nil {
		t.Fatal("nonsense was captured")
	}
}

// No card number is ever kept: not by us, not in the outbox, not by the sandbox.
func TestNoCardIsKept(t *testing.T) {
	w := newWorld(t, 2)
	s := w.service()
	h := w.hold(s, "gst_a")
	w.notPaid(s, payFor(h, bad), ErrDeclined)
	w.paid(s, payFor(h, good))
	w.deliver(s)
	rows, err := w.db.Query(t.Context(), `
		select string_agg(t::text, ' ') from payment t union all select string_agg(t::text, ' ') from orders t union all
		select string_agg(t::text, ' ') from outbox t union all select string_agg(t::text, ' ') from sandbox.token t union all
		select string_agg(t::text, ' ') from sandbox.charge t`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[*string])
	if err != nil || len(tables) != 5 {
		t.Fatal(len(tables), err)
	}
	for _, table := range tables {
		for _, number := range []string{good, bad} {
			if table == nil || strings.Contains(*table, strings.ReplaceAll(number, " ", "")) || strings.Contains(*table, number) {
				t.Fatal("a card number, or nothing, was found in a table")
			}
		}
	}
	if n := w.count(`select count(*) from payment where token is not null`); n != 0 {
		t.Fatalf("%d tokens were kept", n)
	}
}

// captureOf is the effect that takes a payment's money.
func captureOf(p payment.Payment) outbox.Message {
	return outbox.Message{Kind: EffectCapture, ID: p.CaptureKey(), Data: []byte(`{"payment":"` + p.ID.String() + `"}`)}
}
