package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/realtime"
)

// ruled is a world with rules, which count how often they are read.
type ruledWorld struct {
	*world
	mu     sync.Mutex
	rules  Rules
	failed error
	reads  int
	calls  int
}

func newRuledWorld(t *testing.T) *ruledWorld {
	t.Helper()
	w := &ruledWorld{world: newWorld(t)}
	w.chat.cfg.Rules = func(_ context.Context, room realtime.RoomID) (Rules, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.reads++
		return w.rules, w.failed
	}
	return w
}

func (w *ruledWorld) lay(rules Rules, failed error) {
	w.mu.Lock()
	w.rules, w.failed = rules, failed
	w.mu.Unlock()
	w.chat.Reread("shw_1")
}

// tries says something new.
func (w *ruledWorld) tries(n int, role realtime.Role) (code string, wait time.Duration) {
	w.t.Helper()
	w.calls++
	from := somebody(n)
	from.Role, from.Call = role, fmt.Sprint("call", w.calls)
	_, code, wait = w.say(from, "hello")
	return code, wait
}

func TestSlowMode(t *testing.T) {
	w := newRuledWorld(t)
	if code, _ := w.tries(1, realtime.RoleViewer); code != "" {
		t.Fatal(code)
	}
	w.after(time.Second)
	w.lay(Rules{Slow: 10 * time.Second}, nil)
	if code, wait := w.tries(1, realtime.RoleViewer); code != CodeSlowMode || wait != 9*time.Second {
		t.Fatalf("a second after a line: %q, wait %v", code, wait)
	}
	for _, role := range []realtime.Role{realtime.RoleHost, realtime.RoleModerator} {
		for range 2 {
			if code, _ := w.tries(2, role); code != "" {
				t.Errorf("%s: %s", role, code)
			}
		}
	}
	for range 2 { // a buyer is as slow as others
		code, _ := w.tries(3, realtime.RoleBuyer)
		if w.calls == 7 && code != "" || w.calls == 8 && code != CodeSlowMode {
			t.Errorf("a buyer's line %d: %q", w.calls, code)
		}
	}
	w.after(9*time.Second - time.Millisecond)
	if code, wait := w.tries(1, realtime.RoleViewer); code != CodeSlowMode || wait != time.Millisecond {
		t.Errorf("a moment early: %q, wait %v", code, wait)
	}
	w.after(time.Millisecond)
	if code, _ := w.tries(1, realtime.RoleViewer); code != "" {
		t.Errorf("after the wait: %s", code)
	}
	other := somebody(1)
	other.Room = "shw_2"
	if _, code, _ := w.say(other, "hello"); code != "" {
		t.Errorf("in another room: %s", code)
	}
}

// A line that could not be cast does not make its author wait.
func TestSlowModeForgetsALostLine(t *testing.T) {
	w := newRuledWorld(t)
	w.lay(Rules{Slow: time.Minute}, nil)
	w.fail(errors.New("the bus is away"))
	if code, _ := w.tries(1, realtime.RoleViewer); code != realtime.CallUnavailable {
		t.Fatal(code)
	}
	w.fail(nil)
	if code, _ := w.tries(1, realtime.RoleViewer); code != "" {
		t.Fatal(code)
	}
}

// Nor does it make them forget that they had spoken before.
func TestSlowModeRemembersTheLineBeforeALostOne(t *testing.T) {
	w := newRuledWorld(t)
	if code, _ := w.tries(1, realtime.RoleViewer); code != "" {
		t.Fatal(code)
	}
	w.after(time.Second)
	w.fail(errors.New("the bus is away"))
	if code, _ := w.tries(1, realtime.RoleViewer); code != realtime.CallUnavailable {
		t.Fatal(code)
	}
	w.fail(nil)
	w.lay(Rules{Slow: 10 * time.Second}, nil)
	if code, wait := w.tries(1, realtime.RoleViewer); code != CodeSlowMode || wait != 9*time.Second {
		t.Errorf("%q, wait %v", code, wait)
	}
}

// A call that is sent again while its line is being cast is the same line, and waits for nothing.
func TestSentAgainWhileItIsCast(t *testing.T) {
	w := newRuledWorld(t)
	w.lay(Rules{Slow: time.Minute}, nil)
	cast := w.chat.cfg.Cast
	for _, lost := range []error{nil, errors.New("the bus is away")} {
		begun, goOn := make(chan struct{}), make(chan struct{})
		first := true
		w.chat.cfg.Cast = func(ctx context.Context, room realtime.RoomID, e realtime.Event) error {
			if !first {
				return cast(ctx, room, e)
			}
			first = false
			close(begun)
			<-goOn
			return lost
		}
		w.calls++
		from := somebody(w.calls)
		codes := make(chan string)
		go func() { _, code, _ := w.say(from, "hello"); codes <- code }()
		<-begun
		if _, code, _ := w.say(from, "hello"); code != "" {
			t.Errorf("sent again: %q", code)
		}
		close(goOn)
		if code := <-codes; (code == "") != (lost == nil) {
			t.Errorf("the first: %q", code)
		}
		if _, code, _ := w.say(from, "hello"); code != "" {
			t.Errorf("sent once more: %q", code)
		}
		from.Call = "another"
		if _, code, _ := w.say(from, "hello"); code != CodeSlowMode {
			t.Errorf("another line: %q", code)
		}
	}
	if n := len(w.cast()); n != 2 {
		t.Errorf("%d lines", n)
	}
}

