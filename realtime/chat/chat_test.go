package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/realtime"
)

// world is a chat whose casts are kept and whose clock stands still.
type world struct {
	t      *testing.T
	chat   *Chat
	counts *prometheus.Registry
	mu     sync.Mutex
	now    time.Time
	casts  []realtime.Event
	failed error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, counts: prometheus.NewRegistry(), now: time.Unix(1_700_000_000, 0)}
	var err error
	w.chat, err = New(Config{
		Metrics: w.counts,
		Now:     func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
		Cast: func(_ context.Context, room realtime.RoomID, e realtime.Event) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if err := errors.Join(room.Validate(), e.Validate()); err != nil {
				t.Errorf("cast: %v", err)
			}
			if w.failed == nil {
				w.casts = append(w.casts, e)
			}
			return w.failed
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) after(d time.Duration) { w.mu.Lock(); w.now = w.now.Add(d); w.mu.Unlock() }

func (w *world) fail(err error) { w.mu.Lock(); w.failed = err; w.mu.Unlock() }

func (w *world) cast() []realtime.Event { w.mu.Lock(); defer w.mu.Unlock(); return w.casts }

// counted is a counter of chat's, for one reason.
func (w *world) counted(name, reason string) (n float64) {
	w.t.Helper()
	families, err := w.counts.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "rialto_realtime_chat_"+name && m.GetLabel()[0].GetValue() == reason {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

func somebody(n int) realtime.Caller {
	return realtime.Caller{Room: "shw_1", Call: "1", Identity: realtime.Identity{Subject: fmt.Sprint("gst_", n), Name: "Guest"}}
}

// say returns the code of the refusal, "" when there was none.
func (w *world) say(from realtime.Caller, text string) (id, code string, wait time.Duration) {
	w.t.Helper()
	data, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := w.chat.Call(context.Background(), from, CallSay, data)
	var refused *realtime.CallError
	switch {
	case errors.As(err, &refused):
		if refused.Detail == "" {
			w.t.Errorf("%s without a word of explanation", refused.Code)
		}
		return "", refused.Code, refused.RetryAfter
	case err != nil:
		return "", realtime.CallUnavailable, 0
	}
	return answer.(Said).ID, "", 0
}

func (w *world) line(i int) (l Line) {
	w.t.Helper()
	if err := json.Unmarshal(w.cast()[i].Data, &l); err != nil {
		w.t.Fatal(err)
	}
	return l
}

func TestALine(t *testing.T) {
	w := newWorld(t)
	from := somebody(1)
	from.Name, from.Role = "Mara", realtime.RoleHost
	id, code, _ := w.say(from, "  hello <b>everybody</b> ")
	want := Line{ID: id, Subject: "gst_1", Name: "Mara", Role: "host", Text: "hello <b>everybody</b>", At: 1_700_000_000_000}
	if got := w.line(0); code != "" || got != want {
		t.Fatalf("%s: %+v, want %+v", code, got, want)
	}
	e := w.cast()[0]
	if e.Type != "chat.line" || e.Class != realtime.Sampled || !e.Keep || !e.Priority || e.ID != id || strings.Contains(string(e.Data), `\u003c`) {
		t.Fatalf("%+v %s", e, e.Data)
	}
	w.say(somebody(2), "hello")
	if e := w.cast()[1]; e.Priority || w.line(1).Role != "viewer" {
		t.Fatalf("a viewer goes first: %+v", e)
	}
}

// TestLargestLine: everything at its limit is still an event that can be cast.
func TestLargestLine(t *testing.T) {
	w := newWorld(t)
	from := somebody(1)
	from.Name = strings.Repeat("\u2028", 80)
	from.Subject = "gst_" + strings.Repeat("f", 32)
	for _, letter := range []string{"🦊", `"`, `\`, "<"} {
		if _, code, _ := w.say(from, strings.Repeat(letter, MaxText)); code != "" {
			t.Errorf("%s: %s", letter, code)
		}
		from.Call += "1"
	}
}

func TestSameCallIsTheSameLine(t *testing.T) {
	w := newWorld(t)
	first, _, _ := w.say(somebody(1), "hello")
	for range 2 * LineBurst { // and it costs nothing
		if again, code, _ := w.say(somebody(1), "hello"); again != first || code != "" {
			t.Fatalf("again: %s %s, want %s", again, code, first)
		}
	}
	if len(w.cast()) != 1 {
		t.Fatalf("%d casts", len(w.cast()))
	}
	others := map[string]realtime.Caller{"person": somebody(2), "call": somebody(1), "room": somebody(1), "no call": somebody(1)}
	change := func(name string, f func(*realtime.Caller)) { c := others[name]; f(&c); others[name] = c }
	change("call", func(c *realtime.Caller) { c.Call = "2" })
	change("room", func(c *realtime.Caller) { c.Room = "shw_2" })
	change("no call", func(c *realtime.Caller) { c.Call = "" })
	seen := map[string]bool{first: true}
	for name, from := range others {
		id, code, _ := w.say(from, "hello")
		if code != "" || seen[id] {
			t.Errorf("another %s: %s %s", name, id, code)
		}
		seen[id] = true
	}
}

// TestLostCast: what could not be said costs nothing, and may be tried again.
func TestLostCast(t *testing.T) {
	w := newWorld(t)
	w.fail(errors.New("the bus is away"))
	for range 3 * LineBurst {
		if _, code, _ := w.say(somebody(1), "hello"); code != realtime.CallUnavailable {
			t.Fatalf("code %q", code)
		}
	}
	w.fail(nil)
	if _, code, _ := w.say(somebody(1), "hello"); code != "" || len(w.cast()) != 1 {
		t.Fatalf("code %q, %d casts", code, len(w.cast()))
	}
}

func TestPaceOfAnAuthor(t *testing.T) {
	w := newWorld(t)
	said := 0
	say := func(n int) (code string, wait time.Duration) {
		from := somebody(n)
		said++
		from.Call = fmt.Sprint(said)
		_, code, wait = w.say(from, "hello")
		return code, wait
	}
	for i := range LineBurst {
		if code, _ := say(1); code != "" {
			t.Fatalf("line %d of the burst: %s", i+1, code)
		}
	}
	for range 3 { // trying does not prolong the wait
		if code, wait := say(1); code != CodeTooOften || wait != LineEvery {
			t.Fatalf("one past it: %q, wait %v", code, wait)
		}
	}
	if code, _ := say(2); code != "" {
		t.Fatalf("somebody else: %s", code)
	}
	w.after(LineEvery - time.Millisecond)
	if code, wait := say(1); code != CodeTooOften || wait != time.Millisecond {
		t.Fatalf("a moment early: %q, wait %v", code, wait)
	}
	w.after(time.Millisecond)
	if code, _ := say(1); code != "" {
		t.Fatalf("after the wait: %s", code)
	}
	if code, _ := say(1); code != CodeTooOften {
		t.Fatalf("two after the wait: %q", code)
	}
	w.after(time.Hour) // a whole burst again, and not more
	for range LineBurst {
		if code, _ := say(1); code != "" {
			t.Fatal(code)
		}
	}
	if code, _ := say(1); code != CodeTooOften {
		t.Fatalf("past the second burst: %q", code)
	}
}

func TestQuotaOfARoom(t *testing.T) {
	w := newWorld(t)
	people := 0
	say := func(role realtime.Role, room realtime.RoomID) (code string, wait time.Duration) {
		people++
		from := somebody(people)
		from.Role, from.Room = role, room
		_, code, wait = w.say(from, "hello")
		return code, wait
	}
	many := func(role realtime.Role, n int) {
		t.Helper()
		for i := range n {
			if code, _ := say(role, "shw_1"); code != "" {
				t.Fatalf("%s %d of %d: %s", role, i+1, n, code)
			}
		}
	}
	busy := func(role realtime.Role) {
		t.Helper()
		if code, wait := say(role, "shw_1"); code != CodeRoomBusy || wait <= 0 || wait > RoomWindow {
			t.Fatalf("%s past the quota: %q, wait %v", role, code, wait)
		}
	}
	many(realtime.RoleViewer, RoomLines-RoomReserved)
	busy(realtime.RoleViewer)
	many(realtime.RoleBuyer, RoomReserved-2)
	many(realtime.RoleModerator, 1)
	many(realtime.RoleHost, 1)
	busy(realtime.RoleHost)
	if code, _ := say(realtime.RoleViewer, "shw_2"); code != "" {
		t.Fatalf("another room: %s", code)
	}
	w.after(RoomWindow)
	many(realtime.RoleHost, RoomLines) // all places may be theirs
	busy(realtime.RoleViewer)
	if got := w.counted("refused_total", CodeRoomBusy); got != 3 {
		t.Errorf("%v refusals are counted, want 3", got)
	}
	// Who was refused by the room has lost nothing of their own.
	w.after(RoomWindow)
	from := somebody(people)
	for i := range LineBurst {
		from.Call = fmt.Sprint("again", i)
		if _, code, _ := w.say(from, "hello"); code != "" {
			t.Fatalf("line %d: %s", i+1, code)
		}
	}
}

func TestBadCalls(t *testing.T) {
	w := newWorld(t)
	nobody := realtime.Caller{Room: "shw_1", Call: "1"}
	for name, c := range map[string]struct {
		from       realtime.Caller
		call, data string
		want       string
	}{
		"nobody":          {nobody, CallSay, `{"text":"hello"}`, CodeNoIdentity},
		"no data":         {somebody(1), CallSay, ``, realtime.CallInvalid},
		"null":            {somebody(1), CallSay, `null`, realtime.CallInvalid},
		"no text":         {somebody(1), CallSay, `{}`, realtime.CallInvalid},
		"a number":        {somebody(1), CallSay, `{"text":5}`, realtime.CallInvalid},
		"empty":           {somebody(1), CallSay, `{"text":" \n "}`, CodeTextEmpty},
		"long":            {somebody(1), CallSay, `{"text":"` + strings.Repeat("x", MaxText+1) + `"}`, CodeTextTooLong},
		"hearts: none":    {somebody(1), CallHearts, `{"count":0}`, realtime.CallInvalid},
		"hearts: many":    {somebody(1), CallHearts, fmt.Sprintf(`{"count":%d}`, MaxHearts+1), realtime.CallInvalid},
		"hearts: half":    {somebody(1), CallHearts, `{"count":1.5}`, realtime.CallInvalid},
		"hearts: no data": {somebody(1), CallHearts, ``, realtime.CallInvalid},
		"another":         {somebody(1), "chat.sing", `{}`, realtime.CallUnknown},
	} {
		_, err := w.chat.Call(context.Background(), c.from, c.call, json.RawMessage(c.data))
		var refused *realtime.CallError
		if !errors.As(err, &refused) || refused.Code != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if len(w.cast()) != 0 {
		t.Errorf("cast %v", w.cast())
	}
}

func (w *world) heart(from realtime.Caller, n int) {
	w.t.Helper()
	if _, err := w.chat.Call(context.Background(), from, CallHearts, json.RawMessage(fmt.Sprintf(`{"count":%d}`, n))); err != nil {
		w.t.Fatal(err)
	}
}

func TestHeartsAreAddedUp(t *testing.T) {
	w := newWorld(t)
	for n := range 50 {
		w.heart(somebody(n), 2)
	}
	w.heart(realtime.Caller{Room: "shw_1"}, 3) // nobody known may be happy too
	if len(w.cast()) != 0 {
		t.Fatalf("hearts were cast one by one: %v", w.cast())
	}
	if err := w.chat.beat(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := w.cast(); len(got) != 1 || got[0].Type != "hearts" || got[0].Add != 103 {
		t.Fatalf("cast %+v", got)
	}
	if err := w.chat.beat(context.Background()); err != nil || len(w.cast()) != 1 {
		t.Fatalf("silence was cast: %+v, %v", w.cast(), err)
	}
}

func TestPaceOfHearts(t *testing.T) {
	w := newWorld(t)
	for range HeartBurst/MaxHearts + 2 {
		w.heart(somebody(1), MaxHearts)
	}
	if got := w.chat.hearts["shw_1"]; got != HeartBurst {
		t.Fatalf("%d hearts at once, want %d", got, HeartBurst)
	}
	w.after(3*HeartEvery + HeartEvery/2)
	w.heart(somebody(1), MaxHearts)
	if got := w.chat.hearts["shw_1"]; got != HeartBurst+3 {
		t.Fatalf("%d hearts after a while, want %d", got, HeartBurst+3)
	}
	if got := w.counted("hearts_dropped_total", dropTooMany); got != 2*MaxHearts+MaxHearts-3 {
		t.Errorf("%v hearts are counted as left out", got)
	}
}

// TestRunCastsHearts: by itself, and it goes on after the bus was away.
func TestRunCastsHearts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- w.chat.Run(ctx) }()
		w.fail(errors.New("the bus is away"))
		w.heart(somebody(1), 5)
		time.Sleep(heartsEvery)
		synctest.Wait()
		w.fail(nil)
		w.heart(somebody(1), 7)
		time.Sleep(heartsEvery)
		synctest.Wait()
		if got := w.cast(); len(got) != 1 || got[0].Add != 7 {
			t.Errorf("cast %+v", got)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestMemoryIsBounded: at the limit everybody is remembered, and one past it
// the one heard longest ago is not.
func TestMemoryIsBounded(t *testing.T) {
	r := newRecent[int, *author](3)
	fresh := 0
	get := func(key int) { r.get(key, func() *author { fresh++; return &author{} }) }
	for _, key := range []int{1, 2, 3, 1, 2, 3, 1} {
		get(key)
	}
	if fresh != 3 {
		t.Fatalf("%d were made at the limit", fresh)
	}
	get(4) // 2 goes
	get(1)
	get(3)
	if fresh != 4 || len(r.known) != 3 || r.order.Len() != 3 {
		t.Fatalf("%d were made, %d are known", fresh, len(r.known))
	}
	if get(2); fresh != 5 {
		t.Fatal("the one used longest ago is still known")
	}
	w := newWorld(t)
	for n := range MaxRooms + 1 {
		w.heart(realtime.Caller{Room: realtime.RoomID(fmt.Sprint("shw_", n))}, 1)
	}
	if len(w.chat.hearts) != MaxRooms || w.counted("hearts_dropped_total", dropRooms) != 1 {
		t.Fatalf("%d rooms have hearts", len(w.chat.hearts))
	}
}
