package mail

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"strings"
	texttemplate "text/template"
	"unicode/utf8"
)

// Letter is what a mail says. Its texts are plain: they may hold what people have typed, and are escaped in HTML and
// made one line each. Members that are empty leave no trace.
type Letter struct {
	Subject string
	Preview string // what mail programs show beside the subject; "": the first of Words
	Heading string
	Words   []string // paragraphs
	Bill    []Row
	Blocks  []Block
	Button  Button
	Small   []string // what has to be said, in small print
}

// Row is one line of a bill.
type Row struct {
	Name   string
	Detail string // under the name: "2 × 49.00 EUR"
	Value  string
	Strong bool // the total
}

// Block is a few short lines that belong together, such as an address.
type Block struct {
	Title string
	Lines []string
}

// Button leads to a page.
type Button struct {
	Text string
	URL  string // whole: https://shop.example/orders/…
}

const (
	textWidth = 68 // characters of a line of the text part
	flatLimit = 1000
)

//go:embed letter.html letter.txt
var files embed.FS

var (
	page  = htmltemplate.Must(htmltemplate.ParseFS(files, "letter.html"))
	plain = texttemplate.Must(texttemplate.New("letter.txt").Funcs(texttemplate.FuncMap{
		"wrap": wrap, "row": textRow, "line": func() string { return strings.Repeat("-", textWidth) },
		"rule": func(s string) string { return strings.Repeat("-", min(utf8.RuneCountInString(s), textWidth)) },
	}).ParseFS(files, "letter.txt"))
)

// view is what the templates see.
type view struct {
	Letter
	Shop string
	Home string // "" when there is none to show
	Host string
}

// render makes the message's subject and parts. An error is a letter that cannot be sent, or a fault of ours.
func (l Letter) render(shop, home string) (Message, error) {
	if l.Button.URL != "" {
		if u, err := url.Parse(l.Button.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return Message{}, fmt.Errorf("%w: the button leads nowhere", ErrRefused)
		}
	}
	v := view{Letter: l.flat(), Shop: flat(shop, MaxSubject), Home: home}
	if u, err := url.Parse(home); err == nil {
		v.Host = u.Host
	}
	if v.Preview == "" && len(v.Words) > 0 {
		v.Preview = v.Words[0]
	}
	var text, html bytes.Buffer
	if err := plain.Execute(&text, v); err != nil {
		return Message{}, fmt.Errorf("render a mail as text: %w", err)
	}
	if err := page.Execute(&html, v); err != nil {
		return Message{}, fmt.Errorf("render a mail as HTML: %w", err)
	}
	return Message{Subject: v.Subject, Text: text.String(), HTML: html.String()}, nil
}

// flat makes one line of every text.
func (l Letter) flat() Letter {
	f := func(s string) string { return flat(s, flatLimit) }
	each := func(lines []string) []string {
		out := make([]string, 0, len(lines))
		for _, line := range lines {
			if line = f(line); line != "" {
				out = append(out, line)
			}
		}
		return out
	}
	out := Letter{
		Subject: flat(l.Subject, MaxSubject), Preview: f(l.Preview), Heading: f(l.Heading), Words: each(l.Words), Small: each(l.Small),
		Button: Button{Text: f(l.Button.Text), URL: l.Button.URL},
	}
	for _, r := range l.Bill {
		out.Bill = append(out.Bill, Row{Name: f(r.Name), Detail: f(r.Detail), Value: f(r.Value), Strong: r.Strong})
	}
	for _, b := range l.Blocks {
		out.Blocks = append(out.Blocks, Block{Title: f(b.Title), Lines: each(b.Lines)})
	}
	return out
}

// wrap breaks a paragraph into lines of at most textWidth, between words.
func wrap(s string) string {
	var out strings.Builder
	width := 0
	for i, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case width+1+n > textWidth:
			out.WriteByte('\n')
			width = 0
		default:
			out.WriteByte(' ')
			width++
		}
		out.WriteString(word)
		width += n
	}
	return out.String()
}

// textRow sets a row's value at the right margin, on a line of its own when it does not fit beside the name.
func textRow(r Row) string {
	name := r.Name
	if r.Detail != "" {
		name += " (" + r.Detail + ")"
	}
	name = wrap(name)
	last := name[strings.LastIndexByte(name, '\n')+1:]
	gap := textWidth - utf8.RuneCountInString(last) - utf8.RuneCountInString(r.Value)
	if gap < 2 {
		return name + "\n" + strings.Repeat(" ", max(0, textWidth-utf8.RuneCountInString(r.Value))) + r.Value
	}
	return name + strings.Repeat(" ", gap) + r.Value
}
