package delivery

import (
	"context"
	"errors"
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

func TestQuoteOfTheDefaults(t *testing.T) {
	db := schematest.Pool(t)
	for name, tc := range map[string]struct {
		home, to, goods        string
		zone                   Zone
		delivery, tax, total   string
		taxed, owner, included string
	}{
		"at home":              {"IT", "IT", "49.00 EUR", Domestic, "4.90 EUR", "9.72 EUR", "53.90 EUR", "VAT 22 %", "IT", "in"},
		"a region of no tax":   {"IT", "IT-VE", "49.00 EUR", Domestic, "4.90 EUR", "9.72 EUR", "53.90 EUR", "VAT 22 %", "IT", "in"},
		"in the union":         {"IT", "FI", "49.00 EUR", Union, "9.90 EUR", "11.97 EUR", "58.90 EUR", "VAT 25.5 %", "FI", "in"},
		"to a kingdom":         {"IT", "GB", "20.00 GBP", World, "16.95 GBP", "6.16 GBP", "36.95 GBP", "VAT 20 %", "GB", "in"},
		"to California":        {"IT", "US-CA", "49.00 USD", World, "21.95 USD", "3.55 USD", "74.50 USD", "Sales tax 7.25 %", "US-CA", ""},
		"a state without":      {"US", "US-OR", "49.00 USD", Domestic, "5.95 USD", "0.00 USD", "54.95 USD", "", "US-OR", ""},
		"to an army":           {"US", "US-AE", "49.00 USD", Domestic, "5.95 USD", "0.00 USD", "54.95 USD", "", "", ""},
		"to Quebec":            {"CA", "CA-QC", "100.00 CAD", Domestic, "9.90 CAD", "14.98 CAD", "124.88 CAD", "GST + QST 14.975 %", "CA-QC", ""},
		"where no tax is":      {"IT", "JP", "6000 JPY", World, "3200 JPY", "0 JPY", "9200 JPY", "", "", ""},
		"without decimals":     {"DE", "IT", "6000 JPY", Union, "1600 JPY", "1370 JPY", "7600 JPY", "VAT 22 %", "IT", "in"},
		"with three decimals":  {"IT", "AE", "6.000 KWD", World, "6.500 KWD", "0.000 KWD", "12.500 KWD", "", "", ""},
		"nothing, and a stamp": {"IT", "IT", "0.00 EUR", Domestic, "4.90 EUR", "0.88 EUR", "4.90 EUR", "VAT 22 %", "IT", "in"},
	} {
		amount, currency, _ := strings.Cut(tc.goods, " ")
		goods, err := money.Parse(amount, currency)
		if err != nil {
			t.Fatal(err)
		}
		country, region, _ := strings.Cut(tc.to, "-")
		c, err := Quote(t.Context(), db, Order{Goods: goods, Home: tc.home, To: Address{Country: country, Region: region}})
		if err != nil || c.Zone != tc.zone || c.Goods != goods || c.Delivery.String() != tc.delivery || c.Tax.Amount.String() != tc.tax ||
			c.Total.String() != tc.total || c.Tax.Name() != tc.taxed || c.Tax.Region != tc.owner || c.Tax.Included != (tc.included != "") {
			t.Errorf("%s: %+v %v", name, c, err)
		}
	}
}

func TestQuoteIsRefused(t *testing.T) {
	db := schematest.Pool(t)
	for name, tc := range map[string]struct {
		goods           money.Amount
		country, region string
		want            error
	}{
		"an unknown country":   {eur(4900), "XX", "", ErrUnavailable},
		"no country":           {eur(4900), "", "", ErrUnavailable},
		"in small letters":     {eur(4900), "it", "", ErrUnavailable},
		"no state":             {eur(4900), "US", "", ErrRegion},
		"a state of elsewhere": {eur(4900), "US", "QC", ErrRegion},
		"a currency of none":   {money.Amount{Minor: 1, Currency: "XXX"}, "IT", "", ErrUnavailable},
		"more than there is":   {eur(money.Max), "IT", "", money.ErrRange},
		"less than nothing":    {eur(-1), "IT", "", money.ErrRange},
	} {
		if c, err := Quote(t.Context(), db, Order{Goods: tc.goods, Home: "IT", To: Address{Country: tc.country, Region: tc.region}}); !errors.Is(err, tc.want) {
			t.Errorf("%s: %+v %v, want %v", name, c, err, tc.want)
		}
	}
}

// Whatever can be sold can be sent, everywhere.
func TestEveryCurrencyHasRates(t *testing.T) {
	db := schematest.Pool(t)
	rates, err := Rates(t.Context(), db)
	if err != nil || len(rates) != len(Zones())*len(money.Currencies()) {
		t.Fatalf("%d rates of %d currencies, %v", len(rates), len(money.Currencies()), err)
	}
	for i, r := range rates {
		if err := r.Amount.Valid(); err != nil || r.Zone != Zones()[i%3] || r.Amount.Minor == 0 {
			t.Errorf("%+v %v", r, err)
		}
		if i%3 > 0 && rates[i-1].Amount.Minor > r.Amount.Minor {
			t.Errorf("%v is farther than %v", r, rates[i-1])
		}
	}
}

func TestEveryTaxIsOfAPlace(t *testing.T) {
	db := schematest.Pool(t)
	taxes, err := Taxes(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]TaxRate{}
	for _, tax := range taxes {
		known[tax.Place()] = tax
		if !Known(tax.Country) || tax.Region != "" && !knownRegion(tax.Country, tax.Region) || tax.Rate < 0 || tax.Rate > 30*percent {
			t.Errorf("%+v", tax)
		}
	}
	for _, code := range append(union, "GB", "CH", "NO") {
		if tax := known[code]; tax.Rate < 5*percent || !tax.Included {
			t.Errorf("%s: %+v", code, tax)
		}
	}
	for country, all := range regions {
		for _, r := range all {
			if tax, ok := known[country+"-"+r.Code]; !ok && !strings.HasPrefix(r.Name, "Armed Forces") || tax.Included {
				t.Errorf("%s-%s: %+v", country, r.Code, tax)
			}
		}
	}
}

func TestAnOperatorChangesRates(t *testing.T) {
	db := schematest.Pool(t)
	to := func(country, region string) (Costs, error) {
		return Quote(t.Context(), db, Order{Goods: eur(4900), Home: "IT", To: Address{Country: country, Region: region}})
	}
	for range 2 { // twice is once
		err := inTx(t, db, func(ctx context.Context, tx pgx.Tx) error {
			return errors.Join(
				SetRate(ctx, tx, FlatRate{Domestic, eur(0)}), RemoveRate(ctx, tx, World, "EUR"), SetTax(ctx, tx, TaxRate{Country: "IT", Rate: 21500, Included: true}),
				SetTax(ctx, tx, TaxRate{Country: "US", Rate: 3000}), SetTax(ctx, tx, TaxRate{Country: "CA", Region: "ON", Rate: 13500}),
				SetTax(ctx, tx, TaxRate{Country: "CA", Region: "QC", Rate: 5000, Included: true}), SetTax(ctx, tx, TaxRate{Country: "JP", Rate: 10000, Included: true, Kind: "JCT"}),
			)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if c, err := to("IT", ""); err != nil || c.Total.Minor != 4900 || c.Tax.Amount.Minor != 867 || c.Tax.Name() != "VAT 21.5 %" {
		t.Errorf("%+v %v", c, err)
	}
	if c, err := to("US", "CA"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("%+v %v", c, err)
	}
	if err := inTx(t, db, func(ctx context.Context, tx pgx.Tx) error { return SetRate(ctx, tx, FlatRate{World, eur(100)}) }); err != nil {
		t.Fatal(err)
	}
	for place, want := range map[string]string{
		"US-CA": "Sales tax 7.25 %", "US-AE": "Sales tax 3 %", "CA-ON": "HST 13.5 %", "CA-QC": "VAT 5 %", "JP": "JCT 10 %",
	} {
		country, region, _ := strings.Cut(place, "-")
		if c, err := to(country, region); err != nil || c.Tax.Name() != want {
			t.Errorf("%s: %+v %v", place, c, err)
		}
	}
	for name, tc := range map[string]struct {
		set  func(ctx context.Context, tx pgx.Tx) error
		want error
	}{
		"a zone of none": {func(ctx context.Context, tx pgx.Tx) error { return SetRate(ctx, tx, FlatRate{"moon", eur(1)}) }, ErrZone},
		"out of no zone": {func(ctx context.Context, tx pgx.Tx) error { return RemoveRate(ctx, tx, "moon", "EUR") }, ErrZone},
		"a currency of none": {func(ctx context.Context, tx pgx.Tx) error {
			return SetRate(ctx, tx, FlatRate{World, money.Amount{Currency: "XXX"}})
		}, money.ErrCurrency},
		"less than nothing": {func(ctx context.Context, tx pgx.Tx) error { return SetRate(ctx, tx, FlatRate{World, eur(-1)}) }, money.ErrRange},
		"too much": {func(ctx context.Context, tx pgx.Tx) error {
			return SetRate(ctx, tx, FlatRate{World, eur(money.Max + 1)})
		}, money.ErrRange},
		"no such country": {func(ctx context.Context, tx pgx.Tx) error { return SetTax(ctx, tx, TaxRate{Country: "XX"}) }, ErrCountry},
		"no such state": {func(ctx context.Context, tx pgx.Tx) error {
			return SetTax(ctx, tx, TaxRate{Country: "US", Region: "QC"})
		}, ErrCountry},
		"a region of none": {func(ctx context.Context, tx pgx.Tx) error {
			return SetTax(ctx, tx, TaxRate{Country: "IT", Region: "VE"})
		}, ErrCountry},
		"more than all": {func(ctx context.Context, tx pgx.Tx) error {
			return SetTax(ctx, tx, TaxRate{Country: "IT", Rate: whole + 1})
		}, ErrRate},
		"a long name": {func(ctx context.Context, tx pgx.Tx) error {
			return SetTax(ctx, tx, TaxRate{Country: "IT", Kind: strings.Repeat("x", MaxKind+1)})
		}, ErrRate},
	} {
		if err := inTx(t, db, tc.set); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

func TestSavedAddress(t *testing.T) {
	db := schematest.Pool(t)
	var people [2]commerce.AccountID
	for i, email := range []string{"vic@example.com", "ada@example.com"} {
		people[i] = commerce.NewID[commerce.AccountID]()
		if _, err := db.Exec(t.Context(), `insert into account (id, email, name, roles, password_hash) values ($1, $2, 'Vic', '{viewer}', 'x')`, people[i], email); err != nil {
			t.Fatal(err)
		}
	}
	full, err := Address{
		Name: strings.Repeat("名", MaxName), Line1: strings.Repeat("ä", MaxLine), Line2: strings.Repeat("ß", MaxLine), City: strings.Repeat("é", MaxCity),
		Region: "ABC", Postcode: strings.Repeat("1", MaxPostcode), Country: "FO",
	}.Check()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []Address{full, home(), home()} {
		if err := inTx(t, db, func(ctx context.Context, tx pgx.Tx) error { return Save(ctx, tx, people[0], a) }); err != nil {
			t.Fatal(err)
		}
		if got, ok, err := Saved(t.Context(), db, people[0]); err != nil || !ok || got != a {
			t.Fatalf("%#v %v %v", got, ok, err)
		}
	}
	if got, ok, err := Saved(t.Context(), db, people[1]); err != nil || ok || got != (Address{}) {
		t.Fatalf("somebody else has %#v %v %v", got, ok, err)
	}
	for range 2 {
		if err := inTx(t, db, func(ctx context.Context, tx pgx.Tx) error { return Forget(ctx, tx, people[0]) }); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := Saved(t.Context(), db, people[0]); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
}

// Many orders are asked about at once: each has its own costs, and one that cannot be sent is no matter of the others.
func TestQuotesTogether(t *testing.T) {
	db := schematest.Pool(t)
	place := func(country, region string) Address { return Address{Country: country, Region: region} }
	orders := []Order{
		{Goods: eur(4900), Home: "IT", To: place("IT", "")},
		{Goods: eur(100), Home: "IT", To: place("IT", "")},
		{Goods: eur(4900), Home: "IT", To: place("DE", "")},
		{Goods: money.Amount{Minor: 4900, Currency: "USD"}, Home: "US", To: place("US", "CA")},
		{Goods: eur(4900), Home: "IT", To: place("US", "")},
		{Goods: eur(4900), Home: "IT", To: place("XX", "")},
		{Goods: money.Amount{Minor: 1, Currency: "XXX"}, Home: "IT", To: place("IT", "")},
		{Goods: eur(money.Max), Home: "IT", To: place("IT", "")},
	}
	batch := &pgx.Batch{}
	quotes := Queue(batch, orders)
	if err := db.SendBatch(t.Context(), batch).Close(); err != nil {
		t.Fatal(err)
	}
	for n, o := range orders {
		costs, err := quotes.Of(o)
		alone, aloneErr := Quote(t.Context(), db, o)
		if costs != alone || (err == nil) != (aloneErr == nil) || err != nil && err.Error() != aloneErr.Error() {
			t.Errorf("order %d costs %+v, %v; alone %+v, %v", n, costs, err, alone, aloneErr)
		}
		if (err == nil) != (n < 4) {
			t.Errorf("order %d: %v", n, err)
		}
	}
}
