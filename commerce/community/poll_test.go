package community_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
)

func wish(choices ...string) community.Poll {
	return community.Poll{ID: commerce.NewID[commerce.PollID](), Question: "Which one?", Choices: choices, Seconds: 60}
}

func (w *hall) open(by account.Account, p community.Poll) (opened community.Poll, err error) {
	err = w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		opened, _, err = community.OpenPoll(ctx, tx, by, s, p)
		return err
	})
	return opened, err
}

func (w *hall) vote(p commerce.PollID, subject string, choice int) error {
	return w.tx(func(ctx context.Context, tx pgx.Tx) error { return community.Vote(ctx, tx, w.id, p, subject, choice) })
}

func (w *hall) closes(by account.Account, p commerce.PollID) (closed community.Poll, err error) {
	err = w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		closed, err = community.ClosePoll(ctx, tx, by, s, p)
		return err
	})
	return closed, err
}

// keeper is the loop of a node, looked with by hand.
func (w *hall) keeper() community.Keeper {
	return community.Keeper{Pool: w.pool, Log: slog.New(slog.DiscardHandler), Wrote: func() {}}
}

func TestLimitsOfPolls(t *testing.T) {
	w := newHall(t)
	long := strings.Repeat("ü", community.MaxChoice)
	for name, c := range map[string]struct {
		change func(*community.Poll)
		want   error
	}{
		"question at the limit": {func(p *community.Poll) { p.Question = strings.Repeat("ü", community.MaxPollQuestion) }, nil},
		"question past it":      {func(p *community.Poll) { p.Question = strings.Repeat("ü", community.MaxPollQuestion+1) }, community.ErrPollQuestion},
		"question too short":    {func(p *community.Poll) { p.Question = " a " }, community.ErrPollQuestion},
		"question of two lines": {func(p *community.Poll) { p.Question = "abc\nabc" }, community.ErrPollQuestion},
		"six choices":           {func(p *community.Poll) { p.Choices = []string{"1", "2", "3", "4", "5", long} }, nil},
		"seven choices":         {func(p *community.Poll) { p.Choices = []string{"1", "2", "3", "4", "5", "6", "7"} }, community.ErrChoices},
		"one choice":            {func(p *community.Poll) { p.Choices = []string{"1"} }, community.ErrChoices},
		"the same choice twice": {func(p *community.Poll) { p.Choices = []string{"Red", " red "} }, community.ErrChoices},
		"an empty choice":       {func(p *community.Poll) { p.Choices = []string{"Red", "\u200b"} }, community.ErrChoices},
		"a long choice":         {func(p *community.Poll) { p.Choices = []string{"1", long + "ü"} }, community.ErrChoices},
		"shortest":              {func(p *community.Poll) { p.Seconds = community.MinPoll }, nil},
		"longest":               {func(p *community.Poll) { p.Seconds = community.MaxPoll }, nil},
		"too short":             {func(p *community.Poll) { p.Seconds = community.MinPoll - 1 }, community.ErrPollTime},
		"too long":              {func(p *community.Poll) { p.Seconds = community.MaxPoll + 1 }, community.ErrPollTime},
	} {
		p := wish("Red", "Blue")
		c.change(&p)
		_, err := w.open(w.mod, p)
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil {
			_, err = w.closes(w.mod, p.ID)
			w.must(err)
		}
	}
	_, err := w.pool.Exec(t.Context(), `insert into poll (id, show, question, choices, seconds, state, made_by, name, ends_at, closed_at, told)
		select gen_random_uuid(), $1, 'Old', '{a,b}', 60, 'closed', $2, 'mara', now(), now(), '{0,0}' from generate_series(1, $3 - (select count(*)::int from poll) - 1)`,
		w.id, w.mara.ID, community.MaxPolls)
	w.must(err)
	last := wish("a", "b")
	_, err = w.open(w.mara, last)
	w.must(err)
	_, err = w.closes(w.mara, last.ID)
	w.must(err)
	if _, err := w.open(w.mara, wish("a", "b")); !errors.Is(err, community.ErrTooManyPolls) {
		t.Errorf("one past the limit: %v", err)
	}
}

