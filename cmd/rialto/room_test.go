package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// said is one thing that a room said.
type said struct {
	Type    string          `json:"t"`
	Key     string          `json:"k"`
	Version int64           `json:"v"`
	Data    json.RawMessage `json:"d"`
}

// seat is a page's place in the room of a show: what it knows, and how it ended.
type seat struct {
	t    *testing.T
	conn *websocket.Conn
	done chan struct{} // closed when the socket has ended

	mu sync.Mutex
	// guarded by mu
	state   map[string]said
	heard   []said
	sampled []said
	joined  bool
	code    int // close code
	stale   []string
	changed chan struct{}
}

// join opens a page's socket and waits until the room has let it in.
func (p *person) join(show string) *seat {
	p.t.Helper()
	s := p.dial(show)
	s.await("the room lets me in", func(s *seat) bool { return s.joined })
	return s
}

// dial opens the socket and asks to come in. A node whose rooms are just opening says "again".
func (p *person) dial(show string) *seat {
	p.t.Helper()
	dialer := websocket.Dialer{Jar: p.http.Jar, HandshakeTimeout: patience}
	var conn *websocket.Conn
	eventually(p.t, "a socket to "+p.url, func() bool {
		c, answer, err := dialer.DialContext(p.t.Context(), strings.Replace(p.url, "http", "ws", 1)+"/ws", nil)
		if err != nil && (answer == nil || answer.StatusCode != 503) {
			p.t.Fatalf("socket to %s: %v", p.url, err)
		}
		conn = c
		return err == nil
	})
	s := &seat{t: p.t, conn: conn, done: make(chan struct{}), state: map[string]said{}, changed: make(chan struct{})}
	if err := conn.WriteJSON(map[string]string{"t": "join", "room": show}); err != nil {
		p.t.Fatal(err)
	}
	go s.read()
	p.t.Cleanup(func() {
		_ = conn.Close()
		<-s.done
	})
	return s
}

func (s *seat) read() {
	defer close(s.done)
	for {
		_, text, err := s.conn.ReadMessage()
		s.mu.Lock()
		if err != nil {
			var closed *websocket.CloseError
			if errors.As(err, &closed) {
				s.code = closed.Code
			}
		} else {
			s.take(text)
		}
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take needs mu.
func (s *seat) take(text []byte) {
	var frame said
	if err := json.Unmarshal(text, &frame); err != nil {
		s.stale = append(s.stale, fmt.Sprintf("unreadable: %s", text))
		return
	}
	events := []said{frame}
	switch frame.Type {
	case "joined", "tick":
		events = nil
		if err := json.Unmarshal(frame.Data, &events); err != nil {
			s.stale = append(s.stale, fmt.Sprintf("unreadable: %s", text))
		}
		s.joined = true
	case "sample":
		var some []said
		if err := json.Unmarshal(frame.Data, &some); err != nil {
			s.stale = append(s.stale, fmt.Sprintf("unreadable: %s", text))
		}
		s.sampled = append(s.sampled, some...)
		return
	case "pong":
		return
	}
	for _, e := range events {
		at := e.Type + " " + e.Key
		if old, ok := s.state[at]; ok && e.Version < old.Version {
			s.stale = append(s.stale, fmt.Sprintf("%s: version %d after %d", at, e.Version, old.Version))
			continue
		}
		s.state[at] = e
		s.heard = append(s.heard, e)
	}
}

// await waits until the page knows what is asked for.
func (s *seat) await(what string, known func(*seat) bool) {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		ok, changed, heard, code := known(s), s.changed, len(s.heard), s.code
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-s.done:
			s.t.Fatalf("%s: the room closed with %d first", what, code)
		case <-deadline:
			s.t.Fatalf("%s: the room never said so, in %d events: %s", what, heard, s.all())
		}
	}
}

// now reads the newest of a kind into out, and says whether there is one. It needs mu: call it in await.
func (s *seat) now(kind, key string, out any) bool {
	e, ok := s.state[kind+" "+key]
	return ok && json.Unmarshal(e.Data, out) == nil
}

// left waits for a count.
func (s *seat) left(variant string, n int) {
	s.t.Helper()
	s.await(fmt.Sprintf("%d are left", n), func(s *seat) bool {
		var stock struct{ Left int }
		return s.now("stock.set", variant, &stock) && stock.Left == n
	})
}

// onAir waits until the show is, or is not, on the air.
func (s *seat) onAir(on bool) {
	s.t.Helper()
	s.await(fmt.Sprintf("on air is %v", on), func(s *seat) bool {
		var show struct {
			OnAir bool `json:"on_air"`
		}
		return s.now("show.state", "show", &show) && show.OnAir == on
	})
}

// ended says how the socket ended, once it has.
func (s *seat) ended() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.code
}

// all is everything that the room said, for a failed test.
func (s *seat) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := json.Marshal(s.heard)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// orderly checks that no version ever fell.
func (s *seat) orderly() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, what := range s.stale {
		s.t.Errorf("the room went back: %s", what)
	}
}
