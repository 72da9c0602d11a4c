package peer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/media"
)

// Config of a Server.
type Config struct {
	Relay *media.Relay
	// Listen is the UDP address for all media, such as ":8443". Ignored when Conn is set.
	Listen string
	// Conn is an open socket to use instead; the Server closes it.
	Conn *net.UDPConn
	// PublicIPs are what viewers reach this node by. Empty: the machine's own addresses.
	PublicIPs []netip.Addr

	Log        *slog.Logger          // nil: slog.Default
	Registerer prometheus.Registerer // nil: metrics are not exported
}

// Validate says everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if c.Relay == nil {
		errs = append(errs, errors.New("peer: Relay is missing"))
	}
	if c.Conn == nil && c.Listen == "" {
		errs = append(errs, errors.New("peer: neither Listen nor Conn is set"))
	}
	for _, ip := range c.PublicIPs {
		if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() {
			errs = append(errs, fmt.Errorf("peer: public address %s cannot be reached by anybody", ip))
		}
	}
	return errors.Join(errs...)
}

// Server negotiates and carries every WebRTC session of this node over one UDP port.
type Server struct {
	// static after New
	relay    *media.Relay
	log      *slog.Logger
	conn     *socket
	mux      *ice.UDPMuxDefault
	settings webrtc.SettingEngine
	cert     webrtc.Certificate
	door     *admission

	mu       sync.Mutex
	changed  *sync.Cond // of mu
	sessions map[*Session]struct{}
	ended    []*Session // to be closed by Run
	closed   bool
}

// New binds the port and makes the certificate. Sessions end only while Run runs.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	cert, err := newCertificate()
	if err != nil {
		return nil, err
	}
	conn := cfg.Conn
	if conn == nil {
		if conn, err = listen(cfg.Listen); err != nil {
			return nil, err
		}
	}
	sock, err := newSocket(conn, newFailed(cfg.Registerer))
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s := &Server{
		relay: cfg.Relay, log: cfg.Log, conn: sock, cert: cert,
		sessions: map[*Session]struct{}{},
		door:     newAdmission(runtime.GOMAXPROCS(0), cfg.Relay.Lateness, cfg.Registerer),
	}
	s.changed = sync.NewCond(&s.mu)
	quiet := &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}
	s.mux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: sock, Logger: quiet.NewLogger("ice")})
	if s.settings, err = newSettings(s.mux, quiet, cfg.PublicIPs); err != nil {
		return nil, errors.Join(err, s.mux.Close())
	}
	return s, nil
}

// newCertificate makes the one certificate of this process: one per connection would cost each join a key.
func newCertificate() (webrtc.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return webrtc.Certificate{}, fmt.Errorf("certificate key: %w", err)
	}
	cert, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return webrtc.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	return *cert, nil
}

func newFailed(reg prometheus.Registerer) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "rialto_media_failed_writes_total", Help: "Datagrams the kernel did not take.",
	})
	if reg != nil {
		reg.MustRegister(c)
	}
	return c
}

// Addr is the bound UDP address.
func (s *Server) Addr() netip.AddrPort {
	return s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Run closes what ends until ctx is done, then ends and closes every session and the port.
func (s *Server) Run(ctx context.Context) error {
	var g errgroup.Group
	for range closers {
		g.Go(func() error {
			for session := s.nextEnded(); session != nil; session = s.nextEnded() {
				session.shut()
				s.forget(session)
			}
			return nil
		})
	}
	<-ctx.Done()
	s.door.close()
	s.mu.Lock()
	s.closed = true
	open := slices.Collect(maps.Keys(s.sessions))
	s.mu.Unlock()
	s.changed.Broadcast()
	for _, session := range open {
		session.end(media.ErrClosed)
	}
	return errors.Join(g.Wait(), s.mux.Close())
}

// nextEnded waits for a session to close; nil when the server is closed and none is left.
func (s *Server) nextEnded() *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ended) == 0 {
		if s.closed && len(s.sessions) == 0 {
			return nil
		}
		s.changed.Wait()
	}
	session := s.ended[0]
	s.ended = s.ended[1:]
	return session
}

// admit enters a session; from then on it must end.
func (s *Server) admit(session *Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return media.ErrClosed
	}
	s.sessions[session] = struct{}{}
	return nil
}

func (s *Server) forget(session *Session) {
	s.mu.Lock()
	delete(s.sessions, session)
	s.mu.Unlock()
	s.changed.Broadcast()
}

// retire queues an ended session to be closed by Run. The queue holds each session once, so it is bounded by them.
func (s *Server) retire(session *Session) {
	s.mu.Lock()
	s.ended = append(s.ended, session)
	s.mu.Unlock()
	s.changed.Broadcast()
}
