package realtime

import (
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Pollable is a Socket that can tell when it takes bytes again. A viewer on any
// other costs a goroutine while it stalls.
type Pollable interface {
	Socket
	// Await has p.Ready(id) called once, when the socket takes bytes, also if it
	// does already. It returns false if it cannot tell. It must not call Ready
	// itself: the caller holds a lock that Ready needs.
	Await(p *Poller, id uint64) bool
	// Unsent is how many bytes the other side has not taken yet. While the
	// socket is awaited, only a viewer who is alive makes it fall.
	Unsent() int
}

// stallChecks is how often within Config.WriteStall the stalled are looked at:
// one who takes nothing is dropped at most two such parts late.
const stallChecks = 4

// Poller knows the viewers whose sockets are full, and is told when one who
// said nothing does (see Conn.Rest). It has a goroutine for all of the one kind
// and one for all of the other; who is full has a place in a table. All go by
// the id of the connection: file descriptors come back as somebody else's, ids
// never do.
type Poller struct {
	// static
	hub   *Hub
	begun time.Time

	waiter sync.WaitGroup // readiness.wait; Add under mu while not closed

	mu     sync.Mutex // a leaf
	closed bool
	full   kernelList // awaited until they take bytes
	silent kernelList // awaited until something comes
	parked map[uint64]stall
}

// kernelList is a list of sockets that the kernel keeps, from when it is first
// needed.
type kernelList struct {
	asked bool
	queue readiness // nil where there is none
}

// stall is a viewer whose socket is full.
type stall struct {
	conn   *Conn
	since  time.Duration // after Poller.begun: it was last seen to take something
	unsent int           // bytes, then
}

func newPoller(h *Hub) *Poller {
	return &Poller{hub: h, begun: time.Now(), parked: map[uint64]stall{}}
}

// Watch asks the kernel to tell when raw takes bytes, once; Ready(id) follows.
// It returns false where the kernel cannot be asked.
func (p *Poller) Watch(raw syscall.RawConn, id uint64) bool {
	queue := p.readiness(&p.full, takesBytes, p.Ready)
	return queue != nil && queue.watch(raw, id)
}

// Listen asks the kernel to tell when something has come on raw, be it that its
// other side is gone, once; Heard(id) follows. It returns false where the kernel
// cannot be asked.
func (p *Poller) Listen(raw syscall.RawConn, id uint64) bool {
	queue := p.readiness(&p.silent, hasBytes, p.Heard)
	return queue != nil && queue.watch(raw, id)
}

func (p *Poller) readiness(list *kernelList, of what, ready func(id uint64)) readiness {
	p.mu.Lock()
	defer p.mu.Unlock()
	if list.asked || p.closed {
		return list.queue
	}
	list.asked = true
	queue, err := newReadiness(of)
	if err != nil {
		p.hub.cfg.Log.Error("realtime: viewers who stall or say nothing cost a goroutine each", "error", err)
	}
	if queue != nil {
		list.queue = queue
		p.waiter.Go(func() { queue.wait(ready) })
	}
	return queue
}

// Heard says that something has come on the socket of a connection. An id of
// nobody, or of somebody whose socket is being read, is ignored.
func (p *Poller) Heard(id uint64) {
	if c := p.hub.conns.find(id); c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.rouse()
	}
}

// Ready says that the socket of a connection takes bytes again. An id that
// nobody waits for is ignored.
func (p *Poller) Ready(id uint64) {
	if s, ok := p.take(id); ok {
		s.conn.unpark()
	}
}

// await takes care of c, whose mu is held, until its socket takes bytes.
func (p *Poller) await(c *Conn) bool {
	sock, ok := c.sock.(Pollable)
	if !ok || c.blind {
		return false
	}
	s := stall{c, time.Since(p.begun), sock.Unsent()}
	p.mu.Lock()
	p.parked[c.id] = s
	p.mu.Unlock()
	p.hub.metrics.parked.Inc()
	if sock.Await(p, c.id) {
		return true
	}
	p.take(c.id)
	c.blind = true
	return false
}

// take ends the care for a connection; it may have ended before.
func (p *Poller) take(id uint64) (s stall, ok bool) {
	p.mu.Lock()
	s, ok = p.parked[id]
	delete(p.parked, id)
	p.mu.Unlock()
	if ok {
		p.hub.metrics.parked.Dec()
	}
	return s, ok
}

// run drops viewers that take nothing until stop is closed; then nobody is
// waited for any more.
func (p *Poller) run(stop <-chan struct{}) {
	ticker := time.NewTicker(max(p.hub.cfg.WriteStall/stallChecks, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			p.close()
			return
		case <-ticker.C:
			p.dropStalled()
		}
	}
}

func (p *Poller) close() {
	p.mu.Lock()
	queues := [...]readiness{p.full.queue, p.silent.queue}
	p.full.queue, p.silent.queue, p.closed = nil, nil, true
	p.mu.Unlock()
	for _, queue := range queues {
		if queue != nil {
			queue.close()
		}
	}
	p.waiter.Wait()
}

// dropStalled drops who has taken nothing for Config.WriteStall. A slow line is
// given the time it needs: each byte that left counts.
func (p *Poller) dropStalled() {
	now := time.Since(p.begun)
	p.mu.Lock()
	stalled := slices.Collect(maps.Values(p.parked))
	p.mu.Unlock()
	for _, s := range stalled {
		unsent := s.conn.sock.(Pollable).Unsent()
		p.mu.Lock()
		again, ok := p.parked[s.conn.id]
		same := ok && again == s // else it has taken bytes meanwhile
		if same && unsent < s.unsent {
			p.parked[s.conn.id] = stall{s.conn, now, unsent}
		}
		p.mu.Unlock()
		if same && unsent >= s.unsent && now-s.since >= p.hub.cfg.WriteStall {
			s.conn.kill("stalled")
		}
	}
}

// what a socket is awaited for.
type what uint8

const (
	takesBytes what = iota
	hasBytes        // or will have none any more
)

// readiness is the kernel's list of sockets that are awaited for one thing.
type readiness interface {
	// watch adds a socket, or asks again for one that is in the list.
	watch(raw syscall.RawConn, id uint64) bool
	// wait calls ready for each that is ready, until close.
	wait(ready func(id uint64))
	close()
}
