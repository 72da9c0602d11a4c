package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/chat"
	"github.com/rialto-live/rialto/realtime/ws"
)

// tries says something, and answers what it did or the code of the refusal.
func (v *voice) tries(text string) (did, code string) {
	v.t.Helper()
	time.Sleep(time.Second / ws.MessagesPerSec) // whoever asks again and again would be closed
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	raw, err := v.Call(ctx, chat.CallSay, map[string]string{"text": text})
	var refused *realtime.CallError
	if errors.As(err, &refused) {
		return refused.Detail, refused.Code
	}
	if err != nil {
		v.t.Fatal(err)
	}
	var said chat.Said
	if err := json.Unmarshal(raw, &said); err != nil {
		v.t.Fatal(err)
	}
	return said.Did, ""
}

// did carries out a command and wants these words in the answer.
func (v *voice) did(command, code, words string) {
	v.t.Helper()
	var did, got string
	eventually(v.t, command+" is not too often", func() bool { did, got = v.tries(command); return got != chat.CodeTooOften })
	if got != code || !strings.Contains(did, words) {
		v.t.Errorf("%s: %q %q, want %q with %q", command, got, did, code, words)
	}
}

// remembered is what somebody who comes now is shown of the chat, on a node.
func (n *running) remembered(show string, lines ...string) {
	n.market.t.Helper()
	eventually(n.market.t, "who joins is shown this and no more", func() bool {
		late := n.guest().speak(show, false)
		late.mu.Lock()
		defer late.mu.Unlock()
		return slices.Equal(late.lines, lines)
	})
}

// The hand of somebody in charge reaches the chat of every node, and those who join on either are not shown what was
// taken back, also after the time-out.
func TestTimeOutSilencesOnTheOtherNode(t *testing.T) {
	a, b := newMarket(t).pair()
	mara := a.signUp("mara", "creator")
	show := mara.newShow()
	rude := b.guest()
	loud, host := rude.speak(show, false), mara.speak(show, false)
	name := "Guest " + rude.subject[len(rude.subject)-4:]
	loud.says("buy it elsewhere")
	host.says("welcome")
	both := []string{"viewer " + name + ": buy it elsewhere", "host mara: welcome"}
	host.hears(both...)
	for _, n := range []*running{a, b} {
		n.remembered(show, both...)
	}

	timeout := "/shows/" + show + "/timeouts/" + rude.subject
	mara.want(http.StatusOK, "", http.MethodPut, timeout, map[string]any{"seconds": 600, "name": name, "reason": "spam"})
	eventually(t, "the other node is silent", func() bool {
		_, code := loud.tries("and again")
		return code == chat.CodeTimedOut
	})
	for _, n := range []*running{a, b} {
		n.remembered(show, "host mara: welcome")
	}
	mara.want(http.StatusNoContent, "", http.MethodDelete, timeout, nil)
	for _, page := range []*voice{host, loud} {
		eventually(t, "both nodes know that the guest may speak", func() bool {
			var gone community.LinesGone
			e, ok := page.Get("lines.gone", "talk")
			return ok && json.Unmarshal(e.Data, &gone) == nil && len(gone.Earlier) == 1 && gone.Earlier[0].Before <= time.Now().UnixMilli()
		})
	}
	eventually(t, "the guest speaks again", func() bool {
		_, code := loud.tries("sorry")
		return code == ""
	})
	for _, n := range []*running{a, b} {
		n.remembered(show, "host mara: welcome", "viewer "+name+": sorry")
	}

	// A single line, by its id; the host waits for nobody, and slow mode for nobody else.
	var welcome chat.Line
	eventually(t, "the welcome is remembered", func() bool {
		recent, err := b.bus.Recent(t.Context(), realtime.RoomID(show))
		return err == nil && slices.ContainsFunc(recent, func(e realtime.Event) bool {
			return e.Type == chat.TypeLine && json.Unmarshal(e.Data, &welcome) == nil && welcome.Text == "welcome"
		})
	})
	mara.at(b).want(http.StatusNoContent, "", http.MethodDelete, "/shows/"+show+"/lines/"+welcome.ID,
		map[string]any{"subject": welcome.Subject, "name": welcome.Name, "text": welcome.Text})
	for _, n := range []*running{a, b} {
		n.remembered(show, "viewer "+name+": sorry")
	}
	mara.want(http.StatusNoContent, "", http.MethodPut, "/shows/"+show+"/talk", map[string]any{"slow_seconds": 600})
	eventually(t, "slow mode reaches the other node", func() bool {
		_, code := loud.tries("quick")
		return code == chat.CodeSlowMode
	})
	host.says("I may")
}

