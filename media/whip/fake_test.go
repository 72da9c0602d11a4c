package whip_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/whip"
	"github.com/rialto-live/rialto/media/whip/whiptest"
)

const goodOffer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-ufrag:first\r\na=ice-pwd:passwordpasswordpassword\r\n"

// fake is a transport that answers what the test wants.
type fake struct {
	mu       sync.Mutex
	err      error // of Publish and Watch
	onOffer  func()
	sessions []*fakeSession
	grants   []media.Grant
}

func (f *fake) negotiate(_ context.Context, _ media.StreamID, g media.Grant, _ []byte) (whip.Session, []byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onOffer != nil {
		f.onOffer()
	}
	if f.err != nil {
		return nil, nil, f.err
	}
	s := &fakeSession{done: make(chan struct{})}
	f.sessions = append(f.sessions, s)
	f.grants = append(f.grants, g)
	return s, []byte("v=0\r\nanswer"), nil
}

func (f *fake) last() *fakeSession {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions[len(f.sessions)-1]
}

type fakeSession struct {
	mu         sync.Mutex
	done       chan struct{}
	closed     int
	trickled   []string
	restartErr error
	trickleErr error
}

func (s *fakeSession) Trickle(fragment []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trickleErr == nil {
		s.trickled = append(s.trickled, string(fragment))
	}
	return s.trickleErr
}

func (s *fakeSession) Restart([]byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []byte("a=ice-ufrag:server\r\n"), s.restartErr
}

func (s *fakeSession) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed++; s.closed == 1 {
		close(s.done)
	}
	return nil
}

func (s *fakeSession) Done() <-chan struct{} { return s.done }

func (s *fakeSession) closes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func newHandler(t *testing.T, change func(*whip.Config)) (*whip.Handler, *fake) {
	t.Helper()
	f := &fake{}
	c := whip.Config{Node: "n-1", Publish: f.negotiate, Watch: f.negotiate, Authorize: whiptest.Authorize, Registerer: prometheus.NewRegistry()}
	if change != nil {
		change(&c)
	}
	h, err := whip.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h, f
}

// call is one request, written the way the tables read best.
type call struct {
	method, path, body string
	header             map[string]string
}

func (c call) with(name, value string) call {
	header := map[string]string{name: value}
	for k, v := range c.header {
		if k != name {
			header[k] = v
		}
	}
	c.header = header
	return c
}

func (c call) without(name string) call {
	header := map[string]string{}
	for k, v := range c.header {
		if k != name {
			header[k] = v
		}
	}
	c.header = header
	return c
}

func (c call) do(h http.Handler) *http.Response {
	r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
	for k, v := range c.header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func publish(stream, subject string) call {
	return call{method: "POST", path: "/whip/" + stream, body: goodOffer,
		header: map[string]string{"Content-Type": "application/sdp", "Authorization": "Bearer sk_" + subject}}
}

func watch(stream string) call {
	return call{method: "POST", path: "/whep/" + stream, body: goodOffer, header: map[string]string{"Content-Type": "application/sdp"}}
}

// opened posts an offer and returns a PATCH for its resource.
func opened(t *testing.T, h http.Handler, post call) call {
	t.Helper()
	response := post.do(h)
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("POST answered %d: %s", response.StatusCode, text(response))
	}
	patch := call{method: "PATCH", path: response.Header.Get("Location"), body: "a=ice-ufrag:first\r\na=ice-pwd:x\r\n",
		header: map[string]string{"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": response.Header.Get("ETag")}}
	if key := post.header["Authorization"]; key != "" {
		patch = patch.with("Authorization", key)
	}
	return patch
}

func (c call) as(method string) call {
	c.method = method
	return c
}

func text(r *http.Response) string {
	b, err := io.ReadAll(r.Body)
	return string(b) + errText(err)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

var errBroken = errors.New("the disk is on fire")
