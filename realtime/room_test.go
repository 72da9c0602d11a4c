package realtime

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// runHub is a hub that runs until the test ends.
func runHub(t testing.TB, change func(*Config)) *Hub {
	t.Helper()
	cfg := Config{Bus: nowhere{}, Snapshot: emptySnapshot, Writers: 1}
	if change != nil {
		change(&cfg)
	}
	h, err := NewHub(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	for ready := false; !ready; {
		h.life.Lock()
		ready = h.running
		h.life.Unlock()
	}
	return h
}

// read is a frame as a viewer reads it.
type read struct {
	Type   string          `json:"t"`
	Key    string          `json:"k"`
	V      int64           `json:"v"`
	Offset int64           `json:"o"`
	Data   json.RawMessage `json:"d"`
	Recent json.RawMessage `json:"s"` // of a joined
}

// readFrames takes a byte stream apart, which must be whole text frames.
func readFrames(t interface{ Fatalf(string, ...any) }, stream []byte) (messages []read) {
	for r := bytes.NewReader(stream); r.Len() > 0; {
		head := make([]byte, 2)
		_, _ = io.ReadFull(r, head)
		n := uint64(head[1])
		switch n {
		case 126:
			var x uint16
			_ = binary.Read(r, binary.BigEndian, &x)
			n = uint64(x)
		case 127:
			_ = binary.Read(r, binary.BigEndian, &n)
		}
		payload := make([]byte, n)
		_, err := io.ReadFull(r, payload)
		var m read
		if head[0] != finBit|opText || err != nil || json.Unmarshal(payload, &m) != nil {
			t.Fatalf("a broken frame: % x %q %v", head, payload, err)
		}
		messages = append(messages, m)
	}
	return messages
}

// known is a viewer's state: the version of each key.
type known map[stateKey]int64

func (k known) take(t *rapid.T, m read) {
	list := []read{m}
	if m.Type == "tick" || m.Type == "joined" {
		list = nil
		if err := json.Unmarshal(m.Data, &list); err != nil {
			t.Fatalf("%s: %v", m.Type, err)
		}
	}
	for _, e := range list {
		if e.V == 0 {
			continue // no version, no place in the truth of versions
		}
		key := stateKey{e.Type, e.Key}
		k[key] = max(k[key], e.V)
	}
}

// TestFramesSpeakForTheirOffset: however events of all kinds come, and
// wherever ticks and casts fall between them, a viewer who joins anywhere and reads up
// to a frame with offset o has exactly the state that the room had at o, and
// offsets of frames never fall.
func TestFramesSpeakForTheirOffset(t *testing.T) {
	hub, err := NewHub(Config{Bus: nowhere{}, Snapshot: emptySnapshot, Writers: 1})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		r := newRoom(hub, "shw_1", func() {})
		r.at.Epoch = "e"
		truth := []known{{}} // by offset
		type joiner struct {
			state  known
			cursor uint64
			offset int64
		}
		var joiners []joiner
		events := rapid.Int64Range(1, 60).Draw(t, "events")
		for version := int64(1); version <= events; version++ {
			e := stock(fmt.Sprint("var_", rapid.IntRange(0, 2).Draw(t, "key")), version)
			for i := range rapid.IntRange(0, 2).Draw(t, "casts") { // move nobody
				r.apply(Delivery{Event: Event{Type: "viewers.set", Class: Latest, Data: json.RawMessage(`{}`)}})
				r.apply(Delivery{Event: line(int(2*version)+i, i == 0)})
			}
			switch rapid.IntRange(0, 5).Draw(t, "kind") {
			case 0:
				e.Type, e.Class = "price.set", Lossless
			case 1:
				e.Urgent = true
			case 2: // an old one again
				e.Version = max(1, version-3)
			}
			now := maps.Clone(truth[len(truth)-1])
			now[e.stateKey()] = max(now[e.stateKey()], e.Version)
			truth = append(truth, now)
			r.apply(Delivery{Offset: int64(len(truth)) - 1, Event: e})
			if rapid.IntRange(0, 3).Draw(t, "tick") == 0 {
				r.endTick()
			}
			if rapid.IntRange(0, 5).Draw(t, "join") == 0 {
				in := r.admit(Position{}, time.Now())
				m := readFrames(t, in.first.as(Frames))[0]
				j := joiner{known{}, in.cursor, m.Offset}
				j.state.take(t, m)
				joiners = append(joiners, j)
			}
		}
		r.endTick()
		joiners = append(joiners, joiner{known{}, 0, 0})
		for _, j := range joiners {
			if !maps.Equal(j.state, truth[j.offset]) {
				t.Fatalf("joined at %d with %v, want %v", j.offset, j.state, truth[j.offset])
			}
			frames, _, _ := r.ring.from(j.cursor, 0, make([]*message, 0, 1000))
			last := int64(0)
			for _, f := range frames {
				m := readFrames(t, f.as(Frames))[0]
				if m.Type == "sample" {
					continue
				}
				if m.Offset < last {
					t.Fatalf("offset %d behind %d", m.Offset, last)
				}
				last = m.Offset
				j.state.take(t, m)
				if m.Offset >= j.offset && !maps.Equal(j.state, truth[m.Offset]) {
					t.Fatalf("at %d: %v, want %v", m.Offset, j.state, truth[m.Offset])
				}
			}
		}
	})
}

