package payment

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

const bankPage = "https://bank.example/1"

func move(t *testing.T, db *pgxpool.Pool, p Payment, to State, n News) Payment {
	t.Helper()
	if err := inTx(t, db, func(ctx context.Context, tx pgx.Tx) error { return Move(ctx, tx, p.ID, to, n) }); err != nil {
		t.Fatal(err)
	}
	found, err := Get(t.Context(), db, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func drive(t *testing.T, db *pgxpool.Pool, p Payment) (now, before Payment) {
	t.Helper()
	if err := inTx(t, db, func(ctx context.Context, tx pgx.Tx) (err error) {
		now, before, err = Drive(ctx, tx, p.ID, p.Provider)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return now, before
}

// Where the buyer confirms is known as long as they may have to, also while somebody asks; then it is forgotten, with
// the way back.
func TestActionStaysUntilTheOutcomeIsKnown(t *testing.T) {
	db := schematest.Pool(t)
	p := intent(t, db)
	exec(t, db, `update payment set return_to = 'https://shop.example/orders/1'`)
	drive(t, db, p)
	p = move(t, db, p, RequiresAction, News{Charge: "ch_1", Action: bankPage})
	if !p.Waits() || p.Action != bankPage || p.Token != "" || p.Return == "" {
		t.Fatalf("%+v", p)
	}
	now, before := drive(t, db, p)
	if now.State != Sent || !now.Waits() || before.State != RequiresAction || now.Attempts != 2 {
		t.Fatalf("%+v %+v", now, before)
	}
	if p = move(t, db, p, Unknown, News{}); !p.Waits() || p.Action != bankPage || p.Return == "" {
		t.Fatalf("%+v", p)
	}
	drive(t, db, p)
	if p = move(t, db, p, Authorised, News{}); p.Waits() || p.Action != "" || p.Return != "" || p.Charge != "ch_1" {
		t.Fatalf("%+v", p)
	}
}

func TestActionIsForgottenAtTheDeadline(t *testing.T) {
	db := schematest.Pool(t)
	p := intent(t, db)
	drive(t, db, p)
	p = move(t, db, p, RequiresAction, News{Charge: "ch_1", Action: bankPage})
	exec(t, db, `update payment set deadline = now()`)
	if now, before := drive(t, db, p); now.State != Voiding || now.Action != "" || !before.Waits() {
		t.Fatalf("%+v %+v", now, before)
	}
}

// A payment that waits is asked about seldom and more seldom, never later than its deadline, and soon when somebody
// hurries.
func TestPausesOfAWaitingPaymentGrow(t *testing.T) {
	db := schematest.Pool(t)
	p := intent(t, db)
	pause := func(age string) time.Duration {
		t.Helper()
		exec(t, db, `update payment set created_at = now() - $1::interval`, age)
		drive(t, db, p)
		move(t, db, p, RequiresAction, News{Action: bankPage})
		var ms int64
		if err := db.QueryRow(t.Context(), `select (extract(epoch from next_at - changed_at) * 1000)::bigint from payment`).Scan(&ms); err != nil {
			t.Fatal(err)
		}
		return time.Duration(ms) * time.Millisecond
	}
	for age, want := range map[string]time.Duration{"0": firstLook, "20 seconds": 10 * time.Second, "10 minutes": lastLook} {
		if got := pause(age); got < want || got > want+time.Second {
			t.Errorf("after %s the next look is in %s, want %s", age, got, want)
		}
	}
	exec(t, db, `update payment set deadline = now() + interval '5 seconds'`)
	if got := pause("10 minutes"); got > 5*time.Second {
		t.Errorf("the deadline is passed by: %s", got)
	}
	if due, err := Due(t.Context(), db, "sandbox", 9); err != nil || len(due) != 0 {
		t.Fatalf("%v %v", due, err)
	}
	for _, within := range []time.Duration{0, time.Hour} { // the second hurries nobody
		if err := Hurry(t.Context(), db, p.ID, within); err != nil {
			t.Fatal(err)
		}
		if due, err := Due(t.Context(), db, "sandbox", 9); err != nil || len(due) != 1 {
			t.Fatalf("%v %v", due, err)
		}
	}
}

func TestPaymentsOfManyOrders(t *testing.T) {
	db := schematest.Pool(t)
	a, b := intent(t, db), intent(t, db)
	of, err := OfOrders(t.Context(), db, []commerce.OrderID{a.Order, b.Order, commerce.NewID[commerce.OrderID]()})
	if err != nil || len(of) != 2 || of[a.Order].ID != a.ID || of[b.Order].ID != b.ID {
		t.Fatalf("%+v %v", of, err)
	}
	if of, err := OfOrders(t.Context(), db, nil); err != nil || len(of) != 0 {
		t.Fatalf("%+v %v", of, err)
	}
}

// Whatever is due is found by its index, and nothing else is due.
func TestDueIsWhatTheStatesSay(t *testing.T) {
	db := schematest.Pool(t)
	p := intent(t, db)
	for _, s := range States() {
		exec(t, db, `update payment set state = $2, next_at = now(), captured_minor = case when $2 = 'captured' then amount_minor else 0 end,
			action = case when $2 = 'requires_action' then 'https://bank.example/1' end where id = $1`, p.ID, s)
		due, err := Due(t.Context(), db, "sandbox", 9)
		if err != nil || (len(due) == 1) != s.Due() {
			t.Errorf("%s: due %v, %v", s, due, err)
		}
	}
}
