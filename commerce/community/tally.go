package community

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

const (
	// toldEvery is how often the room is told how a poll stands, at most, by all nodes together.
	toldEvery = 500 * time.Millisecond
	// lookEvery is how often a node looks for what is due.
	lookEvery = 250 * time.Millisecond
	// lookRest is how many times as long as a look took a node rests after it, and restMost how long at most: counting very
	// many votes takes its time.
	lookRest = 4
	restMost = 2 * time.Second
	// lately is how long a poll is counted after its last vote: longer than a vote may take to be committed.
	lately = 15 * time.Second
	// atOnce bounds one look. What is left out is found by the next.
	atOnce = 100
	// lookWithin bounds each half of it in time, and lockWait how long it waits for what somebody else has locked: one show
	// that is stuck does not keep the others waiting.
	lookWithin = 10 * time.Second
	lockWait   = 200 * time.Millisecond
	// lockNotAvailable is what Postgres calls it when lockWait is over.
	lockNotAvailable = "55P03"
)

// count counts the votes of a poll that the caller has locked, and with closing closes it: nobody votes any more then.
func count(ctx context.Context, tx pgx.Tx, p Poll, closing bool) (Poll, error) {
	rows, err := tx.Query(ctx, `select choice, count(*) from poll_vote where poll = $1 group by choice`, p.ID)
	if err != nil {
		return Poll{}, fmt.Errorf("count %s: %w", p.ID, err)
	}
	p.Counts = make([]int, len(p.Choices))
	var choice, votes int
	if _, err := pgx.ForEachRow(rows, []any{&choice, &votes}, func() error { p.Counts[choice] = votes; return nil }); err != nil {
		return Poll{}, fmt.Errorf("count %s: %w", p.ID, err)
	}
	err = tx.QueryRow(ctx, `update poll p set told = $2, told_at = clock_timestamp(), state = case when $3 then 'closed' else state end,
		closed_at = case when $3 then least(ends_at, clock_timestamp()) end where id = $1 returning p.state, coalesce(p.closed_at, p.ends_at)`,
		p.ID, p.Counts, closing).Scan(&p.State, &p.EndsAt)
	if err != nil {
		return Poll{}, fmt.Errorf("tell of %s: %w", p.ID, err)
	}
	p.EndsAt = p.EndsAt.UTC()
	return p, nil
}

// closeOpen closes the open poll of a show that the caller has locked, if there is one; with due, only when its time is
// over. It answers what the room is to be told.
func closeOpen(ctx context.Context, tx pgx.Tx, id commerce.ShowID, due bool) ([]outbox.EventRow, error) {
	var poll commerce.PollID
	err := tx.QueryRow(ctx, `select id from poll where show = $1 and state = 'open' and (ends_at <= clock_timestamp() or not $2)`, id, due).Scan(&poll)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		err = underWay(ctx, tx, poll, "")
	}
	if err != nil {
		return nil, fmt.Errorf("close the poll of %s: %w", id, err)
	}
	// Nobody else closes it: the show is locked.
	p, err := scanPoll(tx.QueryRow(ctx, `select `+pollColumns+` from poll p where p.id = $1 for update`, poll))
	if err != nil {
		return nil, fmt.Errorf("close the poll of %s: %w", id, err)
	}
	if p, err = count(ctx, tx, p, true); err != nil {
		return nil, err
	}
	return p.events(), nil
}

// End closes the talk of a show that the caller has locked and is about to end: who is asking something comes before
// it, or is refused; an open poll is counted and closed.
func End(ctx context.Context, tx pgx.Tx, id commerce.ShowID) error {
	if _, _, _, err := lockTalk(ctx, tx, id); err != nil && !errors.Is(err, show.ErrEnded) { // twice is once
		return err
	}
	events, err := closeOpen(ctx, tx, id, false)
	if err != nil {
		return err
	}
	return outbox.Event(ctx, tx, id, events...)
}

// Keeper does what is due in the talk of all shows: it tells how polls stand, closes those whose time is over, and lets
// people speak again. Every node has one; what one of them was killed over, the next does.
type Keeper struct {
	Pool *pgxpool.Pool
	Log  *slog.Logger
	// Wrote is told that outbox rows were committed.
	Wrote func()
}

// Run works until ctx ends.
func (k Keeper) Run(ctx context.Context) error {
	failing := false
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		began := time.Now()
		err := k.Look(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			k.Log.Warn("polls and time-outs wait", "error", err)
		}
		failing = err != nil
		timer.Reset(min(max(lookEvery, lookRest*time.Since(began)), restMost))
	}
}

