package lean

import (
	"net/netip"
	"testing"
)

func TestPathsOfTwoProtocolsAreTwo(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.1:5000")
	udp, tcp := path{addr: at}, path{addr: at, tcp: true}
	if udp == tcp || udp.String() != "udp 192.0.2.1:5000" || tcp.String() != "tcp 192.0.2.1:5000" {
		t.Errorf("%v and %v", udp, tcp)
	}
}
