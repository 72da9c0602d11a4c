package community_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/show"
)

func (w *hall) timeOut(by account.Account, subject string, seconds int, reason string) (x community.Timeout, err error) {
	err = w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		x, err = community.TimeOut(ctx, tx, by, s, community.Wish{Subject: subject, Name: "Guest", Reason: reason}, seconds)
		return err
	})
	return x, err
}

func (w *hall) rules() community.Rules {
	w.Helper()
	r, err := community.ReadRules(w.Context(), w.pool, w.id)
	w.must(err)
	return r
}

// everyAction is each thing that those in charge can do, by its name in the audit log.
func (w *hall) everyAction(by account.Account) map[community.Action]error {
	subject, line := guest(), commerce.NewID[commerce.LineID]()
	asked := []commerce.QuestionID{newQuestion(), newQuestion(), newQuestion()}
	for i, id := range asked {
		_, err := w.ask(guest(), id, fmt.Sprintf("Question %d of %s", i, by.Name))
		w.must(err)
	}
	p := wish("a", "b")
	did := map[community.Action]error{}
	do := func(name community.Action, f func(ctx context.Context, tx pgx.Tx, s show.Show) error) {
		did[name] = w.led(f)
	}
	do(community.ActionSlowModeSet, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		return community.SetSlow(ctx, tx, by, s, 5+len(by.Name))
	})
	do(community.ActionAnnouncementSet, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		_, err := community.Announce(ctx, tx, by, s, "Hello")
		return err
	})
	do(community.ActionAnnouncementRemoved, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		_, err := community.Announce(ctx, tx, by, s, "")
		return err
	})
	do(community.ActionLineRemoved, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		return community.RemoveLine(ctx, tx, by, s, community.Line{ID: line, Subject: subject, Name: "Guest", Text: "rude"})
	})
	do(community.ActionTimedOut, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		_, err := community.TimeOut(ctx, tx, by, s, community.Wish{Subject: subject, Name: "Guest"}, 60)
		return err
	})
	do(community.ActionTimeoutLifted, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		return community.LiftTimeout(ctx, tx, by, s, subject)
	})
	do(community.ActionBanned, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		_, err := community.Impose(ctx, tx, by, s, community.Wish{Subject: subject}, false)
		return err
	})
	do(community.ActionBanLifted, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		return community.Lift(ctx, tx, by, s, subject)
	})
	do(community.ActionQuestionAnswered, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		_, err := community.Answer(ctx, tx, by, s, asked[0], nil)
		return err
	})
	do(community.ActionQuestionsMerged, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		_, err := community.Merge(ctx, tx, by, s, asked[1], asked[0])
		return err
	})
	did[community.ActionQuestionRemoved] = w.remove(by.ID.String(), &by, asked[2])
	_, did[community.ActionPollOpened] = w.open(by, p)
	_, did[community.ActionPollClosed] = w.closes(by, p.ID)
	do(community.ActionPinned, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		return community.NotePin(ctx, tx, s, by, "Pan")
	})
	do(community.ActionUnpinned, func(ctx context.Context, tx pgx.Tx, s show.Show) error { return community.NotePin(ctx, tx, s, by, "") })
	return did
}

