package realtime

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
)

// takenBack is an event that takes lines back, read by readGone.
func takenBack(version int64, ids, authors string) Event {
	return Event{Type: "lines.gone", Key: "talk", Version: version, Class: Lossless, Data: json.RawMessage(fmt.Sprintf(`{"ids":[%s],"authors":[%s]}`, ids, authors))}
}

func readGone(e Event) (gone func(Event) bool, ok bool) {
	var d struct{ IDs, Authors []string }
	ok = e.Type == "lines.gone" && json.Unmarshal(e.Data, &d) == nil
	return func(kept Event) bool { return slices.Contains(d.IDs, kept.ID) || slices.Contains(d.Authors, kept.By) }, ok
}

func by(author string, n int) Event {
	e := line(n, false)
	e.By = author
	return e
}

func shownTo(t *testing.T, h *Hub) string {
	t.Helper()
	c, sock := listening(t, h, Join{Room: "shw_1"}, Identity{})
	defer c.Close(CodeReconnect, "")
	return string(awaitFrames(t, c, sock, 1)[0].Recent)
}

func lines(ns ...int) string {
	list := make([][]byte, len(ns))
	for i, n := range ns {
		list[i] = entry(line(n, false))
	}
	return string(appendList(nil, list))
}

// TestWithdrawn: what is taken back is not shown to those who join, whether it
// was said before, is said now, or is remembered by the bus alone; and an older
// event brings nothing back.
func TestWithdrawn(t *testing.T) {
	s := newScript(stock("a", 3))
	h := runHub(t, func(c *Config) { c.Bus, c.Snapshot, c.Withdrawn, c.Tick = s, s.snapshot, readGone, 20*time.Millisecond })
	c, sock := listening(t, h, Join{Room: "shw_1"}, Identity{})
	cast := func(e Event) Delivery { return Delivery{Event: e} }
	s.say(nil, cast(by("gst_1", 1)), cast(by("gst_2", 2)), cast(by("gst_3", 3)), cast(by("gst_1", 4)))
	awaitFrames(t, c, sock, 2)
	if got := shownTo(t, h); got != lines(1, 2, 3, 4) {
		t.Fatalf("before: %s", got)
	}
	s.say(nil, Delivery{Offset: 8, Event: takenBack(5, `"lin_3"`, `"gst_1"`)})
	awaitFrames(t, c, sock, 3)
	if got := shownTo(t, h); got != lines(2) {
		t.Fatalf("after: %s", got)
	}
	s.say(nil, cast(by("gst_1", 5)), cast(by("gst_2", 6)), cast(line(3, false)))
	m := awaitFrames(t, c, sock, 4)
	if string(m[3].Data) != lines(6) {
		t.Fatalf("said afterwards: %s", m[3].Data)
	}
	// What waits for its tick is taken back, too; an older event does nothing.
	s.say(nil, cast(by("gst_2", 7)), cast(by("gst_4", 8)), Delivery{Offset: 9, Event: takenBack(6, ``, `"gst_2"`)}, Delivery{Offset: 10, Event: takenBack(4, ``, ``)})
	m = awaitFrames(t, c, sock, 6)
	if string(m[5].Data) != lines(8) || shownTo(t, h) != lines(8) {
		t.Fatalf("in one tick: %s, joiners %s", m[5].Data, shownTo(t, h))
	}
	// Nobody stands there any more: what they say from now on is shown.
	s.say(nil, Delivery{Offset: 11, Event: takenBack(7, ``, ``)}, cast(by("gst_2", 9)))
	awaitFrames(t, c, sock, 8)
	if got := shownTo(t, h); got != lines(8, 9) {
		t.Fatalf("in the end: %s", got)
	}
}

// remembering is a bus that remembers lines.
type remembering struct {
	*script
	kept []Event
}

func (r remembering) Recent(context.Context, RoomID) ([]Event, error) { return r.kept, nil }

// TestWithdrawnBeforeTheRoomOpened: the bus may remember what the snapshot says is gone.
func TestWithdrawnBeforeTheRoomOpened(t *testing.T) {
	s := newScript(stock("a", 3))
	bus := remembering{s, []Event{by("gst_1", 1), by("gst_2", 2), by("gst_2", 3)}}
	h := runHub(t, func(c *Config) {
		c.Bus, c.Withdrawn = bus, readGone
		c.Snapshot = func(context.Context, RoomID) ([]Event, error) {
			return []Event{takenBack(9, `"lin_3"`, `"gst_1"`), stock("a", 9)}, nil
		}
	})
	if got := shownTo(t, h); got != lines(2) {
		t.Fatalf("shown: %s", got)
	}
}

func TestByIsOfWhatIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Event)
		ok     bool
	}{
		"of a kept one": {func(e *Event) {}, true},
		"not kept":      {func(e *Event) { e.Keep = false }, false},
		"no name":       {func(e *Event) { e.By = "a b" }, false},
		"of a value":    {func(e *Event) { *e = stock("a", 1); e.By = "gst_1" }, false},
	} {
		e := by("gst_1", 1)
		c.change(&e)
		if err := e.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
