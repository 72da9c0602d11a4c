package whip_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/whip"
)

const newGeneration = "a=ice-ufrag:second\r\na=ice-pwd:y\r\n"

func TestPatch(t *testing.T) {
	for name, c := range map[string]struct {
		post       call
		change     func(call) call
		status     int
		code       string
		trickleErr error
		restartErr error
	}{
		"trickle":              {change: func(c call) call { return c }, status: 204},
		"trickle with *":       {change: func(c call) call { return c.with("If-Match", "*") }, status: 204},
		"one of a list":        {change: func(c call) call { return c.with("If-Match", `"other", `+c.header["If-Match"]) }, status: 204},
		"weak tag":             {change: func(c call) call { return c.with("If-Match", "W/"+c.header["If-Match"]) }, status: 412, code: "precondition_failed"},
		"stale tag":            {change: func(c call) call { return c.with("If-Match", `"stale"`) }, status: 412, code: "precondition_failed"},
		"no tag":               {change: func(c call) call { return c.without("If-Match") }, status: 428, code: "precondition_required"},
		"no tag, viewer":       {post: watch("shw_a"), change: func(c call) call { return c.without("If-Match") }, status: 204},
		"no tag, restart":      {post: watch("shw_a"), change: func(c call) call { c.body = newGeneration; return c.without("If-Match") }, status: 428, code: "precondition_required"},
		"restart":              {change: func(c call) call { c.body = newGeneration; return c.with("If-Match", "*") }, status: 200},
		"restart fails":        {change: func(c call) call { c.body = newGeneration; return c.with("If-Match", "*") }, restartErr: errBroken, status: 500, code: "internal"},
		"restart is malformed": {change: func(c call) call { c.body = newGeneration; return c.with("If-Match", "*") }, restartErr: &media.SDPError{Reason: "x"}, status: 400, code: "sdp_invalid"},
		"bad candidate":        {change: func(c call) call { return c }, trickleErr: &media.SDPError{Line: 3, Text: "a=candidate:", Reason: "too short"}, status: 400, code: "sdp_invalid"},
		"no ufrag":             {change: func(c call) call { c.body = "a=candidate:x\r\n"; return c }, status: 400, code: "sdp_invalid"},
		"type of an offer":     {change: func(c call) call { return c.with("Content-Type", "application/sdp") }, status: 415, code: "media_type"},
		"too large":            {change: func(c call) call { c.body += strings.Repeat("x", whip.MaxFragmentBytes); return c }, status: 413, code: "body_too_large"},
		"no key":               {change: func(c call) call { return c.without("Authorization") }, status: 401, code: "key_missing"},
		"wrong key":            {change: func(c call) call { return c.with("Authorization", "Bearer sk_wrong") }, status: 401, code: "key_invalid"},
		"somebody else's key":  {change: func(c call) call { return c.with("Authorization", "Bearer sk_acc_other") }, status: 403, code: "forbidden"},
		"guessed name":         {change: func(c call) call { c.path = c.path[:len(c.path)-32] + strings.Repeat("0", 32); return c }, status: 404, code: "session_unknown"},
		"by the wrong door":    {change: func(c call) call { c.path = strings.Replace(c.path, "whip", "whep", 1); return c }, status: 404, code: "session_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			h, f := newHandler(t, nil)
			if c.post.method == "" {
				c.post = publish("shw_a", "acc_mara")
			}
			patch := opened(t, h, c.post)
			f.last().trickleErr, f.last().restartErr = c.trickleErr, c.restartErr
			response := c.change(patch).do(h)
			if response.StatusCode != c.status {
				t.Fatalf("%d, not %d: %s", response.StatusCode, c.status, text(response))
			}
			if c.code != "" {
				if p := readProblem(t, response); p.Code != c.code {
					t.Errorf("code %q, not %q", p.Code, c.code)
				}
			}
			if f.last().closes() != 0 {
				t.Error("the session was ended by a PATCH")
			}
			if c.status >= 400 { // whatever went wrong, the session is as it was
				f.last().trickleErr = nil
				if r := patch.do(h); r.StatusCode != 204 {
					t.Errorf("afterwards a good trickle got %d", r.StatusCode)
				}
			}
		})
	}
}

