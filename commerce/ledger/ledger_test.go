package ledger

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

func post(ctx context.Context, db *pgxpool.Pool, all ...Transaction) error {
	return schema.InTx(ctx, db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error { return Post(ctx, tx, all...) })
}

func sale(ref string, minor int64) Transaction {
	return Transaction{Ref: ref, Kind: "sale", Currency: "EUR", Sides: []Side{{ProviderReceivable("sandbox"), minor}, {"creator:mara:payable", -minor}}}
}

func TestPostOnce(t *testing.T) {
	db := schematest.Pool(t)
	for range 3 {
		if err := post(t.Context(), db, sale("sale:1", 4900)); err != nil {
			t.Fatal(err)
		}
	}
	if err := post(t.Context(), db, sale("sale:1", 4901)); !errors.Is(err, ErrRef) {
		t.Fatalf("the same ref with other sides: %v", err)
	}
	balance, err := Balance(t.Context(), db, ProviderReceivable("sandbox"))
	if err != nil || len(balance) != 1 || balance[0] != (money.Amount{Minor: 4900, Currency: "EUR"}) {
		t.Fatalf("%v %v", balance, err)
	}
}

// Many are posted at once: each once, names of accounts as they are, and nothing of it when one stands for something else.
func TestPostTogether(t *testing.T) {
	db := schematest.Pool(t)
	odd := sale("sale:odd", 7)
	odd.Sides = []Side{{`a "quoted" \ {name},`, 5}, {"NULL", -2}, {"b", -3}}
	all := []Transaction{sale("sale:1", 4900), odd, sale("sale:2", 100), sale("sale:1", 4900)}
	for range 2 {
		if err := post(t.Context(), db, all...); err != nil {
			t.Fatal(err)
		}
	}
	for account, want := range map[Account]int64{ProviderReceivable("sandbox"): 5000, odd.Sides[0].Account: 5, "NULL": -2, "b": -3} {
		if balance, err := Balance(t.Context(), db, account); err != nil || len(balance) != 1 || balance[0].Minor != want {
			t.Errorf("%s: %v %v, want %d", account, balance, err, want)
		}
	}
	if err := post(t.Context(), db, sale("sale:3", 1), sale("sale:2", 99)); !errors.Is(err, ErrRef) {
		t.Errorf("one of them is something else: %v", err)
	}
	if err := post(t.Context(), db, sale("sale:4", 1), sale("sale:4", 2)); !errors.Is(err, ErrRef) {
		t.Errorf("a ref for two: %v", err)
	}
	var n int
	if err := db.QueryRow(t.Context(), `select count(*) from ledger_transaction`).Scan(&n); err != nil || n != 3 {
		t.Errorf("%d transactions, %v", n, err)
	}
}

func TestUnbalancedIsRefused(t *testing.T) {
	db := schematest.Pool(t)
	many := Transaction{Ref: "many", Kind: "sale", Currency: "EUR"}
	for range MaxSides / 2 {
		many.Sides = append(many.Sides, Side{"a", 1}, Side{"b", -1})
	}
	if err := post(t.Context(), db, many); err != nil {
		t.Fatalf("at the limit: %v", err)
	}
	many.Ref, many.Sides = "more", append(many.Sides, Side{"a", 1}, Side{"b", -1})
	for name, bad := range map[string]Transaction{
		"off by one":        {Ref: "1", Kind: "sale", Currency: "EUR", Sides: []Side{{"a", 10}, {"b", -9}}},
		"one side":          {Ref: "2", Kind: "sale", Currency: "EUR", Sides: []Side{{"a", 0}}},
		"a side of zero":    {Ref: "3", Kind: "sale", Currency: "EUR", Sides: []Side{{"a", 5}, {"b", -5}, {"c", 0}}},
		"one side too many": many,
	} {
		if err := post(t.Context(), db, bad); !errors.Is(err, ErrUnbalanced) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Postgres refuses it too, whoever writes.
	_, err := db.Exec(t.Context(), `insert into ledger_transaction (ref, kind, currency, accounts, amounts) values ('x', 'sale', 'EUR', '{a,b}', '{10,-9}')`)
	if !schema.Violates(err, "ledger_balanced") {
		t.Fatal(err)
	}
}

func TestLedgerIsFinal(t *testing.T) {
	db := schematest.Pool(t)
	if err := post(t.Context(), db, sale("sale:1", 4900)); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`update ledger_transaction set kind = 'gift'`, `delete from ledger_transaction`, `truncate ledger_transaction`} {
		if _, err := db.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s was allowed", sql)
		}
	}
}

// Whatever is posted, in any order and however often, everything sums to zero and balances are what was moved.
func TestEverythingSumsToZero(t *testing.T) {
	db := schematest.Pool(t)
	rapid.Check(t, func(rt *rapid.T) {
		account := Account("test:" + commerce.NewID[commerce.OrderID]().String())
		var want int64
		for range rapid.IntRange(1, 6).Draw(rt, "transactions") {
			minor := rapid.Int64Range(1, money.Max/4).Draw(rt, "minor") * int64(rapid.SampledFrom([]int{1, -1}).Draw(rt, "sign"))
			tr := Transaction{Ref: commerce.NewID[commerce.OrderID]().String(), Kind: "test", Currency: "EUR", Sides: []Side{{account, minor}, {"other", -minor}}}
			for range rapid.IntRange(1, 2).Draw(rt, "times") {
				if err := post(t.Context(), db, tr); err != nil {
					rt.Fatal(err)
				}
			}
			want += minor
		}
		balance, err := Balance(t.Context(), db, account)
		if err != nil || len(balance) != 1 || balance[0].Minor != want {
			rt.Fatalf("%v %v, want %d", balance, err, want)
		}
	})
	var sum int64
	if err := db.QueryRow(t.Context(), `select sum(amount)::bigint from ledger_entry`).Scan(&sum); err != nil || sum != 0 {
		t.Fatal(sum, err)
	}
}
