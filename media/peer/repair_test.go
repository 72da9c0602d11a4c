package peer

import (
	"bytes"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// forgiving takes the same packet twice: what a resend looks like is seen only so.
func forgiving(e *webrtc.SettingEngine) { e.DisableSRTPReplayProtection(true) }

// bare offers what Pion does, but for retransmission streams.
func bare(t *testing.T) *webrtc.MediaEngine {
	t.Helper()
	engine, err := newMediaEngine(false)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func (v *screen) ask(t *testing.T, packets ...rtcp.Packet) {
	t.Helper()
	if err := v.pc.WriteRTCP(packets); err != nil {
		t.Fatal(err)
	}
}

// again waits until each of the packets has come a second time, and returns the second ones.
func (v *screen) again(t *testing.T, of []received) []received {
	t.Helper()
	var second []received
	eventually(t, patience, "packets sent again", func() bool {
		second = second[:0]
		all := v.got(video)
		for _, want := range of {
			times := 0
			for _, p := range all {
				if p.SequenceNumber != want.SequenceNumber {
					continue
				}
				if times++; times == 2 {
					second = append(second, p)
				}
			}
		}
		return len(second) == len(of)
	})
	return second
}

func TestLostPacketsAreSentAgain(t *testing.T) {
	for name, engine := range map[string]func(*testing.T) *webrtc.MediaEngine{
		"with a retransmission stream": func(*testing.T) *webrtc.MediaEngine { return nil },
		"without":                      bare,
	} {
		t.Run(name, func(t *testing.T) {
			onEachWay(t, func(t *testing.T, w way) {
				h := onShow(t, setup{way: w})
				v := h.watchAs(client{mute: true, settings: forgiving, engine: engine(t)})
				seen := v.waitFor(t, video, 120)
				lost := []received{seen[60], seen[61], seen[70]}
				nack := &rtcp.TransportLayerNack{MediaSSRC: seen[0].SSRC, Nacks: []rtcp.NackPair{
					{PacketID: lost[0].SequenceNumber, LostPackets: 1<<0 | 1<<9},
					{PacketID: seen[0].SequenceNumber - 5}, // was never sent
				}}
				v.ask(t, nack)
				second := v.again(t, lost)
				for i, p := range second {
					first := lost[i]
					if p.Timestamp != first.Timestamp || p.Marker != first.Marker || p.PayloadType != first.PayloadType ||
						p.SSRC != first.SSRC || !bytes.Equal(p.Payload, first.Payload) {
						t.Errorf("%v came again as %v", first.Header, p.Header)
					}
					if want := h.repairs(engine(t) == nil); p.repair != want {
						t.Errorf("came by the retransmission stream: %t", p.repair)
					}
					if p.repair && p.number != second[0].number+uint16(i) {
						t.Errorf("repair %d has the number %d after %d", i, p.number, second[0].number)
					}
				}
				// A second time is as good as the first, and the show goes on meanwhile.
				v.ask(t, nack)
				v.goesOn(t, 60)
			})
		})
	}
}

// repairs says whether a client that offers a retransmission stream gets one.
func (h *house) repairs(offered bool) bool { return offered && h.way != byPion }

// Viewers that lose the picture, and those that only say so, cost the publisher a keyframe each second at most.
func TestKeyframesAreAskedForOnceASecond(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		h := newHouse(t, setup{way: w})
		c := h.publish(creator, webrtc.MimeTypeVP8)
		h.onAir(true)
		v := h.watchAs(client{mute: true})
		ssrc := v.waitFor(t, video, 350)[0].SSRC // two seconds: the first picture is no longer in question
		before, began := c.requests(), time.Now()
		var took time.Duration
		for took < 3500*time.Millisecond {
			v.ask(t, &rtcp.PictureLossIndication{MediaSSRC: ssrc})
			v.goesOn(t, 6)
			took = time.Since(began)
		}
		asked := c.requests() - before
		if limit := int(took/time.Second) + 2; asked == 0 || asked > limit { // one on its way at either end
			t.Errorf("%d keyframes asked for in %v", asked, took)
		}
		keys := 0
		for _, p := range v.got(video) {
			if beginsKeyframe(t, webrtc.MimeTypeVP8, p) {
				keys++
			}
		}
		if keys < 2 {
			t.Errorf("%d keyframes were seen after %d requests", keys, asked)
		}
	})
}

func TestClientWithoutGCM(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		h := onShow(t, setup{way: w})
		v := h.watchAs(client{mute: true, settings: func(e *webrtc.SettingEngine) {
			forgiving(e)
			e.SetSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80)
		}})
		v.waitFor(t, audio, 20)
		seen := v.waitFor(t, video, 60)
		unbroken(t, seen)
		// Its reports are read, too.
		v.ask(t, &rtcp.TransportLayerNack{MediaSSRC: seen[0].SSRC, Nacks: []rtcp.NackPair{{PacketID: seen[30].SequenceNumber}}})
		v.again(t, seen[30:31])
	})
}
