package chat

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// FuzzText: a text that passes is clean, and stays as it is when it is cleaned
// again.
func FuzzText(f *testing.F) {
	for _, seed := range []string{
		"hello", "  a \t b\u00a0\n", "e\u0301", "e\u200b\u0301", "\u202edlrow", "\xff\xfe", "👩‍👩‍👧", "\u1100\u1161\u11a8", "\u0301", "a\u0300\u0327",
		strings.Repeat("x", MaxText), strings.Repeat("e\u0301", MaxText+1), "\u2126\u212a", "\ufdfa",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 8<<10 {
			return
		}
		got, err := clean(text)
		if err != nil {
			return
		}
		if again, err := clean(got); err != nil || again != got {
			t.Fatalf("%q became %q, and %q the second time: %v", text, got, again, err)
		}
		if !utf8.ValidString(got) || !norm.NFC.IsNormalString(got) || utf8.RuneCountInString(got) > MaxText {
			t.Fatalf("%q became %q", text, got)
		}
		if got == "" || strings.TrimSpace(got) != got || strings.Contains(got, "  ") || strings.ContainsFunc(got, func(r rune) bool {
			return unseen(r) || unicode.IsSpace(r) && r != ' '
		}) {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