// What is written into the chat box by those in charge is done, and by nobody else.
func TestCommandsInTheChatBox(t *testing.T) {
	a, b := newMarket(t).pair()
	mara, mod := a.signUp("mara", "creator"), b.signUp("mod", "viewer")
	show := mara.newShow()
	pan := mara.sell(show, 3)
	viewer := b.guest().speak(show, false)
	wasNobody := mod.speak(show, false)
	wasNobody.did("/slow 5", chat.CodeCommandInvalid, "for the host and the moderators")
	mara.want(http.StatusOK, "", http.MethodPut, "/shows/"+show+"/moderators/mod@example.com", nil)
	// Their open page joins again by itself, as a moderator.
	eventually(t, "the moderator is one", func() bool { _, code := wasNobody.tries("/help"); return code == "" })
	host, moderator := mara.speak(show, false), wasNobody

	viewer.did("/pin 1", chat.CodeCommandInvalid, "")
	host.did("/help", "", "/poll")
	host.did("/pin 2", chat.CodeCommandInvalid, "1 rows")
	host.did("/pin", chat.CodeCommandInvalid, "number")
	host.did("/pin 1", "", "Pinned")
	page := b.guest().join(show)
	page.await("the pan is pinned", func(s *seat) bool {
		var pin struct{ Product string }
		return s.now("pin.set", "pin", &pin) && pin.Product == pan.product
	})
	moderator.did("/unpin", "", "Nothing")
	moderator.did("/slow 5", "", "5 s")
	moderator.did("/announce Back at eight", "", "Announced")
	page.await("the announcement is there", func(s *seat) bool {
		var set struct{ Text, Name string }
		return s.now("announcement.set", "talk", &set) && set.Text == "Back at eight" && set.Name == "mod"
	})
	host.did("/poll Which pan? | Copper | Iron", "", "60 seconds")
	host.did("/poll One | Two", chat.CodeCommandInvalid, "/poll QUESTION")
	page.await("the poll is open", func(s *seat) bool {
		var set struct{ State string }
		return s.now("poll.set", "poll", &set) && set.State == "open"
	})
	moderator.did("/endpoll", "", "Votes: 0")
	moderator.did("/dance", chat.CodeCommandInvalid, "/help")

	// A socket keeps the role it joined with; commerce does not go by it.
	if _, err := a.market.db.Exec(t.Context(), `delete from show_moderator`); err != nil {
		t.Fatal(err)
	}
	moderator.did("/slow off", chat.CodeCommandInvalid, "belongs to somebody else")
}

// Names are not unique: a command that names two people is not carried out.
func TestNamesakesInCommands(t *testing.T) {
	a, b := newMarket(t).pair()
	mara := a.signUp("mara", "creator")
	show := mara.newShow()
	twins := []*person{a.signUp("one", "viewer"), b.signUp("two", "viewer")}
	var pages []*voice
	for _, twin := range twins {
		twin.want(http.StatusOK, "", http.MethodPatch, "/me", map[string]any{"name": "Twin Peak"})
		page := twin.speak(show, false)
		page.says("hello")
		pages = append(pages, page)
	}
	host := mara.speak(show, false)
	eventually(t, "both are heard", func() bool { host.mu.Lock(); defer host.mu.Unlock(); return len(host.lines) == 2 })
	host.did("/ban nobody", chat.CodeCommandInvalid, "has spoken lately")
	host.did("/timeout twin peak 10", chat.CodeCommandInvalid, "/timeout "+twins[0].subject+" 10")
	host.did("/timeout "+twins[0].subject+" 10", "", "Twin Peak ("+twins[0].subject+") says nothing for 10 min")
	eventually(t, "one of them is silent", func() bool { _, code := pages[0].tries("hm"); return code == chat.CodeTimedOut })
	if _, code := pages[1].tries("me not"); code != "" {
		t.Errorf("the other one: %s", code)
	}
	host.did("/ban mara", chat.CodeCommandInvalid, "")
	if n := a.market.count(`select count(*) from talk_audit where action = 'timed_out' and subject = '` + twins[0].subject + `'`); n != 1 {
		t.Errorf("%d rows in the audit log", n)
	}
}

// A poll that was opened on a node that dies is closed by another, with every vote.
func TestPollOutlivesItsNode(t *testing.T) {
	a, b := newMarket(t).pair()
	mara := a.signUp("mara", "creator")
	show := mara.newShow()
	page := b.guest().join(show)
	poll := "/shows/" + show + "/polls/" + commerce.NewID[commerce.PollID]().String()
	mara.want(http.StatusCreated, "", http.MethodPut, poll, map[string]any{"question": "Which pan?", "choices": []string{"Copper", "Iron"}, "seconds": 3600})
	for i := range 5 {
		a.guest().want(http.StatusNoContent, "", http.MethodPut, poll+"/vote", map[string]any{"choice": i % 2})
	}
	a.stop()
	if _, err := a.market.db.Exec(t.Context(), `update poll set ends_at = clock_timestamp()`); err != nil {
		t.Fatal(err)
	}
	page.await("the poll is closed with every vote", func(s *seat) bool {
		var set struct{ State string }
		var votes struct{ Counts []int }
		return s.now("poll.set", "poll", &set) && set.State == "closed" && s.now("poll.votes", "poll", &votes) && slices.Equal(votes.Counts, []int{3, 2})
	})
	a.market.clean(b)
}
