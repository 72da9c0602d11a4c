package peer

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/rialto-live/rialto/media/lean"
)

// lean is what the lean transport needs of a viewer's offer. It is declined when it asks for more than one transport, or
// for one that the lean transport is not. Nothing in it is a part of the offer's text.
func (o *offer) lean() (*lean.Offer, bool) {
	if _, lite := o.session.attribute("ice-lite"); lite || !o.bundled() {
		return nil, false // of two lite agents none would begin
	}
	if !within(o.ufrag, minUFrag, maxCredential) || !within(o.pwd, minPwd, maxCredential) {
		return nil, false
	}
	out := &lean.Offer{
		Remote:   lean.Credentials{UFrag: strings.Clone(o.ufrag), Pwd: strings.Clone(o.pwd)},
		Sections: make([]lean.Section, 0, len(o.sections)),
	}
	var numbers []uint8
	for i := range o.sections {
		s := &o.sections[i]
		fingerprint, ok := o.fingerprint(s.section)
		if !ok || i > 0 && fingerprint != out.Fingerprint || !o.transportable(s) {
			return nil, false
		}
		out.Fingerprint = fingerprint
		for _, f := range s.formats {
			if slices.Contains(numbers, f.Type) || f.Repair != 0 && slices.Contains(numbers, f.Repair) {
				return nil, false // a number means one thing in all that is bundled (RFC 9143 section 9.1)
			}
			numbers = append(numbers, f.Type, f.Repair)
		}
		mid, _ := s.attribute("mid")
		_, reduced := s.attribute("rtcp-rsize")
		out.Sections = append(out.Sections, lean.Section{
			MID: strings.Clone(mid.value), Kind: s.kind, Formats: s.formats, ReducedSize: reduced,
		})
	}
	return out, true
}

func within(s string, low, high int) bool { return low <= len(s) && len(s) <= high }

// bundled says whether one group bundles all sections in their order, so that the first carries the transport of all
// (RFC 9143 section 7.3.1), each under a name of its own.
func (o *offer) bundled() bool {
	for _, l := range o.session {
		mids, ok := strings.CutPrefix(l.value, "BUNDLE ")
		if l.key != "group" || !ok {
			continue
		}
		names := strings.Split(mids, " ")
		return slices.EqualFunc(names, o.sections, func(name string, s offered) bool {
			mid, _ := s.attribute("mid")
			return mid.value == name && within(name, 1, maxMID)
		}) && len(slices.Compact(slices.Sorted(slices.Values(names)))) == len(names)
	}
	return false
}

// transportable says whether a section can be carried with the first.
func (o *offer) transportable(s *offered) bool {
	ufrag, _ := o.inherit(s.section, "ice-ufrag")
	pwd, _ := o.inherit(s.section, "ice-pwd")
	_, bundleOnly := s.attribute("bundle-only")
	return ufrag.value == o.ufrag && pwd.value == o.pwd && s.proto == "UDP/TLS/RTP/SAVPF" && (s.port != 0 || bundleOnly)
}

// fingerprint of the certificate by SHA-256: the one there is among those of all algorithms. Those of a section stand in
// place of those of all (RFC 8122 section 5).
func (o *offer) fingerprint(s section) (sum [32]byte, ok bool) {
	if _, own := s.attribute("fingerprint"); !own {
		s = o.session
	}
	for _, l := range s {
		algorithm, value, _ := strings.Cut(l.value, " ")
		if l.key != "fingerprint" || !strings.EqualFold(algorithm, "sha-256") {
			continue
		}
		if ok { // of several certificates; which comes is not known
			return sum, false
		}
		if sum, ok = readFingerprint(value); !ok {
			return sum, false
		}
	}
	return sum, ok
}

// readFingerprint reads "4A:AD:...".
func readFingerprint(value string) (sum [32]byte, ok bool) {
	if len(value) != 3*len(sum)-1 {
		return sum, false
	}
	for i := range sum {
		if i > 0 && value[3*i-1] != ':' {
			return sum, false
		}
		if _, err := hex.Decode(sum[i:i+1], []byte(value[3*i:3*i+2])); err != nil {
			return sum, false
		}
	}
	return sum, true
}
