package realtime

import (
	"errors"
	"fmt"
	"slices"
)

// Limits of a room's state. A show with more variants than this needs another
// design; a surprise needs a bound.
const (
	MaxStateKeys  = 4096
	MaxStateBytes = 1 << 20
)

var errStateFull = errors.New("the state of the room is full")

// state is the newest event of each (type, key), and which of them the viewers
// have not been told yet.
type state struct {
	entries map[stateKey]held
	bytes   int
	// floor is the version the last snapshot was read at: what is not above it
	// is in the snapshot already.
	floor   int64
	pending map[stateKey]struct{}
	urged   map[stateKey]struct{} // keys that were urgent since the last tick
	list    []byte                // the snapshot as JSON, until something changes
	loose   []byte                // the unversioned part of it, likewise
}

type held struct {
	version int64 // 0: none, and the next one replaces it
	json    []byte
}

func newState() state {
	return state{entries: map[stateKey]held{}, pending: map[stateKey]struct{}{}, urged: map[stateKey]struct{}{}}
}

// verdict is what became of an event that was put into the state.
type verdict uint8

const (
	taken  verdict = iota
	older          // an event of the same key with this version or a later one was there
	inSnap         // the snapshot was read after it was written
	full           // no room for another key
)

// judge says what will become of e. An unversioned value is never too old.
func (s *state) judge(e Event) verdict {
	versioned := e.Version > 0
	if versioned && e.Version <= s.floor {
		return inSnap
	}
	old, known := s.entries[e.stateKey()]
	switch {
	case versioned && known && e.Version <= old.version:
		return older
	case !known && len(s.entries) == MaxStateKeys, s.bytes+entrySize(e)-len(old.json) > MaxStateBytes:
		return full
	}
	return taken
}

func (s *state) knows(key stateKey) bool { _, known := s.entries[key]; return known }

// put takes an event that was judged to be taken.
func (s *state) put(e Event) {
	key, json := e.stateKey(), entry(e)
	s.bytes += len(json) - len(s.entries[key].json)
	s.entries[key] = held{e.Version, json}
	s.list = nil
	if e.Version == 0 {
		s.loose = nil
	}
}

// replace takes a snapshot for the state and reports whether anything in it
// was news. A key with a version above the whole snapshot is kept: its event
// was written after the snapshot was read. So is an unversioned value, of which
// a snapshot knows nothing.
func (s *state) replace(snapshot []Event) (news bool, err error) {
	fresh := newState()
	for _, e := range snapshot {
		if err := e.Validate(); err != nil {
			return false, fmt.Errorf("snapshot: %w", err)
		}
		switch fresh.judge(e) {
		case full:
			return false, fmt.Errorf("snapshot of %d events: %w", len(snapshot), errStateFull)
		case taken:
			fresh.put(e)
		}
	}
	for _, e := range snapshot {
		fresh.floor = max(fresh.floor, e.Version)
	}
	for key, old := range s.entries {
		if _, named := fresh.entries[key]; old.version > fresh.floor || old.version == 0 && !named {
			fresh.bytes += len(old.json) - len(fresh.entries[key].json)
			fresh.entries[key] = old
		}
	}
	news = s.differs(fresh)
	fresh.pending, fresh.urged = s.pending, s.urged // the viewers still wait for these
	*s = fresh
	return news, nil
}

// differs compares data, not versions: every event of a snapshot carries the
// version of the whole, whether or not it changed. Unversioned values are not
// compared: they come by themselves.
func (s *state) differs(fresh state) bool {
	if len(s.entries) != len(fresh.entries) {
		return true
	}
	for key, now := range fresh.entries {
		if old, known := s.entries[key]; now.version > 0 && (!known || string(dataOf(old.json)) != string(dataOf(now.json))) {
			return true
		}
	}
	return false
}

// dataOf cuts a ready entry behind its version. Type, key and version hold no
// quote or brace that could be mistaken for the mark.
func dataOf(entry []byte) []byte {
	const mark = `,"d":`
	for i := 0; i+len(mark) <= len(entry); i++ {
		if string(entry[i:i+len(mark)]) == mark {
			return entry[i:]
		}
	}
	return entry
}

// snapshot is the state as a JSON list, in a fixed order, built anew only
// after a change.
func (s *state) snapshot() []byte {
	if s.list != nil {
		return s.list
	}
	all := make([]stateKey, 0, len(s.entries))
	for key := range s.entries {
		all = append(all, key)
	}
	s.list = appendList(make([]byte, 0, s.bytes+len(all)+2), s.sorted(all))
	return s.list
}

// unversioned is the part of the snapshot that no history knows, as a JSON
// list.
func (s *state) unversioned() []byte {
	if s.loose != nil {
		return s.loose
	}
	var keys []stateKey
	for key, h := range s.entries {
		if h.version == 0 {
			keys = append(keys, key)
		}
	}
	s.loose = appendList(nil, s.sorted(keys))
	return s.loose
}

// wait notes that the viewers are to be told of key at the next tick, and
// reports whether they were not already.
func (s *state) wait(key stateKey) bool {
	_, already := s.pending[key]
	s.pending[key] = struct{}{}
	return !already
}

// takePending empties the set of keys that wait for the tick and returns their
// entries.
func (s *state) takePending() [][]byte {
	if len(s.pending) == 0 {
		return nil
	}
	keys := make([]stateKey, 0, len(s.pending))
	for key := range s.pending {
		keys = append(keys, key)
	}
	clear(s.pending)
	return s.sorted(keys)
}

func (s *state) sorted(keys []stateKey) [][]byte {
	slices.SortFunc(keys, stateKey.compare)
	out := make([][]byte, len(keys))
	for i, key := range keys {
		out[i] = s.entries[key].json
	}
	return out
}
