package peer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
)

// socket is the one UDP port of all sessions. Its AddrPort methods let Pion's mux read and write without allocating.
type socket struct {
	*net.UDPConn
	failed prometheus.Counter
}

// listen binds the port exclusively: a taken port is an error here, not a silent half of somebody else's traffic.
func listen(addr string) (*net.UDPConn, error) {
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("media address %q: %w", addr, err)
	}
	conn, err := net.ListenUDP("udp", a)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("media port %d/udp is taken by another program: stop it or choose another port: %w", a.Port, err)
	}
	if err != nil {
		return nil, fmt.Errorf("media port %d/udp: %w", a.Port, err)
	}
	return conn, nil
}

// newSocket asks for large buffers. The kernel may give less; that costs packets under load, not correctness.
func newSocket(conn *net.UDPConn, failed prometheus.Counter) (*socket, error) {
	if err := errors.Join(conn.SetReadBuffer(socketBuffer), conn.SetWriteBuffer(socketBuffer)); err != nil {
		return nil, fmt.Errorf("media socket buffers: %w", err)
	}
	return &socket{UDPConn: conn, failed: failed}, nil
}

// ReadFromAddrPort reads one datagram.
func (s *socket) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	return s.ReadFromUDPAddrPort(b)
}

// WriteToAddrPort writes one datagram. The mux swallows errors, so they are counted here.
func (s *socket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	n, err := s.WriteToUDPAddrPort(b, to)
	if err != nil {
		s.failed.Inc()
	}
	return n, err
}

// WriteTo writes one datagram.
func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	n, err := s.UDPConn.WriteTo(b, to)
	if err != nil {
		s.failed.Inc()
	}
	return n, err
}
