package whip_test

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/media/client"
	"github.com/rialto-live/rialto/media/mediatest"
	"github.com/rialto-live/rialto/media/whip/whiptest"
)

// The line of one side goes dead; an ICE restart finds the way again, and
// neither the publisher nor the viewer starts a new session.
func TestICERestart(t *testing.T) {
	n := whiptest.Start(t)
	p := n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{GOP: 20}))
	v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a")})
	whiptest.Await(t, v, patience, frames(10))
	for name, restart := range map[string]func() error{
		"publisher": func() error { return p.Restart(t.Context()) },
		"viewer":    func() error { return v.Restart(t.Context()) },
	} {
		resource := p.Resource
		if name == "viewer" {
			resource = v.Resource
		}
		at, before := resource()
		if err := restart(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again, after := resource(); again != at || after == before {
			t.Errorf("%s: resource %s %s became %s %s", name, at, before, again, after)
		}
		seen := v.Stats().Video.Frames
		whiptest.Await(t, v, patience, frames(seen+40))
	}
	if p.Err() != nil || v.Err() != nil {
		t.Errorf("%v, %v", p.Err(), v.Err())
	}
}

// A restart that makes no sense is refused and does not end the session (RFC 9725, 4.3.3).
func TestRefusedRestartLeavesTheSession(t *testing.T) {
	n := whiptest.Start(t)
	p := n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{}))
	v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a")})
	whiptest.Await(t, v, patience, frames(5))
	at, _ := p.Resource()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, at, strings.NewReader("a=ice-ufrag:abcd\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	for k, val := range map[string]string{"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*", "Authorization": "Bearer sk_acc_mara"} {
		r.Header.Set(k, val)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || response.StatusCode != http.StatusBadRequest {
		t.Fatalf("%d %s %v", response.StatusCode, body, err)
	}
	seen := v.Stats().Video.Frames
	whiptest.Await(t, v, patience, frames(seen+10))
}

// OBS sends an offer without candidates and trickles none: the server finds it by its checks.
func TestOfferWithoutCandidates(t *testing.T) {
	n := whiptest.Start(t)
	p, err := client.Publish(t.Context(), client.PublisherConfig{URL: n.WHIP("shw_obs"), Token: "sk_acc_mara", Network: whiptest.Loopback,
		Source: mediatest.NewSource(mediatest.Script{Video: client.H264}), Offer: func(sdp string) string {
			var kept []string
			for line := range strings.SplitSeq(sdp, "\r\n") {
				if !strings.HasPrefix(line, "a=candidate:") && line != "a=end-of-candidates" {
					kept = append(kept, line)
				}
			}
			return strings.Join(kept, "\r\n")
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_obs")})
	whiptest.Await(t, v, patience, frames(20))
}

// TestNothingIsLeftBehind joins and leaves many times and counts goroutines.
func TestNothingIsLeftBehind(t *testing.T) {
	n := whiptest.Start(t)
	n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{}))
	round := func() {
		v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a")})
		whiptest.Await(t, v, patience, frames(1))
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		if err := v.Close(); err != nil {
			t.Fatalf("a second Close: %v", err)
		}
	}
	round()
	before := runtime.NumGoroutine()
	for range 10 {
		round()
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before+5; runtime.Gosched() {
		if time.Now().After(deadline) {
			buffer := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buffer[:runtime.Stack(buffer, true)])
		}
	}
}
