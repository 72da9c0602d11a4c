package peer

import (
	"fmt"
	"strings"

	"github.com/rialto-live/rialto/media"
)

// fragment is what a trickle body (application/trickle-ice-sdpfrag, RFC 8840) says.
type fragment struct {
	ufrag, pwd string
	ufragLine  int
	candidates []candidate
}

type candidate struct {
	line       int
	value, mid string
}

// parseFragment reads a fragment. Candidates that cannot be reached from here are left out silently: a browser
// names many, and that is no fault of its.
func parseFragment(raw []byte) (*fragment, error) {
	lines, err := splitLines(raw)
	if err != nil {
		return nil, err
	}
	f := &fragment{}
	mid := ""
	for _, l := range lines {
		switch l.key() {
		case "ice-ufrag":
			if f.ufrag != "" && f.ufrag != l.value() {
				return nil, l.fault("a second ICE generation in one fragment")
			}
			f.ufrag, f.ufragLine = strings.Clone(l.value()), int(l.no)
		case "ice-pwd":
			f.pwd = strings.Clone(l.value())
		case "mid":
			mid = strings.Clone(l.value())
		case "candidate":
			if len(strings.Fields(l.value())) < 8 {
				return nil, l.fault("a candidate has at least eight fields")
			}
			if reachable(l.value()) {
				f.candidates = append(f.candidates, candidate{line: int(l.no), value: "candidate:" + l.value(), mid: mid})
			}
		}
	}
	return f, nil
}

// answerFragment is our side of an ICE restart, taken from a whole answer. Candidates for RTCP's own component are left
// out: with rtcp-mux nobody uses them, and the npm client whip-whep cannot read a fragment with two candidates.
func answerFragment(answer string) ([]byte, error) {
	lines, err := splitLines([]byte(answer))
	if err != nil {
		return nil, fmt.Errorf("read own answer: %w", err)
	}
	session, sections := sectionsOf(lines)
	if len(sections) == 0 {
		return nil, &media.SDPError{Reason: "the answer has no media"}
	}
	o, first := offer{session: session}, sections[0]
	var b strings.Builder
	if group, ok := session.attribute("group"); ok {
		b.WriteString(group.text + "\r\n")
	}
	b.WriteString("a=ice-options:trickle\r\n" + first[0].text + "\r\n")
	for _, key := range []string{"mid", "ice-ufrag", "ice-pwd"} {
		l, _ := o.inherit(first, key)
		b.WriteString(l.text + "\r\n")
	}
	for _, l := range first {
		if l.key() == "candidate" && component(l.value()) == rtpComponent {
			b.WriteString(l.text + "\r\n")
		}
	}
	b.WriteString("a=end-of-candidates\r\n")
	return []byte(b.String()), nil
}

// rtpComponent is the one component there is with rtcp-mux.
const rtpComponent = "1"

// component of a candidate: its second field.
func component(candidate string) string {
	if f := strings.Fields(candidate); len(f) > 1 {
		return f[1]
	}
	return ""
}
