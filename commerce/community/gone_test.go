package community_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
)

// gone is what the room was told last.
func (w *hall) gone() (gone community.LinesGone) {
	w.Helper()
	if w.said("lines.gone", &gone) == 0 {
		w.Fatal("nothing is told to be gone")
	}
	w.same()
	return gone
}

// quiet is whether nothing of somebody is shown that they say now.
func quiet(gone community.LinesGone, subject string) bool {
	return slices.Contains(gone.Authors, subject) || slices.ContainsFunc(gone.Earlier, func(g community.Gone) bool {
		return g.Subject == subject && time.UnixMilli(g.Before).After(time.Now().Add(time.Second))
	})
}

func (w *hall) liftTimeout(subject string) error {
	return w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		return community.LiftTimeout(ctx, tx, w.mod, s, subject)
	})
}

// TestWhatWasSaidStaysGone: also after a time-out is over, or lifted, and after a ban is lifted. What is said then is
// shown again.
func TestWhatWasSaidStaysGone(t *testing.T) {
	w := newHall(t)
	for name, end := range map[string]func(subject string) error{
		"a time-out is over": func(subject string) error {
			_, err := w.pool.Exec(t.Context(), `update talk_timeout set until = now() where subject = $1`, subject)
			return errors.Join(err, w.keeper().Look(t.Context()))
		},
		"a time-out is lifted": w.liftTimeout,
		"a ban is lifted": func(subject string) error {
			_, err := w.ban(w.mod, w.id, subject, "", false)
			return errors.Join(err, w.liftTimeout(subject), w.lift(w.mod, w.id, subject))
		},
		"a ban from all is lifted": func(subject string) error {
			_, err := w.ban(w.mara, w.id, subject, "", true)
			return errors.Join(err, w.liftTimeout(subject), w.lift(w.mara, w.show(w.mara), subject))
		},
	} {
		subject := guest()
		_, err := w.timeOut(w.mod, subject, 60, "")
		w.must(err)
		if gone := w.gone(); !quiet(gone, subject) {
			t.Errorf("before %s: %+v", name, gone)
		}
		began := time.Now()
		w.must(end(subject))
		gone := w.gone()
		at := slices.IndexFunc(gone.Earlier, func(g community.Gone) bool { return g.Subject == subject })
		if quiet(gone, subject) || at < 0 {
			t.Errorf("after %s: %+v", name, gone)
			continue
		}
		if before := time.UnixMilli(gone.Earlier[at].Before); before.Before(began.Add(-time.Millisecond)) || before.After(time.Now().Add(time.Millisecond)) {
			t.Errorf("after %s, which began at %v and ended by %v, what was said before %v is gone", name, began, time.Now(), before)
		}
		_, err = w.timeOut(w.mod, subject, 60, "again")
		w.must(err)
		if gone := w.gone(); !quiet(gone, subject) {
			t.Errorf("silenced again after %s: %+v", name, gone)
		}
	}
}

// TestVeryManyAreSilenced: who is not named stands behind a time before which nothing is shown, whether they may speak
// again or not.
func TestVeryManyAreSilenced(t *testing.T) {
	w := newHall(t)
	var people []string
	for n := range community.GoneAuthors {
		people = append(people, guest())
		_, err := w.timeOut(w.mod, people[n], 600, "")
		w.must(err)
	}
	if gone := w.gone(); len(gone.Earlier) != community.GoneAuthors || gone.Before != 0 {
		t.Errorf("at the limit: %d named, %d", len(gone.Earlier), gone.Before)
	}
	for n := range 3 {
		_, err := w.timeOut(w.mod, guest(), 600, "")
		w.must(err)
		var made time.Time
		w.must(w.pool.QueryRow(t.Context(), `select made_at from talk_timeout where subject = $1`, people[n]).Scan(&made))
		gone := w.gone()
		if before := time.UnixMilli(gone.Before); len(gone.Earlier) != community.GoneAuthors || quiet(gone, people[n]) || before.Before(made) || before.After(made.Add(2*time.Millisecond)) {
			t.Errorf("%d past it: %d named, nothing is shown from before %v, the first of them was silenced at %v", n+1, len(gone.Earlier), before, made)
		}
	}
	_, err := w.pool.Exec(t.Context(), `update talk_timeout set until = now()`)
	w.must(err)
	w.must(w.keeper().Look(t.Context()))
	gone := w.gone()
	if len(gone.Earlier) != community.GoneAuthors || gone.Before != gone.Earlier[0].Before {
		t.Errorf("when all of it is over: %d named, %d", len(gone.Earlier), gone.Before)
	}
	if n := w.count(`select count(*) from talk_author_gone`); n != community.GoneAuthors+1 {
		t.Errorf("%d are remembered", n)
	}
}

