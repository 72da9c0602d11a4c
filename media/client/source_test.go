package client

import (
	"testing"
	"time"
)

func TestClipLoopsWithoutASeam(t *testing.T) {
	s, err := NewClipSource()
	if err != nil {
		t.Fatal(err)
	}
	var video, audio time.Duration // when the next sample of each is due
	for range 3 * len(s.samples) {
		sample, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		due := &audio
		if sample.Video {
			due = &video
		}
		if sample.At != *due {
			t.Fatalf("a sample is due at %s, the one before ended at %s", sample.At, *due)
		}
		*due += sample.Duration
	}
	if video != 3*s.length || audio != 3*s.length {
		t.Errorf("three rounds of %s took %s and %s", s.length, video, audio)
	}
}
