package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/ws"
)

// patience is generous: the machine may be building something else.
const patience = 60 * time.Second

const (
	room     = realtime.RoomID("shw_1")
	goodPage = "https://rialto.example"
	python   = "/usr/bin/python3" // Debian's, which sees Debian's packages
)

// client is a program of somebody else's, running.
type client struct {
	t      *testing.T
	input  io.WriteCloser
	lines  chan string
	ended  chan struct{}
	errors strings.Builder // read once ended is closed
	failed error
}

func run(t *testing.T, name string, args ...string) *client {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, args...)
	c := &client{t: t, lines: make(chan string, 1024), ended: make(chan struct{})}
	cmd.Stderr = &c.errors
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatalf("%s is needed: `npm ci` in this folder, and apt-get install nodejs python3-websockets: %v", name, err)
	}
	c.input = input
	go func() {
		defer close(c.ended)
		scan := bufio.NewScanner(output)
		scan.Buffer(nil, 4<<20)
		for scan.Scan() {
			c.lines <- scan.Text()
		}
		c.failed = cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-c.ended
	})
	return c
}

func (c *client) do(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.input, format+"\n", args...); err != nil {
		c.t.Fatalf("the client takes no order: %v", err)
	}
}

// says is the next line, which must begin with want; it returns the rest.
func (c *client) says(want string) string {
	c.t.Helper()
	select {
	case line := <-c.lines:
		rest, ok := strings.CutPrefix(line, want)
		if !ok {
			c.t.Fatalf("said %.300q, want %q", line, want)
		}
		return strings.TrimSpace(rest)
	case <-c.ended:
		c.t.Fatalf("ended (%v) before it said %q; is everything installed? `npm ci` in this folder, and apt-get install nodejs python3-websockets\n%s",
			c.failed, want, c.errors.String())
	case <-time.After(patience):
		c.t.Fatalf("did not say %q in %s", want, patience)
	}
	return ""
}

// hears is the next message, of type t.
func (c *client) hears(t string) map[string]any {
	c.t.Helper()
	var m map[string]any
	if text := c.says("text"); json.Unmarshal([]byte(text), &m) != nil || m["t"] != t {
		c.t.Fatalf("heard %.300q, want type %q", text, t)
	}
	return m
}

// end closes the client's input and waits for a good end.
func (c *client) end() {
	c.t.Helper()
	_ = c.input.Close()
	select {
	case <-c.ended:
		if c.failed != nil {
			c.t.Fatalf("ended with %v:\n%s", c.failed, c.errors.String())
		}
	case <-time.After(patience):
		c.t.Fatal("does not end")
	}
}

// server is a node, as far as realtime goes.
type server struct {
	t   *testing.T
	bus *bus.Memory
	hub *realtime.Hub
	url string

	mu      sync.Mutex // guards what follows
	state   []realtime.Event
	version int64
}

func serve(t *testing.T, change func(*ws.Config)) *server {
	t.Helper()
	s := &server{t: t, bus: bus.NewMemory()}
	s.set("show.state", "", realtime.Lossless, "héllo ✓ 🛍")
	var err error
	if s.hub, err = realtime.NewHub(realtime.Config{Bus: s.bus, Snapshot: s.snapshot, Tick: 20 * time.Millisecond, CountEvery: time.Hour}); err != nil {
		t.Fatal(err)
	}
	cfg := ws.Config{Hub: s.hub, AllowOrigin: func(origin string) bool { return origin == goodPage }, Authenticate: authenticate}
	change(&cfg)
	handler, err := ws.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.hub.Run(ctx) }()
	front := httptest.NewServer(handler)
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("hub: %v", err)
		}
		front.Close()
	})
	s.url = "ws" + strings.TrimPrefix(front.URL, "http") + "/ws"
	return s
}

func authenticate(_ context.Context, h ws.Hello) (ws.Identity, error) {
	switch {
	case h.Room != room:
		return ws.Identity{}, ws.ErrUnknownRoom
	case h.Token == "late":
		return ws.Identity{}, ws.ErrSignedOut
	}
	return ws.Identity{Subject: "acc_" + h.Token}, nil
}

func (s *server) snapshot(context.Context, realtime.RoomID) ([]realtime.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]realtime.Event(nil), s.state...), nil
}

// set changes the truth and returns the event that says so.
func (s *server) set(typ, key string, class realtime.Class, text string) realtime.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	data, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		s.t.Fatal(err)
	}
	e := realtime.Event{Type: typ, Key: key, Version: s.version, Class: class, Data: data}
	s.state = append(s.state, e)
	return e
}

func (s *server) say(typ, key string, class realtime.Class, text string) {
	s.t.Helper()
	if _, err := s.bus.Publish(context.Background(), room, s.set(typ, key, class, text)); err != nil {
		s.t.Fatal(err)
	}
}
