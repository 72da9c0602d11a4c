package peer

import (
	"github.com/pion/ice/v4"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/lean"
)

// leanLink is a viewer's session on the lean transport.
type leanLink struct{ session *lean.Session }

func (s *Session) watchLean(seat *media.Subscriber, place *place, o *offer, named *lean.Offer) ([]byte, error) {
	s.signal.Lock()
	defer s.signal.Unlock()
	opened, answer, err := s.server.lean.Open(named, seat, lean.Hooks{Connected: place.leave, End: s.end})
	if err != nil {
		return nil, err
	}
	if !s.bind(leanLink{opened}) {
		opened.Close()
		return nil, media.ErrClosed
	}
	s.negotiated(o)
	return answer, nil
}

// trickle only looks at the candidates: a lite agent sends no checks, and learns addresses from those it gets.
func (leanLink) trickle(candidates []candidate) error {
	for _, found := range candidates {
		if _, err := ice.UnmarshalCandidate(found.value); err != nil {
			return &media.SDPError{Line: found.line, Text: clip("a=" + found.value), Reason: "candidate not understood"}
		}
	}
	return nil
}

func (l leanLink) restart(f *fragment) ([]byte, error) {
	return l.session.Restart(lean.Credentials{UFrag: f.ufrag, Pwd: f.pwd}), nil
}

func (l leanLink) shut() { l.session.Close() }
