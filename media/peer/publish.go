package peer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media"
)

// publisher is the receiving end: it reads tracks into layers and carries keyframe requests back.
type publisher struct {
	session *Session
	seat    *media.Publisher
	link    *connection // set before its first packet

	mu    sync.Mutex
	ssrcs map[*media.Layer]uint32
}

// Publish answers a publisher's offer. Errors are those of media.Relay.Publish, *media.SDPError and *media.CodecError.
func (s *Server) Publish(ctx context.Context, id media.StreamID, g media.Grant, sdp []byte) (*Session, []byte, error) {
	o, err := parseOffer(sdp, sends)
	if err != nil {
		return nil, nil, err
	}
	session := s.newSession(s.log.With("stream", string(id), "role", "publisher"))
	if err := s.admit(session); err != nil {
		return nil, nil, err
	}
	p := &publisher{session: session, ssrcs: map[*media.Layer]uint32{}}
	seat, err := s.relay.Publish(id, g, media.PublishOptions{Feedback: p, OnEnd: session.end})
	if err != nil {
		session.end(nil)
		return nil, nil, err
	}
	p.seat = seat
	session.hold(seat.Close)
	answer, err := p.negotiate(ctx, o)
	if err != nil {
		session.end(err)
		return nil, nil, err
	}
	return session, answer, nil
}

func (p *publisher) negotiate(ctx context.Context, o *offer) ([]byte, error) {
	api, err := p.session.server.publisherAPI()
	if err != nil {
		return nil, err
	}
	if p.link, err = p.session.connect(api); err != nil {
		return nil, err
	}
	p.link.pc.OnTrack(func(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
		p.link.reader(func() { p.read(t, r) })
	})
	p.link.watch(func() {})
	return p.link.begin(ctx, o)
}

// read moves a track's packets into its layer until the connection or the session ends.
func (p *publisher) read(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
	codec, ok := codecOf(t.Codec().RTPCodecCapability)
	if !ok {
		return // not negotiated: the peer sends what it did not offer
	}
	layer, err := p.seat.AddLayer(codec)
	if err != nil {
		p.session.log.Warn("track refused", "codec", codec.String(), "error", err)
		return
	}
	p.mu.Lock()
	p.ssrcs[layer] = uint32(t.SSRC())
	p.mu.Unlock()
	var reports sync.WaitGroup
	reports.Go(func() { readReports(r, layer) })
	defer reports.Wait()
	buf := make([]byte, media.MaxPacket)
	for {
		n, _, err := t.Read(buf)
		if err != nil {
			return
		}
		if err := layer.Write(buf[:n]); errors.Is(err, media.ErrClosed) {
			return
		}
	}
}

// readReports takes the publisher's clock from its sender reports. Reading also drives Pion's receiver reports.
func readReports(r *webrtc.RTPReceiver, layer *media.Layer) {
	for {
		packets, _, err := r.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			if sr, ok := packet.(*rtcp.SenderReport); ok {
				layer.Report(sr)
			}
		}
	}
}

// RequestKeyframe sends a PLI.
func (p *publisher) RequestKeyframe(l *media.Layer) {
	p.mu.Lock()
	ssrc := p.ssrcs[l]
	p.mu.Unlock()
	err := p.link.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}})
	if err != nil {
		p.session.log.Debug("keyframe request not sent", "error", fmt.Sprint(err))
	}
}
