package community

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
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

const (
	// MinTimeout and MaxTimeout bound how long somebody is silenced, in seconds.
	MinTimeout = 10
	MaxTimeout = 86_400
	// MaxTimeouts is how many people are silenced in one show at a time.
	MaxTimeouts = 1000
	// again is how soon after a time-out the same one is taken for the same request, sent twice: longer than a page goes
	// on asking that is told to wait.
	again = 3 * time.Minute
)

var (
	ErrTimeout         = errors.New("a time-out lasts 10 to 86400 seconds")
	ErrTooManyTimeouts = errors.New("at most 1000 people are timed out in one show at a time")
	ErrModerator       = errors.New("moderators cannot be silenced or banned by each other; the show's creator can")
	ErrPerson          = errors.New("a name has at most 100 characters")
	// ErrTimedOut is what every *TimedOutError is.
	ErrTimedOut = errors.New("you have been timed out in this show")
)

// TimedOutError refuses somebody who may speak again when Left is over.
type TimedOutError struct{ Left time.Duration }

func (e *TimedOutError) Error() string { return ErrTimedOut.Error() }
func (e *TimedOutError) Unwrap() error { return ErrTimedOut }

// Timeout is a person who may not speak in a show until a time.
type Timeout struct {
	Subject, Name string
	Seconds       int
	Reason        string
	Until         time.Time
}

// Rules is what the chat of a show needs to know: how long an author waits between two lines, and who may not speak until
// when, in whole milliseconds, as lines have them.
type Rules struct {
	Slow     time.Duration
	TimeOuts map[string]time.Time
}

// ReadRules reads them, by the clock of the database.
func ReadRules(ctx context.Context, q schema.Querier, id commerce.ShowID) (r Rules, err error) {
	t, err := ReadTalk(ctx, q, id)
	if err != nil {
		return Rules{}, err
	}
	r = Rules{Slow: time.Duration(t.Slow) * time.Second, TimeOuts: map[string]time.Time{}}
	rows, err := q.Query(ctx, `select subject, date_trunc('milliseconds', until + interval '999 microseconds') from talk_timeout where show = $1 and until > clock_timestamp()`, id)
	if err != nil {
		return Rules{}, fmt.Errorf("time-outs of %s: %w", id, err)
	}
	var subject string
	var until time.Time
	if _, err := pgx.ForEachRow(rows, []any{&subject, &until}, func() error { r.TimeOuts[subject] = until; return nil }); err != nil {
		return Rules{}, fmt.Errorf("time-outs of %s: %w", id, err)
	}
	return r, nil
}

// Wish is whom somebody in charge wants silent or gone, and why. Name is what the page showed: the name we know of an
// account goes before it.
type Wish struct {
	Subject, Name, Reason string
}

// judge checks a wish and whether by may have it granted.
func (w *Wish) judge(ctx context.Context, q schema.Querier, by account.Account, s show.Show) error {
	w.Reason = strings.TrimSpace(w.Reason)
	if utf8.RuneCountInString(w.Reason) > MaxReason || !utf8.ValidString(w.Reason) || strings.ContainsFunc(w.Reason, unicode.IsControl) {
		return ErrReason
	}
	name, ok := tidyName(w.Name, true)
	if !ok {
		return ErrPerson
	}
	w.Name = name
	id, _, err := commerce.ParseSubject(w.Subject)
	switch {
	case err != nil:
		return ErrSubject
	case id.IsZero():
		return nil
	case id == s.Creator:
		return ErrCreator
	}
	a, err := account.Get(ctx, q, id)
	if err != nil {
		return err
	}
	if a.Has(account.Operator) {
		return ErrCreator
	}
	w.Name = a.Name
	return notTheirs(ctx, q, by, s, id)
}

// notTheirs keeps moderators from judging each other, and themselves; the creator and operators may.
func notTheirs(ctx context.Context, q schema.Querier, by account.Account, s show.Show, id commerce.AccountID) error {
	if s.MayEnd(by) == nil {
		return nil
	}
	moderates, err := s.Moderates(ctx, q, id)
	if err == nil && moderates {
		err = ErrModerator
	}
	return err
}