func TestRestartChangesTheTag(t *testing.T) {
	h, _ := newHandler(t, nil)
	trickle := opened(t, h, publish("shw_a", "acc_mara"))
	restart := trickle.with("If-Match", "*")
	restart.body = newGeneration
	response := restart.do(h)
	tag := response.Header.Get("ETag")
	if response.StatusCode != 200 || tag == "" || tag == trickle.header["If-Match"] ||
		response.Header.Get("Content-Type") != "application/trickle-ice-sdpfrag" || text(response) != "a=ice-ufrag:server\r\n" {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	if r := trickle.do(h); r.StatusCode != 412 {
		t.Errorf("candidates of the time before got %d", r.StatusCode)
	}
	later := trickle.with("If-Match", tag)
	later.body = newGeneration
	if r := later.do(h); r.StatusCode != 204 {
		t.Errorf("candidates of the new time got %d", r.StatusCode)
	}
}

func TestDelete(t *testing.T) {
	h, f := newHandler(t, nil)
	patch := opened(t, h, publish("shw_a", "acc_mara"))
	remove := patch.as("DELETE")
	for code, c := range map[int]call{401: remove.without("Authorization"), 403: remove.with("Authorization", "Bearer sk_acc_other")} {
		if r := c.do(h); r.StatusCode != code || f.last().closes() != 0 {
			t.Errorf("the wrong person got %d", r.StatusCode)
		}
	}
	if r := remove.do(h); r.StatusCode != 200 || f.last().closes() != 1 {
		t.Errorf("%d, closed %d times", r.StatusCode, f.last().closes())
	}
	if r := remove.do(h); r.StatusCode != 404 {
		t.Errorf("a second time: %d", r.StatusCode)
	}
	if r := patch.do(h); r.StatusCode != 404 {
		t.Errorf("PATCH afterwards: %d", r.StatusCode)
	}
}

func TestDeleteTwiceAtOnce(t *testing.T) {
	h, f := newHandler(t, nil)
	remove := opened(t, h, publish("shw_a", "acc_mara")).as("DELETE")
	var wait sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for range 8 {
		wait.Go(func() {
			status := remove.do(h).StatusCode
			mu.Lock()
			answers[status]++
			mu.Unlock()
		})
	}
	wait.Wait()
	if answers[200] != 1 || answers[404] != 7 || f.last().closes() != 1 {
		t.Errorf("%v, closed %d times", answers, f.last().closes())
	}
}

// A publish ticket runs out during a show: the same person may use a newer one.
func TestNewerTokenOfTheSamePerson(t *testing.T) {
	h, _ := newHandler(t, func(c *whip.Config) {
		c.Authorize = func(_ context.Context, r whip.Request) (media.Grant, error) {
			subject, _, _ := strings.Cut(strings.TrimPrefix(r.Bearer, "sk_"), ".")
			return media.Grant{Subject: subject, Rights: media.RightPublish}, nil
		}
	})
	patch := opened(t, h, publish("shw_a", "acc_mara.1"))
	if r := patch.with("Authorization", "Bearer sk_acc_mara.2").as("DELETE").do(h); r.StatusCode != 200 {
		t.Errorf("got %d", r.StatusCode)
	}
}

func TestEndedSessionsLeaveTheTable(t *testing.T) {
	h, f := newHandler(t, func(c *whip.Config) { c.Limits.Sessions = 1 })
	patch := opened(t, h, publish("shw_a", "acc_mara"))
	if r := watch("shw_a").do(h); r.StatusCode != 503 || r.Header.Get("Retry-After") != "5" {
		t.Fatalf("one past the limit: %d", r.StatusCode)
	}
	if g, ok := h.Publisher("shw_a"); !ok || g.Subject != "acc_mara" {
		t.Errorf("publisher %+v %t", g, ok)
	}
	_ = f.last().Close() // revoked, taken over, lost
	if _, ok := h.Publisher("shw_a"); ok {
		t.Error("an ended session still publishes")
	}
	if r := patch.do(h); r.StatusCode != 404 {
		t.Errorf("PATCH of an ended session: %d", r.StatusCode)
	}
	if r := watch("shw_a").do(h); r.StatusCode != 201 {
		t.Errorf("its place is not free: %d", r.StatusCode)
	}
}

func TestRefusedOfferFreesItsPlace(t *testing.T) {
	h, f := newHandler(t, func(c *whip.Config) { c.Limits.Sessions = 1 })
	f.err = media.ErrNotLive
	for range 3 {
		watch("shw_a").do(h)
	}
	f.err = nil
	if r := watch("shw_a").do(h); r.StatusCode != 201 {
		t.Errorf("got %d", r.StatusCode)
	}
}

// The client hangs up while its offer is being answered: nobody would ever
// close that session.
func TestClientThatHangsUp(t *testing.T) {
	h, f := newHandler(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	f.onOffer = cancel
	c := watch("shw_a")
	r := httptest.NewRequestWithContext(ctx, c.method, c.path, strings.NewReader(c.body))
	r.Header.Set("Content-Type", "application/sdp")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if f.last().closes() != 1 {
		t.Errorf("closed %d times", f.last().closes())
	}
}

func TestStopping(t *testing.T) {
	h, f := newHandler(t, nil)
	opened(t, h, publish("shw_a", "acc_mara"))
	opened(t, h, watch("shw_a"))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("Run does not end")
	}
	for i, s := range f.sessions {
		if s.closes() != 1 {
			t.Errorf("session %d was closed %d times", i, s.closes())
		}
	}
	if r := watch("shw_a").do(h); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("a stopping node answers %d", r.StatusCode)
	}
}

func TestConfigIsChecked(t *testing.T) {
	_, err := whip.New(whip.Config{Node: "no spaces", ICEServers: []whip.ICEServer{{}}, Limits: whip.Limits{Sessions: -1}})
	for _, want := range []string{"Node", "Publish and Watch", "Authorize", "ICE server", "limit"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
