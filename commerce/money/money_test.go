package money

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func drawAmount(t *rapid.T, label string) Amount {
	return Amount{
		Minor:    rapid.Int64Range(-Max, Max).Draw(t, label),
		Currency: rapid.SampledFrom(Currencies()).Draw(t, label+" currency"),
	}
}

func TestSplitLosesAndInventsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := drawAmount(t, "whole")
		parts, err := whole.Split(rapid.IntRange(1, 500).Draw(t, "n"))
		if err != nil {
			t.Fatal(err)
		}
		sum := Amount{Currency: whole.Currency}
		low, high := parts[0].Minor, parts[0].Minor
		for _, p := range parts {
			if sum, err = sum.Add(p); err != nil {
				t.Fatal(err)
			}
			low, high = min(low, p.Minor), max(high, p.Minor)
		}
		if sum != whole || high-low > 1 {
			t.Fatalf("%v in parts %v", whole, parts)
		}
	})
}

func TestTimesIsRepeatedAddition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := drawAmount(t, "unit")
		n := rapid.IntRange(0, 40).Draw(t, "n")
		sum, err := Amount{Currency: unit.Currency}, error(nil)
		for range n {
			if sum, err = sum.Add(unit); err != nil {
				break
			}
		}
		product, productErr := unit.Times(n)
		if (err == nil) != (productErr == nil) || err == nil && sum != product {
			t.Fatalf("%d times %v: %v %v, added %v %v", n, unit, product, productErr, sum, err)
		}
	})
}

func TestAddIsCommutativeAndNegReverses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawAmount(t, "a"), drawAmount(t, "b")
		ab, abErr := a.Add(b)
		ba, baErr := b.Add(a)
		if (abErr == nil) != (baErr == nil) || ab != ba && abErr == nil {
			t.Fatalf("%v + %v", a, b)
		}
		if a.Currency != b.Currency && !errors.Is(abErr, ErrCurrency) {
			t.Fatalf("two currencies were added: %v", abErr)
		}
		if zero, err := a.Add(a.Neg()); err != nil || zero.Minor != 0 {
			t.Fatalf("%v + its negative = %v, %v", a, zero, err)
		}
	})
}

func TestRangeAtTheLimitAndOnePast(t *testing.T) {
	if _, err := New(Max, "EUR"); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Max+1, "EUR"); !errors.Is(err, ErrRange) {
		t.Fatalf("one past: %v", err)
	}
	most := Amount{Minor: Max, Currency: "EUR"}
	if _, err := most.Add(Amount{Minor: 1, Currency: "EUR"}); !errors.Is(err, ErrRange) {
		t.Fatalf("sum one past: %v", err)
	}
	if _, err := most.Times(2); !errors.Is(err, ErrRange) {
		t.Fatalf("product past: %v", err)
	}
	if _, err := (Amount{Minor: 1 << 62, Currency: "EUR"}).Times(4); !errors.Is(err, ErrRange) {
		t.Fatalf("a product that wraps to zero: %v", err)
	}
	if _, err := most.Split(0); !errors.Is(err, ErrRange) {
		t.Fatalf("no parts: %v", err)
	}
}

func TestCurrenciesAreKnown(t *testing.T) {
	for _, bad := range []string{"", "eur", "EURO", "XXX", "€"} {
		if _, err := New(1, bad); !errors.Is(err, ErrCurrency) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestTexts(t *testing.T) {
	for want, a := range map[string]Amount{
		"49.00 EUR": {4900, "EUR"}, "-0.05 USD": {-5, "USD"}, "0.00 GBP": {0, "GBP"}, "120 JPY": {120, "JPY"}, "1.234 KWD": {1234, "KWD"},
	} {
		if got := a.String(); got != want {
			t.Errorf("%#v prints %q, want %q", a, got, want)
		}
	}
	text, err := json.Marshal(Amount{4900, "EUR"})
	if err != nil || string(text) != `{"amount":4900,"currency":"EUR"}` {
		t.Fatalf("%s %v", text, err)
	}
}

func TestParseReadsWhatPeopleWrite(t *testing.T) {
	for text, want := range map[string]int64{"9.90": 990, "9.9": 990, "9": 900, "0": 0, "0.05": 5, "10000000000": Max} {
		if got, err := Parse(text, "EUR"); err != nil || got.Minor != want {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for text, currency := range map[string]string{
		"": "EUR", ".5": "EUR", "5.": "EUR", "1.234": "EUR", "-1": "EUR", "+1": "EUR", "1e3": "EUR", "1 ": "EUR", "1,50": "EUR", "600.0": "JPY",
		"10000000000.01": "EUR", "99999999999999999999": "EUR",
	} {
		if got, err := Parse(text, currency); !errors.Is(err, ErrRange) {
			t.Errorf("%q %s: %v %v", text, currency, got, err)
		}
	}
	if _, err := Parse("1", "XXX"); !errors.Is(err, ErrCurrency) {
		t.Error(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		a := drawAmount(t, "amount")
		a.Minor = abs(a.Minor)
		text, _, _ := strings.Cut(a.String(), " ")
		if got, err := Parse(text, string(a.Currency)); err != nil || got != a {
			t.Fatalf("%s: %v %v", text, got, err)
		}
	})
}
