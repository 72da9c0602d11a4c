package peer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media"
)

// connection is a session's link through Pion's PeerConnection: that of every publisher, and of viewers whose offer the
// lean transport declines.
type connection struct {
	session *Session
	pc      *webrtc.PeerConnection
	readers sync.WaitGroup // of tracks, waited for by shut

	offer *offer // what was last negotiated; guarded by session.signal
}

// connect makes the PeerConnection; the session's end closes it from now on.
func (s *Session) connect(api *webrtc.API) (*connection, error) {
	pc, err := api.NewPeerConnection(webrtc.Configuration{Certificates: []webrtc.Certificate{s.server.cert}})
	if err != nil {
		return nil, fmt.Errorf("new connection: %w", err)
	}
	c := &connection{session: s, pc: pc}
	if !s.bind(c) {
		return nil, errors.Join(media.ErrClosed, pc.Close())
	}
	return c, nil
}

// watch ends the session when the connection is lost, and calls connected when it first stands.
func (c *connection) watch(connected func()) {
	var once sync.Once
	c.pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			once.Do(connected)
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			c.session.end(fmt.Errorf("connection %s", state))
		default:
		}
	})
}

// begin runs the first negotiation.
func (c *connection) begin(ctx context.Context, o *offer) ([]byte, error) {
	c.session.signal.Lock()
	defer c.session.signal.Unlock()
	answer, err := c.negotiate(ctx, o)
	if err != nil {
		return nil, err
	}
	c.session.negotiated(o)
	return []byte(answer.SDP), nil
}

// negotiate applies an offer and returns the answer with all candidates in it.
func (c *connection) negotiate(ctx context.Context, o *offer) (*webrtc.SessionDescription, error) {
	// A restart gathers from here on. Pion's GatheringCompletePromise, asked for at the moment that it ends, is never kept;
	// the state is, and each change of it is told after it.
	changed := make(chan struct{}, 1)
	c.pc.OnICEGatheringStateChange(func(webrtc.ICEGatheringState) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	if err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: o.marshal()}); err != nil {
		return nil, &media.SDPError{Reason: "the offer was refused: " + err.Error()}
	}
	answer, err := c.pc.CreateAnswer(nil)
	if err != nil {
		return nil, fmt.Errorf("create answer: %w", err)
	}
	if err := c.pc.SetLocalDescription(answer); err != nil {
		return nil, fmt.Errorf("apply answer: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, gatherTimeout)
	defer cancel()
	for c.pc.ICEGatheringState() != webrtc.ICEGatheringStateComplete {
		select {
		case <-changed:
		case <-c.session.done:
			return nil, media.ErrClosed
		case <-ctx.Done():
			return nil, fmt.Errorf("gather candidates: %w", ctx.Err())
		}
	}
	c.offer = o
	return c.pc.LocalDescription(), nil
}

// reader runs read until the connection closes. Pion calls it on a goroutine of its own; shut waits for it.
func (c *connection) reader(read func()) {
	c.session.mu.Lock()
	if c.session.over {
		c.session.mu.Unlock()
		return
	}
	c.readers.Add(1)
	c.session.mu.Unlock()
	defer c.readers.Done()
	read()
}

func (c *connection) trickle(candidates []candidate) error {
	for _, found := range candidates {
		init := webrtc.ICECandidateInit{Candidate: found.value, SDPMid: &found.mid}
		if err := c.pc.AddICECandidate(init); err != nil {
			return &media.SDPError{Line: found.line, Text: clip("a=" + found.value), Reason: "candidate not understood"}
		}
	}
	return nil
}

func (c *connection) restart(f *fragment) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), gatherTimeout+time.Second)
	defer cancel()
	answer, err := c.negotiate(ctx, c.offer.restarted(f))
	if err != nil {
		return nil, err
	}
	return answerFragment(answer.SDP)
}

// shut closes the connection and waits for its readers.
func (c *connection) shut() {
	if err := c.pc.Close(); err != nil {
		c.session.log.Debug("media connection did not close cleanly", "error", err)
	}
	c.readers.Wait()
}
