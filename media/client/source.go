package client

import (
	"time"

	"github.com/rialto-live/rialto/media/client/clip"
)

// MIME types of the codecs a show is carried in.
const (
	VP8  = "video/VP8"
	H264 = "video/H264"
	Opus = "audio/opus"
)

// Sample is one encoded video frame or one audio packet.
type Sample struct {
	Video    bool
	Keyframe bool
	Data     []byte
	At       time.Duration // when it is due, from the first sample of the source
	Duration time.Duration
}

// Source gives samples in the order of At. A Publisher calls it from one
// goroutine. io.EOF ends the publishing as its owner's Close would.
type Source interface {
	Codecs() (video, audio string) // MIME types; "" when there is none
	Next() (Sample, error)
}

// KeyframeSource is a Source that can encode a keyframe on demand.
// RequestKeyframe is called between two calls of Next.
type KeyframeSource interface {
	Source
	RequestKeyframe()
}

// ClipSource loops the embedded clip without a seam.
type ClipSource struct {
	samples []clip.Sample
	length  time.Duration
	next    int
	loop    time.Duration // start of the current round
}

// NewClipSource reads the embedded clip.
func NewClipSource() (*ClipSource, error) {
	samples, length, err := clip.Samples()
	if err != nil {
		return nil, err
	}
	return &ClipSource{samples: samples, length: length}, nil
}

// Codecs says what the clip is encoded in.
func (s *ClipSource) Codecs() (video, audio string) { return VP8, Opus }

// Next never ends.
func (s *ClipSource) Next() (Sample, error) {
	c := s.samples[s.next]
	sample := Sample{Video: c.Video, Keyframe: c.Keyframe, Data: c.Data, At: s.loop + c.At, Duration: c.Duration}
	if s.next++; s.next == len(s.samples) {
		s.next, s.loop = 0, s.loop+s.length
	}
	return sample, nil
}
