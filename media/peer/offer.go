package peer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/rialto-live/rialto/media"
)

// direction is what the other side wants to do.
type direction uint8

const (
	sends    direction = iota // a publisher
	receives                  // a viewer
)

// offer is a checked offer, cut down to what we accept: reading a browser's full list of codecs is most of
// what a join costs.
type offer struct {
	desc       *sdp.SessionDescription
	ufrag, pwd string
	kinds      []media.Kind
	codecs     []media.Codec
	candidates int
}

// parseOffer reads an offer. Faults are *media.SDPError with the line, or *media.CodecError.
func parseOffer(raw []byte, dir direction) (*offer, error) {
	lines, err := splitLines(raw)
	if err != nil {
		return nil, err
	}
	// A clone, since substrings of the request's body would keep all of it alive for the session's time.
	desc := &sdp.SessionDescription{}
	if err := desc.UnmarshalString(joinLines(lines)); err != nil {
		return nil, syntaxError(lines)
	}
	session, sections := sectionsOf(lines)
	o := &offer{desc: desc}
	if len(sections) == 0 || len(sections) != len(desc.MediaDescriptions) {
		return nil, &media.SDPError{Reason: "there is no m= line, so nothing to send or receive"}
	}
	for i, section := range sections {
		if err := o.readSection(session, section, desc.MediaDescriptions[i], dir); err != nil {
			return nil, err
		}
	}
	if o.candidates > maxCandidates {
		return nil, &media.SDPError{Reason: fmt.Sprintf("more than %d candidates", maxCandidates)}
	}
	return o, nil
}

func (o *offer) readSection(session, s section, m *sdp.MediaDescription, dir direction) error {
	var kind media.Kind
	switch m.MediaName.Media {
	case "audio":
		kind = media.Audio
	case "video":
		kind = media.Video
	default:
		return s[0].fault("only audio and video can be offered")
	}
	if slices.Contains(o.kinds, kind) {
		return s[0].fault("a second " + kind.String() + " section: one of each kind is accepted")
	}
	o.kinds = append(o.kinds, kind)
	if err := s.checkDirection(session, dir); err != nil {
		return err
	}
	if err := o.checkTransport(session, s); err != nil {
		return err
	}
	keep, err := o.chooseCodecs(s, m, kind, dir)
	if err != nil {
		return err
	}
	o.trim(m, keep)
	return nil
}

// checkTransport asks for what every WebRTC offer carries, here or at session level.
func (o *offer) checkTransport(session, s section) error {
	if _, ok := s.attribute("mid"); !ok {
		return s[0].fault("the section has no a=mid")
	}
	if _, ok := s.attribute("rtcp-mux"); !ok {
		return s[0].fault("the section has no a=rtcp-mux: RTP and RTCP share one port here")
	}
	found := map[string]string{}
	for _, key := range []string{"ice-ufrag", "ice-pwd", "fingerprint", "setup"} {
		l, ok := s.attribute(key)
		if !ok {
			l, ok = session.attribute(key)
		}
		if !ok {
			return s[0].fault("the section has no a=" + key)
		}
		found[key] = l.value
		if key == "setup" && l.value != "actpass" && l.value != "active" {
			return l.fault("must be actpass or active: the server does not open connections")
		}
	}
	if o.ufrag == "" {
		o.ufrag, o.pwd = found["ice-ufrag"], found["ice-pwd"]
	}
	return nil
}

func (s section) checkDirection(session section, dir direction) error {
	for _, from := range []section{s, session} {
		for _, l := range from {
			ok := true
			switch l.key {
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

func (o *offer) marshal() (string, error) {
	b, err := o.desc.Marshal()
	if err != nil {
		return "", fmt.Errorf("write offer: %w", err)
	}
	return string(b), nil
}

// restarted is the same offer with the credentials and candidates of a fragment.
func (o *offer) restarted(f *fragment) *offer {
	next := *o
	next.ufrag, next.pwd = f.ufrag, f.pwd
	desc := *o.desc
	next.desc = &desc
	fresh := func(a sdp.Attribute) bool {
		return a.Key == "ice-ufrag" || a.Key == "ice-pwd" || a.Key == "candidate" || a.Key == "end-of-candidates"
	}
	desc.Attributes = slices.DeleteFunc(slices.Clone(desc.Attributes), fresh)
	desc.MediaDescriptions = slices.Clone(desc.MediaDescriptions)
	for i, m := range desc.MediaDescriptions {
		section := *m
		section.Attributes = slices.DeleteFunc(slices.Clone(m.Attributes), fresh)
		section.Attributes = append(section.Attributes, sdp.NewAttribute("ice-ufrag", f.ufrag), sdp.NewAttribute("ice-pwd", f.pwd))
		if i == 0 { // bundled: one set is enough
			for _, c := range f.candidates {
				section.Attributes = append(section.Attributes, sdp.NewAttribute("candidate", strings.TrimPrefix(c.value, "candidate:")))
			}
		}
		desc.MediaDescriptions[i] = &section
	}
	return &next
}
