package whip_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/client"
	"github.com/rialto-live/rialto/media/mediatest"
	"github.com/rialto-live/rialto/media/whip"
	"github.com/rialto-live/rialto/media/whip/whiptest"
)

// TestDemoMakesRoom: the demo is on air, a person takes over, the demo stays
// away for as long as the person is there, and comes back.
func TestDemoMakesRoom(t *testing.T) {
	n := whiptest.Start(t, func(c *media.Config, w *whip.Config) {
		c.Grace = time.Minute
		w.Authorize = func(_ context.Context, r whip.Request) (media.Grant, error) {
			return media.Grant{Subject: "acc_mara", Session: r.Bearer, Rights: media.RightPublish | media.RightWatch}, nil
		}
	})
	publisher := func() string {
		g, _ := n.Handler.Publisher("shw_demo")
		return g.Session
	}
	var tokens atomic.Int32
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- client.Demo(ctx, client.DemoConfig{
			WHIPURL: n.WHIP("shw_demo"), Network: whiptest.Loopback,
			Token: func(context.Context) (string, error) { tokens.Add(1); return "demo", nil },
			Yield: func() bool { return publisher() != "" && publisher() != "demo" },
		})
	}()
	v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_demo")})
	whiptest.Await(t, v, patience, frames(10))
	if got := publisher(); got != "demo" {
		t.Fatalf("%q publishes", got)
	}

	var seen mediatest.Recorder
	person, err := client.Publish(t.Context(), client.PublisherConfig{URL: n.WHIP("shw_demo"), Token: "studio",
		Source: mediatest.NewSource(mediatest.Script{}), Network: whiptest.Loopback})
	if err != nil {
		t.Fatal(err)
	}
	late := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_demo"), OnFrame: seen.Frame})
	whiptest.Await(t, late, patience, frames(80)) // longer than the demo keeps away without asking
	if got := publisher(); got != "studio" || tokens.Load() != 1 {
		t.Fatalf("%q publishes, the demo tried %d times", got, tokens.Load())
	}
	if err := person.Close(); err != nil {
		t.Fatal(err)
	}
	before := v.Stats().Video.Frames
	whiptest.Await(t, v, patience, frames(before+20))
	if got := publisher(); got != "demo" {
		t.Errorf("%q publishes", got)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("the demo does not end")
	}
	if got := publisher(); got != "" {
		t.Errorf("%q still publishes", got)
	}
}

// TestDemoComesBack: the node is away when the demo starts and goes away later.
func TestDemoComesBack(t *testing.T) {
	n := whiptest.Start(t)
	var down atomic.Bool
	down.Store(true)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- client.Demo(ctx, client.DemoConfig{WHIPURL: n.WHIP("shw_demo"), Network: whiptest.Loopback,
			Token: func(context.Context) (string, error) {
				if down.Load() {
					return "sk_wrong", nil
				}
				return "sk_acc_mara", nil
			}})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	down.Store(false)
	v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_demo")})
	whiptest.Await(t, v, patience, frames(5))
	n.Relay.Revoke(media.Match{Subject: "acc_mara"})
	before := v.Stats().Video.Frames
	again := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_demo")})
	whiptest.Await(t, again, patience, frames(before))
}
