package delivery

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
)

var (
	// ErrUnavailable: nothing can be sent there for this money: no such country, or no rate for the currency.
	ErrUnavailable = errors.New("delivery there is not offered")
	// ErrRate: not a percentage that a tax can have.
	ErrRate = errors.New("a tax is 0 to 100 percent with at most three decimals, like 22 or 7.25")
)

// Rate is a percentage in thousandths of a percent: 22000 is 22 %.
type Rate int

const (
	percent Rate = 1000
	whole        = 100 * percent
)

// ParseRate reads a percentage like "22", "7.25" or "14.975".
func ParseRate(s string) (Rate, error) {
	units, decimals, dot := strings.Cut(s, ".")
	if len(units) < 1 || len(units) > 3 || dot && decimals == "" || len(decimals) > 3 {
		return 0, fmt.Errorf("%w, not %.20q", ErrRate, s)
	}
	n, err := strconv.ParseUint(units+decimals+strings.Repeat("0", 3-len(decimals)), 10, 32)
	if err != nil || Rate(n) > whole {
		return 0, fmt.Errorf("%w, not %.20q", ErrRate, s)
	}
	return Rate(n), nil
}

// String is the percentage without its sign: "22", "7.25".
func (r Rate) String() string { return strconv.FormatFloat(float64(r)/float64(percent), 'f', -1, 64) }

// BasisPoints is the percentage in hundredths of a percent, which some rates have halves of.
func (r Rate) BasisPoints() float64 { return float64(r) / 10 }

// Tax is what the state gets of an order.
type Tax struct {
	Amount   money.Amount
	Rate     Rate
	Included bool   // in goods and delivery; else added to goods
	Kind     string // what it is called: "VAT", "Sales tax"; "" for none
	Region   string // whose it is: "IT", "US-CA"; "" for none
}

// Name is short words for people: "VAT 22 %", "" when there is none.
func (t Tax) Name() string {
	if t.Rate == 0 {
		return ""
	}
	return t.Kind + " " + t.Rate.String() + " %"
}

// Costs is what a buyer pays, and for what.
type Costs struct {
	Goods    money.Amount
	Delivery money.Amount
	Tax      Tax
	Total    money.Amount // Goods, Delivery, and Tax.Amount when it is not included
	Zone     Zone
}

// Order is goods that shall go somewhere.
type Order struct {
	Goods money.Amount // of all units, without tax where it is added
	Home  string       // the shop's country
	To    Address      // only Country and Region count; see Address.Check for their spelling
}

// Quote says what an order costs now. ErrUnavailable when nothing can be sent there for this currency, ErrRegion when
// the region is needed, money.ErrRange when the sum is no amount.
func Quote(ctx context.Context, q schema.Querier, o Order) (Costs, error) {
	quotes, args := ask([]Order{o})
	rows, err := q.Query(ctx, quoteSQL, args...)
	if err == nil {
		err = quotes.read(rows)
	}
	if err != nil {
		return Costs{}, fmt.Errorf("quote delivery to %s: %w", o.To.Country, err)
	}
	return quotes.Of(o)
}

// Quotes are the rates of some destinations, as they were at one moment.
type Quotes map[destination]rates

// destination is all of an order that its rates depend on.
type destination struct {
	zone            Zone
	currency        money.Currency
	country, region string
}

func (o Order) destination() destination {
	return destination{zone: ZoneTo(o.Home, o.To.Country), currency: o.Goods.Currency, country: o.To.Country, region: o.To.Region}
}

// rates are what delivery costs and the tax, whose amount depends on the order.
type rates struct {
	delivery money.Amount
	tax      Tax
}

// Queue adds to a batch the question what is asked for orders like these. The quotes are there when the batch has been sent.
func Queue(batch *pgx.Batch, orders []Order) Quotes {
	quotes, args := ask(orders)
	batch.Queue(quoteSQL, args...).Query(quotes.read)
	return quotes
}

