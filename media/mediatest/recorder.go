package mediatest

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rialto-live/rialto/media/client"
)

// maxRecorded bounds a Recorder; an hour of 20 frames per second.
const maxRecorded = 72_000

// Seen is one frame that reached a viewer.
type Seen struct {
	Number    int // as the Source counted it
	Keyframe  bool
	MIME      string
	Timestamp uint32
	At        time.Time
}

// Recorder keeps the video frames that a viewer could decode. Its Frame method
// is a client.ViewerConfig.OnFrame.
type Recorder struct {
	mu   sync.Mutex
	seen []Seen
	err  error
}

// Frame records one frame.
func (r *Recorder) Frame(f client.Frame) {
	if !f.Video {
		return
	}
	number, err := numberOf(f.Data)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && r.err == nil {
		r.err = err
	}
	if len(r.seen) < maxRecorded {
		r.seen = append(r.seen, Seen{Number: number, Keyframe: f.Keyframe, MIME: f.MIME, Timestamp: f.Timestamp, At: f.At})
	}
}

// Frames returns what was seen so far, and the first frame whose content was damaged.
func (r *Recorder) Frames() ([]Seen, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen), r.err
}

func numberOf(data []byte) (int, error) {
	_, rest, ok := bytes.Cut(data, []byte(mark))
	if !ok {
		return 0, fmt.Errorf("mediatest: a frame of %d bytes without a number", len(data))
	}
	digits := bytes.TrimRight(rest, string([]byte{filler}))
	end := bytes.IndexFunc(digits, func(c rune) bool { return c < '0' || c > '9' })
	if end >= 0 {
		return 0, fmt.Errorf("mediatest: a frame of %d bytes is damaged at byte %d", len(data), end)
	}
	return strconv.Atoi(string(digits))
}
