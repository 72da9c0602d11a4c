package whip_test

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/whip"
)

type problemBody struct {
	Type, Title, Detail, Code string
	Status, Line              int
	Codecs                    []string
}

func readProblem(t *testing.T, r *http.Response) problemBody {
	t.Helper()
	var p problemBody
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		t.Fatal(err)
	}
	if p.Status != r.StatusCode || p.Type == "" || p.Title == "" || p.Detail == "" {
		t.Errorf("status %d with %+v", r.StatusCode, p)
	}
	return p
}

func TestRefusedPosts(t *testing.T) {
	good := publish("shw_a", "acc_mara")
	long := good
	long.body = goodOffer + strings.Repeat("a", whip.MaxOfferBytes)
	for name, c := range map[string]struct {
		call   call
		err    error // of the transport
		status int
		code   string
		header map[string]string
		detail string
	}{
		"no key":              {call: good.without("Authorization"), status: 401, code: "key_missing", header: map[string]string{"WWW-Authenticate": "Bearer"}},
		"key of another kind": {call: good.with("Authorization", "Basic bWFyYTp4"), status: 401, code: "key_missing"},
		"wrong key":           {call: good.with("Authorization", "Bearer sk_wrong"), status: 401, code: "key_invalid", header: map[string]string{"WWW-Authenticate": "invalid_token"}},
		"endless key":         {call: good.with("Authorization", "Bearer "+strings.Repeat("k", whip.MaxBearerBytes+1)), status: 401, code: "key_invalid"},
		"unknown show":        {call: publish("shw_unknown", "acc_mara"), status: 404, code: "show_unknown"},
		"no show's name":      {call: publish("shw%20a", "acc_mara"), status: 404, code: "show_unknown"},
		"endless name":        {call: publish(strings.Repeat("s", whip.MaxStreamName+1), "acc_mara"), status: 404, code: "show_unknown"},
		"show that is over":   {call: publish("shw_ended", "acc_mara"), status: 410, code: "show_ended"},
		"not our path":        {call: call{method: "POST", path: "/whip/"}, status: 404, code: "not_found"},
		"path too deep":       {call: call{method: "POST", path: "/whip/a/b"}, status: 404, code: "not_found"},
		"JSON":                {call: good.with("Content-Type", "application/json"), status: 415, code: "media_type", header: map[string]string{"Accept-Post": "application/sdp"}},
		"no type":             {call: good.without("Content-Type"), status: 415, code: "media_type"},
		"too large":           {call: long, status: 413, code: "body_too_large"},
		"broken SDP": {call: good, err: &media.SDPError{Line: 7, Text: "m=video", Reason: "too short"}, status: 400, code: "sdp_invalid",
			detail: `Line 7 of the SDP cannot be used ("m=video"): too short.`},
		"no codec in common": {call: good, err: &media.CodecError{Offered: []string{"AV1"}, Accepted: []string{"H264", "VP8"}}, status: 406, code: "no_common_codec", detail: "H264, VP8"},
		"second person":      {call: good, err: media.ErrPublisherPresent, status: 409, code: "publisher_present"},
		"not live":           {call: watch("shw_a"), err: media.ErrNotLive, status: 409, code: "not_live", header: map[string]string{"Retry-After": "2"}},
		"no room":            {call: watch("shw_a"), err: media.ErrTooMany, status: 503, code: "too_many", header: map[string]string{"Retry-After": "5"}},
		"one of many":        {call: watch("shw_a"), err: &media.BusyError{RetryAfter: 2500 * time.Millisecond}, status: 503, code: "busy", header: map[string]string{"Retry-After": "3"}, detail: "in line"},
		"stopping":           {call: watch("shw_a"), err: media.ErrClosed, status: 503, code: "draining", header: map[string]string{"Retry-After": "1"}},
		"our fault":          {call: good, err: errBroken, status: 500, code: "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			h, f := newHandler(t, nil)
			f.err = c.err
			response := c.call.do(h)
			p := readProblem(t, response)
			if response.StatusCode != c.status || p.Code != c.code {
				t.Errorf("%d %s, not %d %s", response.StatusCode, p.Code, c.status, c.code)
			}
			if !strings.Contains(p.Detail, c.detail) {
				t.Errorf("detail %q lacks %q", p.Detail, c.detail)
			}
			if strings.Contains(p.Detail, errBroken.Error()) {
				t.Errorf("our own trouble is told to the world: %q", p.Detail)
			}
			for k, v := range c.header {
				if !strings.Contains(response.Header.Get(k), v) {
					t.Errorf("%s: %q lacks %q", k, response.Header.Get(k), v)
				}
			}
		})
	}
}

