package peer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/lean"
)

// direction is what the other side wants to do.
type direction uint8

const (
	sends    direction = iota // a publisher
	receives                  // a viewer
)

// offer is a checked offer: its lines, and what they come to.
type offer struct {
	dir        direction
	session    section
	sections   []offered
	ufrag, pwd string
	kinds      []media.Kind
	codecs     []media.Codec
	candidates int
}

// offered is an m= section.
type offered struct {
	section
	kind    media.Kind
	port    uint16
	proto   string
	types   []uint8       // of its m= line
	formats []lean.Format // the first of each codec we know, in the order of the offer
}

// parseOffer reads an offer. Faults are *media.SDPError with the line, or *media.CodecError.
func parseOffer(raw []byte, dir direction) (*offer, error) {
	lines, err := splitLines(raw)
	if err != nil {
		return nil, err
	}
	if lines[0].text != "v=0" {
		return nil, lines[0].misplaced()
	}
	session, sections := sectionsOf(lines)
	if len(sections) == 0 {
		return nil, &media.SDPError{Reason: "there is no m= line, so nothing to send or receive"}
	}
	if err := session.checkOrder(sections[0][0]); err != nil {
		return nil, err
	}
	o := &offer{dir: dir, session: session, sections: make([]offered, 0, len(sections))}
	for _, s := range sections {
		if err := o.readSection(s); err != nil {
			return nil, err
		}
	}
	if o.candidates > maxCandidates {
		return nil, &media.SDPError{Reason: fmt.Sprintf("more than %d candidates", maxCandidates)}
	}
	return o, nil
}

func (o *offer) readSection(lines section) error {
	s := offered{section: lines}
	if err := s.readMedia(); err != nil {
		return err
	}
	if slices.Contains(o.kinds, s.kind) {
		return s.section[0].fault("a second " + s.kind.String() + " section: one of each kind is accepted")
	}
	o.kinds = append(o.kinds, s.kind)
	if err := s.checkDirection(o.session, o.dir); err != nil {
		return err
	}
	if err := o.checkTransport(s.section); err != nil {
		return err
	}
	if err := s.chooseFormats(); err != nil {
		return err
	}
	for _, f := range s.formats {
		o.codecs = append(o.codecs, f.Codec)
	}
	for _, l := range s.section[1:] {
		if l.key() == "candidate" && reachable(l.value()) {
			o.candidates++
		}
	}
	o.sections = append(o.sections, s)
	return nil
}

// protocols that may be offered for media (RFC 9429 section 5.1.2); what is meant is the first in any case.
var protocols = [...]string{
	"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP", "RTP/AVPF", "RTP/AVP",
}

// readMedia reads the m= line, and sees that only lines follow that may.
func (s *offered) readMedia() error {
	l := s.section[0]
	fields := strings.Fields(l.text[len("m="):])
	if len(fields) < 4 {
		return l.misplaced()
	}
	switch fields[0] {
	case "audio":
		s.kind = media.Audio
	case "video":
		s.kind = media.Video
	default:
		return l.fault("only audio and video can be offered")
	}
	port, err := strconv.ParseUint(fields[1], 10, 16)
	if err != nil || !slices.Contains(protocols[:], fields[2]) {
		return l.misplaced()
	}
	s.port, s.proto, s.types = uint16(port), fields[2], make([]uint8, 0, len(fields)-3)
	for _, number := range fields[3:] {
		if pt, ok := payloadType(number); ok {
			s.types = append(s.types, pt)
		}
	}
	for _, l := range s.section[1:] {
		if strings.IndexByte("icbka", l.text[0]) < 0 {
			return l.misplaced()
		}
	}
	return nil
}

func (s section) mid() string {
	l, _ := s.attribute("mid")
	return l.value()
}

// inherited are attributes that may stand before the first section, for all.
var inherited = [...]string{"ice-ufrag", "ice-pwd", "fingerprint", "setup"}

// inherit finds an attribute of a section, or of all.
func (o *offer) inherit(s section, key string) (line, bool) {
	if l, ok := s.attribute(key); ok {
		return l, true
	}
	return o.session.attribute(key)
}

// checkTransport asks for what every WebRTC offer carries, here or at session level. A section that is offered as part of
// a bundle only has no transport of its own (RFC 9143 section 6).
func (o *offer) checkTransport(s section) error {
	if _, ok := s.attribute("mid"); !ok {
		return s[0].fault("the section has no a=mid")
	}
	if _, ok := s.attribute("rtcp-mux"); !ok {
		return s[0].fault("the section has no a=rtcp-mux: RTP and RTCP share one port here")
	}
	if _, ok := s.attribute("bundle-only"); ok && len(o.sections) > 0 {
		return nil
	}
	for _, key := range inherited {
		l, ok := o.inherit(s, key)
		if !ok {
			return s[0].fault("the section has no a=" + key)
		}
		if key == "setup" && l.value() != "actpass" && l.value() != "active" {
			return l.fault("must be actpass or active: the server does not open connections")
		}
	}
	if len(o.sections) == 0 {
		ufrag, _ := o.inherit(s, "ice-ufrag")
		pwd, _ := o.inherit(s, "ice-pwd")
		o.ufrag, o.pwd = ufrag.value(), pwd.value()
	}
	return nil
}

func (s section) checkDirection(session section, dir direction) error {
	for _, from := range []section{s, session} {
		for _, l := range from {
			ok := true
			switch l.key() {
			case "sendrecv":
			case "sendonly":
				ok = dir == sends
			case "recvonly":
				ok = dir == receives
			case "inactive":
				ok = false
			default:
				continue
			}
			if ok {
				return nil
			}
			if dir == sends {
				return l.fault("a publisher offers a=sendonly")
			}
			return l.fault("a viewer offers a=recvonly")
		}
	}
	return nil // sendrecv is the default
}

// restarted is the same offer with the credentials and candidates of a fragment.
func (o *offer) restarted(f *fragment) *offer {
	next := *o
	next.ufrag, next.pwd = f.ufrag, f.pwd
	fresh := func(l line) bool {
		return l.key() == "ice-ufrag" || l.key() == "ice-pwd" || l.key() == "candidate" || l.key() == "end-of-candidates"
	}
	next.session = slices.DeleteFunc(slices.Clone(o.session), fresh)
	next.sections = slices.Clone(o.sections)
	for i := range next.sections {
		s := &next.sections[i]
		s.section = slices.DeleteFunc(slices.Clone(s.section), fresh)
		s.section = append(s.section, attribute("ice-ufrag", f.ufrag), attribute("ice-pwd", f.pwd))
		if i == 0 { // bundled: one set is enough
			for _, c := range f.candidates {
				s.section = append(s.section, attribute("candidate", strings.TrimPrefix(c.value, "candidate:")))
			}
		}
	}
	return &next
}
