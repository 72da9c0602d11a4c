package peer

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media"
)

func TestTooManyViewersAndPublishers(t *testing.T) {
	onEachWay(t, testTooMany)
}

func testTooMany(t *testing.T, w way) {
	h := onShow(t, setup{way: w, relay: media.Config{MaxViewersPerStream: 1, MaxPublishers: 1}})
	h.watch()
	if _, err := h.tryWatchAs(client{}, show); !errors.Is(err, media.ErrTooMany) {
		t.Errorf("second viewer: %v", err)
	}
	pc := newPeer(t)
	sendonly := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
	if _, err := pc.AddTransceiverFromKind(video, sendonly); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.server.Publish(context.Background(), "shw_2", creator, offerOf(t, pc)); !errors.Is(err, media.ErrTooMany) {
		t.Errorf("second publisher: %v", err)
	}
	eventually(t, 5*time.Second, "refused sessions are forgotten", func() bool {
		h.server.mu.Lock()
		defer h.server.mu.Unlock()
		return len(h.server.sessions) == 2
	})
}

func TestPublicAddressesAreAnswered(t *testing.T) {
	relay, err := media.New(media.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Relay: relay, Listen: ":0", Log: slog.New(slog.DiscardHandler), PublicIPs: []netip.Addr{netip.MustParseAddr("192.0.2.77")}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	pc := newPeer(t)
	sendonly := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
	if _, err := pc.AddTransceiverFromKind(video, sendonly); err != nil {
		t.Fatal(err)
	}
	_, answer, err := s.Publish(ctx, show, creator, offerOf(t, pc))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for l := range strings.SplitSeq(string(answer), "\r\n") {
		if !strings.HasPrefix(l, "a=candidate:") {
			continue
		}
		if n++; !strings.Contains(l, " 192.0.2.77 ") {
			t.Errorf("candidate %q", l)
		}
	}
	if n == 0 {
		t.Errorf("no candidates in\n%s", answer)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, _, err := s.Publish(context.Background(), show, creator, []byte(browserOffer)); !errors.Is(err, media.ErrClosed) {
		t.Errorf("publish after the end: %v", err)
	}
}

func TestConfigSaysEverythingWrong(t *testing.T) {
	err := Config{PublicIPs: []netip.Addr{netip.MustParseAddr("0.0.0.0")}}.Validate()
	for _, want := range []string{"Relay", "Listen", "0.0.0.0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}
