package show

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
)

// State is where a show is in its life.
type State string

const (
	Scheduled State = "scheduled"
	Live      State = "live"
	Ended     State = "ended"
)

const (
	MaxTitle       = 120  // characters
	MaxDescription = 4000 // characters
	// MaxOpen is how many shows of one creator may be scheduled or live.
	MaxOpen = 100
	// MaxAhead is how far in the future a show may be scheduled.
	MaxAhead = 2 * 365 * 24 * time.Hour
)

// What can be wrong; the texts are for the person who asked.
var (
	ErrUnknown     = errors.New("no such show")
	ErrNotYours    = errors.New("this show belongs to somebody else")
	ErrNotCreator  = errors.New("only creators have shows")
	ErrEnded       = errors.New("this show has ended")
	ErrTitle       = errors.New("a show's title has 1 to 120 characters")
	ErrDescription = errors.New("a show's description has at most 4000 characters")
	ErrStartsAt    = errors.New("a show starts within the next two years")
	ErrTooMany     = errors.New("a creator has at most 100 shows that have not ended")
)

// Show is one selling event.
type Show struct {
	ID          commerce.ShowID
	Creator     commerce.AccountID
	CreatorName string
	Title       string
	Description string
	State       State
	OnAir       bool
	Poster      *string
	Pin         *commerce.ProductID
	PinnedAt    int64 // when it became what it is, Unix milliseconds; 0: long ago
	StartsAt    *time.Time
	StartedAt   *time.Time
	EndedAt     *time.Time
	Created     time.Time
}

