package realtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Limits and rules of the small parts.

func stock(key string, version int64) Event {
	return Event{Type: "stock.set", Key: key, Version: version, Class: Latest, Data: json.RawMessage(fmt.Sprintf(`{"left":%d}`, version))}
}

func TestEventLimits(t *testing.T) {
	good := Event{Type: "pin.set", Key: "pin", Version: 1, Class: Lossless, ID: "shw_1:1", Data: json.RawMessage(`{}`)}
	jsonOf := func(n int) json.RawMessage { return json.RawMessage(`"` + strings.Repeat("x", n-2) + `"`) }
	for name, c := range map[string]struct {
		change func(*Event)
		ok     bool
	}{
		"good":                {func(*Event) {}, true},
		"type at limit":       {func(e *Event) { e.Type = strings.Repeat("a", MaxEventType) }, true},
		"type past limit":     {func(e *Event) { e.Type = strings.Repeat("a", MaxEventType+1) }, false},
		"no type":             {func(e *Event) { e.Type = "" }, false},
		"key at limit":        {func(e *Event) { e.Key = strings.Repeat("a", MaxEventKey) }, true},
		"key past limit":      {func(e *Event) { e.Key = strings.Repeat("a", MaxEventKey+1) }, false},
		"no key":              {func(e *Event) { e.Key = "" }, true},
		"key that breaks out": {func(e *Event) { e.Key = `a","d":0` }, false},
		"id at limit":         {func(e *Event) { e.ID = strings.Repeat("a", MaxEventID) }, true},
		"id past limit":       {func(e *Event) { e.ID = strings.Repeat("a", MaxEventID+1) }, false},
		"data at limit":       {func(e *Event) { e.Data = jsonOf(MaxEventBytes) }, true},
		"data past limit":     {func(e *Event) { e.Data = jsonOf(MaxEventBytes + 1) }, false},
		"no data":             {func(e *Event) { e.Data = nil }, false},
		"two values":          {func(e *Event) { e.Data = json.RawMessage(`{}{}`) }, false},
		"not UTF-8":           {func(e *Event) { e.Data = json.RawMessage("\"\xff\"") }, false},
		"version 0":           {func(e *Event) { e.Version = 0 }, false},
		"version -1":          {func(e *Event) { e.Version, e.Class = -1, Latest }, false},
		"unversioned":         {func(e *Event) { e.Version, e.Class = 0, Latest }, true},
		"urgent unversioned":  {func(e *Event) { e.Version, e.Class, e.Urgent = 0, Latest, true }, false},
		"kept lossless":       {func(e *Event) { e.Keep = true }, false},
		"first lossless":      {func(e *Event) { e.Priority = true }, false},
		"added lossless":      {func(e *Event) { e.Add = 1 }, false},
		"no class":            {func(e *Event) { e.Class = "" }, false},
		"urgent lossless":     {func(e *Event) { e.Urgent = true }, false},
		"urgent latest":       {func(e *Event) { e.Urgent, e.Class = true, Latest }, true},
	} {
		e := good
		c.change(&e)
		if err := e.Validate(); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	line := Event{Type: "chat.line", Class: Sampled, ID: "lin_1", Keep: true, Data: json.RawMessage(`{}`)}
	for name, c := range map[string]struct {
		change func(*Event)
		ok     bool
	}{
		"kept":             {func(*Event) {}, true},
		"kept without id":  {func(e *Event) { e.ID = "" }, false},
		"not kept, no id":  {func(e *Event) { e.ID, e.Keep = "", false }, true},
		"first":            {func(e *Event) { e.Priority = true }, true},
		"with a version":   {func(e *Event) { e.Version = 1 }, false},
		"urgent":           {func(e *Event) { e.Urgent = true }, false},
		"data at limit":    {func(e *Event) { e.Data = jsonOf(MaxSampledBytes) }, true},
		"data past limit":  {func(e *Event) { e.Data = jsonOf(MaxSampledBytes + 1) }, false},
		"no data":          {func(e *Event) { e.Data = nil }, false},
		"kept and added":   {func(e *Event) { e.Add, e.Data = 1, nil }, false},
		"add at limit":     {func(e *Event) { e.Keep, e.Data, e.Add = false, nil, MaxAdd }, true},
		"add past limit":   {func(e *Event) { e.Keep, e.Data, e.Add = false, nil, MaxAdd+1 }, false},
		"add below nobody": {func(e *Event) { e.Keep, e.Data, e.Add = false, nil, -1 }, false},
		"add with data":    {func(e *Event) { e.Keep, e.Add = false, 1 }, false},
	} {
		e := line
		c.change(&e)
		if err := e.Validate(); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("sampled, %s: %v", name, err)
		}
	}
	for e, fleeting := range map[*Event]bool{&line: true, {Class: Latest}: true, {Class: Latest, Version: 1}: false, {Class: Lossless, Version: 1}: false} {
		if e.Fleeting() != fleeting {
			t.Errorf("%+v: fleeting %v", e, !fleeting)
		}
	}
	for id, ok := range map[RoomID]bool{"shw_1": true, "": false, "a b": false, "!control": false, "{a}": false,
		RoomID(strings.Repeat("a", MaxRoomID)): true, RoomID(strings.Repeat("a", MaxRoomID+1)): false} {
		if err := id.Validate(); (err == nil) != ok {
			t.Errorf("room %q: %v", id, err)
		}
	}
}

