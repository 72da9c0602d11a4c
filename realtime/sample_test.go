package realtime

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func line(n int, priority bool) Event {
	id := fmt.Sprint("lin_", n)
	return Event{Type: "chat.line", Class: Sampled, ID: id, Keep: true, Priority: priority, Data: json.RawMessage(fmt.Sprintf(`{"id":%q}`, id))}
}

func hearts(n int64) Event { return Event{Type: "hearts", Class: Sampled, Add: n} }

func TestPlacesOfATick(t *testing.T) {
	const places = 20
	for name, c := range map[string]struct{ first, rest, wantFirst, wantRest int }{
		"nothing":              {0, 0, 0, 0},
		"all fit":              {5, 15, 5, 15},
		"only plain":           {0, 20, 0, 20},
		"one too many":         {0, 21, 0, 20},
		"a flood":              {0, 500, 0, 20},
		"two floods":           {500, 500, 10, 10},
		"a flood and a few":    {3, 500, 3, 17},
		"the reserved places":  {10, 500, 10, 10},
		"more than reserved":   {11, 500, 10, 10},
		"a few plain ones":     {500, 4, 16, 4},
		"only with a priority": {500, 0, 20, 0},
	} {
		s := newSampler(places)
		left := 0
		for n := range max(c.first, c.rest) {
			if n < c.first {
				l, _ := s.take(line(2*n, true))
				left += l
			}
			if n < c.rest {
				l, _ := s.take(line(2*n+1, false))
				left += l
			}
		}
		if len(s.first) > places || len(s.rest) > places {
			t.Errorf("%s: %d and %d wait", name, len(s.first), len(s.rest))
		}
		shown, more := s.end()
		first := 0
		for _, e := range shown {
			if e.Priority {
				first++
			}
		}
		if first != c.wantFirst || len(shown)-first != c.wantRest || left+more+len(shown) != c.first+c.rest {
			t.Errorf("%s: %d with priority and %d without are shown, %d left out", name, first, len(shown)-first, left+more)
		}
		if !s.empty() {
			t.Errorf("%s: something stayed", name)
		}
	}
}

// TestNodesLeaveOutTheSame: in whatever order two nodes hear the same lines,
// they show the same, each in its order; and nobody gains by being early.
func TestNodesLeaveOutTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "lines")
		lines := make([]Event, n)
		for i := range lines {
			lines[i] = line(i, rapid.Bool().Draw(t, "priority"))
		}
		show := func(order []Event) (ids []string) {
			s := newSampler(10)
			for _, e := range order {
				s.take(e)
			}
			shown, _ := s.end()
			place := 0
			for _, e := range shown {
				at := slices.IndexFunc(order, func(o Event) bool { return o.ID == e.ID })
				if at < place {
					t.Fatalf("%s comes too late", e.ID)
				}
				place = at
				ids = append(ids, e.ID)
			}
			slices.Sort(ids)
			return ids
		}
		a, b := show(lines), show(rapid.Permutation(lines).Draw(t, "order"))
		if !slices.Equal(a, b) {
			t.Fatalf("%v and %v", a, b)
		}
	})
}

func TestSums(t *testing.T) {
	s := newSampler(10)
	for range 3 {
		s.take(hearts(MaxAdd / 2))
	}
	s.take(line(1, false))
	for i := range maxSums - 1 {
		if _, ok := s.take(Event{Type: "hearts", Key: fmt.Sprint(i), Class: Sampled, Add: 1}); !ok {
			t.Fatalf("sum %d was refused", i+2)
		}
	}
	if _, ok := s.take(Event{Type: "claps", Class: Sampled, Add: 1}); ok {
		t.Fatal("one sum past the limit")
	}
	shown, _ := s.end()
	if len(shown) != 1+maxSums || shown[0].ID != "lin_1" || string(shown[1].Data) != fmt.Sprintf(`{"count":%d}`, MaxAdd) {
		t.Fatalf("%d shown: %+v", len(shown), shown[:2])
	}
	if _, ok := s.take(hearts(1)); !ok {
		t.Fatal("after the tick the places are free")
	}
}

func TestMemory(t *testing.T) {
	var m memory
	ids := func() (ids string) {
		for _, e := range m.events {
			ids += strings.TrimPrefix(e.ID, "lin_") + " "
		}
		return strings.TrimSpace(ids)
	}
	if string(m.json()) != "[]" {
		t.Fatalf("nothing is %s", m.json())
	}
	m.add([]Event{line(1, false), {Type: "hearts"}, line(2, false)})
	if ids() != "1 2" || string(m.json()) != `[{"t":"chat.line","d":{"id":"lin_1"}},{"t":"chat.line","d":{"id":"lin_2"}}]` {
		t.Fatalf("%s %s", ids(), m.json())
	}
	if news := m.recall([]Event{line(1, false), line(2, false)}); news != nil || ids() != "1 2" {
		t.Fatalf("nothing new: %v, %s", news, ids())
	}
	news := m.recall([]Event{line(2, false), line(3, false), line(4, false)})
	if len(news) != 2 || ids() != "1 2 3 4" || !strings.Contains(string(m.json()), "lin_4") {
		t.Fatalf("recalled %v, now %s", news, ids())
	}
	for n := 5; n <= MaxRecent+1; n++ {
		m.add([]Event{line(n, false)})
	}
	if len(m.events) != MaxRecent || m.knows("lin_1") || !m.knows("lin_2") {
		t.Fatalf("%d are remembered: %s", len(m.events), ids())
	}
}