func TestCodecsAreListed(t *testing.T) {
	h, f := newHandler(t, nil)
	f.err = &media.CodecError{Accepted: []string{"H264", "VP8"}}
	if p := readProblem(t, watch("shw_a").do(h)); len(p.Codecs) != 2 || p.Codecs[0] != "H264" {
		t.Errorf("%+v", p)
	}
}

func TestLargestOffer(t *testing.T) {
	h, _ := newHandler(t, nil)
	c := publish("shw_a", "acc_mara")
	c.body += strings.Repeat("a", whip.MaxOfferBytes-len(c.body))
	if got := c.do(h).StatusCode; got != http.StatusCreated {
		t.Errorf("an offer of exactly the limit got %d", got)
	}
}

func TestCreated(t *testing.T) {
	h, f := newHandler(t, func(c *whip.Config) {
		c.ICEServers = []whip.ICEServer{{URL: "stun:stun.example.net"}, {URL: "turn:turn.example.net?transport=udp", Username: "u", Credential: `p"w`}}
	})
	response := publish("shw_a", "acc_mara").with("Content-Type", "application/sdp; charset=utf-8").do(h)
	if response.StatusCode != 201 || response.Header.Get("Content-Type") != "application/sdp" || text(response) != "v=0\r\nanswer" {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	if !regexp.MustCompile(`^/whip/r/n-1/[0-9a-f]{32}$`).MatchString(response.Header.Get("Location")) {
		t.Errorf("Location %q", response.Header.Get("Location"))
	}
	if !regexp.MustCompile(`^"[0-9a-f]+"$`).MatchString(response.Header.Get("ETag")) {
		t.Errorf("ETag %q", response.Header.Get("ETag"))
	}
	want := []string{`<stun:stun.example.net>; rel="ice-server"`,
		`<turn:turn.example.net?transport=udp>; rel="ice-server"; username="u"; credential="p\"w"; credential-type="password"`}
	if got := response.Header.Values("Link"); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("Link %q", got)
	}
	if f.grants[0].Subject != "acc_mara" {
		t.Errorf("grant %+v", f.grants[0])
	}
	second := publish("shw_a", "acc_mara").do(h)
	if second.Header.Get("Location") == response.Header.Get("Location") || second.Header.Get("ETag") == response.Header.Get("ETag") {
		t.Error("two sessions share a name")
	}
}

func TestGrantsAreJudged(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		grant  media.Grant
		status int
	}{
		"may watch, wants to publish": {media.Grant{Rights: media.RightWatch}, 403},
		"ran out":                     {media.Grant{Rights: media.RightPublish, Expires: now}, 401},
		"runs out later":              {media.Grant{Rights: media.RightPublish, Expires: now.Add(time.Second)}, 201},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := newHandler(t, func(conf *whip.Config) {
				conf.Now = func() time.Time { return now }
				conf.Authorize = func(context.Context, whip.Request) (media.Grant, error) { return c.grant, nil }
			})
			if got := publish("shw_a", "x").do(h).StatusCode; got != c.status {
				t.Errorf("%d, not %d", got, c.status)
			}
		})
	}
}

func TestMethods(t *testing.T) {
	h, _ := newHandler(t, nil)
	resource := opened(t, h, publish("shw_a", "acc_mara")).path
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE"} {
		for _, path := range []string{"/whip/shw_a", "/whep/shw_a"} {
			if r := (call{method: method, path: path}).do(h); r.StatusCode != 405 || r.Header.Get("Allow") != "OPTIONS, POST" {
				t.Errorf("%s %s: %d %q", method, path, r.StatusCode, r.Header.Get("Allow"))
			}
		}
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "POST"} {
		if r := (call{method: method, path: resource}).do(h); r.StatusCode != 405 || r.Header.Get("Allow") != "DELETE, OPTIONS, PATCH" {
			t.Errorf("%s: %d %q", method, r.StatusCode, r.Header.Get("Allow"))
		}
	}
}

