package realtime

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// registrySlots is also the number of steps in which all viewers are asked for
// a sign of life, so that pings come spread out.
const registrySlots = 64

// registry holds every viewer of the node.
type registry struct {
	slots [registrySlots]registrySlot

	mu        sync.Mutex
	count     int
	addresses map[netip.Addr]int
	lastID    uint64
}

type registrySlot struct {
	mu    sync.Mutex
	conns map[uint64]*Conn // by id
}

func newRegistry() *registry {
	r := &registry{addresses: map[netip.Addr]int{}}
	for i := range r.slots {
		r.slots[i].conns = map[uint64]*Conn{}
	}
	return r
}

// reserve counts a viewer in, if there is room.
func (r *registry) reserve(addr netip.Addr, maxConns, maxPerAddress int) (id uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count >= maxConns || addr.IsValid() && r.addresses[addr] >= maxPerAddress {
		return 0, false
	}
	r.count++
	if addr.IsValid() {
		r.addresses[addr]++
	}
	r.lastID++
	return r.lastID, true
}

func (r *registry) release(addr netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count--
	if addr.IsValid() {
		if r.addresses[addr]--; r.addresses[addr] == 0 {
			delete(r.addresses, addr)
		}
	}
}

func (r *registry) slot(id uint64) *registrySlot { return &r.slots[id%registrySlots] }

func (r *registry) add(c *Conn) {
	s := r.slot(c.id)
	s.mu.Lock()
	s.conns[c.id] = c
	s.mu.Unlock()
}

// find returns nil when the viewer is gone.
func (r *registry) find(id uint64) *Conn {
	s := r.slot(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[id]
}

func (r *registry) remove(c *Conn) bool {
	s := r.slot(c.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, here := s.conns[c.id]
	delete(s.conns, c.id)
	return here
}

func (s *registrySlot) list() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*Conn, 0, len(s.conns))
	for _, c := range s.conns {
		out = append(out, c)
	}
	return out
}

// each calls f for every viewer, with no lock of the registry held.
func (r *registry) each(f func(*Conn)) {
	for i := range r.slots {
		for _, c := range r.slots[i].list() {
			f(c)
		}
	}
}

var pingFrame = frame(opPing, nil)

// sweep asks silent viewers for a sign of life, drops the dead, and lets empty
// rooms go.
func (h *Hub) sweep(ctx context.Context) {
	step := max(h.cfg.PingEvery/registrySlots, time.Millisecond)
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for i := 0; ; i = (i + 1) % registrySlots {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := h.cfg.Now()
		for _, c := range h.conns.slots[i].list() {
			silence := now.Sub(time.Unix(0, c.seen.Load()))
			switch {
			case silence >= h.cfg.DeadAfter && c.enc.answered():
				c.kill("dead")
			case silence >= h.cfg.PingEvery, !c.enc.answered(): // what stands on the way must not see a silence of twice as long
				c.ping()
			}
		}
		h.closeEmptyRooms(now)
		if i == 0 {
			for _, r := range h.open() {
				r.tidy(now)
			}
		}
	}
}

// ping leaves viewers alone that have not joined: they have a deadline.
func (c *Conn) ping() {
	c.mu.Lock()
	joined := c.phase == open
	c.mu.Unlock()
	if joined {
		c.Send(c.enc.ping())
	}
}
