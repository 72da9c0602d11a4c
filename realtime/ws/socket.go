package ws

import (
	"crypto/tls"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// What a page may send in bytes, whatever they are: there are limits of messages
// and control frames, while pieces of a message without an end, and empty ones
// at that, would be read for ever. The burst has room for MessageBurst messages
// of MaxMessage.
const (
	BytesPerSec = 32 << 10
	BytesBurst  = 128 << 10
)

var errFlood = errors.New("more bytes than a page may send")

// counted is a connection on which a page may not send more than that.
type counted struct {
	net.Conn
	budget bucket // bytes; owned by the reader
	spent  bool   // it was exceeded; owned by the reader
}

// Read ends with errFlood once; what reads on afterwards only waits for the page
// to go.
func (m *counted) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	if n > 0 && !m.spent && !m.budget.take(time.Now(), n, BytesPerSec, BytesBurst) {
		m.spent = true
		return 0, errFlood
	}
	return n, err
}

// sendBuffer bounds what the kernel keeps for one viewer, so that a slow one
// is seen as slow by us and not hidden in megabytes of socket buffer.
const sendBuffer = 64 << 10

// socket writes to a connection. It implements realtime.Socket, whose caller keeps TryWrite and Write apart by a lock.
type socket struct {
	net.Conn
	try attempt
}

func newSocket(conn net.Conn) *socket {
	s := &socket{Conn: conn}
	if tcp, ok := s.wire().(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer)
	}
	// TLS is not asked here: what it would send is larger than what it is
	// given, and half a record cannot be taken back.
	if raw, ok := conn.(syscall.Conn); ok {
		if rc, err := raw.SyscallConn(); err == nil {
			s.try.begin(rc)
		}
	}
	return s
}

// Close does not wait, as TLS would: it says good-bye over a socket that may be
// full. Our close frame has said it before.
func (s *socket) Close() error { return s.wire().Close() }

// wire is what is under TLS, if there is any.
func (s *socket) wire() net.Conn {
	if secure, ok := s.Conn.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return s.Conn
}

// TryWrite offers p to the kernel once. Without a kernel socket to ask it
// takes nothing, and the caller writes from a goroutine that may wait.
func (s *socket) TryWrite(p []byte) (int, error) {
	if s.try.raw == nil {
		return 0, nil
	}
	return s.try.write(p)
}

// Await has the hub told when the kernel takes bytes again.
func (s *socket) Await(p *realtime.Poller, id uint64) bool {
	return s.try.raw != nil && p.Watch(s.try.raw, id)
}

// Listen has the hub told when the page says something. What came under TLS may
// be here already without the kernel knowing: who reads that waits for it.
func (s *socket) Listen(p *realtime.Poller, id uint64) bool {
	return s.try.raw != nil && p.Listen(s.try.raw, id)
}

// Unsent is how much the kernel holds that the page's machine has not got, in
// bytes.
func (s *socket) Unsent() int {
	if s.try.raw == nil {
		return 0
	}
	return unsent(s.try.raw)
}
