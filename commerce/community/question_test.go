package community_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
)

func newQuestion() commerce.QuestionID { return commerce.NewID[commerce.QuestionID]() }

func (w *hall) ask(subject string, id commerce.QuestionID, text string) (x community.Question, err error) {
	err = w.tx(func(ctx context.Context, tx pgx.Tx) error {
		x, _, err = community.Ask(ctx, tx, w.id, community.Person{Subject: subject, Name: "Guest"}, id, text)
		return err
	})
	return x, err
}

func (w *hall) wants(subject string, id commerce.QuestionID, yes bool) error {
	return w.tx(func(ctx context.Context, tx pgx.Tx) error { return community.VoteFor(ctx, tx, w.id, id, subject, yes) })
}

func (w *hall) answer(id commerce.QuestionID, text *string) (x community.Question, err error) {
	err = w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		x, err = community.Answer(ctx, tx, w.mod, s, id, text)
		return err
	})
	return x, err
}

func (w *hall) merge(id, into commerce.QuestionID) (x community.Question, err error) {
	err = w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		x, err = community.Merge(ctx, tx, w.mod, s, id, into)
		return err
	})
	return x, err
}

func (w *hall) remove(subject string, by *account.Account, id commerce.QuestionID) error {
	return w.tx(func(ctx context.Context, tx pgx.Tx) error {
		return community.RemoveQuestion(ctx, tx, w.id, community.Person{Subject: subject}, by, id)
	})
}

// counted checks that what stands in the rows is what people said.
func (w *hall) counted() {
	w.Helper()
	if n := w.count(`select count(*) from question q cross join lateral (select count(*) filter (where asked) as askers, count(*) filter (where voted) as votes
		from question_voice v where v.question = q.id) n where q.state in ('open', 'answered') and (q.askers <> n.askers or q.votes <> n.votes)`); n != 0 {
		w.Errorf("%d questions are counted wrongly", n)
	}
	if n := w.count(`select count(*) from talk t cross join lateral (select count(*) filter (where state = 'open') as open, count(*) filter (where state = 'answered') as answered,
		count(*) as questions from question q where q.show = t.show) n where t.open <> n.open or t.answered <> n.answered or t.questions <> n.questions`); n != 0 {
		w.Errorf("%d shows are counted wrongly", n)
	}
	if n := w.count(`select count(*) from question m join question t on t.id = m.target where t.state = 'merged'`); n != 0 {
		w.Errorf("%d questions are merged into one that is merged", n)
	}
	w.same()
}

func TestTextsOfQuestions(t *testing.T) {
	w := newHall(t)
	const many = 44 // times 18, which is how many characters stand in one of these, are 792
	for text, want := range map[string]error{
		strings.Repeat("\ufdfa", many) + strings.Repeat("a", 8): nil, strings.Repeat("\ufdfa", many) + strings.Repeat("a", 9): community.ErrQuestion,
		strings.Repeat("ü", community.MaxQuestion): nil, strings.Repeat("ü", community.MaxQuestion+1): community.ErrQuestion,
		"abc": nil, " ab ": community.ErrQuestion, "???": community.ErrQuestion, "a\nb c": community.ErrQuestion, "a\x00bc": community.ErrQuestion, "ab\xff": community.ErrQuestion,
		"क्या यह सुरक्षित है?": nil, "\u202eabc\u200b": nil,
	} {
		x, err := w.ask(guest(), newQuestion(), text)
		if !errors.Is(err, want) && !(want == nil && err == nil) {
			t.Errorf("%.20q: %v, want %v", text, err, want)
		}
		if strings.ContainsAny(x.Text, "\u202e\u200b") {
			t.Errorf("%q is kept", x.Text)
		}
	}
	w.counted()
}

