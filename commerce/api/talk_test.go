package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
)

func newLine() string     { return commerce.NewID[commerce.LineID]().String() }
func newQuestion() string { return commerce.NewID[commerce.QuestionID]().String() }
func newPoll() string     { return commerce.NewID[commerce.PollID]().String() }

func poll(seconds int) map[string]any {
	return map[string]any{"question": "Which pan next?", "choices": []string{"Copper", "Iron"}, "seconds": seconds}
}

// subject is who the browser's person is.
func (b *browser) subject() string {
	return b.want(200, "", "GET", "/me", nil).body["subject"].(string)
}

// stage is a show with everybody who may have to do with its talk.
type talkers struct {
	*site
	mara, mod, vic, guest *browser
	modID, vicID, guestID string
	base                  string
}

func newTalkers(t *testing.T) *talkers {
	t.Helper()
	s := newSite(t)
	w := &talkers{site: s}
	w.mara, _ = s.signUp("mara", "creator")
	w.mod, w.modID = s.signUp("mod")
	w.vic, w.vicID = s.signUp("vic")
	w.guest = s.guest()
	w.guestID = w.guest.subject()
	w.base = "/shows/" + w.mara.newShow()
	w.mara.want(200, "", "PUT", w.base+"/moderators/mod@example.com", nil)
	return w
}

func TestRulesOverHTTP(t *testing.T) {
	w := newTalkers(t)
	for _, by := range []*browser{w.mara, w.mod} {
		by.want(204, "", "PUT", w.base+"/talk", map[string]any{"slow_seconds": community.MaxSlow})
		by.want(422, "slow_seconds_invalid", "PUT", w.base+"/talk", map[string]any{"slow_seconds": community.MaxSlow + 1})
		by.want(422, "slow_seconds_invalid", "PUT", w.base+"/talk", map[string]any{"slow_seconds": -1})
		by.want(422, "announcement_invalid", "PUT", w.base+"/announcement", map[string]any{"text": strings.Repeat("ü", community.MaxAnnouncement+1)})
		by.want(422, "announcement_invalid", "PUT", w.base+"/announcement", map[string]any{"text": " "})
		by.want(200, "", "PUT", w.base+"/announcement", map[string]any{"text": strings.Repeat("ü", community.MaxAnnouncement)})
		by.want(200, "", "PUT", w.base+"/announcement", map[string]any{"text": " Back  at eight "})
		by.want(204, "", "DELETE", w.base+"/lines/"+newLine(), map[string]any{"subject": w.guestID, "name": "Guest", "text": strings.Repeat("ü", community.MaxLine)})
		by.want(422, "line_invalid", "DELETE", w.base+"/lines/"+newLine(), map[string]any{"subject": w.guestID, "text": strings.Repeat("ü", community.MaxLine+1)})
		by.want(422, "subject_invalid", "DELETE", w.base+"/lines/"+newLine(), map[string]any{"subject": "somebody"})
		by.want(422, "invalid", "DELETE", w.base+"/lines/lin_1", map[string]any{"subject": w.guestID})
	}
	for _, c := range []struct {
		code string
		body map[string]any
		to   string
	}{
		{"timeout_invalid", map[string]any{"seconds": community.MinTimeout - 1}, w.guestID},
		{"timeout_invalid", map[string]any{"seconds": community.MaxTimeout + 1}, w.guestID},
		{"reason_invalid", map[string]any{"seconds": 60, "reason": "a\nb"}, w.guestID},
		{"name_invalid", map[string]any{"seconds": 60, "name": strings.Repeat("n", community.MaxName+1)}, w.guestID},
		{"subject_invalid", map[string]any{"seconds": 60}, "somebody"},
	} {
		w.mod.want(422, c.code, "PUT", w.base+"/timeouts/"+c.to, c.body)
	}
	w.mod.want(404, "account_unknown", "PUT", w.base+"/timeouts/"+commerce.NewID[commerce.AccountID]().String(), map[string]any{"seconds": 60})
	w.mod.want(200, "", "PUT", w.base+"/timeouts/"+w.guestID, map[string]any{"seconds": community.MinTimeout, "name": "Guest"})
	r := w.mod.want(200, "", "PUT", w.base+"/timeouts/"+w.vicID, map[string]any{"seconds": community.MaxTimeout, "name": "not his name", "reason": "spam"})
	if r.body["name"] != "vic" {
		t.Errorf("%s: a page's word goes before ours", r.raw)
	}
	w.mod.want(200, "", "PUT", w.base+"/bans/"+w.vicID, map[string]any{"reason": "more spam"})
	w.mod.want(422, "name_invalid", "PUT", w.base+"/bans/"+w.vicID, map[string]any{"name": "a\x00b"})

	r = w.mod.want(200, "", "GET", w.base+"/talk", nil)
	if len(r.body["moderators"].([]any)) != 1 || len(r.body["timeouts"].([]any)) != 2 || len(r.body["bans"].([]any)) != 1 || r.body["leads"] != true ||
		r.body["announcement"].(map[string]any)["text"] != "Back at eight" || r.body["slow_seconds"] != float64(community.MaxSlow) || r.body["poll"] != nil {
		t.Errorf("for a moderator: %s", r.raw)
	}
	for _, by := range []*browser{w.guest, w.browser()} {
		r = by.want(200, "", "GET", w.base+"/talk", nil)
		if strings.Contains(string(r.raw), "vic") || strings.Contains(string(r.raw), "@") || r.body["leads"] != false || r.body["announcement"] == nil {
			t.Errorf("for a viewer: %s", r.raw)
		}
	}
	w.mod.want(204, "", "DELETE", w.base+"/timeouts/"+w.vicID, nil)
	w.mod.want(204, "", "DELETE", w.base+"/announcement", nil)
	w.mod.want(204, "", "DELETE", w.base+"/announcement", nil)
	if r := w.guest.want(200, "", "GET", w.base+"/talk", nil); r.body["announcement"] != nil {
		t.Errorf("%s", r.raw)
	}
}

