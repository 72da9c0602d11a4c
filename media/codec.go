package media

import (
	"slices"
	"time"
)

// Kind is audio or video.
type Kind uint8

const (
	Audio Kind = iota
	Video
	kinds // how many there are
)

func (k Kind) String() string {
	if k == Audio {
		return "audio"
	}
	return "video"
}

// Codec is one of the codecs that pass through. Media is never decoded.
type Codec uint8

const (
	Opus Codec = iota + 1
	VP8
	H264 // constrained baseline, packetization-mode 1
	codecs
)

func (c Codec) String() string {
	switch c {
	case Opus:
		return "opus"
	case VP8:
		return "VP8"
	case H264:
		return "H264"
	}
	return "unknown"
}

// Kind of media the codec carries.
func (c Codec) Kind() Kind {
	if c == Opus {
		return Audio
	}
	return Video
}

// ClockRate of the RTP timestamp in Hz.
func (c Codec) ClockRate() uint32 {
	if c == Opus {
		return 48_000
	}
	return 90_000
}

// ticks turns a span of time into RTP timestamp units; it may be negative.
func (c Codec) ticks(d time.Duration) int64 {
	return int64(d) / int64(time.Microsecond) * int64(c.ClockRate()) / 1_000_000
}

func names(cs []Codec) []string {
	out := make([]string, 0, len(cs))
	for _, c := range cs {
		out = append(out, c.String())
	}
	return slices.Clip(out)
}
