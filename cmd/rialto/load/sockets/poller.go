package sockets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// lookEvery is how often sockets are looked at that nothing has come to: half a millisecond is nothing to a viewer,
	// and what comes within it needs no buffer of more than a few dozen packets.
	lookEvery = 500 * time.Microsecond
	// atOnce is how many sockets one look finds, and fromOne how often one of them is read before the others have their turn.
	atOnce  = 128
	fromOne = 4

	readBuffer = 1 << 20 // asked for; the kernel may give less
	maxMessage = 1 << 16 // of packets that the kernel has left together
)

// Poller reads many UDP sockets on one goroutine.
type Poller struct {
	// static after New
	epoll int

	// owned by Run
	buffer  []byte
	control []byte
	from    unix.RawSockaddrInet4
	piece   unix.Iovec
	header  unix.Msghdr

	mu      sync.Mutex
	sockets map[int32]*Socket // by descriptor
}

// New makes a Poller; Run reads, and frees it.
func New() (*Poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("sockets: %w", err)
	}
	p := &Poller{epoll: epoll, buffer: make([]byte, maxMessage), control: make([]byte, unix.CmsgSpace(4)), sockets: map[int32]*Socket{}}
	p.piece.Base = &p.buffer[0]
	p.piece.SetLen(len(p.buffer))
	p.header.Iov = &p.piece
	p.header.SetIovlen(1)
	p.header.Name = (*byte)(unsafe.Pointer(&p.from))
	p.header.Control = &p.control[0]
	return p, nil
}

// Run reads until ctx is done, and then closes every socket that is left.
func (p *Poller) Run(ctx context.Context) error {
	events := make([]unix.EpollEvent, atOnce)
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for ctx.Err() == nil {
		n, err := unix.EpollWait(p.epoll, events, 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return errors.Join(fmt.Errorf("sockets: %w", err), p.close())
		}
		for i := range events[:max(n, 0)] {
			p.read(events[i].Fd)
		}
		if n > 0 {
			continue
		}
		timer.Reset(lookEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return p.close()
}

func (p *Poller) close() error {
	p.mu.Lock()
	var left []*Socket
	for _, s := range p.sockets {
		left = append(left, s)
	}
	p.mu.Unlock()
	for _, s := range left {
		_ = s.Close()
	}
	return unix.Close(p.epoll)
}

func (p *Poller) read(fd int32) {
	p.mu.Lock()
	s := p.sockets[fd]
	p.mu.Unlock()
	for range fromOne {
		if s == nil {
			return // closed since
		}
		n, segment, from := p.receive(s)
		if n < 0 {
			return
		}
		for b := p.buffer[:n]; len(b) > 0; {
			size := min(segment, len(b))
			s.take(b[:size], from)
			b = b[size:]
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
	p.sockets[int32(fd)] = s
	p.mu.Unlock()
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
		return nil, errors.Join(fmt.Errorf("socket: %w", err), s.Close())
	}
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
	delete(s.poller.sockets, int32(s.fd))
	s.poller.mu.Unlock()
	return unix.Close(s.fd) // which takes it out of epoll too
}
