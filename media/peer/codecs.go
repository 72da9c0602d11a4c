package peer

import (
	"slices"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/rialto-live/rialto/media"
)

// formats is what a section says about its payload types.
type formats struct {
	names map[string]string // "96" -> "VP8/90000"
	fmtp  map[string]string
}

func (s section) formats() (formats, error) {
	f := formats{names: map[string]string{}, fmtp: map[string]string{}}
	for _, l := range s {
		if l.key != "rtpmap" && l.key != "fmtp" {
			continue
		}
		pt, value, ok := strings.Cut(l.value, " ")
		if !ok {
			return f, l.fault("a payload type and a value are needed")
		}
		if l.key == "rtpmap" {
			if !strings.Contains(value, "/") {
				return f, l.fault("the clock rate is missing")
			}
			f.names[pt] = value
		} else {
			f.fmtp[pt] = value
		}
	}
	return f, nil
}

// codec says which of ours a payload type is.
func (f formats) codec(pt string) (media.Codec, bool) {
	name, rate, _ := strings.Cut(strings.ToLower(f.names[pt]), "/")
	switch {
	case name == "opus" && rate == "48000/2":
		return media.Opus, true
	case name == "vp8" && rate == "90000":
		return media.VP8, true
	case name == "h264" && rate == "90000":
		return media.H264, constrainedBaseline(f.fmtp[pt])
	}
	return 0, false
}

// constrainedBaseline is the one H264 profile that every browser plays and no encoder puts B-frames into.
// Levels may differ, as level-asymmetry-allowed says.
func constrainedBaseline(fmtp string) bool {
	mode, profile := "0", "42000a"
	for p := range strings.SplitSeq(strings.ToLower(fmtp), ";") {
		switch key, value, _ := strings.Cut(strings.TrimSpace(p), "="); key {
		case "packetization-mode":
			mode = value
		case "profile-level-id":
			profile = value
		}
	}
	return mode == "1" && strings.HasPrefix(profile, "42e0")
}

// chooseCodecs keeps the first payload type of each codec we know, and for publishers its retransmission format.
func (o *offer) chooseCodecs(s section, m *sdp.MediaDescription, kind media.Kind, dir direction) ([]string, error) {
	f, err := s.formats()
	if err != nil {
		return nil, err
	}
	var keep, offered []string
	var codecs []media.Codec
	for _, pt := range m.MediaName.Formats {
		name, _, _ := strings.Cut(f.names[pt], "/")
		if name != "" && !slices.Contains(offered, name) {
			offered = append(offered, strings.Clone(name))
		}
		if codec, ok := f.codec(pt); ok && codec.Kind() == kind && !slices.Contains(codecs, codec) {
			keep, codecs = append(keep, pt), append(codecs, codec)
		}
	}
	if len(codecs) == 0 {
		return nil, &media.CodecError{Offered: offered, Accepted: accepted(kind)}
	}
	o.codecs = append(o.codecs, codecs...)
	if dir == sends {
		for _, pt := range m.MediaName.Formats {
			apt, ok := strings.CutPrefix(f.fmtp[pt], "apt=")
			if ok && strings.HasPrefix(strings.ToLower(f.names[pt]), "rtx/") && slices.Contains(keep, apt) {
				keep = append(keep, pt)
			}
		}
	}
	return keep, nil
}

func accepted(kind media.Kind) []string {
	if kind == media.Audio {
		return []string{media.Opus.String()}
	}
	return []string{media.VP8.String(), media.H264.String() + " (42e01f, packetization-mode=1)"}
}

// extensions of RTP headers that we use.
var extensions = []string{
	"urn:ietf:params:rtp-hdrext:sdes:mid",
	sdp.TransportCCURI,
}

// trim removes from a section what we would not answer: other formats, extensions, layers we do not take,
// and candidates that cannot be reached from here (TCP, names that resolve only in the viewer's own network).
func (o *offer) trim(m *sdp.MediaDescription, keep []string) {
	m.MediaName.Formats = keep
	m.Attributes = slices.DeleteFunc(m.Attributes, func(a sdp.Attribute) bool {
		switch a.Key {
		case "rtpmap", "fmtp", "rtcp-fb":
			pt, _, _ := strings.Cut(a.Value, " ")
			return !slices.Contains(keep, pt) && pt != "*"
		case "extmap":
			return !slices.ContainsFunc(extensions, func(uri string) bool { return strings.Contains(a.Value, uri) })
		case "rid", "simulcast":
			return true
		case "ssrc-group":
			return !strings.HasPrefix(a.Value, "FID")
		case "candidate":
			if !reachable(a.Value) {
				return true
			}
			o.candidates++
		}
		return false
	})
}

// reachable reports whether a candidate can be used by a server with one UDP port.
func reachable(candidate string) bool {
	f := strings.Fields(candidate)
	return len(f) >= 8 && strings.EqualFold(f[2], "udp") && !strings.HasSuffix(strings.ToLower(f[4]), ".local")
}
