package load

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"
	"github.com/pion/transport/v4/packetio"
)

const (
	secureWithin = 15 * time.Second
	dtlsFlight   = 100 * time.Millisecond
	dtlsBuffer   = 64 << 10
)

// newCertificate makes the one certificate of a crowd.
func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate key: %w", err)
	}
	now := time.Now()
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(30 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// fingerprint is a certificate's SHA-256 as SDP writes it.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// virtual is the DTLS part of a viewer's wire.
type virtual struct {
	*packetio.Buffer
	viewer *Viewer
}

func newVirtual(v *Viewer) *virtual {
	b := packetio.NewBuffer()
	b.SetLimitSize(dtlsBuffer)
	return &virtual{b, v}
}

func (c *virtual) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := c.Read(b)
	return n, c.RemoteAddr(), err
}

func (c *virtual) WriteTo(b []byte, _ net.Addr) (int, error) {
	c.viewer.wire.write(b, *c.viewer.path.Load())
	return len(b), nil
}

func (c *virtual) RemoteAddr() net.Addr             { return net.UDPAddrFromAddrPort(*c.viewer.path.Load()) }
func (c *virtual) LocalAddr() net.Addr              { return c.viewer.wire.LocalAddr() }
func (c *virtual) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *virtual) SetWriteDeadline(time.Time) error { return nil } // a write does not wait for long

// secure shakes hands in the role that the answer leaves, and makes the keys.
func (v *Viewer) secure(ctx context.Context, own tls.Certificate) error {
	ctx, cancel := context.WithTimeout(ctx, secureWithin)
	defer cancel()
	options := []dtls.Option{
		dtls.WithCertificates(own), dtls.WithInsecureSkipVerify(true), dtls.WithFlightInterval(dtlsFlight),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			if len(raw) == 0 || fingerprint(raw[0]) != v.answer.remote.fingerprint {
				return errors.New("the server's certificate is not the one it named")
			}
			return nil
		}),
	}
	var err error
	if v.answer.active {
		server := []dtls.ServerOption{dtls.WithClientAuth(dtls.RequireAnyClientCert)}
		for _, o := range options {
			server = append(server, o)
		}
		v.dtls, err = dtls.ServerWithOptions(v.virtual, v.virtual.RemoteAddr(), server...)
	} else {
		var client []dtls.ClientOption
		for _, o := range options {
			client = append(client, o)
		}
		v.dtls, err = dtls.ClientWithOptions(v.virtual, v.virtual.RemoteAddr(), client...)
	}
	if err != nil {
		return fmt.Errorf("dtls: %w", err)
	}
	if err := v.dtls.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("dtls: %w", err)
	}
	return v.makeKeys()
}

func (v *Viewer) makeKeys() error {
	state, ok := v.dtls.ConnectionState()
	profile, chosen := v.dtls.SelectedSRTPProtectionProfile()
	if !ok || !chosen {
		return errors.New("dtls: no SRTP profile was agreed on")
	}
	config := srtp.Config{Profile: srtp.ProtectionProfile(profile)}
	if err := config.ExtractSessionKeysFromDTLS(&state, !v.answer.active); err != nil {
		return fmt.Errorf("srtp keys: %w", err)
	}
	in, err := srtp.CreateContext(config.Keys.RemoteMasterKey, config.Keys.RemoteMasterSalt, config.Profile)
	if err != nil {
		return fmt.Errorf("srtp: %w", err)
	}
	out, err := srtp.CreateContext(config.Keys.LocalMasterKey, config.Keys.LocalMasterSalt, config.Profile)
	if err != nil {
		return fmt.Errorf("srtp: %w", err)
	}
	v.unlock(in, out)
	return nil
}

// awaitGoodbye ends the viewer when the server closes the DTLS connection.
func (v *Viewer) awaitGoodbye() {
	b := make([]byte, 64)
	for {
		_, err := v.dtls.Read(b)
		if err == nil {
			continue // nobody sends data here
		}
		if errors.Is(err, io.EOF) {
			err = ErrEnded
		}
		v.end(err)
		return
	}
}
