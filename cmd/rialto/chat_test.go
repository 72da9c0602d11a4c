package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/chat"
	rooms "github.com/rialto-live/rialto/realtime/client"
)

// voice is somebody in a show's chat.
type voice struct {
	*rooms.Client
	t *testing.T

	mu    sync.Mutex
	lines []string // "role name: text"
}

// speak opens a room with the cookies of a person, or with their room ticket.
func (p *person) speak(show string, byTicket bool) *voice {
	p.t.Helper()
	v := &voice{t: p.t}
	cfg := rooms.Config{
		URL: strings.Replace(p.url, "http", "ws", 1) + "/ws", Room: realtime.RoomID(show), BackoffMost: 50 * time.Millisecond,
		OnSample: v.hear,
	}
	if byTicket {
		cfg.Token = p.want(http.StatusOK, "", http.MethodPost, "/room-ticket", nil).text("token")
	} else {
		home, err := url.Parse(p.url)
		if err != nil {
			p.t.Fatal(err)
		}
		cfg.Header = http.Header{}
		for _, c := range p.http.Jar.Cookies(home) {
			cfg.Header.Add("Cookie", c.Name+"="+c.Value)
		}
	}
	v.Client = rooms.New(cfg)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	p.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			p.t.Errorf("the room ended: %v", err)
		}
	})
	eventually(p.t, "a place in the room", func() bool { return v.Stats().Joined })
	return v
}

func (v *voice) hear(e realtime.Event) {
	if e.Type != chat.TypeLine {
		return
	}
	var l chat.Line
	if err := json.Unmarshal(e.Data, &l); err != nil {
		v.t.Error(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lines = append(v.lines, fmt.Sprintf("%s %s: %s", l.Role, l.Name, l.Text))
}

func (v *voice) says(text string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := v.Call(ctx, chat.CallSay, map[string]string{"text": text}); err != nil {
		v.t.Fatal(err)
	}
}

func (v *voice) hears(lines ...string) {
	v.t.Helper()
	eventually(v.t, fmt.Sprintf("the chat reads %q", lines), func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return slices.Equal(v.lines, lines)
	})
}

func (v *voice) watching(n int) {
	v.t.Helper()
	eventually(v.t, fmt.Sprintf("%d watch", n), func() bool {
		e, ok := v.Get("viewers.set", "")
		return ok && string(e.Data) == fmt.Sprintf(`{"count":%d}`, n)
	})
}

// TestChatAndViewersOnTwoNodes: everybody reads what is said on either node,
// under the name and role that commerce gives; the viewers of both are one
// number, in which the creator is not.
func TestChatAndViewersOnTwoNodes(t *testing.T) {
	a, b := newMarket(t).pair()
	mara := a.signUp("mara", "creator")
	show := mara.newShow()
	host := mara.speak(show, false)
	guest := b.guest()
	name := "Guest " + guest.subject[len(guest.subject)-4:]
	there := guest.speak(show, false)
	host.says("welcome")
	there.hears("host mara: welcome")
	there.says("hello")
	host.hears("host mara: welcome", "viewer "+name+": hello")
	host.watching(1)

	// Somebody on a page of another site has a ticket in place of cookies, and is the same person.
	elsewhere := guest.at(a).speak(show, true)
	elsewhere.hears("host mara: welcome", "viewer "+name+": hello")
	elsewhere.says("again")
	there.hears("host mara: welcome", "viewer "+name+": hello", "viewer "+name+": again")
	there.watching(2)
}
