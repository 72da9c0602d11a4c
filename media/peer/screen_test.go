package peer

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media"
)

// client is how somebody connects: Pion's PeerConnection on loopback, changed as a test needs it.
type client struct {
	grant    media.Grant // of a viewer; the zero Grant is a guest's
	settings func(*webrtc.SettingEngine)
	engine   *webrtc.MediaEngine // nil: Pion's, which offers retransmission streams
	mute     bool                // reports nothing and asks for nothing by itself

	// what becomes of the texts on their way
	offer, answer func([]byte) []byte
}

func newPeer(t *testing.T) *webrtc.PeerConnection { return client{}.connection(t) }

func (c client) connection(t *testing.T) *webrtc.PeerConnection {
	t.Helper()
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetSRTPReplayProtectionWindow(4 * replayWindow) // what is refused is refused by the server
	if c.settings != nil {
		c.settings(&settings)
	}
	options := []func(*webrtc.API){webrtc.WithSettingEngine(settings)}
	if c.engine != nil {
		options = append(options, webrtc.WithMediaEngine(c.engine))
	}
	if c.mute {
		options = append(options, webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
	}
	pc, err := webrtc.NewAPI(options...).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	return pc
}

// offerOf gathers first, so that the offer is complete.
func offerOf(t *testing.T, pc *webrtc.PeerConnection) []byte {
	t.Helper()
	return offerWith(t, pc, nil)
}

func offerWith(t *testing.T, pc *webrtc.PeerConnection, options *webrtc.OfferOptions) []byte {
	t.Helper()
	offer, err := pc.CreateOffer(options)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	return []byte(pc.LocalDescription().SDP)
}

func accept(t *testing.T, pc *webrtc.PeerConnection, answer []byte) {
	t.Helper()
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(answer)}); err != nil {
		t.Fatalf("answer refused: %v\n%s", err, answer)
	}
}

// received is a packet as a viewer saw it.
type received struct {
	*rtp.Packet
	at     time.Time
	repair bool   // came by the retransmission stream
	number uint16 // in that stream
}

// screen is a recording viewer.
type screen struct {
	pc      *webrtc.PeerConnection
	session *Session
	client  client
	offered []byte // as the server saw it

	mu      sync.Mutex
	packets map[webrtc.RTPCodecType][]received
	reports map[webrtc.RTPCodecType][]rtcp.SenderReport
}

func (h *house) watch() *screen {
	h.t.Helper()
	return h.watchAs(client{})
}

func (h *house) watchAs(c client) *screen {
	h.t.Helper()
	v, err := h.tryWatchAs(c, show)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func (h *house) tryWatchAs(c client, id media.StreamID) (*screen, error) {
	h.t.Helper()
	pc := c.connection(h.t)
	v := &screen{pc: pc, client: c, packets: map[webrtc.RTPCodecType][]received{}, reports: map[webrtc.RTPCodecType][]rtcp.SenderReport{}}
	pc.OnTrack(func(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
		go v.readReports(t.Kind(), r)
		v.read(t)
	})
	for _, kind := range []webrtc.RTPCodecType{video, audio} {
		if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			h.t.Fatal(err)
		}
	}
	v.offered = offerOf(h.t, pc)
	if c.offer != nil {
		v.offered = c.offer(v.offered)
	}
	g := c.grant
	if g.Subject == "" {
		g = guest
	}
	session, answer, err := h.server.Watch(context.Background(), id, g, v.offered)
	if err != nil {
		return nil, err
	}
	v.session = session
	if _, lean := session.link.(leanLink); h.way != "" && lean != (h.way == byLean) {
		h.t.Fatalf("a viewer that is to be carried by %s is not", h.way)
	}
	if c.answer != nil {
		answer = c.answer(answer)
	}
	accept(h.t, pc, answer)
	return v, nil
}

// read ends with the connection.
func (v *screen) read(t *webrtc.TrackRemote) {
	for {
		p, attributes, err := t.ReadRTP()
		if err != nil {
			return
		}
		got := received{Packet: p, at: time.Now()}
		got.number, got.repair = attributes.Get(webrtc.AttributeRtxSequenceNumber).(uint16)
		v.mu.Lock()
		v.packets[t.Kind()] = append(v.packets[t.Kind()], got)
		v.mu.Unlock()
	}
}

func (v *screen) readReports(kind webrtc.RTPCodecType, r *webrtc.RTPReceiver) {
	for {
		packets, _, err := r.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			if sr, ok := p.(*rtcp.SenderReport); ok {
				v.mu.Lock()
				v.reports[kind] = append(v.reports[kind], *sr)
				v.mu.Unlock()
			}
		}
	}
}

// got is what came so far, in the order of arrival.
func (v *screen) got(kind webrtc.RTPCodecType) []received {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.packets[kind])
}

func (v *screen) reported(kind webrtc.RTPCodecType) []rtcp.SenderReport {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.reports[kind])
}

func (v *screen) waitFor(t *testing.T, kind webrtc.RTPCodecType, n int) []received {
	t.Helper()
	eventually(t, patience, "packets of "+kind.String(), func() bool { return len(v.got(kind)) >= n })
	return v.got(kind)
}

// goesOn waits for n packets of video more than there are.
func (v *screen) goesOn(t *testing.T, n int) {
	t.Helper()
	v.waitFor(t, video, len(v.got(video))+n)
}

// closes waits for the client to notice that the server has said goodbye: without that a player would freeze until its
// own patience ends, which is no sooner than after five seconds.
func (v *screen) closes(t *testing.T) {
	t.Helper()
	eventually(t, 3*time.Second, "the goodbye", func() bool { return v.pc.ConnectionState() == webrtc.PeerConnectionStateClosed })
}

// unbroken fails when a viewer could see a cut, a gap or time going back.
func unbroken(t *testing.T, packets []received) {
	t.Helper()
	for i, p := range packets[1:] {
		before := packets[i]
		if p.SequenceNumber != before.SequenceNumber+1 || p.SSRC != packets[0].SSRC {
			t.Fatalf("packet %d is %d of %x after %d of %x", i+1, p.SequenceNumber, p.SSRC, before.SequenceNumber, before.SSRC)
		}
		if d := int32(p.Timestamp - before.Timestamp); d < 0 || d > 5*90_000 {
			t.Fatalf("packet %d: time jumped by %d", i+1, d)
		}
	}
}

// beginsKeyframe knows VP8 and H264 as this server sends them.
func beginsKeyframe(t *testing.T, mime string, p received) bool {
	t.Helper()
	if mime == webrtc.MimeTypeH264 {
		return p.Payload[0]&0x1f == 24 // the parameter sets before the picture, in one packet
	}
	var head codecs.VP8Packet
	picture, err := head.Unmarshal(p.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return head.S == 1 && picture[0]&1 == 0
}
