package realtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxSnapshots is how many rooms may read their snapshot at once: after the
// bus comes back all of them want to.
const maxSnapshots = 8

var (
	// ErrFull says that this node holds as many viewers, or as many from one
	// address, as it may.
	ErrFull = errors.New("realtime: full")
	// ErrStopped says that the hub does not run, or is being drained.
	ErrStopped = errors.New("realtime: not running")
)

// Hub is the realtime side of one node: its rooms and their viewers.
type Hub struct {
	// static after NewHub
	cfg       Config
	metrics   *metrics
	writers   []*writer
	conns     *registry
	subjects  *subjects
	poller    *Poller
	revoked   revocations
	uncounted rate.Sometimes // says that counts are not told
	snapshots chan struct{}
	// beforeTake lets a test hold a room still.
	beforeTake func(RoomID)
	// letGo lets a test see what a drain hands out: the moment of each viewer's
	// close after the beginning, and for how long it is told to wait from then on.
	letGo func(moment, after time.Duration)

	mu    sync.Mutex // guards rooms and their membership
	rooms map[RoomID]*room

	life     sync.Mutex // a leaf: guards what follows
	ctx      context.Context
	running  bool
	draining bool
	tasks    sync.WaitGroup // Add only under life while running
}

// NewHub makes a hub; Run starts it.
func NewHub(cfg Config) (*Hub, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	h := &Hub{
		cfg: cfg, metrics: newMetrics(cfg.Metrics), conns: newRegistry(), subjects: newSubjects(), rooms: map[RoomID]*room{},
		snapshots: make(chan struct{}, maxSnapshots), beforeTake: func(RoomID) {},
		letGo:     func(_, _ time.Duration) {},
		uncounted: rate.Sometimes{Interval: time.Minute},
	}
	h.poller = newPoller(h)
	for range cfg.Writers {
		h.writers = append(h.writers, newWriter())
	}
	return h, nil
}

// Run serves until ctx ends; then it closes the viewers that are left, asking
// each to come again at its own moment, and waits for everything it started.
func (h *Hub) Run(ctx context.Context) error {
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	h.life.Lock()
	if h.ctx != nil {
		h.life.Unlock()
		return errors.New("realtime: Run was called before")
	}
	h.ctx, h.running = inner, true
	h.life.Unlock()
	for _, w := range h.writers {
		h.Go(func() { w.run(inner) })
	}
	var poller sync.WaitGroup
	last := make(chan struct{})
	poller.Go(func() { h.poller.run(last) })
	h.Go(func() { h.sweep(inner) })
	h.Go(func() { h.census(inner) })

	<-ctx.Done()
	h.closeAll(hurriedSpread)
	h.life.Lock()
	h.running = false
	h.life.Unlock()
	h.closeAll(hurriedSpread) // who attached before running was false
	stop()
	h.tasks.Wait()
	close(last) // the stalled could be told until their readers were gone
	poller.Wait()
	h.count(context.WithoutCancel(ctx)) // nobody is left
	return nil
}

// Go runs f as a part of the hub, which waits for it in Run. It returns false,
// without running f, when the hub does not run.
func (h *Hub) Go(f func()) bool {
	h.life.Lock()
	defer h.life.Unlock()
	if !h.running {
		return false
	}
	h.tasks.Add(1)
	go func() {
		defer h.tasks.Done()
		f()
	}()
	return true
}

// Reserve counts a viewer in before its upgrade, so that the refusal can be an
// HTTP answer. Give the ticket to Attach, or Release it.
func (h *Hub) Reserve(addr netip.Addr) (*Ticket, error) {
	h.life.Lock()
	closed := !h.running || h.draining
	h.life.Unlock()
	if closed {
		return nil, ErrStopped
	}
	addr = Household(addr)
	id, ok := h.conns.reserve(addr, h.cfg.MaxConns, h.cfg.MaxPerAddress)
	if !ok {
		return nil, ErrFull
	}
	return &Ticket{hub: h, id: id, addr: addr}, nil
}

