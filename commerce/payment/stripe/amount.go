package stripe

import (
	"fmt"
	"slices"
	"strings"

	api "github.com/stripe/stripe-go/v82"

	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
)

// Stripe's own lists: currencies that it counts in whole units, and those in thousandths, whose last digit must be
// 0. All others are counted in hundredths. A test holds them against the currencies that we sell in.
var (
	wholeUnits  = []money.Currency{"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
	thousandths = []money.Currency{"BHD", "JOD", "KWD", "OMR", "TND"}
)

// decimals says how many decimals Stripe counts a currency with.
func decimals(c money.Currency) int {
	switch {
	case slices.Contains(wholeUnits, c):
		return 0
	case slices.Contains(thousandths, c):
		return 3
	}
	return 2
}

// wire is an amount as Stripe takes it, or payment.ErrRejected for one that it cannot take.
func wire(a money.Amount) (minor *int64, currency *string, err error) {
	if err := a.Valid(); err != nil {
		return nil, nil, fmt.Errorf("%w: stripe: %w", payment.ErrRejected, err)
	}
	if a.Minor < 1 {
		return nil, nil, fmt.Errorf("%w: stripe: %v is no amount to move", payment.ErrRejected, a)
	}
	if decimals(a.Currency) == 3 && a.Minor%10 != 0 {
		return nil, nil, fmt.Errorf("%w: stripe: %v: its last digit must be 0 here", payment.ErrRejected, a)
	}
	return api.Int64(a.Minor), api.String(strings.ToLower(string(a.Currency))), nil
}

// amountOf is an amount as Stripe tells it.
func amountOf(minor int64, currency api.Currency) money.Amount {
	return money.Amount{Minor: minor, Currency: money.Currency(strings.ToUpper(string(currency)))}
}
