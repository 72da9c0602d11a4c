package client

import (
	"maps"
	"sync"

	"github.com/rialto-live/rialto/realtime"
)

// Key names one value of a room's state.
type Key struct{ Type, Key string }

// State is what a viewer knows of a room.
type State struct {
	mu       sync.Mutex
	entries  map[Key]realtime.Event
	at       realtime.Position
	versions int64 // the highest seen
}

// Get returns the newest event of a type and key.
func (s *State) Get(typ, key string) (realtime.Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[Key{typ, key}]
	return e, ok
}

// All returns a copy of everything.
func (s *State) All() map[Key]realtime.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.entries)
}

// Position is what to resume from; zero before the first join.
func (s *State) Position() realtime.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// Version is the highest version seen.
func (s *State) Version() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.versions
}

// replace takes a snapshot: what it does not name, and is not newer than it,
// is gone. It returns the events that were news.
func (s *State) replace(at realtime.Position, snapshot []realtime.Event) []realtime.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = at
	named, floor := map[Key]bool{}, int64(0)
	for _, e := range snapshot {
		named[Key{e.Type, e.Key}] = true
		floor = max(floor, e.Version)
	}
	for key, e := range s.entries {
		if !named[key] && e.Version <= floor {
			delete(s.entries, key)
		}
	}
	return s.apply(snapshot)
}

// follow takes events that bring the viewer up to offset.
func (s *State) follow(offset int64, events []realtime.Event) []realtime.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at.Offset = max(s.at.Offset, offset)
	return s.apply(events)
}

func (s *State) apply(events []realtime.Event) (news []realtime.Event) {
	if s.entries == nil {
		s.entries = map[Key]realtime.Event{}
	}
	for _, e := range events {
		key := Key{e.Type, e.Key}
		if old, known := s.entries[key]; known && e.Version > 0 && e.Version <= old.Version {
			continue
		}
		s.entries[key] = e
		s.versions = max(s.versions, e.Version)
		news = append(news, e)
	}
	return news
}
