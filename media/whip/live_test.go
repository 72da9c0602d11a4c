package whip_test

import (
	"errors"
	"testing"
	"time"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/client"
	"github.com/rialto-live/rialto/media/mediatest"
	"github.com/rialto-live/rialto/media/whip/whiptest"
)

// These tests run the whole way: client, HTTP, WHIP, peer, relay, WHEP, client.

const patience = 15 * time.Second

func frames(n int64) func(client.ViewerStats) bool {
	return func(s client.ViewerStats) bool { return s.Video.Frames >= n && s.Audio.Frames > 0 }
}

func TestClipIsPublishedAndWatched(t *testing.T) {
	n := whiptest.Start(t)
	source, err := client.NewClipSource()
	if err != nil {
		t.Fatal(err)
	}
	n.Publish(t, "shw_clip", "acc_mara", source)
	v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_clip")})
	whiptest.Await(t, v, patience, frames(40))
	if s := v.Stats(); s.Video.Broken > 0 || s.Video.Keyframes == 0 || s.Video.MIME != client.VP8 || s.Audio.MIME != client.Opus {
		t.Errorf("stats %+v", s)
	}
}

func TestLateJoinStartsWithTheNewestKeyframe(t *testing.T) {
	n := whiptest.Start(t)
	// Keyframes on request alone, as a browser makes them.
	n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{}))
	first := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a")})
	whiptest.Await(t, first, patience, frames(30))
	var seen mediatest.Recorder
	late := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a"), OnFrame: seen.Frame})
	whiptest.Await(t, late, patience, frames(10))
	got, err := seen.Frames()
	if err != nil {
		t.Fatal(err)
	}
	if !got[0].Keyframe {
		t.Errorf("the first frame is %+v", got[0])
	}
	for i := 1; i < len(got); i++ {
		if got[i].Number != got[i-1].Number+1 {
			t.Fatalf("frame %d follows %d", got[i].Number, got[i-1].Number)
		}
	}
}

func TestH264IsCarried(t *testing.T) {
	n := whiptest.Start(t)
	n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{Video: client.H264}))
	var seen mediatest.Recorder
	v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a"), OnFrame: seen.Frame})
	whiptest.Await(t, v, patience, frames(20))
	if _, err := seen.Frames(); err != nil || v.Stats().Video.MIME != client.H264 {
		t.Fatalf("%v %+v", err, v.Stats())
	}
}

func TestSecondPublisherAndTakeover(t *testing.T) {
	n := whiptest.Start(t)
	first := n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{}))
	var seen mediatest.Recorder
	v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a"), OnFrame: seen.Frame})
	whiptest.Await(t, v, patience, frames(10))

	_, err := client.Publish(t.Context(), client.PublisherConfig{URL: n.WHIP("shw_a"), Token: "sk_acc_other",
		Source: mediatest.NewSource(mediatest.Script{}), Network: whiptest.Loopback})
	var refused *client.StatusError
	if !errors.As(err, &refused) || refused.Status != 409 || refused.Code != "publisher_present" {
		t.Fatalf("a second person got %v", err)
	}
	before := v.Stats().Video.Frames
	whiptest.Await(t, v, patience, frames(before+5)) // the first one was not disturbed

	second := n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{Video: client.H264}))
	whiptest.Await(t, v, patience, func(s client.ViewerStats) bool { return s.Video.MIME == client.H264 })
	select {
	case <-first.Done():
	case <-time.After(patience):
		t.Fatal("the first publisher was not told")
	}
	if !errors.Is(first.Err(), client.ErrEnded) {
		t.Errorf("the first publisher ended with %v", first.Err())
	}
	before = v.Stats().Video.Frames
	whiptest.Await(t, v, patience, frames(before+20))
	if s := v.Stats(); s.Video.Broken > 0 || s.Video.Lost > 0 {
		t.Errorf("the takeover broke the picture: %+v", s)
	}
	if second.Err() != nil {
		t.Error(second.Err())
	}
}

func TestRevokeEndsBothSidesWithinASecond(t *testing.T) {
	n := whiptest.Start(t)
	p := n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{}))
	v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a")})
	whiptest.Await(t, v, patience, frames(5))
	began := time.Now()
	if ended := n.Relay.Revoke(media.Match{Stream: "shw_a", KeyGenerationBelow: 2}); ended != 1 {
		t.Fatalf("rotation ended %d publishes", ended)
	}
	waitEnded(t, p.Done(), began)
	n.Relay.Close("shw_a")
	waitEnded(t, v.Done(), time.Now())
}

func waitEnded(t *testing.T, done <-chan struct{}, began time.Time) {
	t.Helper()
	select {
	case <-done:
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s", took)
		}
	case <-time.After(patience):
		t.Fatal("the session goes on")
	}
}
