package peer

import (
	"context"
	"errors"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media"
)

func TestMediaReachesViewers(t *testing.T) {
	for _, mime := range []string{webrtc.MimeTypeVP8, webrtc.MimeTypeH264} {
		t.Run(mime, func(t *testing.T) {
			onEachWay(t, func(t *testing.T, w way) {
				h := newHouse(t, setup{way: w})
				h.publish(creator, mime)
				h.onAir(true)
				for range 2 {
					seesTheShow(t, h, mime)
				}
			})
		})
	}
}

func seesTheShow(t *testing.T, h *house, mime string) {
	t.Helper()
	v := h.watch()
	v.waitFor(t, audio, 50)
	packets := v.waitFor(t, video, 150)
	if !beginsKeyframe(t, mime, packets[0]) {
		t.Errorf("the first packet does not begin a keyframe: % x", packets[0].Payload[:8])
	}
	unbroken(t, packets)
	unbroken(t, v.got(audio))
	eventually(t, patience, "sender reports for both tracks", func() bool {
		return len(v.reported(video)) > 0 && len(v.reported(audio)) > 0
	})
	for _, kind := range []webrtc.RTPCodecType{video, audio} {
		last, seen := v.reported(kind)[0], v.got(kind)
		if last.SSRC != seen[0].SSRC || last.PacketCount == 0 || last.OctetCount == 0 {
			t.Errorf("the report on %s of %x is %+v", kind, seen[0].SSRC, last)
		}
	}
}

func TestTakeoverWithAnotherCodecKeepsTheViewer(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		h := newHouse(t, setup{way: w})
		first := h.publish(creator, webrtc.MimeTypeVP8)
		h.onAir(true)
		v := h.watch()
		old := v.waitFor(t, video, 60)[0].PayloadType
		h.publish(creator, webrtc.MimeTypeH264)
		ends(t, first.session, 10*time.Second, "the first publisher")
		eventually(t, patience, "packets of the other codec", func() bool {
			all := v.got(video)
			return all[len(all)-1].PayloadType != old
		})
		v.goesOn(t, 60)
		unbroken(t, v.got(video))
	})
}

func TestRevokeEndsBothWithinASecond(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		h := newHouse(t, setup{way: w})
		c := h.publish(creator, webrtc.MimeTypeVP8)
		h.onAir(true)
		v := h.watch()
		v.waitFor(t, video, 10)
		if n := h.relay.Revoke(media.Match{Subject: guest.Subject}); n != 1 {
			t.Fatalf("revoked %d viewers", n)
		}
		ends(t, v.session, time.Second, "the viewer")
		v.closes(t)
		if n := h.relay.Revoke(media.Match{Subject: creator.Subject}); n != 1 {
			t.Fatalf("revoked %d publishers", n)
		}
		ends(t, c.session, time.Second, "the publisher")
	})
}

// Nothing more is sent once a session is over, whatever the client says about it.
func TestClosedTwiceIsClosedOnce(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		h := onShow(t, setup{way: w, relay: media.Config{MaxViewersPerStream: 1}})
		v := h.watch()
		v.waitFor(t, video, 10)
		for range 2 {
			if err := v.session.Close(); err != nil {
				t.Fatal(err)
			}
			ends(t, v.session, time.Second, "the viewer")
		}
		v.closes(t)
		// Its place was given back, and once: the next one has it, and the one after finds none.
		h.watch().waitFor(t, video, 10)
		if _, err := h.tryWatchAs(client{}, show); !errors.Is(err, media.ErrTooMany) {
			t.Errorf("one too many: %v", err)
		}
	})
}

func TestClientSaysGoodbye(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		h := onShow(t, setup{way: w})
		v := h.watch()
		v.waitFor(t, video, 10)
		if err := v.pc.Close(); err != nil {
			t.Fatal(err)
		}
		ends(t, v.session, patience, "the viewer")
	})
}

func TestServerStopsAndViewersNotice(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		h := onShow(t, setup{way: w})
		viewers := []*screen{h.watch(), h.watch()}
		for _, v := range viewers {
			v.waitFor(t, video, 10)
		}
		h.stop()
		for i, v := range viewers {
			if !v.session.ended() { // the server waits for its sessions
				t.Errorf("viewer %d goes on", i)
			}
			v.closes(t)
		}
	})
}

func TestRefusals(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		h := newHouse(t, setup{way: w})
		if _, err := h.tryWatchAs(client{}, show); !errors.Is(err, media.ErrNotLive) {
			t.Errorf("watch before the first packet: %v", err)
		}
		h.publish(creator, webrtc.MimeTypeVP8)
		h.onAir(true)
		if _, err := h.tryWatchAs(client{}, "shw_other"); !errors.Is(err, media.ErrNotLive) {
			t.Errorf("watch another show: %v", err)
		}
		if _, err := h.tryWatchAs(client{grant: media.Grant{Subject: "gst_2", Rights: media.RightPublish}}, show); !errors.Is(err, media.ErrForbidden) {
			t.Errorf("watch without the right: %v", err)
		}
		other := media.Grant{Subject: "acc_other", Rights: media.RightPublish}
		pc := newPeer(t)
		if _, err := pc.AddTransceiverFromKind(video, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.server.Publish(context.Background(), show, other, offerOf(t, pc)); !errors.Is(err, media.ErrPublisherPresent) {
			t.Errorf("second publisher: %v", err)
		}
	})
}

func TestChurnReturnsGoroutines(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		h := onShow(t, setup{way: w})
		round := func() {
			v := h.watch()
			v.waitFor(t, video, 3)
			_ = v.session.Close()
			_ = v.pc.Close()
		}
		round() // what is made once for all stays
		before := runtime.NumGoroutine()
		for range 50 {
			round()
		}
		eventually(t, patience, "goroutines back", func() bool { return runtime.NumGoroutine() <= before+2 })
	})
}

// onIPv6 has a client use ::1, which Pion does not find by itself.
func onIPv6(t *testing.T) func(*webrtc.SettingEngine) {
	t.Helper()
	conn, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		t.Fatal(err)
	}
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn})
	t.Cleanup(func() { _ = mux.Close() })
	return func(e *webrtc.SettingEngine) {
		e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP6})
		e.SetICEUDPMux(mux)
	}
}

func TestIPv6(t *testing.T) {
	for _, listen := range []string{"[::1]:0", "[::]:0"} {
		t.Run(listen, func(t *testing.T) {
			onEachWay(t, func(t *testing.T, w way) {
				h := newHouse(t, setup{way: w, listen: listen})
				h.publishAs(client{grant: creator, settings: onIPv6(t)}, webrtc.MimeTypeVP8)
				h.onAir(true)
				viewers := []*screen{h.watchAs(client{settings: onIPv6(t)})}
				if listen == "[::]:0" { // IPv4 comes to the same socket
					viewers = append(viewers, h.watch())
				}
				for _, v := range viewers {
					v.waitFor(t, audio, 10)
					v.waitFor(t, video, 60)
				}
			})
		})
	}
}

func TestTakenPortSaysSo(t *testing.T) {
	h := newHouse(t, setup{})
	_, err := New(Config{Relay: h.relay, Listen: h.server.Addr().String()})
	if err == nil {
		t.Fatal("a taken port was accepted")
	}
	t.Log(err)
}
