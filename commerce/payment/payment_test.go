package payment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

func inTx(t *testing.T, db *pgxpool.Pool, fn func(ctx context.Context, tx pgx.Tx) error) error {
	t.Helper()
	return schema.InTx(t.Context(), db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error { return fn(ctx, tx) })
}

// intent is a payment with the order and the hold that it is for, that nobody drives.
func intent(t *testing.T, db *pgxpool.Pool) Payment {
	t.Helper()
	p := Payment{
		ID: commerce.NewID[commerce.PaymentID](), Order: commerce.NewID[commerce.OrderID](), Hold: commerce.NewID[commerce.HoldID](),
		Provider: "sandbox", Amount: money.Amount{Minor: 4900, Currency: "EUR"}, Token: "tok_1",
	}
	pool := commerce.NewID[commerce.PoolID]()
	err := inTx(t, db, func(ctx context.Context, tx pgx.Tx) error {
		for _, step := range []struct {
			sql  string
			args []any
		}{
			{`insert into pool (id, show, variant, on_hand) values ($1, $1, $1, 9)`, []any{pool}},
			{`insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at) values ($1, $2, 'gst_a', 1, 'paying', 4900, 'EUR', now())`, []any{p.Hold, pool}},
			{`insert into orders (id, hold, show, buyer, email, name, state, total_minor, goods_minor, currency) values ($1, $2, $3, 'gst_a', 'vic@example.com', 'Vic', 'pending', 4900, 4900, 'EUR')`, []any{p.Order, p.Hold, pool}},
		} {
			if _, err := tx.Exec(ctx, step.sql, step.args...); err != nil {
				return err
			}
		}
		batch := &pgx.Batch{}
		QueueCreate(batch, []Payment{p}, time.Minute)
		batch.Queue(`update payment set state = 'intent', attempts = 0, driven_until = null, next_at = now() where id = $1`, p.ID)
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func exec(t *testing.T, db *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := db.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// Every state times every state: what the table has happens, all else is refused and changes nothing.
func TestPaymentTransitionMatrix(t *testing.T) {
	db := schematest.Pool(t)
	p := intent(t, db)
	for _, from := range States() {
		for _, to := range States() {
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				exec(t, db, `
					update payment set state = $2, next_at = now(), captured_minor = case when $2 = 'captured' then amount_minor else 0 end,
						action = case when $2 = 'requires_action' then 'https://bank.example/1' end where id = $1`, p.ID, from)
				news := News{}
				switch to {
				case Captured:
					news.Captured = p.Amount.Minor
				case RequiresAction:
					news.Action = "https://bank.example/2"
				}
				err := inTx(t, db, func(ctx context.Context, tx pgx.Tx) error { return Move(ctx, tx, p.ID, to, news) })
				found, getErr := Get(t.Context(), db, p.ID)
				if getErr != nil {
					t.Fatal(getErr)
				}
				want := from
				if from.Can(to) {
					want = to
				}
				if found.State != want || (err == nil) != from.Can(to) || err != nil && !errors.Is(err, ErrState) {
					t.Fatalf("is %s, want %s; %v", found.State, want, err)
				}
			})
		}
	}
}

func TestDriveIsForOneAtATime(t *testing.T) {
	db := schematest.Pool(t)
	p := intent(t, db)
	drive := func() (got, before Payment, err error) {
		err = inTx(t, db, func(ctx context.Context, tx pgx.Tx) (err error) {
			got, before, err = Drive(ctx, tx, p.ID, p.Provider)
			return err
		})
		return got, before, err
	}
	got, before, err := drive()
	if err != nil || got.State != Sent || before.State != Intent || got.Attempts != 1 {
		t.Fatalf("%+v %s %v", got, before.State, err)
	}
	if _, _, err := drive(); !errors.Is(err, ErrBusy) {
		t.Fatalf("a second driver: %v", err)
	}
	if err := Rest(t.Context(), db, p.ID); err != nil {
		t.Fatal(err)
	}
	if due, err := Due(t.Context(), db, p.Provider, 10); err != nil || len(due) != 0 {
		t.Fatalf("due at once after a rest: %v %v", due, err)
	}
	exec(t, db, `update payment set next_at = now()`)
	if due, err := Due(t.Context(), db, p.Provider, 10); err != nil || len(due) != 1 {
		t.Fatalf("%v %v", due, err)
	}
	exec(t, db, `update payment set deadline = now()`)
	if got, _, err = drive(); err != nil || got.State != Voiding {
		t.Fatalf("after the deadline: %+v %v", got, err)
	}
	exec(t, db, `update payment set state = 'authorised', driven_until = null`)
	if _, _, err := drive(); !errors.Is(err, ErrState) {
		t.Fatalf("with a known outcome: %v", err)
	}
}

// Who writes a payment drives it: nobody else does until that time is over.
func TestWhoCreatesDrives(t *testing.T) {
	db := schematest.Pool(t)
	old := intent(t, db)
	p := old
	p.ID = commerce.NewID[commerce.PaymentID]()
	exec(t, db, `delete from payment`)
	if err := inTx(t, db, func(ctx context.Context, tx pgx.Tx) error {
		batch := &pgx.Batch{}
		QueueCreate(batch, []Payment{p}, time.Minute)
		return tx.SendBatch(ctx, batch).Close()
	}); err != nil {
		t.Fatal(err)
	}
	found, err := Get(t.Context(), db, p.ID)
	if want := Begin(p); err != nil || found.State != want.State || found.Attempts != want.Attempts || found.Token != p.Token || found.Late {
		t.Fatalf("%+v %v", found, err)
	}
	again := func() (got Payment, err error) {
		err = inTx(t, db, func(ctx context.Context, tx pgx.Tx) (err error) {
			got, _, err = Drive(ctx, tx, p.ID, p.Provider)
			return err
		})
		return got, err
	}
	if _, err := again(); !errors.Is(err, ErrBusy) {
		t.Fatalf("a second driver: %v", err)
	}
	exec(t, db, `update payment set next_at = now()`)
	if due, err := Due(t.Context(), db, p.Provider, 10); err != nil || len(due) != 0 {
		t.Fatalf("due while it is driven: %v %v", due, err)
	}
	exec(t, db, `update payment set driven_until = now()`)
	if due, err := Due(t.Context(), db, p.Provider, 10); err != nil || len(due) != 1 {
		t.Fatalf("%v %v", due, err)
	}
	if got, err := again(); err != nil || got.Attempts != 2 {
		t.Fatalf("%+v %v", got, err)
	}
}

// In a batch each payment makes its own step, or none.
func TestMoveTogether(t *testing.T) {
	db := schematest.Pool(t)
	var news []News
	for n := range 4 {
		news = append(news, News{ID: intent(t, db).ID, Charge: fmt.Sprint("ch_", n)})
	}
	exec(t, db, `update payment set state = 'sent'`)
	exec(t, db, `update payment set state = 'failed' where id = $1`, news[2].ID)
	news[3].ID = commerce.NewID[commerce.PaymentID]()
	moved := map[commerce.PaymentID]bool{}
	if err := inTx(t, db, func(ctx context.Context, tx pgx.Tx) error {
		batch := &pgx.Batch{}
		QueueMove(batch, Authorised, news, func(id commerce.PaymentID) { moved[id] = true })
		return tx.SendBatch(ctx, batch).Close()
	}); err != nil {
		t.Fatal(err)
	}
	for n, of := range news[:3] {
		found, err := Get(t.Context(), db, of.ID)
		if ok := n < 2; err != nil || moved[of.ID] != ok || (found.State == Authorised) != ok || (found.Charge == of.Charge) != ok {
			t.Errorf("%d: %v, %+v %v", n, moved[of.ID], found, err)
		}
	}
	if len(moved) != 2 {
		t.Errorf("%d moved", len(moved))
	}
}

// The token is forgotten as soon as the outcome is known.
func TestTokenIsForgotten(t *testing.T) {
	db := schematest.Pool(t)
	p := intent(t, db)
	exec(t, db, `update payment set state = 'sent'`)
	if err := inTx(t, db, func(ctx context.Context, tx pgx.Tx) error {
		return Move(ctx, tx, p.ID, Failed, News{Decline: strings.Repeat("d", 500)})
	}); err != nil {
		t.Fatal(err)
	}
	found, err := OfOrder(t.Context(), db, p.Order)
	if err != nil || found.Token != "" || len(found.Decline) != maxDecline {
		t.Fatalf("%+v %v", found, err)
	}
}

func TestCardsDoNotPrint(t *testing.T) {
	c := Card{Number: "4242424242424242", CVC: "123"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, c); strings.Contains(text, "4242") || strings.Contains(text, "123") {
			t.Errorf("%s prints %s", format, text)
		}
	}
}
