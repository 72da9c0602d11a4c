package peer

import (
	"fmt"
	"sort"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/rialto-live/rialto/media"
)

// line is one line of an SDP text, with its number for error messages.
type line struct {
	no         int
	text       string
	key, value string // of an a= line
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
	return &media.SDPError{Line: l.no, Text: clip(l.text), Reason: reason}
}

// splitLines accepts CRLF and bare LF; empty lines at the end are ignored.
func splitLines(raw []byte) ([]line, error) {
	if len(raw) > MaxSDP {
		return nil, &media.SDPError{Reason: fmt.Sprintf("longer than %d bytes", MaxSDP)}
	}
	text := strings.TrimRight(string(raw), "\r\n ")
	if text == "" {
		return nil, &media.SDPError{Reason: "empty"}
	}
	var lines []line
	for t := range strings.SplitSeq(text, "\n") {
		l := line{no: len(lines) + 1, text: strings.TrimSuffix(t, "\r")}
		if a, ok := strings.CutPrefix(l.text, "a="); ok {
			l.key, l.value, _ = strings.Cut(a, ":")
		}
		if len(l.text) < 2 || l.text[1] != '=' {
			return nil, l.fault("not of the form letter=value")
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func joinLines(lines []line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.text)
		b.WriteString("\r\n")
	}
	return b.String()
}

// sectionsOf splits at m= lines.
func sectionsOf(lines []line) (session section, media []section) {
	start := len(lines)
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.HasPrefix(lines[i].text, "m=") {
			media = append([]section{lines[i:start]}, media...)
			start = i
		}
	}
	return lines[:start], media
}

func (s section) attribute(key string) (line, bool) {
	for _, l := range s {
		if l.key == key {
			return l, true
		}
	}
	return line{}, false
}

// syntaxError finds the line a parser stumbled over: the last of the shortest beginning it does not accept.
func syntaxError(lines []line) error {
	n := sort.Search(len(lines), func(n int) bool {
		return (&sdp.SessionDescription{}).UnmarshalString(joinLines(lines[:n+1])) != nil
	})
	if n == len(lines) {
		return &media.SDPError{Reason: "not a session description"}
	}
	return lines[n].fault("not understood here")
}
