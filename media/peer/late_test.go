package peer

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// numbered is a publisher that sends packets in the order of the test.
type numbered struct {
	t     *testing.T
	track *webrtc.TrackLocalStaticRTP
}

func (h *house) publishNumbered() *numbered {
	h.t.Helper()
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "cam")
	if err != nil {
		h.t.Fatal(err)
	}
	pc := newPeer(h.t)
	if _, err := pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}); err != nil {
		h.t.Fatal(err)
	}
	_, answer, err := h.server.Publish(context.Background(), show, creator, offerOf(h.t, pc))
	if err != nil {
		h.t.Fatal(err)
	}
	accept(h.t, pc, answer)
	eventually(h.t, patience, "publisher connected", func() bool {
		return pc.ConnectionState() == webrtc.PeerConnectionStateConnected
	})
	return &numbered{t: h.t, track: track}
}

// send sends the packet of a number: a frame of its own, the first one a keyframe.
func (p *numbered) send(n uint16) {
	p.t.Helper()
	payload := []byte{0x10, 1, 0, 0, 0xab}
	if n == 0 {
		payload[1] = 0
	}
	binary.BigEndian.PutUint16(payload[2:], n)
	h := rtp.Header{Version: 2, Marker: true, SequenceNumber: 60_000 + n, Timestamp: uint32(n) * 90}
	if err := p.track.WriteRTP(&rtp.Packet{Header: h, Payload: payload}); err != nil {
		p.t.Fatal(err)
	}
}

// seen says which numbers reached a viewer.
func (v *screen) seen() map[uint16]bool {
	seen := map[uint16]bool{}
	for _, p := range v.got(video) {
		seen[binary.BigEndian.Uint16(p.Payload[2:])] = true
	}
	return seen
}

// A repair comes after everything that was sent during a round trip.
func TestLateRepairIsNotTakenForAReplay(t *testing.T) {
	onEachWay(t, testLateRepair)
}

func testLateRepair(t *testing.T, w way) {
	h := newHouse(t, setup{way: w})
	p := h.publishNumbered()
	p.send(0)
	h.onAir(true)
	v := h.watch()
	arrives := func(n uint16) {
		t.Helper()
		eventually(t, patience, "packet", func() bool { return v.seen()[n] })
	}
	arrives(0)
	// A joiner is brought to the live edge first, and what comes late is sent
	// on only when it belongs to the time after that.
	const settled = 20
	for n := uint16(1); n <= settled; n++ {
		p.send(n)
		arrives(n)
	}
	const atLimit, beyond = settled + 1, settled + 2 // sent late
	next := uint16(beyond + 1)
	sendTo := func(last uint16) {
		for ; next <= last; next++ {
			p.send(next)
			if next%50 == 0 { // no more than a small socket buffer holds
				arrives(next)
			}
		}
		arrives(last)
	}
	sendTo(atLimit + replayWindow - 1)
	// A datagram may be lost even here, and nobody would ask for this one: it is
	// sent until one of it has come.
	eventually(t, patience, "the late packet", func() bool {
		p.send(atLimit)
		return v.seen()[atLimit]
	})
	sendTo(beyond + replayWindow)
	p.send(beyond)
	sendTo(next)
	if v.seen()[beyond] {
		t.Errorf("a packet from %d packets ago was accepted", replayWindow)
	}
}