// TestEveryActionIsNoted: one row each, with whom and what; and who may not do it leaves none.
func TestEveryActionIsNoted(t *testing.T) {
	w := newHall(t)
	noted := func() map[string]int {
		rows, err := w.pool.Query(t.Context(), `select action || ' by ' || by_name, count(*) from talk_audit group by 1`)
		w.must(err)
		found := map[string]int{}
		var action string
		var n int
		_, err = pgx.ForEachRow(rows, []any{&action, &n}, func() error { found[action] = n; return nil })
		w.must(err)
		return found
	}
	if got := noted(); len(got) != 1 || got["moderator_added by mara"] != 2 {
		t.Errorf("%v", got)
	}
	before := w.count(`select count(*) from talk_audit`)
	for action, err := range w.everyAction(w.vic) {
		if action != community.ActionPinned && action != community.ActionUnpinned && !errors.Is(err, show.ErrNotYours) { // pins are judged by who calls
			t.Errorf("a viewer: %s: %v", action, err)
		}
	}
	if n := w.count(`select count(*) from talk_audit where by_name = 'vic' and action not in ('pinned', 'unpinned')`); n != 0 || before != 2 {
		t.Errorf("%d rows of what was refused", n)
	}
	for _, by := range []account.Account{w.mod, w.operator, w.mara} {
		did := w.everyAction(by)
		for action, err := range did {
			if err != nil {
				t.Errorf("%s of %s: %v", action, by.Name, err)
			}
			if n := noted()[string(action)+" by "+by.Name]; n != 1 {
				t.Errorf("%s of %s is noted %d times", action, by.Name, n)
			}
		}
		did[community.ActionModeratorAdded], did[community.ActionModeratorRemoved] = nil, nil
		if all, known := community.Actions(), slices.Collect(maps.Keys(did)); len(all) != len(known) {
			t.Errorf("there are %d actions, and %d were done", len(all), len(known))
		}
	}
	w.same()
	w.logIsWhole(t)
	// A show that is over is left alone.
	w.end()
	rows := w.count(`select count(*) from talk_audit`)
	err := w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		return community.SetSlow(ctx, tx, w.mara, s, 0)
	})
	if _, late := w.timeOut(w.mara, guest(), 60, ""); !errors.Is(err, show.ErrEnded) || !errors.Is(late, show.ErrEnded) || w.count(`select count(*) from talk_audit`) != rows {
		t.Errorf("after the end: %v, %v", err, late)
	}
}

// logIsWhole says whether all of the log can be read, page by page, by who may, and changed by nobody.
func (w *hall) logIsWhole(t *testing.T) {
	t.Helper()
	if _, err := w.pool.Exec(t.Context(), `delete from talk_audit`); err == nil {
		t.Error("the log can be emptied")
	}
	if _, err := w.pool.Exec(t.Context(), `update talk_audit set detail = ''`); err == nil {
		t.Error("the log can be changed")
	}
	for range community.AuditPage {
		w.must(w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
			return community.NotePin(ctx, tx, s, w.mara, "Pan")
		}))
	}
	s, err := show.Get(t.Context(), w.pool, w.id)
	w.must(err)
	total, walked, from := w.count(`select count(*) from talk_audit`), 0, ""
	for {
		page, next, err := community.Audit(t.Context(), w.pool, s, w.mod, from)
		w.must(err)
		for i := 1; i < len(page); i++ {
			if page[i-1].At.Before(page[i].At) {
				t.Errorf("%v before %v", page[i-1].At, page[i].At)
			}
		}
		if walked += len(page); next == "" {
			break
		}
		from = next
	}
	if walked != total || total <= community.AuditPage {
		t.Errorf("%d of %d rows are found", walked, total)
	}
	if _, _, err := community.Audit(t.Context(), w.pool, s, w.vic, ""); !errors.Is(err, show.ErrNotYours) {
		t.Errorf("a viewer reads the log: %v", err)
	}
}

