package mediatest

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// homes is a server's socket, a NAT before it, and one client behind that.
func homes(t *testing.T) (server, client *net.UDPConn, n *NAT) {
	t.Helper()
	listen := func() *net.UDPConn {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	server, client = listen(), listen()
	n, err := NewNAT(server.LocalAddr().(*net.UDPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return server, client, n
}

func send(t *testing.T, from *net.UDPConn, to netip.AddrPort, text string) {
	t.Helper()
	if _, err := from.WriteToUDPAddrPort([]byte(text), to); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, at *net.UDPConn, want string) netip.AddrPort {
	t.Helper()
	buffer := make([]byte, 64)
	size, from, err := at.ReadFromUDPAddrPort(buffer)
	if err != nil || string(buffer[:size]) != want {
		t.Fatalf("%q, not %q: %v", buffer[:size], want, err)
	}
	return from
}

func TestNATGivesClientsOtherAddresses(t *testing.T) {
	server, client, n := homes(t)
	door := n.inside.LocalAddr().(*net.UDPAddr).AddrPort()
	send(t, client, door, "hello")
	first := expect(t, server, "hello")
	send(t, server, first, "welcome")
	expect(t, client, "welcome")
	if all := n.Addresses(); len(all) != 1 || all[0] != first {
		t.Errorf("addresses %v, the server sees %v", all, first)
	}
	n.Move()
	if all := n.Addresses(); len(all) != 0 {
		t.Errorf("addresses %v of a client that said nothing since", all)
	}
	send(t, server, first, "too late")
	send(t, client, door, "here I am")
	second := expect(t, server, "here I am")
	if second == first {
		t.Error("it did not move")
	}
	send(t, server, second, "there you are")
	expect(t, client, "there you are") // and not what came too late
	n.Pause()
	send(t, client, door, "lost")
	for deadline := time.Now().Add(20 * time.Second); n.lost.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the pause did not begin")
		}
	}
	n.Resume()
	send(t, client, door, "heard")
	expect(t, server, "heard")
	if up, down := n.Passed(); up != 3 || down != 2 {
		t.Errorf("%d up, %d down", up, down)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

func TestNATIsFullAtItsLimit(t *testing.T) {
	_, _, n := homes(t)
	at := func(port int) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
	}
	for i := range maxMappings {
		if _, err := n.mapping(at(1 + i)); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
	if _, err := n.mapping(at(1)); err != nil {
		t.Errorf("one that has its place: %v", err)
	}
	if _, err := n.mapping(at(1 + maxMappings)); !errors.Is(err, errTooManyClients) {
		t.Errorf("one past the limit: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if _, err := n.mapping(at(1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

func TestNATStandsInTheAnswer(t *testing.T) {
	_, _, n := homes(t)
	port := netip.MustParseAddrPort(n.inside.LocalAddr().String()).Port()
	const head, tail = "v=0\r\n", "a=end-of-candidates\r\n"
	const udp, tcp = "a=candidate:1 1 udp 7 192.0.2.1 9 typ host ufrag x\r\n", "a=candidate:2 1 tcp 7 192.0.2.1 9 typ host tcptype passive\r\n"
	want := head + strings.Replace(udp, "192.0.2.1 9", "127.0.0.1 "+strings.TrimPrefix(n.inside.LocalAddr().String(), "127.0.0.1:"), 1) + tail
	if got := string(n.Answer([]byte(head + udp + tcp + tail))); got != want || port == 0 {
		t.Errorf("%q, not %q", got, want)
	}
	if got := string(n.Offer([]byte(head + udp + tcp + tail))); got != head+tail {
		t.Errorf("%q", got)
	}
}
