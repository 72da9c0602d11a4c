package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
)

// MaxSides is how many sides one transaction may have.
const MaxSides = 32

var (
	// ErrUnbalanced: the sides do not sum to zero, are too few or too many, or one of them is nothing.
	ErrUnbalanced = errors.New("ledger transaction does not balance")
	// ErrRef: the ref was posted before, with other sides.
	ErrRef = errors.New("ledger ref stands for another transaction")
)

// Account is a place where money can be. What it holds is positive.
type Account string

// CreatorPayable is what we owe to a creator; it is negative while we owe.
func CreatorPayable(id commerce.AccountID) Account {
	return Account("creator:" + id.String() + ":payable")
}

// TaxPayable is what we owe to the tax office of a region ("IT", "US-CA"); it is negative while we owe.
func TaxPayable(region string) Account { return Account("tax:" + region + ":payable") }

// ProviderReceivable is what a payment provider owes to us.
func ProviderReceivable(provider string) Account {
	return Account("provider:" + provider + ":receivable")
}

// Side is one line of a transaction.
type Side struct {
	Account Account
	Minor   int64 // of the transaction's currency
}

// Transaction is money that moves at once.
type Transaction struct {
	Ref      string // deterministic, for example "sale:ord_…"
	Kind     string
	Currency money.Currency
	Sides    []Side
}

// Post adds transactions to what tx commits.
func Post(ctx context.Context, tx pgx.Tx, transactions ...Transaction) error {
	if len(transactions) == 0 {
		return nil
	}
	batch, posted := &pgx.Batch{}, map[string]bool{}
	if err := Queue(batch, transactions, func(ref string) { posted[ref] = true }); err != nil {
		return err
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("post %d transactions: %w", len(transactions), err)
	}
	for _, t := range transactions {
		if posted[t.Ref] {
			delete(posted, t.Ref) // the next one of this ref was there already
			continue
		}
		if err := t.same(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// Queue adds to a batch that transactions are posted, and calls posted for the ref of each that was not there already. A
// transaction that does not balance is an error, and nothing is added.
func Queue(batch *pgx.Batch, transactions []Transaction, posted func(ref string)) error {
	n := len(transactions)
	refs, kinds, currencies := make([]string, n), make([]string, n), make([]string, n)
	accounts, amounts := make([]string, n), make([]string, n) // each an array's literal: arrays of arrays have all one length
	for i, t := range transactions {
		if err := t.validate(); err != nil {
			return err
		}
		refs[i], kinds[i], currencies[i] = t.Ref, t.Kind, string(t.Currency)
		accounts[i], amounts[i] = t.literals()
	}
	batch.Queue(`
		insert into ledger_transaction (ref, kind, currency, accounts, amounts)
		select ref, kind, currency, accounts::text[], amounts::bigint[]
		from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) as w(ref, kind, currency, accounts, amounts)
		on conflict (ref) do nothing returning ref`, refs, kinds, currencies, accounts, amounts).Query(func(rows pgx.Rows) error {
		var ref string
		_, err := pgx.ForEachRow(rows, []any{&ref}, func() error { posted(ref); return nil })
		return err
	})
	return nil
}

var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// literals are the sides as Postgres reads arrays: {"a","b"} and {1,-1}.
func (t Transaction) literals() (accounts, amounts string) {
	var a, m strings.Builder
	for i, s := range t.Sides {
		before := ","
		if i == 0 {
			before = "{"
		}
		a.WriteString(before + `"` + quoted.Replace(string(s.Account)) + `"`)
		m.WriteString(before + strconv.FormatInt(s.Minor, 10))
	}
	return a.String() + "}", m.String() + "}"
}

// same fails with ErrRef when the ref stands for something else.
func (t Transaction) same(ctx context.Context, tx pgx.Tx) error {
	accounts, amounts := t.literals()
	var same bool
	err := tx.QueryRow(ctx, `
		select kind = $2 and currency = $3 and accounts = $4::text::text[] and amounts = $5::text::bigint[] from ledger_transaction where ref = $1`,
		t.Ref, t.Kind, string(t.Currency), accounts, amounts).Scan(&same)
	if err != nil {
		return fmt.Errorf("post %s again: %w", t.Ref, err)
	}
	if !same {
		return fmt.Errorf("%w: %s", ErrRef, t.Ref)
	}
	return nil
}

func (t Transaction) validate() error {
	if len(t.Sides) < 2 || len(t.Sides) > MaxSides {
		return fmt.Errorf("%w: %s has %d sides", ErrUnbalanced, t.Ref, len(t.Sides))
	}
	sum := money.Amount{Currency: t.Currency}
	for _, s := range t.Sides {
		var err error
		if s.Minor == 0 {
			return fmt.Errorf("%w: a side of %s is nothing", ErrUnbalanced, t.Ref)
		}
		if sum, err = sum.Add(money.Amount{Minor: s.Minor, Currency: t.Currency}); err != nil {
			return fmt.Errorf("post %s: %w", t.Ref, err)
		}
	}
	if sum.Minor != 0 {
		return fmt.Errorf("%w: %s is off by %d", ErrUnbalanced, t.Ref, sum.Minor)
	}
	return nil
}

// Balance is what an account holds, by currency, sorted.
func Balance(ctx context.Context, q schema.Querier, account Account) ([]money.Amount, error) {
	rows, err := q.Query(ctx, `
		select currency, sum(amount)::bigint from ledger_entry
		where transaction in (select id from ledger_transaction where accounts @> array[$1]) and account = $1
		group by currency`, string(account))
	if err != nil {
		return nil, fmt.Errorf("balance of %s: %w", account, err)
	}
	amounts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a money.Amount, err error) {
		var currency string
		err = row.Scan(&currency, &a.Minor)
		a.Currency = money.Currency(currency)
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("balance of %s: %w", account, err)
	}
	slices.SortFunc(amounts, func(a, b money.Amount) int { return slices.Compare([]byte(a.Currency), []byte(b.Currency)) })
	return amounts, nil
}