func TestTwiceIsOnce(t *testing.T) {
	w := newHall(t)
	subject, line := guest(), commerce.NewID[commerce.LineID]()
	for range 3 {
		w.must(w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
			_, err := community.Announce(ctx, tx, w.mod, s, " Back  at eight ")
			return errors.Join(err, community.SetSlow(ctx, tx, w.mod, s, 9),
				community.RemoveLine(ctx, tx, w.mod, s, community.Line{ID: line, Subject: subject}), community.AddModerator(ctx, tx, w.mara, s, "vic@example.com"))
		}))
		_, err := w.timeOut(w.mod, subject, 60, "spam")
		w.must(err)
	}
	if n := w.count(`select count(*) from talk_audit`); n != 2+5 {
		t.Errorf("%d rows, 2 from before and 5 of these", n)
	}
	first, err := w.timeOut(w.mod, subject, 600, "more spam") // another one takes its place
	w.must(err)
	_, err = w.pool.Exec(t.Context(), `update talk_timeout set made_at = made_at - interval '181 seconds', until = until - interval '181 seconds'`)
	w.must(err)
	second, err := w.timeOut(w.mod, subject, 600, "more spam") // and so does the same one, later
	w.must(err)
	if n := w.count(`select count(*) from talk_audit where action = 'timed_out'`); n != 3 || !second.Until.After(first.Until) {
		t.Errorf("%d rows, until %v after %v", n, second.Until, first.Until)
	}
	for range 2 {
		w.must(w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
			_, err := community.Announce(ctx, tx, w.mod, s, "")
			return errors.Join(err, community.LiftTimeout(ctx, tx, w.mod, s, subject), community.RemoveModerator(ctx, tx, w.mara, s, "vic@example.com"))
		}))
	}
	if n := w.count(`select count(*) from talk_audit`); n != 2+5+2+3 {
		t.Errorf("%d rows in the end", n)
	}
	w.same()
}

func TestWhoMaySilenceWhom(t *testing.T) {
	w := newHall(t)
	for name, c := range map[string]struct {
		by      account.Account
		subject string
		want    error
	}{
		"a viewer": {w.vic, guest(), show.ErrNotYours}, "a moderator, a guest": {w.mod, guest(), nil}, "a moderator, an account": {w.mod, w.vic.ID.String(), nil},
		"a moderator, the creator": {w.mod, w.mara.ID.String(), community.ErrCreator}, "a moderator, an operator": {w.mod, w.operator.ID.String(), community.ErrCreator},
		"a moderator, another": {w.mod, w.other.ID.String(), community.ErrModerator}, "a moderator, themselves": {w.mod, w.mod.ID.String(), community.ErrModerator},
		"an operator, a moderator": {w.operator, w.other.ID.String(), nil}, "the creator, a moderator": {w.mara, w.other.ID.String(), nil},
		"the creator, themselves": {w.mara, w.mara.ID.String(), community.ErrCreator}, "nobody": {w.mara, "", community.ErrSubject},
		"an unknown account": {w.mara, commerce.NewID[commerce.AccountID]().String(), account.ErrNoAccount},
	} {
		if _, err := w.timeOut(c.by, c.subject, 60, ""); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// Whoever is banned moderates no more.
	if _, err := w.ban(w.mod, w.id, w.other.ID.String(), "", false); !errors.Is(err, community.ErrModerator) {
		t.Errorf("a moderator bans another: %v", err)
	}
	_, err := w.ban(w.mara, w.id, w.mod.ID.String(), "", false)
	w.must(err)
	if _, err := w.timeOut(w.mod, guest(), 60, ""); !errors.Is(err, show.ErrNotYours) {
		t.Errorf("a banned moderator: %v", err)
	}
	err = w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		return community.AddModerator(ctx, tx, w.mara, s, "mod@example.com")
	})
	if !errors.Is(err, community.ErrBannedPerson) {
		t.Errorf("somebody banned is asked to moderate: %v", err)
	}
}

// TestSilencedModerators keep no order meanwhile, and let neither themselves nor each other speak again.
func TestSilencedModerators(t *testing.T) {
	w := newHall(t)
	for _, by := range []account.Account{w.mara, w.mod, w.operator} {
		_, err := w.timeOut(w.mara, w.other.ID.String(), 60, by.Name)
		w.must(err)
		want := map[commerce.AccountID]error{w.mod.ID: community.ErrModerator}[by.ID]
		err = w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
			return community.LiftTimeout(ctx, tx, by, s, w.other.ID.String())
		})
		if !errors.Is(err, want) || (want == nil) != (err == nil) {
			t.Errorf("lifted by %s: %v, want %v", by.Name, err, want)
		}
	}
	_, err := w.timeOut(w.mara, w.mod.ID.String(), 60, "")
	w.must(err)
	if err := w.liftTimeout(w.mod.ID.String()); !errors.Is(err, community.ErrTimedOut) {
		t.Errorf("lifted by themselves: %v", err)
	}
	for action, err := range w.everyAction(w.mod) {
		if action != community.ActionPinned && action != community.ActionUnpinned && !errors.Is(err, community.ErrTimedOut) && !errors.Is(err, show.ErrNotYours) {
			t.Errorf("%s while silenced: %v", action, err)
		}
	}
	// Should they be banned and be on the list all the same.
	_, err = w.ban(w.mara, w.id, w.vic.ID.String(), "", false)
	w.must(err)
	_, err = w.pool.Exec(t.Context(), `insert into show_moderator (show, account) values ($1, $2)`, w.id, w.vic.ID)
	w.must(err)
	if _, err := w.timeOut(w.vic, guest(), 60, ""); !errors.Is(err, community.ErrBanned) {
		t.Errorf("banned: %v", err)
	}
}

