package money

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Max bounds every amount, in minor units of either sign. It is far below an int64's end, so that sums of
// many amounts in Postgres do not overflow either.
const Max int64 = 1_000_000_000_000

var (
	// ErrCurrency means that a currency is unknown, or that two different ones met.
	ErrCurrency = errors.New("currency does not fit")
	// ErrRange means that a result lies beyond ±Max.
	ErrRange = errors.New("amount out of range")
)

// Currency is an ISO 4217 code.
type Currency string

// exponents lists the currencies that are sold in, with their number of decimal places.
var exponents = map[Currency]int{
	"EUR": 2, "USD": 2, "GBP": 2, "CHF": 2, "SEK": 2, "NOK": 2, "DKK": 2, "PLN": 2, "CZK": 2, "RON": 2, "CAD": 2, "AUD": 2,
	"SGD": 2, "HKD": 2, "CNY": 2, "INR": 2, "BRL": 2, "MXN": 2, "JPY": 0, "KRW": 0, "KWD": 3,
}

// ParseCurrency accepts a known code in upper case.
func ParseCurrency(s string) (Currency, error) {
	c := Currency(s)
	if _, ok := exponents[c]; !ok {
		return "", fmt.Errorf("%w: %.8q is not sold in; use a code like EUR", ErrCurrency, s)
	}
	return c, nil
}

// Currencies lists the known codes, sorted.
func Currencies() []Currency {
	codes := make([]Currency, 0, len(exponents))
	for c := range exponents {
		codes = append(codes, c)
	}
	slices.Sort(codes)
	return codes
}

// Amount is a sum of money. Its JSON form is {"amount":4900,"currency":"EUR"}; the zero Amount has no
// currency and is refused by Valid.
type Amount struct {
	Minor    int64    `json:"amount"`
	Currency Currency `json:"currency"`
}

// New makes an amount of minor units and judges it.
func New(minor int64, currency string) (Amount, error) {
	c, err := ParseCurrency(currency)
	if err != nil {
		return Amount{}, err
	}
	a := Amount{Minor: minor, Currency: c}
	return a, a.Valid()
}

// Parse reads what a person writes: "9.90", "9.9" and "9" of EUR, "600" of JPY. There is no sign.
func Parse(text, currency string) (Amount, error) {
	c, err := ParseCurrency(currency)
	if err != nil {
		return Amount{}, err
	}
	units, decimals, dot := strings.Cut(text, ".")
	digits := exponents[c]
	if units == "" || len(units) > 13 || dot && decimals == "" || len(decimals) > digits {
		return Amount{}, fmt.Errorf("%w: %.20q is no amount of %s, which has %d decimals", ErrRange, text, c, digits)
	}
	minor, err := strconv.ParseUint(units+decimals+strings.Repeat("0", digits-len(decimals)), 10, 63)
	if err != nil {
		return Amount{}, fmt.Errorf("%w: %.20q is no amount of %s", ErrRange, text, c)
	}
	a := Amount{Minor: int64(minor), Currency: c}
	return a, a.Valid()
}

// Valid says whether the currency is known and the amount within ±Max.
func (a Amount) Valid() error {
	if _, err := ParseCurrency(string(a.Currency)); err != nil {
		return err
	}
	if a.Minor > Max || a.Minor < -Max {
		return fmt.Errorf("%w: %d %s", ErrRange, a.Minor, a.Currency)
	}
	return nil
}

// Neg is the same sum the other way.
func (a Amount) Neg() Amount { return Amount{Minor: -a.Minor, Currency: a.Currency} }

// Add fails on two currencies and beyond ±Max.
func (a Amount) Add(b Amount) (Amount, error) {
	if a.Currency != b.Currency {
		return Amount{}, fmt.Errorf("%w: %s and %s", ErrCurrency, a.Currency, b.Currency)
	}
	if err := errors.Join(a.Valid(), b.Valid()); err != nil {
		return Amount{}, err
	}
	sum := Amount{Minor: a.Minor + b.Minor, Currency: a.Currency} // two values within ±Max cannot overflow
	return sum, sum.Valid()
}

// Times is the price of n units.
func (a Amount) Times(n int) (Amount, error) {
	if err := a.Valid(); err != nil {
		return Amount{}, err
	}
	if n != 0 && abs(a.Minor) > Max/abs(int64(n)) {
		return Amount{}, fmt.Errorf("%w: %d times %d %s", ErrRange, n, a.Minor, a.Currency)
	}
	return Amount{Minor: a.Minor * int64(n), Currency: a.Currency}, nil
}

// Split divides a in n parts that differ by at most one minor unit; the larger ones come first. n must be
// at least 1.
func (a Amount) Split(n int) ([]Amount, error) {
	if n < 1 {
		return nil, fmt.Errorf("%w: split into %d parts", ErrRange, n)
	}
	if err := a.Valid(); err != nil {
		return nil, err
	}
	parts := make([]Amount, n)
	each, rest := a.Minor/int64(n), a.Minor%int64(n)
	for i := range parts {
		parts[i] = Amount{Minor: each, Currency: a.Currency}
		if int64(i) < abs(rest) {
			parts[i].Minor += sign(rest)
		}
	}
	return parts, nil
}

// String is the amount for people and logs: "49.00 EUR".
func (a Amount) String() string {
	digits := exponents[a.Currency]
	text := strconv.FormatInt(abs(a.Minor), 10)
	if digits > 0 {
		if missing := digits + 1 - len(text); missing > 0 {
			text = strings.Repeat("0", missing) + text
		}
		text = text[:len(text)-digits] + "." + text[len(text)-digits:]
	}
	if a.Minor < 0 {
		text = "-" + text
	}
	return text + " " + string(a.Currency)
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

func sign(n int64) int64 {
	if n < 0 {
		return -1
	}
	return 1
}
