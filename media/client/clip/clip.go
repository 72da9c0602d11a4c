package clip

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/pion/webrtc/v4/pkg/media/ivfreader"
	"github.com/pion/webrtc/v4/pkg/media/oggreader"
)

//go:embed clip.ivf
var video []byte

//go:embed clip.ogg
var audio []byte

// opusPacket is how much sound each packet of clip.ogg holds.
const opusPacket = 20 * time.Millisecond

// Sample is one frame of the picture or one packet of the sound.
type Sample struct {
	Video    bool
	Keyframe bool
	Data     []byte // shared: not to be written to
	At       time.Duration
	Duration time.Duration
}

type content struct {
	samples []Sample
	length  time.Duration
}

var load = sync.OnceValues(func() (content, error) {
	frames, length, err := readVideo(video)
	if err != nil {
		return content{}, fmt.Errorf("clip.ivf: %w", err)
	}
	packets, err := readAudio(audio, length)
	if err != nil {
		return content{}, fmt.Errorf("clip.ogg: %w", err)
	}
	all := append(frames, packets...)
	slices.SortStableFunc(all, func(a, b Sample) int { return int(a.At - b.At) })
	return content{samples: all, length: length}, nil
})

// Samples gives the whole clip in the order of At, and how long one round is.
// The slice is shared and must not be written to.
func Samples() ([]Sample, time.Duration, error) {
	c, err := load()
	return c.samples, c.length, err
}

func readVideo(file []byte) ([]Sample, time.Duration, error) {
	reader, header, err := ivfreader.NewWith(bytes.NewReader(file))
	if err != nil {
		return nil, 0, err
	}
	if header.FourCC != "VP80" || header.TimebaseDenominator == 0 || header.TimebaseNumerator == 0 {
		return nil, 0, fmt.Errorf("%q at %d/%d is not VP8", header.FourCC, header.TimebaseNumerator, header.TimebaseDenominator)
	}
	frame := time.Second * time.Duration(header.TimebaseNumerator) / time.Duration(header.TimebaseDenominator)
	var samples []Sample
	for {
		data, _, err := reader.ParseNextFrame()
		if errors.Is(err, io.EOF) {
			return samples, frame * time.Duration(len(samples)), nil
		}
		if err != nil {
			return nil, 0, err
		}
		if len(data) == 0 {
			return nil, 0, errors.New("an empty frame")
		}
		samples = append(samples, Sample{Video: true, Keyframe: data[0]&1 == 0, Data: data,
			At: frame * time.Duration(len(samples)), Duration: frame})
	}
}

// readAudio takes as many packets as the picture is long. The encoder adds one
// to flush itself; played, it would shift the sound a little in every round.
func readAudio(file []byte, length time.Duration) ([]Sample, error) {
	reader, _, err := oggreader.NewWith(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	var samples []Sample
	for at := time.Duration(0); at < length; at += opusPacket {
		data, _, err := reader.ParseNextPage()
		if err != nil {
			return nil, fmt.Errorf("at %s of %s: %w", at, length, err)
		}
		if bytes.HasPrefix(data, []byte("OpusTags")) {
			at -= opusPacket
			continue
		}
		samples = append(samples, Sample{Data: data, At: at, Duration: opusPacket})
	}
	return samples, nil
}
