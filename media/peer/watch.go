package peer

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/pion/rtcp"
	"github.com/pion/transport/v4/packetio"
	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/lean"
)

// viewer is the sending end through Pion, for offers that the lean transport declines: it hands the worker's runs to Pion
// and what the viewer reports to the worker.
type viewer struct {
	session *Session
	seat    *media.Subscriber
	place   *place
	link    *connection
	audio   *outTrack // nil when the viewer did not ask for it
	video   *outTrack
}

// Watch answers a viewer's offer, when its turn comes. Errors are those of media.Relay.Subscribe, *media.SDPError,
// *media.CodecError, and *media.BusyError when too many come at once.
func (s *Server) Watch(ctx context.Context, id media.StreamID, g media.Grant, sdp []byte) (*Session, []byte, error) {
	if !s.relay.OnAir(id) { // asked again and again by all who wait for a show: they are not to stand in line for it
		return nil, nil, fmt.Errorf("watch %s: %w", id, media.ErrNotLive)
	}
	place, err := s.door.enter(ctx)
	if err != nil {
		return nil, nil, err
	}
	session, answer, err := s.watch(ctx, id, g, sdp, place)
	if err != nil {
		place.leave()
	}
	return session, answer, err
}

func (s *Server) watch(ctx context.Context, id media.StreamID, g media.Grant, sdp []byte, place *place) (*Session, []byte, error) {
	o, err := parseOffer(sdp, receives)
	if err != nil {
		return nil, nil, err
	}
	session := s.newSession(s.log.With("stream", string(id), "role", "viewer"))
	if err := s.admit(session); err != nil {
		return nil, nil, err
	}
	seat, err := s.relay.Subscribe(id, g, o.codecs, session.end)
	if err != nil {
		session.end(nil)
		return nil, nil, err
	}
	session.hold(func() {
		seat.Close()
		place.leave()
	})
	answer, err := session.watch(ctx, seat, place, o)
	if err != nil {
		session.end(err)
		return nil, nil, err
	}
	return session, answer, nil
}

// watch takes the lean transport for every offer it can answer.
func (s *Session) watch(ctx context.Context, seat *media.Subscriber, place *place, o *offer) ([]byte, error) {
	if offer, ok := o.lean(); ok && !s.server.declines {
		return s.watchLean(seat, place, o, offer)
	}
	return (&viewer{session: s, seat: seat, place: place}).negotiate(ctx, o)
}

func (v *viewer) negotiate(ctx context.Context, o *offer) ([]byte, error) {
	api, err := v.session.server.viewerAPI(v)
	if err != nil {
		return nil, err
	}
	if v.link, err = v.session.connect(api); err != nil {
		return nil, err
	}
	for _, kind := range o.kinds {
		t := &outTrack{kind: kind}
		if kind == media.Audio {
			v.audio = t
		} else {
			v.video = t
		}
		sendonly := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
		if _, err := v.link.pc.AddTransceiverFromTrack(t, sendonly); err != nil {
			return nil, fmt.Errorf("add %s: %w", kind, err)
		}
	}
	v.link.watch(func() {
		v.place.leave()
		v.seat.Start(v, media.Binding{CNAME: lean.CNAME, Audio: v.audio.line(), Video: v.video.line()})
	})
	return v.link.begin(ctx, o)
}

// Send hands a run over. Pion's way to the socket does not say when it is full: the kernel then drops.
func (v *viewer) Send(_ int, run []media.Outgoing) int {
	for i := range run {
		t := v.audio
		if v.video != nil && run[i].Header.SSRC == v.video.ssrc {
			t = v.video
		}
		// An error means that the connection is going away, which its state will tell.
		_, _ = t.out.WriteRTP(&run[i].Header, run[i].Payload)
	}
	return len(run)
}

// SendReports sends a compound packet.
func (v *viewer) SendReports(_ int, reports []rtcp.Packet) {
	_ = v.link.pc.WriteRTCP(reports) // repeated each second: a lost one does not matter
}

// buffer is where Pion puts what it received. RTCP goes straight on to the worker, so that no goroutine waits for it.
func (v *viewer) buffer(kind packetio.BufferPacketType, _ uint32) io.ReadWriteCloser {
	if kind == packetio.RTCPBufferPacket {
		return &feedbackSink{viewer: v, closed: make(chan struct{})}
	}
	b := packetio.NewBuffer()
	b.SetLimitSize(viewerBuffer)
	return b
}

// feedbackSink takes decrypted RTCP.
type feedbackSink struct {
	viewer *viewer
	once   sync.Once
	closed chan struct{}
}

// Write is called by Pion's reader for each packet.
func (f *feedbackSink) Write(b []byte) (int, error) {
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		return len(b), nil // one bad packet must not end the reader
	}
	f.viewer.seat.Feedback(packets)
	return len(b), nil
}

// Read has nothing to give: it waits for the end.
func (f *feedbackSink) Read([]byte) (int, error) {
	<-f.closed
	return 0, io.EOF
}

// Close ends Read.
func (f *feedbackSink) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}
