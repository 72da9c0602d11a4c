package community

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

const (
	// MinPollQuestion and MaxPollQuestion bound what is asked, in characters.
	MinPollQuestion = 3
	MaxPollQuestion = 200
	// MinChoices and MaxChoices are how many there are to choose from; MaxChoice is how long one is, in characters.
	MinChoices = 2
	MaxChoices = 6
	MaxChoice  = 80
	// MinPoll and MaxPoll bound how long a poll is open, in seconds.
	MinPoll = 15
	MaxPoll = 3600
	// MaxPolls is how many polls one show has.
	MaxPolls = 200
)

var (
	ErrPollQuestion = errors.New("a poll asks something in 3 to 200 characters")
	ErrChoices      = errors.New("a poll has 2 to 6 different choices, of 1 to 80 characters each")
	ErrPollTime     = errors.New("a poll is open for 15 to 3600 seconds")
	ErrPollOpen     = errors.New("another poll is open; close it first")
	ErrPollTaken    = errors.New("this id stands for another poll")
	ErrPollUnknown  = errors.New("no such poll")
	ErrPollClosed   = errors.New("this poll is closed")
	ErrChoice       = errors.New("this is none of the poll's choices")
	ErrTooManyPolls = errors.New("a show has at most 200 polls")
)

// PollState is where a poll is in its life.
type PollState string

const (
	PollIsOpen   PollState = "open"
	PollIsClosed PollState = "closed"
)

// Poll is a question with some answers to choose from. Counts is how it stood when it was told last, by choice; of a
// closed poll, how it ended. EndsAt of a closed one is when it was closed.
type Poll struct {
	ID       commerce.PollID
	Show     commerce.ShowID
	Question string
	Choices  []string
	Seconds  int
	State    PollState
	Name     string // of who made it
	Made     time.Time
	EndsAt   time.Time
	Counts   []int
}

// Voters is how many have voted, as far as Counts knows.
func (p Poll) Voters() (n int) {
	for _, c := range p.Counts {
		n += c
	}
	return n
}

const pollColumns = `p.id, p.show, p.question, p.choices, p.seconds, p.state, p.name, p.made_at, coalesce(p.closed_at, p.ends_at), p.told`

func scanPoll(row pgx.Row) (p Poll, err error) {
	err = row.Scan(&p.ID, &p.Show, &p.Question, &p.Choices, &p.Seconds, &p.State, &p.Name, &p.Made, &p.EndsAt, &p.Counts)
	p.Made, p.EndsAt = p.Made.UTC(), p.EndsAt.UTC()
	return p, err
}

// NewestPoll reads the poll of a show that was opened last; nil when there was none.
func NewestPoll(ctx context.Context, q schema.Querier, id commerce.ShowID) (*Poll, error) {
	p, err := scanPoll(q.QueryRow(ctx, `select `+pollColumns+` from poll p where p.show = $1 order by p.made_at desc, p.id desc limit 1`, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("newest poll of %s: %w", id, err)
	}
	return &p, nil
}

// VoteOf reads which choice somebody has made in a poll; nil when none.
func VoteOf(ctx context.Context, q schema.Querier, id commerce.PollID, subject string) (*int, error) {
	var choice int
	err := q.QueryRow(ctx, `select choice from poll_vote where poll = $1 and subject = $2`, id, subject).Scan(&choice)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("vote in %s: %w", id, err)
	}
	return &choice, nil
}

// normalise is what is wrong with a poll that somebody wants to open.
func (p *Poll) normalise() (ok error) {
	var fits bool
	if p.Question, fits = tidy(p.Question, MinPollQuestion, MaxPollQuestion); !fits {
		return ErrPollQuestion
	}
	choices := make([]string, len(p.Choices))
	known := map[string]bool{}
	for i, choice := range p.Choices {
		if choices[i], fits = tidy(choice, 1, MaxChoice); !fits || known[strings.ToLower(choices[i])] {
			return ErrChoices
		}
		known[strings.ToLower(choices[i])] = true
	}
	if p.Choices = choices; len(choices) < MinChoices || len(choices) > MaxChoices {
		return ErrChoices
	}
	if p.Seconds < MinPoll || p.Seconds > MaxPoll {
		return ErrPollTime
	}
	return nil
}

