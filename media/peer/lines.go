package peer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rialto-live/rialto/media"
)

// line is one line of an SDP text, with its number for error messages.
type line struct {
	text string
	no   int32
	name int32 // length of an attribute's name
}

// key of an a= line, and its value. Empty: it is another line, or has none.
func (l line) key() string {
	return l.text[len("a="):][:l.name]
}

func (l line) value() string {
	if l.name == 0 || len(l.text) <= len("a=")+int(l.name) {
		return ""
	}
	return l.text[len("a=")+int(l.name)+len(":"):]
}

// section is an m= line and what follows it, or what stands before the first.
type section []line

// shownText is how much of a faulty line an error repeats.
const shownText = 80

func clip(s string) string {
	if len(s) > shownText {
		return strings.ToValidUTF8(s[:shownText], "") + "…"
	}
	return strings.Clone(s)
}

func (l line) fault(reason string) error {
	return &media.SDPError{Line: int(l.no), Text: clip(l.text), Reason: reason}
}

// misplaced is the fault of a line that may not stand where it does, or is not what its letter says.
func (l line) misplaced() error { return l.fault("not understood here") }

func attribute(key, value string) line {
	return line{text: "a=" + key + ":" + value, name: int32(len(key))}
}

// splitLines accepts CRLF and bare LF; empty lines at the end are ignored. The lines are parts of one copy of raw.
func splitLines(raw []byte) ([]line, error) {
	if len(raw) > MaxSDP {
		return nil, &media.SDPError{Reason: fmt.Sprintf("longer than %d bytes", MaxSDP)}
	}
	text := strings.TrimRight(string(raw), "\r\n ")
	if text == "" {
		return nil, &media.SDPError{Reason: "empty"}
	}
	n := strings.Count(text, "\n") + 1
	if n > maxLines {
		return nil, &media.SDPError{Reason: fmt.Sprintf("more than %d lines", maxLines)}
	}
	lines, returns := make([]line, 0, n), 0
	for rest := text; len(lines) < n; {
		l := line{text: rest, no: int32(len(lines) + 1)}
		if end := strings.IndexByte(rest, '\n'); end >= 0 {
			l.text, rest = rest[:end], rest[end+1:]
		}
		if text, ok := strings.CutSuffix(l.text, "\r"); ok {
			l.text, returns = text, returns+1
		}
		if len(l.text) < 2 || l.text[1] != '=' {
			return nil, l.fault("not of the form letter=value")
		}
		if l.text[0] == 'a' {
			l.name = int32(strings.IndexByte(l.text, ':') - len("a="))
			if l.name < 0 {
				l.name = int32(len(l.text) - len("a="))
			}
		}
		lines = append(lines, l)
	}
	if strings.Count(text, "\r") == returns && strings.IndexByte(text, 0) < 0 {
		return lines, nil
	}
	for _, l := range lines { // what is in no line (RFC 8866 section 9), and ends one for other readers
		if strings.ContainsAny(l.text, "\r\x00") {
			return nil, l.fault("a control character in the line")
		}
	}
	return lines, nil
}

// sectionsOf splits at m= lines.
func sectionsOf(lines []line) (session section, media []section) {
	end := len(lines)
	for i := len(lines) - 1; i >= 0; i-- {
		if lines[i].text[0] == 'm' {
			media = append(media, lines[i:end:end])
			end = i
		}
	}
	slices.Reverse(media)
	return lines[:end:end], media
}

// order of the lines before the first m= line (RFC 8866 section 5).
const order = "vosiuepcbtrzka"

// checkOrder looks at the lines before the first m= line. Of those that say nothing we need only the place matters.
func (s section) checkOrder(next line) error {
	at, timed := -1, false
	for _, l := range s {
		n, ok := strings.IndexByte(order, l.text[0]), true
		switch {
		case n == at:
			ok = strings.IndexByte("btra", l.text[0]) >= 0
		case n < at:
			ok = l.text[0] == 't' && order[at] == 'r' // one more time, after the repetitions of another
		case at < 2:
			ok = n == at+1 // v, o and s are always there
		default:
			ok = timed || n <= strings.IndexByte(order, 't')
		}
		if !ok {
			return l.misplaced()
		}
		at, timed = n, timed || l.text[0] == 't'
	}
	if !timed {
		return next.misplaced()
	}
	return nil
}

func (s section) attribute(key string) (line, bool) {
	for i := range s {
		if s[i].key() == key {
			return s[i], true
		}
	}
	return line{}, false
}
