package lean

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/egress"
)

// connectWithin is how long a client has from its offer until the keys are there. One that only checks its paths would
// keep its place for good.
const connectWithin = 20 * time.Second

var (
	// errSilent is the end of a session whose client has not renewed its consent (RFC 7675).
	errSilent = errors.New("the viewer has fallen silent")
	errSlow   = errors.New("the viewer has not connected in time")
)

// Session is one viewer. It is also the media.Sender that the relay's worker calls: see viewer.go.
type Session struct {
	// static after newSession
	transport *Transport
	seat      *media.Subscriber
	hooks     Hooks
	offer     *Offer
	ids       streamIDs
	opened    time.Duration

	to     atomic.Pointer[path] // where media goes; nil before the client has chosen
	talk   atomic.Pointer[path] // where the handshake's last record came from
	shakes sync.WaitGroup       // its one goroutine, while it lasts

	// what the table knows of it; written with mu and the table's own held
	names []string
	paths []path

	mu        sync.Mutex
	agent     *agent
	handshake *handshake // from its first record until it is over
	stop      context.CancelFunc
	secrets   *secrets // nil before the handshake is over; the half that seals is the worker's
	farewell  *farewell
	started   bool
	closed    bool
}

func newSession(t *Transport, o *Offer, seat *media.Subscriber, hooks Hooks) *Session {
	return &Session{transport: t, seat: seat, hooks: hooks, offer: o, ids: newIDs(o), opened: t.now(), agent: newAgent(o.Remote)}
}

// newIDs draws the numbers of a viewer's streams.
func newIDs(o *Offer) streamIDs {
	ids := streamIDs{cname: CNAME}
	draw := func() uint32 {
		for {
			// Zero stands for none.
			if n := rand.Uint32(); n != 0 && n != ids.audio && n != ids.video && n != ids.repair {
				return n
			}
		}
	}
	for _, section := range o.Sections {
		if section.Kind == media.Audio {
			ids.audio = draw()
			continue
		}
		ids.video = draw()
		if slices.ContainsFunc(section.Formats, func(f Format) bool { return f.Repair != 0 }) {
			ids.repair = draw()
		}
	}
	return ids
}

// takeCheck answers a connectivity check.
func (s *Session) takeCheck(b []byte, from path, socket *egress.Socket, r *scratch) {
	r.request.Raw = append(r.request.Raw[:0], b...)
	if r.request.Decode() != nil {
		return
	}
	s.mu.Lock()
	authentic := !s.closed && s.agent.request(&r.request, from, s.transport.now(), &r.reply)
	start := authentic && s.settle()
	if authentic && from.tcp && slices.Contains(s.paths, from) {
		s.transport.streams.keep(from) // at each check, for it may be a new connection from the same address
	}
	if authentic && slices.Contains(s.paths, from) && s.transport.table.at(from) != s {
		s.transport.table.update(s, s.names, s.paths) // another client named this address as its own
	}
	s.mu.Unlock()
	if authentic {
		s.transport.write(r.reply.Raw, from, socket)
	}
	if start {
		s.begin()
	}
}

// begin starts media. No lock is held: it calls out.
func (s *Session) begin() {
	s.hooks.Connected()
	s.seat.Start(s, s.binding())
}

// settle carries over what the agent has made of a packet, and says whether media is to start. Needs mu.
func (s *Session) settle() (start bool) {
	to, chosen := s.agent.path()
	if before := s.to.Load(); chosen && (before == nil || *before != to) {
		s.to.Store(&to)
	}
	names, paths := s.agent.generations(), s.agent.paths()
	if !slices.Equal(names, s.names) || !slices.Equal(paths, s.paths) {
		s.dropStreams(paths)
		s.transport.table.update(s, names, paths)
	}
	start = chosen && s.secrets != nil && !s.started
	s.started = s.started || start
	return start
}

// dropStreams ends the TCP connections that are none of its paths any more.
func (s *Session) dropStreams(paths []path) {
	for _, p := range s.paths {
		if p.tcp && !slices.Contains(paths, p) {
			s.transport.streams.drop(p)
		}
	}
}

