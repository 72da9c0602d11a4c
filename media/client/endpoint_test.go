package client

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// script answers requests in turn and remembers them.
type script struct {
	mu      sync.Mutex
	answers []func(http.ResponseWriter)
	seen    []*http.Request
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, r)
	if len(s.answers) == 0 {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	next := s.answers[0]
	s.answers = s.answers[1:]
	next(w)
}

func (s *script) then(status int, body string, header ...string) *script {
	s.answers = append(s.answers, func(w http.ResponseWriter) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
	return s
}

func serve(t *testing.T, s *script) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server
}

func newEndpoint(token string) *endpoint {
	return &endpoint{http: Network{}.httpClient(), token: token}
}

func TestRedirectsCarryTheToken(t *testing.T) {
	other := &script{}
	origin := serve(t, other.then(201, "answer", "Location", "/whip/r/n2/x", "ETag", `"1"`))
	first := &script{}
	node := serve(t, first.then(307, "", "Location", origin.URL+"/whip/shw_a"))
	e := newEndpoint("sk_1")
	answer, err := e.offer(t.Context(), node.URL+"/whip/shw_a", "offer", 0)
	if err != nil || answer != "answer" {
		t.Fatalf("%q %v", answer, err)
	}
	if got := other.seen[0]; got.Method != "POST" || got.Header.Get("Authorization") != "Bearer sk_1" || got.Header.Get("Content-Type") != "application/sdp" {
		t.Errorf("the origin saw %s %v", got.Method, got.Header)
	}
	if e.url.String() != origin.URL+"/whip/r/n2/x" || e.etag != `"1"` {
		t.Errorf("resource %s %s", e.url, e.etag)
	}
}

func TestRedirectsThatAreRefused(t *testing.T) {
	loop := &script{}
	server := serve(t, loop)
	for range maxRedirects + 1 {
		loop.then(307, "", "Location", "/again")
	}
	if _, err := newEndpoint("").offer(t.Context(), server.URL, "offer", 0); !errors.Is(err, errRedirect) {
		t.Errorf("a circle ended with %v", err)
	}
	if len(loop.seen) != maxRedirects+1 {
		t.Errorf("%d requests", len(loop.seen))
	}
	loop.then(307, "")
	if _, err := newEndpoint("").offer(t.Context(), server.URL, "offer", 0); !errors.Is(err, errRedirect) {
		t.Errorf("a redirect to nowhere ended with %v", err)
	}
	safe := httptest.NewTLSServer((&script{}).then(307, "", "Location", server.URL+"/plain"))
	defer safe.Close()
	e := &endpoint{http: safe.Client(), token: "sk_1"}
	e.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	before := len(loop.seen)
	if _, err := e.offer(t.Context(), safe.URL, "offer", 0); !errors.Is(err, errRedirect) || len(loop.seen) != before {
		t.Errorf("a token went from https to http: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	s := (&script{}).then(409, `{"code":"publisher_present","detail":"Somebody else is live."}`, "Content-Type", "application/problem+json")
	_, err := newEndpoint("").offer(t.Context(), serve(t, s).URL, "offer", time.Minute)
	var refused *StatusError
	if !errors.As(err, &refused) || refused.Status != 409 || refused.Code != "publisher_present" || !strings.Contains(err.Error(), "Somebody else") {
		t.Fatalf("got %v", err)
	}
	if len(s.seen) != 1 {
		t.Errorf("a refusal for good was asked %d times", len(s.seen))
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	s := (&script{}).then(503, "", "Retry-After", "0").then(409, "", "Retry-After", "0").then(201, "answer", "Location", "/r")
	if _, err := newEndpoint("").offer(t.Context(), serve(t, s).URL, "offer", time.Minute); err != nil || len(s.seen) != 3 {
		t.Errorf("%v after %d requests", err, len(s.seen))
	}
	s = (&script{}).then(503, "", "Retry-After", "9")
	_, err := newEndpoint("").offer(t.Context(), serve(t, s).URL, "offer", 8*time.Second)
	var refused *StatusError
	if !errors.As(err, &refused) || refused.RetryAfter != 9*time.Second {
		t.Errorf("beyond patience: %v", err)
	}
	s = (&script{}).then(503, "", "Retry-After", "9")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := newEndpoint("").offer(ctx, serve(t, s).URL, "offer", time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an impatient caller got %v", err)
	}
}

func TestRetryAfterForms(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "soon": 0, "0": minRetryAfter, "-3": minRetryAfter, "7": 7 * time.Second, "999999999999": 0, "31": maxRetryAfter,
		now.Add(4 * time.Second).Format(http.TimeFormat): 4 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat):      minRetryAfter,
		now.Add(time.Hour).Format(http.TimeFormat):       maxRetryAfter,
	} {
		if got := retryAfter(value, now); got != want && !(value == "999999999999" && got == maxRetryAfter) {
			t.Errorf("%q: %s, not %s", value, got, want)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, s := range map[string]*script{
		"no Location": (&script{}).then(201, "answer"),
		"no body":     (&script{}).then(201, "", "Location", "/r"),
		"too long":    (&script{}).then(201, strings.Repeat("x", maxAnswerBytes+1), "Location", "/r"),
		"200":         (&script{}).then(200, "answer", "Location", "/r"),
	} {
		if _, err := newEndpoint("").offer(t.Context(), serve(t, s).URL, "offer", 0); err == nil {
			t.Errorf("%s was taken for an answer", name)
		}
	}
}

func TestDeleteOfWhatIsGone(t *testing.T) {
	for status, good := range map[int]bool{200: true, 204: true, 404: true, 401: false, 500: false} {
		s := (&script{}).then(201, "answer", "Location", "/r").then(status, "")
		e := newEndpoint("sk_1")
		if _, err := e.offer(t.Context(), serve(t, s).URL, "offer", 0); err != nil {
			t.Fatal(err)
		}
		if err := e.delete(t.Context()); (err == nil) != good {
			t.Errorf("%d: %v", status, err)
		}
		if got := s.seen[1]; got.Method != "DELETE" || got.URL.Path != "/r" || got.Header.Get("Authorization") != "Bearer sk_1" {
			t.Errorf("%s %s", got.Method, got.URL)
		}
	}
}
