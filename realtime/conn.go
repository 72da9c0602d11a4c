package realtime

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Socket is the server's end of a viewer's line, after the upgrade.
type Socket interface {
	// TryWrite takes what fits at once and never waits. Less than len(p)
	// without an error means that the socket is full, or cannot tell.
	TryWrite(p []byte) (int, error)
	// Write waits until all is taken or the write deadline has passed.
	Write(p []byte) (int, error)
	SetWriteDeadline(time.Time) error
	SetReadDeadline(time.Time) error
	Close() error
}

// Join is a viewer's first message.
type Join struct {
	Room RoomID
	Have Position // what it kept from before, when it resumes
}

// MaxJumps is how many snapshots a viewer is given for being slow, per minute.
// Then it is asked to come again.
const MaxJumps = 3

const (
	maxQueued    = 16 // frames for one viewer alone
	jumpWindow   = time.Minute
	closeGrace   = 500 * time.Millisecond // for the viewer to answer a close
	unblockChunk = 16 << 10               // bytes a stalled viewer must take per Config.WriteStall, if its socket is not Pollable
	unblockMost  = 8                      // frames that are taken for such a viewer at once
	unblockJoin  = 4 << 10                // bytes up to which these go in one piece
)

type phase uint8

const (
	waiting phase = iota // for the join
	open
	closing // the close frame is on its way
	gone
)

// Conn is one viewer's line: a WebSocket, or an event stream. A node has very
// many: fields stand so that they leave no holes.
type Conn struct {
	// static
	hub  *Hub
	sock Socket
	id   uint64
	addr netip.Addr

	seen  atomic.Int64 // Unix nanoseconds of the last sign of life
	place int          // in its shard; guarded by shard.mu

	coming func() // see Ticket.Until; owned by whoever reads

	mu       sync.Mutex // guards what follows but enc, and the order of bytes on the socket
	enc      Encoding   // static
	phase    phase
	blind    bool   // the socket cannot tell when it takes bytes again
	parked   bool   // the socket is full: only unpark or unblock write
	owed     bool   // it is to be brought forward, and that was counted
	jumps    uint8  // at most MaxJumps+1, until jumpsEnd
	rest     func() // goes on with reading; nil while somebody reads
	identity Identity
	room     *room
	tail     []byte      // the rest of a frame whose beginning is out
	queue    [][]byte    // ready bytes for this viewer alone; they go before what is the room's
	me       *message    // the newest version of this person's document, not yet out
	told     int64       // that version, or the last that is out
	snap     *message    // that brings it forward; only while somebody holds mu
	cursor   uint64      // the next frame of the room's ring
	skip     uint64      // sampled frames before this one are not for this viewer
	cuts     uint64      // ring.cuts when cursor was set
	jumpsEnd int64       // Unix nanoseconds
	over     *time.Timer // ends the socket of who is being closed
}

// Saw notes a sign of life from the viewer.
func (c *Conn) Saw() { c.seen.Store(c.hub.cfg.Now().UnixNano()) }

// Join lets the viewer into its room. authenticate says who it is; an error of
// it that is a *CloseError becomes the close code. Join is called by the
// goroutine that reads the socket, once.
func (c *Conn) Join(ctx context.Context, join Join, authenticate func(context.Context) (Identity, error)) error {
	defer c.in()
	mark := c.hub.revoked.mark()
	who, err := authenticate(ctx)
	if err != nil {
		return err
	}
	r, err := c.hub.enter(ctx, join.Room, who)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.phase != waiting {
		c.mu.Unlock()
		c.hub.leave(r, who)
		return nil
	}
	c.identity, c.room = who, r
	c.hub.subjects.add(who.Subject, c)
	// From here on Revoke finds this viewer; what was revoked while its
	// authentication was under way is in the list.
	if refused := c.hub.revoked.since(mark, r.id, who); refused != nil {
		c.mu.Unlock()
		return refused
	}
	in := r.admit(join.Have, c.hub.cfg.Now())
	c.queue = append(c.queue, in.first.as(c.enc))
	c.cursor, c.skip, c.cuts, c.phase = in.cursor, in.skip, in.cuts, open
	_ = c.sock.SetReadDeadline(time.Time{}) // under mu: a close sets one
	c.mu.Unlock()
	c.hub.metrics.joins.WithLabelValues(map[bool]string{true: "resumed", false: "snapshot"}[in.resumed]).Inc()
	r.shards[c.id%uint64(len(r.shards))].add(c)
	c.pump() // the joined frame, and what came before the shard knew of c
	return nil
}

// in says that coming in is over.
func (c *Conn) in() {
	if c.coming != nil {
		c.coming()
		c.coming = nil
	}
}

// Pong answers the page's clock question c, read at r.
func (c *Conn) Pong(question int64, read time.Time) {
	c.say(pongText(question, read.UnixMilli(), c.hub.cfg.Now().UnixMilli()))
}

// say queues a message for this viewer alone.
func (c *Conn) say(text []byte) { c.Send(c.enc.text(text)) }

// Send queues ready bytes for this viewer alone. When the viewer takes nothing
// they are left out and counted.
func (c *Conn) Send(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase >= closing {
		return
	}
	if len(c.queue) >= maxQueued {
		c.hub.metrics.drops.WithLabelValues(dropQueueFull).Inc()
		return
	}
	c.queue = append(c.queue, frame)
	c.flush()
}

// Close tells the viewer why and ends the connection within closeGrace, also
// when the viewer does not answer, takes nothing, or has a call under way. Only
// the first call counts: it returns true.
func (c *Conn) Close(code Code, reason string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.close(code, reason)
}

func (c *Conn) close(code Code, reason string) bool {
	if c.phase >= closing {
		return false
	}
	c.phase = closing
	c.hub.metrics.closes.WithLabelValues(code.String()).Inc()
	c.queue = append(c.queue[:0:0], c.enc.end(code, reason))
	c.endWithin()
	c.flush()
	c.rouse()
	return true
}

// endWithin has the reader find the end, and the socket end all the same when the
// reader is busy with a call: somebody banned is not waited for. Needs mu.
func (c *Conn) endWithin() {
	_ = c.sock.SetReadDeadline(time.Now().Add(closeGrace))
	c.over = time.AfterFunc(closeGrace, func() { _ = c.sock.Close() })
}

// kill ends the connection without a word.
func (c *Conn) kill(why string) {
	c.mu.Lock()
	if c.phase < closing {
		c.phase = closing
		c.hub.metrics.closes.WithLabelValues(why).Inc()
	}
	c.rouse()
	c.mu.Unlock()
	_ = c.sock.Close()
}

// Detach takes the viewer out of everything. Whoever reads the socket calls it
// last.
func (c *Conn) Detach() {
	c.in()
	c.mu.Lock()
	c.phase = gone
	r, who := c.room, c.identity
	c.queue, c.tail, c.me = nil, nil, nil
	if c.over != nil {
		c.over.Stop()
	}
	c.mu.Unlock()
	c.hub.poller.take(c.id)
	_ = c.sock.Close()
	if r != nil {
		r.shards[c.id%uint64(len(r.shards))].remove(c)
		c.hub.subjects.remove(who.Subject, c)
		c.hub.leave(r, who)
	}
	c.hub.detach(c)
}

// Caller is who calls over this line, without the id of the call; nobody until
// the viewer has joined.
func (c *Conn) Caller() Caller {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.room == nil {
		return Caller{}
	}
	return Caller{Room: c.room.id, Identity: c.identity, Addr: c.addr}
}
