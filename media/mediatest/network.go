package mediatest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/pion/transport/v4"
	"github.com/pion/transport/v4/stdnet"
)

// Profile is how one direction of a line behaves.
type Profile struct {
	Loss    float64       // share of packets lost, 0 to 1
	Delay   time.Duration // of each packet
	Jitter  time.Duration // up to this much more, at random; packets may overtake
	Reorder float64       // share of packets that are overtaken by those of the next ReorderBy
}

// ReorderBy is how much later than its time a reordered packet arrives.
const ReorderBy = 30 * time.Millisecond

// Counts says what a Network did.
type Counts struct{ Passed, Lost, Reordered, Overflowed int64 }

// Network is the machine's network, with a line of given quality between it
// and whoever uses it. It is a transport.Net.
type Network struct {
	*stdnet.Net

	mu       sync.Mutex
	random   *rand.Rand
	inbound  Profile
	outbound Profile
	cut      bool
	chosen   func(in bool, packet []byte) bool
	counts   Counts
}

var _ transport.Net = (*Network)(nil)

// NewNetwork makes a network whose fates follow from the seed. Both
// directions behave as the profile says.
func NewNetwork(seed uint64, p Profile) (*Network, error) {
	machine, err := stdnet.NewNet()
	if err != nil {
		return nil, fmt.Errorf("mediatest: %w", err)
	}
	return &Network{Net: machine, random: rand.New(rand.NewPCG(seed, seed)), inbound: p, outbound: p}, nil
}

// Set changes both directions from now on.
func (n *Network) Set(inbound, outbound Profile) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.inbound, n.outbound = inbound, outbound
}

// Cut loses everything from now on, in both directions, for ever: to the other
// side the process was killed.
func (n *Network) Cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = true
}

// Lose loses the packets for which chosen says so, besides those that chance
// takes. It is called for one packet at a time.
func (n *Network) Lose(chosen func(in bool, packet []byte) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.chosen = chosen
}

// IsVideo tells video from everything else on a line, by the payload types
// that media/client offers. RTP is not encrypted that far.
func IsVideo(packet []byte) bool {
	const vp8, h264 = 96, 108
	return len(packet) > 12 && packet[0]>>6 == 2 && (packet[1]&0x7f == vp8 || packet[1]&0x7f == h264)
}

// Counts may be read at any time.
func (n *Network) Counts() Counts {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counts
}

// fate decides about a packet: whether it is lost, and how late it comes.
func (n *Network) fate(in bool, packet []byte) (lost bool, late time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.outbound
	if in {
		p = n.inbound
	}
	lost = n.random.Float64() < p.Loss
	if n.chosen != nil && n.chosen(in, packet) {
		lost = true
	}
	if n.cut || lost {
		n.counts.Lost++
		return true, 0
	}
	n.counts.Passed++
	late = p.Delay
	if p.Jitter > 0 {
		late += time.Duration(n.random.Int64N(int64(p.Jitter)))
	}
	if n.random.Float64() < p.Reorder {
		n.counts.Reordered++
		late += ReorderBy
	}
	return false, late
}

func (n *Network) overflowed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts.Overflowed++
}

// ListenPacket implements transport.Net.
func (n *Network) ListenPacket(network, address string) (net.PacketConn, error) {
	at, err := net.ResolveUDPAddr(network, address)
	if err != nil {
		return nil, err
	}
	return n.ListenUDP(network, at)
}

// ListenUDP implements transport.Net.
func (n *Network) ListenUDP(network string, at *net.UDPAddr) (transport.UDPConn, error) {
	socket, err := n.Net.ListenUDP(network, at)
	if err != nil {
		return nil, err
	}
	return newConn(n, socket), nil
}
