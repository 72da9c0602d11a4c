package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/realtime"
)

// line is a sampled event that is kept.
func line(n int) realtime.Event {
	return realtime.Event{Type: "chat.line", Class: realtime.Sampled, Keep: true, ID: fmt.Sprintf("lin:%d", n), Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))}
}

// hearts is one that is not.
func hearts(n int) realtime.Event {
	return realtime.Event{Type: "hearts", Class: realtime.Sampled, Priority: true, Add: int64(n)}
}

// value is a latest value without a version.
func value(key string, n int) realtime.Event {
	return realtime.Event{Type: "mood.set", Key: key, Class: realtime.Latest, Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))}
}

func cast(t *testing.T, b Bus, room realtime.RoomID, e realtime.Event) {
	t.Helper()
	if err := b.Cast(ctxFor(t), room, e); err != nil {
		t.Fatal(err)
	}
}

func (l *listener) expectCast(want realtime.Event) {
	l.t.Helper()
	if d := l.next(); d.Offset != 0 || d.News != realtime.NewsNone || fmt.Sprintf("%+v", d.Event) != fmt.Sprintf("%+v", want) {
		l.t.Fatalf("got %+v, want %+v", d, want)
	}
}

// recent is what joiners are told, as "type key data".
func recent(t *testing.T, b Bus, room realtime.RoomID) (told []string) {
	t.Helper()
	events, err := b.Recent(ctxFor(t), room)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := e.Validate(); err != nil || e.Version != 0 || e.Keep != (e.Class == realtime.Sampled) {
			t.Errorf("%+v: %v", e, err)
		}
		told = append(told, fmt.Sprintf("%s %s %s", e.Type, e.Key, e.Data))
	}
	return told
}

