package lean

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxStrangers is how many connections may wait for their first authenticated check, and maxStrangersPerSource how
	// many of them from one address (IPv6: one /64, which is what one customer has).
	maxStrangers          = 1024
	maxStrangersPerSource = 16
	// strangerWithin is how long a connection may take to its first authenticated check, however slowly it talks.
	strangerWithin = 5 * time.Second
	// stallWithin is how long one write of at most blockBytes may take before the viewer is given up.
	stallWithin = 10 * time.Second
	// lastWordsWithin is how long what still waits may take to leave once a connection is let go.
	lastWordsWithin = time.Second
	// acceptAgain is the wait after a failed accept: out of descriptors, as a rule.
	acceptAgain = 50 * time.Millisecond

	// Kernel buffers of a connection, asked for. A viewer sends little. What lies in the send buffer is out of reach: a
	// viewer that falls behind is to be late by a second, not by what the kernel would be ready to keep.
	streamReadBuffer  = 32 << 10
	streamWriteBuffer = 128 << 10 // Linux takes twice that
)

var streamKeepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

var errStranger = errors.New("other than a check before the first check")

// streams are the TCP connections of viewers whose networks let no UDP through: ICE-TCP, of which this is the passive
// side (RFC 6544). Each connection has one goroutine that reads and one that writes.
type streams struct {
	// static after newStreams
	listener net.Listener
	take     func(b []byte, from path)
	// onGone, if set before run, is called once when a connection that was kept ends by itself, or while drop is called;
	// not when drop or the end of run ended it. The connection's reader or writer calls it, with no lock held.
	onGone func(from path)

	counts streamCounts
	group  sync.WaitGroup // two for each connection

	mu        sync.RWMutex
	open      map[path]*stream
	strangers map[netip.Prefix]int // of each source
	strange   int                  // all of them
}

// streamCounts are what metrics say. Connections refused, by reason, and those that ended before they were kept.
type streamCounts struct {
	accepted, refusedFull, refusedSource, refusedTwin atomic.Uint64
	overdue                                           atomic.Uint64 // no authenticated check in time
	broken                                            atomic.Uint64 // frames that are none
	stalled                                           atomic.Uint64 // took no bytes for stallWithin
	full                                              atomic.Uint64 // packets for which there was no room
}

// stream is one connection.
type stream struct {
	// static after admit
	conn   net.Conn
	from   path
	source netip.Prefix

	kept     atomic.Bool // an authenticated check came; set under streams.mu
	stranger bool        // counted as one; guarded by streams.mu

	mu    sync.Mutex
	more  *sync.Cond // of mu: something waits, or over
	queue outbox
	over  bool // nothing is queued any more; the writer closes when the queue is empty
}

// newStreams owns the listener from run on. take gets each packet that comes, b is its own during the call only; it is
// called by many goroutines, one for each connection, and must not block.
func newStreams(l net.Listener, take func(b []byte, from path)) *streams {
	return &streams{listener: l, take: take, open: map[path]*stream{}, strangers: map[netip.Prefix]int{}}
}

// run accepts until ctx is done, then lets every connection say its last words and returns when all are closed. Its
// error is a listener that failed before.
func (s *streams) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	s.group.Go(func() {
		<-ctx.Done()
		_ = s.listener.Close() // nothing is waiting in it that we would want
	})
	err := s.accept(ctx)
	cancel()
	s.mu.RLock()
	open := make([]*stream, 0, len(s.open))
	for _, c := range s.open {
		open = append(open, c)
	}
	s.mu.RUnlock()
	for _, c := range open {
		s.leave(c)
	}
	s.group.Wait()
	return err
}

func (s *streams) accept(ctx context.Context) error {
	timer := time.NewTimer(acceptAgain)
	defer timer.Stop()
	for {
		conn, err := s.listener.Accept()
		switch {
		case err == nil:
			s.admit(conn)
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("media over tcp: %w", err)
		}
		timer.Reset(acceptAgain)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
	}
}

// admit opens a connection, unless too many strangers are here.
func (s *streams) admit(conn net.Conn) {
	s.counts.accepted.Add(1)
	remote, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		_ = conn.Close() // not TCP: nobody could have opened it
		return
	}
	at := remote.AddrPort()
	c := &stream{conn: conn, from: path{addr: netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), tcp: true}}
	c.source = sourceOf(c.from.addr.Addr())
	c.more = sync.NewCond(&c.mu)
	if refused := s.enter(c); refused != nil {
		refused.Add(1)
		reset(conn)
		_ = conn.Close() // it was not ours yet
		return
	}
	tune(conn)
	// Before the reader begins: keep takes the deadline away.
	_ = conn.SetReadDeadline(time.Now().Add(strangerWithin)) // fails only on a closed connection
	s.group.Go(func() { s.receive(c) })
	s.group.Go(func() { s.send(c) })
}

// enter counts a stranger in; otherwise it returns what counts the refusal.
func (s *streams) enter(c *stream) *atomic.Uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.strange >= maxStrangers:
		return &s.counts.refusedFull
	case s.strangers[c.source] >= maxStrangersPerSource:
		return &s.counts.refusedSource
	case s.open[c.from] != nil:
		// The same port of the same client, to another address of ours. It has the one path already.
		return &s.counts.refusedTwin
	}
	s.open[c.from] = c
	c.stranger = true
	s.strange++
	s.strangers[c.source]++
	return nil
}

