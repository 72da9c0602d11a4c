package load

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// tcpPair is a viewer's wire and the server's end of it.
func tcpPair(t *testing.T) (*tcpWire, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nobody := netip.MustParseAddrPort("127.0.0.1:1") // the first candidate that lets us in is taken
	w, err := openTCP(t.Context(), newDoor("", false), []netip.AddrPort{nobody, l.Addr().(*net.TCPAddr).AddrPort()})
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = w.Close(), server.Close() })
	return w, server
}

func TestTCPWireFrames(t *testing.T) {
	w, server := tcpPair(t)
	if _, err := server.Write([]byte{0, 2, 7, 8, 0, 0, 0, 1, 9}); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, maxDatagram)
	for _, want := range [][]byte{{7, 8}, {}, {9}} {
		n, from, err := w.read(b)
		if err != nil || !bytes.Equal(b[:n], want) || from != w.server {
			t.Fatalf("%v from %v, %v", b[:n], from, err)
		}
	}
	w.write([]byte{1, 2, 3}, w.server)
	if n, err := server.Read(b); err != nil || !bytes.Equal(b[:n], []byte{0, 3, 1, 2, 3}) {
		t.Errorf("%v, %v", b[:n], err)
	}
	_ = server.Close()
	if _, _, err := w.read(b); !errors.Is(err, ErrEnded) {
		t.Errorf("after the server closed: %v", err)
	}
}

func TestTCPWireRefusesLongFrames(t *testing.T) {
	w, server := tcpPair(t)
	longest := append([]byte{maxDatagram >> 8, 0}, make([]byte, maxDatagram)...)
	if _, err := server.Write(append(longest, maxDatagram>>8, 1)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, maxDatagram)
	if n, _, err := w.read(b); n != maxDatagram || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, _, err := w.read(b); err == nil || !strings.Contains(err.Error(), "a frame of 2049 bytes") {
		t.Errorf("%v", err)
	}
}

func TestReadCandidate(t *testing.T) {
	const udp, tcp = "1 1 udp 1 127.0.0.1 5000 typ host", "1 1 TCP 1 127.0.0.1 5000 typ host tcptype passive"
	for _, tc := range []struct {
		value string
		tcp   bool
		want  bool
	}{
		{udp, false, true}, {udp, true, false}, {tcp, true, true}, {tcp, false, false},
		{tcp + " generation 0", true, true},
		{strings.Replace(tcp, "passive", "active", 1), true, false},
		{strings.Replace(tcp, " tcptype passive", "", 1), true, false},
		{strings.Replace(tcp, "127.0.0.1", "::1", 1), true, false},
		{strings.Replace(tcp, "1 1", "1 2", 1), true, false},
		{strings.Replace(udp, "5000", "65536", 1), false, false},
		{"", true, false},
	} {
		at, ok := readCandidate(tc.value, tc.tcp)
		if ok != tc.want || ok && at != netip.MustParseAddrPort("127.0.0.1:5000") {
			t.Errorf("%q over tcp %v: %v, %v", tc.value, tc.tcp, at, ok)
		}
	}
}
