package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/cmd/rialto/bridge"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/chat"
)

// spoke is a line as the bus remembers it.
func spoke(t *testing.T, subject, name string, at int64) realtime.Event {
	t.Helper()
	line := chat.Line{ID: commerce.NewID[commerce.LineID]().String(), Subject: subject, Name: name, Role: "viewer", Text: "hello", At: at}
	data, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	return realtime.Event{Type: chat.TypeLine, Class: realtime.Sampled, ID: line.ID, By: subject, Keep: true, Data: data}
}

func aGuest() string { return commerce.NewID[commerce.GuestID]().String() }

// orders is somebody in charge at the chat box of a show, where these have spoken.
func (w *world) orders(id commerce.ShowID, who account.Session, recent ...realtime.Event) func(text string) (did, code string) {
	do := w.calls(id, who, recent...)
	return func(text string) (did, code string) { return do("", text) }
}

// calls is the same with the ids of the calls.
func (w *world) calls(id commerce.ShowID, who account.Session, recent ...realtime.Event) func(call, text string) (did, code string) {
	c := bridge.Commands{Pool: w.db, Wrote: func() {}, Recent: func(context.Context, realtime.RoomID) ([]realtime.Event, error) { return recent, nil }}
	return func(call, text string) (did, code string) {
		w.t.Helper()
		did, err := c.Do(w.t.Context(), realtime.Caller{
			Room: realtime.RoomID(id.String()), Call: call,
			Identity: realtime.Identity{Subject: who.Account.ID.String(), Session: who.ID.String(), Role: realtime.RoleModerator},
		}, text)
		var refused *realtime.CallError
		if errors.As(err, &refused) {
			return refused.Detail, refused.Code
		}
		if err != nil {
			w.t.Error(err)
		}
		return did, ""
	}
}

// A command whose answer was lost is sent again: by then somebody may have done what it would undo, or whom it names is
// known by no line any more.
func TestACommandThatIsSentAgain(t *testing.T) {
	w := newWorld(t)
	id, ana := w.newShow(w.mara), aGuest()
	do := w.calls(id, w.mara, spoke(t, ana, "Ana", 1))
	later := w.calls(id, w.mara) // what was said is forgotten
	const ask, other = "/poll One? | yes | no", "/poll Two? | yes | no"
	first := map[string]string{}
	for _, text := range []string{ask, "/endpoll", "/slow 30", "/announce Soon", "/ban ana"} {
		did, code := do(text[1:4], text)
		if code != "" || did == "" {
			t.Fatalf("%s: %q %q", text, did, code)
		}
		first[text] = did
	}
	for _, text := range []string{other, "/slow off", "/announce off"} {
		if did, code := do("", text); code != "" {
			t.Fatalf("%s: %q %q", text, did, code)
		}
	}
	entries := w.count(`select count(*) from talk_audit where show = $1`, id)
	for text, did := range first {
		if again, code := later(text[1:4], text); code != "" || again != did {
			t.Errorf("%s again: %q %q, want %q", text, again, code, did)
		}
	}
	p, err := community.NewestPoll(t.Context(), w.db, id)
	if err != nil || p.Question != "Two?" || p.State != community.PollIsOpen {
		t.Errorf("poll %+v, %v", p, err)
	}
	if n := w.count(`select count(*) from talk_audit where show = $1`, id); n != entries {
		t.Errorf("%d entries in the log, %d before", n, entries)
	}
	// Another person's call of the same id is another call, and so is one in another show, and one that was refused.
	mod, elsewhere := w.signUp("mod", account.Viewer), w.newShow(w.mara)
	w.on(id, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		return community.AddModerator(ctx, tx, w.mara.Account, s, "mod@example.com")
	})
	if did, code := w.calls(id, mod)("slo", "/slow 10"); code != "" || did == first["/slow 30"] {
		t.Errorf("of somebody else: %q %q", did, code)
	}
	if did, code := w.calls(elsewhere, w.mara)("slo", "/slow 20"); code != "" || did == first["/slow 30"] {
		t.Errorf("elsewhere: %q %q", did, code)
	}
	if _, code := later("tim", "/timeout bea 5"); code != chat.CodeCommandInvalid {
		t.Errorf("of nobody: %q", code)
	}
	if _, code := w.calls(id, w.mara, spoke(t, aGuest(), "Bea", 1))("tim", "/timeout bea 5"); code != "" {
		t.Errorf("of somebody who has spoken since: %q", code)
	}
}

// The page is back before its old connection is known to be gone: both calls are at work at once.
func TestACommandTwiceAtOnce(t *testing.T) {
	w := newWorld(t)
	id := w.newShow(w.mara)
	do := w.calls(id, w.mara)
	var both sync.WaitGroup
	for range 8 {
		both.Go(func() {
			if did, code := do("once", "/poll One? | yes | no"); code != "" {
				t.Errorf("%q %q", did, code)
			}
		})
	}
	both.Wait()
	if n := w.count(`select count(*) from poll where show = $1`, id); n != 1 {
		t.Errorf("%d polls", n)
	}
}