func TestWhoOpensPollsAndWhichCount(t *testing.T) {
	w := newHall(t)
	first := wish("a", "b")
	for by, want := range map[*account.Account]error{&w.vic: show.ErrNotYours, &w.mod: nil, &w.operator: nil, &w.mara: nil} {
		if _, err := w.open(*by, first); !errors.Is(err, want) || (want == nil) != (err == nil) {
			t.Errorf("%s: %v", by.Roles, err)
		}
	}
	if n := w.count(`select count(*) from talk_audit where action = 'poll_opened'`); n != 1 {
		t.Errorf("%d rows for one poll", n)
	}
	if _, err := w.open(w.mara, wish("a", "b")); !errors.Is(err, community.ErrPollOpen) {
		t.Errorf("a second one: %v", err)
	}
	other := first
	other.Question = "Another?"
	if _, err := w.open(w.mara, other); !errors.Is(err, community.ErrPollTaken) {
		t.Errorf("another under the same id: %v", err)
	}
	if _, err := w.closes(w.vic, first.ID); !errors.Is(err, show.ErrNotYours) {
		t.Errorf("closed by a viewer: %v", err)
	}
	// One whose time is over is closed by whoever opens the next, even if no loop runs.
	_, err := w.pool.Exec(t.Context(), `update poll set ends_at = clock_timestamp() where id = $1`, first.ID)
	w.must(err)
	second := wish("a", "b")
	_, err = w.open(w.mara, second)
	w.must(err)
	w.end()
	var set community.PollSet
	if w.said("poll.set", &set); set.ID != second.ID || set.State != community.PollIsClosed {
		t.Errorf("the end of the show leaves %+v", set)
	}
	if n := w.count(`select count(*) from poll where state = 'open'`); n != 0 {
		t.Errorf("%d open", n)
	}
	if _, err := w.open(w.mara, wish("a", "b")); !errors.Is(err, show.ErrEnded) {
		t.Errorf("after the end: %v", err)
	}
	w.same()
}

// votesThrice is a double tap, then another mind. It answers the last choice that was taken, -1 when none was.
func (w *hall) votesThrice(p commerce.PollID, i int) (last int, err error) {
	subject := guest()
	last = -1
	for n := range 3 {
		choice := (i + n/2) % 3
		err := w.vote(p, subject, choice)
		if errors.Is(err, community.ErrPollClosed) {
			return last, nil
		}
		if err != nil {
			return last, err
		}
		last = choice
	}
	return last, nil
}

// TestManyVoters: 500 people vote, twice and in other ways, while nodes tell how it stands and somebody closes the poll.
// Each counts once, with the last choice that was taken; what was refused came too late.
func TestManyVoters(t *testing.T) {
	w := newHall(t)
	p := wish("a", "b", "c")
	_, err := w.open(w.mara, p)
	w.must(err)
	const people = 500
	var looks atomic.Int64
	chosen := make([]int, people) // the last choice that was taken, -1: none
	closing, looking := make(chan struct{}), make(chan struct{})
	started := sync.OnceFunc(func() { close(looking) })
	var loops, voters, crowd errgroup.Group
	for range 2 {
		loops.Go(func() error {
			for {
				err := w.keeper().Look(t.Context())
				if started(); err != nil {
					return err
				}
				looks.Add(1)
				select {
				case <-closing:
					return nil
				default:
				}
			}
		})
	}
	<-looking
	before := looks.Load()
	voters.SetLimit(16)
	crowd.Go(func() error { // going on waits for a free place, so that it is no business of the test's own goroutine
		for i := range people {
			if i == people*9/10 {
				close(closing)
			}
			voters.Go(func() (err error) {
				chosen[i], err = w.votesThrice(p.ID, i)
				return err
			})
		}
		return voters.Wait()
	})
	<-closing
	closed, err := w.closes(w.mod, p.ID)
	w.must(errors.Join(err, crowd.Wait(), loops.Wait()))
	if looks.Load() <= before {
		t.Error("nobody looked while people voted")
	}
	want := make([]int, 3)
	for _, choice := range chosen {
		if choice >= 0 {
			want[choice]++
		}
	}
	if !slices.Equal(closed.Counts, want) || closed.Voters() == 0 {
		t.Errorf("counted %v, taken were %v", closed.Counts, want)
	}
	var votes community.PollVotes
	if w.said("poll.votes", &votes); !slices.Equal(votes.Counts, want) {
		t.Errorf("told %v", votes.Counts)
	}
	if n := w.count(`select count(*) from poll_vote where poll = $1`, p.ID); n != closed.Voters() {
		t.Errorf("%d rows, %d voters", n, closed.Voters())
	}
	w.same()
}

