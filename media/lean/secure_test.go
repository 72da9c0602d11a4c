package lean

import (
	"bytes"
	"errors"
	"testing"

	"github.com/pion/rtcp"
)

func receiverReport(t testing.TB, ssrc uint32) []byte {
	t.Helper()
	b, err := (&rtcp.ReceiverReport{SSRC: ssrc}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReportsOfTheClientAreTakenOnce(t *testing.T) {
	for _, profile := range sealProfiles {
		s, _, out := newKeys(t, profile)
		var packets [][]byte
		for range reportWindow + 10 {
			b, err := out.EncryptRTCP(nil, receiverReport(t, 1), nil)
			if err != nil {
				t.Fatal(err)
			}
			packets = append(packets, b)
		}
		last := len(packets) - 1
		open := func(i int) error {
			got, err := s.openRTCP(nil, packets[i])
			if err == nil && !bytes.Equal(got, receiverReport(t, 1)) {
				t.Errorf("%v: read %x", profile, got)
			}
			return err
		}
		for _, i := range []int{3, 2, 4} { // out of order
			if err := open(i); err != nil {
				t.Errorf("%v: packet %d: %v", profile, i, err)
			}
		}
		if open(3) == nil {
			t.Errorf("%v: the same packet was taken twice", profile)
		}
		if err := open(last); err != nil {
			t.Error(err)
		}
		if err := open(last - reportWindow + 1); err != nil {
			t.Errorf("%v: the oldest of the window: %v", profile, err)
		}
		if open(1) == nil || open(0) == nil {
			t.Errorf("%v: a packet from before the window was taken", profile)
		}
	}
}

func TestOnlyTheClientIsHeard(t *testing.T) {
	for _, profile := range sealProfiles {
		s, _, out := newKeys(t, profile)
		_, _, stranger := newKeys(t, profile)
		forged, _ := stranger.EncryptRTCP(nil, receiverReport(t, 1), nil)
		real, _ := out.EncryptRTCP(nil, receiverReport(t, 1), nil)
		broken := bytes.Clone(real)
		broken[len(broken)-1] ^= 1
		for name, b := range map[string][]byte{
			"stranger's": forged, "broken": broken, "cut off": real[:len(real)-1], "plain": receiverReport(t, 1),
			"header alone": real[:8], "half a header": real[:7], "nothing": nil,
		} {
			if _, err := s.openRTCP(nil, b); err == nil {
				t.Errorf("%v: %s was taken", profile, name)
			}
		}
		if len(s.sources) != 0 {
			t.Errorf("%v: forged packets left %v", profile, s.sources)
		}
		if _, err := s.openRTCP(real[:0], real); err != nil {
			t.Errorf("%v: the client's own, in place: %v", profile, err)
		}
	}
}

func TestClientHasSoManySources(t *testing.T) {
	for _, profile := range sealProfiles {
		s, _, out := newKeys(t, profile)
		say := func(ssrc uint32) error {
			b, err := out.EncryptRTCP(nil, receiverReport(t, ssrc), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.openRTCP(nil, b)
			return err
		}
		for ssrc := range uint32(maxSources) {
			if err := say(ssrc); err != nil {
				t.Fatal(err)
			}
		}
		if err := say(maxSources); !errors.Is(err, errSources) {
			t.Errorf("%v: one source too many: %v", profile, err)
		}
		if err := say(0); err != nil {
			t.Errorf("%v: the first source again: %v", profile, err)
		}
	}
}

func TestReportsWantRoom(t *testing.T) {
	for _, profile := range sealProfiles {
		s, in, _ := newKeys(t, profile)
		reports := []rtcp.Packet{&rtcp.SenderReport{SSRC: 1}, &rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
			Source: 1, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "one"}}}}}}
		plain, err := rtcp.Marshal(reports)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := s.sealReports(make([]byte, 0, len(plain)+overhead), reports)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := in.DecryptRTCP(nil, sealed, nil); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%v: the client read %x: %v", profile, got, err)
		}
		if _, err := s.sealReports(make([]byte, 0, len(plain)+overhead-1), reports); !errors.Is(err, errRoom) {
			t.Errorf("%v: %v", profile, err)
		}
	}
}