func TestFrameHeaders(t *testing.T) {
	for n, header := range map[int]string{
		0: "\x81\x00", 125: "\x81\x7d", 126: "\x81\x7e\x00\x7e", 1<<16 - 1: "\x81\x7e\xff\xff", 1 << 16: "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
	} {
		got := frame(opText, make([]byte, n))
		if len(got) != len(header)+n || string(got[:len(header)]) != header {
			t.Errorf("%d bytes: header % x", n, got[:min(len(got), maxFrameHeader)])
		}
	}
	long := closeFrame(CodeSlow, strings.Repeat("x", 500))
	if len(long) != 2+2+maxCloseReason {
		t.Errorf("a close frame of %d bytes", len(long))
	}
}

// bare is a frame without its header.
func bare(frame []byte) []byte {
	return frame[len(appendFrameHeader(nil, opText, len(frame)-2)):]
}

func TestRing(t *testing.T) {
	r := newRing(3, 1000)
	put := func(offsets ...int64) {
		for _, o := range offsets {
			r.append([]byte(fmt.Sprint(o)), o)
		}
	}
	view := func(cursor uint64) string {
		list, _, ok := r.from(cursor, 0, make([]*message, 0, 8))
		if !ok {
			return "gone"
		}
		var frames [][]byte
		for _, m := range list {
			frames = append(frames, m.text)
		}
		return string(bytes.Join(frames, []byte(" ")))
	}
	resume := func(offset int64) string {
		cursor, ok := r.resume(offset)
		if !ok {
			return "too old"
		}
		return view(cursor)
	}
	put(2, 5, 6)
	for offset, want := range map[int64]string{0: "2 5 6", 2: "5 6", 4: "5 6", 5: "6", 6: "", 9: ""} {
		if got := resume(offset); got != want {
			t.Errorf("resume from %d: %q, want %q", offset, got, want)
		}
	}
	put(9) // 2 goes
	for offset, want := range map[int64]string{1: "too old", 2: "5 6 9", 6: "9"} {
		if got := resume(offset); got != want {
			t.Errorf("then resume from %d: %q, want %q", offset, got, want)
		}
	}
	if view(0) != "gone" || view(1) != "5 6 9" || view(r.next) != "" {
		t.Errorf("views %q %q %q", view(0), view(1), view(r.next))
	}
	newest := r.next
	r.cut(12)
	if view(newest) != "gone" || resume(11) != "too old" || resume(12) != "" || r.bytes != 0 {
		t.Errorf("after a cut: %q %q %q, %d bytes", view(newest), resume(11), resume(12), r.bytes)
	}
	r.append(make([]byte, 999), 13)
	put(14)
	if r.bytes != 2 || view(r.next-1) != "14" {
		t.Errorf("%d bytes in the ring", r.bytes)
	}
	r.append(make([]byte, 5000), 15) // alone it may be too large
	if got := len(view(r.next - 1)); got != 5000 || r.next-r.base != 1 {
		t.Errorf("%d bytes, %d frames", got, r.next-r.base)
	}
}

// try puts e into the state if it belongs there.
func try(s *state, e Event) verdict {
	v := s.judge(e)
	if v == taken {
		s.put(e)
	}
	return v
}

func TestStateVerdicts(t *testing.T) {
	s := newState()
	if _, err := s.replace([]Event{stock("a", 10), stock("b", 10)}); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		e    Event
		want verdict
	}{{stock("a", 10), inSnap}, {stock("new", 9), inSnap}, {stock("a", 12), taken}, {stock("a", 12), older}, {stock("a", 11), older}, {stock("new", 11), taken}} {
		if got := try(&s, c.e); got != c.want {
			t.Errorf("event %d: verdict %d, want %d", i, got, c.want)
		}
	}
	news, err := s.replace([]Event{stock("a", 12), stock("b", 12)})
	if err != nil || !news { // new was at 11 and is gone
		t.Errorf("news %v, %v", news, err)
	}
	before := string(s.snapshot())
	if news, _ := s.replace([]Event{stock("a", 12), stock("b", 12)}); news || string(s.snapshot()) != before {
		t.Error("the same snapshot again is news")
	}
	if _, err := s.replace([]Event{{Type: "x"}}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a broken snapshot: %v", err)
	}
}