// TestVoteAtTheClosingInstant: whoever closes waits for a vote that is under way, and counts it; whoever votes waits for
// a closing that is under way, and is refused.
func TestVoteAtTheClosingInstant(t *testing.T) {
	w := newHall(t)
	p := wish("a", "b")
	_, err := w.open(w.mara, p)
	w.must(err)
	var group errgroup.Group
	w.must(w.tx(func(ctx context.Context, tx pgx.Tx) error {
		if err := community.Vote(ctx, tx, w.id, p.ID, guest(), 1); err != nil {
			return err
		}
		group.Go(func() error {
			closed, err := w.closes(w.mara, p.ID)
			if err == nil && !slices.Equal(closed.Counts, []int{0, 1}) {
				err = fmt.Errorf("counted %v", closed.Counts)
			}
			return err
		})
		schematest.AwaitBlocked(t, w.pool)
		return nil
	}))
	w.must(group.Wait())

	q := wish("a", "b")
	_, err = w.open(w.mara, q)
	w.must(err)
	w.must(w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		_, err := community.ClosePoll(ctx, tx, w.mara, s, q.ID)
		group.Go(func() error {
			if err := w.vote(q.ID, guest(), 0); !errors.Is(err, community.ErrPollClosed) {
				return fmt.Errorf("a vote during the closing: %w", err)
			}
			return nil
		})
		schematest.AwaitBlocked(t, w.pool)
		return err
	}))
	w.must(group.Wait())
	if n := w.count(`select count(*) from poll_vote where poll = $1`, q.ID); n != 0 {
		t.Errorf("%d votes after the closing", n)
	}
}

func TestVotesOfTheWrongKind(t *testing.T) {
	w := newHall(t)
	p := wish("a", "b")
	_, err := w.open(w.mara, p)
	w.must(err)
	banned := guest()
	_, err = w.ban(w.mod, w.id, banned, "", false)
	w.must(err)
	elsewhere := w.show(w.mara)
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"below":   {w.vote(p.ID, guest(), -1), community.ErrChoice},
		"above":   {w.vote(p.ID, guest(), 2), community.ErrChoice},
		"banned":  {w.vote(p.ID, banned, 0), community.ErrBanned},
		"no poll": {w.vote(commerce.NewID[commerce.PollID](), guest(), 0), community.ErrPollUnknown},
		"in another show": {w.tx(func(ctx context.Context, tx pgx.Tx) error {
			return community.Vote(ctx, tx, elsewhere, p.ID, guest(), 0)
		}), community.ErrPollUnknown},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	_, err = w.pool.Exec(t.Context(), `update poll set ends_at = clock_timestamp() where id = $1`, p.ID)
	w.must(err)
	if err := w.vote(p.ID, guest(), 0); !errors.Is(err, community.ErrPollClosed) {
		t.Errorf("at its end, before anybody has closed it: %v", err)
	}
}

