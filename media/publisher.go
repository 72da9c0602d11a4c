package media

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Feedback is the way back to a publisher; a transport implements it.
type Feedback interface {
	// RequestKeyframe asks for a keyframe (PLI). It is called by the goroutine that writes the layer.
	RequestKeyframe(*Layer)
}

// PublishOptions connect a Publisher to its transport.
type PublishOptions struct {
	Feedback Feedback
	// OnEnd is called once when the relay ends the session (revoked, taken over, …), not after the transport's own Close.
	// It must not block.
	OnEnd func(error)
}

// Publisher is the server's end of incoming media: one person's camera and microphone, or an encoder.
type Publisher struct {
	// static after Publish
	stream   *stream
	grant    Grant
	feedback Feedback
	onEnd    func(error)

	live atomic.Bool // media arrived and this publisher is the stream's current one
	gone atomic.Bool

	window  atomic.Int64 // start of the bitrate window
	heardIn atomic.Int64 // payload bytes in it
	strikes atomic.Int32
	lead    lead

	// guarded by relay.mu
	layers [kinds][]*Layer
}

// AddLayer opens a layer. ErrTooMany when the kind already has maxLayers, ErrClosed when the session is over.
func (p *Publisher) AddLayer(codec Codec) (*Layer, error) {
	kind := codec.Kind()
	l := &Layer{pub: p, codec: codec, ring: newRing(kind)}
	r := p.stream.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.gone.Load() {
		return nil, ErrClosed
	}
	if len(p.layers[kind]) >= maxLayers {
		return nil, fmt.Errorf("%s layers: %w", kind, ErrTooMany)
	}
	p.layers[kind] = append(p.layers[kind], l)
	if p.live.Load() {
		p.stream.live[kind].Store(l)
	}
	return l, nil
}

// Close ends the session from the transport's side. The stream stays on air for the grace time.
func (p *Publisher) Close() {
	r := p.stream.relay
	r.mu.Lock()
	r.dropPublisher(p)
	r.mu.Unlock()
}

// heard notes that media came. The first of it puts the stream on air, or completes a takeover.
func (p *Publisher) heard(now time.Duration) {
	if p.live.Load() {
		p.stream.lastMedia.Store(int64(now))
		return
	}
	p.stream.relay.goLive(p, now)
}

// meter ends a publisher that sends more than twice what it may for bitrateStrikes seconds in a row. Short bursts,
// keyframes above all, are normal.
func (p *Publisher) meter(n int, now time.Duration) {
	sum := p.heardIn.Add(int64(n))
	start := time.Duration(p.window.Load())
	if now-start < time.Second {
		return
	}
	if !p.window.CompareAndSwap(int64(start), int64(now)) {
		return // the other layer's goroutine closes this window
	}
	p.heardIn.Add(-sum)
	limit := p.grant.MaxBitrate
	if limit == 0 {
		limit = p.stream.relay.cfg.MaxBitrate
	}
	bits := sum * 8 * int64(time.Second) / int64(max(now-start, time.Second))
	if bits <= 2*int64(limit) {
		p.strikes.Store(0)
		return
	}
	if p.strikes.Add(1) >= bitrateStrikes {
		p.stream.relay.endPublisher(p, ErrBitrate)
	}
}
