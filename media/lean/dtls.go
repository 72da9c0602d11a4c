package lean

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/elliptic"
	"github.com/pion/logging"
	"github.com/pion/srtp/v3"
)

const (
	// handshakeWithin bounds a handshake.
	handshakeWithin = 10 * time.Second
	// flightInterval is how long Pion waits for an answer before it sends a flight again; then twice as long each time.
	flightInterval = 100 * time.Millisecond
	// refusedWithin is how long a handshake goes on after an alert in clear. Anybody can send one, so it ends nothing by
	// itself, but a client that sent it will not go on either.
	refusedWithin = time.Second
)

var (
	errHandshakeTime = errors.New("the client did not finish the DTLS handshake in time")
	errFingerprint   = errors.New("the client's certificate is not the one its offer names")
	errNoProfile     = errors.New("the client knows no SRTP profile of ours")
	errClientLeft    = errors.New("the client closed the DTLS connection")
)

// dtlsConfig is what all handshakes share.
type dtlsConfig struct{ options []dtls.ServerOption }

// newDTLSConfig makes the settings of all handshakes. The certificate's key must be ECDSA.
//
// The ciphers are those of the handshake alone, since media has its own. RFC 8827 section 6.5 makes the first one
// mandatory, and clients that have no AES in hardware list the second before it; Pion takes the client's first choice of
// these. SRTP profiles are taken in our order. ICE has shown that the client receives at its address, so the cookie
// exchange (RFC 6347 section 4.2.1), which shows the same, would only cost a round trip.
func newDTLSConfig(cert tls.Certificate) *dtlsConfig {
	if cert.Leaf == nil && len(cert.Certificate) > 0 {
		// Pion parses it in each handshake otherwise. One that cannot be parsed fails there.
		cert.Leaf, _ = x509.ParseCertificate(cert.Certificate[0])
	}
	return &dtlsConfig{[]dtls.ServerOption{
		dtls.WithCertificates(cert),
		dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
		dtls.WithEllipticCurves(elliptic.X25519, elliptic.P256, elliptic.P384),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithInsecureSkipVerifyHello(true),
		dtls.WithFlightInterval(flightInterval),
		dtls.WithLoggerFactory(quiet{}),
	}}
}

// handshake is the DTLS server of one session, until the keys are there. It is Pion's connection underneath: a
// net.PacketConn whose other end is the session.
type handshake struct {
	// static after newHandshake
	cfg         *dtlsConfig
	fingerprint [32]byte
	write       func([]byte)

	in inbox

	out     sync.Mutex // guards what follows, and is held while a datagram goes out: none does after run
	done    bool
	leaving bool // Pion's connection is being closed: what it says is kept for later
	last    [][]byte
	notify  []byte

	mu      sync.Mutex
	refuse  context.CancelCauseFunc // nil before run
	refused *time.Timer             // nil: no alert in clear has come
	alert   byte
}

// newHandshake prepares the handshake with a client whose certificate has the given SHA-256 fingerprint. write sends one
// datagram to the client; it must not block, and must not keep the datagram.
func newHandshake(cfg *dtlsConfig, fingerprint [32]byte, write func(b []byte)) *handshake {
	h := &handshake{cfg: cfg, fingerprint: fingerprint, write: write}
	h.in.ready = sync.NewCond(&h.in.mu)
	return h
}

// take takes a DTLS datagram of the client and copies what it needs. It never blocks, and may be called by any
// goroutine, before run, during it and after it. What cannot belong to a handshake is dropped, as is what is too much.
func (h *handshake) take(b []byte) {
	if len(b) > maxDatagram {
		return
	}
	kept, alert, refused := sift(b)
	if kept != nil {
		h.in.put(kept)
	}
	if refused {
		h.hint(alert)
	}
}

// hint takes note of an alert in clear.
func (h *handshake) hint(alert byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse == nil || h.refused != nil {
		return
	}
	refuse := h.refuse
	h.alert = alert
	h.refused = time.AfterFunc(refusedWithin, func() { refuse(fmt.Errorf("the client refused the handshake: DTLS alert %d", alert)) })
}

