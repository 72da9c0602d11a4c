package storm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// stormSeed replays a storm.
const stormSeed = "RIALTO_STORM_SEED"

func small(t *testing.T) Options {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv(stormSeed); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", stormSeed, err)
		}
	}
	// At once and not with t.Log, which is silent when a test hangs.
	fmt.Fprintf(os.Stderr, "%s: to replay, run with %s=%d\n", t.Name(), stormSeed, seed)
	return Options{Seed: seed, Sockets: 40, Memory: 160, Seconds: 3, socketRate: 50, memoryRate: 400, patience: time.Minute}
}

// pass runs a storm that must end.
func pass(t *testing.T, o Options) Result {
	t.Helper()
	got, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestStorm(t *testing.T) {
	// The first alone: what it leaves behind is counted.
	for i, trouble := range []Trouble{Restarted, Untroubled, Killed, Lost, Emptied} {
		t.Run(string(trouble), func(t *testing.T) {
			o := small(t)
			o.Trouble = trouble
			if o.shared = i > 0; o.shared {
				t.Parallel()
			}
			got := pass(t, o)
			var said strings.Builder
			if err := got.Print(&said, false); err != nil {
				t.Fatal(err)
			}
			if !got.OK {
				t.Fatalf("seed %d:\n%s", o.Seed, said.String())
			}
			t.Log(said.String())
		})
	}
}

func TestPlanIsOfItsSeed(t *testing.T) {
	crowds := [2]crowd{{30, 5}, {100, 100}}
	if !reflect.DeepEqual(newPlan(7, crowds, time.Minute), newPlan(7, crowds, time.Minute)) {
		t.Fatal("two plans of one seed differ")
	}
	if reflect.DeepEqual(newPlan(7, crowds, time.Minute), newPlan(8, crowds, time.Minute)) {
		t.Fatal("the plans of two seeds are the same")
	}
	lost := 0
	for number := range int64(100_000) {
		now, again := drops(7, 1, 0, number), drops(7, 1, 0, number)
		if now != again {
			t.Fatal("what is lost is not of the seed")
		}
		if now {
			lost++
		}
	}
	if lost < 900 || lost > 1100 {
		t.Fatalf("%d of 100000 messages are lost, want one in %d", lost, dropOneIn)
	}
}

// TestFaultsAreSeen: each fault is put where a hub or a bus could have it, for one
// viewer or one node, and breaks its promise.
func TestFaultsAreSeen(t *testing.T) {
	for name, c := range map[string]struct {
		tamper func() func(int, []byte) [][]byte
		source func(int, realtime.Source) realtime.Source
		broken []promise
		or     promise // what breaks in place of broken[0] when nothing comes behind the fault
	}{
		"a frame is left out for one viewer": {tamper: once(func(text []byte) [][]byte { return nil }), broken: []promise{noGap}, or: endState},
		"a frame comes twice to one viewer":  {tamper: once(func(text []byte) [][]byte { return [][]byte{text, text} }), broken: []promise{noDuplicate, order}},
		"an older version":                   {tamper: once(older), broken: []promise{noFall}},
		"no JSON":                            {tamper: once(func([]byte) [][]byte { return [][]byte{[]byte("{")} }), broken: []promise{readable}},
		"a bus leaves an event out":          {source: faulty(func(d []realtime.Delivery, i int) []realtime.Delivery { return append(d[:i:i], d[i+1:]...) }), broken: []promise{noGap}},
		"a bus says reset":                   {source: faulty(reset), broken: []promise{noReset, noResubscribe}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := small(t)
			o.Trouble, o.source, o.shared, o.Seconds = Untroubled, c.source, true, 2
			if c.tamper != nil {
				o.tamper = c.tamper()
			}
			o.patience = 20 * time.Second
			got := pass(t, o)
			if c.or != 0 && got.Broken[promiseNames[c.broken[0]].name] == 0 {
				c.broken[0] = c.or
			}
			for _, p := range c.broken {
				if got.Broken[promiseNames[p].name] == 0 {
					t.Errorf("%s was not seen: %v", promiseNames[p].name, got.Broken)
				}
			}
			var said bytes.Buffer
			if err := got.Print(&said, false); err != nil || got.OK || !strings.Contains(said.String(), promiseNames[c.broken[0]].look) {
				t.Errorf("it says (%v):\n%s", err, said.String())
			}
		})
	}
}

