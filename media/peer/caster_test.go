package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
	wmedia "github.com/pion/webrtc/v4/pkg/media"

	"github.com/rialto-live/rialto/media"
)

// caster is a scripted publisher: numbered frames of one codec, and sound.
type caster struct {
	pc      *webrtc.PeerConnection
	session *Session
	key     chan struct{} // a keyframe was asked for
	stop    context.CancelFunc
	done    sync.WaitGroup

	mu    sync.Mutex
	asked int // keyframe requests so far
}

// requests says how many keyframes were asked for so far.
func (c *caster) requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

func (h *house) publish(g media.Grant, mime string) *caster {
	h.t.Helper()
	return h.publishAs(client{grant: g}, mime)
}

func (h *house) publishAs(as client, mime string) *caster {
	h.t.Helper()
	pc := as.connection(h.t)
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
	session, answer, err := h.server.Publish(context.Background(), show, as.grant, offerOf(h.t, pc))
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
				c.mu.Lock()
				c.asked++
				c.mu.Unlock()
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