func wantRecent(t *testing.T, b Bus, room realtime.RoomID, want ...string) {
	t.Helper()
	if got := recent(t, b, room); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("joiners are told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// casts arrive on every node, in their order among the events, and take no
// offset.
func casts(t *testing.T, c cluster) {
	near, far, other := subscribe(t, c.a, "shw_1"), subscribe(t, c.b, "shw_1"), subscribe(t, c.b, "shw_2")
	publish(t, c.a, "shw_1", event(1))
	cast(t, c.a, "shw_1", hearts(1))
	cast(t, c.b, "shw_1", line(1))
	publish(t, c.b, "shw_1", event(2))
	cast(t, c.b, "shw_1", value("a", 1))
	publish(t, c.a, "shw_1", event(3))
	for _, l := range []*listener{near, far} {
		l.expect(1, 1)
		l.expectCast(hearts(1))
		l.expectCast(line(1))
		l.expect(2, 2)
		l.expectCast(value("a", 1))
		l.expect(3, 3)
	}
	cast(t, c.a, "shw_2", hearts(2))
	other.expectCast(hearts(2))
	if late := subscribe(t, c.a, "shw_1"); late.at.Offset != 3 {
		t.Fatalf("a feed begins at %d, want 3", late.at.Offset)
	}
}

func castLimits(t *testing.T, c cluster) {
	ctx := ctxFor(t)
	l := subscribe(t, c.a, "shw_1")
	atLimit := hearts(1)
	atLimit.Add, atLimit.Data = 0, json.RawMessage(`"`+strings.Repeat("x", realtime.MaxSampledBytes-2)+`"`)
	cast(t, c.a, "shw_1", atLimit)
	l.expectCast(atLimit)
	past := atLimit
	past.Data = json.RawMessage(`"` + strings.Repeat("x", realtime.MaxSampledBytes-1) + `"`)
	keptValue, nameless := value("a", 1), line(1)
	keptValue.Keep, nameless.ID = true, ""
	for name, try := range map[string]func() error{
		"too large":                func() error { return c.a.Cast(ctx, "shw_1", past) },
		"an event with a version":  func() error { return c.a.Cast(ctx, "shw_1", event(1)) },
		"a cast that is published": func() error { _, err := c.a.Publish(ctx, "shw_1", line(1)); return err },
		"a value that is kept":     func() error { return c.a.Cast(ctx, "shw_1", keptValue) },
		"a line without an id":     func() error { return c.a.Cast(ctx, "shw_1", nameless) },
		"control room":             func() error { return c.a.Cast(ctx, controlRoom, line(1)) },
		"recent of no room":        func() error { _, err := c.a.Recent(ctx, ""); return err },
	} {
		if err := try(); !errors.Is(err, realtime.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.a.Cast(gone, "shw_1", line(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled cast: %v", err)
	}
	wantRecent(t, c.a, "shw_1")
}

// kept: joiners are told the last lines, in their order, wherever they join.
func kept(t *testing.T, c cluster) {
	wantRecent(t, c.a, "shw_1")
	for n := range realtime.MaxRecent {
		cast(t, []Bus{c.a, c.b}[n%2], "shw_1", line(n))
		cast(t, c.a, "shw_1", hearts(n+1))
	}
	if got := recent(t, c.b, "shw_1"); len(got) != realtime.MaxRecent || got[0] != `chat.line  {"n":0}` {
		t.Fatalf("%d are told, the first is %q", len(got), got[0])
	}
	cast(t, c.b, "shw_1", line(realtime.MaxRecent))
	for _, b := range []Bus{c.a, c.b} {
		got := recent(t, b, "shw_1")
		if len(got) != realtime.MaxRecent {
			t.Fatalf("%d are told, want %d", len(got), realtime.MaxRecent)
		}
		for i, text := range got {
			if want := fmt.Sprintf(`chat.line  {"n":%d}`, i+1); text != want {
				t.Fatalf("line %d is %q, want %q", i, text, want)
			}
		}
	}
	wantRecent(t, c.a, "shw_2")
	c.forget()
	wantRecent(t, c.a, "shw_1")
	cast(t, c.a, "shw_1", line(1))
	wantRecent(t, c.b, "shw_1", `chat.line  {"n":1}`)
}

// keptOnce: a line that is said again, since its answer was lost, is one line
// while it is kept.
func keptOnce(t *testing.T, c cluster) {
	l := subscribe(t, c.b, "shw_1")
	for range 2 {
		cast(t, c.a, "shw_1", line(1))
		cast(t, c.b, "shw_1", line(1))
	}
	cast(t, c.a, "shw_1", line(2))
	l.expectCast(line(1))
	l.expectCast(line(2))
	wantRecent(t, c.a, "shw_1", `chat.line  {"n":1}`, `chat.line  {"n":2}`)
}

// values: the newest of each key is told; past the limit a new key is sent
// only.
func values(t *testing.T, c cluster) {
	l := subscribe(t, c.b, "shw_1")
	cast(t, c.a, "shw_1", value("b", 1))
	cast(t, c.b, "shw_1", value("", 2))
	cast(t, c.a, "shw_1", value("b", 3))
	cast(t, c.a, "shw_1", line(4))
	for _, e := range []realtime.Event{value("b", 1), value("", 2), value("b", 3), line(4)} {
		l.expectCast(e)
	}
	wantRecent(t, c.a, "shw_1", `chat.line  {"n":4}`, `mood.set  {"n":2}`, `mood.set b {"n":3}`)
	for n := range ValueLimit - 2 {
		cast(t, c.a, "shw_1", value(fmt.Sprintf("c%d", n), n))
		l.next()
	}
	cast(t, c.a, "shw_1", value("past", 5))
	l.expectCast(value("past", 5))
	cast(t, c.a, "shw_1", value("b", 6))
	l.expectCast(value("b", 6))
	got := recent(t, c.b, "shw_1")
	if len(got) != 1+ValueLimit || got[2] != `mood.set b {"n":6}` || strings.Contains(strings.Join(got, "\n"), "past") {
		t.Fatalf("%d are told: %s", len(got), strings.Join(got, "\n"))
	}
}

func untilLastCast(t *testing.T, f *feed, number int64) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		f.mu.Lock()
		waits := slices.ContainsFunc(f.queue, func(d realtime.Delivery) bool { return isCast(d) && d.Event.Add == number })
		f.mu.Unlock()
		if waits {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("cast %d did not come", number)
		}
	}
}

// castFlood: a room that stands still loses casts, the oldest first, and no
// event.
func castFlood(t *testing.T, c cluster) {
	l := subscribe(t, c.a, "shw_1")
	flood := 2 * c.sizes.casts
	for n := range flood {
		cast(t, c.b, "shw_1", hearts(n+1))
		if n%8 == 0 {
			publish(t, c.b, "shw_1", event(int64(n/8)+1))
		}
	}
	publish(t, c.b, "shw_1", event(int64(flood/8)+1))
	untilHeard(t, l.feed.(*feed), int64(flood/8)+1)
	untilLastCast(t, l.feed.(*feed), int64(flood)) // the history may have been faster
	heard, first := 0, 0
	for events := int64(0); events <= int64(flood/8); {
		d := l.next()
		if d.News != realtime.NewsNone {
			t.Fatalf("got %+v", d)
		}
		if d.Offset > 0 {
			if events++; d.Offset != events {
				t.Fatalf("offset %d, want %d", d.Offset, events)
			}
			continue
		}
		if heard++; first == 0 {
			first = int(d.Event.Add)
		}
	}
	if heard != c.sizes.casts || first != flood-c.sizes.casts+1 {
		t.Fatalf("%d casts came, the first was %d; want the last %d of %d", heard, first, c.sizes.casts, flood)
	}
}

// TestCastsLapse: what is remembered of casts goes with the room.
func TestCastsLapse(t *testing.T) {
	s := embeddedtest.NewRedisServer(t)
	b, hand := node(t, s.URL()), dial(t, s.URL())
	cast(t, b, "shw_1", line(1))
	cast(t, b, "shw_1", value("a", 1))
	if err := b.Count(ctxFor(t), map[realtime.RoomID]int{"shw_1": 1}); err != nil {
		t.Fatal(err)
	}
	keys := hand.Keys(ctxFor(t), "*").Val()
	if len(keys) != 4 {
		t.Fatalf("keys %v, want 4", keys)
	}
	for _, key := range keys {
		if !strings.Contains(key, "{shw_1}") {
			t.Errorf("%s has no hash tag", key)
		}
		if ttl := hand.PTTL(ctxFor(t), key).Val(); ttl <= 0 || ttl > roomTTL {
			t.Errorf("%s lapses after %v", key, ttl)
		}
	}
	// A room that is watched keeps them.
	if err := hand.Expire(ctxFor(t), keptKey("shw_1"), roomTTL/4).Err(); err != nil {
		t.Fatal(err)
	}
	subscribe(t, b, "shw_1")
	for _, key := range []string{keptKey("shw_1"), valuesKey("shw_1"), metaKey("shw_1")} {
		for deadline := time.Now().Add(patience); hand.PTTL(ctxFor(t), key).Val() < roomTTL/2; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s of a watched room lapses after %v", key, hand.PTTL(ctxFor(t), key).Val())
			}
		}
	}
}

// TestCastsOverFaults: casts are lost while Redis is away, and come again
// afterwards; nobody is told to doubt for their sake.
func TestCastsOverFaults(t *testing.T) {
	s := embeddedtest.NewRedisServer(t)
	a, b := node(t, s.URL()), node(t, s.URL())
	l := subscribe(t, b, "shw_1")
	cast(t, a, "shw_1", line(1))
	l.expectCast(line(1))
	s.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), patience/10)
	defer cancel()
	if err := a.Cast(ctx, "shw_1", line(2)); err == nil {
		t.Fatal("a cast to nobody was taken")
	}
	if _, err := a.Recent(ctx, "shw_1"); err == nil {
		t.Fatal("nobody remembered something")
	}
	s.Start()
	for n := 3; ; n++ { // until b listens again
		if a.Cast(ctxFor(t), "shw_1", hearts(n)) == nil && len(l.feed.Ready()) > 0 {
			break
		}
	}
	publishUntil(t, a, event(1))
	for {
		d := l.next()
		if d.Offset > 0 {
			break // and no gap before it
		}
		if d.News == realtime.NewsReset && d.Offset == 1 {
			break // the snapshot has it
		}
	}
}
