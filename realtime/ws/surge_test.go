package ws_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/client"
)

// A sale at its hottest: thousands of changes a second to the stock of a dozen
// variants. Viewers see few of them, never one that did not happen, always the
// last and each "sold out".

const (
	surgeKeys    = 12
	surgeRate    = 5000 // changes per second
	surgeStep    = 10 * time.Millisecond
	surgeViewers = 20
	// staysSoldOut is how many steps a variant that sold out stays so: a hold runs
	// out no sooner, and ticks are shorter.
	staysSoldOut = 30
)

// surge is the source of the changes and the log of what it did.
type surge struct {
	left [surgeKeys]int
	out  [surgeKeys]int // the step at which it may have units again
	rng  *rand.Rand

	mu  sync.Mutex
	log map[string][]change // by key, versions rising
}

type change struct {
	version int64
	left    int
	rises   bool // a restock, a release, a hold that ran out
}

type stockData struct {
	N    int64 `json:"n"`
	Left int   `json:"left"`
}

func newSurge() *surge {
	s := &surge{rng: rand.New(rand.NewPCG(5, 0)), log: map[string][]change{}}
	for i := range s.left {
		s.left[i] = 500
	}
	return s
}

// next changes one variant at a step, or returns false when all are sold out and
// stay so.
func (s *surge) next(truth *show, step int) (realtime.Event, bool) {
	i := s.rng.IntN(surgeKeys)
	for tries := 0; s.out[i] > step; tries++ {
		if tries == surgeKeys {
			return realtime.Event{}, false
		}
		i = (i + 1) % surgeKeys
	}
	rises := s.left[i] == 0 || s.rng.IntN(10) == 0
	if rises {
		s.left[i] += 1 + s.rng.IntN(3)
	}
	switch {
	case rises && s.left[i] <= 3:
		s.left[i] += 400
	case !rises:
		s.left[i] = max(0, s.left[i]-1-s.rng.IntN(2))
	}
	if s.left[i] == 0 {
		s.out[i] = step + staysSoldOut
	}
	key := fmt.Sprintf("var_%d", i)
	truth.mu.Lock()
	defer truth.mu.Unlock()
	truth.version++
	e := realtime.Event{
		Type: "stock.set", Key: key, Version: truth.version, Class: realtime.Latest, Urgent: s.left[i] == 0,
		Data: json.RawMessage(fmt.Sprintf(`{"n":%d,"left":%d}`, truth.version, s.left[i])),
	}
	truth.state[client.Key{Type: e.Type, Key: key}] = e
	s.mu.Lock()
	s.log[key] = append(s.log[key], change{e.Version, s.left[i], rises})
	s.mu.Unlock()
	return e, true
}

// seen is what one viewer was told, by key.
type seen struct {
	mu  sync.Mutex
	log map[string][]stockData
}

func (s *seen) hear(e realtime.Event) {
	var d stockData
	if e.Type != "stock.set" || json.Unmarshal(e.Data, &d) != nil {
		return
	}
	s.mu.Lock()
	s.log[e.Key] = append(s.log[e.Key], d)
	s.mu.Unlock()
}

func TestStockSurge(t *testing.T) { runSurge(t, bus.NewMemory(), 3*time.Second) }
func TestStockSurgeOverRedis(t *testing.T) {
	runSurge(t, redisBus(t, embeddedtest.NewRedisServer(t).URL()), 2*time.Second)
}

func runSurge(t *testing.T, b bus.Bus, lasts time.Duration) {
	n := start(t, options{bus: b, hub: func(c *realtime.Config) { c.Tick = 100 * time.Millisecond }})
	var watching []*client.Client
	var eyes []*seen
	for range surgeViewers {
		s := &seen{log: map[string][]stockData{}}
		v := n.watch(client.Config{OnEvent: s.hear})
		n.joined(v)
		watching, eyes = append(watching, v), append(eyes, s)
	}
	src, begin, published := newSurge(), time.Now(), 0
	for step := range int(lasts / surgeStep) {
		for range int(surgeRate * surgeStep / time.Second) {
			if e, ok := src.next(n.show, step); ok {
				n.publish(e)
				published++
			}
		}
		time.Sleep(surgeStep) // the source's pace, at most: a busy machine must not make one moment of two
	}
	rate := float64(published) / time.Since(begin).Seconds()
	for _, v := range watching {
		n.agrees(v)
	}
	took := time.Since(begin)
	for i, s := range eyes {
		if got := watching[i].Stats(); got.Dials != 1 {
			t.Errorf("viewer %d was disturbed: %+v", i, got)
		}
		s.check(t, src, took)
	}
	t.Logf("%d changes, %.0f a second; viewers were told %d of them", published, rate, eyes[0].total())
}

func (s *seen) total() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for list := range maps.Values(s.log) {
		n += len(list)
	}
	return n
}

// check compares what a viewer was told with what happened.
func (s *seen) check(t *testing.T, src *surge, took time.Duration) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	soldOut := 0
	for _, list := range src.log {
		for _, c := range list {
			if c.left == 0 {
				soldOut++
			}
		}
	}
	// Ticks are at least their length apart; what is urgent takes along what waits.
	most := int(took/(100*time.Millisecond)) + 1 + soldOut
	for key, happened := range src.log {
		told := s.log[key]
		if len(told) > most {
			t.Errorf("%s was told %d times in %v with %d sold out", key, len(told), took, soldOut)
		}
		at := 0 // in told
		for i, c := range happened {
			if at < len(told) && told[at].N == c.version {
				if told[at].Left != c.left {
					t.Fatalf("%s at version %d is %d, was told as %d", key, c.version, c.left, told[at].Left)
				}
				at++
			} else if c.left == 0 {
				t.Errorf("%s sold out at version %d, and nobody was told", key, c.version)
			}
			if i == len(happened)-1 && (at != len(told) || at == 0 || told[at-1].N != c.version) {
				t.Errorf("%s: %d of %d tellings are what happened, in order, with the last", key, at, len(told))
			}
		}
		s.rises(t, key, happened)
	}
}

// rises: units come back only when the source said so in between.
func (s *seen) rises(t *testing.T, key string, happened []change) {
	t.Helper()
	told := s.log[key]
	for i := 1; i < len(told); i++ {
		if told[i].Left <= told[i-1].Left {
			continue
		}
		reason := false
		for _, c := range happened {
			reason = reason || c.rises && c.version > told[i-1].N && c.version <= told[i].N
		}
		if !reason {
			t.Errorf("%s went from %+v to %+v for no reason", key, told[i-1], told[i])
		}
	}
}
