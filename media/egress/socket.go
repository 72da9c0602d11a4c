package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is one socket of a Port. It is safe for concurrent use.
type Socket struct {
	// static after newSocket
	conn   *net.UDPConn
	raw    syscall.RawConn
	inet6  bool // its addresses are IPv6; IPv4 is mapped into them
	gso    bool // the kernel knows UDP_SEGMENT
	opened time.Time

	messages, packets, failed atomic.Uint64

	refusals atomic.Int32 // messages in a row that went only packet by packet
	rests    atomic.Int64 // until when UDP_SEGMENT is not tried, since opened; 0: it is
}

func newSocket(conn *net.UDPConn) (*Socket, error) {
	if err := errors.Join(conn.SetReadBuffer(socketBuffer), conn.SetWriteBuffer(socketBuffer)); err != nil {
		return nil, fmt.Errorf("media socket buffers: %w", err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("media socket: %w", err)
	}
	s := &Socket{conn: conn, raw: raw, opened: time.Now()}
	var domain int
	closed := raw.Control(func(fd uintptr) {
		domain, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
		// A kernel that does not know the option would ignore it in a message, and send all packets as one.
		_, unknown := unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT)
		s.gso = unknown == nil
	})
	if err = errors.Join(closed, err); err != nil {
		return nil, fmt.Errorf("media socket: %w", err)
	}
	s.inet6 = domain == unix.AF_INET6
	return s, nil
}

// ReadFromAddrPort reads one datagram, as much of it as b holds, and says where it came from; IPv4 addresses are never
// mapped into IPv6. It allocates nothing.
func (s *Socket) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, from, err := s.conn.ReadFromUDPAddrPort(b)
	return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
}

// WriteToAddrPort writes one datagram at once, past whatever is gathered in an Outlet. It waits while the way is full. A
// datagram that does not go is counted as failed.
func (s *Socket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	n, err := s.conn.WriteToUDPAddrPort(b, to)
	if err != nil {
		s.failed.Add(1)
		return n, err
	}
	s.messages.Add(1)
	s.packets.Add(1)
	return n, nil
}

// cuts says whether the kernel is to be asked to cut messages into packets.
func (s *Socket) cuts() bool {
	if !s.gso {
		return false
	}
	until := s.rests.Load()
	return until == 0 || time.Since(s.opened) >= time.Duration(until)
}

// refused notes a message that the kernel did not cut although its packets went one by one.
func (s *Socket) refused(err syscall.Errno) {
	if err == unix.EMSGSIZE {
		return // a path narrower than the packets: nothing is known of other paths
	}
	if s.refusals.Add(1) >= maxRefusals {
		s.refusals.Store(0)
		s.rests.Store(int64(time.Since(s.opened) + restTime))
	}
}

// cut notes that a message was cut.
func (s *Socket) cut() {
	if s.refusals.Load() != 0 {
		s.refusals.Store(0)
	}
}