// TimeOut silences somebody in a show that the caller has locked, from now on for so many seconds. A new one takes the
// place of an old one; the same again within three minutes is the same.
func TimeOut(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, w Wish, seconds int) (Timeout, error) {
	if err := lead(ctx, tx, by, s); err != nil {
		return Timeout{}, err
	}
	if seconds < MinTimeout || seconds > MaxTimeout {
		return Timeout{}, ErrTimeout
	}
	if err := w.judge(ctx, tx, by, s); err != nil {
		return Timeout{}, err
	}
	t := Timeout{Subject: w.Subject, Name: w.Name, Seconds: seconds, Reason: w.Reason}
	err := tx.QueryRow(ctx, `select until from talk_timeout where show = $1 and subject = $2 and seconds = $3 and reason = $4 and made_by = $5
		and made_at > now() - $6::interval and until > now()`, s.ID, w.Subject, seconds, w.Reason, by.ID, again).Scan(&t.Until)
	if err == nil {
		t.Until = t.Until.UTC()
		return t, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return Timeout{}, fmt.Errorf("time out in %s: %w", s.ID, err)
	}
	err = tx.QueryRow(ctx, `insert into talk_timeout (show, subject, name, seconds, reason, until, made_by, made_at)
		values ($1, $2, $3, $4, $5, now() + make_interval(secs => $4::int), $6, now())
		on conflict (show, subject) do update set name = excluded.name, seconds = excluded.seconds, reason = excluded.reason,
			until = excluded.until, made_by = excluded.made_by, made_at = excluded.made_at
		returning until`, s.ID, t.Subject, t.Name, t.Seconds, t.Reason, by.ID).Scan(&t.Until)
	if err != nil {
		return Timeout{}, fmt.Errorf("time out in %s: %w", s.ID, err)
	}
	t.Until = t.Until.UTC()
	var count int
	if err := tx.QueryRow(ctx, `select count(*) from talk_timeout where show = $1 and until > now()`, s.ID).Scan(&count); err != nil {
		return Timeout{}, fmt.Errorf("time out in %s: %w", s.ID, err)
	}
	if count > MaxTimeouts {
		return Timeout{}, ErrTooManyTimeouts
	}
	detail := strings.TrimSpace(fmt.Sprintf("%d s %s", t.Seconds, t.Reason))
	return t, silenced(ctx, tx, by, s, Entry{Action: ActionTimedOut, Subject: t.Subject, Name: t.Name, Detail: detail})
}

func silenced(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, e Entry) error {
	if err := note(ctx, tx, s, by, e); err != nil {
		return err
	}
	if err := retold(ctx, tx, s.ID); err != nil {
		return err
	}
	return tellGone(ctx, tx, s.ID)
}

// LiftTimeout lets somebody speak again in a show that the caller has locked. What is not there changes nothing.
func LiftTimeout(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, subject string) error {
	if err := lead(ctx, tx, by, s); err != nil {
		return err
	}
	id, _, err := commerce.ParseSubject(subject)
	if err != nil {
		return ErrSubject
	}
	if err := notTheirs(ctx, tx, by, s, id); err != nil {
		return err
	}
	var name string
	// One that is over is the Keeper's: what was said since its end stays.
	err = tx.QueryRow(ctx, `delete from talk_timeout where show = $1 and subject = $2 and until > clock_timestamp() returning name`, s.ID, subject).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lift a time-out in %s: %w", s.ID, err)
	}
	if err := bury(ctx, tx, []commerce.ShowID{s.ID}, subject); err != nil {
		return err
	}
	return silenced(ctx, tx, by, s, Entry{Action: ActionTimeoutLifted, Subject: subject, Name: name})
}

// CheckTimeout says a *TimedOutError when subject may not speak in a show just now.
func CheckTimeout(ctx context.Context, q schema.Querier, id commerce.ShowID, subject string) error {
	var left time.Duration
	err := q.QueryRow(ctx, `select until - clock_timestamp() from talk_timeout where show = $1 and subject = $2 and until > clock_timestamp()`, id, subject).Scan(&left)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("check time-outs of %s: %w", id, err)
	}
	return &TimedOutError{Left: left}
}

// listed bounds the lists of who is silenced or banned.
const listed = 200

// Timeouts lists who may not speak in a show just now, newest first, at most 200.
func Timeouts(ctx context.Context, q schema.Querier, id commerce.ShowID) ([]Timeout, error) {
	rows, err := q.Query(ctx, `select subject, name, seconds, reason, until from talk_timeout where show = $1 and until > now()
		order by made_at desc, subject limit $2`, id, listed)
	if err != nil {
		return nil, fmt.Errorf("time-outs of %s: %w", id, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Timeout, err error) {
		err = row.Scan(&t.Subject, &t.Name, &t.Seconds, &t.Reason, &t.Until)
		t.Until = t.Until.UTC()
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("time-outs of %s: %w", id, err)
	}
	return list, nil
}
