package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// desk is a server of event streams that does what a test wants.
type desk struct {
	t      *testing.T
	stream func(n int, say func(string), r *http.Request) // the n-th stream; it ends when this returns
	post   func(n int, w http.ResponseWriter, r *http.Request, said message)

	mu             sync.Mutex
	streams, posts int
}

const (
	lineBlock   = "event: line\ndata: {\"line\":\"abc\"}\n\n"
	joinedBlock = "data: {\"t\":\"joined\",\"epoch\":\"e\",\"o\":3,\"now\":1,\"resumed\":false,\"d\":[{\"t\":\"pin.set\",\"k\":\"pin\",\"v\":3,\"d\":{}}],\"s\":[]}\n\n"
)

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	count := func(n *int) int {
		d.mu.Lock()
		defer d.mu.Unlock()
		*n++
		return *n
	}
	if r.Method == http.MethodPost {
		var m message
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &m)
		}
		if err != nil || r.URL.Path != "/events/abc" {
			d.t.Errorf("%s %s: %v", r.URL, body, err)
		}
		if m.Type == "ping" || d.post == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		d.post(count(&d.posts), w, r, m)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	d.stream(count(&d.streams), func(text string) {
		_, _ = io.WriteString(w, text)
		_ = http.NewResponseController(w).Flush()
	}, r)
}

func answerProblem(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "code": code})
}

// watch runs a client at d until the test ends; what Run returned comes over the channel.
func (d *desk) watch(cfg Config) (*Client, <-chan error) {
	d.t.Helper()
	server := httptest.NewServer(d)
	cfg.URL, cfg.Room, cfg.BackoffMost = server.URL+"/events", "shw_1", 10*time.Millisecond
	c := New(cfg)
	ctx, stop := context.WithCancel(context.Background())
	result := make(chan error, 1)
	done := make(chan struct{})
	go func() { defer close(done); result <- c.Run(ctx) }()
	d.t.Cleanup(func() { stop(); <-done; server.CloseClientConnections(); server.Close() })
	return c, result
}

func TestStreamsAreAskedForAsTheyShouldBe(t *testing.T) {
	asked := make(chan string, 10)
	d := &desk{t: t}
	d.stream = func(n int, say func(string), r *http.Request) {
		asked <- r.URL.String() + fmt.Sprint(r.Header.Values("Cookie")) + fmt.Sprint(r.Header.Values("Authorization"))
		say(lineBlock + ":\n\n" + joinedBlock)
		if n == 2 {
			say("event: close\ndata: {\"code\":4103,\"reason\":\"over\"}\n\n")
		}
	}
	_, result := d.watch(Config{Token: "tok", Header: http.Header{"Cookie": {"s=1"}}})
	for _, want := range []string{"/events?room=shw_1[s=1][Bearer tok]", "/events?epoch=e&o=3&room=shw_1[s=1][Bearer tok]"} {
		if got := <-asked; got != want {
			t.Errorf("asked %s, want %s", got, want)
		}
	}
	var closed *realtime.CloseError
	if err := <-result; !errors.As(err, &closed) || closed.Code != realtime.CodeRoomClosed || closed.Reason != "over" {
		t.Errorf("it ended with %v", err)
	}
}

// A call that did not arrive, or whose answer did not come, is made again with the same id; one that the server heard is not.
func TestCallsOverStreamsThatAreLost(t *testing.T) {
	for name, refuse := range map[string]func(w http.ResponseWriter){
		"unknown line": func(w http.ResponseWriter) { answerProblem(w, http.StatusNotFound, "line_unknown") },
		"refused line": func(w http.ResponseWriter) { answerProblem(w, http.StatusForbidden, "line_refused") },
		"broken body":  func(w http.ResponseWriter) { answerProblem(w, http.StatusBadRequest, "body_broken") },
		"unavailable":  func(w http.ResponseWriter) { answerProblem(w, http.StatusServiceUnavailable, "unavailable") },
		"redirected":   func(w http.ResponseWriter) { w.Header().Set("Location", "/x"); w.WriteHeader(http.StatusFound) },
		"cut":          func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var first string
			answers := make(chan string, 1)
			d := &desk{t: t}
			d.stream = func(_ int, say func(string), r *http.Request) {
				say(lineBlock + joinedBlock)
				select {
				case text := <-answers:
					say(text)
					<-r.Context().Done()
				case <-r.Context().Done():
				}
			}
			d.post = func(n int, w http.ResponseWriter, _ *http.Request, said message) {
				if n == 1 {
					first = said.Call
					refuse(w)
					return
				}
				if said.Call != first {
					t.Errorf("made again as %s, it was %s", said.Call, first)
				}
				answers <- `data: {"t":"reply","id":"` + said.Call + `","d":{"n":1}}` + "\n\n"
				w.WriteHeader(http.StatusNoContent)
			}
			c, _ := d.watch(Config{})
			data, err := c.Call(context.Background(), "chat.say", map[string]string{"text": "x"})
			if err != nil || string(data) != `{"n":1}` || d.posts != 2 || d.streams != 2 {
				t.Errorf("%s, %v after %d posts on %d streams", data, err, d.posts, d.streams)
			}
		})
	}
}

