package chat

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/realtime"
)

func TestClean(t *testing.T) {
	family := "👨‍👩‍👧"
	for name, c := range map[string]struct{ text, want, code string }{
		"plain":              {"hello", "hello", ""},
		"ends":               {"  hello\n", "hello", ""},
		"blanks":             {"a \t\r\n\u00a0\u2028 b", "a b", ""},
		"controls":           {"a\x00\x07b\x7f\u0085c", "ab c", ""}, // U+0085 is a line break
		"direction":          {"\u202egnirts\u202c\u2066x\u2069", "gnirtsx", ""},
		"no width":           {"a\u200b\ufeff\u00adb", "ab", ""},
		"one spelling":       {"e\u0301", "é", ""},
		"one spelling late":  {"e\u200b\u0301", "é", ""},
		"joined emoji":       {family, family, ""},
		"markup stays text":  {"<script>", "<script>", ""},
		"not UTF-8":          {"a\xffb", "ab", ""},
		"empty":              {"", "", CodeTextEmpty},
		"white":              {" \n\u2003", "", CodeTextEmpty},
		"unseen":             {"\u200b\u200d\ufeff", "", CodeTextEmpty},
		"marks alone":        {"\u0301\u0301", "", CodeTextEmpty},
		"at the limit":       {strings.Repeat("é", MaxText), strings.Repeat("é", MaxText), ""},
		"limit after trim":   {" " + strings.Repeat("x", MaxText) + " \n", strings.Repeat("x", MaxText), ""},
		"limit after blanks": {strings.Repeat("x", MaxText-2) + "  \n x", strings.Repeat("x", MaxText-2) + " x", ""},
		"one past it":        {strings.Repeat("é", MaxText+1), "", CodeTextTooLong},
		"past by emoji":      {strings.Repeat("🦊", MaxText+1), "", CodeTextTooLong},
	} {
		got, err := clean(c.text)
		var refused *realtime.CallError
		code := ""
		if errors.As(err, &refused) {
			code = refused.Code
		}
		if got != c.want || code != c.code {
			t.Errorf("%s: %q %s, want %q %s", name, got, code, c.want, c.code)
		}
	}
}

// TestCleanTwiceIsOnce: whatever comes, what is accepted is short, readable and
// changes no more.
func TestCleanTwiceIsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, err := clean(rapid.String().Draw(t, "text"))
		if err != nil {
			return
		}
		again, err := clean(text)
		if err != nil || again != text || !utf8.ValidString(text) || utf8.RuneCountInString(text) > MaxText || strings.TrimSpace(text) != text {
			t.Fatalf("%q, then %q, %v", text, again, err)
		}
		if !norm.NFC.IsNormalString(text) {
			t.Fatalf("%q has another spelling", text)
		}
	})
}

func TestLook(t *testing.T) {
	for _, same := range [][]string{
		{"Mara", "mara", " MARA\u200b ", "m\u2060ara", "ｍａｒａ", "ma\u200dra\ufe0f", "Mara\u00ad"}, {"Zoë B", "zoe\u0308  b", "ZOË\u00a0B"}, {"ﬁn", "fin"},
	} {
		for _, name := range same {
			if Look(name) != Look(same[0]) || Look(name) == "" {
				t.Errorf("%q looks like %q, %q like %q", name, Look(name), same[0], Look(same[0]))
			}
		}
	}
	if Look("mara") == Look("maria") || Look("a b") == Look("ab") {
		t.Error("different names look alike")
	}
}
