package sandbox

import (
	"strings"
	"time"
)

// behaviour is what a card does when it is charged.
type behaviour string

const (
	succeeds      behaviour = "succeeds"
	declined      behaviour = "card_declined"
	noFunds       behaviour = "insufficient_funds"
	breaksOnce    behaviour = "breaks_once"    // the charge is made, then the first answer is a 500
	answersNever  behaviour = "answers_never"  // the charge is made, then the first answer does not come
	unknownNumber behaviour = "not_a_testcard" // anything else: declined, so that nobody's real card "works"
)

// Cards lists the test numbers and what they do.
var Cards = map[string]string{
	"4242424242424242": string(succeeds),
	"4000000000000002": string(declined),
	"4000000000009995": string(noFunds),
	"4000000000000119": string(breaksOnce),
	"4000000000000341": string(answersNever),
}

type card struct {
	Number   string `json:"number"`
	ExpMonth int    `json:"exp_month"`
	ExpYear  int    `json:"exp_year"`
	CVC      string `json:"cvc"`
}

// judge says what a card does; ok is false when it is no card at all.
func (c card) judge(now time.Time) (does behaviour, ok bool) {
	number := strings.ReplaceAll(strings.ReplaceAll(c.Number, " ", ""), "-", "")
	if len(number) < 12 || len(number) > 19 || !luhn(number) || !digits(c.CVC) || len(c.CVC) < 3 || len(c.CVC) > 4 {
		return "", false
	}
	year := c.ExpYear
	if year < 100 {
		year += 2000
	}
	if c.ExpMonth < 1 || c.ExpMonth > 12 || year > now.Year()+50 {
		return "", false
	}
	// A card is good to the last moment of its month, wherever on earth that is.
	if end := time.Date(year, time.Month(c.ExpMonth)+1, 1, 12, 0, 0, 0, time.UTC); !now.Before(end) {
		return "", false
	}
	if does, known := Cards[number]; known {
		return behaviour(does), true
	}
	return unknownNumber, true
}

func digits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// luhn is the check digit of card numbers.
func luhn(number string) bool {
	if !digits(number) {
		return false
	}
	sum := 0
	for i := range len(number) {
		d := int(number[len(number)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
