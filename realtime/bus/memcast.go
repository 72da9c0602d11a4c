package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// What memory keeps of casts and viewers: cast.lua, recent.lua and count.lua
// in Go.

// castMemory is a room's part of it.
type castMemory struct {
	kept    []realtime.Event
	values  map[string]realtime.Event
	viewers map[string]memoryShare // by node
	said    *int                   // the sum that was cast last
	saidAt  time.Time
}

type memoryShare struct {
	count    int
	deadline time.Time
}

// Cast implements Bus.
func (m *Memory) Cast(ctx context.Context, room realtime.RoomID, e realtime.Event) error {
	if err := checkCast(room, e); err != nil {
		return fmt.Errorf("cast to %s: %w", room, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.room(string(room))
	switch {
	case e.Keep:
		if slices.ContainsFunc(r.casts.kept, func(old realtime.Event) bool { return old.ID == e.ID }) {
			return nil
		}
		r.casts.kept = append(r.casts.kept, e)
		if over := len(r.casts.kept) - realtime.MaxRecent; over > 0 {
			r.casts.kept = slices.Delete(r.casts.kept, 0, over)
		}
	case e.Class == realtime.Latest:
		name := valueName(e)
		if _, known := r.casts.values[name]; known || len(r.casts.values) < ValueLimit {
			r.casts.values[name] = e
		}
	}
	r.cast(e)
	return nil
}

func (r *memoryRoom) cast(e realtime.Event) {
	for f := range r.feeds {
		f.cast(e)
	}
}

// Recent implements realtime.Source.
func (m *Memory) Recent(_ context.Context, room realtime.RoomID) ([]realtime.Event, error) {
	if err := room.Validate(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	casts := &m.room(string(room)).casts
	var values []realtime.Event
	for _, e := range casts.values {
		values = append(values, e)
	}
	if casts.lapse(time.Now()); casts.said != nil {
		values = append(values, viewersOf(*casts.said))
	}
	return append(slices.Clone(casts.kept), byName(values)...), nil
}

// Count implements realtime.Source, for a node without a name; see Node.
func (m *Memory) Count(ctx context.Context, counts map[realtime.RoomID]int) error {
	return m.count(ctx, "", counts)
}

func (m *Memory) count(ctx context.Context, node string, counts map[realtime.RoomID]int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var wrong error
	for room, n := range counts {
		if err := checkCount(room, n); err != nil {
			wrong = errors.Join(wrong, err)
			continue
		}
		m.mu.Lock()
		m.room(string(room)).count(node, n, m.beats, time.Now())
		m.mu.Unlock()
	}
	return wrong
}

func (r *memoryRoom) count(node string, n int, beats beats, now time.Time) {
	c := &r.casts
	c.lapse(now)
	if n > 0 {
		c.viewers[node] = memoryShare{n, now.Add(beats.lapse)}
	} else {
		delete(c.viewers, node)
	}
	sum, before := 0, 0
	for _, s := range c.viewers {
		sum += s.count
	}
	if c.said != nil {
		before = *c.said
	}
	if sum != before || c.said != nil && now.Sub(c.saidAt) >= beats.again {
		c.said, c.saidAt = &sum, now
		r.cast(viewersOf(sum))
	}
	if sum == 0 {
		c.said = nil
	}
}

// lapse forgets the nodes that have said nothing for too long, and what was
// said last with the last of them.
func (c *castMemory) lapse(now time.Time) {
	for node, s := range c.viewers {
		if !now.Before(s.deadline) {
			delete(c.viewers, node)
		}
	}
	if len(c.viewers) == 0 {
		c.said = nil
	}
}

// Node is this bus as another node of the cluster has it, which matters to
// Count alone. The nodes share everything; Run is needed of none.
func (m *Memory) Node(id string) Bus { return memoryNode{m, id} }

type memoryNode struct {
	*Memory
	id string
}

func (n memoryNode) Count(ctx context.Context, counts map[realtime.RoomID]int) error {
	return n.count(ctx, n.id, counts)
}
