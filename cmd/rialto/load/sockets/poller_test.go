package sockets

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/media/egress"
)

func newPoller(t *testing.T) *Poller {
	t.Helper()
	p := New()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return p
}

type packet struct {
	b    []byte
	from netip.AddrPort
}

// inbox keeps what comes.
func inbox() (chan packet, func([]byte, netip.AddrPort)) {
	c := make(chan packet, 1000)
	return c, func(b []byte, from netip.AddrPort) { c <- packet{bytes.Clone(b), from} }
}

func next(t *testing.T, c chan packet) packet {
	t.Helper()
	select {
	case p := <-c:
		return p
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		return packet{}
	}
}

func at(s *Socket) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(s.LocalAddr().(*net.UDPAddr).Port))
}

func TestPacketsGoBetweenSockets(t *testing.T) {
	p := newPoller(t)
	got, take := inbox()
	a, err := p.Open(take)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Open(func([]byte, netip.AddrPort) {})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 200 { // more than are read at one look
		if err := b.Write(bytes.Repeat([]byte{byte(n)}, n+1), at(a)); err != nil {
			t.Fatal(err)
		}
		if n%50 == 49 { // no more than a small buffer holds
			for i := n - 49; i <= n; i++ {
				if p := next(t, got); len(p.b) != i+1 || p.b[0] != byte(i) || p.from != at(b) {
					t.Fatalf("%d bytes of %d from %v, not packet %d", len(p.b), p.b[0], p.from, i)
				}
			}
		}
	}
	if err := errors.Join(a.Close(), a.Close()); err != nil {
		t.Error(err)
	}
	if err := a.Write([]byte{1}, at(b)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed socket writes: %v", err)
	}
}

// What was sent as one message of many packets comes as those.
func TestFramesAreCutHere(t *testing.T) {
	p := newPoller(t)
	got, take := inbox()
	s, err := p.Open(take)
	if err != nil {
		t.Fatal(err)
	}
	port, err := egress.Listen("127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	out := port.Sockets()[0].NewOutlet()
	sizes := []int{1216, 1216, 1216, 700, 136, 136, 9}
	for n, size := range sizes {
		b := out.Room(size)[:size]
		binary.BigEndian.PutUint16(b, uint16(n))
		out.Add(at(s), size)
	}
	out.Flush()
	for n, size := range sizes {
		if p := next(t, got); len(p.b) != size || binary.BigEndian.Uint16(p.b) != uint16(n) {
			t.Errorf("packet %d has %d bytes, not %d", binary.BigEndian.Uint16(p.b), len(p.b), size)
		}
	}
}

func TestSocketsCloseWhileTheyAreRead(t *testing.T) {
	p := newPoller(t)
	writer, err := p.Open(func([]byte, netip.AddrPort) {})
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	for range 8 {
		open.Go(func() {
			for range 50 {
				seen := make(chan struct{})
				var once sync.Once
				s, err := p.Open(func([]byte, netip.AddrPort) { once.Do(func() { close(seen) }) })
				if err != nil {
					t.Error(err)
					return
				}
				for waiting := true; waiting; {
					if err := writer.Write([]byte("x"), at(s)); err != nil {
						t.Error(err)
						return
					}
					select {
					case <-seen:
						waiting = false
					case <-time.After(time.Millisecond):
					}
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	open.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sockets) != 1 {
		t.Errorf("%d sockets are left", len(p.sockets))
	}
}
