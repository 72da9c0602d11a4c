package peer

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/rialto-live/rialto/media"
)

// Session is one WebRTC connection, a publisher's or a viewer's.
type Session struct {
	// static after newSession
	server *Server
	log    *slog.Logger
	done   chan struct{}

	mu      sync.Mutex
	over    bool
	link    link   // nil until negotiation begins
	release func() // gives the seat at the relay back

	// guarded by signal, which is held through a negotiation; never taken with mu held, so that a revocation
	// does not wait for one
	signal     sync.Mutex
	ufrag, pwd string // of what was last negotiated, "" before
	candidates int
	restarts   int
}

// link is what carries a session: Pion's PeerConnection, or the lean transport. trickle and restart are called one at a
// time, with what has been checked already.
type link interface {
	trickle([]candidate) error
	// restart begins a new ICE generation and answers with ours; an error leaves the one before.
	restart(*fragment) (answer []byte, err error)
	// shut closes it and waits for its goroutines.
	shut()
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

// bind names what carries the session. It is false when the session ended before it began: then the caller closes the
// link.
func (s *Session) bind(l link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.link = l
	return true
}

// shut closes what carries the session.
func (s *Session) shut() {
	s.mu.Lock()
	l := s.link
	s.mu.Unlock()
	if l != nil {
		l.shut()
	}
}

// negotiated notes the first offer. Needs signal.
func (s *Session) negotiated(o *offer) {
	s.ufrag, s.pwd, s.candidates = o.ufrag, o.pwd, o.candidates
}

// Trickle adds the candidates of a fragment (RFC 8840). A fragment of another ICE generation is refused.
func (s *Session) Trickle(fragment []byte) error {
	f, err := parseFragment(fragment)
	if err != nil {
		return err
	}
	s.signal.Lock()
	defer s.signal.Unlock()
	if s.ended() || s.ufrag == "" {
		return media.ErrClosed
	}
	if f.ufrag != "" && f.ufrag != s.ufrag {
		return &media.SDPError{Line: f.ufragLine, Text: "a=ice-ufrag:" + f.ufrag, Reason: "candidates of another ICE generation"}
	}
	if s.candidates+len(f.candidates) > maxCandidates {
		return fmt.Errorf("candidates (limit %d): %w", maxCandidates, media.ErrTooMany)
	}
	s.candidates += len(f.candidates)
	return s.link.trickle(f.candidates)
}

// Restart begins a new ICE generation (RFC 9725, 4.3.3) and answers with ours. Media of a viewer on the
// lean transport goes on over the old path until the new one stands; Pion drops the old one at once.
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
	if s.ended() || s.ufrag == "" {
		return nil, media.ErrClosed
	}
	if f.ufrag == s.ufrag && f.pwd == s.pwd {
		return nil, &media.SDPError{Line: f.ufragLine, Text: "a=ice-ufrag:" + f.ufrag, Reason: "an ICE restart needs new credentials"}
	}
	if s.restarts >= maxRestarts || len(f.candidates) > maxCandidates {
		return nil, fmt.Errorf("ICE restarts (limit %d) or candidates (limit %d): %w", maxRestarts, maxCandidates, media.ErrTooMany)
	}
	answer, err := s.link.restart(f)
	if err != nil {
		return nil, err
	}
	s.ufrag, s.pwd, s.candidates = f.ufrag, f.pwd, len(f.candidates)
	s.restarts++
	return answer, nil
}