// TestWhoseLinesAreRemoved: the log says of what nobody remembers that somebody told it.
func TestWhoseLinesAreRemoved(t *testing.T) {
	w := newHall(t)
	for name, c := range map[string]struct {
		by      account.Account
		subject string
		known   bool
		want    error
	}{
		"a guest's": {w.mod, guest(), true, nil}, "an account's": {w.mod, w.vic.ID.String(), false, nil}, "their own": {w.mod, w.mod.ID.String(), true, nil},
		"the creator's": {w.mod, w.mara.ID.String(), true, community.ErrCreator}, "an operator's": {w.mod, w.operator.ID.String(), true, community.ErrCreator},
		"another moderator's": {w.mod, w.other.ID.String(), false, community.ErrModerator}, "nobody's": {w.mara, "", true, community.ErrSubject},
		"a moderator's, by the creator": {w.mara, w.mod.ID.String(), true, nil}, "the creator's own": {w.mara, w.mara.ID.String(), true, nil},
	} {
		text := "Text: " + name
		err := w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
			return community.RemoveLine(ctx, tx, c.by, s, community.Line{ID: commerce.NewID[commerce.LineID](), Subject: c.subject, Name: "N", Text: text, Known: c.known})
		})
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if !c.known {
			text = "as told: " + text
		}
		if n := w.count(`select count(*) from talk_audit where detail = $1`, text); (n == 1) != (err == nil) {
			t.Errorf("%s is noted %d times", name, n)
		}
	}
}

func TestRulesAndTheirEnd(t *testing.T) {
	w := newHall(t)
	subject := guest()
	if r := w.rules(); r.Slow != 0 || len(r.TimeOuts) != 0 {
		t.Errorf("at first: %+v", r)
	}
	w.must(w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		return community.SetSlow(ctx, tx, w.mod, s, 12)
	}))
	_, err := w.timeOut(w.mod, subject, 60, "spam")
	w.must(err)
	r := w.rules()
	if left := time.Until(r.TimeOuts[subject]); r.Slow != 12*time.Second || left <= 0 || left > time.Minute {
		t.Errorf("%+v", r)
	}
	var refused *community.TimedOutError
	if err := community.CheckTimeout(t.Context(), w.pool, w.id, subject); !errors.As(err, &refused) || !errors.Is(err, community.ErrTimedOut) || refused.Left <= 0 {
		t.Errorf("%v", err)
	}
	if n := w.count(`select count(*) from outbox where lane = 'control' and payload->>'op' = 'talk' and payload->>'show' = $1`, w.id.String()); n != 2 {
		t.Errorf("%d orders to read the rules again", n)
	}
	var gone community.LinesGone
	if w.said("lines.gone", &gone); len(gone.Earlier) != 1 || !quiet(gone, subject) {
		t.Errorf("%+v", gone)
	}
	w.same()
	_, err = w.pool.Exec(t.Context(), `update talk_timeout set until = now()`)
	w.must(err)
	if err := community.CheckTimeout(t.Context(), w.pool, w.id, subject); err != nil || len(w.rules().TimeOuts) != 0 {
		t.Errorf("after its time: %v", err)
	}
	w.must(errors.Join(w.keeper().Look(t.Context()), w.keeper().Look(t.Context())))
	gone = community.LinesGone{}
	if n := w.said("lines.gone", &gone); n != 2 || len(gone.Authors) != 0 || len(gone.Earlier) != 1 || gone.Earlier[0].Subject != subject || w.count(`select count(*) from talk_timeout`) != 0 {
		t.Errorf("told %d times: %+v", n, gone)
	}
	w.same()
}

