package lean

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/rialto-live/rialto/media"
)

func TestHandshakeGivesKeysBothWays(t *testing.T) {
	for name, offered := range map[string][]dtls.SRTPProtectionProfile{
		"gcm last, as Chromium": profiles,
		"cm only":               {dtls.SRTP_AES128_CM_HMAC_SHA1_80},
		"gcm only":              {dtls.SRTP_AEAD_AES_128_GCM},
	} {
		t.Run(name, func(t *testing.T) {
			c := shakeHands(t, dtls.WithSRTPProtectionProfiles(offered...))
			got, _ := c.client.SelectedSRTPProtectionProfile()
			if want := offered[len(offered)-1]; got != want {
				t.Errorf("profile %v, want %v", got, want)
			}
			converse(t, c)
		})
	}
}

// converse sends media one way and RTCP both ways.
func converse(t *testing.T, c *secured) {
	t.Helper()
	p := media.Outgoing{Header: rtp.Header{Version: 2, SSRC: 1, SequenceNumber: 7, PayloadType: 96}, Payload: []byte("picture")}
	sealed, err := c.secrets.sealRTP(make([]byte, 0, 1500), &p)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := c.in.DecryptRTP(nil, sealed, nil)
	if err != nil || !strings.HasSuffix(string(plain), "picture") {
		t.Fatalf("client read %q: %v", plain, err)
	}
	reports := []rtcp.Packet{&rtcp.SenderReport{SSRC: 1, PacketCount: 1}}
	if sealed, err = c.secrets.sealReports(make([]byte, 0, 1500), reports); err != nil {
		t.Fatal(err)
	}
	if plain, err = c.in.DecryptRTCP(nil, sealed, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := rtcp.Unmarshal(plain); err != nil || got[0].(*rtcp.SenderReport).PacketCount != 1 {
		t.Fatalf("client read %v: %v", got, err)
	}
	nack, _ := (&rtcp.TransportLayerNack{SenderSSRC: 1, MediaSSRC: 1, Nacks: []rtcp.NackPair{{PacketID: 7}}}).Marshal()
	if sealed, err = c.out.EncryptRTCP(nil, nack, nil); err != nil {
		t.Fatal(err)
	}
	if plain, err = c.secrets.openRTCP(nil, sealed); err != nil || string(plain) != string(nack) {
		t.Fatalf("server read %x: %v", plain, err)
	}
}

func TestHandshakeRefuses(t *testing.T) {
	own := newCertificate(t)
	for name, c := range map[string]struct {
		fingerprint [32]byte
		options     []dtls.ClientOption
		want        error
	}{
		"another certificate": {[32]byte{1}, clientOptions(own), errFingerprint},
		"no certificate":      {fingerprintOf(own), clientOptions(own)[1:], nil},
		"no SRTP":             {fingerprintOf(own), slices.Delete(clientOptions(own), 3, 4), errNoProfile},
		"no extended master secret": {fingerprintOf(own),
			clientOptions(own, dtls.WithExtendedMasterSecret(dtls.DisableExtendedMasterSecret)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, c.fingerprint)
			start := time.Now()
			p.shake(context.Background(), t, c.options...)
			if p.err == nil || p.secrets != nil || p.farewell != nil {
				t.Fatalf("server: %v", p.err)
			}
			if c.want != nil && !errors.Is(p.err, c.want) {
				t.Errorf("server: %v, want %v", p.err, c.want)
			}
			if time.Since(start) >= handshakeWithin {
				t.Error("the server waited for the time to run out")
			}
			sent := p.wire.all()
			if r, _, ok := nextRecord(sent[len(sent)-1]); !ok || r.kind != kindAlert {
				t.Errorf("the last the client was told is %x", sent[len(sent)-1])
			}
			_ = p.client.Close()
		})
	}
}

func TestHandshakeEndsWithItsContext(t *testing.T) {
	p := newPair(t, [32]byte{})
	ctx, cancel := context.WithCancel(context.Background())
	gone := errors.New("gone")
	ctx, cancelCause := context.WithCancelCause(ctx)
	defer cancel()
	done := make(chan error)
	go func() {
		_, _, err := p.h.run(ctx)
		done <- err
	}()
	cancelCause(gone)
	if err := <-done; !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	p.h.take([]byte{22}) // after run: nothing to see
}
