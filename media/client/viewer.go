package client

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// pliInterval bounds how often a stuck viewer asks for a keyframe: as often as browsers do.
const pliInterval = 200 * time.Millisecond

// ViewerConfig says what to watch and from where.
type ViewerConfig struct {
	URL     string   // the WHEP endpoint of the stream
	Token   string   // Bearer token; "" sends none
	Codecs  []string // what it can play; nil: H264, VP8 and Opus
	Network Network
	HTTP    *http.Client        // nil: one of its own, from Network.Addr
	Offer   func(string) string // changes the offer before it is sent; nil leaves it
	// Patience is how long a server that answers "later" (Retry-After) is asked again. Zero: once.
	Patience time.Duration
	// OnPacket sees each packet as it arrives, before it is put in order.
	OnPacket func(video bool, mime string, packet *rtp.Packet)
	// OnFrame sees each frame that a player could show, and each audio packet.
	OnFrame func(Frame)
	Log     *slog.Logger
}

// Frame is one complete frame, decodable because all before it were.
type Frame struct {
	Video     bool
	Keyframe  bool
	MIME      string
	Timestamp uint32 // RTP time
	At        time.Time
	Data      []byte
}

// ViewerStats counts what a Viewer has received.
type ViewerStats struct {
	Video, Audio TrackStats
	// FirstFrame is the time from the request to the first decodable frame; zero before it.
	FirstFrame time.Duration
}

// Viewer is one WHEP session. Its methods may be called from anywhere.
type Viewer struct {
	*session
	config ViewerConfig

	mu           sync.Mutex
	video, audio *assembler // guarded by mu
	changed      chan struct{}
	lastPLI      time.Time
}

// Watch asks a WHEP endpoint for a stream. A refusal is a *StatusError.
func Watch(ctx context.Context, c ViewerConfig) (*Viewer, error) {
	v := &Viewer{config: c, video: newAssembler(true), audio: newAssembler(false), changed: make(chan struct{})}
	codecs := c.Codecs
	if codecs == nil {
		codecs = []string{H264, VP8, Opus}
	}
	_, err := open(ctx, sessionConfig{url: c.URL, token: c.Token, http: c.HTTP, patience: c.Patience, network: c.Network,
		codecs: codecs, log: c.Log, offer: c.Offer}, func(s *session) error {
		v.session = s
		s.pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
			s.spawn(func() { v.readTrack(track) })
			s.spawn(func() { drain(receiver) })
		})
		return v.addTransceivers(codecs)
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (v *Viewer) addTransceivers(codecs []string) error {
	wanted := map[webrtc.RTPCodecType]bool{}
	for _, mime := range codecs {
		wanted[kindOf(mime)] = true
	}
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		if !wanted[kind] {
			continue
		}
		init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
		if _, err := v.pc.AddTransceiverFromKind(kind, init); err != nil {
			return fmt.Errorf("client: %s: %w", kind, err)
		}
	}
	return nil
}

func kindOf(mime string) webrtc.RTPCodecType {
	if mime == Opus {
		return webrtc.RTPCodecTypeAudio
	}
	return webrtc.RTPCodecTypeVideo
}

// drain reads RTCP so that pion's receiver reports see the sender's.
func drain(receiver *webrtc.RTPReceiver) {
	for {
		if _, _, err := receiver.ReadRTCP(); err != nil {
			return
		}
	}
}

func (v *Viewer) readTrack(track *webrtc.TrackRemote) {
	video := track.Kind() == webrtc.RTPCodecTypeVideo
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return // the end of the session says why
		}
		mime := track.Codec().MimeType // may change when another creator takes over
		if v.config.OnPacket != nil {
			v.config.OnPacket(video, mime, packet)
		}
		v.received(track, video, mime, packet)
	}
}

func (v *Viewer) received(track *webrtc.TrackRemote, video bool, mime string, packet *rtp.Packet) {
	now := time.Now()
	v.mu.Lock()
	a := v.audio
	if video {
		a = v.video
	}
	frames := a.push(mime, packet, now)
	stuck := a.waitsForKeyframe() && now.Sub(v.lastPLI) >= pliInterval
	if stuck {
		v.lastPLI = now
	}
	if len(frames) > 0 {
		close(v.changed)
		v.changed = make(chan struct{})
	}
	v.mu.Unlock()
	if stuck {
		_ = v.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}})
	}
	if v.config.OnFrame != nil {
		for _, frame := range frames {
			v.config.OnFrame(frame)
		}
	}
}

// Stats may be read at any time. Gaps include the one that is running.
func (v *Viewer) Stats() ViewerStats {
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	stats := ViewerStats{Video: v.video.snapshot(now), Audio: v.audio.snapshot(now)}
	if !stats.Video.First.IsZero() {
		stats.FirstFrame = stats.Video.First.Sub(v.opened)
	}
	return stats
}

// Await blocks until the counts satisfy a condition. It fails when ctx or the
// session ends first.
func (v *Viewer) Await(ctx context.Context, condition func(ViewerStats) bool) error {
	for {
		v.mu.Lock()
		changed := v.changed
		v.mu.Unlock()
		if condition(v.Stats()) {
			return nil
		}
		select {
		case <-changed:
		case <-v.done:
			return fmt.Errorf("client: the session ended first: %w", v.reason())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (v *Viewer) reason() error {
	if err := v.Err(); err != nil {
		return err
	}
	return errClosed
}
