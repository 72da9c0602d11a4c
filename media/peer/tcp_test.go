package peer

import (
	"strings"
	"testing"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// noUDP is a client whose network lets no UDP through.
func noUDP(e *webrtc.SettingEngine) {
	forgiving(e)
	e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	e.DisableActiveTCP(false)
}

func (v *screen) protocol(t *testing.T) webrtc.ICEProtocol {
	t.Helper()
	pair, err := v.pc.GetReceivers()[0].Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil {
		t.Fatalf("no pair: %v", err)
	}
	return pair.Remote.Protocol
}

// Who can only do TCP gets all that others get: picture, sound, reports, and what it asks for again.
func TestViewersOverTCP(t *testing.T) {
	h := onShow(t, setup{way: byLean})
	near := h.watch()
	v := h.watchAs(client{mute: true, settings: noUDP})
	if strings.Contains(string(v.offered), " udp ") {
		t.Fatalf("it offers UDP:\n%s", v.offered)
	}
	v.waitFor(t, audio, 60)
	seen := v.waitFor(t, video, 120)
	unbroken(t, seen)
	if p := v.protocol(t); p != webrtc.ICEProtocolTCP {
		t.Errorf("it watches over %v", p)
	}
	if p := near.protocol(t); p != webrtc.ICEProtocolUDP {
		t.Errorf("who could do both watches over %v", p)
	}
	for _, kind := range []webrtc.RTPCodecType{video, audio} {
		eventually(t, patience, "reports of "+kind.String(), func() bool { return len(v.reported(kind)) > 0 })
	}
	v.ask(t, &rtcp.TransportLayerNack{MediaSSRC: seen[0].SSRC, Nacks: []rtcp.NackPair{{PacketID: seen[60].SequenceNumber}}})
	if again := v.again(t, seen[60:61]); again[0].Timestamp != seen[60].Timestamp {
		t.Errorf("%v came again as %v", seen[60].Header, again[0].Header)
	}
	if err := v.session.Close(); err != nil {
		t.Fatal(err)
	}
	v.closes(t)
	near.goesOn(t, 30)
}

func TestManyViewersOverTCP(t *testing.T) {
	h := onShow(t, setup{way: byLean})
	var all []*screen
	for range 12 {
		all = append(all, h.watchAs(client{settings: noUDP}))
	}
	for _, v := range all {
		unbroken(t, v.waitFor(t, video, 60))
	}
	for i, v := range all {
		if i%2 == 0 {
			_ = v.pc.Close()
		}
	}
	for i, v := range all {
		if i%2 == 1 {
			v.goesOn(t, 60)
		}
	}
}