// What a stream ends for is told by the stream, however its request was answered.
func TestTheStreamSaysWhyItEnds(t *testing.T) {
	for code, status := range map[realtime.Code]int{realtime.CodeTooMany: 429, realtime.CodeTooLarge: 413, realtime.CodeBadMessage: 400, realtime.CodeForbidden: 404} {
		d := &desk{t: t}
		ended := make(chan struct{})
		d.stream = func(_ int, say func(string), r *http.Request) {
			say(lineBlock + joinedBlock)
			<-ended
			say(fmt.Sprintf("event: close\ndata: {\"code\":%d,\"reason\":\"\"}\n\n", code))
		}
		d.post = func(_ int, w http.ResponseWriter, _ *http.Request, _ message) {
			answerProblem(w, status, code.String())
			close(ended)
		}
		c, result := d.watch(Config{})
		until(t, func() bool { return c.Stats().Joined })
		if err := c.Send("x", nil); err != nil {
			t.Fatal(err)
		}
		var closed *realtime.CloseError
		if err := <-result; !errors.As(err, &closed) || closed.Code != code {
			t.Errorf("%v: it ended with %v", code, err)
		}
	}
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// Calls wait for those before them, in their order, and not without a bound.
func TestCallsOverStreamsWaitForTheirTurn(t *testing.T) {
	heard, proceed := make(chan string), make(chan struct{})
	d := &desk{t: t}
	d.stream = func(_ int, say func(string), r *http.Request) { say(lineBlock + joinedBlock); <-r.Context().Done() }
	d.post = func(_ int, w http.ResponseWriter, _ *http.Request, said message) {
		heard <- string(said.Data)
		<-proceed
		w.WriteHeader(http.StatusNoContent)
	}
	c, _ := d.watch(Config{})
	until(t, func() bool { return c.Stats().Joined })
	send := func(n int) error { return c.Send("x", n) }
	if err := send(0); err != nil {
		t.Fatal(err)
	}
	got := []string{<-heard} // it is on its way, and the others wait
	for n := range maxSaid {
		if err := send(n + 1); err != nil {
			t.Fatalf("call %d: %v", n+1, err)
		}
	}
	if err := send(99); !errors.Is(err, ErrTooManyCalls) {
		t.Errorf("one past the limit: %v", err)
	}
	if _, err := c.Call(context.Background(), "x", 99); !errors.Is(err, ErrTooManyCalls) {
		t.Errorf("a call past the limit: %v", err)
	}
	for range maxSaid {
		proceed <- struct{}{}
		got = append(got, <-heard)
	}
	proceed <- struct{}{}
	var want []string
	for n := range maxSaid + 1 {
		want = append(want, fmt.Sprint(n))
	}
	if !slices.Equal(got, want) {
		t.Errorf("heard %v", got)
	}
}

// What is no stream is given up and tried again; nothing of it is kept.
func TestStreamsThatAreNone(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":            "",
		"no line first":      joinedBlock,
		"a line without id":  "event: line\ndata: {}\n\n",
		"a line that is cut": lineBlock[:len(lineBlock)-1],
		"no JSON":            lineBlock + "data: {\n\n",
		"an unknown block":   lineBlock + joinedBlock + "event: other\ndata: {}\n\n",
		"a close of nothing": lineBlock + joinedBlock + "event: close\ndata: x\n\n",
		"a line without end": lineBlock + "data: " + strings.Repeat("x", maxFrame+1),
	} {
		d := &desk{t: t}
		again := make(chan struct{})
		d.stream = func(n int, say func(string), _ *http.Request) {
			if n == 2 {
				close(again)
			}
			say(text)
		}
		c, _ := d.watch(Config{})
		select {
		case <-again:
		case <-time.After(30 * time.Second):
			t.Errorf("%s: not tried again", name)
		}
		if p := c.Position(); p.Offset > 3 {
			t.Errorf("%s: it is at %+v", name, p)
		}
	}
}

// pipes is a network in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

// A stream on which nothing comes is given up; comments keep it.
func TestASilentServerIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := make(pipes)
		const comments = 10
		d := &desk{t: t, stream: func(_ int, say func(string), r *http.Request) {
			say(lineBlock + joinedBlock)
			for range comments {
				time.Sleep(silence - time.Second)
				say(":\n\n")
			}
			<-r.Context().Done()
		}}
		server := &http.Server{Handler: d}
		serving := make(chan struct{})
		go func() { defer close(serving); _ = server.Serve(network) }()
		c := New(Config{URL: "http://desk/events", Room: "shw_1"})
		c.client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			network <- theirs
			return ours, nil
		}
		begin := time.Now()
		err := c.connection(context.Background())
		if took := time.Since(begin); !errors.Is(err, errSilent) || took != comments*(silence-time.Second)+silence {
			t.Errorf("it ended after %v with %v", took, err)
		}
		if finalError(err) != nil {
			t.Error("and would not come again")
		}
		_ = server.Close()
		<-serving
	})
}
