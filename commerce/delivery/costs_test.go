package delivery

import (
	"errors"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/commerce/money"
)

func eur(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }

func TestCountries(t *testing.T) {
	if !slices.IsSorted(countryCodes) || len(slices.Compact(slices.Clone(countryCodes))) != len(countryCodes) {
		t.Error("countries are not sorted, or one stands twice")
	}
	for _, code := range countryCodes {
		if len(code) != 2 {
			t.Errorf("country %q", code)
		}
	}
	for _, code := range slices.Concat(union, noPostcodes, []string{DefaultHome, "US", "CA"}) {
		if !Known(code) {
			t.Errorf("%s is not known", code)
		}
	}
	for _, code := range []string{"", "it", "XX", "EU", "ITA", "UK"} {
		if Known(code) {
			t.Errorf("%q is known", code)
		}
	}
	for _, c := range Countries() {
		if want := map[string]int{"US": 54, "CA": 13}[c.Code]; len(c.Regions) != want {
			t.Errorf("%s has %d regions, want %d", c.Code, len(c.Regions), want)
		}
		for _, r := range c.Regions {
			if len(r.Code) != 2 || r.Name == "" || r.Name[0] == ' ' {
				t.Errorf("%s has region %+v", c.Code, r)
			}
		}
	}
}

func TestZones(t *testing.T) {
	for pair, want := range map[[2]string]Zone{
		{"IT", "IT"}: Domestic, {"IT", "DE"}: Union, {"IT", "MC"}: Union, {"IT", "CH"}: World, {"IT", "GB"}: World, {"IT", "US"}: World,
		{"US", "US"}: Domestic, {"US", "IT"}: World, {"CH", "IT"}: World, {"GB", "GB"}: Domestic, {"GB", "IE"}: World,
	} {
		if got := ZoneTo(pair[0], pair[1]); got != want {
			t.Errorf("from %s to %s: %s, want %s", pair[0], pair[1], got, want)
		}
	}
}

func TestRatesAreRead(t *testing.T) {
	for text, want := range map[string]Rate{"22": 22000, "7.25": 7250, "6.875": 6875, "0": 0, "100": 100000, "0.5": 500, "014": 14000} {
		got, err := ParseRate(text)
		if err != nil || got != want {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", ".5", "5.", "100.001", "101", "-1", "+2", "7,25", "1.2345", "1e1", "22 %", "1000"} {
		if got, err := ParseRate(text); !errors.Is(err, ErrRate) {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for rate, want := range map[Rate]string{22000: "VAT 22 %", 8100: "VAT 8.1 %", 6875: "VAT 6.875 %", 0: ""} {
		if got := (Tax{Rate: rate, Kind: "VAT"}).Name(); got != want {
			t.Errorf("%d is called %q, want %q", rate, got, want)
		}
	}
	if got := Rate(6875).BasisPoints(); got != 687.5 {
		t.Errorf("%v basis points", got)
	}
}

func TestSums(t *testing.T) {
	const huge = money.Max
	for name, tc := range map[string]struct {
		goods, delivery int64
		currency        money.Currency
		rate            Rate
		included        bool
		tax, total      int64
	}{
		"in Italy":             {4900, 490, "EUR", 22000, true, 972, 5390},
		"no tax":               {4900, 1990, "EUR", 0, false, 0, 6890},
		"California":           {4900, 2195, "USD", 7250, false, 355, 7450},
		"a half goes to even":  {50, 10, "USD", 5000, false, 2, 62},   // 2.5
		"a half goes up to it": {150, 10, "USD", 5000, false, 8, 168}, // 7.5
		"half of one":          {1, 0, "EUR", 100000, true, 0, 1},     // 0.5
		"three halves":         {3, 0, "EUR", 100000, true, 2, 3},     // 1.5
		"yen":                  {12000, 600, "JPY", 10000, true, 1145, 12600},
		"three decimals":       {14999, 6500, "KWD", 5000, true, 1024, 21499},
		"the most there is":    {huge - 490, 490, "EUR", 22000, true, 180327868852, huge},
		"all of it, added":     {huge / 2, 0, "EUR", 100000, false, huge / 2, huge},
	} {
		got, err := sum(money.Amount{Minor: tc.goods, Currency: tc.currency}, money.Amount{Minor: tc.delivery, Currency: tc.currency}, Tax{Rate: tc.rate, Included: tc.included})
		if err != nil || got.Tax.Amount.Minor != tc.tax || got.Total.Minor != tc.total || got.Total.Currency != tc.currency || got.Tax.Amount.Currency != tc.currency {
			t.Errorf("%s: %+v %v, want a tax of %d and %d in all", name, got, err, tc.tax, tc.total)
		}
	}
	for name, try := range map[string]struct {
		goods, delivery money.Amount
		tax             Tax
	}{
		"one too much":              {eur(huge - 489), eur(490), Tax{Rate: 22000, Included: true}},
		"one too much with the tax": {eur(huge/2 + 1), eur(0), Tax{Rate: whole}},
		"less than nothing":         {eur(-1), eur(490), Tax{}},
		"delivery that pays":        {eur(100), eur(-1), Tax{}},
		"more tax than all":         {eur(100), eur(0), Tax{Rate: whole + 1}},
	} {
		if got, err := sum(try.goods, try.delivery, try.tax); !errors.Is(err, money.ErrRange) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	if _, err := sum(eur(100), money.Amount{Minor: 1, Currency: "USD"}, Tax{}); !errors.Is(err, money.ErrCurrency) {
		t.Errorf("two currencies: %v", err)
	}
}

// The sum of it all is right for every order, and the tax is the nearest amount to the exact one.
func TestCostsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		currency := rapid.SampledFrom(money.Currencies()).Draw(t, "currency")
		draw := func(label string) money.Amount {
			return money.Amount{Minor: rapid.OneOf(rapid.Int64Range(0, 100_000), rapid.Int64Range(0, money.Max)).Draw(t, label), Currency: currency}
		}
		goods, delivery := draw("goods"), draw("delivery")
		tax := Tax{Rate: Rate(rapid.IntRange(0, int(whole)).Draw(t, "rate")), Included: rapid.Bool().Draw(t, "included")}
		c, err := sum(goods, delivery, tax)
		if err != nil {
			if !errors.Is(err, money.ErrRange) {
				t.Fatal(err)
			}
			return
		}
		base, total := c.Goods.Minor, c.Goods.Minor+c.Delivery.Minor
		exact := big.NewRat(base*int64(tax.Rate), int64(whole))
		if tax.Included {
			base = total
			exact = new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(base), big.NewInt(int64(tax.Rate))), big.NewInt(int64(whole+tax.Rate)))
		} else {
			total += c.Tax.Amount.Minor
		}
		if c.Total.Minor != total || c.Goods != goods || c.Delivery != delivery {
			t.Fatalf("%+v is not the sum of its parts", c)
		}
		if c.Tax.Amount.Minor < 0 || c.Tax.Amount.Minor > base {
			t.Fatalf("a tax of %d in %d", c.Tax.Amount.Minor, base)
		}
		off := new(big.Rat).Sub(exact, big.NewRat(c.Tax.Amount.Minor, 1))
		if off.Abs(off).Cmp(big.NewRat(1, 2)) > 0 || off.Cmp(big.NewRat(1, 2)) == 0 && c.Tax.Amount.Minor%2 != 0 {
			t.Fatalf("a tax of %d where %s is exact", c.Tax.Amount.Minor, exact.FloatString(6))
		}
	})
}
