package sockets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// lookEvery is how long sockets are left alone between two looks: two milliseconds are nothing to a viewer, and what
	// comes within them needs no buffer of more than a few dozen packets. When a look takes longer, it is that long.
	lookEvery = 2 * time.Millisecond
	// fromOne is how often one socket is read before the others have their turn.
	fromOne = 16

	readBuffer = 1 << 20 // asked for; the kernel may give less
	maxMessage = 1 << 16 // of packets that the kernel has left together
)

// Poller reads many UDP sockets on one goroutine.
type Poller struct {
	// owned by Run
	buffer  []byte
	control []byte
	from    unix.RawSockaddrInet4
	piece   unix.Iovec
	header  unix.Msghdr

	open []*Socket // as of its last look

	mu      sync.Mutex
	sockets map[*Socket]struct{}
	changed bool
}

// New makes a Poller; nothing is read before Run.
func New() *Poller {
	p := &Poller{buffer: make([]byte, maxMessage), control: make([]byte, unix.CmsgSpace(4)), sockets: map[*Socket]struct{}{}}
	p.piece.Base = &p.buffer[0]
	p.piece.SetLen(len(p.buffer))
	p.header.Iov = &p.piece
	p.header.SetIovlen(1)
	p.header.Name = (*byte)(unsafe.Pointer(&p.from))
	p.header.Control = &p.control[0]
	return p
}

// Run reads until ctx is done, and then closes every socket that is left.
func (p *Poller) Run(ctx context.Context) {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for ctx.Err() == nil {
		began := time.Now()
		p.look()
		timer.Reset(max(lookEvery, time.Since(began)))
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	for _, s := range p.all() {
		_ = s.Close()
	}
}

// all are the sockets that are open now.
func (p *Poller) all() []*Socket {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed {
		p.open, p.changed = slices.AppendSeq(p.open[:0], maps.Keys(p.sockets)), false
	}
	return p.open
}

// look reads what has come to every socket.
func (p *Poller) look() {
	for _, s := range p.all() {
		for range fromOne {
			n, segment, from := p.receive(s)
			if n < 0 {
				break
			}
			for b := p.buffer[:n]; len(b) > 0; {
				size := min(segment, len(b))
				s.take(b[:size], from)
				b = b[size:]
			}
		}
	}
}

// receive reads one message, and how long each packet in it is. n is negative when there is none.
func (p *Poller) receive(s *Socket) (n, segment int, from netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return -1, 0, from
	}
	p.header.Namelen = unix.SizeofSockaddrInet4
	p.header.SetControllen(len(p.control))
	got, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&p.header)), unix.MSG_DONTWAIT)
	if errno != 0 {
		return -1, 0, from
	}
	n = int(got)
	port := (*[2]byte)(unsafe.Pointer(&p.from.Port))
	return n, p.segment(n), netip.AddrPortFrom(netip.AddrFrom4(p.from.Addr), binary.BigEndian.Uint16(port[:]))
}

// segment is the length of each packet but the last: all that came when the kernel says nothing (UDP_GRO in udp(7)).
func (p *Poller) segment(n int) int {
	if int(p.header.Controllen) < unix.CmsgLen(4) {
		return n
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&p.control[0]))
	if h.Level != unix.SOL_UDP || h.Type != unix.UDP_GRO {
		return n
	}
	if size := int(binary.NativeEndian.Uint32(p.control[unix.CmsgLen(0):])); size > 0 {
		return size
	}
	return n
}

// Socket is one UDP socket of IPv4.
type Socket struct {
	// static after Open
	poller *Poller
	take   func(b []byte, from netip.AddrPort)
	local  *net.UDPAddr

	mu     sync.Mutex
	fd     int
	closed bool
}

// Open binds a socket to a free port of every address. take gets each packet that comes, on the goroutine of Run: it must
// not block, and the packet is its own during the call alone.
func (p *Poller) Open(take func(b []byte, from netip.AddrPort)) (*Socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	s := &Socket{poller: p, take: take, fd: fd}
	if err := s.bind(); err != nil {
		return nil, errors.Join(fmt.Errorf("socket: %w", err), unix.Close(fd))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sockets[s], p.changed = struct{}{}, true
	return s, nil
}

func (s *Socket) bind() error {
	_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, readBuffer) // less costs packets, which are counted
	_ = unix.SetsockoptInt(s.fd, unix.SOL_UDP, unix.UDP_GRO, 1)               // an old kernel cuts what it delivers
	if err := unix.Bind(s.fd, &unix.SockaddrInet4{}); err != nil {
		return err
	}
	name, err := unix.Getsockname(s.fd)
	if err != nil {
		return err
	}
	at, ok := name.(*unix.SockaddrInet4)
	if !ok {
		return unix.EAFNOSUPPORT
	}
	s.local = &net.UDPAddr{IP: net.IP(at.Addr[:]), Port: at.Port}
	return nil
}

// Write sends one packet.
func (s *Socket) Write(b []byte, to netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	return unix.Sendto(s.fd, b, 0, &unix.SockaddrInet4{Addr: to.Addr().Unmap().As4(), Port: int(to.Port())})
}

// LocalAddr is where it is bound.
func (s *Socket) LocalAddr() net.Addr { return s.local }

// Close ends it. A packet may be in take meanwhile. It may be called again.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.poller.mu.Lock()
	delete(s.poller.sockets, s)
	s.poller.changed = true
	s.poller.mu.Unlock()
	return unix.Close(s.fd)
}