// Look does what is due now.
func (k Keeper) Look(ctx context.Context) error {
	within := func(half func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, lookWithin)
		defer cancel()
		return half(ctx)
	}
	return errors.Join(within(k.polls), within(k.timeouts))
}

// soon runs do in a transaction that does not wait long: what somebody else has locked is left to the next look.
func (k Keeper) soon(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) (wrote bool, err error)) error {
	wrote := false
	err := schema.InTx(ctx, k.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) (err error) {
		if _, err := tx.Exec(ctx, `select set_config('lock_timeout', $1, true)`, lockWait.String()); err != nil {
			return fmt.Errorf("wait for no lock: %w", err)
		}
		wrote, err = do(ctx, tx)
		return err
	})
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == lockNotAvailable {
		return nil
	}
	if err == nil && wrote {
		k.Wrote()
	}
	return err
}

// hold locks a show, unless somebody else has: then the next look finds what is due.
func hold(ctx context.Context, tx pgx.Tx, id commerce.ShowID) (held bool, err error) {
	tag, err := tx.Exec(ctx, `select from show where id = $1 for no key update skip locked`, id)
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", id, err)
	}
	return tag.RowsAffected() == 1, nil
}

func (k Keeper) polls(ctx context.Context) error {
	rows, err := k.Pool.Query(ctx, `select p.id, p.show, p.ends_at <= clock_timestamp() from poll p where p.state = 'open' and (p.ends_at <= clock_timestamp()
		or p.told_at <= clock_timestamp() - $1::interval
			and exists (select from poll_vote v where v.poll = p.id and v.cast_at > p.told_at - $2::interval))
		order by p.ends_at limit $3`, toldEvery, lately, atOnce)
	if err != nil {
		return fmt.Errorf("look for polls: %w", err)
	}
	type due struct {
		ID   commerce.PollID
		Show commerce.ShowID
		Over bool
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[due])
	if err != nil {
		return fmt.Errorf("look for polls: %w", err)
	}
	var failed error
	for _, p := range found {
		failed = errors.Join(failed, k.soon(ctx, func(ctx context.Context, tx pgx.Tx) (bool, error) {
			if p.Over {
				return overdue(ctx, tx, p.Show)
			}
			return tell(ctx, tx, p.ID)
		}))
	}
	return failed
}

func overdue(ctx context.Context, tx pgx.Tx, id commerce.ShowID) (closed bool, err error) {
	if held, err := hold(ctx, tx, id); err != nil || !held {
		return false, err
	}
	events, err := closeOpen(ctx, tx, id, true)
	if err != nil {
		return false, err
	}
	return len(events) > 0, outbox.Event(ctx, tx, id, events...)
}

// tell tells how an open poll stands, unless another node does so at this moment or has just done it. It shares the
// poll with who votes.
func tell(ctx context.Context, tx pgx.Tx, id commerce.PollID) (told bool, err error) {
	p, err := scanPoll(tx.QueryRow(ctx, `select `+pollColumns+` from poll p where p.id = $1 and p.state = 'open'
		and p.told_at <= clock_timestamp() - $2::interval for no key update skip locked`, id, toldEvery))
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("tell of %s: %w", id, err)
	}
	before := p.Counts
	if p, err = count(ctx, tx, p, false); err != nil || slices.Equal(before, p.Counts) {
		return false, err
	}
	return true, outbox.Event(ctx, tx, p.Show, p.votesEvent())
}

// timeouts forgets time-outs that are over and tells the rooms, so that what these people say from now on is shown.
func (k Keeper) timeouts(ctx context.Context) error {
	rows, err := k.Pool.Query(ctx, `select show from talk_timeout where until <= clock_timestamp() group by show order by min(until) limit $1`, atOnce)
	if err != nil {
		return fmt.Errorf("look for time-outs: %w", err)
	}
	shows, err := pgx.CollectRows(rows, pgx.RowTo[commerce.ShowID])
	if err != nil {
		return fmt.Errorf("look for time-outs: %w", err)
	}
	var failed error
	for _, id := range shows {
		failed = errors.Join(failed, k.soon(ctx, func(ctx context.Context, tx pgx.Tx) (bool, error) {
			if held, err := hold(ctx, tx, id); err != nil || !held {
				return false, err
			}
			if over, err := buryOver(ctx, tx, id); err != nil || !over {
				return false, err
			}
			return true, tellGone(ctx, tx, id)
		}))
	}
	return failed
}
