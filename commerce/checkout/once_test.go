package checkout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	dto "github.com/prometheus/client_model/go"

	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/stock"
)

// Failure 15: a method that takes the money at once. The order is confirmed and captured like any other.
func TestMethodThatTakesAtOnce(t *testing.T) {
	w, b := newWorld(t, 1), newBank()
	s := w.service(b.with())
	o := w.paid(s, payFor(w.hold(s, "gst_a"), takes))
	w.expect(o.ID, "confirmed authorised sold")
	for range 2 {
		if err := s.capture(t.Context(), captureOf(w.payment(o.ID))); err != nil {
			t.Fatal(err)
		}
	}
	w.expect(o.ID, "captured captured sold")
	w.notice("evt", w.payment(o.ID))
	w.drained(s)
	if w.note("evt") != "known already" {
		t.Error(w.note("evt"))
	}
}

// Its units are gone before anybody could confirm: the money goes back, once, whatever is repeated.
func TestMethodThatTakesAtOnceGivesBack(t *testing.T) {
	w, b := newWorld(t, 1), newBank()
	s := w.service(b.with())
	o, p := w.begun(s, w.hold(s, "gst_a"), takes)
	w.try(func(ctx context.Context, tx pgx.Tx) error {
		_, err := stock.Free(ctx, tx, p.Hold, stock.Paying)
		return err
	})
	w.due(p.ID)
	w.redrive(s)
	b.around = func(call string, done bool) error { // the answer to the refund is lost
		if call == "refund" && done {
			return payment.ErrOutcomeUnknown
		}
		return nil
	}
	w.due(p.ID)
	if _, err := s.RedriveDue(t.Context()); !errors.Is(err, payment.ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	w.expect(o.ID, "pending voiding released")
	b.around = newBank().around
	w.due(p.ID)
	w.redrive(s)
	w.expect(o.ID, "cancelled voided released")
	if c := b.charges[p.Reference()]; c.Refunded != p.Amount.Minor || c.Captured != p.Amount.Minor {
		t.Fatalf("%+v", c)
	}
	w.notice("evt", p)
	w.drained(s)
	if w.note("evt") != "known already" {
		t.Error(w.note("evt"))
	}
}

// Failure 9: the hold's time ends just as its buyer taps Pay. One conditional UPDATE wins: either the order is theirs, or
// the unit is back and nothing was taken.
func TestExpiryRacesThePayTap(t *testing.T) {
	const buyers, life = 24, 400 * time.Millisecond
	w, b := newWorld(t, buyers), newBank()
	s := w.service(b.with(), func(c *stock.Config, _ *Config) { c.HoldFor, c.Sweep = life, 5*time.Millisecond })
	var mu sync.Mutex
	paid := 0
	var group sync.WaitGroup
	for n := range buyers {
		h := w.hold(s, fmt.Sprintf("gst_%d", n))
		group.Go(func() {
			timer := time.NewTimer(max(0, h.Left-rand.N(80*time.Millisecond)))
			defer timer.Stop()
			<-timer.C
			r := payFor(h, good)
			_, _, err := s.Pay(t.Context(), r)
			if err != nil && !errors.Is(err, ErrGone) {
				t.Errorf("pay: %v", err)
			}
			if state := w.states(r.Order); (err == nil) != (state == "confirmed authorised sold") || err != nil && state != "none" {
				t.Errorf("%v, and the order is %s", err, state)
			}
			if err == nil {
				mu.Lock()
				paid++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	w.eventually("what was not paid is back", func() bool { return w.count(`select taken from pool`) == paid })
	w.deliverCaptures(s)
	if minor, charges := b.sum(); minor != int64(paid)*5390 || charges != paid {
		t.Errorf("%d taken in %d charges, %d paid", minor, charges, paid)
	}
	t.Logf("%d of %d were in time", paid, buyers)
}

// Failure 14: nobody captures what was confirmed. It is an alarm long before the reservation ends.
func TestUncapturedMoneyIsAnAlarm(t *testing.T) {
	w, b := newWorld(t, 2), newBank()
	var said bytes.Buffer
	s := w.service(b.with(), func(_ *stock.Config, c *Config) { c.Log = slog.New(slog.NewTextHandler(&said, nil)) })
	o := w.paid(s, payFor(w.hold(s, "gst_a"), good))
	w.paid(s, payFor(w.hold(s, "gst_b"), good)) // of just now
	alarms := func() float64 {
		t.Helper()
		if err := s.watchCaptures(t.Context()); err != nil {
			t.Fatal(err)
		}
		var m dto.Metric
		if err := s.uncaptured.Write(&m); err != nil {
			t.Fatal(err)
		}
		return m.GetGauge().GetValue()
	}
	if n := alarms(); n != 0 || said.Len() != 0 {
		t.Errorf("%v, %s", n, said.String())
	}
	w.exec(`update outbox set created_at = now() - $2::interval where kind = $3 and payload::text like '%' || $1 || '%'`,
		w.payment(o.ID).ID.String(), captureWithin+time.Minute, EffectCaptures)
	if n := alarms(); n != 1 || !strings.Contains(said.String(), "level=ERROR") {
		t.Errorf("%v, %s", n, said.String())
	}
	w.deliverCaptures(s)
	if n := alarms(); n != 0 {
		t.Error(n)
	}
}

// deliverCaptures takes the money of every order that is confirmed.
func (w *world) deliverCaptures(s *Service) {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), `select id from payment where state = 'authorised'`)
	if err != nil {
		w.t.Fatal(err)
	}
	var p payment.Payment
	var all []payment.Payment
	if _, err := pgx.ForEachRow(rows, []any{&p.ID}, func() error { all = append(all, p); return nil }); err != nil {
		w.t.Fatal(err)
	}
	for _, p := range all {
		if err := s.capture(w.t.Context(), captureOf(p)); err != nil {
			w.t.Fatal(err)
		}
	}
}
