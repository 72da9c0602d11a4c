package peer

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media"
)

const (
	show = media.StreamID("shw_1")

	video = webrtc.RTPCodecTypeVideo
	audio = webrtc.RTPCodecTypeAudio

	// patience is for what must come about, however busy the machine is.
	patience = 15 * time.Second
)

var (
	creator = media.Grant{Subject: "acc_mara", Rights: media.RightPublish}
	guest   = media.Grant{Subject: "gst_1", Rights: media.RightWatch}
)

// way is how a viewer's media is carried. What is promised to viewers is promised on each.
type way string

const (
	byPion way = "pion"
	byLean way = "lean"
)

var ways = []way{byPion, byLean}

// onEachWay runs one test of a promise to viewers on every way.
func onEachWay(t *testing.T, test func(t *testing.T, w way)) {
	for _, w := range ways {
		t.Run(string(w), func(t *testing.T) { test(t, w) })
	}
}

// setup of a house. The zero setup carries viewers as the server likes, on 127.0.0.1.
type setup struct {
	way    way
	relay  media.Config
	listen string
}

// house is a relay and a server that run until the test ends.
type house struct {
	t      *testing.T
	way    way
	relay  *media.Relay
	server *Server
	air    chan bool
	stop   func() // ends both and waits; may be called before the test's end
}

func newHouse(t *testing.T, s setup) *house {
	t.Helper()
	h := &house{t: t, way: s.way, air: make(chan bool, 16)}
	s.relay.OnAir = func(_ media.StreamID, on bool) { h.air <- on }
	relay, err := media.New(s.relay)
	if err != nil {
		t.Fatal(err)
	}
	if s.listen == "" {
		s.listen = "127.0.0.1:0"
	}
	server, err := New(Config{Relay: relay, Listen: s.listen, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h.relay, h.server = relay, server
	server.declines = s.way == byPion
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := relay.Run(ctx); err != nil {
			t.Errorf("relay: %v", err)
		}
	})
	running.Go(func() {
		if err := server.Run(ctx); err != nil {
			t.Errorf("server: %v", err)
		}
	})
	h.stop = func() { cancel(); running.Wait() }
	t.Cleanup(h.stop)
	return h
}

// onShow is a house with a publisher on air.
func onShow(t *testing.T, s setup) *house {
	t.Helper()
	h := newHouse(t, s)
	h.publish(creator, webrtc.MimeTypeVP8)
	h.onAir(true)
	return h
}

// eventually waits for a condition; promises in time are given by the caller.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// ends fails the test when a session does not end in time.
func ends(t *testing.T, s *Session, within time.Duration, who string) {
	t.Helper()
	began := time.Now()
	select {
	case <-s.Done():
		t.Logf("%s ended after %v", who, time.Since(began).Round(time.Millisecond))
	case <-time.After(within):
		t.Errorf("%s not ended within %v", who, within)
	}
}

func (h *house) onAir(want bool) {
	h.t.Helper()
	eventually(h.t, patience, "on air", func() bool { return h.relay.OnAir(show) == want })
}