// Household is what is counted as one address wherever addresses are counted:
// with IPv6 everybody has a whole /64 to choose from.
func Household(addr netip.Addr) netip.Addr {
	if !addr.Is6() || addr.Is4In6() {
		return addr.Unmap()
	}
	prefix, err := addr.Prefix(64)
	if err != nil {
		return addr
	}
	return prefix.Addr()
}

// Ticket is a reserved place.
type Ticket struct {
	hub  *Hub
	id   uint64
	addr netip.Addr
	over func()
}

// Until has f called once, when coming in is over: when the viewer has joined or
// was refused, when it is gone, or when the ticket is given back unused. Call it
// before any of these can happen. f must not wait.
func (t *Ticket) Until(f func()) { t.over = f }

// Release gives the place back unused.
func (t *Ticket) Release() {
	t.hub.conns.release(t.addr)
	if t.over != nil {
		t.over()
	}
}

// Attach makes a viewer of a socket, to which messages go in the encoding as.
// Its reader must end with Conn.Detach.
func (t *Ticket) Attach(sock Socket, as Encoding) *Conn {
	c := &Conn{hub: t.hub, sock: sock, enc: as, id: t.id, addr: t.addr, coming: t.over}
	c.Saw()
	t.hub.conns.add(c)
	t.hub.metrics.lines(c, 1)
	return c
}

func (h *Hub) detach(c *Conn) {
	if h.conns.remove(c) {
		h.conns.release(c.addr)
		h.metrics.lines(c, -1)
	}
}

// enter counts a viewer into a room, which is opened if need be, and waits
// until the room is ready.
func (h *Hub) enter(ctx context.Context, id RoomID, who Identity) (*room, error) {
	r, err := h.member(id, who)
	if err != nil {
		return nil, err
	}
	select {
	case <-r.ready:
		err = r.openErr
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		h.leave(r, who)
		return nil, err
	}
	return r, nil
}

func (h *Hub) member(id RoomID, who Identity) (*room, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[id]
	if r == nil {
		if len(h.rooms) >= h.cfg.MaxRooms {
			return nil, &CloseError{CodeFull, "too many rooms are open here"}
		}
		h.life.Lock()
		life := h.ctx
		h.life.Unlock()
		ctx, cancel := context.WithCancel(life)
		r = newRoom(h, id, cancel)
		if !h.Go(func() { r.run(ctx) }) {
			cancel()
			return nil, ErrStopped
		}
		h.rooms[id] = r
		h.metrics.rooms.Inc()
	}
	r.members++
	if who.watches() {
		r.watching++
	}
	return r, nil
}

func (h *Hub) leave(r *room, who Identity) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if who.watches() {
		r.watching--
	}
	if r.members--; r.members == 0 {
		r.emptySince = h.cfg.Now()
	}
}

// forget takes a room that could not open out of the way; the next viewer
// tries again.
func (h *Hub) forget(r *room) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(r)
}

func (h *Hub) remove(r *room) {
	if h.rooms[r.id] == r {
		delete(h.rooms, r.id)
		h.metrics.rooms.Dec()
	}
	r.cancel()
}

// open are the rooms there are.
func (h *Hub) open() []*room {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.rooms))
}

func (h *Hub) closeEmptyRooms(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.rooms {
		if r.members == 0 && now.Sub(r.emptySince) >= h.cfg.Linger {
			h.remove(r)
		}
	}
}

// snapshot asks the port, a few rooms at a time.
func (h *Hub) snapshot(ctx context.Context, id RoomID) ([]Event, error) {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	select {
	case h.snapshots <- struct{}{}:
		defer func() { <-h.snapshots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for its turn: %w", ctx.Err())
	}
	events, err := h.cfg.Snapshot(ctx, id)
	if err != nil {
		h.metrics.snapshotErrors.Inc()
	}
	return events, err
}