// TestUrgentOncePerTick: a value that flaps around sold out is written at once
// the first time, and then waits for the tick.
func TestUrgentOncePerTick(t *testing.T) {
	r := newRoom(runHub(t, nil), "shw_1", func() {})
	for v := int64(1); v <= 10; v++ {
		e := stock("var_1", v)
		e.Urgent = v%2 == 1
		r.apply(Delivery{Offset: v, Event: e})
	}
	if got := r.ring.next; got != 1 {
		t.Fatalf("%d frames before the tick, want 1", got)
	}
	r.endTick()
	e := stock("var_1", 11)
	e.Urgent = true
	r.apply(Delivery{Offset: 11, Event: e})
	frames, _, _ := r.ring.from(0, 0, make([]*message, 0, 8))
	if got := readFrames(t, asFrames(frames)); len(got) != 3 || got[0].V != 1 || got[1].Type != "tick" || got[1].Offset != 10 || got[2].V != 11 {
		t.Fatalf("frames %+v", got)
	}
}

// asFrames is what a viewer's socket is given of a list.
func asFrames(list []*message) (stream []byte) {
	for _, m := range list {
		stream = append(stream, m.as(Frames)...)
	}
	return stream
}

// narrow is a socket that takes a random number of bytes at a time and can be
// full.
type narrow struct {
	mu     sync.Mutex
	rng    *rand.Rand
	got    []byte
	closed bool
}

// quick is a socket that is never full for long.
func quick() *narrow { return &narrow{rng: rand.New(rand.NewPCG(1, 0))} }

func (n *narrow) TryWrite(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return 0, io.ErrClosedPipe
	}
	taken := len(p)
	if n.rng.IntN(2) == 0 {
		taken = n.rng.IntN(len(p) + 1)
	}
	n.got = append(n.got, p[:taken]...)
	return taken, nil
}

func (n *narrow) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return 0, io.ErrClosedPipe
	}
	n.got = append(n.got, p...)
	return len(p), nil
}

func (n *narrow) Close() error                     { n.mu.Lock(); n.closed = true; n.mu.Unlock(); return nil }
func (n *narrow) SetWriteDeadline(time.Time) error { return nil }
func (n *narrow) SetReadDeadline(time.Time) error  { return nil }

func (n *narrow) bytes() []byte { n.mu.Lock(); defer n.mu.Unlock(); return bytes.Clone(n.got) }