// TestSameQuestionAtOnce: many ask the same in other spellings at the same moment, each twice. It is one question, and the
// room is told of each who joined it.
func TestSameQuestionAtOnce(t *testing.T) {
	w := newHall(t)
	var group errgroup.Group
	group.SetLimit(12)
	const people = 60
	spellings := []string{"Is it oven-safe?", "is it OVEN safe", "  Is  it oven safe?! ", "IS IT OVEN SAFE???"}
	for i := range people {
		subject, id := guest(), newQuestion()
		for range 2 {
			group.Go(func() error {
				_, err := w.ask(subject, id, spellings[i%len(spellings)])
				return err
			})
		}
		group.Go(func() error { // and somebody else wants it, as soon as it is there
			if err := w.wants(guest(), id, true); err != nil && !errors.Is(err, community.ErrQuestionUnknown) {
				return err
			}
			return nil
		})
	}
	w.must(group.Wait())
	page, next, err := community.Questions(t.Context(), w.pool, w.id, "", "")
	if err != nil || next != "" || len(page) != 1 || page[0].Askers != people || page[0].Votes < people {
		t.Fatalf("%+v %q %v", page, next, err)
	}
	var set community.QuestionsSet
	if n := w.said("questions.set", &set); n != people || set.Open != 1 {
		t.Errorf("told %d times, %+v", n, set)
	}
	w.counted()
}

// TestMergedAtOnce: two questions are merged both ways, at once, while people vote for either. Everybody counts once.
func TestMergedAtOnce(t *testing.T) {
	w := newHall(t)
	ids := []commerce.QuestionID{newQuestion(), newQuestion(), newQuestion()}
	for i, id := range ids {
		_, err := w.ask(guest(), id, fmt.Sprintf("Question %d", i))
		w.must(err)
	}
	people := make([]string, 40)
	var group errgroup.Group
	group.SetLimit(12)
	for i := range people {
		people[i] = guest()
		for _, id := range ids {
			group.Go(func() error { return w.wants(people[i], id, true) })
		}
		if i%10 == 5 {
			group.Go(func() error { _, err := w.merge(ids[0], ids[1]); return err })
			group.Go(func() error { _, err := w.merge(ids[1], ids[0]); return err })
			group.Go(func() error { _, err := w.merge(ids[2], ids[i%2]); return err })
		}
	}
	w.must(group.Wait())
	x, err := w.merge(ids[0], ids[1])
	if err != nil || x.Askers != 3 || x.Votes != 3+len(people) {
		t.Errorf("%+v %v", x, err)
	}
	if n := w.count(`select count(*) from talk_audit where action = 'questions_merged'`); n != 2 {
		t.Errorf("%d mergers are noted, there were 2", n)
	}
	w.counted()
	for _, id := range ids { // each of them finds the one
		w.must(w.wants(people[0], id, false))
	}
	if x, _ = w.merge(ids[2], ids[0]); x.Votes != 2+len(people) {
		t.Errorf("after a vote was taken back: %+v", x)
	}
	w.counted()
}