// OpenPoll opens a poll in a show that the caller has locked: ID, Question, Choices and Seconds are what is wanted. The
// same again, however late, is the poll as it stands.
func OpenPoll(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, p Poll) (opened Poll, made bool, err error) {
	if err := lead(ctx, tx, by, s); err != nil {
		return Poll{}, false, err
	}
	if err := p.normalise(); err != nil {
		return Poll{}, false, err
	}
	before, err := scanPoll(tx.QueryRow(ctx, `select `+pollColumns+` from poll p where p.id = $1`, p.ID))
	if err == nil {
		if before.Show != s.ID || before.Question != p.Question || !slices.Equal(before.Choices, p.Choices) || before.Seconds != p.Seconds {
			return Poll{}, false, ErrPollTaken
		}
		return before, false, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return Poll{}, false, fmt.Errorf("read %s: %w", p.ID, err)
	}
	// One whose time is over, and that nobody has closed yet, stands in nobody's way.
	events, err := closeOpen(ctx, tx, s.ID, true)
	if err != nil {
		return Poll{}, false, err
	}
	var count int
	var open bool
	err = tx.QueryRow(ctx, `select count(*), coalesce(bool_or(state = 'open'), false) from poll where show = $1`, s.ID).Scan(&count, &open)
	switch {
	case err != nil:
		return Poll{}, false, fmt.Errorf("polls of %s: %w", s.ID, err)
	case open:
		return Poll{}, false, ErrPollOpen
	case count >= MaxPolls:
		return Poll{}, false, ErrTooManyPolls
	}
	opened, err = scanPoll(tx.QueryRow(ctx, `insert into poll as p (id, show, question, choices, seconds, made_by, name, made_at, ends_at, told)
		values ($1, $2, $3, $4, $5, $6, $7, clock_timestamp(), clock_timestamp() + make_interval(secs => $5::int), array_fill(0, array[cardinality($4::text[])]))
		returning `+pollColumns, p.ID, s.ID, p.Question, p.Choices, p.Seconds, by.ID, by.Name))
	if schema.Violates(err, "poll_pkey") {
		return Poll{}, false, ErrPollTaken // the same id for another show, at this moment
	}
	if err != nil {
		return Poll{}, false, fmt.Errorf("open %s: %w", p.ID, err)
	}
	if err := note(ctx, tx, s, by, Entry{Action: ActionPollOpened, Detail: p.Question + " | " + strings.Join(p.Choices, " | ")}); err != nil {
		return Poll{}, false, err
	}
	return opened, true, outbox.Event(ctx, tx, s.ID, append(events, opened.events()...)...)
}

// Vote is somebody's choice in a poll; a later one takes its place while the poll is open. Whoever closes the poll waits
// for votes that are under way, and counts them.
func Vote(ctx context.Context, tx pgx.Tx, id commerce.ShowID, poll commerce.PollID, subject string, choice int) error {
	if err := Check(ctx, tx, id, subject); err != nil {
		return err
	}
	if err := underWay(ctx, tx, poll, "_shared"); err != nil {
		return err
	}
	var open bool
	var choices int
	err := tx.QueryRow(ctx, `select state = 'open' and ends_at > clock_timestamp(), cardinality(choices) from poll where id = $1 and show = $2 for key share`, poll, id).
		Scan(&open, &choices)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrPollUnknown
	case err != nil:
		return fmt.Errorf("vote in %s: %w", poll, err)
	case choice < 0 || choice >= choices:
		return ErrChoice
	case !open:
		return ErrPollClosed
	}
	_, err = tx.Exec(ctx, `insert into poll_vote (poll, subject, choice) values ($1, $2, $3) on conflict (poll, subject)
		do update set choice = excluded.choice, cast_at = clock_timestamp() where poll_vote.choice <> excluded.choice`, poll, subject, choice)
	if err != nil {
		return fmt.Errorf("vote in %s: %w", poll, err)
	}
	return nil
}

// underWay holds, until tx ends, the lock that a vote shares with the others and a count that closes has alone. That of the
// row would not do: voters do not queue behind who waits for it, so that a stream of them keeps the poll open.
func underWay(ctx context.Context, tx pgx.Tx, poll commerce.PollID, shared string) error {
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock`+shared+`(hashtextextended('poll ' || $1::uuid::text, 0))`, poll); err != nil {
		return fmt.Errorf("votes in %s: %w", poll, err)
	}
	return nil
}

// ClosePoll closes a poll of a show that the caller has locked before its time. Twice is once.
func ClosePoll(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, id commerce.PollID) (Poll, error) {
	if err := Leads(ctx, tx, by, s); err != nil {
		return Poll{}, err
	}
	if err := underWay(ctx, tx, id, ""); err != nil {
		return Poll{}, err
	}
	p, err := scanPoll(tx.QueryRow(ctx, `select `+pollColumns+` from poll p where p.id = $1 and p.show = $2 for update`, id, s.ID))
	if errors.Is(err, pgx.ErrNoRows) {
		return Poll{}, ErrPollUnknown
	}
	if err != nil {
		return Poll{}, fmt.Errorf("close %s: %w", id, err)
	}
	if p.State == PollIsClosed {
		return p, nil
	}
	if p, err = count(ctx, tx, p, true); err != nil {
		return Poll{}, err
	}
	if err := note(ctx, tx, s, by, Entry{Action: ActionPollClosed, Detail: p.Question}); err != nil {
		return Poll{}, err
	}
	return p, outbox.Event(ctx, tx, s.ID, p.events()...)
}
