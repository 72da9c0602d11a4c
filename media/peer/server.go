package peer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/egress"
	"github.com/rialto-live/rialto/media/lean"
)

// Config of a Server.
type Config struct {
	Relay *media.Relay
	// Listen is the address for all media, UDP and TCP, such as ":8443".
	Listen string
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
	if c.Listen == "" {
		errs = append(errs, errors.New("peer: Listen is missing"))
	}
	for _, ip := range c.PublicIPs {
		if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() {
			errs = append(errs, fmt.Errorf("peer: public address %s cannot be reached by anybody", ip))
		}
	}
	return errors.Join(errs...)
}

// Server negotiates and carries every WebRTC session of this node over one port.
type Server struct {
	// static after New
	relay    *media.Relay
	log      *slog.Logger
	port     *egress.Port
	rest     *rest
	mux      *ice.UDPMuxDefault
	settings webrtc.SettingEngine
	cert     webrtc.Certificate
	door     *admission
	lean     *lean.Transport
	declines bool // for tests: every viewer takes Pion's way

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
	cert, keyPair, err := newCertificate()
	if err != nil {
		return nil, err
	}
	port, listener, err := listen(cfg.Listen, cfg.Relay.Workers())
	if err != nil {
		return nil, err
	}
	s := &Server{
		relay: cfg.Relay, log: cfg.Log, port: port, cert: cert,
		sessions: map[*Session]struct{}{},
		door:     newAdmission(runtime.GOMAXPROCS(0), cfg.Relay.Lateness, cfg.Registerer),
	}
	s.changed = sync.NewCond(&s.mu)
	m := newMetrics(port)
	s.rest = newRest(port, m.dropped)
	quiet := &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}
	s.mux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: s.rest, Logger: quiet.NewLogger("ice")})
	if s.settings, err = newSettings(s.mux, quiet, cfg.PublicIPs); err != nil {
		return nil, errors.Join(err, s.mux.Close(), port.Close(), listener.Close())
	}
	addrs, err := reachedAt(s.Addr(), cfg.PublicIPs)
	if err != nil {
		return nil, errors.Join(err, s.mux.Close(), port.Close(), listener.Close())
	}
	s.lean = lean.New(lean.Config{
		Port: port, Listener: listener, Addrs: addrs, Certificate: keyPair, Workers: cfg.Relay.Workers(), Rest: s.rest.take,
	})
	cfg.Relay.OnFlush(s.lean.Flush)
	m.register(cfg.Registerer, s.lean)
	return s, nil
}

// newCertificate makes the one certificate of this process, as Pion wants it and as DTLS does: one per connection would
// cost each join a key.
func newCertificate() (webrtc.Certificate, tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return webrtc.Certificate{}, tls.Certificate{}, fmt.Errorf("certificate key: %w", err)
	}
	now := time.Now()
	template := x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "rialto"},
		NotBefore: now.Add(-certificateSlack), NotAfter: now.Add(certificateLasts),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return webrtc.Certificate{}, tls.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return webrtc.Certificate{}, tls.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	return webrtc.CertificateFromX509(key, parsed), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}, nil
}

// Addr is the bound address, of UDP and of TCP.
func (s *Server) Addr() netip.AddrPort {
	return s.port.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Run carries media and closes what ends until ctx is done, then ends and closes every session and the port.
func (s *Server) Run(ctx context.Context) error {
	carried, stop := context.WithCancel(context.Background()) // outlives the sessions, whose goodbyes it sends
	defer stop()
	var carrier errgroup.Group
	carrier.Go(func() error { return s.lean.Run(carried) })
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
	err := g.Wait()
	stop()
	return errors.Join(err, s.mux.Close(), carrier.Wait())
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