// TestUnversionedValues: what was heard last stands, over snapshots too, and
// is nothing that a snapshot is compared by.
func TestUnversionedValues(t *testing.T) {
	viewers := func(n int) Event {
		return Event{Type: "viewers.set", Class: Latest, Data: json.RawMessage(fmt.Sprintf(`{"count":%d}`, n))}
	}
	s := newState()
	if _, err := s.replace([]Event{stock("a", 10)}); err != nil {
		t.Fatal(err)
	}
	if string(s.unversioned()) != "[]" {
		t.Fatalf("none are %s", s.unversioned())
	}
	for _, n := range []int{5, 3, 3} {
		if got := try(&s, viewers(n)); got != taken {
			t.Fatalf("verdict %d", got)
		}
	}
	if got := string(s.unversioned()); got != `[{"t":"viewers.set","d":{"count":3}}]` {
		t.Fatalf("unversioned: %s", got)
	}
	size := s.bytes
	news, err := s.replace([]Event{stock("a", 10)})
	if err != nil || news || s.bytes != size || !strings.Contains(string(s.snapshot()), `{"count":3}`) {
		t.Fatalf("the same snapshot: news %v, %v, %s", news, err, s.snapshot())
	}
	if news, _ = s.replace([]Event{stock("a", 10), viewers(9)}); news || !strings.Contains(string(s.unversioned()), `{"count":9}`) {
		t.Fatalf("a snapshot that names one: news %v, %s", news, s.unversioned())
	}
	if news, _ = s.replace([]Event{{Type: "stock.set", Key: "a", Version: 11, Class: Latest, Data: json.RawMessage(`{}`)}}); !news {
		t.Fatal("real news beside one is none")
	}
}

func TestStateLimits(t *testing.T) {
	s := newState()
	for i := range MaxStateKeys {
		if got := try(&s, stock(fmt.Sprint("var_", i), 1)); got != taken {
			t.Fatalf("key %d: %d", i, got)
		}
	}
	if try(&s, stock("one_more", 1)) != full || try(&s, stock("var_0", 2)) != taken {
		t.Error("past the limit of keys")
	}
	s = newState()
	big := stock("a", 1)
	big.Data = json.RawMessage(`"` + strings.Repeat("x", MaxEventBytes-2) + `"`)
	fit := MaxStateBytes / entrySize(big)
	for i := range fit {
		big.Key = string(rune('a'+i/26)) + string(rune('a'+i%26))
		if got := try(&s, big); i < fit-1 && got != taken {
			t.Fatalf("event %d of %d: %d", i, fit, got)
		}
	}
	big.Key = "zzz"
	if try(&s, big) != full {
		t.Error("past the limit of bytes")
	}
}

func TestRevocationsOverflow(t *testing.T) {
	var r revocations
	mark := r.mark()
	for i := range maxRevocations {
		r.add(revocation{match: Match{Subject: fmt.Sprint("acc_", i)}, code: CodeForbidden})
	}
	if err := r.since(mark, "shw_1", Identity{Subject: "acc_me"}); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	var closed *CloseError
	if err := r.since(mark, "shw_1", Identity{Subject: "acc_0"}); !errors.As(err, &closed) || closed.Code != CodeForbidden {
		t.Errorf("the first of them: %v", err)
	}
	r.add(revocation{match: Match{Subject: "acc_x"}})
	if err := r.since(mark, "shw_1", Identity{Subject: "acc_me"}); !errors.As(err, &closed) || closed.Code != CodeUnavailable {
		t.Errorf("past the limit: %v", err)
	}
}

func TestMatch(t *testing.T) {
	vic := Identity{Subject: "acc_vic", Session: "ses_1"}
	for m, want := range map[Match]bool{
		{}:                                     false,
		{Room: "shw_1"}:                        true,
		{Room: "shw_2"}:                        false,
		{Subject: "acc_vic"}:                   true,
		{Room: "shw_2", Subject: "acc_vic"}:    false,
		{Subject: "acc_vic", Session: "ses_2"}: false,
		{Session: "ses_1"}:                     true,
	} {
		if got := m.matches("shw_1", vic); got != want {
			t.Errorf("%+v: %v", m, got)
		}
	}
	if (Match{Subject: "acc_vic"}).matches("shw_1", Identity{}) {
		t.Error("an anonymous viewer is taken for somebody")
	}
}

