package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

// maxBehind is how late a sample may go out before the clock of the source is
// set anew, rather than sending a burst to catch up.
const maxBehind = 500 * time.Millisecond

// PublisherConfig says what to publish and where.
type PublisherConfig struct {
	URL     string // the WHIP endpoint of the stream
	Token   string // Bearer token; "" sends none
	Source  Source
	Network Network
	HTTP    *http.Client        // nil: one of its own, from Network.Addr
	Offer   func(string) string // changes the offer before it is sent; nil leaves it
	// Patience is how long a server that answers "later" (Retry-After) is asked again. Zero: once.
	Patience time.Duration
	Log      *slog.Logger
}

// PublisherStats counts what a Publisher has sent.
type PublisherStats struct {
	Frames, Keyframes, Audio int64
	KeyframeRequests         int64 // PLI and FIR received
	Resets                   int64 // times the source was too late by more than maxBehind
}

// Publisher is one WHIP session. Its methods may be called from anywhere.
type Publisher struct {
	*session

	// owned by pump
	source       Source
	video, audio *webrtc.TrackLocalStaticSample

	frames, keyframes, audioPackets, requests, resets atomic.Int64
	keyframeWanted                                    atomic.Bool
}

// Publish offers the source to a WHIP endpoint and starts to send it once the
// media path is up. A refusal is a *StatusError.
func Publish(ctx context.Context, c PublisherConfig) (*Publisher, error) {
	p := &Publisher{source: c.Source}
	video, audio := c.Source.Codecs()
	var codecs []string
	for _, mime := range []string{video, audio} {
		if mime != "" {
			codecs = append(codecs, mime)
		}
	}
	s, err := open(ctx, sessionConfig{url: c.URL, token: c.Token, http: c.HTTP, patience: c.Patience, network: c.Network,
		codecs: codecs, log: c.Log, offer: c.Offer}, func(s *session) (err error) {
		p.session = s
		if p.video, err = p.addTrack("video", video); err != nil {
			return err
		}
		p.audio, err = p.addTrack("audio", audio)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.spawn(p.pump)
	return p, nil
}

func (p *Publisher) addTrack(id, mime string) (*webrtc.TrackLocalStaticSample, error) {
	if mime == "" {
		return nil, nil
	}
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: mime}, id, "rialto")
	if err != nil {
		return nil, fmt.Errorf("client: %s track: %w", id, err)
	}
	transceiver, err := p.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		return nil, fmt.Errorf("client: %s track: %w", id, err)
	}
	p.spawn(func() { p.readFeedback(transceiver.Sender()) })
	return track, nil
}

// readFeedback must run for the retransmissions to work, too: pion answers
// NACKs while RTCP is being read.
func (p *Publisher) readFeedback(sender *webrtc.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			switch packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				p.requests.Add(1)
				p.keyframeWanted.Store(true)
			}
		}
	}
}

// pump sends each sample when it is due.
func (p *Publisher) pump() {
	select {
	case <-p.connected:
	case <-p.ctx.Done():
		return
	}
	var start time.Time
	for {
		if p.keyframeWanted.Swap(false) {
			if source, ok := p.source.(KeyframeSource); ok {
				source.RequestKeyframe()
			}
		}
		sample, err := p.source.Next()
		if errors.Is(err, io.EOF) {
			p.end(errClosed)
			return
		}
		if err != nil {
			p.end(fmt.Errorf("client: source: %w", err))
			return
		}
		if start.IsZero() {
			start = time.Now().Add(-sample.At)
		}
		wait := time.Until(start.Add(sample.At))
		if wait < -maxBehind {
			start = start.Add(-wait)
			p.resets.Add(1)
		}
		if wait > 0 && sleep(p.ctx, wait) != nil || p.ctx.Err() != nil {
			return
		}
		p.send(sample)
	}
}

func (p *Publisher) send(sample Sample) {
	track := p.audio
	if sample.Video {
		track = p.video
	}
	if track == nil {
		return
	}
	// A write that fails was a packet lost on the way; the state of the
	// connection tells whether more is lost than that.
	_ = track.WriteSample(media.Sample{Data: sample.Data, Duration: sample.Duration})
	switch {
	case !sample.Video:
		p.audioPackets.Add(1)
	case sample.Keyframe:
		p.keyframes.Add(1)
		p.frames.Add(1)
	default:
		p.frames.Add(1)
	}
}

// Stats may be read at any time.
func (p *Publisher) Stats() PublisherStats {
	return PublisherStats{Frames: p.frames.Load(), Keyframes: p.keyframes.Load(), Audio: p.audioPackets.Load(),
		KeyframeRequests: p.requests.Load(), Resets: p.resets.Load()}
}
