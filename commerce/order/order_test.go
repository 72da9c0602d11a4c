package order

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

func inTx(t *testing.T, db *pgxpool.Pool, fn func(ctx context.Context, tx pgx.Tx) error) error {
	t.Helper()
	return schema.InTx(t.Context(), db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error { return fn(ctx, tx) })
}

// costs are those of goods sent within Italy.
func costs(goods, sending, tax int64) delivery.Costs {
	eur := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }
	return delivery.Costs{
		Goods: eur(goods), Delivery: eur(sending), Total: eur(goods + sending), Zone: delivery.Domestic,
		Tax: delivery.Tax{Amount: eur(tax), Rate: 22000, Included: true, Kind: "VAT", Region: "IT"},
	}
}

// wish is an order of two lines on a hold of its own.
func wish(t *testing.T, db *pgxpool.Pool) Order {
	t.Helper()
	o := Order{
		ID: commerce.NewID[commerce.OrderID](), Hold: commerce.NewID[commerce.HoldID](), Show: commerce.NewID[commerce.ShowID](),
		Buyer: "gst_a", Email: "vic@example.com", Name: "Vic",
		Lines: []Line{
			{Variant: commerce.NewID[commerce.VariantID](), Product: commerce.NewID[commerce.ProductID](), Title: "Pan", Quantity: 2, Unit: money.Amount{Minor: 4900, Currency: "EUR"}},
			{Variant: commerce.NewID[commerce.VariantID](), Product: commerce.NewID[commerce.ProductID](), Title: "Lid", Quantity: 1, Unit: money.Amount{Minor: 150, Currency: "EUR"}},
		},
	}
	for i := range o.Lines {
		o.Lines[i].Owner = commerce.NewID[commerce.AccountID]()
	}
	o.Delivery = &delivery.Address{Name: "Vic Rossi", Line1: "Via del Ponte 4", City: "Venezia", Postcode: "30124", Country: "IT"}
	o.Costs = costs(9950, 490, 1883)
	pool := commerce.NewID[commerce.PoolID]()
	_, err := db.Exec(t.Context(), `insert into pool (id, show, variant, on_hand) values ($1, $2, $3, 9)`, pool, o.Show, o.Lines[0].Variant)
	if err == nil {
		_, err = db.Exec(t.Context(), `insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at) values ($1, $2, 'gst_a', 2, 'paying', 4900, 'EUR', now())`, o.Hold, pool)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// create writes orders in one batch.
func create(t *testing.T, db *pgxpool.Pool, orders ...Order) error {
	t.Helper()
	return inTx(t, db, func(ctx context.Context, tx pgx.Tx) error {
		batch := &pgx.Batch{}
		if err := QueueCreate(batch, orders); err != nil {
			return err
		}
		return tx.SendBatch(ctx, batch).Close()
	})
}

// confirm confirms orders in one batch, and answers their receipts.
func confirm(t *testing.T, db *pgxpool.Pool, ids ...commerce.OrderID) (receipts []Receipt, err error) {
	t.Helper()
	err = inTx(t, db, func(ctx context.Context, tx pgx.Tx) error {
		batch := &pgx.Batch{}
		QueueConfirm(batch, ids, func(r Receipt) { receipts = append(receipts, r) })
		return tx.SendBatch(ctx, batch).Close()
	})
	return receipts, err
}

func TestCreateOnceAndRead(t *testing.T) {
	db := schematest.Pool(t)
	o := wish(t, db)
	if err := create(t, db, o); err != nil {
		t.Fatal(err)
	}
	again := o
	again.Hold = commerce.NewID[commerce.HoldID]()
	if err := create(t, db, again); !schema.Violates(err, OnePerID) {
		t.Fatal(err)
	}
	found, err := Get(t.Context(), db, o.ID)
	if err != nil || found.Total.Minor != 10440 || found.State != Pending || found.Receipt != "" || len(found.Lines) != 2 || found.Lines[1].Title != "Lid" || found.Lines[0] != o.Lines[0] || found.Costs != o.Costs || *found.Delivery != *o.Delivery {
		t.Fatalf("%+v %v", found, err)
	}
	if _, err := Get(t.Context(), db, commerce.NewID[commerce.OrderID]()); !errors.Is(err, ErrUnknown) {
		t.Fatal(err)
	}
}

// Costs that do not belong to the lines, or do not add up, and orders that go nowhere are never written.
func TestCreateJudgesCosts(t *testing.T) {
	db := schematest.Pool(t)
	for name, change := range map[string]func(*Order){
		"goods of other lines":     func(o *Order) { o.Costs = costs(9951, 490, 1883) },
		"goods of other money":     func(o *Order) { o.Costs.Goods.Currency = "USD" },
		"no costs":                 func(o *Order) { o.Costs = delivery.Costs{} },
		"no address":               func(o *Order) { o.Delivery = nil },
		"an address of no country": func(o *Order) { o.Delivery = &delivery.Address{Name: "Vic", Line1: "Via", City: "Venezia"} },
		"a total that is less":     func(o *Order) { o.Costs.Total.Minor-- },
		"a tax on top, forgotten":  func(o *Order) { o.Costs.Tax.Included = false },
		"more tax than there is":   func(o *Order) { o.Costs.Tax.Amount.Minor = 10441 },
		"a tax that is paid back":  func(o *Order) { o.Costs.Tax.Amount.Minor = -1 },
		"no zone that we know":     func(o *Order) { o.Costs.Zone = "moon" },
	} {
		o := wish(t, db)
		change(&o)
		if err := create(t, db, wish(t, db), o); err == nil {
			t.Errorf("%s: written", name)
		}
		if _, err := Get(t.Context(), db, o.ID); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOneLivingOrderPerHold(t *testing.T) {
	db := schematest.Pool(t)
	o := wish(t, db)
	if err := create(t, db, o); err != nil {
		t.Fatal(err)
	}
	second := o
	second.ID = commerce.NewID[commerce.OrderID]()
	if err := create(t, db, second); !schema.Violates(err, OnePerHold) {
		t.Fatal(err)
	}
	if err := inTx(t, db, func(ctx context.Context, tx pgx.Tx) error { return Move(ctx, tx, o.ID, Cancelled) }); err != nil {
		t.Fatal(err)
	}
	if err := create(t, db, second); err != nil {
		t.Fatal(err)
	}
}

// TestBought: in every state of an order, and for nobody else.
func TestBought(t *testing.T) {
	db := schematest.Pool(t)
	o := wish(t, db)
	if err := create(t, db, o); err != nil {
		t.Fatal(err)
	}
	for _, state := range States() {
		if _, err := db.Exec(t.Context(), `update orders set state = $2 where id = $1`, o.ID, state); err != nil {
			t.Fatal(err)
		}
		if bought, err := Bought(t.Context(), db, o.Show, o.Buyer); err != nil || bought != state.Paid() {
			t.Errorf("%s: %v, %v", state, bought, err)
		}
		other, err := Bought(t.Context(), db, o.Show, "gst_b")
		elsewhere, err2 := Bought(t.Context(), db, commerce.NewID[commerce.ShowID](), o.Buyer)
		if err := errors.Join(err, err2); err != nil || other || elsewhere {
			t.Errorf("%s: somebody else %v, elsewhere %v, %v", state, other, elsewhere, err)
		}
	}
}

func TestOrdersThatCannotBe(t *testing.T) {
	db := schematest.Pool(t)
	o := wish(t, db)
	none, mixed, dear := o, o, o
	none.Lines = nil
	mixed.Lines = []Line{o.Lines[0], {Variant: o.Lines[1].Variant, Title: "Lid", Quantity: 1, Unit: money.Amount{Minor: 1, Currency: "USD"}}}
	dear.Lines = []Line{{Variant: o.Lines[0].Variant, Title: "Gold", Quantity: 2, Unit: money.Amount{Minor: money.Max, Currency: "EUR"}}}
	for name, bad := range map[string]Order{"no line": none, "two currencies": mixed, "too dear": dear} {
		if err := create(t, db, bad); err == nil {
			t.Errorf("%s was created", name)
		}
	}
}

// Every state times every state: what the table has happens, all else is refused and changes nothing, of the whole row.
// Confirmed is reached by QueueConfirm alone, which goes through authorised in the same statement.
func TestOrderTransitionMatrix(t *testing.T) {
	db := schematest.Pool(t)
	o := wish(t, db)
	if err := create(t, db, o); err != nil {
		t.Fatal(err)
	}
	row := func(t *testing.T) (whole string, state State, version int) {
		t.Helper()
		if err := db.QueryRow(t.Context(), `select to_json(o)::text, state, version from orders o where id = $1`, o.ID).Scan(&whole, &state, &version); err != nil {
			t.Fatal(err)
		}
		return whole, state, version
	}
	steps := 0
	for _, from := range States() {
		for _, to := range States() {
			possible, how, made := from.Can(to), Move, 1
			if to == Confirmed {
				how = func(_ context.Context, _ pgx.Tx, id commerce.OrderID, _ State) error {
					if receipts, err := confirm(t, db, id); err != nil || len(receipts) == 0 {
						return errors.Join(err, ErrState)
					}
					return nil
				}
				possible, made = from.Can(Authorised), 2
			}
			t.Run(fmt.Sprintf("%s to %s", from, to), func(t *testing.T) {
				if _, err := db.Exec(t.Context(), `update orders set state = $2, receipt = null, confirmed_at = null where id = $1`, o.ID, from); err != nil {
					t.Fatal(err)
				}
				before, _, version := row(t)
				err := inTx(t, db, func(ctx context.Context, tx pgx.Tx) error { return how(ctx, tx, o.ID, to) })
				after, now, versionNow := row(t)
				switch {
				case possible && (err != nil || now != to || versionNow != version+made):
					t.Fatalf("is %s of version %d, want %s of %d; %v", now, versionNow, to, version+made, err)
				case !possible && (!errors.Is(err, ErrState) || after != before):
					t.Fatalf("refused with %v, and became\n%s\nof\n%s", err, after, before)
				}
			})
			if possible {
				steps++
			}
		}
		if err := inTx(t, db, func(ctx context.Context, tx pgx.Tx) error { return Move(ctx, tx, o.ID, Confirmed) }); err == nil {
			t.Fatal("confirmed without a receipt")
		}
	}
	if want := 15; steps != want {
		t.Errorf("%d steps are possible, want %d", steps, want)
	}
}

func TestConfirmGivesAReceiptOnce(t *testing.T) {
	db := schematest.Pool(t)
	o := wish(t, db)
	if err := create(t, db, o); err != nil {
		t.Fatal(err)
	}
	other := wish(t, db)
	if err := create(t, db, other); err != nil {
		t.Fatal(err)
	}
	receipts, err := confirm(t, db, o.ID, commerce.NewID[commerce.OrderID](), other.ID)
	if err != nil || len(receipts) != 2 || receipts[0].Number == receipts[1].Number {
		t.Fatalf("%+v %v", receipts, err)
	}
	found, err := Get(t.Context(), db, o.ID)
	want := Receipt{Order: o.ID, Show: o.Show, Buyer: o.Buyer, Number: found.Receipt, Tax: o.Costs.Tax.Amount, Region: "IT"}
	if err != nil || found.State != Confirmed || !strings.HasPrefix(found.Receipt, "R-") || !slices.Contains(receipts, want) {
		t.Fatalf("%+v %v", found, err)
	}
	if receipts, err := confirm(t, db, o.ID); err != nil || len(receipts) != 0 {
		t.Fatalf("again: %+v %v", receipts, err)
	}
	if revenue, err := Revenue(t.Context(), db, o.Show); err != nil || len(revenue) != 1 || revenue[0].Minor != 9950 {
		t.Fatalf("%v %v", revenue, err)
	}
	if recent, err := Recent(t.Context(), db, o.Show); err != nil || len(recent) != 1 || recent[0].ID != o.ID {
		t.Fatalf("%v %v", recent, err)
	}
}

func TestContact(t *testing.T) {
	for _, email := range []string{"", "vic", "vic@", "@x.de", "vic@host", "Vic <vic@example.com>", strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 100) + "com"} {
		if _, _, err := Contact(email, "Vic"); !errors.Is(err, ErrEmail) {
			t.Errorf("%q: %v", email, err)
		}
	}
	for name, ok := range map[string]bool{"": false, "  ": false, "a\x00b": false, "\xff": false, strings.Repeat("ä", MaxName): true, strings.Repeat("ä", MaxName+1): false} {
		if _, _, err := Contact("vic@example.com", name); (err == nil) != ok {
			t.Errorf("a name of %d bytes: %v", len(name), err)
		}
	}
	email, name, err := Contact(" vic@example.com ", " Vic ")
	if email != "vic@example.com" || name != "Vic" || err != nil {
		t.Fatal(email, name, err)
	}
}
