package lean

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"runtime/pprof"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"
)

// newCertificate makes a certificate as browsers do.
func newCertificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func fingerprintOf(c tls.Certificate) [32]byte { return sha256.Sum256(c.Certificate[0]) }

// cable is the client's end of a connection to a handshake under test.
type cable struct {
	inbox
	up   func(b []byte) // to the server
	down func(b []byte) // to the client: deliver, unless a test has something else in mind
	mu   sync.Mutex
	sent [][]byte // by the server, lost ones too
}

func newCable() *cable {
	w := &cable{}
	w.inbox.ready = sync.NewCond(&w.inbox.mu)
	w.down = w.deliver
	return w
}

// deliver is not bounded as the server's side is: a test sends for longer.
func (w *cable) deliver(b []byte) {
	w.inbox.mu.Lock()
	w.taken, w.count = 0, 0
	w.inbox.mu.Unlock()
	w.put(append([]byte(nil), b...))
}

// write is the server's way out.
func (w *cable) write(b []byte) {
	w.mu.Lock()
	w.sent = append(w.sent, append([]byte(nil), b...))
	w.mu.Unlock()
	w.down(b)
}

func (w *cable) all() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([][]byte(nil), w.sent...)
}

func (w *cable) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := w.get(b)
	return n, nowhere{}, err
}

func (w *cable) WriteTo(b []byte, _ net.Addr) (int, error) {
	w.up(b)
	return len(b), nil
}

func (w *cable) Close() error                       { w.close(); return nil }
func (w *cable) LocalAddr() net.Addr                { return nowhere{} }
func (w *cable) SetDeadline(t time.Time) error      { return w.SetReadDeadline(t) }
func (w *cable) SetReadDeadline(t time.Time) error  { w.expire(t); return nil }
func (w *cable) SetWriteDeadline(t time.Time) error { return nil }

var profiles = []dtls.SRTPProtectionProfile{dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_128_GCM} // as Chromium

// clientOptions are a browser's.
func clientOptions(own tls.Certificate, more ...dtls.ClientOption) []dtls.ClientOption {
	return append([]dtls.ClientOption{
		dtls.WithCertificates(own), dtls.WithInsecureSkipVerify(true), dtls.WithFlightInterval(50 * time.Millisecond),
		dtls.WithSRTPProtectionProfiles(profiles...), dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithLoggerFactory(quiet{}),
	}, more...)
}

// pair is a server and a client in the middle of a handshake, and what came of it.
type pair struct {
	h    *handshake
	wire *cable

	secrets  *secrets
	farewell *farewell
	err      error

	client    *dtls.Conn
	clientErr error
}

func newPair(t testing.TB, fingerprint [32]byte) *pair {
	t.Helper()
	w := newCable()
	p := &pair{h: newHandshake(newDTLSConfig(newCertificate(t)), fingerprint, w.write), wire: w}
	w.up = p.h.take
	return p
}

// shake runs both sides. Once the server is done, what the client sends goes to its farewell, as a session does it.
func (p *pair) shake(ctx context.Context, t testing.TB, options ...dtls.ClientOption) {
	t.Helper()
	var err error
	if p.client, err = dtls.ClientWithOptions(p.wire, nowhere{}, options...); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	up := p.wire.up
	p.wire.up = func(b []byte) {
		mu.Lock()
		f := p.farewell
		mu.Unlock()
		if f != nil {
			f.again(b, p.wire.write)
			return
		}
		up(b)
	}
	wg.Go(func() {
		pprof.Do(ctx, pprof.Labels("side", "server"), func(ctx context.Context) {
			s, f, err := p.h.run(ctx)
			mu.Lock()
			p.secrets, p.farewell, p.err = s, f, err
			mu.Unlock()
		})
	})
	within, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	p.clientErr = p.client.HandshakeContext(within)
	wg.Wait()
}

// secured is a pair that has shaken hands, and the client's SRTP.
type secured struct {
	*pair
	in, out *srtp.Context // of the client
}

func shakeHands(t testing.TB, more ...dtls.ClientOption) *secured {
	t.Helper()
	own := newCertificate(t)
	p := newPair(t, fingerprintOf(own))
	p.shake(context.Background(), t, clientOptions(own, more...)...)
	return p.finish(t)
}

// finish fails unless both sides are done.
func (p *pair) finish(t testing.TB) *secured {
	t.Helper()
	if p.err != nil || p.clientErr != nil {
		t.Fatalf("server: %v, client: %v", p.err, p.clientErr)
	}
	t.Cleanup(func() { _ = p.client.Close() })
	return p.secured(t)
}

// secured makes the client's SRTP.
func (p *pair) secured(t testing.TB) *secured {
	t.Helper()
	state, ok := p.client.ConnectionState()
	profile, chosen := p.client.SelectedSRTPProtectionProfile()
	if !ok || !chosen {
		t.Fatal("the client has no SRTP profile")
	}
	config := srtp.Config{Profile: srtp.ProtectionProfile(profile)}
	if err := config.ExtractSessionKeysFromDTLS(&state, true); err != nil {
		t.Fatal(err)
	}
	return &secured{p, newContext(t, config.Keys.RemoteMasterKey, config.Keys.RemoteMasterSalt, config.Profile),
		newContext(t, config.Keys.LocalMasterKey, config.Keys.LocalMasterSalt, config.Profile)}
}

func newContext(t testing.TB, key, salt []byte, profile srtp.ProtectionProfile) *srtp.Context {
	t.Helper()
	c, err := srtp.CreateContext(key, salt, profile)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newKeys are secrets without a handshake, and the client's side of them.
func newKeys(t testing.TB, profile srtp.ProtectionProfile) (s *secrets, in, out *srtp.Context) {
	t.Helper()
	n, _ := profile.KeyLen()
	m, _ := profile.SaltLen()
	b := make([]byte, 2*(n+m))
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	keys := srtp.SessionKeys{LocalMasterKey: b[:n], LocalMasterSalt: b[n : n+m],
		RemoteMasterKey: b[n+m : 2*n+m], RemoteMasterSalt: b[2*n+m:]}
	s, err := newSecrets(profile, keys)
	if err != nil {
		t.Fatal(err)
	}
	return s, newContext(t, keys.LocalMasterKey, keys.LocalMasterSalt, profile),
		newContext(t, keys.RemoteMasterKey, keys.RemoteMasterSalt, profile)
}
