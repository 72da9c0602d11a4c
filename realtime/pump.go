package realtime

import (
	"bytes"
	"sync"
	"time"
)

// How bytes get from the ring to a socket.

const (
	maxFramesPerWrite = 32
	coalesceBytes     = 32 << 10
)

// scratch is room to work in for one pass over viewers.
type scratch struct {
	conns  [sharePerLock]*Conn
	frames [maxFramesPerWrite][]byte
	buf    [coalesceBytes]byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (c *Conn) pump() {
	c.mu.Lock()
	c.flush()
	c.mu.Unlock()
}

// flush is pump for callers who hold mu.
func (c *Conn) flush() {
	s := scratches.Get().(*scratch)
	c.flushWith(s)
	scratches.Put(s)
}

// flushWith offers the socket everything that waits for this viewer. It never
// waits: if the socket is full, the viewer is parked.
func (c *Conn) flushWith(s *scratch) {
	for !c.parked && c.phase != gone {
		frames := c.gather(s.frames[:0])
		if len(frames) == 0 {
			return
		}
		chunk, in := coalesce(s.buf[:], frames)
		n, err := c.sock.TryWrite(chunk)
		going := c.wrote(in, n, len(chunk), err)
		clear(frames)
		if !going {
			return
		}
	}
}

// wrote notes that the socket took n of size bytes, which are frames: those
// that gather listed, or the room's alone. It says whether the socket would
// take more.
func (c *Conn) wrote(frames [][]byte, n, size int, err error) bool {
	c.consume(frames, n)
	if err != nil {
		c.phase = max(c.phase, closing)
		_ = c.sock.Close() // the reader finds out
		c.rouse()
		return false
	}
	if n < size {
		c.park()
		return false
	}
	return true
}

// gather lists the frames that go next: the begun one, the viewer's own, the
// newest word about its document, the room's. This is where slow viewers are
// seen, and where the ladder of doc.go stands: one who lags is not shown what
// is sampled, one whose cursor was overtaken gets a snapshot.
func (c *Conn) gather(frames [][]byte) [][]byte {
	if c.tail != nil {
		frames = append(frames, c.tail)
	}
	own := len(frames)
	frames = append(frames, c.queue...)
	if c.phase != open {
		return frames
	}
	if c.me != nil {
		frames = append(frames, c.me.as(c.enc))
	}
	if c.snap == nil && !c.owed {
		r, lost, ok := c.room, 0, false
		var space [maxFramesPerWrite]*message
		list := space[:0:min(len(space), cap(frames)-len(frames))]
		r.mu.RLock()
		c.skip, lost = r.ring.lag(c.cursor, c.skip)
		list, c.cursor, ok = r.ring.from(c.cursor, c.skip, list)
		r.mu.RUnlock()
		for _, m := range list {
			frames = append(frames, m.as(c.enc))
		}
		if lost > 0 {
			c.hub.metrics.drops.WithLabelValues(dropLagging).Add(float64(lost))
		}
		if ok {
			return frames
		}
	}
	if c.snap == nil {
		c.jump()
	}
	if c.phase != open {
		return append(frames[:own], c.queue...)
	}
	return append(frames, c.snap.as(c.enc))
}

// jump brings the viewer forward with a snapshot, or says good-bye when that
// has been needed too often.
func (c *Conn) jump() {
	now := c.hub.cfg.Now()
	in := c.room.forward(now)
	slow := in.cuts == c.cuts && !c.owed // else everybody in the room is given a snapshot, or this one was counted
	c.cursor, c.skip, c.cuts, c.owed = in.cursor, in.skip, in.cuts, false
	if slow {
		c.hub.metrics.jumps.Inc()
		if now.UnixNano() > c.jumpsEnd {
			c.jumps, c.jumpsEnd = 0, now.Add(jumpWindow).UnixNano()
		}
		if c.jumps++; c.jumps > MaxJumps {
			c.endSlow()
			return
		}
	}
	c.snap = in.first
}

// endSlow is close for the writing side, which is about to look at the queue
// anyway.
func (c *Conn) endSlow() {
	c.phase = closing
	c.hub.metrics.closes.WithLabelValues(CodeSlow.String()).Inc()
	c.queue = append(c.queue, c.enc.end(CodeSlow, "this connection is too slow for the show"))
	c.endWithin()
	c.rouse()
}

// coalesce makes one chunk of several frames, so that they cost one system
// call, and returns the frames that are in it. A single frame is not copied.
func coalesce(buf []byte, frames [][]byte) (chunk []byte, in [][]byte) {
	if len(frames) == 1 || len(frames[0]) > len(buf) {
		return frames[0], frames[:1]
	}
	n := 0
	for i, f := range frames {
		if n+len(f) > len(buf) {
			return buf[:n], frames[:i]
		}
		n += copy(buf[n:], f)
	}
	return buf[:n], frames
}

// consume notes that n bytes of frames, which gather listed, are out.
func (c *Conn) consume(frames [][]byte, n int) {
	t := tally{bytes: n}
	defer func() { t.settle(c.hub.metrics) }()
	for _, f := range frames {
		if n == 0 {
			return
		}
		switch {
		case c.tail != nil:
			c.tail = nil
		case len(c.queue) > 0:
			c.queue[0] = nil
			if c.queue = c.queue[1:]; len(c.queue) == 0 {
				c.queue = nil
			}
		case c.me != nil && c.phase == open:
			c.me = nil
		case c.snap != nil && c.phase == open:
			c.snap = nil
		default:
			c.cursor++
		}
		if n < len(f) {
			c.tail = f[n:]
			return
		}
		n -= len(f)
		t.frames++
	}
}

// park leaves a viewer whose socket is full alone until it takes bytes. Nothing
// is made ready for it meanwhile. The poller sees to it, or a goroutine of its
// own if the socket cannot tell.
func (c *Conn) park() {
	c.parked = true
	if c.snap != nil {
		c.snap, c.owed = nil, true // a newer one will be there by then
	}
	if c.hub.poller.await(c) {
		return
	}
	c.hub.metrics.parked.Inc()
	if !c.hub.Go(c.unblock) {
		c.hub.metrics.parked.Dec()
		_ = c.sock.Close()
		c.rouse()
	}
}

// unpark goes on with a viewer whose socket takes bytes again.
func (c *Conn) unpark() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parked = false
	c.flush()
}