func TestMomentsAreEven(t *testing.T) {
	const n, window = 1000, 10 * time.Second
	perTenth := make([]int, 10)
	all := moments(n, window)
	for _, m := range all {
		perTenth[m*10/window]++
	}
	if !slices.IsSorted(all) || slices.Max(perTenth) > n/10*3/2 {
		t.Errorf("%v viewers per tenth of the window", perTenth)
	}
	if len(moments(0, window)) != 0 {
		t.Error("moments for nobody")
	}
}

func TestRegistryLimits(t *testing.T) {
	r := newRegistry()
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	take := func(addr netip.Addr, want bool) {
		t.Helper()
		if _, ok := r.reserve(addr, 3, 2); ok != want {
			t.Fatalf("reserve for %v: %v", addr, ok)
		}
	}
	take(a, true)
	take(a, true)
	take(a, false) // per address
	take(b, true)
	take(b, false) // in all
	r.release(a)
	take(netip.Addr{}, true) // an address that is unknown is not counted
	r.release(b)
	take(a, true)
	r.release(a)
	r.release(a)
	if len(r.addresses) != 0 {
		t.Errorf("addresses left: %v", r.addresses)
	}
}

func TestConfig(t *testing.T) {
	_, err := NewHub(Config{Tick: -1, MaxConns: -1, PingEvery: time.Hour})
	for _, want := range []string{"Bus", "Snapshot", "Tick", "MaxConns", "DeadAfter"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not speak of %s", err, want)
		}
	}
	reg := prometheus.NewRegistry()
	if _, err := NewHub(Config{Bus: nowhere{}, Snapshot: emptySnapshot, Metrics: reg}); err != nil {
		t.Fatal(err)
	}
	hub, err := NewHub(Config{Bus: nowhere{}, Snapshot: emptySnapshot, Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Reserve(netip.Addr{}); !errors.Is(err, ErrStopped) {
		t.Errorf("a hub that does not run: %v", err)
	}
}

func TestHousehold(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "2001:db8:1:2::1": "2001:db8:1:2::",
	} {
		if got := Household(netip.MustParseAddr(addr)); got.String() != want {
			t.Errorf("%s counts as %s, want %s", addr, got, want)
		}
	}
	if Household(netip.Addr{}).IsValid() {
		t.Error("nobody's address is one")
	}
}

func emptySnapshot(context.Context, RoomID) ([]Event, error) { return nil, nil }

// nowhere is a source without events.
type nowhere struct{}

func (nowhere) Subscribe(context.Context, RoomID) (Position, Feed, error) {
	return Position{Epoch: "e"}, silent{}, nil
}

func (nowhere) Recent(context.Context, RoomID) ([]Event, error) { return nil, nil }
func (nowhere) Count(context.Context, map[RoomID]int) error     { return nil }

type silent struct{}

func (silent) Ready() <-chan struct{} { return nil }
func (silent) Take() []Delivery       { return nil }
func (silent) Close()                 {}

// TestAheadOfTheBus: a room's snapshot knows of events that the bus is still to
// bring. Who came meanwhile from another node, with all up to where the bus
// stands, is told of them when they come.
func TestAheadOfTheBus(t *testing.T) {
	h := runHub(t, nil)
	r := newRoom(h, "r", func() {})
	r.tick = time.NewTimer(time.Hour)
	defer r.tick.Stop()
	pin := func(v int64) Event {
		return Event{Type: "pin.set", Key: "pin", Version: v, Class: Lossless, Data: json.RawMessage(`{}`)}
	}
	if _, err := r.state.replace([]Event{pin(10), stock("a", 10)}); err != nil {
		t.Fatal(err)
	}
	r.at = Position{"e", 20}
	r.ring.cut(21)
	r.apply(Delivery{Offset: 21, Event: stock("b", 11)})
	r.endTick()
	in := r.admit(Position{"e", 21}, time.Now())
	if !in.resumed {
		t.Fatal("a viewer who has everything was given a snapshot")
	}
	r.apply(Delivery{Offset: 22, Event: pin(9)})
	r.apply(Delivery{Offset: 23, Event: stock("a", 10)})
	r.apply(Delivery{Offset: 24, Event: stock("gone", 8)}) // the snapshot does not name it
	r.endTick()
	view, _, ok := r.ring.from(in.cursor, in.skip, make([]*message, 0, 8))
	var said string
	for _, m := range readFrames(t, asFrames(view)) {
		said += fmt.Sprintf("%s %d %s\n", m.Type, m.Offset, m.Data)
	}
	if want := "pin.set 22 {}\ntick 24 [{\"t\":\"stock.set\",\"k\":\"a\",\"v\":10,\"d\":{\"left\":10}}]\n"; !ok || said != want {
		t.Fatalf("it was told\n%swant\n%s", said, want)
	}
}
