//go:build !race

package egress

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// The race detector allocates on its own, so these run in the pass without it.

func TestOutletAllocsNothing(t *testing.T) {
	for name, prepare := range map[string]func(s *Socket){
		"cut":       func(*Socket) {},
		"never cut": func(s *Socket) { s.gso = false },
		"refused":   func(s *Socket) { option(t, s, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1) },
	} {
		for _, addr := range []string{"127.0.0.1:0", "[::]:0"} {
			p, err := Listen(addr, 1)
			if err != nil {
				t.Fatal(err)
			}
			s := p.Sockets()[0]
			prepare(s)
			o, a, b := s.NewOutlet(), newSink(t, "udp4", "127.0.0.1").addr, newSink(t, "udp4", "127.0.0.1").addr
			packet := make([]byte, 1216)
			if n := testing.AllocsPerRun(200, func() {
				for i := range 100 {
					to := a
					if i/5%2 == 1 {
						to = b
					}
					o.Add(to, len(append(o.Room(len(packet)), packet...)))
				}
				o.Flush()
			}); n > 0 {
				t.Errorf("%s, %s: %v allocations for 100 packets", name, addr, n)
			}
			_ = p.Close()
		}
	}
}

func TestReadAndWriteAllocNothing(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		s := open(t, addr, 1).Sockets()[0]
		ip := "127.0.0.1"
		if addr == "[::1]:0" {
			ip = "::1"
		}
		to := newSink(t, "udp", ip)
		own := netip.AddrPortFrom(netip.MustParseAddr(ip), s.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port())
		packet, b := make([]byte, 200), make([]byte, 1500)
		if n := testing.AllocsPerRun(200, func() {
			if _, err := s.WriteToAddrPort(packet, to.addr); err != nil {
				t.Fatal(err)
			}
			if _, err := to.conn.WriteToUDPAddrPort(packet, own); err != nil {
				t.Fatal(err)
			}
			if n, from, err := s.ReadFromAddrPort(b); n != len(packet) || from != to.addr || err != nil {
				t.Fatal(n, from, err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations for a packet out and one in", addr, n)
		}
	}
}
