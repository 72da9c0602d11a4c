package lean

import "net/netip"

// path is one way to a client: the address its datagrams or its TCP connection come from. It is a value, and names a way
// in every table.
type path struct {
	addr netip.AddrPort // IPv4 unmapped
	tcp  bool
}

func (p path) String() string {
	if p.tcp {
		return "tcp " + p.addr.String()
	}
	return "udp " + p.addr.String()
}