// TestNothingOlderIsTold: the Keeper of a node looks while a time-out is under way. What is told last names both.
func TestNothingOlderIsTold(t *testing.T) {
	w := newHall(t)
	over, fresh := guest(), guest()
	_, err := w.timeOut(w.mod, over, 60, "")
	w.must(err)
	_, err = w.pool.Exec(t.Context(), `update talk_timeout set until = now()`)
	w.must(err)
	w.must(w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		_, err := community.TimeOut(ctx, tx, w.mod, s, community.Wish{Subject: fresh}, 60)
		return errors.Join(err, w.keeper().Look(t.Context())) // it does not wait, and says nothing of what it cannot know
	}))
	w.must(w.keeper().Look(t.Context()))
	if gone := w.gone(); len(gone.Authors) != 0 || len(gone.Earlier) != 2 || !quiet(gone, fresh) || quiet(gone, over) || gone.Earlier[1].Subject != over && gone.Earlier[0].Subject != over {
		t.Errorf("%+v", gone)
	}
}

// TestBanFromAllWaitsForEachShow: so that what it tells in another show is the whole of what is gone there.
func TestBanFromAllWaitsForEachShow(t *testing.T) {
	w := newHall(t)
	elsewhere := w.show(w.mara)
	silent, banned := guest(), guest()
	var group errgroup.Group
	w.must(w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		_, err := community.TimeOut(ctx, tx, w.mod, s, community.Wish{Subject: silent}, 60)
		group.Go(func() error { _, err := w.ban(w.mara, elsewhere, banned, "", true); return err })
		schematest.AwaitBlocked(t, w.pool)
		return err
	}))
	w.must(group.Wait())
	if gone := w.gone(); !slices.Equal(gone.Authors, []string{banned}) || !quiet(gone, silent) {
		t.Errorf("%+v, want %s and %s", gone, banned, silent)
	}
	// And somebody who is made a moderator meanwhile is none.
	w.must(w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		err := community.AddModerator(ctx, tx, w.mara, s, "vic@example.com")
		group.Go(func() error { _, err := w.ban(w.mara, elsewhere, w.vic.ID.String(), "", true); return err })
		schematest.AwaitBlocked(t, w.pool)
		return err
	}))
	w.must(group.Wait())
	if n := w.count(`select count(*) from show_moderator where account = $1`, w.vic.ID); n != 0 {
		t.Error("somebody who is banned moderates")
	}
}

// TestOneShowIsStuck: the talk of the others goes on.
func TestOneShowIsStuck(t *testing.T) {
	w := newHall(t)
	stuck := w.id
	for _, lock := range []func(ctx context.Context, tx pgx.Tx) error{
		func(ctx context.Context, tx pgx.Tx) error { _, err := show.Lock(ctx, tx, stuck); return err },
		func(ctx context.Context, tx pgx.Tx) error {
			return outbox.Event(ctx, tx, stuck, outbox.EventRow{Type: "talk.set", Key: "talk", Class: outbox.Lossless, Data: community.TalkSet{}})
		},
	} {
		w.id = stuck
		silent := []string{guest(), guest()}
		polls := []community.Poll{wish("a", "b"), wish("a", "b")}
		for i, subject := range silent {
			_, err := w.timeOut(w.mara, subject, 60, "")
			w.must(err)
			_, err = w.open(w.mara, polls[i])
			w.must(err)
			w.id = w.show(w.mara)
		}
		_, err := w.pool.Exec(t.Context(), `with t as (update talk_timeout set until = now()) update poll set ends_at = clock_timestamp() where state = 'open'`)
		w.must(err)
		left := func() string {
			return fmt.Sprint(w.count(`select count(*) from talk_timeout where subject = any($1)`, silent), w.count(`select count(*) from poll where id = any($1) and state = 'open'`, []commerce.PollID{polls[0].ID, polls[1].ID}))
		}
		w.must(w.tx(func(ctx context.Context, tx pgx.Tx) error {
			if err := errors.Join(lock(ctx, tx), w.keeper().Look(t.Context())); err != nil {
				return err
			}
			if got := left(); got != "1 1" {
				t.Errorf("%s are left while one show is stuck", got)
			}
			return nil
		}))
		w.must(w.keeper().Look(t.Context()))
		if got := left(); got != "0 0" {
			t.Errorf("%s are left in the end", got)
		}
	}
}