// run shakes hands; it blocks until that is done, has failed, or ctx ends. It may be called once. Afterwards nothing of
// Pion's connection is left, and nothing is written any more.
func (h *handshake) run(ctx context.Context) (*secrets, *farewell, error) {
	ctx, stop := context.WithTimeoutCause(ctx, handshakeWithin, errHandshakeTime)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer h.end()
	h.mu.Lock()
	h.refuse = cancel
	h.mu.Unlock()

	options := append(slices.Clip(h.cfg.options), dtls.WithVerifyPeerCertificate(h.verify))
	conn, err := dtls.ServerWithOptions(h, nowhere{}, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("dtls: %w", err)
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, nil, fmt.Errorf("dtls: %w", err)
	}
	s, err := h.keys(conn)
	h.out.Lock()
	h.leaving = err == nil // a client that is refused is told now
	h.out.Unlock()
	_ = conn.Close() // it has nothing to fail at but the network, which is ours
	if err != nil {
		return nil, nil, err
	}
	h.out.Lock()
	defer h.out.Unlock()
	if h.notify == nil {
		return nil, nil, errClientLeft // Pion had closed the connection before us
	}
	return s, &farewell{last: h.last, notify: h.notify}, nil
}

// end lets nothing in or out any more.
func (h *handshake) end() {
	h.in.close()
	h.out.Lock()
	h.done = true
	h.out.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refused != nil {
		h.refused.Stop()
	}
	h.refuse = nil
}

// verify is called by Pion when the client has proven that it has the certificate's key.
func (h *handshake) verify(raw [][]byte, _ [][]*x509.Certificate) error {
	if len(raw) == 0 || sha256.Sum256(raw[0]) != h.fingerprint {
		return errFingerprint
	}
	return nil
}

// keys takes what media needs from a finished handshake.
func (h *handshake) keys(conn *dtls.Conn) (*secrets, error) {
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, errClientLeft
	}
	if err := h.verify(state.PeerCertificates, nil); err != nil {
		return nil, fmt.Errorf("dtls: %w", err)
	}
	profile, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return nil, fmt.Errorf("dtls: %w", errNoProfile)
	}
	config := srtp.Config{Profile: srtp.ProtectionProfile(profile)}
	if err := config.ExtractSessionKeysFromDTLS(&state, false); err != nil {
		return nil, fmt.Errorf("srtp keys: %w", err)
	}
	return newSecrets(config.Profile, config.Keys)
}

// ReadFrom is called by Pion.
func (h *handshake) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := h.in.get(b)
	return n, nowhere{}, err
}

// WriteTo is called by Pion. Our last flight begins with the only ChangeCipherSpec we send.
func (h *handshake) WriteTo(b []byte, _ net.Addr) (int, error) {
	h.out.Lock()
	defer h.out.Unlock()
	if h.done {
		return 0, net.ErrClosed
	}
	alert := len(b) > 0 && b[0] == kindAlert
	switch {
	case alert && h.leaving:
		h.notify = slices.Clone(b)
		return len(b), nil
	case len(b) > 0 && b[0] == kindChangeCipherSpec:
		h.last = [][]byte{slices.Clone(b)}
	case h.last != nil && !alert:
		h.last = append(h.last, slices.Clone(b))
	}
	h.write(b)
	return len(b), nil
}

// Close is called by Pion.
func (h *handshake) Close() error {
	h.in.close()
	return nil
}

// SetReadDeadline is called by Pion to interrupt a read.
func (h *handshake) SetReadDeadline(t time.Time) error {
	h.in.expire(t)
	return nil
}

// SetWriteDeadline has nothing to do: writes do not wait.
func (h *handshake) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is not used by Pion.
func (h *handshake) SetDeadline(t time.Time) error { return h.SetReadDeadline(t) }

// LocalAddr is not used by Pion's server.
func (h *handshake) LocalAddr() net.Addr { return nowhere{} }

// nowhere is the address of both ends: where datagrams go is the session's business.
type nowhere struct{}

func (nowhere) Network() string { return "lean" }
func (nowhere) String() string  { return "client" }

// quiet drops what Pion would log: an error comes back from run, and is logged where it stops.
type quiet struct{}

func (q quiet) NewLogger(string) logging.LeveledLogger { return q }

func (quiet) Trace(string)          {}
func (quiet) Tracef(string, ...any) {}
func (quiet) Debug(string)          {}
func (quiet) Debugf(string, ...any) {}
func (quiet) Info(string)           {}
func (quiet) Infof(string, ...any)  {}
func (quiet) Warn(string)           {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Error(string)          {}
func (quiet) Errorf(string, ...any) {}
