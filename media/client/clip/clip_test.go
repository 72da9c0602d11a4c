package clip

import (
	"testing"
	"time"
)

const (
	maxBytes    = 900_000
	maxKeyframe = 2 * time.Second
)

func TestClip(t *testing.T) {
	if size := len(video) + len(audio); size > maxBytes {
		t.Errorf("the clip has %d bytes, at most %d", size, maxBytes)
	}
	samples, length, err := Samples()
	if err != nil {
		t.Fatal(err)
	}
	if length < 10*time.Second || length > 20*time.Second {
		t.Errorf("a round takes %s", length)
	}
	var picture, sound, keyframe, last time.Duration
	for i, s := range samples {
		if s.At < last || s.At >= length || len(s.Data) == 0 {
			t.Fatalf("sample %d is due at %s after %s and has %d bytes", i, s.At, last, len(s.Data))
		}
		last = s.At
		if !s.Video {
			sound += s.Duration
			continue
		}
		if picture == 0 && !s.Keyframe {
			t.Error("the first frame is no keyframe")
		}
		if s.Keyframe {
			keyframe = s.At
		}
		if s.At-keyframe >= maxKeyframe {
			t.Errorf("at %s the last keyframe is of %s", s.At, keyframe)
		}
		picture += s.Duration
	}
	if picture != length || sound != length {
		t.Errorf("picture %s and sound %s drift apart in a round of %s", picture, sound, length)
	}
}

func TestBrokenFiles(t *testing.T) {
	if _, _, err := readVideo(video[:40]); err == nil {
		t.Error("a cut picture was read")
	}
	if _, _, err := readVideo(audio); err == nil {
		t.Error("sound was read as a picture")
	}
	if _, err := readAudio(audio[:len(audio)/2], 12*time.Second); err == nil {
		t.Error("sound that is too short was read")
	}
}