func TestTimeOut(t *testing.T) {
	w := newRuledWorld(t)
	until := w.now.Add(30 * time.Second)
	w.lay(Rules{TimeOuts: map[string]time.Time{"gst_1": until, "gst_2": until}}, nil)
	if code, wait := w.tries(1, realtime.RoleViewer); code != CodeTimedOut || wait != 30*time.Second {
		t.Errorf("%q, wait %v", code, wait)
	}
	if code, _ := w.tries(2, realtime.RoleModerator); code != CodeTimedOut {
		t.Errorf("a moderator: %q", code)
	}
	if code, _ := w.tries(3, realtime.RoleViewer); code != "" {
		t.Errorf("somebody else: %q", code)
	}
	w.after(30 * time.Second)
	if code, _ := w.tries(1, realtime.RoleViewer); code != "" {
		t.Errorf("afterwards: %q", code)
	}
	if len(w.cast()) != 2 {
		t.Errorf("%d lines", len(w.cast()))
	}
}

func TestWhenRulesAreRead(t *testing.T) {
	w := newRuledWorld(t)
	silent := Rules{TimeOuts: map[string]time.Time{"gst_1": w.now.Add(time.Hour)}}
	expect := func(what, code string, reads int) {
		t.Helper()
		got, _ := w.tries(1, realtime.RoleViewer)
		if got != code || w.reads != reads {
			t.Errorf("%s: %q after %d readings, want %q after %d", what, got, w.reads, code, reads)
		}
	}
	w.lay(Rules{}, errors.New("never read"))
	expect("rules that were never read", "", 1)
	expect("and are not tried at once", "", 1)
	w.lay(silent, nil)
	expect("not even when ordered", "", 1)
	w.after(rulesRest)
	expect("then they are", CodeTimedOut, 2)
	w.after(RulesEvery - time.Millisecond)
	expect("known for a while", CodeTimedOut, 2)
	w.after(time.Millisecond)
	expect("read again without an order", CodeTimedOut, 3)
	w.lay(Rules{}, errors.New("away"))
	expect("rules that cannot be read stand", CodeTimedOut, 4)
	w.after(rulesRest)
	w.lay(Rules{}, nil)
	expect("until they can be", "", 5)
	if got := w.gathered("rules_errors_total"); got != 2 {
		t.Errorf("%v failures are counted", got)
	}
}

func (w *world) gathered(name string) (n float64) {
	w.t.Helper()
	families, err := w.counts.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "rialto_realtime_chat_"+name {
			n = f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return n
}

// An order that comes while the rules are being read is not lost on those who wait.
func TestOrderDuringAReading(t *testing.T) {
	w := newWorld(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	var reads int
	var mu sync.Mutex
	w.chat.cfg.Rules = func(context.Context, realtime.RoomID) (Rules, error) {
		mu.Lock()
		reads++
		first := reads == 1
		mu.Unlock()
		if first {
			close(begun)
			<-goOn
			return Rules{}, nil // as they were before
		}
		return Rules{TimeOuts: map[string]time.Time{"gst_1": time.Unix(2_000_000_000, 0)}}, nil
	}
	codes := make(chan string)
	for i := range 3 {
		from := somebody(1)
		from.Call = fmt.Sprint(i)
		go func() { _, code, _ := w.say(from, "hello"); codes <- code }()
	}
	<-begun
	w.chat.Reread("shw_1")
	close(goOn)
	for range 3 {
		if code := <-codes; code != CodeTimedOut {
			t.Errorf("%q", code)
		}
	}
	if reads != 2 {
		t.Errorf("%d readings", reads)
	}
}

func TestCommandsAreNeverSaid(t *testing.T) {
	w := newWorld(t)
	var got []string
	w.chat.cfg.Command = func(_ context.Context, from realtime.Caller, text string) (string, error) {
		got = append(got, from.Role.String()+" "+text)
		if text == "/no" {
			return "", refuse(CodeCommandInvalid, "No.")
		}
		return "Done.", nil
	}
	from := somebody(1)
	for _, c := range []struct {
		role       realtime.Role
		text, code string
	}{
		{realtime.RoleViewer, "/pin 1", CodeCommandInvalid}, {realtime.RoleBuyer, " \u200b/pin 1", CodeCommandInvalid},
		{realtime.RoleHost, " \u200b/pin  1 ", ""}, {realtime.RoleModerator, "/no", CodeCommandInvalid},
		{realtime.RoleHost, "/" + strings.Repeat("ü", MaxCommand-1), ""}, {realtime.RoleHost, "/" + strings.Repeat("ü", MaxCommand), CodeTextTooLong},
	} {
		from.Role = c.role
		if id, code, _ := w.say(from, c.text); code != c.code || id != "" {
			t.Errorf("%.20q of a %s: %q, line %q", c.text, c.role, code, id)
		}
	}
	if len(w.cast()) != 0 || len(got) != 3 || got[0] != "host /pin 1" {
		t.Errorf("%d lines, commands %.40q", len(w.cast()), got)
	}
	for range LineBurst {
		w.say(from, "/pin 1")
	}
	if _, code, wait := w.say(from, "/pin 1"); code != CodeTooOften || wait <= 0 {
		t.Errorf("past the burst: %q", code)
	}
	alone, err := New(Config{Cast: w.chat.cfg.Cast, Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	w.chat = alone
	if _, code, _ := w.say(from, "/pin 1"); code != CodeCommandInvalid {
		t.Errorf("without commands: %q", code)
	}
}
