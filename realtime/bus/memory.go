package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/rialto-live/rialto/realtime"
)

// seenLimit is how many ids a room in memory remembers.
const seenLimit = 4096

// Memory is a bus inside one process. Everything that shares it is one
// cluster.
type Memory struct {
	sizes sizes // static
	beats beats // static

	mu    sync.Mutex
	rooms map[string]*memoryRoom
}

type memoryRoom struct {
	epoch   string
	top     int64
	topID   string
	history []message
	seen    map[string]int64
	order   []string // of seen, oldest first
	feeds   map[*feed]struct{}
	casts   castMemory
}

var _ Bus = (*Memory)(nil)

// NewMemory makes an empty bus.
func NewMemory() *Memory {
	return &Memory{sizes: fullSizes, beats: fullBeats, rooms: map[string]*memoryRoom{}}
}

// Run waits for ctx: a bus in memory has nothing to do by itself.
func (m *Memory) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Publish implements Bus.
func (m *Memory) Publish(ctx context.Context, room realtime.RoomID, e realtime.Event) (int64, error) {
	e, err := prepare(room, e)
	if err != nil {
		return 0, fmt.Errorf("publish to %s: %w", room, err)
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return m.publish(string(room), e), nil
}

func (m *Memory) publish(room string, e realtime.Event) int64 {
	m.mu.Lock()
	r := m.room(room)
	if offset, again := r.seen[e.ID]; again {
		m.mu.Unlock()
		return offset
	}
	r.remember(e, m.sizes.history)
	msg, epoch := message{r.top, e}, r.epoch
	var asking []*feed
	for f := range r.feeds {
		if f.hear(epoch, msg) { // in order, since m.mu is held
			asking = append(asking, f)
		}
	}
	m.mu.Unlock()
	for _, f := range asking {
		m.repair(f)
	}
	return msg.offset
}

func (r *memoryRoom) remember(e realtime.Event, limit int) {
	r.top++
	r.topID = e.ID
	r.history = append(r.history, message{r.top, e})
	if len(r.history) > limit {
		r.history[0] = message{}
		r.history = r.history[1:] // append moves the rest now and then, and not for each event
	}
	r.seen[e.ID] = r.top
	r.order = append(r.order, e.ID)
	if len(r.order) > seenLimit {
		delete(r.seen, r.order[0])
		r.order = r.order[1:]
	}
}

func (m *Memory) room(name string) *memoryRoom {
	r := m.rooms[name]
	if r == nil {
		r = &memoryRoom{feeds: map[*feed]struct{}{}}
		r.forget()
		m.rooms[name] = r
	}
	return r
}

func (r *memoryRoom) forget() {
	r.epoch, r.top, r.topID = uuid.NewString(), 0, ""
	r.history, r.seen, r.order = nil, map[string]int64{}, nil
	r.casts = castMemory{values: map[string]realtime.Event{}, viewers: map[string]memoryShare{}}
}

// Subscribe implements realtime.Source.
func (m *Memory) Subscribe(ctx context.Context, room realtime.RoomID) (realtime.Position, realtime.Feed, error) {
	if err := room.Validate(); err != nil {
		return realtime.Position{}, nil, err
	}
	f := m.subscribe(string(room))
	return f.start, f, nil
}

func (m *Memory) subscribe(room string) *feed {
	f := newFeed(room, m.sizes, m.repair, m.leave)
	m.mu.Lock()
	m.room(room).feeds[f] = struct{}{}
	m.mu.Unlock()
	m.repair(f)
	return f
}

func (m *Memory) repair(f *feed) {
	for {
		q := f.question()
		m.mu.Lock()
		p := m.room(f.room).page(q.at.Offset)
		m.mu.Unlock()
		if a := f.merge(q, p); !a.again {
			return
		}
	}
}

func (r *memoryRoom) page(after int64) page {
	p := page{epoch: r.epoch, top: r.top, topID: r.topID}
	for i, msg := range r.history {
		if msg.offset >= after {
			p.events = slices.Clone(r.history[i:]) // which is looked at when the lock is gone
			break
		}
	}
	return p
}

func (m *Memory) leave(f *feed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.room(f.room).feeds, f)
}

// Forget loses all memory, as a server that was flushed: every room starts a
// new epoch. It is how users of a bus test that case.
func (m *Memory) Forget() {
	m.mu.Lock()
	var feeds []*feed
	for _, r := range m.rooms {
		r.forget()
		for f := range r.feeds {
			feeds = append(feeds, f)
		}
	}
	m.mu.Unlock()
	for _, f := range feeds {
		m.repair(f)
	}
}

// Control implements Bus.
func (m *Memory) Control(ctx context.Context, payload json.RawMessage) error {
	e, err := controlEvent(payload)
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	m.publish(controlRoom, e)
	return ctx.Err()
}

// OnControl implements Bus.
func (m *Memory) OnControl(ctx context.Context, f func(json.RawMessage)) error {
	return follow(ctx, func(context.Context) (realtime.Feed, error) { return m.subscribe(controlRoom), nil }, func() {}, f)
}