func TestRingLag(t *testing.T) {
	r := newRing(4*lagShare, 1000*lagShare) // 4 frames or 1000 bytes behind are well
	put := func(sampled bool, size int) {
		frame := bytes.Repeat([]byte("x"), size)
		if sampled {
			r.appendSampled(frame, 1)
		} else {
			r.append(frame, 1)
		}
	}
	lag := func(cursor, skip, wantSkip uint64, wantLost int) {
		t.Helper()
		if got, lost := r.lag(cursor, skip); got != wantSkip || lost != wantLost {
			t.Fatalf("at %d, skipping to %d: skip to %d and lose %d, want %d and %d", cursor, skip, got, lost, wantSkip, wantLost)
		}
	}
	sizes := func(cursor, skip uint64) (sizes []int) {
		t.Helper()
		for {
			frames, start, ok := r.from(cursor, skip, make([]*message, 0, 3))
			if !ok {
				t.Fatal("gone")
			}
			if len(frames) == 0 {
				return sizes
			}
			for _, f := range frames {
				sizes = append(sizes, len(f.text))
			}
			cursor = start + uint64(len(frames))
		}
	}
	lag(0, 0, 0, 0)
	for i := range 4 {
		put(i%2 == 0, 10+i)
	}
	lag(0, 0, 0, 0) // four behind
	put(true, 14)
	lag(0, 0, 5, 3)
	lag(1, 0, 0, 0) // four behind
	put(false, 15)
	lag(1, 0, 6, 2)
	lag(0, 5, 5, 0) // measured from what is skipped already
	if got := sizes(0, 5); !slices.Equal(got, []int{11, 13, 15}) {
		t.Fatalf("a slow viewer is given %v", got)
	}
	if got := sizes(0, 0); !slices.Equal(got, []int{10, 11, 12, 13, 14, 15}) {
		t.Fatalf("a quick viewer is given %v", got)
	}
	put(true, 1001)
	lag(6, 0, 7, 1) // bytes
	lag(7, 0, 0, 0) // has all
	put(true, 5)
	if got := sizes(6, 8); len(got) != 0 {
		t.Fatalf("nothing but sampled frames: %v", got)
	}
}

// listening is a viewer of a room that a test writes.
func listening(t *testing.T, h *Hub, join Join, who Identity) (*Conn, *narrow) {
	t.Helper()
	sock := quick()
	c := attach(t, h, sock)
	if err := c.Join(context.Background(), join, func(context.Context) (Identity, error) { return who, nil }); err != nil {
		t.Fatal(err)
	}
	return c, sock
}

// awaitFrames reads until n frames are there.
func awaitFrames(t *testing.T, c *Conn, sock *narrow, n int) []read {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		whole := c.tail == nil && !c.parked
		c.mu.Unlock()
		if whole {
			if all := readFrames(t, sock.bytes()); len(all) >= n {
				return all
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d frames did not come: %s", n, sock.bytes())
		}
	}
}

// TestSampledFrames: lines wait for the tick, are told once, and those who
// come later find them, on resume too; hearts are added up and forgotten.
func TestSampledFrames(t *testing.T) {
	s := newScript(stock("a", 3))
	h := runHub(t, func(c *Config) { c.Bus, c.Snapshot, c.Tick = s, s.snapshot, 20*time.Millisecond })
	c, sock := listening(t, h, Join{Room: "shw_1"}, Identity{})
	cast := func(e Event) Delivery { return Delivery{Event: e} }
	viewers := Event{Type: "viewers.set", Class: Latest, Data: json.RawMessage(`{"count":2}`)}
	s.say(nil, cast(line(1, false)), cast(hearts(2)), cast(line(1, false)), cast(hearts(3)), cast(viewers), Delivery{Offset: 8, Event: stock("a", 4)})
	m := awaitFrames(t, c, sock, 3)
	if m[1].Type != "tick" || m[1].Offset != 8 || string(m[1].Data) != `[{"t":"stock.set","k":"a","v":4,"d":{"left":4}},{"t":"viewers.set","d":{"count":2}}]` {
		t.Fatalf("got %+v %s", m[1], m[1].Data)
	}
	const said = `{"t":"chat.line","d":{"id":"lin_1"}}`
	if m[2].Type != "sample" || string(m[2].Data) != `[`+said+`,{"t":"hearts","d":{"count":5}}]` {
		t.Fatalf("got %+v %s", m[2], m[2].Data)
	}
	s.say(nil, cast(line(1, false)), cast(line(2, false))) // the first again, late
	if m = awaitFrames(t, c, sock, 4); string(m[3].Data) != `[{"t":"chat.line","d":{"id":"lin_2"}}]` {
		t.Fatalf("got %+v %s", m[3], m[3].Data)
	}
	for have, d := range map[Position]string{
		{}:       `[{"t":"stock.set","k":"a","v":4,"d":{"left":4}},{"t":"viewers.set","d":{"count":2}}]`,
		{"e", 8}: `[{"t":"viewers.set","d":{"count":2}}]`,
	} {
		later, lateSock := listening(t, h, Join{Room: "shw_1", Have: have}, Identity{})
		first := awaitFrames(t, later, lateSock, 1)
		if len(first) != 1 || string(first[0].Data) != d || string(first[0].Recent) != `[`+said+`,{"t":"chat.line","d":{"id":"lin_2"}}]` {
			t.Fatalf("joined with %v: %+v %s %s", have, first, first[0].Data, first[0].Recent)
		}
	}
}
