package lean

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/rialto-live/rialto/media"
)

var sealProfiles = []srtp.ProtectionProfile{srtp.ProtectionProfileAeadAes128Gcm, srtp.ProtectionProfileAes128CmHmacSha1_80}

// outgoingPacket is a packet whose payload says which it is.
func outgoingPacket(ssrc uint32, n int, size int) *media.Outgoing {
	payload := make([]byte, size)
	binary.BigEndian.PutUint64(payload, uint64(n))
	return &media.Outgoing{Payload: payload, Header: rtp.Header{Version: 2, PayloadType: 96, SSRC: ssrc,
		Marker: n%5 == 0, SequenceNumber: uint16(n), Timestamp: uint32(n) * 3000}}
}

// TestClientReadsEverything sends three streams over several turns of the sequence number, with packets sent again across
// each turn, the last one as RFC 4588 has it.
func TestClientReadsEverything(t *testing.T) {
	for _, profile := range sealProfiles {
		t.Run(profile.String(), func(t *testing.T) {
			s, in, _ := newKeys(t, profile)
			dst := make([]byte, 0, 1500)
			var h rtp.Header
			send := func(p *media.Outgoing) {
				t.Helper()
				sealed, err := s.sealRTP(dst, p)
				if err != nil {
					t.Fatal(err)
				}
				plain, err := in.DecryptRTP(nil, sealed, &h)
				if err != nil {
					t.Fatalf("%d of %d: %v", p.Header.SequenceNumber, p.Header.SSRC, err)
				}
				payload := plain[h.MarshalSize():]
				if p.Repair {
					if binary.BigEndian.Uint16(payload) != p.Original {
						t.Fatalf("original number %d, want %d", binary.BigEndian.Uint16(payload), p.Original)
					}
					payload = payload[2:]
				}
				if !bytes.Equal(payload, p.Payload) || h.SSRC != p.Header.SSRC || h.Marker != p.Header.Marker ||
					h.Timestamp != p.Header.Timestamp || h.PayloadType != p.Header.PayloadType {
					t.Fatalf("read %+v, sent %+v", h, p.Header)
				}
			}
			const first = 32_000
			for n := first; n < first+2<<16; n += 1 + n%11 {
				send(outgoingPacket(1, n, 20))
				if n%7 == 0 {
					send(outgoingPacket(2, n/7, 30))
				}
				if back := n - 100; n%64 < 3 && back >= first {
					send(outgoingPacket(1, back, 20)) // again, or late
					repair := outgoingPacket(3, n, 20)
					repair.Repair, repair.Original = true, uint16(back)
					send(repair)
				}
			}
		})
	}
}

func TestPacketSentAgainIsTheSame(t *testing.T) {
	for _, profile := range sealProfiles {
		s, _, _ := newKeys(t, profile)
		seal := func(n int) []byte {
			b, err := s.sealRTP(make([]byte, 0, 1500), outgoingPacket(1, n, 1200))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		before, at, after := seal(65_535), seal(65_536), seal(65_537)
		for n, want := range map[int][]byte{65_535: before, 65_536: at, 65_537: after} {
			if !bytes.Equal(seal(n), want) {
				t.Errorf("%v: %d differs when it is sent again", profile, n)
			}
		}
		if bytes.Equal(seal(90_000), seal(90_001)) {
			t.Error("two packets are one")
		}
	}
}

// TestSealerAgreesWithPion compares every byte with what Pion's own sender makes.
func TestSealerAgreesWithPion(t *testing.T) {
	s, _, _ := newKeys(t, srtp.ProtectionProfileAeadAes128Gcm)
	for _, n := range []int{32_000, 60_000, 65_535, 65_536, 65_530, 69_000, 65_535, 100_000} {
		p := outgoingPacket(9, n, 1200)
		got, err := s.sealRTP(make([]byte, 0, 1500), p)
		if err != nil {
			t.Fatal(err)
		}
		plain, _ := (&rtp.Packet{Header: p.Header, Payload: p.Payload}).Marshal()
		want, err := s.reports.EncryptRTP(nil, plain, nil)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d: differs (%v)", n, err)
		}
	}
}

