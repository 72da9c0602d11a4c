package peer

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media"
)

const (
	video = webrtc.RTPCodecTypeVideo
	audio = webrtc.RTPCodecTypeAudio
)

func TestMediaReachesViewers(t *testing.T) {
	for _, mime := range []string{webrtc.MimeTypeVP8, webrtc.MimeTypeH264} {
		t.Run(mime, func(t *testing.T) {
			h := newHouse(t, media.Config{})
			h.publish(creator, mime)
			h.onAir(true)
			for range 2 {
				v := h.watch()
				packets := v.waitFor(t, video, 150)
				v.waitFor(t, audio, 50)
				first := packets[0]
				if mime == webrtc.MimeTypeVP8 && first.Payload[0]&0x10 == 0 {
					t.Error("the first packet does not begin a frame")
				}
				if mime == webrtc.MimeTypeH264 && first.Payload[0]&0x1f != 24 {
					t.Error("the first packet is not the parameter sets before the keyframe")
				}
				for i, p := range packets[1:] {
					if p.SequenceNumber != packets[i].SequenceNumber+1 {
						t.Fatalf("gap after packet %d: %d -> %d", i, packets[i].SequenceNumber, p.SequenceNumber)
					}
					if p.SSRC != first.SSRC || int32(p.Timestamp-packets[i].Timestamp) < 0 {
						t.Fatal("SSRC changed or time went back")
					}
				}
				eventually(t, 10*time.Second, "sender reports for both tracks", func() bool {
					v.mu.Lock()
					defer v.mu.Unlock()
					return v.reports >= 2
				})
			}
		})
	}
}

func TestTakeoverWithAnotherCodecKeepsTheViewer(t *testing.T) {
	h := newHouse(t, media.Config{})
	first := h.publish(creator, webrtc.MimeTypeVP8)
	h.onAir(true)
	v := h.watch()
	before := v.waitFor(t, video, 60)
	h.publish(creator, webrtc.MimeTypeH264)
	select {
	case <-first.session.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the first publisher was not ended")
	}
	old := before[0].PayloadType
	eventually(t, 10*time.Second, "packets of the other codec", func() bool {
		all := v.got(video)
		return all[len(all)-1].PayloadType != old
	})
	all := v.waitFor(t, video, len(v.got(video))+60)
	for i, p := range all[1:] {
		if p.SequenceNumber != all[i].SequenceNumber+1 || p.SSRC != all[0].SSRC {
			t.Fatalf("cut is visible at packet %d: %d -> %d", i, all[i].SequenceNumber, p.SequenceNumber)
		}
		if d := int32(p.Timestamp - all[i].Timestamp); d < 0 || d > 5*90_000 {
			t.Fatalf("time jumped by %d", d)
		}
	}
}

func TestRevokeEndsBothWithinASecond(t *testing.T) {
	h := newHouse(t, media.Config{})
	c := h.publish(creator, webrtc.MimeTypeVP8)
	h.onAir(true)
	v := h.watch()
	v.waitFor(t, video, 10)
	if n := h.relay.Revoke(media.Match{Subject: guest.Subject}); n != 1 {
		t.Fatalf("revoked %d viewers", n)
	}
	if n := h.relay.Revoke(media.Match{Subject: creator.Subject}); n != 1 {
		t.Fatalf("revoked %d publishers", n)
	}
	for name, s := range map[string]*Session{"viewer": v.session, "publisher": c.session} {
		select {
		case <-s.Done():
		case <-time.After(time.Second):
			t.Errorf("%s not ended", name)
		}
	}
	eventually(t, 5*time.Second, "viewer's connection closed", func() bool {
		return v.pc.ConnectionState() == webrtc.PeerConnectionStateClosed || v.pc.ConnectionState() == webrtc.PeerConnectionStateDisconnected ||
			v.pc.ConnectionState() == webrtc.PeerConnectionStateFailed
	})
}

func TestRefusals(t *testing.T) {
	h := newHouse(t, media.Config{})
	if _, err := h.tryWatch(newPeer(t), show); !errors.Is(err, media.ErrNotLive) {
		t.Errorf("watch before the first packet: %v", err)
	}
	h.publish(creator, webrtc.MimeTypeVP8)
	h.onAir(true)
	other := media.Grant{Subject: "acc_other", Rights: media.RightPublish}
	pc := newPeer(t)
	if _, err := pc.AddTransceiverFromKind(video, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.server.Publish(context.Background(), show, other, offerOf(t, pc)); !errors.Is(err, media.ErrPublisherPresent) {
		t.Errorf("second publisher: %v", err)
	}
}

func TestICERestartKeepsMedia(t *testing.T) {
	h := newHouse(t, media.Config{})
	h.publish(creator, webrtc.MimeTypeVP8)
	h.onAir(true)
	v := h.watch()
	v.waitFor(t, video, 30)
	if _, err := v.session.Restart([]byte("a=ice-ufrag:only\r\n")); err == nil {
		t.Error("a restart without a password was accepted")
	}
	offer, err := v.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(v.pc)
	if err := v.pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	answer, err := v.session.Restart([]byte(v.pc.LocalDescription().SDP))
	if err != nil {
		t.Fatal(err)
	}
	f, err := parseFragment(answer)
	if err != nil || f.ufrag == "" || f.pwd == "" || len(f.candidates) == 0 {
		t.Fatalf("restart answered with %q: %v", answer, err)
	}
	o, err := parseAnswer(v.pc.CurrentRemoteDescription().SDP)
	if err != nil {
		t.Fatal(err)
	}
	text, err := (&offerCopy{o}).restarted(f)
	if err != nil {
		t.Fatal(err)
	}
	accept(t, v.pc, []byte(text))
	eventually(t, 10*time.Second, "connected again", func() bool {
		return v.pc.ICEConnectionState() == webrtc.ICEConnectionStateConnected
	})
	v.waitFor(t, video, len(v.got(video))+60)
}

func TestChurnReturnsGoroutines(t *testing.T) {
	h := newHouse(t, media.Config{})
	h.publish(creator, webrtc.MimeTypeVP8)
	h.onAir(true)
	before := runtime.NumGoroutine()
	for range 5 {
		v := h.watch()
		v.waitFor(t, video, 3)
		_ = v.session.Close()
		_ = v.session.Close() // twice is once
		_ = v.pc.Close()
	}
	eventually(t, 15*time.Second, "goroutines back", func() bool { return runtime.NumGoroutine() <= before+2 })
}

func TestTakenPortSaysSo(t *testing.T) {
	h := newHouse(t, media.Config{})
	_, err := New(Config{Relay: h.relay, Listen: h.server.Addr().String()})
	if err == nil {
		t.Fatal("a taken port was accepted")
	}
	t.Log(err)
}
