package community

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

const (
	// MaxSlow is the longest that slow mode makes an author wait, in seconds.
	MaxSlow = 600
	// MaxAnnouncement is how long an announcement is, in characters.
	MaxAnnouncement = 200
	// MaxLine is how long the text of a removed line may be, in characters.
	MaxLine = 200
	// KeptLines is how many removed lines of a show are known by their ids.
	KeptLines = 1000
)

// What can be wrong; the texts are for the person who asked.
var (
	ErrSlow         = errors.New("slow mode takes 0 to 600 seconds; 0 turns it off")
	ErrAnnouncement = errors.New("an announcement has 1 to 200 characters, on one line")
	ErrLine         = errors.New("a line has at most 200 characters, and its author a name of at most 100")
)

// Announcement is what stands above the chat. Text "" was taken off at At.
type Announcement struct {
	Text, Name string
	At         time.Time
}

// Talk is the rules of the talk in a show. Announced is nil before the first announcement.
type Talk struct {
	Slow      int // seconds
	Announced *Announcement
}

// Leads says whether somebody may keep order in a show just now: its creator and operators always, a moderator unless
// silenced or banned there.
func Leads(ctx context.Context, q schema.Querier, by account.Account, s show.Show) error {
	if s.MayEnd(by) == nil {
		return nil
	}
	if err := s.MayModerate(ctx, q, by); err != nil {
		return err
	}
	if err := Check(ctx, q, s.ID, by.ID.String()); err != nil {
		return err
	}
	return CheckTimeout(ctx, q, s.ID, by.ID.String())
}

// lead begins what only somebody in charge does to the talk of a show that goes on.
func lead(ctx context.Context, q schema.Querier, by account.Account, s show.Show) error {
	if err := Leads(ctx, q, by, s); err != nil {
		return err
	}
	if s.State == show.Ended {
		return show.ErrEnded
	}
	return nil
}

// ReadTalk reads the rules.
func ReadTalk(ctx context.Context, q schema.Querier, id commerce.ShowID) (t Talk, err error) {
	var text *string
	var name string
	var at *time.Time
	err = q.QueryRow(ctx, `select slow_seconds, announcement, announced_by, announced_at from talk where show = $1`, id).Scan(&t.Slow, &text, &name, &at)
	if errors.Is(err, pgx.ErrNoRows) {
		return Talk{}, nil
	}
	if err != nil {
		return Talk{}, fmt.Errorf("talk of %s: %w", id, err)
	}
	if at != nil {
		t.Announced = &Announcement{Name: name, At: at.UTC()}
		if text != nil {
			t.Announced.Text = *text
		}
	}
	return t, nil
}

// SetSlow makes each author of a show that the caller has locked wait so many seconds between two lines.
func SetSlow(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, seconds int) error {
	if err := lead(ctx, tx, by, s); err != nil {
		return err
	}
	if seconds < 0 || seconds > MaxSlow {
		return ErrSlow
	}
	t, err := ReadTalk(ctx, tx, s.ID)
	if err != nil || t.Slow == seconds {
		return err
	}
	_, err = tx.Exec(ctx, `insert into talk (show, slow_seconds) values ($1, $2) on conflict (show) do update set slow_seconds = excluded.slow_seconds`, s.ID, seconds)
	if err != nil {
		return fmt.Errorf("slow mode of %s: %w", s.ID, err)
	}
	if err := note(ctx, tx, s, by, Entry{Action: ActionSlowModeSet, Detail: strconv.Itoa(seconds) + " s"}); err != nil {
		return err
	}
	return retold(ctx, tx, s.ID, slowEvent(seconds))
}

// retold tells the room, and every node that it has to read the rules again.
func retold(ctx context.Context, tx pgx.Tx, id commerce.ShowID, events ...outbox.EventRow) error {
	if err := outbox.Control(ctx, tx, outbox.ControlMessage{Op: outbox.OpTalk, Show: id.String()}); err != nil {
		return err
	}
	return outbox.Event(ctx, tx, id, events...)
}

