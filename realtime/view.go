package realtime

// view is a stretch of a room's ring, read and made into one chunk for every
// viewer who stands at its beginning. Most stand at the same place, so that a
// turn of a writer looks at the ring once and a viewer costs little more than
// its write. A view may be older than the ring: whoever appends to that wakes
// the writer afterwards, and another pass follows.
type view struct {
	room   *room
	tally  *tally
	taken  bool     // what follows is set
	usable bool     // else whoever stands here needs to be looked at alone
	cursor uint64   // where a viewer must stand
	start  uint64   // the first frame shown: what is sampled may be passed over
	more   bool     // the ring goes on behind the view
	enc    Encoding // of the frames
	frames [][]byte
	chunk  []byte // the same in one piece

	list  [maxFramesPerWrite]*message
	space [maxFramesPerWrite][]byte
	buf   [coalesceBytes]byte
}

func (v *view) begin(r *room, t *tally) { v.room, v.tally, v.taken = r, t, false }

// end lets go of the ring's memory.
func (v *view) end() {
	clear(v.frames)
	v.room, v.frames, v.chunk, v.taken = nil, nil, nil, false
}

// suits says whether c, whose mu is held, stands where the view begins and has
// nothing else to be told. If c stands elsewhere, the view goes there first.
func (v *view) suits(c *Conn) bool {
	if c.phase != open || c.parked || c.tail != nil || c.queue != nil || c.me != nil || c.owed || c.skip > c.cursor {
		return false
	}
	if !v.taken || v.cursor != c.cursor || v.enc != c.enc {
		v.take(c.cursor, c.enc)
	}
	return v.usable
}

// take reads the ring from cursor on. One who lags there is to be looked at
// alone.
func (v *view) take(cursor uint64, as Encoding) {
	r := v.room
	v.taken, v.cursor, v.enc = true, cursor, as
	var list []*message
	r.mu.RLock()
	skip, _ := r.ring.lag(cursor, 0)
	v.usable = cursor >= r.ring.base && skip == 0
	if v.usable {
		list, v.start, _ = r.ring.from(cursor, 0, v.list[:0])
	}
	next := r.ring.next
	r.mu.RUnlock()
	v.chunk, v.frames = nil, nil
	frames := v.space[:0]
	for i, m := range list {
		frames = append(frames, m.as(as))
		list[i] = nil
	}
	if len(frames) > 0 {
		v.chunk, v.frames = coalesce(v.buf[:], frames)
	}
	v.more = v.start+uint64(len(v.frames)) < next
}

// bring offers c what the view shows; a viewer for whom that is not right, or
// not all, is served alone.
func (c *Conn) bring(v *view, s *scratch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !v.suits(c) {
		c.flushWith(s)
		return
	}
	if len(v.frames) == 0 {
		return
	}
	n, err := c.sock.TryWrite(v.chunk)
	if n == len(v.chunk) && err == nil {
		c.cursor = v.start + uint64(len(v.frames))
		v.tally.frames += len(v.frames)
		v.tally.bytes += n
		if v.more {
			c.flushWith(s)
		}
		return
	}
	c.cursor = v.start
	_ = c.wrote(v.frames, n, len(v.chunk), err)
}

// tally is what a writer has done and not yet told the metrics, whose counters
// all cores would contend for at every frame.
type tally struct{ frames, bytes int }

func (t *tally) settle(m *metrics) {
	if t.bytes > 0 {
		m.frames.Add(float64(t.frames))
		m.bytes.Add(float64(t.bytes))
	}
	*t = tally{}
}
