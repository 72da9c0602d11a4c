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
	asksBank      behaviour = "asks_bank"      // 3-D Secure: the buyer confirms or refuses on a page of ours
	asksMute      behaviour = "asks_mute"      // 3-D Secure, and no webhook ever tells of it
	asksLate      behaviour = "asks_late"      // 3-D Secure, and each webhook comes Hooks.Late after what it tells of
	tellsTwice    behaviour = "tells_twice"    // each webhook comes twice, and authorised Hooks.Late late: after captured
	unknownNumber behaviour = "not_a_testcard" // anything else: declined, so that nobody's real card "works"
)

// Cards lists the test numbers and what they do.
var Cards = map[string]string{
	"4242424242424242": string(succeeds),
	"4000000000000002": string(declined),
	"4000000000009995": string(noFunds),
	"4000000000000119": string(breaksOnce),
	"4000000000000341": string(answersNever),
	"4000000000003220": string(asksBank),
	"4000000000003238": string(asksMute),
	"4000000000003246": string(asksLate),
	"4000000000003253": string(tellsTwice),
}

// refusedAtBank is why a charge is declined that its buyer refused on the page.
const refusedAtBank = "authentication_failed"

// result is what a charge becomes at once.
func (b behaviour) result() (status, decline string) {
	switch b {
	case succeeds, breaksOnce, answersNever, tellsTwice:
		return "authorised", ""
	case asksBank, asksMute, asksLate:
		return "requires_action", ""
	case noFunds:
		return "declined", string(noFunds)
	}
	return "declined", string(declined)
}

// webhook is how often a charge's webhook is delivered, and whether late.
func (b behaviour) webhook(kind string) (times int, late bool) {
	switch b {
	case asksMute:
		return 0, false
	case asksLate:
		return 1, true
	case tellsTwice:
		return 2, kind == "authorised"
	}
	return 1, false
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
