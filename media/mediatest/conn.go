package mediatest

import (
	"container/heap"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pion/transport/v4"
	"github.com/pion/transport/v4/deadline"
)

const (
	maxInFlight = 8192 // packets on one direction of a line
	maxPacket   = 2048
)

// conn is a socket at the end of a bad line. Incoming packets are read by a
// goroutine of its own, so that a late one does not hold up the others;
// outgoing ones that are late leave from another.
type conn struct {
	transport.UDPConn
	network *Network
	in, out *line
	arrived chan packet
	readBy  *deadline.Deadline
	closed  chan struct{}
	once    sync.Once
	group   sync.WaitGroup
}

type packet struct {
	data []byte
	addr net.Addr
	due  time.Time
	turn uint64 // keeps the order of packets that are due together
}

func newConn(n *Network, socket transport.UDPConn) *conn {
	c := &conn{UDPConn: socket, network: n, arrived: make(chan packet, maxInFlight), readBy: deadline.New(), closed: make(chan struct{})}
	c.in = newLine(func(p packet) {
		select {
		case c.arrived <- p:
		default:
			n.overflowed()
		}
	})
	c.out = newLine(func(p packet) { _, _ = c.UDPConn.WriteTo(p.data, p.addr) })
	c.group.Go(c.receive)
	c.group.Go(func() { c.in.run(c.closed) })
	c.group.Go(func() { c.out.run(c.closed) })
	return c
}

func (c *conn) receive() {
	buffer := make([]byte, maxPacket)
	for {
		size, addr, err := c.UDPConn.ReadFrom(buffer)
		if err != nil {
			return // Close
		}
		if lost, late := c.network.fate(true, buffer[:size]); !lost {
			c.send(c.in, buffer[:size], addr, late)
		}
	}
}

func (c *conn) send(l *line, data []byte, addr net.Addr, late time.Duration) {
	if !l.add(packet{data: append([]byte(nil), data...), addr: addr, due: time.Now().Add(late)}) {
		c.network.overflowed()
	}
}

// WriteTo sends, or loses, a packet.
func (c *conn) WriteTo(data []byte, addr net.Addr) (int, error) {
	lost, late := c.network.fate(false, data)
	switch {
	case lost:
	case late == 0:
		return c.UDPConn.WriteTo(data, addr)
	default:
		c.send(c.out, data, addr, late)
	}
	return len(data), nil
}

// ReadFrom waits for the next packet that arrives.
func (c *conn) ReadFrom(buffer []byte) (int, net.Addr, error) {
	select {
	case <-c.closed: // said before a deadline that has passed, as the machine's sockets do
		return 0, nil, net.ErrClosed
	default:
	}
	select {
	case p := <-c.arrived:
		return copy(buffer, p.data), p.addr, nil
	case <-c.readBy.Done():
		return 0, nil, os.ErrDeadlineExceeded
	case <-c.closed:
		return 0, nil, net.ErrClosed
	}
}

// SetReadDeadline ends ReadFrom.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.readBy.Set(t)
	return nil
}

// SetDeadline ends ReadFrom; writing never waits.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// Close waits for the goroutines of the line.
func (c *conn) Close() error {
	var err error
	c.once.Do(func() {
		close(c.closed)
		err = c.UDPConn.Close()
		c.group.Wait()
	})
	return err
}

// line delivers packets when they are due.
type line struct {
	deliver func(packet)
	wake    chan struct{}

	mu      sync.Mutex
	waiting queue
	turn    uint64
}

func newLine(deliver func(packet)) *line {
	return &line{deliver: deliver, wake: make(chan struct{}, 1)}
}

func (l *line) add(p packet) bool {
	l.mu.Lock()
	if len(l.waiting) >= maxInFlight {
		l.mu.Unlock()
		return false
	}
	l.turn++
	p.turn = l.turn
	heap.Push(&l.waiting, p)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return true
}

func (l *line) run(closed <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(l.deliverDue())
		select {
		case <-timer.C:
		case <-l.wake:
		case <-closed:
			return
		}
	}
}

// deliverDue returns how long to wait for the next packet.
func (l *line) deliverDue() time.Duration {
	for {
		l.mu.Lock()
		if len(l.waiting) == 0 {
			l.mu.Unlock()
			return time.Hour
		}
		if wait := time.Until(l.waiting[0].due); wait > 0 {
			l.mu.Unlock()
			return wait
		}
		p := heap.Pop(&l.waiting).(packet)
		l.mu.Unlock()
		l.deliver(p)
	}
}

type queue []packet

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].due.Equal(q[j].due) {
		return q[i].turn < q[j].turn
	}
	return q[i].due.Before(q[j].due)
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(p any)   { *q = append(*q, p.(packet)) }
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
