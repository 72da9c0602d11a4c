package lean

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/egress"
)

// others collects what is no viewer's.
type others struct {
	mu   sync.Mutex
	seen [][]byte
}

func (o *others) take(b []byte, _ netip.AddrPort) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, bytes.Clone(b))
}

func (o *others) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.seen)
}

// newTransport runs until the test ends.
func newTransport(t *testing.T) (*Transport, *others) {
	t.Helper()
	port, err := egress.Listen("127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	rest := &others{}
	at := port.LocalAddr().(*net.UDPAddr).AddrPort()
	transport := New(Config{Port: port, Addrs: []netip.AddrPort{at}, Certificate: newCertificate(t), Workers: 1, Rest: rest.take})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := transport.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return transport, rest
}

// stranger is somebody with a socket.
type stranger struct {
	t    *testing.T
	conn net.Conn
}

func newStranger(t *testing.T, to *Transport) *stranger {
	t.Helper()
	conn, err := net.Dial("udp4", to.port.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &stranger{t, conn}
}

func (s *stranger) send(b []byte) {
	s.t.Helper()
	if _, err := s.conn.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

// answered says whether something came back.
func (s *stranger) answered(within time.Duration) bool {
	s.t.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		s.t.Fatal(err)
	}
	_, err := s.conn.Read(make([]byte, 2048))
	return err == nil
}

func (s *stranger) path() path {
	return path{addr: s.conn.LocalAddr().(*net.UDPAddr).AddrPort()}
}

const soon = 10 * time.Second

func open(t *testing.T, transport *Transport, remote browser) *Session {
	t.Helper()
	offer := twoTracks()
	offer.Remote = remote.Credentials()
	s, _, err := transport.Open(offer, nil, Hooks{Connected: func() {}, End: func(error) {}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Packets that nobody has signed change no table and start nothing, whatever they are.
func TestUnsignedPacketsLeaveNoTrace(t *testing.T) {
	transport, rest := newTransport(t)
	var b browser
	s := open(t, transport, b)
	own := s.agent.own()
	forged := own
	forged.Pwd += "x"
	from := newStranger(t, transport)
	before := snapshot(s.agent)
	from.send(b.check(forged, use).Raw) // knows the name, not the password
	unknown := own
	unknown.UFrag = "nobody"
	mine := [][]byte{
		b.check(unknown, use).Raw,
		{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1},       // DTLS
		append([]byte{0x80, 201, 0, 1}, make([]byte, 30)...),    // RTCP
		append([]byte{0x80, 96, 0, 1}, make([]byte, 300)...),    // RTP
		{64, 0, 0, 0, 0, 0, 0, 0, 0, 0},                         // a TURN channel
		{0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 99}, // STUN, cut off
	}
	const times = 50
	for range times {
		for _, packet := range mine {
			from.send(packet)
		}
	}
	deadline := time.Now().Add(soon)
	for rest.count() < times*len(mine) && time.Now().Before(deadline) {
		from.send(mine[0]) // one may be lost even here
		time.Sleep(5 * time.Millisecond)
	}
	if n := rest.count(); n < times*len(mine) {
		t.Fatalf("%d of %d packets were passed on", n, times*len(mine))
	}
	if from.answered(10 * time.Millisecond) {
		t.Error("a stranger was answered")
	}
	transport.table.mu.RLock()
	names, paths, sessions := len(transport.table.names), len(transport.table.paths), len(transport.table.sessions)
	transport.table.mu.RUnlock()
	if names != 1 || paths != 0 || sessions != 1 {
		t.Errorf("%d names, %d paths, %d sessions", names, paths, sessions)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if after := snapshot(s.agent); after.renewed != before.renewed || len(after.paths()) != 0 || s.handshake != nil {
		t.Errorf("the session has changed: %+v, %+v", before, after)
	}
}

// A client may name an address that is another's, and even send from it where networks allow that. The other has it back
// with its next check.
func TestAddressThatAnotherNamesIsTakenBack(t *testing.T) {
	transport, _ := newTransport(t)
	var b browser
	victim, thief := open(t, transport, b), open(t, transport, b)
	at := newStranger(t, transport)
	owner := func(want *Session, request *stun.Message) {
		t.Helper()
		deadline := time.Now().Add(soon)
		for transport.table.at(at.path()) != want {
			if time.Now().After(deadline) {
				t.Fatal("the address is not the one's who checked last")
			}
			at.send(request.Raw)
			at.answered(20 * time.Millisecond)
		}
	}
	owner(victim, b.check(victim.agent.own(), use))
	owner(thief, b.check(thief.agent.own(), use))
	owner(victim, b.check(victim.agent.own(), use))
	victim.Close()
	if s := transport.table.at(at.path()); s == victim {
		t.Error("a closed session is still found")
	}
	thief.Close()
	if transport.Sessions() != 0 || len(transport.table.names) != 0 || len(transport.table.paths) != 0 {
		t.Errorf("left behind: %v, %v", transport.table.names, transport.table.paths)
	}
}

// Media that nobody takes any more is not what the transport waits for.
func TestWorkerGoesOnWhenASessionCloses(t *testing.T) {
	transport, _ := newTransport(t)
	s := open(t, transport, browser{})
	s.secrets, _, _ = newKeys(t, srtp.ProtectionProfileAeadAes128Gcm)
	to := newStranger(t, transport).path()
	s.to.Store(&to)
	var sending sync.WaitGroup
	sending.Go(func() {
		for n := range uint16(2000) {
			run := []media.Outgoing{{Header: rtp.Header{Version: 2, SSRC: 2, SequenceNumber: n}, Payload: make([]byte, 100)}}
			if took := s.Send(0, run); took != 1 {
				t.Errorf("took %d", took)
				return
			}
			transport.Flush(0)
		}
	})
	s.Close()
	s.Close() // twice is once
	sending.Wait()
}
