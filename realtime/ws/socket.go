package ws

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"syscall"
)

// mutable is a connection whose Write can be made to swallow everything:
// gorilla answers some broken frames by itself, at any time, and its answer
// must not land inside a frame of ours.
type mutable struct {
	net.Conn
	muted atomic.Bool
}

func (m *mutable) mute() { m.muted.Store(true) }

func (m *mutable) Write(p []byte) (int, error) {
	if m.muted.Load() {
		return len(p), nil
	}
	return m.Conn.Write(p)
}

// sendBuffer bounds what the kernel keeps for one viewer, so that a slow one
// is seen as slow by us and not hidden in megabytes of socket buffer.
const sendBuffer = 64 << 10

// socket writes to the connection under gorilla. It implements
// realtime.Socket, whose caller keeps TryWrite and Write apart by a lock.
type socket struct {
	net.Conn
	wire net.Conn // under TLS, if there is any
	try  *attempt
}

func newSocket(m *mutable) *socket {
	s := &socket{Conn: m.Conn, wire: m.Conn}
	if secure, ok := m.Conn.(*tls.Conn); ok {
		s.wire = secure.NetConn()
	}
	if tcp, ok := s.wire.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer)
	}
	// TLS is not asked here: what it would send is larger than what it is
	// given, and half a record cannot be taken back.
	if raw, ok := m.Conn.(syscall.Conn); ok {
		if rc, err := raw.SyscallConn(); err == nil {
			s.try = newAttempt(rc)
		}
	}
	return s
}

// Close does not wait, as TLS would: it says good-bye over a socket that may be
// full. Our close frame has said it before.
func (s *socket) Close() error { return s.wire.Close() }

// TryWrite offers p to the kernel once. Without a kernel socket to ask it
// takes nothing, and the caller writes from a goroutine that may wait.
func (s *socket) TryWrite(p []byte) (int, error) {
	if s.try == nil {
		return 0, nil
	}
	return s.try.write(p)
}
