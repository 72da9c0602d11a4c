package lean

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"sync"
	"testing"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/ciphersuite"
	"github.com/pion/dtls/v3/pkg/crypto/prf"
	"github.com/pion/dtls/v3/pkg/protocol"
	"github.com/pion/dtls/v3/pkg/protocol/recordlayer"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/rialto-live/rialto/media"
)

// stages are when a hostile datagram may come.
const (
	stageFirst  = iota // before anything else
	stageHello         // after the client's hello
	stageSealed        // as a record of the client's own, sealed with the right keys, in place of its Finished
	stageLast          // after the handshake
	stages
)

// datagrams splits fuzzed bytes: each is preceded by its length.
func datagrams(b []byte) (out [][]byte) {
	for len(b) > 2 && len(out) < 2*inboxDatagrams {
		n := min(int(b[0])<<8|int(b[1]), len(b)-2)
		out = append(out, b[2:2+n])
		b = b[2+n:]
	}
	return out
}

// FuzzDTLS: whatever comes and whenever, the server neither panics nor keeps more than it may, and ends when it is told to.
func FuzzDTLS(f *testing.F) {
	hello := []byte{kindHandshake, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, messageClientHello, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0}
	empty := []byte{kindHandshake, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, messageClientHello, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0}
	for stage := range byte(stages) {
		for _, b := range [][]byte{hello, empty, repeated, goodbye, append(bytes.Clone(repeated), goodbye...), []byte("GET /")} {
			f.Add(stage, append([]byte{0, byte(len(b))}, b...))
		}
		f.Add(stage, []byte{0, 12, 20, 0, 0, 0, 0, 5, 0, 0, 5, 0, 0, 0}) // fragments of a Finished that is none
		f.Add(stage, []byte{0, 24, 20, 0, 0, 12, 0, 5, 0, 0, 0, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	}
	own := newCertificate(f)
	cfg := newDTLSConfig(newCertificate(f))
	f.Fuzz(func(t *testing.T, stage byte, b []byte) {
		switch hostile := datagrams(b); stage % stages {
		case stageFirst:
			fuzzOpening(t, cfg, nil, hostile)
		case stageHello:
			fuzzOpening(t, cfg, own.Certificate, hostile)
		case stageSealed:
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if p := shakeFalsely(ctx, t, cfg, hostile, cancel); p.secrets != nil {
				t.Error("a client without Finished got in")
			}
		case stageLast:
			fuzzFarewell(t, hostile)
		}
	})
}

// fuzzOpening has a server take hostile datagrams, after a client's hello when there is a client.
func fuzzOpening(t *testing.T, cfg *dtlsConfig, client [][]byte, hostile [][]byte) {
	h := newHandshake(cfg, [32]byte{}, func([]byte) {})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _, _, _ = h.run(ctx) })
	if client != nil {
		h.take(clientHello(t))
		drain(h)
	}
	for _, b := range hostile {
		h.take(b)
	}
	if h.in.bytes > inboxBytes || len(h.in.datagrams) > inboxDatagrams {
		t.Error("the inbox is longer than it may be")
	}
	drain(h)
	cancel()
	wg.Wait()
	for _, b := range hostile {
		h.take(b)
	}
	if len(h.in.datagrams) > 0 {
		t.Error("something is kept after the end")
	}
}

var clientHello = func() func(t *testing.T) []byte {
	var once sync.Once
	var hello []byte
	return func(t *testing.T) []byte {
		once.Do(func() {
			w := newCable()
			w.up = func(b []byte) { hello = bytes.Clone(b); w.close() }
			c, err := dtls.ClientWithOptions(w, nowhere{}, clientOptions(newCertificate(t))...)
			if err != nil {
				t.Fatal(err)
			}
			_ = c.Handshake()
		})
		return hello
	}
}()

// drain waits until Pion has read everything, or reads no more.
func drain(h *handshake) {
	for {
		h.in.mu.Lock()
		left, closed := len(h.in.datagrams), h.in.closed
		h.in.mu.Unlock()
		if left == 0 || closed {
			return
		}
		runtime.Gosched()
	}
}

// shakeFalsely has a client that knows the keys send hostile records, sealed, instead of its Finished. done is called when
// the server has read them.
func shakeFalsely(ctx context.Context, t *testing.T, cfg *dtlsConfig, hostile [][]byte, done func()) *pair {
	own := newCertificate(t)
	w := newCable()
	p := &pair{h: newHandshake(cfg, fingerprintOf(own), w.write), wire: w}
	var keyLog bytes.Buffer
	w.up = func(b []byte) {
		var clear []byte
		sealed := false
		for r, rest, ok := nextRecord(b); ok; r, rest, ok = nextRecord(rest) {
			if r.epoch == 1 {
				sealed = true
				continue
			}
			clear = append(clear, r.whole...)
		}
		p.h.take(clear)
		if sealed {
			for i, b := range hostile {
				p.h.take(sealRecord(t, w.all(), keyLog.String(), uint64(i), b))
			}
			drain(p.h)
			done()
		}
	}
	p.shake(ctx, t, clientOptions(own, dtls.WithKeyLogWriter(&keyLog))...)
	_ = p.client.Close()
	return p
}

