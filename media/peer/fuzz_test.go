package peer

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/lean"
)

// FuzzOffer: no text makes the parsers panic, a refused one is refused with a fault that can be shown, and what is
// accepted can be handed on, to Pion or to the lean transport.
func FuzzOffer(f *testing.F) {
	f.Add([]byte(browserOffer), true)
	f.Add([]byte(viewerOffer), false)
	f.Add([]byte(chromiumOffer), false)
	f.Add([]byte("v=0\r\nm=\r\n"), true)
	f.Fuzz(func(t *testing.T, b []byte, publishes bool) {
		checkFragment(t, b)
		dir := receives
		if publishes {
			dir = sends
		}
		o, err := parseOffer(b, dir)
		if err != nil {
			checkFault(t, err)
			return
		}
		checkMarshalled(t, o)
		if l, ok := o.lean(); ok && !publishes {
			checkLean(t, l, b)
		}
	})
}

func checkFault(t *testing.T, err error) {
	t.Helper()
	var fault *media.SDPError
	var codec *media.CodecError
	if !errors.As(err, &fault) && !errors.As(err, &codec) {
		t.Fatalf("an error of another kind: %v", err)
	}
	if fault != nil && len(fault.Text) > shownText+len("…") {
		t.Fatalf("a fault repeats %d bytes", len(fault.Text))
	}
}

// checkFragment: what a fragment names is of one generation and one line each.
func checkFragment(t *testing.T, b []byte) {
	t.Helper()
	f, err := parseFragment(b)
	if err != nil {
		checkFault(t, err)
		return
	}
	said := []string{f.ufrag, f.pwd}
	for _, c := range f.candidates {
		said = append(said, c.mid, c.value)
		if value, ok := strings.CutPrefix(c.value, "candidate:"); !ok || !reachable(value) || c.line < 1 {
			t.Fatalf("candidate %+v", c)
		}
	}
	for _, s := range said {
		if strings.ContainsAny(s, "\r\n\x00") {
			t.Fatalf("%q is more than a line", s)
		}
	}
}

// checkMarshalled: Pion reads what we write, and finds in it what we found.
func checkMarshalled(t *testing.T, o *offer) {
	t.Helper()
	text := o.marshal()
	var desc sdp.SessionDescription
	if err := desc.UnmarshalString(text); err != nil {
		t.Fatalf("%v in what we wrote:\n%s", err, text)
	}
	if len(desc.MediaDescriptions) != len(o.sections) {
		t.Fatalf("%d sections of %d in what we wrote:\n%s", len(desc.MediaDescriptions), len(o.sections), text)
	}
	if len(text) > MaxSDP {
		return // a little longer than what it was made from
	}
	again, err := parseOffer([]byte(text), o.dir)
	if err != nil {
		t.Fatalf("%v in what we wrote:\n%s", err, text)
	}
	if !slices.Equal(again.codecs, o.codecs) || again.ufrag != o.ufrag || again.candidates != o.candidates {
		t.Fatalf("we wrote another offer than we read:\n%s", text)
	}
}

// checkLean: an answer to it has the names and numbers that were offered, each once.
func checkLean(t *testing.T, l *lean.Offer, offered []byte) {
	t.Helper()
	var desc sdp.SessionDescription
	if err := desc.Unmarshal(offered); err != nil {
		return // an odd line in the head, which nobody reads
	}
	if len(l.Sections) != len(desc.MediaDescriptions) || len(l.Remote.UFrag) > maxCredential || len(l.Remote.Pwd) > maxCredential {
		t.Fatalf("%+v", l)
	}
	numbers := map[uint8]bool{}
	for i, m := range desc.MediaDescriptions {
		s := l.Sections[i]
		if mid, _ := m.Attribute("mid"); s.MID != mid || s.MID == "" || len(s.MID) > maxMID || s.Kind.String() != m.MediaName.Media {
			t.Fatalf("section %+v of %v", s, m.MediaName)
		}
		if len(s.Formats) == 0 {
			t.Fatal("a section without a format was accepted")
		}
		for _, f := range s.Formats {
			for _, n := range []uint8{f.Type, f.Repair} {
				if n == 0 {
					continue
				}
				if !slices.Contains(m.MediaName.Formats, strconv.Itoa(int(n))) || numbers[n] {
					t.Fatalf("payload type %d of %+v", n, l.Sections)
				}
				numbers[n] = true
			}
		}
	}
}
