package peer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/rialto-live/rialto/media/egress"
)

// portTries is how often a free port is looked for that is free for UDP and for TCP.
const portTries = 20

// listen opens the one port of all media, UDP and TCP, and as many UDP sockets on it as there are workers.
func listen(addr string, sockets int) (*egress.Port, net.Listener, error) {
	host, number, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, fmt.Errorf("media address %q: %w", addr, err)
	}
	for try := 1; ; try++ {
		port, err := egress.Listen(addr, sockets)
		if err != nil {
			return nil, nil, err
		}
		at := port.LocalAddr().(*net.UDPAddr).Port
		listener, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(at)))
		if err == nil {
			return port, listener, nil
		}
		err = errors.Join(fmt.Errorf("media port %d/tcp: %w", at, err), port.Close())
		taken := errors.Is(err, syscall.EADDRINUSE)
		if taken && number == "0" && try < portTries {
			continue // another one will do
		}
		if taken {
			err = fmt.Errorf("media port %d/tcp is taken by another program: stop it or choose another port: %w", at, err)
		}
		return nil, nil, err
	}
}

// reachedAt is what answers name: the public addresses, else the one that is listened on, else those of this machine, the
// loopback last. A lite agent must name all: it sends no checks from which a client would learn of others.
func reachedAt(listening netip.AddrPort, public []netip.Addr) ([]netip.AddrPort, error) {
	var addrs []netip.AddrPort
	add := func(ip netip.Addr) { addrs = append(addrs, netip.AddrPortFrom(ip, listening.Port())) }
	for _, ip := range public {
		add(ip.Unmap())
	}
	if len(public) > 0 {
		return addrs, nil
	}
	if at := listening.Addr().Unmap(); !at.IsUnspecified() {
		add(at)
		return addrs, nil
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("addresses of this machine: %w", err)
	}
	var loopback []netip.Addr
	for _, network := range own {
		prefix, err := netip.ParsePrefix(network.String())
		ip := prefix.Addr().Unmap()
		switch {
		case err != nil, listening.Addr().Is4() && !ip.Is4(), !ip.IsGlobalUnicast() && !ip.IsLoopback():
			// not of this port, or one that means something on one cable alone
		case ip.IsLoopback(): // a page on this machine is a viewer too
			loopback = append(loopback, ip)
		default:
			add(ip)
		}
	}
	for _, ip := range loopback {
		add(ip)
	}
	return addrs, nil
}