func TestModeratorsOverHTTP(t *testing.T) {
	w := newTalkers(t)
	w.mara.want(409, "moderator_is_creator", "PUT", w.base+"/moderators/mara@example.com", nil)
	w.mara.want(404, "account_unknown", "PUT", w.base+"/moderators/nobody@example.com", nil)
	w.mara.want(422, "email_invalid", "PUT", w.base+"/moderators/nobody", nil)
	w.mara.want(200, "", "PUT", w.base+"/bans/"+w.vicID, map[string]any{})
	w.mara.want(409, "moderator_banned", "PUT", w.base+"/moderators/vic@example.com", nil)
	w.mod.want(403, "forbidden", "PUT", w.base+"/moderators/mod@example.com", nil)
	w.mod.want(403, "forbidden", "DELETE", w.base+"/moderators/mod@example.com", nil)
	w.mod.want(403, "forbidden", "POST", w.base+"/end", nil)
	w.mod.want(409, "not_bannable", "PUT", w.base+"/timeouts/"+w.modID, map[string]any{"seconds": 60})
	w.mod.want(409, "not_bannable", "PUT", w.base+"/bans/"+w.modID, map[string]any{})
	w.mod.want(403, "forbidden", "PUT", w.base+"/bans/"+w.guestID, map[string]any{"all_shows": true})
	w.mara.want(200, "", "PUT", w.base+"/bans/"+w.guestID, map[string]any{"all_shows": true})
	w.mod.want(403, "forbidden", "DELETE", w.base+"/bans/"+w.guestID, nil)
	w.mod.want(409, "not_bannable", "DELETE", w.base+"/lines/"+newLine(), map[string]any{"subject": w.mara.subject(), "text": "mine"})
	w.mara.want(200, "", "PUT", w.base+"/timeouts/"+w.modID, map[string]any{"seconds": 60})
	if r := w.mod.want(403, "timed_out", "DELETE", w.base+"/timeouts/"+w.modID, nil); r.header.Get("Retry-After") == "" {
		t.Errorf("a silenced moderator is not told until when: %s", r.raw)
	}
	w.mara.want(204, "", "DELETE", w.base+"/timeouts/"+w.modID, nil)
	w.mara.want(204, "", "DELETE", w.base+"/moderators/mod@example.com", nil)
	w.mod.want(403, "forbidden", "PUT", w.base+"/talk", map[string]any{"slow_seconds": 3})
	if n := w.outbox(`lane = 'control' and payload->>'op' = 'rejoin' and payload->>'subject' = $1`, w.modID); n != 2 {
		t.Errorf("%d orders to join again, want 2", n)
	}
}