// streamGone takes the end of the TCP connection that media goes over for a goodbye, unless the client comes again.
func (s *Session) streamGone(at path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to := s.to.Load(); !s.closed && to != nil && *to == at {
		s.agent.leaving(s.transport.now())
	}
}

// takeRecord takes a record of DTLS. The first begins the handshake: its sender has shown in a check that it knows the
// session's password.
func (s *Session) takeRecord(b []byte, from path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
	case s.farewell != nil:
		goodbye := s.farewell.again(b, func(out []byte) { s.transport.write(out, from, nil) })
		if goodbye {
			s.agent.leaving(s.transport.now())
		}
	default:
		if at := s.talk.Load(); at == nil || *at != from {
			s.talk.Store(&from)
		}
		if s.handshake == nil {
			ctx, stop := context.WithCancel(context.Background())
			s.stop = stop
			s.handshake = newHandshake(s.transport.secure, s.offer.Fingerprint, s.writeRecord)
			h := s.handshake
			s.shakes.Go(func() { s.shake(ctx, h) })
		}
		s.handshake.take(b)
	}
}

func (s *Session) writeRecord(b []byte) { s.transport.write(b, *s.talk.Load(), nil) }

// shake makes the keys, and starts media when the client has chosen a path for it.
func (s *Session) shake(ctx context.Context, h *handshake) {
	secrets, farewell, err := h.run(ctx)
	if err != nil {
		s.hooks.End(err)
		return
	}
	s.mu.Lock()
	start := false
	if !s.closed {
		s.handshake, s.secrets, s.farewell = nil, secrets, farewell
		start = s.settle()
	}
	s.mu.Unlock()
	if start {
		s.begin()
	}
}

// takeReport takes RTCP, the only thing a viewer has to send. Where it comes from is where the client wants its media:
// see agent.
func (s *Session) takeReport(b []byte, from path, r *scratch) {
	if kind := b[1]; kind < 192 || kind >= 224 { // RFC 5761: it is RTP, which nobody asked for
		return
	}
	s.mu.Lock()
	if s.closed || s.secrets == nil {
		s.mu.Unlock()
		return
	}
	plain, err := s.secrets.openRTCP(r.plain[:0], b)
	if err != nil {
		s.mu.Unlock()
		return
	}
	s.agent.heard(from, s.transport.now())
	start := s.settle()
	s.mu.Unlock()
	if start {
		s.begin()
	}
	if packets, err := rtcp.Unmarshal(plain); err == nil {
		s.seat.Feedback(packets)
	}
}

// expire ends a session whose client has gone without a word, or has never come.
func (s *Session) expire(now time.Duration) {
	s.mu.Lock()
	var cause error
	switch {
	case s.closed:
	case s.agent.expired(now):
		cause = errSilent
	case s.secrets == nil && now-s.opened > connectWithin:
		cause = errSlow
	}
	s.mu.Unlock()
	if cause != nil {
		s.hooks.End(cause)
	}
}

// Restart begins a new ICE generation and returns our side of it as a fragment (RFC 8840). Media goes on over the old path
// until the client has chosen a new one.
func (s *Session) Restart(remote Credentials) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.agent.restart(remote)
	to := s.to.Load()
	overTCP := to != nil && to.tcp
	if !s.closed {
		s.transport.table.update(s, s.agent.generations(), s.agent.paths())
	}
	return s.transport.answer.fragment(s.offer, own, overTCP)
}

// Close ends the session, says goodbye to the client and waits for the handshake, if that goes on. The seat is given back
// by who took it, before this. It may be called again.
func (s *Session) Close() {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	if s.stop != nil {
		s.stop()
	}
	last, paths := s.farewell, s.paths
	s.mu.Unlock()
	s.shakes.Wait()
	if !first {
		return
	}
	s.transport.table.remove(s)
	if to := s.to.Load(); last != nil && to != nil {
		last.close(func(b []byte) { s.transport.write(b, *to, nil) })
	}
	for _, p := range paths {
		if p.tcp {
			s.transport.streams.drop(p)
		}
	}
}