func TestALifeOfAQuestion(t *testing.T) {
	w := newHall(t)
	asker, id := guest(), newQuestion()
	_, err := w.ask(asker, id, "How heavy is it?")
	w.must(err)
	w.must(errors.Join(w.wants(asker, id, false), w.wants(asker, id, false), w.wants(w.vic.ID.String(), id, true)))
	words := " 2.1  kg "
	for range 2 {
		x, err := w.answer(id, &words)
		if err != nil || x.State != community.QuestionAnswered || *x.Answer != "2.1 kg" || x.Votes != 1 || x.Askers != 1 {
			t.Fatalf("%+v %v", x, err)
		}
	}
	_, err = w.answer(id, nil) // keeps the words
	w.must(err)
	var set community.QuestionsSet
	if n := w.said("questions.set", &set); n != 2 || set.Open != 0 || set.Answered != 1 || set.Last == nil || *set.Last.Answer != "2.1 kg" {
		t.Errorf("told %d times, %+v", n, set)
	}
	again := newQuestion() // what was answered can be asked again
	x, err := w.ask(guest(), again, "How heavy is it?")
	if err != nil || x.ID != again {
		t.Errorf("%+v %v", x, err)
	}
	if x, err = w.merge(again, id); err != nil || x.ID != id || x.Askers != 2 || x.State != community.QuestionAnswered {
		t.Errorf("merged into an answered one: %+v %v", x, err)
	}
	if _, err := w.merge(id, again); err != nil { // it is the same one by now
		t.Error(err)
	}
	for name, got := range map[string]error{
		"a stranger removes it": w.remove(guest(), nil, id), "a viewer": w.remove(w.vic.ID.String(), &w.vic, id),
	} {
		if !errors.Is(got, show.ErrNotYours) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if err := w.remove(asker, nil, id); !errors.Is(err, community.ErrQuestionClosed) {
		t.Errorf("its asker removes an answered one: %v", err)
	}
	w.must(w.remove(w.mod.ID.String(), &w.mod, id))
	if err := w.remove(w.mod.ID.String(), &w.mod, id); !errors.Is(err, community.ErrQuestionUnknown) {
		t.Errorf("twice: %v", err)
	}
	if w.said("questions.set", &set); set.Answered != 0 || set.Last != nil {
		t.Errorf("%+v", set)
	}
	w.counted()
	w.end()
	for name, got := range map[string]error{
		"asking": func() error { _, err := w.ask(guest(), newQuestion(), "Too late?"); return err }(), "voting": w.wants(guest(), again, true),
		"removing": w.remove(w.mod.ID.String(), &w.mod, again), "answering": func() error { _, err := w.answer(again, nil); return err }(),
	} {
		if !errors.Is(got, show.ErrEnded) {
			t.Errorf("%s after the end: %v", name, got)
		}
	}
}

func TestLimitsOfQuestions(t *testing.T) {
	w := newHall(t)
	me := guest()
	var first commerce.QuestionID
	for i := range community.MaxOpenMine {
		id := newQuestion()
		_, err := w.ask(me, id, fmt.Sprintf("My question %d", i))
		w.must(err)
		if i == 0 {
			first = id
		}
	}
	sixth := newQuestion()
	if _, err := w.ask(me, sixth, "One more?"); !errors.Is(err, community.ErrYourQuestions) {
		t.Errorf("one past the limit: %v", err)
	}
	_, err := w.ask(guest(), newQuestion(), "What others ask")
	w.must(err)
	if _, err := w.ask(me, newQuestion(), "what others ask?"); err != nil {
		t.Errorf("joining is always possible: %v", err)
	}
	_, err = w.answer(first, nil)
	w.must(err)
	if _, err := w.ask(me, sixth, "One more?"); err != nil {
		t.Errorf("after one was answered: %v", err)
	}
	open := w.count(`select open from talk`)
	_, err = w.pool.Exec(t.Context(), `with q as (insert into question (id, show, text, words, asked_by, name, state) select gen_random_uuid(), $1, 'Number ' || n, 'number ' || n,
			'gst_' || lpad(to_hex(n), 32, '0'), 'Guest', 'open' from generate_series(1, $2::int) n returning 1)
		update talk set open = open + $2, questions = questions + $2`, w.id, community.MaxOpen-open-1)
	w.must(err)
	_, err = w.ask(guest(), newQuestion(), "The last one")
	w.must(err)
	if _, err := w.ask(guest(), newQuestion(), "One past the last"); !errors.Is(err, community.ErrTooManyQuestions) {
		t.Errorf("one past the show's limit: %v", err)
	}
	_, err = w.ask(guest(), newQuestion(), "the LAST one")
	w.must(err)
	_, err = w.pool.Exec(t.Context(), `update talk set questions = $1`, community.MaxQuestions)
	w.must(err)
	if _, err := w.ask(guest(), newQuestion(), "the last one"); !errors.Is(err, community.ErrTooManyQuestions) {
		t.Errorf("past all that may be asked: %v", err)
	}
}

// TestAskingTheSameAgain under ever new ids leaves no rows, so that nobody uses up what may be asked.
func TestAskingTheSameAgain(t *testing.T) {
	w := newHall(t)
	me, first := guest(), newQuestion()
	_, err := w.ask(me, first, "Is it heavy?")
	w.must(err)
	_, err = w.pool.Exec(t.Context(), `update talk set questions = $1`, community.MaxQuestions)
	w.must(err)
	for _, text := range []string{"Is it heavy?", "is it HEAVY"} {
		if x, err := w.ask(me, newQuestion(), text); err != nil || x.ID != first || x.Askers != 1 {
			t.Errorf("%+v %v", x, err)
		}
	}
	if n := w.count(`select count(*) from question`); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// TestQuestionsOfTheBanned go, unless somebody else has asked them, too.
func TestQuestionsOfTheBanned(t *testing.T) {
	w := newHall(t)
	rude, alone, shared := guest(), newQuestion(), newQuestion()
	_, err := w.ask(rude, alone, "Only mine?")
	w.must(err)
	_, err = w.ask(rude, shared, "Is it heavy?")
	w.must(err)
	_, err = w.ask(guest(), newQuestion(), "is it heavy")
	w.must(err)
	_, err = w.ban(w.mod, w.id, rude, "", false)
	w.must(err)
	page, _, err := community.Questions(t.Context(), w.pool, w.id, "", "")
	if err != nil || len(page) != 1 || page[0].ID != shared {
		t.Errorf("%+v %v", page, err)
	}
	var set community.QuestionsSet
	if w.said("questions.set", &set); set.Open != 1 {
		t.Errorf("told %+v", set)
	}
	w.counted()
}

// TestAskedWhileTheShowEnds: whoever ends it waits, also for the first question of all.
func TestAskedWhileTheShowEnds(t *testing.T) {
	w := newHall(t)
	var group errgroup.Group
	w.must(w.tx(func(ctx context.Context, tx pgx.Tx) error {
		_, _, err := community.Ask(ctx, tx, w.id, community.Person{Subject: guest(), Name: "Guest"}, newQuestion(), "Too late?")
		group.Go(func() error {
			return w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
				if err := community.End(ctx, tx, s.ID); err != nil {
					return err
				}
				_, err := show.End(ctx, tx, s)
				return err
			})
		})
		schematest.AwaitBlocked(t, w.pool)
		return err
	}))
	w.must(group.Wait())
	w.end() // twice is once
	if _, err := w.ask(guest(), newQuestion(), "Much too late?"); !errors.Is(err, show.ErrEnded) {
		t.Errorf("after the end: %v", err)
	}
}