func TestQuestionsOverHTTP(t *testing.T) {
	w := newTalkers(t)
	first, second := newQuestion(), newQuestion()
	ask := func(text string) map[string]any { return map[string]any{"text": text} }
	w.browser().want(401, "no_identity", "PUT", w.base+"/questions/"+first, ask("Is it oven safe?"))
	w.guest.want(422, "question_invalid", "PUT", w.base+"/questions/"+first, ask("ab"))
	r := w.guest.want(201, "", "PUT", w.base+"/questions/"+first, ask(" Is it  oven safe? "))
	if r.body["id"] != first || r.body["text"] != "Is it oven safe?" || r.body["askers"] != 1.0 || r.body["votes"] != 1.0 || r.body["mine"] != true || r.body["voted"] != true || r.body["state"] != "open" {
		t.Errorf("%s", r.raw)
	}
	for range 5 { // sent again, it is neither another question nor too often
		w.guest.want(200, "", "PUT", w.base+"/questions/"+first, ask("Is it oven safe?"))
	}
	w.guest.want(409, "question_conflict", "PUT", w.base+"/questions/"+first, ask("Is it not oven safe?"))
	r = w.vic.want(200, "", "PUT", w.base+"/questions/"+second, ask("is it OVEN-safe"))
	if r.body["id"] != first || r.body["askers"] != 2.0 || r.body["text"] != "Is it oven safe?" {
		t.Errorf("it does not join: %s", r.raw)
	}
	w.guest.want(409, "question_shared", "DELETE", w.base+"/questions/"+first, nil)
	w.mara.want(204, "", "PUT", w.base+"/questions/"+second+"/vote", nil)
	w.mara.want(204, "", "DELETE", w.base+"/questions/"+first+"/vote", nil)
	w.mara.want(404, "question_unknown", "PUT", w.base+"/questions/"+newQuestion()+"/vote", nil)
	w.mara.want(403, "forbidden", "PUT", "/shows/"+w.other()+"/questions/"+first+"/answer", map[string]any{})
	w.vic.want(403, "forbidden", "PUT", w.base+"/questions/"+first+"/answer", map[string]any{})
	w.guest.want(401, "signed_out", "PUT", w.base+"/questions/"+first+"/merge", map[string]any{"into": second})
	w.mod.want(422, "merge_invalid", "PUT", w.base+"/questions/"+first+"/merge", map[string]any{"into": first})
	w.mod.want(422, "merge_invalid", "PUT", w.base+"/questions/"+first+"/merge", map[string]any{"into": newQuestion()})
	third := newQuestion()
	w.mara.want(201, "", "PUT", w.base+"/questions/"+third, ask("Does it go in the oven?"))
	w.vic.want(403, "forbidden", "DELETE", w.base+"/questions/"+third, nil)
	if r = w.mod.want(200, "", "PUT", w.base+"/questions/"+third+"/merge", map[string]any{"into": first}); r.body["askers"] != 3.0 || r.body["votes"] != 3.0 || r.body["id"] != first {
		t.Errorf("merged: %s", r.raw)
	}
	w.mod.want(422, "answer_invalid", "PUT", w.base+"/questions/"+first+"/answer", map[string]any{"text": strings.Repeat("x", community.MaxAnswer+1)})
	w.mod.want(200, "", "PUT", w.base+"/questions/"+third+"/answer", map[string]any{"text": "Up to 250 degrees"})
	w.guest.want(409, "question_closed", "PUT", w.base+"/questions/"+first+"/vote", nil)
	fourth := newQuestion()
	w.vic.want(201, "", "PUT", w.base+"/questions/"+fourth, ask("How heavy is it?"))
	w.mod.want(409, "question_closed", "PUT", w.base+"/questions/"+first+"/merge", map[string]any{"into": fourth})
	w.mod.want(204, "", "DELETE", w.base+"/questions/"+first, nil)
	w.mod.want(404, "question_unknown", "DELETE", w.base+"/questions/"+first, nil)
	w.vic.want(204, "", "DELETE", w.base+"/questions/"+fourth, nil)
	r = w.guest.want(200, "", "GET", w.base+"/questions", nil)
	if len(r.body["items"].([]any)) != 0 || r.body["next"] != nil {
		t.Errorf("%s", r.raw)
	}
	w.guest.want(422, "cursor_invalid", "GET", w.base+"/questions?cursor=eHh4", nil)
}

// other is a show of somebody else.
func (w *talkers) other() string {
	rival, _ := w.signUp("rival", "creator")
	return rival.newShow()
}

