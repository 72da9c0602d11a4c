package peer

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rialto-live/rialto/media/lean"
)

// lean is what the lean transport needs of a viewer's offer. It is declined when it asks for more than one transport, or
// for one that the lean transport is not. The first section's transport is that of all (RFC 9143 section 7.3.1): aiortc
// names another for each, to be used if the answer does not bundle. Nothing in it is a part of the offer's text.
func (o *offer) lean() (*lean.Offer, bool) {
	if _, lite := o.session.attribute("ice-lite"); lite || !o.bundled() {
		return nil, false // of two lite agents none would begin
	}
	if !within(o.ufrag, minUFrag, maxCredential) || !within(o.pwd, minPwd, maxCredential) {
		return nil, false
	}
	fingerprint, ok := o.fingerprint(o.sections[0].section)
	if !ok {
		return nil, false
	}
	out := &lean.Offer{
		Remote:      lean.Credentials{UFrag: strings.Clone(o.ufrag), Pwd: strings.Clone(o.pwd)},
		Fingerprint: fingerprint,
		Sections:    make([]lean.Section, 0, len(o.sections)),
	}
	numbers := make([]uint8, 0, 8)
	for i := range o.sections {
		s := &o.sections[i]
		_, bundleOnly := s.attribute("bundle-only")
		if s.proto != protocols[0] || s.port == 0 && !bundleOnly {
			return nil, false
		}
		for _, f := range s.formats {
			if slices.Contains(numbers, f.Type) || f.Repair != 0 && slices.Contains(numbers, f.Repair) {
				return nil, false // a number means one thing in all that is bundled (RFC 9143 section 9.1)
			}
			numbers = append(numbers, f.Type, f.Repair)
		}
		_, reduced := s.attribute("rtcp-rsize")
		out.Sections = append(out.Sections, lean.Section{
			MID: strings.Clone(s.mid()), Kind: s.kind, Formats: s.formats, ReducedSize: reduced,
		})
	}
	return out, true
}

func within(s string, low, high int) bool { return low <= len(s) && len(s) <= high }

// bundled says whether one group bundles all sections in their order, each under a name of its own.
func (o *offer) bundled() bool {
	for _, l := range o.session {
		rest, ok := strings.CutPrefix(l.value(), "BUNDLE ")
		if l.key() != "group" || !ok {
			continue
		}
		for i := range o.sections {
			var name string
			name, rest, ok = strings.Cut(rest, " ")
			known := func(s offered) bool { return s.mid() == name }
			if o.sections[i].mid() != name || !within(name, 1, maxMID) || slices.ContainsFunc(o.sections[:i], known) {
				return false
			}
		}
		return !ok
	}
	return false
}

// fingerprint of the certificate by SHA-256: the one there is among those of all algorithms. Those of a section stand in
// place of those of all (RFC 8122 section 5).
func (o *offer) fingerprint(s section) (sum [32]byte, ok bool) {
	if _, own := s.attribute("fingerprint"); !own {
		s = o.session
	}
	for _, l := range s {
		if l.key() != "fingerprint" {
			continue
		}
		algorithm, value, _ := strings.Cut(l.value(), " ")
		if !strings.EqualFold(algorithm, "sha-256") {
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
		n, err := strconv.ParseUint(value[3*i:3*i+2], 16, 8)
		if err != nil {
			return sum, false
		}
		sum[i] = byte(n)
	}
	return sum, true
}
