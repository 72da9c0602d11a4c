package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	wmedia "github.com/pion/webrtc/v4/pkg/media"

	"github.com/rialto-live/rialto/media"
)

const show = media.StreamID("shw_1")

var (
	creator = media.Grant{Subject: "acc_mara", Rights: media.RightPublish}
	guest   = media.Grant{Subject: "gst_1", Rights: media.RightWatch}
)

// house is a relay and a server that run until the test ends.
type house struct {
	t      *testing.T
	relay  *media.Relay
	server *Server
	air    chan bool
}

func newHouse(t *testing.T, cfg media.Config) *house {
	t.Helper()
	h := &house{t: t, air: make(chan bool, 16)}
	cfg.OnAir = func(_ media.StreamID, on bool) { h.air <- on }
	relay, err := media.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	server, err := New(Config{Relay: relay, Conn: conn, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h.relay, h.server = relay, server
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := relay.Run(ctx); err != nil {
			t.Errorf("relay: %v", err)
		}
	})
	wg.Go(func() {
		if err := server.Run(ctx); err != nil {
			t.Errorf("server: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
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

func (h *house) onAir(want bool) {
	h.t.Helper()
	eventually(h.t, 10*time.Second, "on air", func() bool { return h.relay.OnAir(show) == want })
}

// caster is a scripted publisher: numbered frames of one codec, and sound.
type caster struct {
	pc      *webrtc.PeerConnection
	session *Session
	key     chan struct{} // a keyframe was asked for
	stop    context.CancelFunc
	done    sync.WaitGroup
}

func newPeer(t *testing.T) *webrtc.PeerConnection {
	t.Helper()
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetSRTPReplayProtectionWindow(4 * replayWindow) // what is refused is refused by the server
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	return pc
}

// offerOf gathers first, so that the offer is complete.
func offerOf(t *testing.T, pc *webrtc.PeerConnection) []byte {
	t.Helper()
	offer, err := pc.CreateOffer(nil)
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

func (h *house) publish(g media.Grant, mime string) *caster {
	h.t.Helper()
	pc := newPeer(h.t)
	video, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: mime,
		SDPFmtpLine: map[string]string{webrtc.MimeTypeH264: h264.SDPFmtpLine}[mime]}, "v", "cam")
	if err != nil {
		h.t.Fatal(err)
	}
	audio, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "a", "cam")
	if err != nil {
		h.t.Fatal(err)
	}
	c := &caster{pc: pc, key: make(chan struct{}, 64)}
	for _, track := range []webrtc.TrackLocal{video, audio} {
		tr, err := pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		if err != nil {
			h.t.Fatal(err)
		}
		c.done.Go(func() { c.listen(tr.Sender()) })
	}
	session, answer, err := h.server.Publish(context.Background(), show, g, offerOf(h.t, pc))
	if err != nil {
		h.t.Fatal(err)
	}
	c.session = session
	accept(h.t, pc, answer)
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.done.Go(func() { c.cast(ctx, video, audio, mime) })
	h.t.Cleanup(c.close)
	return c
}

func (c *caster) close() {
	c.stop()
	_ = c.pc.Close()
	c.done.Wait()
}

func (c *caster) listen(s *webrtc.RTPSender) {
	for {
		packets, _, err := s.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			if _, ok := p.(*rtcp.PictureLossIndication); ok {
				select {
				case c.key <- struct{}{}:
				default:
				}
			}
		}
	}
}

const framePeriod = 20 * time.Millisecond

// cast sends a keyframe first, then whenever one is asked for, and otherwise only deltas, as a browser does.
func (c *caster) cast(ctx context.Context, video, audio *webrtc.TrackLocalStaticSample, mime string) {
	tick := time.NewTicker(framePeriod)
	defer tick.Stop()
	for n := uint32(0); ; n++ {
		key := n == 0
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case <-c.key:
			key = true
		default:
		}
		if c.pc.ConnectionState() != webrtc.PeerConnectionStateConnected {
			n-- // the first frame is a keyframe and must not be lost
			continue
		}
		_ = video.WriteSample(wmedia.Sample{Data: frame(mime, n, key), Duration: framePeriod})
		_ = audio.WriteSample(wmedia.Sample{Data: []byte{0xfc, byte(n)}, Duration: framePeriod})
	}
}

// frame is 3,000 bytes that carry their number, so three packets.
func frame(mime string, n uint32, key bool) []byte {
	body := bytes.Repeat([]byte{0xab}, 3000)
	binary.BigEndian.PutUint32(body[1:], n)
	if mime == webrtc.MimeTypeVP8 {
		body[0] = 1
		if key {
			body[0] = 0
		}
		return body
	}
	start := []byte{0, 0, 0, 1}
	body[0] = 0x41
	if !key {
		return append(start, body...)
	}
	body[0] = 0x65
	sps, pps := []byte{0x67, 0x42, 0xe0, 0x1f, 1}, []byte{0x68, 1, 2}
	return bytes.Join([][]byte{nil, sps, pps, body}, start)
}

// screen is a recording viewer.
type screen struct {
	pc      *webrtc.PeerConnection
	session *Session

	mu      sync.Mutex
	packets map[webrtc.RTPCodecType][]*rtp.Packet
	reports int
}

func (h *house) watch() *screen {
	h.t.Helper()
	v, err := h.tryWatch(newPeer(h.t), show)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func (h *house) tryWatch(pc *webrtc.PeerConnection, id media.StreamID) (*screen, error) {
	h.t.Helper()
	v := &screen{pc: pc, packets: map[webrtc.RTPCodecType][]*rtp.Packet{}}
	pc.OnTrack(func(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
		go v.countReports(r)
		for {
			p, _, err := t.ReadRTP()
			if err != nil {
				return
			}
			v.mu.Lock()
			v.packets[t.Kind()] = append(v.packets[t.Kind()], p)
			v.mu.Unlock()
		}
	})
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			h.t.Fatal(err)
		}
	}
	session, answer, err := h.server.Watch(context.Background(), id, guest, offerOf(h.t, pc))
	if err != nil {
		return nil, err
	}
	v.session = session
	accept(h.t, pc, answer)
	return v, nil
}

func (v *screen) countReports(r *webrtc.RTPReceiver) {
	for {
		packets, _, err := r.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			if _, ok := p.(*rtcp.SenderReport); ok {
				v.mu.Lock()
				v.reports++
				v.mu.Unlock()
			}
		}
	}
}

func (v *screen) got(kind webrtc.RTPCodecType) []*rtp.Packet {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]*rtp.Packet(nil), v.packets[kind]...)
}

func (v *screen) waitFor(t *testing.T, kind webrtc.RTPCodecType, n int) []*rtp.Packet {
	t.Helper()
	eventually(t, 15*time.Second, "packets of "+kind.String(), func() bool { return len(v.got(kind)) >= n })
	return v.got(kind)
}
