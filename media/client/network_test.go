package client

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	wmedia "github.com/pion/webrtc/v4/pkg/media"
)

// A client whose network lets no UDP through neither offers it nor uses it, though the server would.
func TestTCPAlone(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := webrtc.NewICETCPMux(nil, l, 16)
	defer mux.Close()
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICETCPMux(mux)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeTCP4})
	server, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.GracefulClose()
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: VP8, ClockRate: 90000}, "video", "show")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.AddTrack(track); err != nil {
		t.Fatal(err)
	}
	var offer string
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		offer = string(body)
		answer, err := answerAll(server, offer)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Location", "/session")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, answer)
	}))
	defer door.Close()
	v, err := Watch(t.Context(), ViewerConfig{URL: door.URL, Codecs: []string{VP8}, Network: Network{Addr: netip.MustParseAddr("127.0.0.1"), TCP: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if strings.Contains(offer, " udp ") {
		t.Errorf("it offers UDP:\n%s", offer)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for ticker := time.NewTicker(20 * time.Millisecond); ctx.Err() == nil; <-ticker.C {
			_ = track.WriteSample(wmedia.Sample{Data: []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0}, Duration: 20 * time.Millisecond}) // nobody may be there yet
		}
	}()
	if err := v.Await(ctx, func(s ViewerStats) bool { return s.Video.Packets > 10 }); err != nil {
		t.Error(err)
	}
	cancel()
	<-sent
	pair, err := v.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil || pair.Remote.Protocol != webrtc.ICEProtocolTCP {
		t.Errorf("it watches through %v, %v", pair, err)
	}
}

func answerAll(pc *webrtc.PeerConnection, offer string) (string, error) {
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		return "", err
	}
	<-gathered
	return pc.LocalDescription().SDP, nil
}
