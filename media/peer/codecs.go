package peer

import (
	"slices"
	"strings"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/lean"
)

// formats is what a section says about each payload type.
type formats [128]struct {
	name     string // "VP8/90000"; empty: nothing is said
	fmtp     string
	feedback lean.Feedback
}

// payloadType reads a number as RTP can carry it, and as we would write it.
func payloadType(s string) (uint8, bool) {
	if len(s) == 0 || len(s) > len("127") || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return uint8(n), n < len(formats{})
}

func (f *formats) read(s section) error {
	for _, l := range s {
		key := l.key()
		if key != "rtpmap" && key != "fmtp" && key != "rtcp-fb" {
			continue
		}
		number, value, ok := strings.Cut(l.value(), " ")
		pt, known := payloadType(number)
		switch {
		case key == "rtcp-fb" && number == "*":
			for i := range f {
				f[i].feedback |= lean.FeedbackOf(value)
			}
		case key == "rtcp-fb" && known:
			f[pt].feedback |= lean.FeedbackOf(value)
		case key == "rtcp-fb":
		case !ok:
			return l.fault("a payload type and a value are needed")
		case key == "rtpmap" && !strings.Contains(value, "/"):
			return l.fault("the clock rate is missing")
		case !known: // never in an RTP packet
		case key == "rtpmap":
			f[pt].name = value
		default:
			f[pt].fmtp = value
		}
	}
	return nil
}

// codec says which of ours a payload type is.
func (f *formats) codec(pt uint8) (media.Codec, bool) {
	name, rate, _ := strings.Cut(f[pt].name, "/")
	switch {
	case strings.EqualFold(name, "opus") && rate == "48000/2":
		return media.Opus, true
	case strings.EqualFold(name, "VP8") && rate == "90000":
		return media.VP8, true
	case strings.EqualFold(name, "H264") && rate == "90000":
		return media.H264, constrainedBaseline(f[pt].fmtp)
	}
	return 0, false
}

// repaired says which payload type a retransmission format is for (RFC 4588 section 8.1).
func (f *formats) repaired(pt uint8) (uint8, bool) {
	if !strings.EqualFold(f[pt].name, "rtx/90000") {
		return 0, false
	}
	apt, _ := parameter(f[pt].fmtp, "apt")
	return payloadType(apt)
}

// parameter finds one of a format's parameters, such as "apt" in "apt=96;rtx-time=3000".
func parameter(fmtp, key string) (string, bool) {
	for fmtp != "" {
		var p string
		p, fmtp, _ = strings.Cut(fmtp, ";")
		if k, value, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(k, key) {
			return value, true
		}
	}
	return "", false
}

// constrainedBaseline is the one H264 profile that every browser plays and no encoder puts B-frames into.
// Levels may differ, as level-asymmetry-allowed says.
func constrainedBaseline(fmtp string) bool {
	mode, _ := parameter(fmtp, "packetization-mode")
	profile, _ := parameter(fmtp, "profile-level-id")
	const prefix = "42e0"
	return mode == "1" && len(profile) >= len(prefix) && strings.EqualFold(profile[:len(prefix)], prefix)
}

// chooseFormats keeps the first payload type of each codec we know, and what repairs it.
func (s *offered) chooseFormats() error {
	var f formats
	if err := f.read(s.section); err != nil {
		return err
	}
	for _, pt := range s.types {
		codec, ok := f.codec(pt)
		if ok && codec.Kind() == s.kind && !slices.ContainsFunc(s.formats, func(f lean.Format) bool { return f.Codec == codec }) {
			s.formats = append(s.formats, lean.Format{Codec: codec, Type: pt, Feedback: f[pt].feedback})
		}
	}
	if len(s.formats) == 0 {
		return f.none(s)
	}
	if s.kind == media.Audio {
		return nil
	}
	for _, pt := range s.types {
		of, ok := f.repaired(pt)
		i := slices.IndexFunc(s.formats, func(f lean.Format) bool { return f.Type == of && f.Repair == 0 })
		if ok && i >= 0 {
			s.formats[i].Repair = pt
		}
	}
	return nil
}

// none says what was offered instead.
func (f *formats) none(s *offered) error {
	var names []string
	for _, pt := range s.types {
		name, _, _ := strings.Cut(f[pt].name, "/")
		if name != "" && !slices.Contains(names, name) {
			names = append(names, strings.Clone(name))
		}
	}
	return &media.CodecError{Offered: names, Accepted: accepted(s.kind)}
}

func accepted(kind media.Kind) []string {
	if kind == media.Audio {
		return []string{media.Opus.String()}
	}
	return []string{media.VP8.String(), media.H264.String() + " (42e01f, packetization-mode=1)"}
}
