package whip_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/client"
	"github.com/rialto-live/rialto/media/mediatest"
	"github.com/rialto-live/rialto/media/whip"
	"github.com/rialto-live/rialto/media/whip/whiptest"
)

// maxFreeze is what a viewer is promised on a line that loses 5 % both ways.
const maxFreeze = 500 * time.Millisecond

func lossy(t *testing.T, seed uint64, p mediatest.Profile) (*mediatest.Network, client.Network) {
	t.Helper()
	n, err := mediatest.NewNetwork(seed, p)
	if err != nil {
		t.Fatal(err)
	}
	return n, client.Network{Addr: whiptest.Loopback.Addr, Net: n}
}

func startPulse(t *testing.T) *mediatest.Pulse {
	pulse := &mediatest.Pulse{}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { pulse.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return pulse
}

func expectNoFreeze(t *testing.T, v *client.Viewer, r *mediatest.Recorder, pulse *mediatest.Pulse) {
	t.Helper()
	seen, err := r.Frames()
	if err != nil {
		t.Error(err)
	}
	s := v.Stats()
	if froze := pulse.LongestFreeze(seen); froze > maxFreeze {
		t.Errorf("the picture froze for %s; the machine stood for %s; %+v", froze, pulse.Stood(s.Video.First, s.Video.Last), s.Video)
	}
}

func TestNoFreezeAtFivePercentLoss(t *testing.T) {
	for name, profile := range map[string]mediatest.Profile{
		"loss":                         {Loss: 0.05},
		"loss on a line of 40 ms":      {Loss: 0.05, Delay: 20 * time.Millisecond},
		"loss, jitter and wrong order": {Loss: 0.05, Delay: 10 * time.Millisecond, Jitter: 10 * time.Millisecond, Reorder: 0.02},
		"wrong order without any loss": {Reorder: 0.05},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := whiptest.Start(t)
			pulse := startPulse(t)
			n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{GOP: 60}))
			line, network := lossy(t, 7, profile)
			var seen mediatest.Recorder
			v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a"), Network: network, OnFrame: seen.Frame})
			// Ten seconds: some 800 packets, 40 of them lost.
			whiptest.Await(t, v, 3*patience, frames(200))
			expectNoFreeze(t, v, &seen, pulse)
			if counts := line.Counts(); profile.Loss > 0 && counts.Lost < 20 {
				t.Errorf("the line lost too little to prove anything: %+v", counts)
			}
		})
	}
}

func TestPublisherOnALossyLine(t *testing.T) {
	n := whiptest.Start(t)
	pulse := startPulse(t)
	_, network := lossy(t, 11, mediatest.Profile{Loss: 0.05, Delay: 10 * time.Millisecond})
	p, err := client.Publish(t.Context(), client.PublisherConfig{URL: n.WHIP("shw_a"), Token: "sk_acc_mara",
		Source: mediatest.NewSource(mediatest.Script{GOP: 60}), Network: network})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	var seen mediatest.Recorder
	v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a"), OnFrame: seen.Frame})
	whiptest.Await(t, v, 3*patience, frames(200))
	expectNoFreeze(t, v, &seen, pulse)
}

// TestPublisherIsKilled cuts the publisher's line without a goodbye. Within the
// grace time the same person is back, and no viewer connects again.
func TestPublisherIsKilled(t *testing.T) {
	n := whiptest.Start(t, func(c *media.Config, _ *whip.Config) { c.Grace = time.Minute })
	line, network := lossy(t, 1, mediatest.Profile{})
	first, err := client.Publish(t.Context(), client.PublisherConfig{URL: n.WHIP("shw_a"), Token: "sk_acc_mara",
		Source: mediatest.NewSource(mediatest.Script{}), Network: network})
	if err != nil {
		t.Fatal(err)
	}
	v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a")})
	whiptest.Await(t, v, patience, frames(10))
	line.Cut()
	first.Abandon()
	if !n.Relay.OnAir("shw_a") {
		t.Fatal("the show went off the air before the grace time was over")
	}
	before := v.Stats().Video.Frames
	n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{}))
	whiptest.Await(t, v, patience, frames(before+20))
	if s := v.Stats(); s.Video.Broken > 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestGraceEnds: nobody comes back, so the show goes off the air, and who asks
// to watch is told to ask again.
func TestGraceEnds(t *testing.T) {
	changes := make(chan bool, 16)
	n := whiptest.Start(t, func(c *media.Config, _ *whip.Config) {
		c.OnAir = func(_ media.StreamID, on bool) { changes <- on }
	})
	p := n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{}))
	v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a")})
	whiptest.Await(t, v, patience, frames(5))
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		select {
		case on := <-changes:
			if on != want {
				t.Fatalf("change %d is %t", i, on)
			}
		case <-time.After(patience):
			t.Fatalf("change %d did not come", i)
		}
	}
	_, err := client.Watch(t.Context(), client.ViewerConfig{URL: n.WHEP("shw_a"), Network: whiptest.Loopback})
	var refused *client.StatusError
	if !errors.As(err, &refused) || refused.Code != "not_live" || refused.RetryAfter != 2*time.Second {
		t.Fatalf("got %v", err)
	}
}
