package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTakenPortIsAnError(t *testing.T) {
	plain, err := net.ListenUDP("udp", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for name, owner := range map[string]net.Addr{
		"by a socket":        plain.LocalAddr(),
		"by a port":          open(t, ":0", 1).LocalAddr(),
		"by a shared port":   open(t, ":0", 3).LocalAddr(),
		"of one address":     open(t, "127.0.0.1:0", 3).LocalAddr(),
		"of an IPv6 address": open(t, "[::1]:0", 2).LocalAddr(),
	} {
		port := owner.(*net.UDPAddr).Port
		for _, sockets := range []int{1, 3} {
			p, err := Listen(fmt.Sprintf(":%d", port), sockets)
			want := fmt.Sprintf("media port %d/udp is taken by another program: stop it or choose another port", port)
			if p != nil || !errors.Is(err, syscall.EADDRINUSE) || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("taken %s: %v", name, err)
			}
		}
	}
}

func TestAddressesThatCannotBeListenedTo(t *testing.T) {
	for _, addr := range []string{"8443", ":none", ":65536", "203.0.113.1:0"} {
		if p, err := Listen(addr, 2); err == nil {
			t.Errorf("%s: %v", addr, p.LocalAddr())
		}
	}
	for _, n := range []int{-1, 0, maxSockets + 1} {
		if _, err := Listen(":0", n); err == nil {
			t.Errorf("%d sockets", n)
		}
	}
	if n := len(open(t, "127.0.0.1:0", maxSockets).Sockets()); n != maxSockets {
		t.Errorf("%d sockets of %d", n, maxSockets)
	}
}

func TestOneSocketIsSharedWithNobody(t *testing.T) {
	p := open(t, "127.0.0.1:0", 1)
	if conn, err := join(p.LocalAddr().(*net.UDPAddr)); err == nil {
		_ = conn.Close()
		t.Error("another socket has joined")
	}
}

// Every socket gets some clients, and a client keeps its socket.
func TestSocketsShareThePort(t *testing.T) {
	const sockets, clients, each = 4, 200, 3
	p := open(t, ":0", sockets)
	to := p.LocalAddr().(*net.UDPAddr).AddrPort()
	var mu sync.Mutex
	got := make([]map[netip.AddrPort]int, sockets)
	total, all := 0, make(chan struct{})
	var readers sync.WaitGroup
	defer readers.Wait()
	defer p.Close()
	for i, s := range p.Sockets() {
		got[i] = map[netip.AddrPort]int{}
		readers.Go(func() {
			b := make([]byte, 100)
			for {
				_, from, err := s.ReadFromAddrPort(b)
				if err != nil {
					return
				}
				mu.Lock()
				got[i][from]++
				if total++; total == clients*each {
					close(all)
				}
				mu.Unlock()
			}
		})
	}
	for i := range clients {
		at := []string{"127.0.0.1", "::1"}[i%2]
		k := newSink(t, "udp", at)
		for range each {
			if _, err := k.conn.WriteToUDPAddrPort([]byte("x"), netip.AddrPortFrom(netip.MustParseAddr(at), to.Port())); err != nil {
				t.Fatal(err)
			}
		}
	}
	select {
	case <-all:
	case <-time.After(patience):
		t.Fatal("packets are missing")
	}
	mu.Lock()
	defer mu.Unlock()
	seen := 0
	for i := range got {
		if len(got[i]) == 0 {
			t.Errorf("socket %d got nothing", i)
		}
		for from, n := range got[i] {
			if n != each || from.Addr().Is4In6() {
				t.Errorf("socket %d got %d packets of %v", i, n, from)
			}
		}
		seen += len(got[i])
	}
	if seen != clients {
		t.Errorf("%d clients at their sockets, of %d", seen, clients)
	}
}

func TestReadsAndWritesBothFamilies(t *testing.T) {
	for _, test := range []struct{ listen, client string }{
		{":0", "127.0.0.1"}, {":0", "::1"}, {"0.0.0.0:0", "127.0.0.1"}, {"127.0.0.1:0", "127.0.0.1"}, {"[::1]:0", "::1"},
	} {
		t.Run(test.listen+" and "+test.client, func(t *testing.T) {
			p := open(t, test.listen, 1)
			s, k := p.Sockets()[0], newSink(t, "udp", test.client)
			if _, err := s.WriteToAddrPort([]byte("there"), k.addr); err != nil {
				t.Fatal(err)
			}
			k.expect(t, []byte("there"))
			if k.addr.Addr().Is4() {
				if _, err := s.WriteToAddrPort([]byte("mapped"), netip.AddrPortFrom(netip.AddrFrom16(k.addr.Addr().As16()), k.addr.Port())); err != nil {
					t.Fatal(err)
				}
				k.expect(t, []byte("mapped"))
			}
			port := uint16(p.LocalAddr().(*net.UDPAddr).Port)
			if _, err := k.conn.WriteToUDPAddrPort([]byte("back"), netip.AddrPortFrom(k.addr.Addr(), port)); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 3)
			n, from, err := s.ReadFromAddrPort(b)
			if err != nil || string(b[:n]) != "bac" || from != k.addr {
				t.Errorf("%q from %v, %v", b[:n], from, err)
			}
		})
	}
}

func TestFailedWriteIsCounted(t *testing.T) {
	p := open(t, "127.0.0.1:0", 1)
	k := newSink(t, "udp4", "127.0.0.1")
	s := p.Sockets()[0]
	option(t, s, unix.SOL_SOCKET, unix.SO_BROADCAST, 0)
	if _, err := s.WriteToAddrPort([]byte("x"), k.addr); err != nil {
		t.Fatal(err)
	}
	for _, to := range []netip.AddrPort{{}, netip.MustParseAddrPort("[::1]:9"), netip.MustParseAddrPort("255.255.255.255:9")} {
		if _, err := s.WriteToAddrPort([]byte("x"), to); err == nil {
			t.Errorf("no error for %v", to)
		}
	}
	if got, want := p.Stats(), (Stats{1, 1, 3, true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestPortOfOneSocket(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPort([]*net.UDPConn{conn})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Sockets()) != 1 || p.LocalAddr() != conn.LocalAddr() {
		t.Errorf("%d sockets at %v", len(p.Sockets()), p.LocalAddr())
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
	if _, _, err := p.Sockets()[0].ReadFromAddrPort(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read after Close: %v", err)
	}
	if _, err := newPort([]*net.UDPConn{conn}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a port of a closed connection: %v", err)
	}
}
