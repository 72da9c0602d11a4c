package whip_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/client"
	"github.com/rialto-live/rialto/media/mediatest"
	"github.com/rialto-live/rialto/media/whip"
	"github.com/rialto-live/rialto/media/whip/whiptest"
)

// gate holds one judgement back between its making and its use, as a machine
// does that is busy elsewhere.
type gate struct {
	mu       sync.Mutex
	banned   bool
	calls    int
	holds    int // the call that is held back
	judged   chan struct{}
	released chan struct{}
}

func (g *gate) authorize(ctx context.Context, r whip.Request) (media.Grant, error) {
	grant, err := whiptest.Authorize(ctx, r)
	if r.Action == whip.Watch {
		grant.Subject = "gst_vic"
	}
	g.mu.Lock()
	g.calls++
	held := g.calls == g.holds
	if g.banned {
		err = whip.ErrForbidden
	}
	g.mu.Unlock()
	if held {
		close(g.judged)
		<-g.released
	}
	return grant, err
}

// hold holds the nth judgement from now.
func (g *gate) hold(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holds = g.calls + n
	g.judged, g.released = make(chan struct{}), make(chan struct{})
}

func (g *gate) ban() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.banned = true
}

// A ban is committed and carried out on this node while a POST that was judged
// before is on its way to its session.
func TestRevocationDuringAPost(t *testing.T) {
	for name, c := range map[string]struct {
		action    whip.Action
		judgement int // that came too early for the ban
		ended     int // by the revocation itself
	}{
		"publish, no session yet":  {whip.Publish, 1, 0},
		"publish, no answer yet":   {whip.Publish, 2, 1},
		"watching, no session yet": {whip.Watch, 1, 0},
		"watching, no answer yet":  {whip.Watch, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := &gate{}
			n := whiptest.Start(t, func(_ *media.Config, c *whip.Config) { c.Authorize = g.authorize })
			subject := "acc_mara"
			if c.action == whip.Watch {
				n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{}))
				waitOnAir(t, n)
				subject = "gst_vic"
			}
			g.hold(c.judgement)
			opened := make(chan error, 1)
			go func() { opened <- open(t, n, c.action) }()
			select {
			case <-g.judged:
			case err := <-opened:
				t.Fatalf("opened with %v without judgement %d", err, c.judgement)
			}
			g.ban()
			if ended := n.Relay.Revoke(media.Match{Subject: subject}); ended != c.ended {
				t.Errorf("the revocation ended %d sessions, not %d", ended, c.ended)
			}
			close(g.released)
			err := <-opened
			var refused *client.StatusError
			if c.ended == 0 && (!errors.As(err, &refused) || refused.Status != http.StatusForbidden) {
				t.Errorf("who was banned got %v", err)
			}
			if left := n.Relay.Revoke(media.Match{Subject: subject}); left != 0 {
				t.Errorf("%d sessions escaped", left)
			}
		})
	}
}

func open(t *testing.T, n *whiptest.Node, action whip.Action) error {
	if action == whip.Publish {
		p, err := client.Publish(t.Context(), client.PublisherConfig{URL: n.WHIP("shw_a"), Token: "sk_acc_mara",
			Source: mediatest.NewSource(mediatest.Script{}), Network: whiptest.Loopback})
		if err == nil {
			p.Abandon()
		}
		return err
	}
	v, err := client.Watch(t.Context(), client.ViewerConfig{URL: n.WHEP("shw_a"), Network: whiptest.Loopback})
	if err == nil {
		v.Abandon()
	}
	return err
}

func waitOnAir(t *testing.T, n *whiptest.Node) {
	t.Helper()
	for deadline := time.Now().Add(patience); !n.Relay.OnAir("shw_a"); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("not on air")
		}
	}
}

// Whoever signs out during a POST is somebody else after it: the session must
// not run on in the name that a revocation has been carried out for already.
func TestAnotherPersonAtTheSecondJudgement(t *testing.T) {
	for name, second := range map[string]media.Grant{
		"subject": {Subject: "gst_vic", Session: "ses_1", KeyGeneration: 1, Rights: media.RightWatch},
		"session": {Subject: "acc_vic", KeyGeneration: 1, Rights: media.RightWatch},
		"key":     {Subject: "acc_vic", Session: "ses_1", KeyGeneration: 2, Rights: media.RightWatch},
	} {
		t.Run(name, func(t *testing.T) {
			grants := []media.Grant{{Subject: "acc_vic", Session: "ses_1", KeyGeneration: 1, Rights: media.RightWatch}, second, second, second}
			h, f := newHandler(t, func(c *whip.Config) {
				c.Authorize = func(context.Context, whip.Request) (media.Grant, error) {
					g := grants[0]
					grants = grants[1:]
					return g, nil
				}
			})
			response := watch("shw_a").do(h)
			if p := readProblem(t, response); response.StatusCode != 503 || p.Code != "unavailable" || response.Header.Get("Retry-After") != "1" {
				t.Errorf("%d %+v", response.StatusCode, p)
			}
			if f.last().closes() != 1 {
				t.Error("the session was left open")
			}
			if r := watch("shw_a").do(h); r.StatusCode != 201 {
				t.Errorf("asked again: %d", r.StatusCode)
			}
		})
	}
}