// A name is what people read: whoever hides something in theirs, or calls themselves by the id of somebody else, is not
// taken for nobody, nor for the other one.
func TestWhomACommandNames(t *testing.T) {
	w := newWorld(t)
	id := w.newShow(w.mara)
	ana, twin, hidden, at, plain, thief, victim := aGuest(), aGuest(), aGuest(), aGuest(), aGuest(), aGuest(), aGuest()
	do := w.orders(id, w.mara,
		spoke(t, ana, "Ana", 1), spoke(t, twin, "an\u200ba", 2), spoke(t, hidden, "Ｂ\u2060ob", 3),
		spoke(t, at, "@cy", 4), spoke(t, plain, "cy", 5), spoke(t, thief, victim, 6))
	for _, c := range []struct{ text, code, words string }{
		{"/ban ana", chat.CodeCommandInvalid, "2 people"}, {"/ban @ana", chat.CodeCommandInvalid, "2 people"},
		{"/timeout bob 5", "", "(" + hidden + ") says nothing for 5 min"},
		{"/ban @cy", chat.CodeCommandInvalid, "2 people"}, {"/ban cy", "", "(" + plain + ") is banned"},
		{"/ban " + victim, chat.CodeCommandInvalid, "Somebody else"}, {"/ban " + ana, "", "(" + ana + ") is banned"},
	} {
		if did, code := do(c.text); code != c.code || !strings.Contains(did, c.words) {
			t.Errorf("%s: %q %q, want %q with %q", c.text, code, did, c.code, c.words)
		}
	}
	for subject, want := range map[string]error{ana: community.ErrBanned, plain: community.ErrBanned, twin: nil, at: nil, thief: nil, victim: nil} {
		if err := community.Check(t.Context(), w.db, id, subject); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", subject, err, want)
		}
	}
}

// A moderator who is silenced commands nothing, and is told until when.
func TestASilencedModeratorCommandsNothing(t *testing.T) {
	w := newWorld(t)
	id, mod := w.newShow(w.mara), w.signUp("mod", account.Viewer)
	w.on(id, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		return community.AddModerator(ctx, tx, w.mara.Account, s, "mod@example.com")
	})
	do := w.orders(id, mod)
	if did, code := do("/unpin"); code != "" {
		t.Errorf("%q %q", code, did)
	}
	w.on(id, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		_, err := community.TimeOut(ctx, tx, w.mara.Account, s, community.Wish{Subject: mod.Account.ID.String()}, 600)
		return err
	})
	for _, text := range []string{"/unpin", "/slow off", "/announce hello"} {
		if did, code := do(text); code != chat.CodeTimedOut {
			t.Errorf("%s: %q %q", text, code, did)
		}
	}
}

// Of who is silent nothing is shown; of who was, nothing from before; and nothing at all from before everybody is named.
func TestWhatIsWithdrawn(t *testing.T) {
	silent, earlier, other := aGuest(), aGuest(), aGuest()
	taken := spoke(t, other, "O", 5000)
	data, err := json.Marshal(community.LinesGone{Lines: []string{taken.ID}, Authors: []string{silent}, Earlier: []community.Gone{{Subject: earlier, Before: 2000}}, Before: 1000})
	if err != nil {
		t.Fatal(err)
	}
	gone, ok := bridge.Withdrawn(realtime.Event{Type: "lines.gone", Key: "talk", Data: data})
	if !ok {
		t.Fatal("it is not read")
	}
	for name, c := range map[string]struct {
		line realtime.Event
		want bool
	}{
		"a line that was taken back": {taken, true}, "of who is silent": {spoke(t, silent, "S", 9000), true},
		"of who was, before": {spoke(t, earlier, "E", 1999), true}, "and after": {spoke(t, earlier, "E", 2000), false},
		"of somebody, before": {spoke(t, other, "O", 999), true}, "and later": {spoke(t, other, "O", 1000), false},
	} {
		if got := gone(c.line); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if _, ok := bridge.Withdrawn(realtime.Event{Type: "talk.set", Key: "talk", Data: []byte(`{}`)}); ok {
		t.Error("the rules take something back")
	}
}

// A line is known while the bus remembers it, in its own show.
func TestALineThatWasSaid(t *testing.T) {
	first, second := spoke(t, aGuest(), "A", 1), spoke(t, aGuest(), "B", 2)
	show := commerce.NewID[commerce.ShowID]()
	away := false
	said := bridge.Said(func(_ context.Context, room realtime.RoomID) ([]realtime.Event, error) {
		if away {
			return nil, errors.New("the bus is away")
		}
		if room != realtime.RoomID(show.String()) {
			return nil, nil
		}
		return []realtime.Event{first, second}, nil
	})
	id, err := commerce.Parse[commerce.LineID](second.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := said(t.Context(), show, id); got == nil || *got != (community.Line{ID: id, Subject: second.By, Name: "B", Text: "hello", Known: true}) {
		t.Errorf("%+v", got)
	}
	if got := said(t.Context(), show, commerce.NewID[commerce.LineID]()); got != nil {
		t.Errorf("of another line: %+v", got)
	}
	if got := said(t.Context(), commerce.NewID[commerce.ShowID](), id); got != nil {
		t.Errorf("in another show: %+v", got)
	}
	if away = true; said(t.Context(), show, id) != nil {
		t.Error("without the bus")
	}
}