// StateSet is the data of the event show.state.
type StateSet struct {
	State     State      `json:"state" enum:"scheduled,live,ended"`
	OnAir     bool       `json:"on_air"`
	Title     string     `json:"title"`
	StartsAt  *time.Time `json:"starts_at"`
	StartedAt *time.Time `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

// columns are those of every read, in scan's order.
const columns = `s.id, s.creator, a.name, s.title, s.description, s.state, s.on_air, s.poster, s.pin, s.pinned_at,
	s.starts_at, s.started_at, s.ended_at, s.created_at`

func scan(row pgx.Row) (s Show, err error) {
	err = row.Scan(&s.ID, &s.Creator, &s.CreatorName, &s.Title, &s.Description, &s.State, &s.OnAir, &s.Poster, &s.Pin, &s.PinnedAt,
		&s.StartsAt, &s.StartedAt, &s.EndedAt, &s.Created)
	for _, t := range []*time.Time{s.StartsAt, s.StartedAt, s.EndedAt, &s.Created} {
		if t != nil {
			*t = t.UTC()
		}
	}
	return s, err
}

// Get reads one show.
func Get(ctx context.Context, q schema.Querier, id commerce.ShowID) (Show, error) {
	return one(ctx, q, id, "")
}

// Lock reads one show and makes other writers of it wait until the transaction ends.
func Lock(ctx context.Context, tx pgx.Tx, id commerce.ShowID) (Show, error) {
	return one(ctx, tx, id, " for no key update of s")
}

func one(ctx context.Context, q schema.Querier, id commerce.ShowID, lock string) (Show, error) {
	s, err := scan(q.QueryRow(ctx, `select `+columns+` from show s join account a on a.id = s.creator where s.id = $1`+lock, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return Show{}, ErrUnknown
	}
	if err != nil {
		return Show{}, fmt.Errorf("read %s: %w", id, err)
	}
	return s, nil
}

// MayEdit says whether somebody may change the show: its creator. ErrNotYours otherwise.
func (s Show) MayEdit(by account.Account) error {
	if s.Creator != by.ID {
		return ErrNotYours
	}
	return nil
}

// MayEnd says whether somebody may end the show: its creator, or an operator. ErrNotYours otherwise.
func (s Show) MayEnd(by account.Account) error {
	if s.Creator != by.ID && !by.Has(account.Operator) {
		return ErrNotYours
	}
	return nil
}

// Edit is what a creator fills in. The client makes the ID.
type Edit struct {
	ID          commerce.ShowID
	Title       string
	Description string
	StartsAt    *time.Time // nil: not announced with a time
}

// Save makes or edits a show of by; now is the transaction's. The same content again changes nothing.
func Save(ctx context.Context, tx pgx.Tx, now time.Time, by account.Account, e Edit) (s Show, created bool, err error) {
	if !by.Has(account.Creator) {
		return Show{}, false, ErrNotCreator
	}
	if err := e.normalise(now); err != nil {
		return Show{}, false, err
	}
	before, err := Lock(ctx, tx, e.ID)
	if errors.Is(err, ErrUnknown) {
		if created, err = create(ctx, tx, by, e); err != nil {
			return Show{}, false, err
		}
		before, err = Lock(ctx, tx, e.ID) // made just now, here or by the same request sent twice
	}
	if err != nil {
		return Show{}, false, err
	}
	if err := before.MayEdit(by); err != nil {
		return Show{}, false, err
	}
	if before.State == Ended {
		return Show{}, false, ErrEnded
	}
	if !created && before.same(e) {
		return before, false, nil
	}
	if !created {
		_, err = tx.Exec(ctx, `update show set title = $2, description = $3, starts_at = $4 where id = $1`,
			e.ID, e.Title, e.Description, e.StartsAt)
		if err != nil {
			return Show{}, false, fmt.Errorf("save %s: %w", e.ID, err)
		}
	}
	s, err = Get(ctx, tx, e.ID)
	if err != nil {
		return Show{}, false, err
	}
	return s, created, outbox.Event(ctx, tx, s.ID, s.stateEvent())
}

func create(ctx context.Context, tx pgx.Tx, by account.Account, e Edit) (created bool, err error) {
	// Locked, so that two creations at once are counted one after the other.
	var open int
	_, err = tx.Exec(ctx, `select from account where id = $1 for no key update`, by.ID)
	if err == nil {
		err = tx.QueryRow(ctx, `select count(*) from show where creator = $1 and state <> 'ended'`, by.ID).Scan(&open)
	}
	if err != nil {
		return false, fmt.Errorf("count shows: %w", err)
	}
	tag, err := tx.Exec(ctx, `insert into show (id, creator, title, description, starts_at) values ($1, $2, $3, $4, $5)
		on conflict (id) do nothing`, e.ID, by.ID, e.Title, e.Description, e.StartsAt)
	if err != nil {
		return false, fmt.Errorf("create %s: %w", e.ID, err)
	}
	created = tag.RowsAffected() == 1
	if created && open >= MaxOpen {
		return false, ErrTooMany
	}
	return created, nil
}

func (s Show) same(e Edit) bool {
	if s.Title != e.Title || s.Description != e.Description || (s.StartsAt == nil) != (e.StartsAt == nil) {
		return false
	}
	return s.StartsAt == nil || s.StartsAt.Equal(*e.StartsAt)
}

func (e *Edit) normalise(now time.Time) error {
	e.Title, e.Description = strings.TrimSpace(e.Title), strings.TrimSpace(e.Description)
	var errs []error
	if e.ID.IsZero() {
		errs = append(errs, commerce.ErrID)
	}
	if n := utf8.RuneCountInString(e.Title); n < 1 || n > MaxTitle || !utf8.ValidString(e.Title) || strings.ContainsFunc(e.Title, unicode.IsControl) {
		errs = append(errs, ErrTitle)
	}
	if utf8.RuneCountInString(e.Description) > MaxDescription || !utf8.ValidString(e.Description) || strings.ContainsRune(e.Description, 0) {
		errs = append(errs, ErrDescription)
	}
	if e.StartsAt != nil {
		// Postgres keeps microseconds; anything finer would make the same edit look like another one.
		at := e.StartsAt.UTC().Truncate(time.Microsecond)
		e.StartsAt = &at
		// The past is allowed: a show that is edited after its time keeps it.
		if at.After(now.Add(MaxAhead)) || at.Before(now.Add(-MaxAhead)) {
			errs = append(errs, ErrStartsAt)
		}
	}
	return errors.Join(errs...)
}

func (s Show) stateEvent() outbox.EventRow {
	return outbox.EventRow{Type: "show.state", Key: "show", Class: outbox.Lossless, Urgent: true, Data: StateSet{
		State: s.State, OnAir: s.OnAir, Title: s.Title, StartsAt: s.StartsAt, StartedAt: s.StartedAt, EndedAt: s.EndedAt,
	}}
}
