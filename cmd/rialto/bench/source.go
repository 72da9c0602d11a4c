package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"sync/atomic"
	"time"

	"github.com/rialto-live/rialto/media/client"
)

const (
	// frameBytes makes five packets of 1,200 bytes, less what the codec's descriptor takes of each.
	frameBytes = 5920
	audioBytes = 120
	audioEvery = 20 * time.Millisecond
	// ahead is how much earlier samples say they are due than they are made, so that the publisher sends them at once.
	ahead = 5 * time.Millisecond

	recordBytes = 32
)

// mark begins every record, so that it is found wherever a packet begins.
var mark = []byte("RIALTObn")

// source gives frames that are full of records of the time at which they were made.
type source struct {
	ctx                   context.Context
	start                 time.Time
	deaf                  atomic.Bool // no sound
	nextVideo, nextAudio  time.Duration
	frame                 uint64
	begun, keyframeWanted bool
}

func newSource(ctx context.Context) *source {
	return &source{ctx: ctx, start: time.Now(), keyframeWanted: true}
}

// Codecs of the load.
func (s *source) Codecs() (video, audio string) { return client.VP8, client.Opus }

// RequestKeyframe makes the next frame one.
func (s *source) RequestKeyframe() { s.keyframeWanted = true }

// Next waits until a sample is due and makes it then.
func (s *source) Next() (client.Sample, error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		video := s.nextVideo <= s.nextAudio
		due := min(s.nextVideo, s.nextAudio)
		timer.Reset(time.Until(s.start.Add(due)))
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			return client.Sample{}, io.EOF
		}
		if video {
			s.nextVideo += frameEvery
		} else {
			s.nextAudio += audioEvery
		}
		if !video && s.deaf.Load() {
			continue
		}
		return s.sample(video, due), nil
	}
}

func (s *source) sample(video bool, due time.Duration) client.Sample {
	sample := client.Sample{Video: video, At: due - ahead, Duration: audioEvery}
	if !s.begun {
		s.begun, sample.At = true, due
	}
	s.frame++
	if !video {
		sample.Data = fill(make([]byte, audioBytes), 1, s.frame)
		return sample
	}
	sample.Duration, sample.Keyframe = frameEvery, s.keyframeWanted
	sample.Data = fill(make([]byte, frameBytes), 10, s.frame)
	copy(sample.Data, []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01}) // a keyframe of 640 by 480
	if !s.keyframeWanted {
		sample.Data[0] |= 1
	}
	s.keyframeWanted = false
	return sample
}

// clock is the one clock of publisher and viewers.
var clock = time.Now()

// fill writes records from an offset on.
func fill(b []byte, from int, frame uint64) []byte {
	made := uint64(time.Since(clock))
	for at, index := from, uint64(0); at+recordBytes <= len(b); at, index = at+recordBytes, index+1 {
		copy(b[at:], mark)
		binary.BigEndian.PutUint64(b[at+8:], made)
		binary.BigEndian.PutUint64(b[at+16:], frame)
		binary.BigEndian.PutUint64(b[at+24:], index)
	}
	return b
}

// read finds the records of a payload, compares them with each other, and says when they were made. It is false when
// something else has come than was sent.
func read(payload []byte) (made time.Duration, ok bool) {
	at := bytes.Index(payload, mark)
	if at < 0 || at > 2*recordBytes || len(payload) < at+recordBytes {
		return 0, false
	}
	first := payload[at : at+recordBytes]
	for index := binary.BigEndian.Uint64(first[24:]); at+recordBytes <= len(payload); at, index = at+recordBytes, index+1 {
		record := payload[at : at+recordBytes]
		if !bytes.Equal(record[:24], first[:24]) || binary.BigEndian.Uint64(record[24:]) != index {
			return 0, false
		}
	}
	return time.Duration(binary.BigEndian.Uint64(first[8:])), true
}