const quoteSQL = `
	select w.zone, w.currency, w.country, w.region,
		d.amount, coalesce(t.rate, 0), coalesce(t.included, false), coalesce(t.name, ''), coalesce(t.country, ''), coalesce(t.region, '')
	from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as w(zone, currency, country, region)
	join delivery_rate d on d.zone = w.zone and d.currency = w.currency
	left join lateral (select * from tax_rate where country = w.country and region in (w.region, '') order by region desc limit 1) t on true`

// ask is the question about each destination once.
func ask(orders []Order) (Quotes, []any) {
	var zones, currencies, countries, regions []string
	asked := map[destination]bool{}
	for _, o := range orders {
		d := o.destination()
		if asked[d] || !Known(d.country) {
			continue
		}
		asked[d] = true
		zones, currencies = append(zones, string(d.zone)), append(currencies, string(d.currency))
		countries, regions = append(countries, d.country), append(regions, d.region)
	}
	return Quotes{}, []any{zones, currencies, countries, regions}
}

func (q Quotes) read(rows pgx.Rows) error {
	var d destination
	var zone, currency, country, region string
	var r rates
	_, err := pgx.ForEachRow(rows, []any{&zone, &currency, &d.country, &d.region, &r.delivery.Minor, &r.tax.Rate, &r.tax.Included, &r.tax.Kind, &country, &region}, func() error {
		d.zone, d.currency = Zone(zone), money.Currency(currency)
		r.delivery.Currency, r.tax.Region = d.currency, regionName(country, region)
		q[d] = r
		return nil
	})
	return err
}

// Of says what one of the orders costs. The errors are those of Quote.
func (q Quotes) Of(o Order) (Costs, error) {
	if !Known(o.To.Country) {
		return Costs{}, ErrUnavailable
	}
	if len(regions[o.To.Country]) > 0 && !knownRegion(o.To.Country, o.To.Region) {
		return Costs{}, ErrRegion
	}
	d := o.destination()
	r, ok := q[d]
	if !ok {
		return Costs{}, ErrUnavailable
	}
	costs, err := sum(o.Goods, r.delivery, r.tax)
	costs.Zone = d.zone
	return costs, err
}

// regionName is "IT" or "US-CA".
func regionName(country, region string) string {
	if region == "" {
		return country
	}
	return country + "-" + region
}

// sum adds it all up. Goods and delivery are not negative.
func sum(goods, delivery money.Amount, tax Tax) (Costs, error) {
	if goods.Minor < 0 || delivery.Minor < 0 || tax.Rate < 0 || tax.Rate > whole {
		return Costs{}, fmt.Errorf("%w: goods of %v, delivery of %v, a tax of %v %%", money.ErrRange, goods, delivery, tax.Rate)
	}
	total, err := goods.Add(delivery)
	if err != nil {
		return Costs{}, fmt.Errorf("goods and delivery: %w", err)
	}
	tax.Amount.Currency = goods.Currency
	if tax.Included {
		tax.Amount.Minor = share(total.Minor, int64(tax.Rate), int64(whole+tax.Rate))
		return Costs{Goods: goods, Delivery: delivery, Tax: tax, Total: total}, nil
	}
	tax.Amount.Minor = share(goods.Minor, int64(tax.Rate), int64(whole))
	if total, err = total.Add(tax.Amount); err != nil {
		return Costs{}, fmt.Errorf("goods, delivery and tax: %w", err)
	}
	return Costs{Goods: goods, Delivery: delivery, Tax: tax, Total: total}, nil
}

// share is amount * part / of, rounded half to even. No amount is above money.Max and no part above 100 000, so that
// nothing overflows.
func share(amount, part, of int64) int64 {
	n, rest := amount*part/of, amount*part%of
	if 2*rest > of || 2*rest == of && n%2 == 1 {
		n++
	}
	return n
}
