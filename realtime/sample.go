package realtime

import (
	"cmp"
	"encoding/json"
	"hash/fnv"
	"slices"
	"strconv"
	"time"
)

// SampledPerSecond is how many Sampled events of a room its viewers are shown
// per second, at most; half of the places are reserved for those with
// Priority. What is added up does not count.
const SampledPerSecond = 200

const (
	minPerTick = 2  // places of a tick, however short ticks are
	maxSums    = 64 // kinds of things that are added up in one tick
)

// perTick is how many places a tick has.
func perTick(tick time.Duration) int {
	return max(minPerTick, int(SampledPerSecond*tick/time.Second))
}

// sampler collects the Sampled events that a room hears until its tick is
// over. It needs memory for one tick's places twice, however many come.
type sampler struct {
	places      int
	first, rest []heard // with Priority and without, in the order they came; at most places of each
	count       uint64  // of all that came, gives the order
	sums        map[stateKey]int64
}

type heard struct {
	Event
	order uint64
	lot   uint64
}

func newSampler(places int) sampler { return sampler{places: places, sums: map[stateKey]int64{}} }

func (s *sampler) empty() bool { return len(s.first)+len(s.rest)+len(s.sums) == 0 }

// knows reports whether an event with this id waits here.
func (s *sampler) knows(id string) bool {
	same := func(h heard) bool { return h.ID == id }
	return slices.ContainsFunc(s.first, same) || slices.ContainsFunc(s.rest, same)
}

// take collects e. When there are too many, it is decided by lot who is left
// out, so that nobody gains by being quick; left is how many were.
func (s *sampler) take(e Event) (left int, ok bool) {
	if e.Add > 0 {
		key := e.stateKey()
		if _, known := s.sums[key]; !known && len(s.sums) == maxSums {
			return 0, false
		}
		s.sums[key] = min(s.sums[key]+e.Add, MaxAdd)
		return 0, true
	}
	s.count++
	among := &s.rest
	if e.Priority {
		among = &s.first
	}
	*among = append(*among, heard{e, s.count, lotOf(e)})
	return s.thin(among, s.places), true
}

// lotOf is the same on every node, so that nodes which heard the same leave
// out the same.
func lotOf(e Event) uint64 {
	h := fnv.New64a()
	if e.ID != "" {
		_, _ = h.Write([]byte(e.ID))
	} else {
		_, _ = h.Write(e.Data)
	}
	return h.Sum64()
}

// thin leaves those with the lowest lots, in their order.
func (s *sampler) thin(among *[]heard, most int) (left int) {
	for len(*among) > most {
		worst := 0
		for i, h := range *among {
			if h.lot > (*among)[worst].lot {
				worst = i
			}
		}
		*among = slices.Delete(*among, worst, worst+1)
		left++
	}
	return left
}

// end empties the sampler at the end of a tick: what is to be shown, in the
// order it came, then the sums; left is how many more were left out. A place
// that is reserved and not wanted is given to others.
func (s *sampler) end() (shown []Event, left int) {
	reserved := min(len(s.first), s.places/2)
	left = s.thin(&s.rest, s.places-reserved)
	left += s.thin(&s.first, s.places-len(s.rest))
	lines := slices.Concat(s.first, s.rest)
	slices.SortFunc(lines, func(a, b heard) int { return cmp.Compare(a.order, b.order) })
	for _, l := range lines {
		shown = append(shown, l.Event)
	}
	keys := make([]stateKey, 0, len(s.sums))
	for key := range s.sums {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, stateKey.compare)
	for _, key := range keys {
		shown = append(shown, Event{Type: key.typ, Key: key.key, Data: sumData(s.sums[key])})
	}
	clear(s.first)
	clear(s.rest)
	clear(s.sums)
	s.first, s.rest = s.first[:0], s.rest[:0]
	return shown, left
}

func sumData(n int64) json.RawMessage {
	return append(strconv.AppendInt([]byte(`{"count":`), n, 10), '}')
}

// memory is the Keep events a room was shown last, for those who join.
type memory struct {
	events []Event // oldest first, at most MaxRecent
	list   []byte  // the same as JSON, until something changes
}

func (m *memory) knows(id string) bool {
	return slices.ContainsFunc(m.events, func(e Event) bool { return e.ID == id })
}

func (m *memory) add(shown []Event) {
	for _, e := range shown {
		if e.Keep {
			m.events = append(m.events, e)
			m.list = nil
		}
	}
	if past := len(m.events) - MaxRecent; past > 0 {
		m.events = append(m.events[:0:0], m.events[past:]...)
	}
}

// recall takes what the bus remembers, in its order, behind what only this
// room does. It returns what the room did not know.
func (m *memory) recall(remembered []Event) (news []Event) {
	ours := slices.Clone(m.events)
	for _, e := range remembered {
		if !m.knows(e.ID) {
			news = append(news, e)
		}
		ours = slices.DeleteFunc(ours, func(o Event) bool { return o.ID == e.ID })
	}
	if len(news) == 0 {
		return nil
	}
	m.events = ours
	m.add(remembered)
	return news
}

// forget leaves out what is gone.
func (m *memory) forget(gone func(Event) bool) {
	if slices.ContainsFunc(m.events, gone) {
		m.events = slices.DeleteFunc(slices.Clone(m.events), gone)
		m.list = nil
	}
}

func (m *memory) json() []byte {
	if m.list == nil {
		m.list = appendList(nil, entriesOf(m.events))
	}
	return m.list
}

func entriesOf(events []Event) [][]byte {
	entries := make([][]byte, len(events))
	for i, e := range events {
		entries[i] = entry(e)
	}
	return entries
}