func attach(t testing.TB, h *Hub, sock Socket) *Conn {
	t.Helper()
	ticket, err := h.Reserve(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	c := ticket.Attach(sock, Frames)
	t.Cleanup(c.Detach)
	return c
}

func nobody(context.Context) (Identity, error) { return Identity{}, nil }

// TestFramesStayWhole: over a socket that takes any part of anything, the
// viewer's stream is the room's frames and its own, whole and in order.
func TestFramesStayWhole(t *testing.T) {
	h := runHub(t, nil)
	for seed := range uint64(30) {
		sock := &narrow{rng: rand.New(rand.NewPCG(seed, 0))}
		c := attach(t, h, sock)
		if err := c.Join(context.Background(), Join{Room: "shw_1"}, nobody); err != nil {
			t.Fatal(err)
		}
		r := c.room
		const events = 200
		first := int64(seed)*events + 1
		for v := first; v < first+events; v++ {
			r.apply(Delivery{Offset: v, Event: Event{Type: "pin.set", Key: "pin", Version: v, Class: Lossless, Data: json.RawMessage(`{}`)}})
			if v%7 == 0 {
				r.wake()
			}
			if v%11 == 0 {
				c.Pong(v, time.Now())
			}
		}
		r.wake()
		idle := func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return !c.parked && c.tail == nil && c.queue == nil && c.cursor == r.ring.next
		}
		for deadline := time.Now().Add(10 * time.Second); !idle(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the viewer does not catch up")
			}
		}
		next, pongs := first, 0
		for _, m := range readFrames(t, sock.bytes()) {
			switch m.Type {
			case "pin.set":
				if m.V != next {
					t.Fatalf("seed %d: version %d, want %d", seed, m.V, next)
				}
				next++
			case "pong":
				pongs++
			}
		}
		if next != first+events || pongs == 0 {
			t.Fatalf("seed %d: %d events, %d pongs", seed, next-first, pongs)
		}
		c.Detach()
	}
}

// TestQueueLimit: answers to a viewer who takes nothing are bounded.
func TestQueueLimit(t *testing.T) {
	h := runHub(t, nil)
	sock := &stuck{narrow: narrow{rng: rand.New(rand.NewPCG(1, 0))}, free: make(chan struct{})}
	c := attach(t, h, sock)
	if err := c.Join(context.Background(), Join{Room: "shw_1"}, nobody); err != nil {
		t.Fatal(err)
	}
	<-sock.waiting()
	for range 3 * maxQueued {
		c.say(pongText(1, 2, 3))
	}
	c.mu.Lock()
	queued := len(c.queue)
	c.mu.Unlock()
	close(sock.free)
	if queued != maxQueued {
		t.Fatalf("%d frames are queued, want %d", queued, maxQueued)
	}
}

// stuck is full until it is freed.
type stuck struct {
	narrow
	release func() // frees it, once
	free    chan struct{}
	once    sync.Once
	wait    chan struct{}
}

func (s *stuck) waiting() <-chan struct{} {
	s.once.Do(func() { s.wait = make(chan struct{}) })
	return s.wait
}

func (s *stuck) TryWrite([]byte) (int, error) { return 0, nil }

func (s *stuck) Write(p []byte) (int, error) {
	select {
	case <-s.free:
	default:
		s.waiting()
		close(s.wait)
		<-s.free
	}
	return s.narrow.Write(p)
}

// TestRoomLimit: rooms at the limit and one past it.
func TestRoomLimit(t *testing.T) {
	h := runHub(t, func(c *Config) { c.MaxRooms = 2 })
	join := func(room RoomID) error {
		c := attach(t, h, &narrow{rng: rand.New(rand.NewPCG(1, 0))})
		return c.Join(context.Background(), Join{Room: room}, nobody)
	}
	if err := errors.Join(join("a"), join("b"), join("a")); err != nil {
		t.Fatal(err)
	}
	var closed *CloseError
	if err := join("c"); !errors.As(err, &closed) || closed.Code != CodeFull {
		t.Fatalf("past the limit: %v", err)
	}
}

// TestRunTwice: a hub runs once, and is closed to new viewers afterwards.
func TestRunTwice(t *testing.T) {
	h, err := NewHub(Config{Bus: nowhere{}, Snapshot: emptySnapshot})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if err := h.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if h.Run(ctx) == nil {
		t.Error("Run twice")
	}
	if _, err := h.Reserve(netip.Addr{}); !errors.Is(err, ErrStopped) {
		t.Errorf("Reserve after Run: %v", err)
	}
	if h.Go(func() {}) {
		t.Error("Go after Run")
	}
}
