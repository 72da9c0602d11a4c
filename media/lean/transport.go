package lean

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v4"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/egress"
)

const (
	// maxRead is the longest that is read; what is longer is no packet of ours.
	maxRead = 2048
	// sweepEvery is how often consent is looked at.
	sweepEvery = time.Second
)

// CNAME is the same for both of a viewer's tracks, which is what makes players keep them in step. It names no one.
const CNAME = "rialto"

// Config of a Transport. All fields but Listener are needed.
type Config struct {
	Port     *egress.Port // closed by Run
	Listener net.Listener // of TCP, closed by Run; nil: UDP alone
	// Addrs are what answers name: where this node is reached.
	Addrs       []netip.AddrPort
	Certificate tls.Certificate
	Workers     int // of the relay
	// Rest takes the datagrams that are no viewer's here. They are its own during the call alone.
	Rest func(b []byte, from netip.AddrPort)
}

// Transport carries the viewers of a node.
type Transport struct {
	// static after New
	port    *egress.Port
	outlets []*egress.Outlet // one for each worker, and used by it alone
	streams *streams         // nil without TCP
	secure  *dtlsConfig
	answer  *answer
	rest    func([]byte, netip.AddrPort)
	epoch   time.Time
	scratch sync.Pool // of *scratch, for what comes over TCP
	table   *table
}

// New makes a Transport; nothing is read before Run.
func New(c Config) *Transport {
	fingerprint := sha256.Sum256(c.Certificate.Certificate[0])
	t := &Transport{
		port: c.Port, rest: c.Rest, epoch: time.Now(), secure: newDTLSConfig(c.Certificate),
		answer:  newAnswer(fingerprint, c.Addrs, c.Listener != nil),
		scratch: sync.Pool{New: func() any { return new(scratch) }},
		table:   newTable(),
	}
	sockets := c.Port.Sockets()
	for i := range c.Workers {
		t.outlets = append(t.outlets, sockets[i%len(sockets)].NewOutlet())
	}
	if c.Listener != nil {
		t.streams = newStreams(c.Listener, t.takeFrame)
		t.streams.onGone = t.streamGone
	}
	return t
}

// Flush sends what one worker's viewers are to get. The relay calls it.
func (t *Transport) Flush(worker int) { t.outlets[worker].Flush() }

// Sessions is how many viewers there are, those that still connect included.
func (t *Transport) Sessions() int { return t.table.count() }

// StreamStats count TCP connections since the start.
type StreamStats struct {
	Open     int    // now, those that have not shown whose they are included
	Accepted uint64 // of all that came
	Refused  uint64 // at once, for there were too many
	Cut      uint64 // later: no authentic check in time, no frames, or nothing taken for too long
	Full     uint64 // packets for which there was no room
}

// Streams says how TCP fares; all zero without TCP.
func (t *Transport) Streams() StreamStats {
	if t.streams == nil {
		return StreamStats{}
	}
	c := &t.streams.counts
	open, _ := t.streams.size()
	return StreamStats{
		Open: open, Accepted: c.accepted.Load(), Full: c.full.Load(),
		Refused: c.refusedFull.Load() + c.refusedSource.Load() + c.refusedTwin.Load(),
		Cut:     c.overdue.Load() + c.broken.Load() + c.stalled.Load(),
	}
}

// now is the transport's clock.
func (t *Transport) now() time.Duration { return time.Since(t.epoch) }

// Run carries until ctx is done, and closes the port. Sessions are closed by who opened them.
func (t *Transport) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, socket := range t.port.Sockets() {
		g.Go(func() error { return t.read(socket) })
	}
	if t.streams != nil {
		g.Go(func() error { return t.streams.run(ctx) })
	}
	g.Go(func() error { return t.sweep(ctx) })
	g.Go(func() error {
		<-ctx.Done()
		return t.port.Close() // which ends the readers
	})
	return g.Wait()
}

// sweep ends the sessions whose clients have not been heard for too long.
func (t *Transport) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var all []*Session
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		all = t.table.all(all[:0])
		now := t.now()
		for _, s := range all {
			s.expire(now)
		}
		clear(all)
	}
}

// scratch is what one reader needs for a packet, used again for the next.
type scratch struct {
	request, reply stun.Message
	plain          [maxRead]byte
}

func (t *Transport) read(socket *egress.Socket) error {
	b := make([]byte, maxRead)
	r := &scratch{}
	for {
		n, from, err := socket.ReadFromAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			continue // what an ICMP message made of an earlier send; the socket is as good as before
		}
		if !t.take(b[:n], path{addr: from}, socket, r) {
			t.rest(b[:n], from)
		}
	}
}

// takeFrame takes what came over TCP. Nobody else waits for that.
func (t *Transport) takeFrame(b []byte, from path) {
	r := t.scratch.Get().(*scratch)
	t.take(b, from, nil, r)
	t.scratch.Put(r)
}

// streamGone is told that a viewer's TCP connection has ended.
func (t *Transport) streamGone(at path) {
	if s := t.table.at(at); s != nil {
		s.streamGone(at)
	}
}

// take finds out what a packet is by its first byte (RFC 7983) and whose it is: of a check by the name in it, of all else
// by where it came from. It is false when it is no viewer's. What is not authentic leaves no trace.
func (t *Transport) take(b []byte, from path, socket *egress.Socket, r *scratch) bool {
	if len(b) < 2 {
		return false
	}
	first := b[0]
	if first < 4 {
		name, ok := ufragOf(b)
		if !ok {
			return false
		}
		s := t.table.named(name)
		if s == nil {
			return false
		}
		s.takeCheck(b, from, socket, r)
		return true
	}
	s := t.table.at(from)
	if s == nil {
		return false
	}
	switch {
	case first >= 20 && first < 64:
		s.takeRecord(b, from)
	case first >= 128 && first < 192:
		s.takeReport(b, from, r)
	}
	return true
}

// write sends one packet over a path, apart from what workers send. A lost one is what the network does as well.
func (t *Transport) write(b []byte, to path, socket *egress.Socket) {
	switch {
	case to.tcp:
		t.streams.write(b, to)
	case socket != nil:
		_, _ = socket.WriteToAddrPort(b, to.addr)
	default:
		_, _ = t.port.Sockets()[0].WriteToAddrPort(b, to.addr)
	}
}

// Hooks are called by a session, and must not block.
type Hooks struct {
	Connected func() // once, when media begins
	// End is called when the session cannot go on, perhaps more than once. Session.Close follows, as after any other end.
	End func(error)
}

// Open answers a viewer's offer. Media begins when the viewer has connected.
func (t *Transport) Open(o *Offer, seat *media.Subscriber, hooks Hooks) (*Session, []byte, error) {
	s := newSession(t, o, seat, hooks)
	if !t.table.add(s) {
		return nil, nil, errNames
	}
	return s, t.answer.write(o, s.agent.own(), s.ids), nil
}

// errNames cannot happen with names that are random enough.
var errNames = errors.New("lean: the name of a session is taken")