func TestSealWantsRoom(t *testing.T) {
	for _, profile := range sealProfiles {
		s, _, _ := newKeys(t, profile)
		p := outgoingPacket(1, 5, 1200)
		p.Repair = true
		if _, err := s.sealRTP(make([]byte, 0, plainHeader+1200+overhead), p); err != nil {
			t.Errorf("%v: %v", profile, err)
		}
		if _, err := s.sealRTP(make([]byte, 0, plainHeader+1200), p); !errors.Is(err, errRoom) {
			t.Errorf("%v: %v", profile, err)
		}
	}
}

func TestSealerBounds(t *testing.T) {
	for _, profile := range sealProfiles {
		s, _, _ := newKeys(t, profile)
		seal := func(ssrc uint32, n int) error {
			_, err := s.sealRTP(make([]byte, 0, 1500), outgoingPacket(ssrc, n, 50))
			return err
		}
		for ssrc := range uint32(maxStreams) {
			if err := seal(ssrc, 100); err != nil {
				t.Fatal(err)
			}
		}
		if err := seal(maxStreams, 100); !errors.Is(err, errStreams) {
			t.Errorf("one stream too many: %v", err)
		}
		if err := seal(0, 99); !errors.Is(err, errBefore) {
			t.Errorf("before the first: %v", err)
		}
		if err := seal(0, 65_535); !errors.Is(err, errBefore) {
			t.Errorf("a turn before the first: %v", err)
		}
		if err := seal(0, 100); err != nil {
			t.Errorf("the first again: %v", err)
		}
		if err := errors.Join(seal(2, 100+maxBehind), seal(2, 100)); err != nil {
			t.Errorf("as far behind as may be: %v", err)
		}
		if err := errors.Join(seal(2, 101+maxBehind), seal(2, 100)); !errors.Is(err, errBehind) {
			t.Errorf("too far behind: %v", err)
		}
		s.streams[1].highest = 1<<48 - 1
		if err := seal(1, 1<<16-1); err != nil {
			t.Errorf("the last: %v", err)
		}
		if err := seal(1, 0); !errors.Is(err, errSpent) {
			t.Errorf("past the last: %v", err)
		}
	}
}

func TestSealKeepsExtensions(t *testing.T) {
	s, in, _ := newKeys(t, srtp.ProtectionProfileAeadAes128Gcm)
	p := outgoingPacket(1, 5, 50)
	p.Header.CSRC = []uint32{7}
	if err := p.Header.SetExtension(1, []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	sealed, err := s.sealRTP(make([]byte, 0, 1500), p)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := in.DecryptRTP(nil, sealed, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got rtp.Packet
	if err := got.Unmarshal(plain); err != nil || !bytes.Equal(got.GetExtension(1), []byte{1, 2, 3}) ||
		got.CSRC[0] != 7 || !bytes.Equal(got.Payload, p.Payload) {
		t.Errorf("read %v: %v", got, err)
	}
}

// TestThrownAwayPackets is the rule that whoever takes packets and does not seal them has to keep: up to half a turn of
// numbers may be missing.
func TestThrownAwayPackets(t *testing.T) {
	s, in, _ := newKeys(t, srtp.ProtectionProfileAeadAes128Gcm)
	for _, n := range []int{100, 100 + 32_767, 100 + 2*32_767, 100 + 3*32_767} {
		sealed, err := s.sealRTP(make([]byte, 0, 1500), outgoingPacket(1, n, 50))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.DecryptRTP(nil, sealed, nil); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
	if _, err := s.sealRTP(make([]byte, 0, 1500), outgoingPacket(1, 101+4*32_767, 50)); !errors.Is(err, errBehind) {
		t.Errorf("after more than half a turn: %v", err)
	}
}
