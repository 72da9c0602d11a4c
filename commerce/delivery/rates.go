package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
)

// MaxKind is how long the name of a tax may be, in characters.
const MaxKind = 40

var (
	// ErrZone: not one of Zones.
	ErrZone = errors.New("a zone is domestic, union or world")
	// ErrCountry: nothing can be sent there, or there is no such region.
	ErrCountry = errors.New("there is no such place to send to: use a code like IT, or US-CA for a state")
)

// FlatRate is what an order's delivery costs.
type FlatRate struct {
	Zone   Zone
	Amount money.Amount
}

// TaxRate is the tax of a country, or of one of its regions.
type TaxRate struct {
	Country  string
	Region   string // "": everywhere in the country that has no row of its own
	Rate     Rate
	Included bool
	Kind     string // "": keep what it was called, or VAT when included and Sales tax when added
}

// Place is "IT" or "US-CA".
func (t TaxRate) Place() string { return regionName(t.Country, t.Region) }

// SetRate makes delivery to a zone cost amount from now on. Orders that exist keep theirs.
func SetRate(ctx context.Context, tx pgx.Tx, r FlatRate) error {
	if !slices.Contains(Zones(), r.Zone) {
		return ErrZone
	}
	if err := r.Amount.Valid(); err != nil {
		return err
	}
	if r.Amount.Minor < 0 {
		return fmt.Errorf("%w: delivery costs nothing or more", money.ErrRange)
	}
	_, err := tx.Exec(ctx, `
		insert into delivery_rate (zone, currency, amount) values ($1, $2, $3)
		on conflict (zone, currency) do update set amount = excluded.amount, changed_at = now()`, r.Zone, string(r.Amount.Currency), r.Amount.Minor)
	if err != nil {
		return fmt.Errorf("set delivery to %s: %w", r.Zone, err)
	}
	return nil
}

// RemoveRate ends delivery to a zone for a currency. Twice is once.
func RemoveRate(ctx context.Context, tx pgx.Tx, zone Zone, currency money.Currency) error {
	if !slices.Contains(Zones(), zone) {
		return ErrZone
	}
	if _, err := tx.Exec(ctx, `delete from delivery_rate where zone = $1 and currency = $2`, zone, string(currency)); err != nil {
		return fmt.Errorf("end delivery to %s: %w", zone, err)
	}
	return nil
}

// SetTax makes the tax of a place what t says from now on. Orders that exist keep theirs.
func SetTax(ctx context.Context, tx pgx.Tx, t TaxRate) error {
	switch {
	case !Known(t.Country) || t.Region != "" && !knownRegion(t.Country, t.Region):
		return ErrCountry
	case t.Rate < 0 || t.Rate > whole:
		return ErrRate
	case utf8.RuneCountInString(t.Kind) > MaxKind:
		return fmt.Errorf("%w: the name of a tax has at most %d characters", ErrRate, MaxKind)
	}
	// A tax that changes from one way of counting to the other is another tax: it does not keep its name.
	_, err := tx.Exec(ctx, `
		insert into tax_rate as t (country, region, rate, included, name)
		values ($1, $2, $3, $4, coalesce(nullif($5, ''), case when $4 then 'VAT' else 'Sales tax' end))
		on conflict (country, region) do update set rate = excluded.rate, included = excluded.included, changed_at = now(),
			name = case when $5 = '' and t.included = excluded.included then t.name else excluded.name end`,
		t.Country, t.Region, t.Rate, t.Included, t.Kind)
	if err != nil {
		return fmt.Errorf("set the tax of %s: %w", t.Place(), err)
	}
	return nil
}

// Rates lists what delivery costs, by currency and zone.
func Rates(ctx context.Context, q schema.Querier) ([]FlatRate, error) {
	rows, err := q.Query(ctx, `select zone, currency, amount from delivery_rate order by currency, array_position('{domestic,union,world}'::text[], zone)`)
	if err != nil {
		return nil, fmt.Errorf("list rates of delivery: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r FlatRate, err error) {
		var currency string
		err = row.Scan(&r.Zone, &currency, &r.Amount.Minor)
		r.Amount.Currency = money.Currency(currency)
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("list rates of delivery: %w", err)
	}
	return all, nil
}

// Taxes lists what is taxed, by place. Where there is no row there is no tax.
func Taxes(ctx context.Context, q schema.Querier) ([]TaxRate, error) {
	rows, err := q.Query(ctx, `select country, region, rate, included, name from tax_rate order by country, region`)
	if err != nil {
		return nil, fmt.Errorf("list taxes: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[TaxRate])
	if err != nil {
		return nil, fmt.Errorf("list taxes: %w", err)
	}
	return all, nil
}
