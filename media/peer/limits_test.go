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
	h := newHouse(t, media.Config{MaxViewersPerStream: 1, MaxPublishers: 1})
	h.publish(creator, webrtc.MimeTypeVP8)
	h.onAir(true)
	h.watch()
	if _, err := h.tryWatch(newPeer(t), show); !errors.Is(err, media.ErrTooMany) {
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

func TestTrickleIsBoundToItsGeneration(t *testing.T) {
	h := newHouse(t, media.Config{})
	h.publish(creator, webrtc.MimeTypeVP8)
	h.onAir(true)
	v := h.watch()
	const one = "a=candidate:1 1 UDP 2130706431 127.0.0.1 5000 typ host\r\n"
	ufrag := "a=ice-ufrag:" + v.session.offer.ufrag + "\r\n"
	var fault *media.SDPError
	if err := v.session.Trickle([]byte("a=ice-ufrag:other\r\n" + one)); !errors.As(err, &fault) {
		t.Errorf("another generation: %v", err)
	}
	if err := v.session.Trickle([]byte(ufrag + "a=candidate:1 1 UDP x 127.0.0.1 5000 typ host\r\n")); !errors.As(err, &fault) || fault.Line != 2 {
		t.Errorf("broken candidate: %v", err)
	}
	left := maxCandidates - v.session.candidates
	if err := v.session.Trickle([]byte(ufrag + strings.Repeat(one, left))); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if err := v.session.Trickle([]byte(ufrag + one)); !errors.Is(err, media.ErrTooMany) {
		t.Errorf("one past the limit: %v", err)
	}
	if err := v.session.Trickle([]byte(ufrag + "a=end-of-candidates\r\n")); err != nil {
		t.Errorf("end of candidates: %v", err)
	}
	_ = v.session.Close()
	if err := v.session.Trickle([]byte(ufrag + one)); !errors.Is(err, media.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := v.session.Restart([]byte("a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n")); !errors.Is(err, media.ErrClosed) {
		t.Errorf("restart after the end: %v", err)
	}
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