// sealRecord seals what a client of these keys might.
func sealRecord(t *testing.T, server [][]byte, keyLog string, seq uint64, b []byte) []byte {
	t.Helper()
	var client, master []byte
	if fields := bytes.Fields([]byte(keyLog)); len(fields) >= 3 {
		client, _ = hex.DecodeString(string(fields[1]))
		master, _ = hex.DecodeString(string(fields[2]))
	}
	const random = recordHeader + fragmentHeader + 2 // of the ServerHello
	keys, err := prf.GenerateEncryptionKeys(master, client, server[0][random:random+32], 0, 16, 4, sha256.New)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := ciphersuite.NewGCM(keys.ClientWriteKey, keys.ClientWriteIV, keys.ServerWriteKey, keys.ServerWriteIV)
	if err != nil {
		t.Fatal(err)
	}
	kind := protocol.ContentTypeHandshake
	if len(b) == 2 {
		kind = protocol.ContentTypeAlert
	}
	header := recordlayer.Header{ContentType: kind, Version: protocol.Version1_2, Epoch: 1, SequenceNumber: seq, ContentLen: uint16(len(b))}
	raw, err := header.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := gcm.Encrypt(&recordlayer.RecordLayer{Header: header}, append(raw, b...))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func fuzzFarewell(t *testing.T, hostile [][]byte) {
	f := &farewell{last: [][]byte{{1}}, notify: []byte{2}}
	sent := 0
	for range 3 {
		for _, b := range hostile {
			f.again(b, func([]byte) { sent++ })
		}
	}
	if sent > maxResends {
		t.Errorf("resent %d times", sent)
	}
}

// FuzzRTCP: whatever an authentic client says, nothing panics, and one packet means bounded work.
func FuzzRTCP(f *testing.F) {
	for _, p := range []rtcp.Packet{
		&rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: 2, FractionLost: 9}}},
		&rtcp.TransportLayerNack{SenderSSRC: 1, MediaSSRC: 2, Nacks: []rtcp.NackPair{{PacketID: 9, LostPackets: 0xffff}}},
		&rtcp.PictureLossIndication{SenderSSRC: 1, MediaSSRC: 2},
		&rtcp.FullIntraRequest{SenderSSRC: 1, MediaSSRC: 2, FIR: []rtcp.FIREntry{{SSRC: 2, SequenceNumber: 1}}},
		&rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: 1, Bitrate: 1e6, SSRCs: []uint32{2}},
		&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{Source: 1, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "a"}}}}},
		&rtcp.TransportLayerCC{SenderSSRC: 1, MediaSSRC: 2}, &rtcp.Goodbye{Sources: []uint32{1}},
	} {
		b, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, false)
		f.Add(b, true)
	}
	viewer := watch(f)
	f.Fuzz(func(t *testing.T, plain []byte, cm bool) {
		if len(plain) > 1500 {
			return // longer than a datagram
		}
		profile := srtp.ProtectionProfileAeadAes128Gcm
		if cm {
			profile = srtp.ProtectionProfileAes128CmHmacSha1_80
		}
		s, _, out := newKeys(t, profile)
		if _, err := s.openRTCP(nil, plain); err == nil {
			t.Fatal("something without a tag is authentic")
		}
		if len(s.sources) != 0 {
			t.Fatal("something without a tag leaves state")
		}
		sealed, err := out.EncryptRTCP(nil, plain, nil)
		if err != nil {
			return // no RTCP header
		}
		got, err := s.openRTCP(make([]byte, 0, 2048), sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("opened %x: %v", got, err)
		}
		if _, err := s.openRTCP(nil, sealed); err == nil {
			t.Fatal("the same packet was taken twice")
		}
		if packets, err := rtcp.Unmarshal(got); err == nil {
			viewer.Feedback(packets)
		}
	})
}

// watch is a viewer of a real relay with something to see.
func watch(t testing.TB) *media.Subscriber {
	t.Helper()
	relay, stop := runRelay(t)
	t.Cleanup(stop)
	layer := publish(t, relay)
	for n := range 50 {
		b, err := (&rtp.Packet{Payload: []byte{0x10, 0, 0, 0}, Header: rtp.Header{Version: 2, SSRC: 7, Marker: true,
			SequenceNumber: uint16(n), Timestamp: uint32(n) * 3000}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if err := layer.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	viewer, err := relay.Subscribe("shw_1", media.Grant{Subject: "gst", Rights: media.RightWatch}, []media.Codec{media.VP8}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	viewer.Start(takesAll{}, media.Binding{CNAME: "a", Video: media.Line{SSRC: 2,
		PayloadTypes: map[media.Codec]uint8{media.VP8: 96}}})
	return viewer
}

func runRelay(t testing.TB) (relay *media.Relay, stop func()) {
	t.Helper()
	relay, err := media.New(media.Config{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = relay.Run(ctx) })
	return relay, func() { cancel(); wg.Wait() }
}

// publish takes the stream over for a new session of its publisher.
func publish(t testing.TB, relay *media.Relay) *media.Layer {
	t.Helper()
	pub, err := relay.Publish("shw_1", media.Grant{Subject: "acc_1", Rights: media.RightPublish},
		media.PublishOptions{Feedback: noKeyframes{}, OnEnd: func(error) {}})
	if err != nil {
		t.Fatal(err)
	}
	layer, err := pub.AddLayer(media.VP8)
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

type noKeyframes struct{}

func (noKeyframes) RequestKeyframe(*media.Layer) {}

type takesAll struct{}

func (takesAll) Send(_ int, run []media.Outgoing) int { return len(run) }
func (takesAll) SendReports(int, []rtcp.Packet)       {}
