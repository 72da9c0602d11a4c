package peer

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/media/egress"
)

const (
	// restQueue bounds the datagrams that wait for Pion's mux: what ten publishers of 8 Mbit/s send in 100 ms.
	restQueue = 1024
	// maxDatagram is the longest that is taken.
	maxDatagram = 2048
)

// rest is the part of the media port that is no lean viewer's: publishers, and viewers that were declined. It is the
// socket that Pion's mux reads and writes.
type rest struct {
	// static after newRest
	port    *egress.Port
	socket  *egress.Socket
	queue   chan datagram
	closed  chan struct{}
	dropped prometheus.Counter

	once sync.Once
	pool sync.Pool // of *[maxDatagram]byte
}

type datagram struct {
	buffer *[maxDatagram]byte
	n      int
	from   netip.AddrPort
}

func newRest(port *egress.Port, dropped prometheus.Counter) *rest {
	return &rest{
		port: port, socket: port.Sockets()[0], queue: make(chan datagram, restQueue), closed: make(chan struct{}), dropped: dropped,
		pool: sync.Pool{New: func() any { return new([maxDatagram]byte) }},
	}
}

// take passes a datagram on. What finds the queue full is lost, as in the kernel's own.
func (r *rest) take(b []byte, from netip.AddrPort) {
	buffer := r.pool.Get().(*[maxDatagram]byte)
	d := datagram{buffer: buffer, n: copy(buffer[:], b), from: from}
	select {
	case r.queue <- d:
	default:
		r.pool.Put(buffer)
		r.dropped.Inc()
	}
}

// ReadFromAddrPort reads one datagram.
func (r *rest) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-r.queue:
		n := copy(b, d.buffer[:d.n])
		r.pool.Put(d.buffer)
		return n, d.from, nil
	case <-r.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

// ReadFrom reads one datagram.
func (r *rest) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := r.ReadFromAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteToAddrPort writes one datagram. The mux swallows errors; the port counts them.
func (r *rest) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return r.socket.WriteToAddrPort(b, to)
}

// WriteTo writes one datagram.
func (r *rest) WriteTo(b []byte, to net.Addr) (int, error) {
	at, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, &net.AddrError{Err: "not a UDP address", Addr: to.String()}
	}
	return r.socket.WriteToAddrPort(b, at.AddrPort())
}

// Close ends reading. The port stays open for the others on it.
func (r *rest) Close() error {
	r.once.Do(func() { close(r.closed) })
	return nil
}

// LocalAddr of the port.
func (r *rest) LocalAddr() net.Addr { return r.port.LocalAddr() }

// SetDeadline does nothing, like those below: a deadline of the socket would be everybody's, a read ends with Close, and a
// write does not wait.
func (r *rest) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (r *rest) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (r *rest) SetWriteDeadline(time.Time) error { return nil }
