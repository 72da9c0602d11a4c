package checkout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
)

// books is what the sandbox has, by status: how many charges, and how much of it is not given back.
func (w *world) books() map[string]int64 {
	w.t.Helper()
	all := map[string]int64{}
	rows, err := w.db.Query(context.Background(), `select status, count(*), sum(captured - refunded)::bigint from sandbox.charge group by status`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var status string
		var n, money int64
		if err := rows.Scan(&status, &n, &money); err != nil {
			w.t.Fatal(err)
		}
		all[status], all[status+" money"] = n, money
	}
	return all
}

// lose is what a backup does not have: the payments of some orders.
func (w *world) lose(orders ...PayRequest) {
	w.t.Helper()
	for _, r := range orders {
		w.exec(`delete from payment where order_id = $1`, r.Order)
	}
}

// Of what the company has, that which no payment stands for goes back whole, once; everything else stays as it is.
func TestRebuildGivesBackWhatBelongsToNobody(t *testing.T) {
	w := newWorld(t, 10)
	s := w.service()
	var requests []PayRequest
	for i, card := range []string{good, good, good, asks, asks, bad} {
		r := payFor(w.hold(s, fmt.Sprint("gst_", i)), card)
		if _, _, err := s.Pay(t.Context(), r); err != nil && !errors.Is(err, ErrDeclined) {
			t.Fatal(err)
		}
		if i == 1 {
			w.deliver(s) // the first two are captured
		}
		requests = append(requests, r)
	}
	// Another installation's, or what somebody has sold by hand.
	token, err := s.Vault.Tokenise(t.Context(), requests[0].Card)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Provider.Authorise(t.Context(), payment.Authorisation{Reference: "invoice 7", Amount: money.Amount{Minor: 100, Currency: "EUR"}, Token: token}); err != nil {
		t.Fatal(err)
	}
	w.lose(requests[0], requests[2], requests[3], requests[5]) // captured, authorised, asked and declined
	said := map[string]string{}
	r := Rebuild{DB: w.db, Provider: s.Provider, Since: time.Now().Add(-time.Hour), Say: func(c payment.Charge, done string) error {
		said[string(c.Status)] = done
		return nil
	}}
	before := w.books()
	want := Rebuilt{Seen: 6, Known: 2, Harmless: 1, Voided: 2, Refunded: 1}
	if got, err := r.Run(t.Context()); err != nil || got != want {
		t.Fatalf("%+v %v", got, err)
	}
	if after := w.books(); !maps.Equal(before, after) {
		t.Fatalf("it was only asked, and has changed %v to %v", before, after)
	}
	r.Do = true
	if got, err := r.Run(t.Context()); err != nil || got != want {
		t.Fatalf("%+v %v", got, err)
	}
	if !maps.Equal(said, map[string]string{"captured": "refunded", "authorised": "voided", "requires_action": "voided"}) {
		t.Errorf("it said %v", said)
	}
	after := w.books()
	for what, n := range map[string]int64{"captured": 2, "captured money": 5390, "authorised": 1, "requires_action": 1, "voided": 2, "declined": 1} {
		if after[what] != n {
			t.Errorf("%s is %d, want %d: %v", what, after[what], n, after)
		}
	}
	if got, err := r.Run(t.Context()); err != nil || got != (Rebuilt{Seen: 6, Known: 2, Harmless: 4}) {
		t.Errorf("again: %+v %v", got, err)
	}
	r.Since = time.Now().Add(time.Hour)
	if got, err := r.Run(t.Context()); err != nil || got != (Rebuilt{}) {
		t.Errorf("of times to come: %+v %v", got, err)
	}
}

func TestRebuildThatCannot(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	say := func(payment.Charge, string) error { return nil }
	if _, err := (Rebuild{DB: w.db, Provider: newBank(), Say: say}).Run(t.Context()); !errors.Is(err, ErrNoList) {
		t.Errorf("a company without a list: %v", err)
	}
	r := payFor(w.hold(s, "gst_a"), good)
	w.paid(s, r)
	w.lose(r)
	full := errors.New("the disk is full")
	if _, err := (Rebuild{DB: w.db, Provider: s.Provider, Do: true, Say: func(payment.Charge, string) error { return full }}).Run(t.Context()); !errors.Is(err, full) {
		t.Errorf("nobody can be told: %v", err)
	}
	if got, err := (Rebuild{DB: w.db, Provider: s.Provider, Do: true, Say: say}).Run(t.Context()); err != nil || got.Harmless != 1 {
		t.Errorf("again: %+v %v", got, err)
	}
	w.sandbox.Close()
	if _, err := (Rebuild{DB: w.db, Provider: s.Provider, Say: say}).Run(t.Context()); !errors.Is(err, payment.ErrOutcomeUnknown) {
		t.Errorf("a company that is away: %v", err)
	}
}

// A backup knows a hold, and nothing of the order that was paid and captured for it. Its buyer, who has the order's id, asks
// for it once more: that is another payment, whose money is taken, while that of the lost one has gone back.
func TestAnOrderThatABackupLostIsPaidAnew(t *testing.T) {
	w := newWorld(t, 10)
	s := w.service()
	r := payFor(w.hold(s, "gst_a"), good)
	w.paid(s, r)
	w.deliver(s)
	if err := pgx.BeginFunc(t.Context(), w.db, func(tx pgx.Tx) error {
		for _, sql := range []string{
			`set local session_replication_role = replica`, `delete from order_line`, `delete from order_delivery`, `delete from payment`, `delete from orders`,
			`delete from ledger_transaction`, `delete from outbox`, `update hold set state = 'held', lapses_at = expires_at`,
		} {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	back := Rebuild{DB: w.db, Provider: s.Provider, Since: time.Now().Add(-time.Hour), Do: true, Say: func(payment.Charge, string) error { return nil }}
	if got, err := back.Run(t.Context()); err != nil || got.Refunded != 1 {
		t.Fatalf("%+v %v", got, err)
	}
	w.paid(s, r)
	w.deliver(s)
	if p := w.payment(r.Order); p.State != payment.Captured || w.books()["captured money"] != p.Amount.Minor {
		t.Errorf("%s, %v", p.State, w.books())
	}
}
