package media

import (
	"fmt"
	"time"
)

// Publish takes a seat for a publisher. The same subject may publish again: as soon as the newcomer is heard it takes
// over, and viewers notice a cut, not an end. Another subject gets ErrPublisherPresent.
func (r *Relay) Publish(id StreamID, g Grant, o PublishOptions) (*Publisher, error) {
	if err := g.allows(RightPublish, time.Now()); err != nil {
		return nil, err
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, ErrClosed
	}
	s := r.stream(id)
	if held := s.publisher(); held != nil && (held.grant.Subject != g.Subject || g.Subject == "") {
		r.mu.Unlock()
		return nil, fmt.Errorf("publish %s: %w", id, ErrPublisherPresent)
	}
	// A newcomer replaces one that was never heard, so a retrying encoder does not use seats up.
	old := s.next
	if old == nil && r.publishers >= r.cfg.MaxPublishers {
		r.forget(s)
		r.mu.Unlock()
		return nil, fmt.Errorf("publishers on this node (limit %d): %w", r.cfg.MaxPublishers, ErrTooMany)
	}
	p := &Publisher{stream: s, grant: g, feedback: o.Feedback, onEnd: o.OnEnd}
	s.next = p
	r.publishers++
	r.metrics.publishers.Inc()
	if old != nil {
		r.dropPublisher(old)
	}
	r.mu.Unlock()
	if old != nil {
		old.onEnd(ErrTakenOver)
	}
	return p, nil
}

// Subscribe takes a seat for a viewer that can play the given codecs. Nothing is sent before Start.
// onEnd is called once when the relay ends the session, not after the transport's own Close; it must not block.
func (r *Relay) Subscribe(id StreamID, g Grant, plays []Codec, onEnd func(error)) (*Subscriber, error) {
	if err := g.allows(RightWatch, time.Now()); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	s := r.streams[id]
	if s == nil || !s.onAir {
		return nil, fmt.Errorf("watch %s: %w", id, ErrNotLive)
	}
	if err := s.playable(plays); err != nil {
		return nil, err
	}
	if r.viewers >= r.cfg.MaxViewers {
		return nil, fmt.Errorf("viewers on this node (limit %d): %w", r.cfg.MaxViewers, ErrTooMany)
	}
	if len(s.subs) >= r.cfg.MaxViewersPerStream {
		return nil, fmt.Errorf("viewers of %s (limit %d): %w", id, r.cfg.MaxViewersPerStream, ErrTooMany)
	}
	v := &Subscriber{stream: s, grant: g, onEnd: onEnd}
	s.subs[v] = struct{}{}
	r.viewers++
	r.metrics.viewers.Inc()
	return v, nil
}

// stream returns the stream of an id, new when need be. Needs relay.mu.
func (r *Relay) stream(id StreamID) *stream {
	s := r.streams[id]
	if s == nil {
		s = &stream{id: id, relay: r, seats: make([]seat, len(r.workers)), subs: map[*Subscriber]struct{}{}}
		r.streams[id] = s
	}
	return s
}

// forget removes a stream that nothing holds. Needs relay.mu.
func (r *Relay) forget(s *stream) {
	if s.empty() && r.streams[s.id] == s {
		delete(r.streams, s.id)
	}
}

// goLive makes a publisher the current one when its first media came, or the first after a silence beyond the grace time.
func (r *Relay) goLive(p *Publisher, now time.Duration) {
	s := p.stream
	r.mu.Lock()
	if p.gone.Load() || p.live.Load() {
		r.mu.Unlock()
		return // ended, or the other layer's goroutine came first
	}
	old := s.current
	if old == p {
		old = nil
	}
	if old != nil {
		r.dropPublisher(old)
		r.metrics.takeovers.Inc()
	}
	s.current = p
	if s.next == p {
		s.next = nil
	}
	s.lastMedia.Store(int64(now))
	for kind, layers := range p.layers {
		if len(layers) > 0 {
			s.live[kind].Store(layers[0])
		}
	}
	p.live.Store(true)
	r.setOnAir(s, true)
	r.mu.Unlock()
	if old != nil {
		old.onEnd(ErrTakenOver)
	}
	s.wake(now)
}

// setOnAir needs relay.mu.
func (r *Relay) setOnAir(s *stream, on bool) {
	if s.onAir == on {
		return
	}
	s.onAir = on
	r.air.set(s.id, on)
}

// dropPublisher frees the seat; false when that has happened before. Needs relay.mu.
func (r *Relay) dropPublisher(p *Publisher) bool {
	if p.gone.Swap(true) {
		return false
	}
	s := p.stream
	if s.current == p {
		s.current = nil
	}
	if s.next == p {
		s.next = nil
	}
	r.publishers--
	r.metrics.publishers.Dec()
	r.forget(s)
	return true
}

// dropSubscriber frees the seat; false when that has happened before. Needs relay.mu.
func (r *Relay) dropSubscriber(v *Subscriber) bool {
	if v.gone.Swap(true) {
		return false
	}
	delete(v.stream.subs, v)
	r.viewers--
	r.metrics.viewers.Dec()
	r.forget(v.stream)
	return true
}

func (r *Relay) endPublisher(p *Publisher, cause error) bool {
	r.mu.Lock()
	ended := r.dropPublisher(p)
	r.mu.Unlock()
	if ended {
		p.onEnd(cause)
	}
	return ended
}

func (r *Relay) endSubscriber(v *Subscriber, cause error) bool {
	r.mu.Lock()
	ended := r.dropSubscriber(v)
	r.mu.Unlock()
	if ended {
		v.leave()
		v.onEnd(cause)
	}
	return ended
}

// end ends what the match selects and counts it.
func (r *Relay) end(m Match, cause error) int {
	var pubs []*Publisher
	var subs []*Subscriber
	r.mu.Lock()
	for id, s := range r.streams {
		for _, p := range []*Publisher{s.current, s.next} {
			if p != nil && m.selects(id, p.grant) {
				pubs = append(pubs, p)
			}
		}
		for v := range s.subs {
			if m.selects(id, v.grant) {
				subs = append(subs, v)
			}
		}
	}
	r.mu.Unlock()
	n := 0
	for _, p := range pubs {
		if r.endPublisher(p, cause) {
			n++
		}
	}
	for _, v := range subs {
		if r.endSubscriber(v, cause) {
			n++
		}
	}
	return n
}

// playable says whether a viewer can play what is on air now. Needs relay.mu.
func (s *stream) playable(plays []Codec) error {
	common := false
	var live []Codec
	for k := range s.live {
		l := s.live[k].Load()
		if l == nil {
			continue
		}
		live = append(live, l.codec)
		wants, can := false, false
		for _, c := range plays {
			wants = wants || c.Kind() == Kind(k)
			can = can || c == l.codec
		}
		if wants && !can {
			return &CodecError{Offered: names(plays), Accepted: names([]Codec{l.codec})}
		}
		common = common || can
	}
	if !common {
		return &CodecError{Offered: names(plays), Accepted: names(live)}
	}
	return nil
}