// unblock writes to a stalled viewer until it has caught up.
func (c *Conn) unblock() {
	defer c.hub.metrics.parked.Dec()
	var space [unblockMost][]byte
	for {
		c.mu.Lock()
		frames := c.gather(space[:0])
		if len(frames) == 0 || c.phase == gone {
			_ = c.sock.SetWriteDeadline(time.Time{})
			c.parked = false
			c.mu.Unlock()
			return
		}
		n := 0
		for _, f := range frames {
			n += len(f)
		}
		// Noted as out before it is: while unlocked, others may change the
		// queue, and if the write fails nothing follows it.
		c.consume(frames, n)
		c.mu.Unlock()
		if n <= unblockJoin {
			frames = append(frames[:0], bytes.Join(frames, nil))
		}
		for _, f := range frames {
			if !c.writeStalled(f) {
				c.kill("stalled")
				return
			}
		}
		clear(space[:])
	}
}

// writeStalled writes chunk, which may be shared, in portions, each of which the viewer must take in
// time: a slow line is given the time it needs, a dead one is not.
func (c *Conn) writeStalled(chunk []byte) bool {
	for len(chunk) > 0 {
		n := min(len(chunk), unblockChunk)
		_ = c.sock.SetWriteDeadline(time.Now().Add(c.hub.cfg.WriteStall))
		if _, err := c.sock.Write(chunk[:n]); err != nil {
			return false
		}
		chunk = chunk[n:]
	}
	return true
}
