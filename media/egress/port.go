package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Port is one UDP port, read and written through several sockets.
type Port struct {
	sockets []*Socket
	close   func() error
}

// Stats is what a port has sent since it was opened.
type Stats struct {
	Messages uint64 // taken by the kernel; the packets of a message went in one piece
	Packets  uint64 // taken by the kernel
	Failed   uint64 // packets that were not taken, and are lost
	GSO      bool   // whether the kernel cuts packets on every socket now
}

// Listen opens a UDP address such as ":8443" through 1 to 256 sockets. Port 0 stands for any one that is free; all the
// sockets share it. An unspecified address means IPv4 and IPv6, as far as the machine has them. The port is bound
// exclusively first: a port that another program has is an error here, not a silent half of somebody else's traffic.
func Listen(addr string, sockets int) (*Port, error) {
	if sockets < 1 || sockets > maxSockets {
		return nil, fmt.Errorf("media address %q: %d sockets, of 1 to %d", addr, sockets, maxSockets)
	}
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("media address %q: %w", addr, err)
	}
	first, err := net.ListenUDP("udp", a)
	if err != nil {
		return nil, listenError(a, err)
	}
	conns := []*net.UDPConn{first}
	a.Port = first.LocalAddr().(*net.UDPAddr).Port
	if sockets > 1 {
		// From here on the port is shared, and only with who asks for it too. It is never free in between.
		err = share(first)
	}
	for err == nil && len(conns) < sockets {
		var conn *net.UDPConn
		if conn, err = join(a); err == nil {
			conns = append(conns, conn)
		}
	}
	if err != nil {
		return nil, errors.Join(listenError(a, err), closeAll(conns))
	}
	return newPort(conns)
}

func listenError(a *net.UDPAddr, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("media port %d/udp is taken by another program: stop it or choose another port: %w", a.Port, err)
	}
	return fmt.Errorf("media port %d/udp: %w", a.Port, err)
}

// join opens one more socket of a shared port.
func join(a *net.UDPAddr) (*net.UDPConn, error) {
	l := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return shareRaw(c) }}
	// It is resolved already, so that nothing is looked up that a context would have to end.
	conn, err := l.ListenPacket(context.Background(), "udp", a.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

func share(conn *net.UDPConn) error {
	c, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return shareRaw(c)
}

func shareRaw(c syscall.RawConn) error {
	var err error
	if closed := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }); closed != nil {
		return closed
	}
	return err
}

func newPort(conns []*net.UDPConn) (*Port, error) {
	p := &Port{}
	for _, conn := range conns {
		s, err := newSocket(conn)
		if err != nil {
			return nil, errors.Join(err, closeAll(conns))
		}
		p.sockets = append(p.sockets, s)
	}
	p.close = sync.OnceValue(func() error { return closeAll(conns) })
	return p, nil
}

func closeAll(conns []*net.UDPConn) error {
	var errs []error
	for _, conn := range conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// Sockets are those of the port. Every one must be read: the kernel chooses by the client's address which one gets a packet.
func (p *Port) Sockets() []*Socket { return p.sockets }

// LocalAddr is the bound address, a *net.UDPAddr.
func (p *Port) LocalAddr() net.Addr { return p.sockets[0].conn.LocalAddr() }

// Close closes all sockets. Reads then return net.ErrClosed. It may be called again.
func (p *Port) Close() error { return p.close() }

// Stats adds up what all sockets have sent, by their outlets and by WriteToAddrPort.
func (p *Port) Stats() Stats {
	sum := Stats{GSO: true}
	for _, s := range p.sockets {
		sum.Messages += s.messages.Load()
		sum.Packets += s.packets.Load()
		sum.Failed += s.failed.Load()
		sum.GSO = sum.GSO && s.cuts()
	}
	return sum
}
