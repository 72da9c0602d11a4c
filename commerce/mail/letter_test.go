package mail

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func whole() Letter {
	return Letter{
		Subject: "Receipt R-00000012: Copper pan 28 cm", Heading: "Thank you, Vic. It is yours.",
		Words: []string{"You bought this in “Mara's kitchen”, a show by Mara, on 25 November 2026, and it will be on its way to you quite soon."},
		Bill: []Row{
			{Name: "Copper pan 28 cm", Detail: "2 × 49.00 EUR", Value: "98.00 EUR"},
			{Name: "A pan whose name is so long that a price finds no place beside it at all, not on any line", Value: "1000000.00 EUR"},
			{Name: "Total", Value: "104.90 EUR", Strong: true},
		},
		Blocks: []Block{{Title: "Delivered to", Lines: []string{"Vic", "", "30121 Venezia"}}},
		Button: Button{Text: "Open your order", URL: "https://shop.test/orders/ord_1?link=a.b&c=d"},
		Small:  []string{"Keep it to yourself."},
	}
}

func TestTheTextIsAsGoodAsThePage(t *testing.T) {
	m, err := whole().render("Rialto", "https://shop.test")
	if err != nil {
		t.Fatal(err)
	}
	want := `Thank you, Vic. It is yours.
----------------------------

You bought this in “Mara's kitchen”, a show by Mara, on 25 November
2026, and it will be on its way to you quite soon.

Copper pan 28 cm (2 × 49.00 EUR)                           98.00 EUR
A pan whose name is so long that a price finds no place beside it at
all, not on any line                                  1000000.00 EUR
--------------------------------------------------------------------
Total                                                     104.90 EUR

Open your order:
https://shop.test/orders/ord_1?link=a.b&c=d

Delivered to
  Vic
  30121 Venezia

Keep it to yourself.

-- 
Rialto
https://shop.test
`
	if m.Text != want {
		t.Errorf("the text is\n%s\nnot\n%s", m.Text, want)
	}
	for _, part := range []string{"Copper pan 28 cm", "2 × 49.00 EUR", "1000000.00 EUR", "30121 Venezia", "Keep it to yourself.", `href="https://shop.test/orders/ord_1?link=a.b&amp;c=d"`,
		"prefers-color-scheme: dark", "Mara&#39;s kitchen", ">shop.test</a>"} {
		if !strings.Contains(m.HTML, part) {
			t.Errorf("the page does not have %q", part)
		}
	}
	for _, foreign := range []string{"<script", "<img", "src=", "@import", "url("} {
		if strings.Contains(m.HTML, foreign) {
			t.Errorf("the page fetches or runs something: %q", foreign)
		}
	}
}

// What people have typed stays words: no header, no tag, no line of its own.
func TestNothingThatIsTypedBecomesMoreThanWords(t *testing.T) {
	l := whole()
	l.Subject = "Pan\r\nBcc: all@example.com\u2028X" + strings.Repeat("é", MaxSubject)
	l.Heading = "Thank you, </h1><script>alert(1)</script>\n-- \nVic"
	l.Blocks[0].Lines = []string{"a\xff\x00b\nc"}
	m, err := l.render("Shop\n</title>", "https://shop.test")
	if err != nil {
		t.Fatal(err)
	}
	m.ID, m.To = "x", "ann@example.com"
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(m.Subject, "Pan Bcc: all@example.com X") || utf8.RuneCountInString(m.Subject) != MaxSubject || !strings.HasSuffix(m.Subject, "…") {
		t.Errorf("subject %q", m.Subject)
	}
	if strings.Contains(m.HTML, "<script") || strings.Contains(m.HTML, "Shop </title>") || !strings.Contains(m.HTML, "&lt;script&gt;") {
		t.Error("a tag was typed into the page")
	}
	if !strings.Contains(m.Text, "Thank you, </h1><script>alert(1)</script> -- Vic\n") || !strings.Contains(m.Text, "  a b c\n") {
		t.Errorf("text\n%s", m.Text)
	}
}

func TestALetterWithoutButtonOrBillLeavesNoTrace(t *testing.T) {
	m, err := Letter{Subject: "S", Heading: "H", Words: []string{"W"}}.render("Rialto", "https://shop.test")
	if err != nil || m.Text != "H\n-\n\nW\n\n-- \nRialto\nhttps://shop.test\n" || strings.Contains(m.HTML, "<table") || strings.Contains(m.HTML, "#f2a71b;color") {
		t.Errorf("%v\n%q\n%s", err, m.Text, m.HTML)
	}
	for _, nowhere := range []string{"javascript:alert(1)", "/orders", "https://", "ftp://a/b", "http://%zz"} {
		if _, err := (Letter{Subject: "S", Heading: "H", Button: Button{"B", nowhere}}).render("Rialto", "https://shop.test"); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", nowhere, err)
		}
	}
}

func TestLimitsOfAMessage(t *testing.T) {
	good := Message{ID: "mail:x:1", To: "ann@example.com", Subject: "S", Text: "T"}
	local := func(n int) string { return strings.Repeat("a", n-len("@example.com")) + "@example.com" }
	for name, c := range map[string]struct {
		change func(*Message)
		ok     bool
	}{
		"as it should be":          {func(*Message) {}, true},
		"an address at the limit":  {func(m *Message) { m.To = local(MaxAddress) }, true},
		"an address past it":       {func(m *Message) { m.To = local(MaxAddress + 1) }, false},
		"two addresses":            {func(m *Message) { m.To = "ann@example.com,bob@example.com" }, false},
		"a name with the address":  {func(m *Message) { m.To = "Ann <ann@example.com>" }, false},
		"a line break in it":       {func(m *Message) { m.To = "ann@example.com\r\nRCPT TO:<bob@example.com>" }, false},
		"no address":               {func(m *Message) { m.To = "" }, false},
		"an address in UTF-8":      {func(m *Message) { m.To = "änne@example.com" }, true},
		"a subject at the limit":   {func(m *Message) { m.Subject = strings.Repeat("é", MaxSubject) }, true},
		"a subject past it":        {func(m *Message) { m.Subject = strings.Repeat("é", MaxSubject+1) }, false},
		"a subject of two lines":   {func(m *Message) { m.Subject = "S\r\nBcc: bob@example.com" }, false},
		"no subject":               {func(m *Message) { m.Subject = " " }, false},
		"no text":                  {func(m *Message) { m.Text = "" }, false},
		"a text at the limit":      {func(m *Message) { m.Text = strings.Repeat("x", MaxPart) }, true},
		"a text past it":           {func(m *Message) { m.Text = strings.Repeat("x", MaxPart+1) }, false},
		"a page past it":           {func(m *Message) { m.HTML = strings.Repeat("x", MaxPart+1) }, false},
		"a text that is not UTF-8": {func(m *Message) { m.Text = "\xff" }, false},
		"no id":                    {func(m *Message) { m.ID = "" }, false},
		"an id past the limit":     {func(m *Message) { m.ID = strings.Repeat("x", MaxID+1) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := good
			c.change(&m)
			if err := m.Check(); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrRefused) {
				t.Errorf("%v, want ok %t", err, c.ok)
			}
		})
	}
}
