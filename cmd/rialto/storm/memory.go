package storm

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// nowhere is an address that is not counted.
var nowhere netip.Addr

var errReset = errors.New("the line was reset")

// inMemory is a viewer whose socket is memory: the hub writes to it as to the
// kernel, and every byte is read.
type inMemory struct {
	// static
	run    *run
	number int
	as     realtime.Encoding
	watch  *watcher

	mu   sync.Mutex // guards what follows
	here bool       // wants to be in the room
	node int        // and on this node
	lost bool       // the line is to be reset
	line *line      // nil: none
}

// line is one connection of it: the server's end, which is a realtime.Socket,
// and what the viewer reads.
type line struct {
	viewer *inMemory
	node   *node
	conn   *realtime.Conn

	mu     sync.Mutex // guards what follows
	rest   []byte     // of a piece that is not whole yet
	broken bool
	writes uint64
}

var _ realtime.Socket = (*line)(nil)

// TryWrite takes everything, but for one time in many: then the buffer is full
// somewhere in the middle, and the rest comes by Write.
func (l *line) TryWrite(p []byte) (int, error) {
	l.mu.Lock()
	l.writes++
	short := l.run().full(l.viewer.number, l.writes)
	l.mu.Unlock()
	if short && len(p) > 1 {
		p = p[:len(p)/2]
	}
	return l.Write(p)
}

func (l *line) run() *run { return l.viewer.run }

// Write is what the viewer reads.
func (l *line) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return 0, errReset
	}
	b := p
	if len(l.rest) > 0 {
		l.rest = append(l.rest, p...)
		b = l.rest
	}
	for {
		got, err := cut(b, l.viewer.as)
		if err != nil {
			l.viewer.watch.report.breach(readable, "%s: %v", l.viewer.watch.name, err)
			l.broken = true
			return 0, errReset
		}
		if got.size == 0 {
			break
		}
		l.read(got)
		b = b[got.size:]
	}
	l.rest = append(l.rest[:0], b...)
	return len(p), nil
}

func (l *line) read(p piece) {
	v := l.viewer
	switch p.op {
	case opPing:
		l.conn.Saw() // as the reader does with the pong
	case opPong:
	case opClose:
		v.run.woken.add(v) // to come again
	case opText:
		texts := [][]byte{p.body}
		if v.run.tamper != nil {
			texts = v.run.tamper(v.number, p.body)
		}
		for _, text := range texts {
			p.body = text
			m, err := l.node.memo.parse(p)
			if err != nil {
				v.watch.report.breach(readable, "%s: %v", v.watch.name, err)
				continue
			}
			v.watch.hear(m)
		}
	default:
		v.watch.report.breach(readable, "%s: a frame of kind %d", v.watch.name, p.op)
	}
}

// SetWriteDeadline implements realtime.Socket: memory does not wait.
func (l *line) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline implements realtime.Socket.
func (l *line) SetReadDeadline(time.Time) error { return nil }

// Close implements realtime.Socket. The viewer finds out, as a reader does.
func (l *line) Close() error {
	l.mu.Lock()
	first := !l.broken
	l.broken = true
	l.mu.Unlock()
	if first {
		l.viewer.run.woken.add(l.viewer)
	}
	return nil
}

func (l *line) isBroken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// wish says what the viewer is to do; settle does it.
func (v *inMemory) wish(here bool, node int, lost bool) {
	v.mu.Lock()
	v.here, v.node, v.lost = here, node, v.lost || lost
	v.mu.Unlock()
	v.run.woken.add(v)
}

// settle makes the viewer be where it wishes to be. One goroutine at a time calls
// it for a viewer.
func (v *inMemory) settle(ctx context.Context) {
	v.mu.Lock()
	here, node, lost, old := v.here, v.run.alive(v.node), v.lost, v.line
	v.lost = false
	v.mu.Unlock()
	if old != nil {
		if here && !lost && !old.isBroken() && old.conn.Open() && !old.node.dead.Load() {
			return
		}
		old.mu.Lock()
		old.broken = true // what was on its way is lost
		old.mu.Unlock()
		old.conn.Detach()
		v.set(nil)
	}
	if !here || v.join(ctx, node) {
		return
	}
	select { // the show cannot be read just now
	case <-ctx.Done():
	case <-time.After(comeAgain):
		v.run.woken.add(v)
	}
}

// comeAgain is how long a viewer waits that was not let in.
const comeAgain = 50 * time.Millisecond

func (v *inMemory) set(l *line) {
	v.mu.Lock()
	v.line = l
	v.mu.Unlock()
}

func (v *inMemory) join(ctx context.Context, n *node) bool {
	ticket, err := n.hub.Reserve(nowhere)
	if err != nil {
		return false
	}
	l := &line{viewer: v, node: n}
	l.conn = ticket.Attach(l, v.as)
	have := v.watch.renew()
	v.set(l)
	err = l.conn.Join(ctx, realtime.Join{Room: v.watch.truth.id, Have: have}, func(context.Context) (realtime.Identity, error) {
		return realtime.Identity{}, nil
	})
	if err == nil && !l.isBroken() {
		return true
	}
	l.conn.Detach()
	v.set(nil)
	return false
}

// wakeList is the viewers that have something to settle, each at most once.
type wakeList struct {
	wake chan struct{}

	mu     sync.Mutex
	queue  []*inMemory
	queued map[*inMemory]bool // being settled, or waiting for it: true
	busy   map[*inMemory]bool
}

func newWakeList() *wakeList {
	return &wakeList{wake: make(chan struct{}, settlers), queued: map[*inMemory]bool{}, busy: map[*inMemory]bool{}}
}

// settlers is how many goroutines settle viewers.
const settlers = 8

func (w *wakeList) add(v *inMemory) {
	w.mu.Lock()
	if !w.queued[v] {
		w.queued[v] = true
		if !w.busy[v] {
			w.queue = append(w.queue, v)
		}
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *wakeList) next() *inMemory {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		return nil
	}
	v := w.queue[0]
	w.queue = w.queue[1:]
	delete(w.queued, v)
	w.busy[v] = true
	return v
}

func (w *wakeList) settled(v *inMemory) {
	w.mu.Lock()
	delete(w.busy, v)
	if w.queued[v] {
		w.queue = append(w.queue, v)
	}
	w.mu.Unlock()
}

func (w *wakeList) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue)+len(w.busy) == 0
}

func (w *wakeList) run(ctx context.Context) {
	for {
		for v := w.next(); v != nil && ctx.Err() == nil; v = w.next() {
			v.settle(ctx)
			w.settled(v)
		}
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
	}
}