func TestAskersAreHeldBack(t *testing.T) {
	w := newTalkers(t)
	ask := func(n int) map[string]any { return map[string]any{"text": fmt.Sprintf("Question number %d", n)} }
	for n := range 3 {
		w.guest.want(201, "", "PUT", w.base+"/questions/"+newQuestion(), ask(n))
	}
	if r := w.guest.want(429, "too_many_attempts", "PUT", w.base+"/questions/"+newQuestion(), ask(3)); r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.mara.want(200, "", "PUT", w.base+"/timeouts/"+w.vicID, map[string]any{"seconds": 60})
	if r := w.vic.want(403, "timed_out", "PUT", w.base+"/questions/"+newQuestion(), ask(9)); r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.mara.want(200, "", "PUT", w.base+"/bans/"+w.vicID, map[string]any{})
	w.vic.want(403, "banned", "PUT", w.base+"/questions/"+newQuestion(), ask(9))
}

func TestPollsOverHTTP(t *testing.T) {
	w := newTalkers(t)
	one, two := newPoll(), newPoll()
	for code, change := range map[string]map[string]any{
		"poll_question_invalid": {"question": "?"}, "poll_choices_invalid": {"choices": []string{"A", "a"}}, "poll_seconds_invalid": {"seconds": community.MinPoll - 1},
	} {
		bad := poll(60)
		for k, v := range change {
			bad[k] = v
		}
		w.mod.want(422, code, "PUT", w.base+"/polls/"+one, bad)
	}
	w.vic.want(403, "forbidden", "PUT", w.base+"/polls/"+one, poll(60))
	r := w.mod.want(201, "", "PUT", w.base+"/polls/"+one, poll(60))
	if r.body["state"] != "open" || r.body["by"] != "mod" || r.body["choice"] != nil || r.body["voters"] != 0.0 {
		t.Errorf("%s", r.raw)
	}
	w.mara.want(200, "", "PUT", w.base+"/polls/"+one, poll(60))
	w.mara.want(409, "poll_conflict", "PUT", w.base+"/polls/"+one, poll(61))
	w.mara.want(409, "poll_open", "PUT", w.base+"/polls/"+two, poll(60))
	vote := func(n int) map[string]any { return map[string]any{"choice": n} }
	w.browser().want(401, "no_identity", "PUT", w.base+"/polls/"+one+"/vote", vote(0))
	w.guest.want(204, "", "PUT", w.base+"/polls/"+one+"/vote", vote(0))
	w.guest.want(204, "", "PUT", w.base+"/polls/"+one+"/vote", vote(1))
	w.vic.want(204, "", "PUT", w.base+"/polls/"+one+"/vote", vote(1))
	w.vic.want(422, "choice_invalid", "PUT", w.base+"/polls/"+one+"/vote", vote(2))
	w.vic.want(404, "poll_unknown", "PUT", w.base+"/polls/"+two+"/vote", vote(1))
	w.mara.want(404, "poll_unknown", "PUT", w.base+"/polls/"+two+"/close", nil)
	for range 2 {
		r = w.mod.want(200, "", "PUT", w.base+"/polls/"+one+"/close", nil)
		if counts, _ := json.Marshal(r.body["counts"]); r.body["state"] != "closed" || string(counts) != "[0,2]" {
			t.Errorf("%s", r.raw)
		}
	}
	w.vic.want(409, "poll_closed", "PUT", w.base+"/polls/"+one+"/vote", vote(0))
	r = w.vic.want(200, "", "GET", w.base+"/talk", nil)
	if p := r.body["poll"].(map[string]any); p["choice"] != 1.0 || p["voters"] != 2.0 {
		t.Errorf("%s", r.raw)
	}
	w.mara.want(200, "", "PUT", w.base+"/bans/"+w.vicID, map[string]any{})
	w.mara.want(201, "", "PUT", w.base+"/polls/"+two, poll(60))
	w.vic.want(403, "banned", "PUT", w.base+"/polls/"+two+"/vote", vote(0))
	w.mara.want(200, "", "POST", w.base+"/end", nil)
	if r = w.guest.want(200, "", "GET", w.base+"/talk", nil); r.body["poll"].(map[string]any)["state"] != "closed" {
		t.Errorf("after the end: %s", r.raw)
	}
	w.guest.want(409, "poll_closed", "PUT", w.base+"/polls/"+two+"/vote", vote(0))
}
