package community

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/rialto-live/rialto/commerce"
)

// MaxName is how long the name of a person is that was seen in the chat, in characters.
const MaxName = 100

// tidy gives a text its one spelling: NFC, white space as single blanks and none at the ends, and nothing in it that
// cannot be seen (joiners stay: emoji and scripts need them). ok is false for what has a control character in it, is
// not UTF-8, or has fewer or more characters than it may.
func tidy(text string, fewest, most int) (tidied string, ok bool) {
	text = strings.TrimSpace(text)
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return "", false
	}
	text = norm.NFC.String(strings.Join(strings.Fields(strings.Map(seen, text)), " "))
	n := utf8.RuneCountInString(text)
	return text, fewest <= n && n <= most
}

// seen leaves out what turns the direction of writing, and blanks of no width.
func seen(r rune) rune {
	switch {
	case r == '\u00AD', r == '\u061C', r == '\u180E', r == '\u200B', r == '\u200E', r == '\u200F', r == '\uFEFF',
		r >= '\u202A' && r <= '\u202E', r >= '\u2060' && r <= '\u206F':
		return -1
	}
	return r
}

// wordsOf is what two spellings of the same question have in common: their words, in small letters, without anything
// between them. It is empty for a text without a letter or a figure.
func wordsOf(text string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(norm.NFKC.String(text)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r)
	}), " ")
}

// guestDigits of a guest's id tell guests apart for the eye.
const guestDigits = 4

// GuestName is the name under which others read a guest; "" for nobody and for accounts, which have their own.
func GuestName(subject string) string {
	if _, guest, err := commerce.ParseSubject(subject); err != nil || guest.IsZero() {
		return ""
	}
	return "Guest " + subject[len(subject)-guestDigits:]
}
