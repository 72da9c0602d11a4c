package mediatest

import (
	"io"
	"strconv"
	"time"

	"github.com/rialto-live/rialto/media/client"
)

// Script says what a Source plays. The zero fields take what a phone would send.
type Script struct {
	Video         string // client.VP8 (default) or client.H264
	Silent        bool   // no audio
	FPS           int    // 20
	GOP           int    // frames between keyframes; 0: on request alone, after the first
	FrameBytes    int    // 3000: three packets
	KeyframeBytes int    // 12000
	Frames        int    // the end; 0: none
}

const (
	audioPacket = 20 * time.Millisecond
	// Filler bytes are never zero, so that no start code of H264 comes about.
	filler = 0xA5
	// The number of a frame is written in decimal digits behind this mark.
	mark = "#frame:"
)

// Source plays a Script. It makes keyframes on request, as a camera does.
type Source struct {
	script Script
	wanted bool
	frame  int
	audio  int
	since  int // frames since the last keyframe
}

// NewSource starts a script.
func NewSource(s Script) *Source {
	if s.Video == "" {
		s.Video = client.VP8
	}
	orDefault(&s.FPS, 20)
	orDefault(&s.FrameBytes, 3000)
	orDefault(&s.KeyframeBytes, 12000)
	return &Source{script: s, wanted: true}
}

func orDefault(v *int, otherwise int) {
	if *v == 0 {
		*v = otherwise
	}
}

// Codecs implements client.Source.
func (s *Source) Codecs() (video, audio string) {
	if s.script.Silent {
		return s.script.Video, ""
	}
	return s.script.Video, client.Opus
}

// RequestKeyframe implements client.KeyframeSource.
func (s *Source) RequestKeyframe() { s.wanted = true }

// Next implements client.Source.
func (s *Source) Next() (client.Sample, error) {
	if s.script.Frames > 0 && s.frame == s.script.Frames {
		return client.Sample{}, io.EOF
	}
	frameTime := time.Second / time.Duration(s.script.FPS)
	due := time.Duration(s.frame) * frameTime
	if at := time.Duration(s.audio) * audioPacket; !s.script.Silent && at <= due {
		s.audio++
		return client.Sample{Data: []byte{0xF8, 0xFF, 0xFE}, At: at, Duration: audioPacket}, nil // Opus's silence
	}
	key := s.wanted || s.script.GOP > 0 && s.since >= s.script.GOP
	if key {
		s.wanted, s.since = false, 0
	}
	s.since++
	sample := client.Sample{Video: true, Keyframe: key, At: due, Duration: frameTime, Data: s.picture(key)}
	s.frame++
	return sample, nil
}

func (s *Source) picture(key bool) []byte {
	size := s.script.FrameBytes
	if key {
		size = s.script.KeyframeBytes
	}
	data := make([]byte, 0, size)
	switch {
	case s.script.Video == client.H264 && key:
		data = append(data, 0, 0, 0, 1, 0x67, 0x42, 0xE0, 0x1F, 0x8D, 0x68, 0x05, 0x00, 0x5B, 0xA1) // SPS, 640x360
		data = append(data, 0, 0, 0, 1, 0x68, 0xCE, 0x3C, 0x80)                                     // PPS
		data = append(data, 0, 0, 0, 1, 0x65)                                                       // IDR
	case s.script.Video == client.H264:
		data = append(data, 0, 0, 0, 1, 0x41)
	case key: // frame tag, start code, 640x360
		data = append(data, 0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01)
	default:
		data = append(data, 0x11, 0x02, 0x00)
	}
	data = append(data, mark...)
	data = strconv.AppendInt(data, int64(s.frame), 10)
	for len(data) < size {
		data = append(data, filler)
	}
	return data
}
