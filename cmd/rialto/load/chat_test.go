package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/chat"
	"github.com/rialto-live/rialto/realtime/ws"
)

// chatServer is a node's rooms, and the one call of the API that makes guests.
type chatServer struct {
	url     string // of the rooms
	cookies bool   // guests get one

	mu     sync.Mutex
	guests int
	let    map[string]int // in, by subject
}

func newChatServer(t *testing.T, cookies bool) *chatServer {
	t.Helper()
	s := &chatServer{cookies: cookies, let: map[string]int{}}
	memory := bus.NewMemory()
	hub, err := realtime.NewHub(realtime.Config{Bus: memory, Snapshot: func(context.Context, realtime.RoomID) ([]realtime.Event, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	talk, err := chat.New(chat.Config{Cast: memory.Cast})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := ws.New(ws.Config{Hub: hub, Authenticate: s.authenticate, Call: talk.Call, AllowOrigin: func(string) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range []func(context.Context) error{hub.Run, talk.Run} {
		background(t, func(ctx context.Context) {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", handler)
	mux.HandleFunc("POST "+ticketPath, s.ticket)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.url = "ws" + strings.TrimPrefix(server.URL, "http") + "/ws"
	return s
}

func (s *chatServer) ticket(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	s.guests++
	name := fmt.Sprintf("gst_%d", s.guests)
	s.mu.Unlock()
	if s.cookies {
		http.SetCookie(w, &http.Cookie{Name: "guest", Value: name})
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"token": name})
}

func (s *chatServer) authenticate(_ context.Context, hello ws.Hello) (ws.Identity, error) {
	if hello.Room != "shw_1" {
		return ws.Identity{}, ws.ErrUnknownRoom
	}
	who := hello.Token
	if c, err := (&http.Request{Header: hello.Header}).Cookie("guest"); err == nil {
		who = c.Value
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.let[who]++
	return ws.Identity{Subject: who, Name: who}, nil
}

// whenSaid ends ctx once the output has what it waits for, so that a test takes as long as the machine needs.
type whenSaid struct {
	stop context.CancelFunc
	want *regexp.Regexp

	mu   sync.Mutex
	text strings.Builder
}

func (w *whenSaid) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	if w.want.Match(b) {
		w.stop()
	}
	return len(b), nil
}

func (w *whenSaid) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func runChat(t *testing.T, c ChatConfig, until string) string {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	out := &whenSaid{stop: stop, want: regexp.MustCompile(until)}
	if err := Chat(ctx, c, 0, out); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !out.want.MatchString(out.String()) {
		t.Fatalf("%q never came:\n%s", until, out)
	}
	return out.String()
}

// Lines are said by guests of their own and heard by all; the others are in the room unknown.
func TestChatIsHeard(t *testing.T) {
	for name, cookies := range map[string]bool{"cookies": true, "tickets": false} {
		t.Run(name, func(t *testing.T) {
			s := newChatServer(t, cookies)
			out := runChat(t, ChatConfig{URL: s.url, Room: "shw_1", Viewers: 30, Lines: 5, Hearts: 20}, `30 of 30 inside, 0 failed; [1-9]\d* lines said, .*heard \d{3,} times, .*; [1-9]\d* hearts`)
			for _, want := range []string{`joins +30 of 30 viewers, 0 resumed, in 30 connections`, `lines +\d+ tried, [1-9]\d* said, `, `0 lines of others`, `way +p50 \d+ ms, p99 \d+ ms`} {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("%q is missing in\n%s", want, out)
				}
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			speakers := ChatConfig{Viewers: 30, Lines: 5, Hearts: 20}.speakers()
			if s.guests != speakers || s.let[""] != 30-speakers || len(s.let) != speakers+1 {
				t.Errorf("%d guests are made for %d who speak; let in: %v", s.guests, speakers, s.let)
			}
		})
	}
}

// Who says too much, under one ticket, is told so; the code is counted.
func TestChatRefusalsAreCounted(t *testing.T) {
	s := newChatServer(t, true)
	out := runChat(t, ChatConfig{URL: s.url, Room: "shw_1", Token: "one", Viewers: 3, Lines: 9}, `lines said, [1-9]\d* refused`)
	if !regexp.MustCompile(`refused +\d+ with too_often`).MatchString(out) {
		t.Errorf("it says\n%s", out)
	}
	if s.guests != 0 || s.let["one"] != 3 {
		t.Errorf("%d guests, let in: %v", s.guests, s.let)
	}
}

// Without a show, or without anybody who gives tickets, it ends by itself and says why.
func TestChatWithoutAShowEnds(t *testing.T) {
	s := newChatServer(t, true)
	for name, c := range map[string]struct {
		config ChatConfig
		says   string
	}{
		"no such show": {ChatConfig{URL: s.url, Room: "shw_2", Viewers: 3}, "none of 3 viewers could join: "},
		"no tickets":   {ChatConfig{URL: s.url + "/elsewhere", Room: "shw_1", Viewers: 1}, "none of 1 viewers could join: "},
	} {
		ctx, stop := context.WithTimeout(t.Context(), patience)
		err := Chat(ctx, c.config, 0, &strings.Builder{})
		if err == nil || !strings.Contains(err.Error(), c.says) || ctx.Err() != nil {
			t.Errorf("%s: %v", name, err)
		}
		stop()
	}
}

func TestChatConfig(t *testing.T) {
	good := ChatConfig{URL: "ws://127.0.0.1:1/ws", Room: "shw_1", Viewers: MaxChatViewers, Lines: MaxLines, Hearts: MaxHearts}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for says, change := range map[string]func(*ChatConfig){
		"--viewers is 1 to 5000, not 5001":  func(c *ChatConfig) { c.Viewers++ },
		"--viewers is 1 to 5000, not 0":     func(c *ChatConfig) { c.Viewers = 0 },
		"--lines is 0 to 1000, not 1001":    func(c *ChatConfig) { c.Lines++ },
		"--hearts is 0 to 10000, not 10001": func(c *ChatConfig) { c.Hearts++ },
		"--room is missing":                 func(c *ChatConfig) { c.Room = "" },
		"--url is missing":                  func(c *ChatConfig) { c.URL = "" },
		"is no ws or wss address":           func(c *ChatConfig) { c.URL = "http://127.0.0.1/" },
		"is not on this machine":            func(c *ChatConfig) { c.URL = "ws://192.0.2.1/ws" },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	for c, want := range map[ChatConfig]int{
		{Viewers: 100}:            0,
		{Viewers: 100, Lines: 10}: 31, {Viewers: 5, Lines: 10}: 5,
		{Viewers: 100, Hearts: 100}: 8,
	} {
		talk := talk{config: c}
		talk.invite()
		speak := 0
		for _, v := range talk.viewers {
			if v.speaks {
				speak++
			}
		}
		if c.speakers() != want || speak != want || len(talk.viewers) != c.Viewers {
			t.Errorf("%+v: %d speak of %d", c, speak, len(talk.viewers))
		}
	}
}