// once tampers with the tenth lossless frame of viewer 0.
func once(do func(text []byte) [][]byte) func() func(int, []byte) [][]byte {
	return func() func(int, []byte) [][]byte {
		n := 0
		return func(viewer int, text []byte) [][]byte { // for one viewer by one goroutine at a time
			if viewer != 0 || !bytes.HasPrefix(text, []byte(`{"t":"price.set"`)) {
				return [][]byte{text}
			}
			if n++; n == 3 {
				return do(text)
			}
			return [][]byte{text}
		}
	}
}

// older says the same event in a version that is one behind.
func older(text []byte) [][]byte {
	var f struct {
		realtime.Event
		O int64 `json:"o"`
	}
	var d payload
	if json.Unmarshal(text, &f) != nil || json.Unmarshal(f.Data, &d) != nil {
		return nil
	}
	return [][]byte{[]byte(fmt.Sprintf(`{"t":%q,"k":%q,"v":%d,"o":%d,"d":{"n":%d,"q":%d}}`, f.Type, f.Key, 1, f.O, d.N, d.Q))}
}

// faulty is a bus of node 0 that does something at the hundredth lossless event.
func faulty(do func([]realtime.Delivery, int) []realtime.Delivery) func(int, realtime.Source) realtime.Source {
	return func(node int, s realtime.Source) realtime.Source {
		return &faultySource{Source: s, do: do}
	}
}

type faultySource struct {
	realtime.Source
	do func([]realtime.Delivery, int) []realtime.Delivery
}

func (s *faultySource) Subscribe(ctx context.Context, room realtime.RoomID) (realtime.Position, realtime.Feed, error) {
	at, feed, err := s.Source.Subscribe(ctx, room)
	return at, &faultyFeed{Feed: feed, do: s.do, epoch: at.Epoch}, err
}

type faultyFeed struct {
	realtime.Feed
	do    func([]realtime.Delivery, int) []realtime.Delivery
	epoch string
	n     int
}

func (f *faultyFeed) Take() []realtime.Delivery {
	taken := f.Feed.Take()
	for i := range taken {
		if taken[i].Event.Class != realtime.Lossless {
			continue
		}
		if f.n++; f.n == 5 {
			d := taken[i]
			d.Epoch = f.epoch
			taken[i] = d
			return f.do(taken, i)
		}
	}
	return taken
}

// reset makes a reset of the event that stands there.
func reset(d []realtime.Delivery, i int) []realtime.Delivery {
	d[i] = realtime.Delivery{News: realtime.NewsReset, Epoch: d[i].Epoch, Offset: d[i].Offset}
	return d
}

func TestOptionLimits(t *testing.T) {
	good := Options{Sockets: MaxSockets, Memory: MaxMemory, Seconds: MaxSeconds}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for says, o := range map[string]Options{
		"--sockets is 1 to 8000, not 8001":  {Sockets: MaxSockets + 1, Memory: 1, Seconds: 1},
		"--memory is 1 to 40000, not 40001": {Sockets: 1, Memory: MaxMemory + 1, Seconds: 1},
		"--seconds is 1 to 600, not 601":    {Sockets: 1, Memory: 1, Seconds: MaxSeconds + 1},
		"--seconds is 1 to 600, not 0":      {Sockets: 1, Memory: 1},
	} {
		if err := o.Validate(); err == nil || err.Error() != says {
			t.Errorf("%+v: %v, want %q", o, err, says)
		}
	}
}
