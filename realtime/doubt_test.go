package realtime

import (
	"context"
	"sync"
	"testing"
	"time"
)

// script is a source and feed that a test writes.
type script struct {
	nowhere
	ready chan struct{}
	mu    sync.Mutex
	queue []Delivery
	truth []Event
}

func newScript(truth ...Event) *script { return &script{ready: make(chan struct{}, 1), truth: truth} }

func (s *script) Subscribe(context.Context, RoomID) (Position, Feed, error) {
	return Position{Epoch: "e", Offset: 7}, s, nil
}

func (s *script) snapshot(context.Context, RoomID) ([]Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.truth, nil
}

func (s *script) Ready() <-chan struct{} { return s.ready }
func (s *script) Close()                 {}

func (s *script) Take() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.queue
	s.queue = nil
	return taken
}

// say puts deliveries into the feed, after the truth has become truth.
func (s *script) say(truth []Event, deliveries ...Delivery) {
	s.mu.Lock()
	s.truth = truth
	s.queue = append(s.queue, deliveries...)
	s.mu.Unlock()
	s.ready <- struct{}{}
}

// TestDoubt: after the bus was away, a room whose snapshot says nothing new
// leaves its viewers alone; otherwise each gets the snapshot, and nobody
// resumes from before it.
func TestDoubt(t *testing.T) {
	s := newScript(stock("a", 3))
	h := runHub(t, func(c *Config) { c.Bus, c.Snapshot, c.Tick = s, s.snapshot, time.Millisecond })
	c, sock := listening(t, h, Join{Room: "shw_1"}, Identity{})
	got := func(n int) []read { t.Helper(); return awaitFrames(t, c, sock, n) }
	resumes := func(offset int64) bool {
		return c.room.admit(Position{"e", offset}, time.Now()).resumed
	}
	// A value waits for its tick while the room doubts itself: it still comes.
	four := stock("a", 4)
	again := four
	again.Version = 5
	s.say([]Event{again}, Delivery{Offset: 8, Event: four}, Delivery{News: NewsDoubt})
	if m := got(2)[1]; m.Type != "tick" || m.Offset != 8 {
		t.Fatalf("got %+v", m)
	}
	if !resumes(8) || resumes(7) {
		t.Fatal("a doubt without news changed who may resume")
	}
	// An event that the bus had accepted died with it.
	s.say([]Event{stock("a", 6)}, Delivery{News: NewsDoubt})
	if m := got(3)[2]; m.Type != "joined" || m.Offset != 8 || string(m.Data) != `[{"t":"stock.set","k":"a","v":6,"d":{"left":6}}]` {
		t.Fatalf("got %+v %s", m, m.Data)
	}
	if resumes(8) {
		t.Fatal("somebody who has not seen the snapshot may resume")
	}
	s.say([]Event{stock("a", 6)}, Delivery{Offset: 9, Event: stock("b", 7)})
	if m := got(4)[3]; m.Type != "tick" || m.Offset != 9 || !resumes(9) {
		t.Fatalf("got %+v", m)
	}
}
