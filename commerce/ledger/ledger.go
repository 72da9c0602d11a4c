package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	for _, t := range transactions {
		if err := t.post(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

func (t Transaction) post(ctx context.Context, tx pgx.Tx) error {
	if err := t.validate(); err != nil {
		return err
	}
	accounts, amounts := make([]string, len(t.Sides)), make([]int64, len(t.Sides))
	for i, s := range t.Sides {
		accounts[i], amounts[i] = string(s.Account), s.Minor
	}
	tag, err := tx.Exec(ctx, `
		insert into ledger_transaction (ref, kind, currency, accounts, amounts) values ($1, $2, $3, $4, $5)
		on conflict (ref) do nothing`, t.Ref, t.Kind, string(t.Currency), accounts, amounts)
	if err != nil {
		return fmt.Errorf("post %s: %w", t.Ref, err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	var same bool
	err = tx.QueryRow(ctx, `select kind = $2 and currency = $3 and accounts = $4 and amounts = $5 from ledger_transaction where ref = $1`,
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
