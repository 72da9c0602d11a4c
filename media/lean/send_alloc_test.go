//go:build !race

package lean

import (
	"net"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/rialto-live/rialto/media"
)

// A frame and a packet of sound for 50 viewers, from the run that the relay hands over to the kernel.
func TestSendingAllocsNothing(t *testing.T) {
	transport, _ := newTransport(t)
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	to := path{addr: sink.LocalAddr().(*net.UDPAddr).AddrPort()}
	var viewers []*Session
	for range 50 {
		s := newSession(transport, twoTracks(), nil, Hooks{})
		s.secrets, _, _ = newKeys(t, srtp.ProtectionProfileAeadAes128Gcm)
		s.to.Store(&to)
		viewers = append(viewers, s)
	}
	frame, sound := make([]media.Outgoing, 5), make([]media.Outgoing, 1)
	for i := range frame {
		frame[i] = media.Outgoing{Header: rtp.Header{Version: 2, PayloadType: 96, SSRC: 2}, Payload: make([]byte, 1188)}
	}
	sound[0] = media.Outgoing{Header: rtp.Header{Version: 2, PayloadType: 111, SSRC: 1}, Payload: make([]byte, 120)}
	number := uint16(0)
	turn := func() {
		for i := range frame {
			number++
			frame[i].Header.SequenceNumber = number
		}
		sound[0].Header.SequenceNumber = number
		for _, s := range viewers {
			s.Send(0, frame)
			s.Send(0, sound)
		}
		transport.Flush(0)
	}
	turn()
	if n := testing.AllocsPerRun(100, turn); n > 0 {
		t.Errorf("%v allocations to send a frame and sound to 50 viewers", n)
	}
	if stats := transport.port.Stats(); stats.Packets < 100*50*6 || stats.Failed > 0 {
		t.Errorf("%+v", stats)
	}
}