// Announce puts a text above the chat of a show that the caller has locked; "" takes it off. The same again changes
// nothing.
func Announce(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, text string) (Announcement, error) {
	if err := lead(ctx, tx, by, s); err != nil {
		return Announcement{}, err
	}
	text, ok := tidy(text, 0, MaxAnnouncement)
	if !ok {
		return Announcement{}, ErrAnnouncement
	}
	t, err := ReadTalk(ctx, tx, s.ID)
	switch {
	case err != nil:
		return Announcement{}, err
	case t.Announced == nil && text == "":
		return Announcement{}, nil
	case t.Announced != nil && t.Announced.Text == text:
		return *t.Announced, nil
	}
	now := Announcement{Text: text, Name: by.Name}
	err = tx.QueryRow(ctx, `insert into talk (show, announcement, announced_by, announced_at) values ($1, nullif($2, ''), $3, now())
		on conflict (show) do update set announcement = excluded.announcement, announced_by = excluded.announced_by, announced_at = now()
		returning announced_at`, s.ID, text, by.Name).Scan(&now.At)
	if err != nil {
		return Announcement{}, fmt.Errorf("announce in %s: %w", s.ID, err)
	}
	now.At = now.At.UTC()
	e := Entry{Action: ActionAnnouncementSet, Detail: text}
	if text == "" {
		e.Action = ActionAnnouncementRemoved
	}
	if err := note(ctx, tx, s, by, e); err != nil {
		return Announcement{}, err
	}
	return now, outbox.Event(ctx, tx, s.ID, now.event())
}

// Line is a line of the chat. Known says that it is as it was said, and not only as somebody in charge tells it.
type Line struct {
	ID                  commerce.LineID
	Subject, Name, Text string
	Known               bool
}

// asTold goes before the words of a line in the audit log that nobody remembers.
const asTold = "as told: "

// RemoveLine takes a line back, in a show that the caller has locked. Moderators take back neither the creator's nor each
// other's. Twice is once.
func RemoveLine(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, l Line) error {
	if err := lead(ctx, tx, by, s); err != nil {
		return err
	}
	author := Wish{Subject: l.Subject}
	if l.Subject != by.ID.String() && s.MayEnd(by) != nil {
		if err := author.judge(ctx, tx, by, s); err != nil && !errors.Is(err, account.ErrNoAccount) {
			return err
		}
	} else if _, _, err := commerce.ParseSubject(l.Subject); err != nil {
		return ErrSubject
	}
	text, ok := tidy(l.Text, 0, MaxLine)
	if l.Name, ok = tidyName(l.Name, ok); !ok {
		return ErrLine
	}
	if !l.Known {
		text = asTold + text
	}
	tag, err := tx.Exec(ctx, `insert into talk_line_gone (show, line) values ($1, $2) on conflict (show, line) do nothing`, s.ID, l.ID.String())
	if err != nil {
		return fmt.Errorf("remove a line in %s: %w", s.ID, err)
	}
	if tag.RowsAffected() == 0 {
		return nil
	}
	_, err = tx.Exec(ctx, `delete from talk_line_gone where show = $1 and line in
		(select line from talk_line_gone where show = $1 order by gone_at desc, line offset $2)`, s.ID, KeptLines)
	if err != nil {
		return fmt.Errorf("forget lines of %s: %w", s.ID, err)
	}
	if err := note(ctx, tx, s, by, Entry{Action: ActionLineRemoved, Subject: l.Subject, Name: l.Name, Detail: text}); err != nil {
		return err
	}
	return tellGone(ctx, tx, s.ID)
}

// tidyName tidies the name of a person as a page showed it, unless what came before it was not in order.
func tidyName(name string, before bool) (string, bool) {
	name, ok := tidy(name, 0, MaxName)
	return name, ok && before
}
