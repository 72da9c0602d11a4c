package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media"
)

// Session is one WebRTC connection, a publisher's or a viewer's.
type Session struct {
	// static after newSession
	server *Server
	log    *slog.Logger
	done   chan struct{}

	// static once negotiation began; written under mu, for shut may come at any time
	pc *webrtc.PeerConnection

	readers sync.WaitGroup // of tracks, waited for by shut

	mu      sync.Mutex
	over    bool
	release func() // gives the seat at the relay back

	// guarded by signal, which is held through a negotiation; never taken with mu held, so that a revocation
	// does not wait for one
	signal     sync.Mutex
	offer      *offer // what was last negotiated, nil before
	candidates int
	restarts   int
}

func (s *Server) newSession(log *slog.Logger) *Session {
	return &Session{server: s, log: log, done: make(chan struct{}), release: func() {}}
}

// Done is closed when the session has ended for any reason.
func (s *Session) Done() <-chan struct{} { return s.done }

func (s *Session) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Close ends the session. It may be called again.
func (s *Session) Close() error {
	s.end(nil)
	return nil
}

// end stops media at once and leaves the slow part, closing the connection, to Run. It never blocks.
func (s *Session) end(cause error) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return
	}
	s.over = true
	release := s.release
	s.mu.Unlock()
	if cause != nil {
		s.log.Info("media session ended", "cause", cause)
	}
	release()
	close(s.done)
	s.server.retire(s)
}

// hold names what gives the seat back. A session that ended meanwhile gives it back at once.
func (s *Session) hold(release func()) {
	s.mu.Lock()
	s.release = release
	over := s.over
	s.mu.Unlock()
	if over {
		release()
	}
}

// shut closes the connection and waits for its readers.
func (s *Session) shut() {
	s.mu.Lock()
	pc := s.pc
	s.mu.Unlock()
	if pc != nil {
		if err := pc.Close(); err != nil {
			s.log.Debug("media connection did not close cleanly", "error", err)
		}
	}
	s.readers.Wait()
}

// watch ends the session when the connection is lost, and calls connected when it first stands.
func (s *Session) watch(connected func()) {
	var once sync.Once
	s.pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			once.Do(connected)
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			s.end(fmt.Errorf("connection %s", state))
		default:
		}
	})
}

// negotiate applies an offer and returns the answer with all candidates in it.
func (s *Session) negotiate(ctx context.Context, o *offer) (*webrtc.SessionDescription, error) {
	if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: o.marshal()}); err != nil {
		return nil, &media.SDPError{Reason: "the offer was refused: " + err.Error()}
	}
	answer, err := s.pc.CreateAnswer(nil)
	if err != nil {
		return nil, fmt.Errorf("create answer: %w", err)
	}
	gathered := webrtc.GatheringCompletePromise(s.pc)
	if err := s.pc.SetLocalDescription(answer); err != nil {
		return nil, fmt.Errorf("apply answer: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, gatherTimeout)
	defer cancel()
	select {
	case <-gathered:
		return s.pc.LocalDescription(), nil
	case <-s.done:
		return nil, media.ErrClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("gather candidates: %w", ctx.Err())
	}
}

// begin runs the first negotiation; on failure the session is over.
func (s *Session) begin(ctx context.Context, o *offer, api *webrtc.API, prepare func(*webrtc.PeerConnection) error) ([]byte, error) {
	pc, err := api.NewPeerConnection(webrtc.Configuration{Certificates: []webrtc.Certificate{s.server.cert}})
	if err != nil {
		return nil, fmt.Errorf("new connection: %w", err)
	}
	s.mu.Lock()
	over := s.over
	if !over {
		s.pc = pc
	}
	s.mu.Unlock()
	if over { // revoked before it began
		return nil, errors.Join(media.ErrClosed, pc.Close())
	}
	if err := prepare(pc); err != nil {
		return nil, err
	}
	s.signal.Lock()
	defer s.signal.Unlock()
	answer, err := s.negotiate(ctx, o)
	if err != nil {
		return nil, err
	}
	s.offer, s.candidates = o, o.candidates
	return []byte(answer.SDP), nil
}

// reader runs read until the connection closes. Pion calls it on a goroutine of its own; shut waits for it.
func (s *Session) reader(read func()) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return
	}
	s.readers.Add(1)
	s.mu.Unlock()
	defer s.readers.Done()
	read()
}

// Trickle adds the candidates of a fragment (RFC 8840). A fragment of another ICE generation is refused.
func (s *Session) Trickle(fragment []byte) error {
	f, err := parseFragment(fragment)
	if err != nil {
		return err
	}
	s.signal.Lock()
	defer s.signal.Unlock()
	if s.ended() || s.offer == nil {
		return media.ErrClosed
	}
	if f.ufrag != "" && f.ufrag != s.offer.ufrag {
		return &media.SDPError{Line: f.ufragLine, Text: "a=ice-ufrag:" + f.ufrag, Reason: "candidates of another ICE generation"}
	}
	if s.candidates+len(f.candidates) > maxCandidates {
		return fmt.Errorf("candidates (limit %d): %w", maxCandidates, media.ErrTooMany)
	}
	s.candidates += len(f.candidates)
	for _, c := range f.candidates {
		init := webrtc.ICECandidateInit{Candidate: c.value, SDPMid: &c.mid}
		if err := s.pc.AddICECandidate(init); err != nil {
			return &media.SDPError{Line: c.line, Text: clip("a=" + c.value), Reason: "candidate not understood"}
		}
	}
	return nil
}

// Restart begins a new ICE generation (RFC 9725, 4.3.3) and answers with ours. Media goes on over the old path until the new one stands.
func (s *Session) Restart(fragment []byte) ([]byte, error) {
	f, err := parseFragment(fragment)
	if err != nil {
		return nil, err
	}
	if f.ufrag == "" || f.pwd == "" {
		return nil, &media.SDPError{Reason: "an ICE restart needs a=ice-ufrag and a=ice-pwd"}
	}
	s.signal.Lock()
	defer s.signal.Unlock()
	if s.ended() || s.offer == nil {
		return nil, media.ErrClosed
	}
	if f.ufrag == s.offer.ufrag && f.pwd == s.offer.pwd {
		return nil, &media.SDPError{Line: f.ufragLine, Text: "a=ice-ufrag:" + f.ufrag, Reason: "an ICE restart needs new credentials"}
	}
	if s.restarts >= maxRestarts || len(f.candidates) > maxCandidates {
		return nil, fmt.Errorf("ICE restarts (limit %d) or candidates (limit %d): %w", maxRestarts, maxCandidates, media.ErrTooMany)
	}
	next := s.offer.restarted(f)
	ctx, cancel := context.WithTimeout(context.Background(), gatherTimeout+time.Second)
	defer cancel()
	answer, err := s.negotiate(ctx, next)
	if err != nil {
		return nil, err
	}
	s.offer, s.candidates = next, len(f.candidates)
	s.restarts++
	return answerFragment(answer.SDP)
}