// uncount takes a connection out of the strangers, once. It needs mu.
func (s *streams) uncount(c *stream) {
	if !c.stranger {
		return
	}
	c.stranger = false
	s.strange--
	if s.strangers[c.source]--; s.strangers[c.source] == 0 {
		delete(s.strangers, c.source)
	}
}

// sourceOf is what limits apply to: an IPv4 address, or an IPv6 network of 64 bits.
func sourceOf(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // a valid address has so many
	return p
}

// tune fails only on a connection that is closed already, which its reader finds out.
func tune(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	_ = tcp.SetNoDelay(true)
	_ = tcp.SetKeepAliveConfig(streamKeepAlive)
	_ = tcp.SetReadBuffer(streamReadBuffer)
	_ = tcp.SetWriteBuffer(streamWriteBuffer)
}

// reset makes the coming Close throw away what the kernel holds, and leaves no TIME-WAIT behind.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// receive reads until the connection ends.
func (s *streams) receive(c *stream) {
	var f frames
	take := func(b []byte) error {
		if !c.kept.Load() && b[0] > 3 {
			return errStranger
		}
		s.take(b, c.from)
		return nil
	}
	var err error
	for err == nil {
		err = f.read(c.conn, take)
	}
	var timeout net.Error
	switch known := c.kept.Load(); {
	case errors.Is(err, errFrame), errors.Is(err, errStranger):
		s.cut(c, &s.counts.broken)
	case !known && errors.As(err, &timeout) && timeout.Timeout():
		s.cut(c, &s.counts.overdue)
	default:
		s.cut(c, nil)
	}
}

// send writes what is queued until the connection ends, and closes it.
func (s *streams) send(c *stream) {
	for b := c.next(nil); b != nil; b = c.next(b) {
		if _, err := c.conn.Write(b.data[:b.n]); err != nil {
			blocks.Put(b)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				s.cut(c, &s.counts.stalled)
			} else {
				s.cut(c, nil)
			}
			reset(c.conn)
			break
		}
	}
	_ = c.conn.Close() // by now it is over, one way or the other
}

// next gives back what was written and waits for more; nil when the connection is over and nothing is left.
func (c *stream) next(written *block) *block {
	c.mu.Lock()
	defer c.mu.Unlock()
	if written != nil {
		c.queue.give(written)
	}
	for {
		if b := c.queue.take(); b != nil {
			if !c.over {
				_ = c.conn.SetWriteDeadline(time.Now().Add(stallWithin)) // fails only on a closed connection
			}
			return b
		}
		if c.over {
			return nil
		}
		c.more.Wait()
	}
}

// write queues one packet; false when there is no room, or no such connection. It never blocks, and keeps nothing of b.
func (s *streams) write(b []byte, to path) bool {
	c := s.at(to)
	if c == nil {
		return false
	}
	c.mu.Lock()
	over := c.over
	ok := !over && c.queue.add(b)
	c.mu.Unlock()
	switch {
	case ok:
		c.more.Signal()
	case !over:
		s.counts.full.Add(1)
	}
	return ok
}

func (s *streams) at(p path) *stream {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.open[p]
}

// keep says that an authenticated check came this way: the connection is no stranger any more. Once is enough; again
// does no harm.
func (s *streams) keep(p path) {
	c := s.at(p)
	if c == nil || c.kept.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[p] == c && c.stranger {
		s.uncount(c)
		c.kept.Store(true)
		_ = c.conn.SetReadDeadline(time.Time{}) // fails only on a closed connection
	}
}

// drop ends a connection as soon as what is queued has left. From its return on nothing is queued any more. It does not
// wait, and may be called from take.
func (s *streams) drop(p path) {
	if c := s.at(p); c != nil {
		s.leave(c)
	}
}

// leave ends a connection and lets it say its last words.
func (s *streams) leave(c *stream) {
	s.forget(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.over = true
	now := time.Now()
	_ = c.conn.SetWriteDeadline(now.Add(lastWordsWithin)) // both fail only on a closed connection
	_ = c.conn.SetReadDeadline(now)
	c.more.Signal()
}

// cut ends a connection at once, unless it is over: then who ended it wants it to say its last words. reason may be nil.
func (s *streams) cut(c *stream, reason *atomic.Uint64) {
	kept := s.forget(c)
	c.mu.Lock()
	was := c.over
	if !was {
		c.over = true
		c.queue.empty()
		reset(c.conn)
		_ = c.conn.Close() // it wakes the other goroutine
		c.more.Signal()
	}
	c.mu.Unlock()
	if was {
		return
	}
	if reason != nil {
		reason.Add(1)
	}
	if kept && s.onGone != nil {
		s.onGone(c.from)
	}
}

// forget takes a connection out of the table and says whether it was kept.
func (s *streams) forget(c *stream) (kept bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[c.from] == c {
		delete(s.open, c.from)
		s.uncount(c)
	}
	return c.kept.Load()
}

// size is how many connections are open, and how many of them are strangers.
func (s *streams) size() (open, strange int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.open), s.strange
}
