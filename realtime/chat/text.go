package chat

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxText is how long a line may be, in characters, after it was cleaned.
const MaxText = 200

// clean gives a text its one spelling: NFC, white space as single blanks and
// none at the ends, and nothing in it that cannot be seen and could change how
// the lines around it look. Joiners stay: emoji and scripts need them.
func clean(text string) (string, error) {
	text, seen := visible(text)
	if !seen {
		return "", refuse(CodeTextEmpty, "Write something first.")
	}
	most, what := MaxText, "line"
	if isCommand(text) {
		most, what = MaxCommand, "command"
	}
	if n := utf8.RuneCountInString(text); n > most {
		return "", refuse(CodeTextTooLong, fmt.Sprintf("A %s has at most %d characters; this one has %d.", what, most, n))
	}
	return text, nil
}

// Look is what two names have in common that people read as the same one.
func Look(name string) string {
	name, _ = visible(strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cf, unicode.Variation_Selector) { // joiners, too: names do without
			return -1
		}
		return r
	}, norm.NFKC.String(name)))
	return strings.ToLower(name)
}

// visible is what of a text can be seen; seen says whether anything can.
func visible(text string) (tidied string, seen bool) {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToValidUTF8(text, "") {
		switch {
		case unicode.IsSpace(r):
			gap = b.Len() > 0
			continue
		case unseen(r):
			continue
		case gap:
			b.WriteByte(' ')
			gap = false
		}
		b.WriteRune(r)
		seen = seen || unicode.IsGraphic(r) && !unicode.IsMark(r)
	}
	return norm.NFC.String(b.String()), seen // last: what was unseen may have kept a letter from its accent
}

// unseen are controls, what turns the direction of writing, and blanks of no
// width.
func unseen(r rune) bool {
	switch {
	case unicode.IsControl(r):
		return true
	case r == '\u00AD', r == '\u061C', r == '\u180E', r == '\u200B', r == '\u200E', r == '\u200F', r == '\uFEFF':
		return true
	case r >= '\u202A' && r <= '\u202E', r >= '\u2060' && r <= '\u206F':
		return true
	}
	return false
}