// TestWalkThroughQuestions: the open ones by votes, then the answered ones, newest first, each once.
func TestWalkThroughQuestions(t *testing.T) {
	w := newHall(t)
	_, err := w.pool.Exec(t.Context(), `with q as (
			insert into question (id, show, text, words, asked_by, name, state, votes, asked_at, answered_at) select gen_random_uuid(), $1, 'Number ' || n, 'number ' || n,
				'gst_' || lpad(to_hex(n), 32, '0'), 'Guest', case when n <= 70 then 'open' else 'answered' end, n % 7, now(), case when n > 70 then now() + n * interval '1 second' end
			from generate_series(1, 160) n returning 1)
		insert into talk (show, open, answered, questions) values ($1, 70, 90, 160)`, w.id)
	w.must(err)
	var walked []community.Question
	pages, from := 0, ""
	for {
		page, next, err := community.Questions(t.Context(), w.pool, w.id, guest(), from)
		w.must(err)
		walked = append(walked, page...)
		if pages++; next == "" {
			break
		}
		from = next
	}
	seen := map[commerce.QuestionID]bool{}
	for i, x := range walked {
		if seen[x.ID] {
			t.Errorf("%s comes twice", x.ID)
		}
		seen[x.ID] = true
		if i == 0 {
			continue
		}
		before := walked[i-1]
		if before.State == x.State && x.State == community.QuestionOpen && before.Votes < x.Votes || before.State == community.QuestionAnswered &&
			(x.State == community.QuestionOpen || before.Answered.Before(*x.Answered)) {
			t.Errorf("%d: %+v before %+v", i, before, x)
		}
	}
	if len(walked) != 160 || pages != 4 {
		t.Errorf("%d questions on %d pages", len(walked), pages)
	}
}