func TestLimitsOfTalk(t *testing.T) {
	w := newHall(t)
	subject := guest()
	line := func(text, name string) error {
		return w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
			return community.RemoveLine(ctx, tx, w.mod, s, community.Line{ID: commerce.NewID[commerce.LineID](), Subject: subject, Text: text, Name: name})
		})
	}
	ü := func(n int) string { return strings.Repeat("ü", n) }
	for name, c := range map[string]struct{ got, want error }{
		"line at the limit": {line(ü(community.MaxLine), ü(community.MaxName)), nil}, "line past it": {line(ü(community.MaxLine+1), ""), community.ErrLine},
		"name past it": {line("", ü(community.MaxName+1)), community.ErrLine}, "a control character": {line("a\x07", ""), community.ErrLine},
	} {
		if !errors.Is(c.got, c.want) && !(c.want == nil && c.got == nil) {
			t.Errorf("%s: %v", name, c.got)
		}
	}
	// Of many lines the newest are told, and the oldest forgotten.
	_, err := w.pool.Exec(t.Context(), `insert into talk_line_gone (show, line, gone_at) select $1, 'lin_' || lpad(to_hex(n), 32, '0'), now() - n * interval '1 hour'
		from generate_series(1, $2::int) n`, w.id, community.KeptLines-1)
	w.must(err)
	w.must(line("", ""))
	var gone community.LinesGone
	if w.said("lines.gone", &gone); len(gone.Lines) != community.GoneLines || !strings.HasSuffix(gone.Lines[2], strings.Repeat("0", 31)+"1") {
		t.Errorf("%d lines are told, %v", len(gone.Lines), gone.Lines[:3])
	}
	if n := w.count(`select count(*) from talk_line_gone`); n != community.KeptLines {
		t.Errorf("%d are kept", n)
	}
	_, err = w.pool.Exec(t.Context(), `insert into talk_timeout (show, subject, name, seconds, reason, until, made_by, made_at)
		select $1, 'gst_' || lpad(to_hex(n), 32, '0'), '', 60, '', now() + interval '1 hour', $2, now() - interval '1 minute' from generate_series(1, $3::int) n`,
		w.id, w.mara.ID, community.MaxTimeouts-1)
	w.must(err)
	_, err = w.timeOut(w.mod, subject, 60, "")
	w.must(err)
	if w.said("lines.gone", &gone); len(gone.Earlier) != community.GoneAuthors || gone.Earlier[0].Subject != subject {
		t.Errorf("%d authors are told, the first is %s", len(gone.Earlier), gone.Earlier[0].Subject)
	}
	if _, err := w.timeOut(w.mod, guest(), 60, ""); !errors.Is(err, community.ErrTooManyTimeouts) {
		t.Errorf("one past the limit: %v", err)
	}
	_, err = w.pool.Exec(t.Context(), `with a as (insert into account (id, email, name, roles, password_hash)
			select gen_random_uuid(), n || '@example.org', 'n', '{viewer}', 'none' from generate_series(1, $2::int) n returning id)
		insert into show_moderator (show, account) select $1, id from a`, w.id, show.MaxModerators-3)
	w.must(err)
	add := func(email string) error {
		return w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
			return community.AddModerator(ctx, tx, w.mara, s, email)
		})
	}
	w.must(add("vic@example.com"))
	w.person("late", account.Viewer)
	if err := add("late@example.com"); !errors.Is(err, show.ErrTooManyModerators) {
		t.Errorf("one past the limit: %v", err)
	}
}