// TestPollEndsByItself: whichever node looks next closes it, exactly once, with the last tally; and between, the room is
// told of new votes and of nothing else.
func TestPollEndsByItself(t *testing.T) {
	w := newHall(t)
	p := wish("a", "b")
	_, err := w.open(w.mara, p)
	w.must(err)
	look := func() {
		t.Helper()
		var nodes errgroup.Group
		for range 3 {
			nodes.Go(func() error { return w.keeper().Look(t.Context()) })
		}
		w.must(nodes.Wait())
	}
	due := func() { // half a second has passed
		t.Helper()
		_, err := w.pool.Exec(t.Context(), `update poll set told_at = told_at - interval '1 second' where id = $1`, p.ID)
		w.must(err)
	}
	var votes community.PollVotes
	w.must(w.vote(p.ID, guest(), 1))
	_, err = w.pool.Exec(t.Context(), `update poll set told_at = clock_timestamp() + interval '1 hour' where id = $1`, p.ID)
	w.must(err)
	look() // it was told just now
	if n := w.said("poll.votes", &votes); n != 1 || votes.Voters != 0 {
		t.Errorf("told %d times, %+v", n, votes)
	}
	_, err = w.pool.Exec(t.Context(), `update poll set told_at = clock_timestamp() - interval '1 second' where id = $1`, p.ID)
	w.must(err)
	look()
	if n := w.said("poll.votes", &votes); n != 2 || !slices.Equal(votes.Counts, []int{0, 1}) {
		t.Errorf("told %d times, %+v", n, votes)
	}
	due()
	look() // nothing is new
	if n := w.said("poll.votes", &votes); n != 2 {
		t.Errorf("told %d times", n)
	}
	w.must(w.vote(p.ID, guest(), 0))
	_, err = w.pool.Exec(t.Context(), `update poll set ends_at = clock_timestamp() where id = $1`, p.ID)
	w.must(err)
	look()
	look()
	var set community.PollSet
	if n := w.said("poll.set", &set); n != 2 || set.State != community.PollIsClosed {
		t.Errorf("told %d times, %+v", n, set)
	}
	if w.said("poll.votes", &votes); !slices.Equal(votes.Counts, []int{1, 1}) {
		t.Errorf("in the end %+v", votes)
	}
	var first string // what is lossless comes last, so that the tally is there before it
	w.must(w.pool.QueryRow(t.Context(), `select payload->>'t' from outbox where lane = 'event' order by seq desc limit 1`).Scan(&first))
	if first != "poll.set" {
		t.Errorf("the last word is %s", first)
	}
	w.same()
}

func TestKeeperStops(t *testing.T) {
	w := newHall(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.keeper().Run(ctx) }()
	p := wish("a", "b")
	_, err := w.open(w.mara, p)
	w.must(err)
	_, err = w.pool.Exec(t.Context(), `update poll set ends_at = clock_timestamp() where id = $1`, p.ID)
	w.must(err)
	for deadline := time.Now().Add(time.Minute); w.count(`select count(*) from poll where state = 'closed'`) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody closes the poll")
		}
	}
	stop()
	w.must(<-done)
}

// TestClosingWaitsForNobodyNew: who closes waits for the votes that are under way, and later ones wait for who closes.
func TestClosingWaitsForNobodyNew(t *testing.T) {
	w := newHall(t)
	p := wish("a", "b")
	_, err := w.open(w.mara, p)
	w.must(err)
	waiting := func(n int, or *atomic.Bool) {
		for end := time.Now().Add(30 * time.Second); w.count(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) < n; {
			if or.Load() {
				return
			}
			if time.Now().After(end) {
				t.Errorf("%d do not wait", n)
				return
			}
		}
	}
	var done atomic.Bool
	var others errgroup.Group
	var closed community.Poll
	w.must(w.tx(func(ctx context.Context, tx pgx.Tx) error {
		if err := community.Vote(ctx, tx, w.id, p.ID, guest(), 0); err != nil {
			return err
		}
		others.Go(func() (err error) {
			closed, err = w.closes(w.mod, p.ID)
			return err
		})
		waiting(1, &done)
		others.Go(func() error {
			defer done.Store(true)
			if err := w.vote(p.ID, guest(), 1); !errors.Is(err, community.ErrPollClosed) {
				return fmt.Errorf("a vote behind the close: %w", err)
			}
			return nil
		})
		waiting(2, &done)
		return nil
	}))
	w.must(others.Wait())
	if !slices.Equal(closed.Counts, []int{1, 0}) {
		t.Errorf("counted %v", closed.Counts)
	}
}
