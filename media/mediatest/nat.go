package mediatest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// maxMappings is how many clients one NAT carries.
const maxMappings = 64

// errTooManyClients says that maxMappings was reached. The packet is lost, as at a router whose table is full.
var errTooManyClients = errors.New("mediatest: too many clients behind one NAT")

// NAT stands between clients and one server, as the router of a home does: the server sees each client at an address
// of the NAT, and the NAT can give them others in the middle. Clients take the NAT for the server: see Answer.
type NAT struct {
	// static after NewNAT
	server *net.UDPAddr
	inside *net.UDPConn // what clients send to
	group  sync.WaitGroup

	passedUp, passedDown, lost atomic.Int64
	quiet                      atomic.Bool // nothing passes

	mu       sync.Mutex
	closed   bool
	mappings map[netip.AddrPort]*net.UDPConn // by client; each is a socket that the server sees
	failed   error                           // the first thing that went wrong
}

// NewNAT stands before a server. Close it.
func NewNAT(server netip.AddrPort) (*NAT, error) {
	inside, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(server.Addr(), 0)))
	if err != nil {
		return nil, fmt.Errorf("mediatest: %w", err)
	}
	n := &NAT{server: net.UDPAddrFromAddrPort(server), inside: inside, mappings: map[netip.AddrPort]*net.UDPConn{}}
	n.group.Go(n.carryUp)
	return n, nil
}

// Offer is a client's offer without its candidates, as of a client whose own addresses mean nothing outside.
func (n *NAT) Offer(sdp []byte) []byte {
	var kept []string
	for line := range strings.SplitSeq(string(sdp), "\r\n") {
		if !strings.HasPrefix(line, "a=candidate:") {
			kept = append(kept, line)
		}
	}
	return []byte(strings.Join(kept, "\r\n"))
}

// Answer is a server's answer with the NAT's address in place of the server's. Candidates that are not of UDP are left
// out.
func (n *NAT) Answer(sdp []byte) []byte {
	at := n.inside.LocalAddr().(*net.UDPAddr).AddrPort()
	var kept []string
	for line := range strings.SplitSeq(string(sdp), "\r\n") {
		if strings.HasPrefix(line, "a=candidate:") {
			f := strings.Fields(line)
			if len(f) < 6 || !strings.EqualFold(f[2], "udp") {
				continue
			}
			f[4], f[5] = at.Addr().Unmap().String(), strconv.Itoa(int(at.Port()))
			line = strings.Join(f, " ")
		}
		kept = append(kept, line)
	}
	return []byte(strings.Join(kept, "\r\n"))
}

// carryUp moves what clients send, until Close.
func (n *NAT) carryUp() {
	buffer := make([]byte, maxPacket)
	for {
		size, from, err := n.inside.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		if n.quiet.Load() {
			n.lost.Add(1)
			continue
		}
		outside, err := n.mapping(from)
		if errors.Is(err, net.ErrClosed) {
			return // by Close, in the middle of this
		}
		if err != nil {
			n.lost.Add(1)
			n.note(err)
			continue
		}
		n.passedUp.Add(1)
		_, _ = outside.Write(buffer[:size]) // the server may be gone: that is for the client to notice
	}
}

// mapping is the socket of a client, made when it has none.
func (n *NAT) mapping(client netip.AddrPort) (*net.UDPConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if outside := n.mappings[client]; outside != nil {
		return outside, nil
	}
	if n.closed {
		return nil, net.ErrClosed
	}
	if len(n.mappings) >= maxMappings {
		return nil, errTooManyClients
	}
	outside, err := net.DialUDP("udp", nil, n.server)
	if err != nil {
		return nil, fmt.Errorf("mediatest: %w", err)
	}
	n.mappings[client] = outside
	n.group.Go(func() { n.carryDown(outside, client) })
	return outside, nil
}

// carryDown moves what the server sends to one socket, until that is closed.
func (n *NAT) carryDown(outside *net.UDPConn, client netip.AddrPort) {
	buffer := make([]byte, maxPacket)
	for {
		size, err := outside.Read(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // the server is gone
			continue
		}
		if n.quiet.Load() {
			n.lost.Add(1)
			continue
		}
		n.passedDown.Add(1)
		_, _ = n.inside.WriteToUDPAddrPort(buffer[:size], client)
	}
}

// Move gives every client another address from its next packet on. What the server sends to the old ones is lost.
func (n *NAT) Move() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for client, outside := range n.mappings {
		_ = outside.Close() // nothing was buffered
		delete(n.mappings, client)
	}
}

// Pause loses everything in both directions until Resume.
func (n *NAT) Pause() { n.quiet.Store(true) }

// Resume ends Pause.
func (n *NAT) Resume() { n.quiet.Store(false) }

// Addresses are what the server sees of the clients, one of each, in no order.
func (n *NAT) Addresses() []netip.AddrPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []netip.AddrPort
	for _, outside := range n.mappings {
		all = append(all, outside.LocalAddr().(*net.UDPAddr).AddrPort())
	}
	return all
}

// Passed is how many packets went to and came from the server.
func (n *NAT) Passed() (up, down int64) { return n.passedUp.Load(), n.passedDown.Load() }

// note keeps the first thing that went wrong.
func (n *NAT) note(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failed == nil {
		n.failed = err
	}
}

// Close ends it, and says what went wrong on the way.
func (n *NAT) Close() error {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.Move()
	err := n.inside.Close()
	n.group.Wait()
	return errors.Join(err, n.failed)
}