func TestCORS(t *testing.T) {
	h, f := newHandler(t, func(c *whip.Config) {
		c.AllowOrigin = func(o string) bool { return o == "https://shop.example" }
	})
	preflight := call{method: "OPTIONS", path: "/whip/shw_a", header: map[string]string{"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}}
	r := preflight.do(h) // without a key
	for k, v := range map[string]string{"Access-Control-Allow-Origin": "https://shop.example", "Access-Control-Allow-Credentials": "true",
		"Access-Control-Allow-Methods": "OPTIONS, POST", "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match", "Accept-Post": "application/sdp", "Vary": "Origin"} {
		if r.Header.Get(k) != v {
			t.Errorf("%s: %q, not %q", k, r.Header.Get(k), v)
		}
	}
	if r.StatusCode != 204 {
		t.Errorf("status %d", r.StatusCode)
	}
	if r := preflight.with("Origin", "https://evil.example").do(h); r.Header.Get("Access-Control-Allow-Origin") != "" || r.Header.Get("Vary") != "Origin" {
		t.Errorf("a foreign origin got %v", r.Header)
	}
	f.err = media.ErrNotLive
	r = watch("shw_a").with("Origin", "https://shop.example").do(h)
	if r.StatusCode != 409 || r.Header.Get("Access-Control-Expose-Headers") != "ETag, Link, Location, Retry-After" {
		t.Errorf("a page cannot read why it was refused: %d %v", r.StatusCode, r.Header)
	}
}

func TestOtherNodes(t *testing.T) {
	origin := "https://n2.example"
	h, f := newHandler(t, func(c *whip.Config) {
		c.Locate = func(context.Context, media.StreamID) (string, error) { return origin, nil }
		c.Claim = func(_ context.Context, id media.StreamID) (string, error) {
			if id == "shw_here" {
				return "", nil
			}
			return origin + "/", nil
		}
		c.NodeURL = func(node string) (string, bool) { return origin, node == "n-2" }
	})
	for c, want := range map[*call]string{
		ptr(publish("shw_a", "acc_mara")):                   "https://n2.example/whip/shw_a",
		ptr(watch("shw_a")):                                 "https://n2.example/whep/shw_a",
		{method: "DELETE", path: "/whip/r/n-2/abc"}:         "https://n2.example/whip/r/n-2/abc",
		{method: "PATCH", path: "/whep/r/n-2/abc?x=%20%2f"}: "https://n2.example/whep/r/n-2/abc?x=%20%2f",
	} {
		if r := c.do(h); r.StatusCode != 307 || r.Header.Get("Location") != want {
			t.Errorf("%s %s: %d to %q", c.method, c.path, r.StatusCode, r.Header.Get("Location"))
		}
	}
	if r := publish("shw_here", "acc_mara").do(h); r.StatusCode != 201 {
		t.Errorf("a stream of this node: %d", r.StatusCode)
	}
	if r := publish("shw_a", "wrong").do(h); r.StatusCode != 401 {
		t.Errorf("without a good key one learns where a stream is: %d", r.StatusCode)
	}
	if r := (call{method: "DELETE", path: "/whip/r/n-3/abc"}).do(h); r.StatusCode != 404 {
		t.Errorf("a node that is gone: %d", r.StatusCode)
	}
	if len(f.sessions) != 1 {
		t.Errorf("%d sessions were opened here", len(f.sessions))
	}
}

func ptr(c call) *call { return &c }

func TestRateLimit(t *testing.T) {
	now := time.Now()
	h, _ := newHandler(t, func(c *whip.Config) {
		c.Now = func() time.Time { return now }
		c.Limits = whip.Limits{PostsPerSecond: 0.5, PostBurst: 3}
	})
	for i := range 3 {
		if r := watch("shw_a").do(h); r.StatusCode != 201 {
			t.Fatalf("request %d at the limit: %d", i, r.StatusCode)
		}
	}
	r := watch("shw_a").do(h)
	if p := readProblem(t, r); r.StatusCode != 429 || p.Code != "too_many_requests" || r.Header.Get("Retry-After") != "2" {
		t.Errorf("one past the limit: %d %+v, Retry-After %q", r.StatusCode, p, r.Header.Get("Retry-After"))
	}
	now = now.Add(2 * time.Second)
	if r := watch("shw_a").do(h); r.StatusCode != 201 {
		t.Errorf("after the wait: %d", r.StatusCode)
	}
}
