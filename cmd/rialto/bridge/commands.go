package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/chat"
)

const (
	// pollSeconds is how long a poll from the chat box is open.
	pollSeconds = 60
	// maxNamesakes is how many people of one name are listed to choose from.
	maxNamesakes = 5

	helpText = "/pin NUMBER (a row of the run sheet) · /unpin · /slow SECONDS or off · /announce TEXT or off · " +
		"/poll QUESTION | CHOICE | CHOICE · /endpoll · /timeout NAME MINUTES · /ban NAME"
)

// Commands carries out what those in charge of a show write into its chat box.
// The role that the page's socket has is not believed: commerce judges in the
// transaction who may.
type Commands struct {
	Pool *pgxpool.Pool
	// Wrote is told that outbox rows were committed.
	Wrote func()
	// Recent is what was said last in a room, on all nodes: a person who is
	// named in a command is looked for there.
	Recent func(context.Context, realtime.RoomID) ([]realtime.Event, error)
}

// leading is a command in its transaction.
type leading func(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show) (did string, err error)

// Do fits chat.Config.Command. A command that is sent again, under the same id
// of its call, is answered with what it did and not done again.
func (c Commands) Do(ctx context.Context, from realtime.Caller, text string) (did string, err error) {
	word, rest, _ := strings.Cut(text, " ")
	if strings.EqualFold(word, "/help") {
		return helpText, nil
	}
	id, err := commerce.Parse[commerce.ShowID](string(from.Room))
	if err != nil {
		return "", invalid("This is no show.")
	}
	person, err := commerce.Parse[commerce.AccountID](from.Subject)
	if err != nil {
		return "", invalid("Sign in to use commands.")
	}
	// Before anything is looked for: whom it names may have no line any more.
	if did, done, err := community.Done(ctx, c.Pool, id, person, from.Call); err != nil || done {
		return did, err
	}
	do, err := c.understand(ctx, from, strings.ToLower(word), rest)
	if err != nil {
		return "", err
	}
	err = schema.InTx(ctx, c.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		s, err := show.Lock(ctx, tx, id)
		if err != nil {
			return err
		}
		by, err := c.inCharge(ctx, tx, from, person, s)
		if err != nil {
			return err
		}
		did, err = community.Once(ctx, tx, id, person, from.Call, func() (string, error) { return do(ctx, tx, by, s) })
		return err
	})
	if err != nil {
		return "", inWords(err)
	}
	c.Wrote()
	return did, nil
}

// understand reads a command, without doing anything yet.
func (c Commands) understand(ctx context.Context, from realtime.Caller, word, rest string) (do leading, err error) {
	switch word {
	case "/pin":
		do, err = pin(rest)
	case "/unpin":
		do, err = unpin, nothing(rest, "/unpin stands alone.")
	case "/slow":
		do, err = slow(rest)
	case "/announce":
		do, err = announce(rest)
	case "/poll":
		do, err = poll(rest)
	case "/endpoll":
		do, err = endPoll, nothing(rest, "/endpoll stands alone.")
	case "/timeout":
		do, err = c.timeOut(ctx, from, rest)
	case "/ban":
		do, err = c.ban(ctx, from, rest)
	default:
		err = invalid("There is no such command. /help lists them.")
	}
	return do, err
}

// inCharge judges anew what was judged when the page joined.
func (c Commands) inCharge(ctx context.Context, tx pgx.Tx, from realtime.Caller, person commerce.AccountID, s show.Show) (account.Account, error) {
	session, err := commerce.Parse[commerce.SessionID](from.Session)
	if err != nil {
		return account.Account{}, invalid("Sign in to use commands.")
	}
	if err := account.SessionOpen(ctx, tx, session); err != nil {
		return account.Account{}, err
	}
	by, err := account.Get(ctx, tx, person)
	if err != nil {
		return account.Account{}, err
	}
	if s.State == show.Ended {
		return account.Account{}, show.ErrEnded
	}
	return by, community.Leads(ctx, tx, by, s)
}

func invalid(detail string) error {
	return &realtime.CallError{Code: chat.CodeCommandInvalid, Detail: detail}
}

func nothing(rest, detail string) error {
	if rest != "" {
		return invalid(detail)
	}
	return nil
}

// inWords makes a refusal of what commerce says no to; its texts are for people.
func inWords(err error) error {
	var silenced *community.TimedOutError
	if errors.As(err, &silenced) {
		return &realtime.CallError{Code: chat.CodeTimedOut, Detail: "You have been timed out in this show.", RetryAfter: silenced.Left}
	}
	for _, no := range []error{
		show.ErrUnknown, show.ErrNotYours, show.ErrEnded, show.ErrNotListed, account.ErrNoSession, account.ErrNoAccount, community.ErrBanned,
		community.ErrSlow, community.ErrAnnouncement, community.ErrPollQuestion, community.ErrChoices, community.ErrPollTime, community.ErrPollOpen,
		community.ErrPollTaken, community.ErrTooManyPolls, community.ErrTimeout, community.ErrSubject, community.ErrCreator, community.ErrModerator,
		community.ErrTooManyTimeouts, community.ErrTooMany,
	} {
		if errors.Is(err, no) {
			text := no.Error()
			return invalid(strings.ToUpper(text[:1]) + text[1:] + ".")
		}
	}
	return err
}

func pin(rest string) (leading, error) {
	row, err := strconv.Atoi(rest)
	if err != nil || row < 1 {
		return nil, invalid("Write /pin and the number of a row of the run sheet, like /pin 2.")
	}
	return func(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show) (string, error) {
		sheet, err := show.Products(ctx, tx, s.ID)
		if err != nil {
			return "", err
		}
		if row > len(sheet) {
			return "", invalid(fmt.Sprintf("The run sheet has %d rows.", len(sheet)))
		}
		product, err := catalog.Get(ctx, tx, sheet[row-1])
		if err != nil {
			return "", err
		}
		if s.Pin != nil && *s.Pin == product.ID {
			return "Pinned already: " + product.Title, nil
		}
		if err := community.NotePin(ctx, tx, s, by, product.Title); err != nil {
			return "", err
		}
		return "Pinned: " + product.Title, show.Pin(ctx, tx, s, &product.ID, nil)
	}, nil
}

func unpin(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show) (string, error) {
	if s.Pin == nil {
		return "Nothing is pinned.", nil
	}
	if err := community.NotePin(ctx, tx, s, by, ""); err != nil {
		return "", err
	}
	return "Nothing is pinned any more.", show.Pin(ctx, tx, s, nil, nil)
}

func slow(rest string) (leading, error) {
	seconds, did := 0, "Slow mode is off."
	if !strings.EqualFold(rest, "off") {
		var err error
		if seconds, err = strconv.Atoi(rest); err != nil {
			return nil, invalid("Write /slow and the seconds between two lines, like /slow 10, or /slow off.")
		}
		if seconds != 0 {
			did = fmt.Sprintf("Slow mode is on: one line in %d s.", seconds)
		}
	}
	return func(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show) (string, error) {
		return did, community.SetSlow(ctx, tx, by, s, seconds)
	}, nil
}

func announce(rest string) (leading, error) {
	text, did := rest, "Announced."
	switch {
	case rest == "":
		return nil, invalid("Write /announce and the text, or /announce off.")
	case strings.EqualFold(rest, "off"):
		text, did = "", "The announcement is off."
	}
	return func(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show) (string, error) {
		_, err := community.Announce(ctx, tx, by, s, text)
		return did, err
	}, nil
}

func poll(rest string) (leading, error) {
	parts := strings.Split(rest, "|")
	if len(parts) < 1+community.MinChoices {
		return nil, invalid("Write /poll QUESTION | CHOICE | CHOICE, with up to six choices.")
	}
	wish := community.Poll{ID: commerce.NewID[commerce.PollID](), Question: parts[0], Choices: parts[1:], Seconds: pollSeconds}
	return func(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show) (string, error) {
		_, _, err := community.OpenPoll(ctx, tx, by, s, wish)
		return fmt.Sprintf("The poll is open for %d seconds.", pollSeconds), err
	}, nil
}

func endPoll(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show) (string, error) {
	p, err := community.NewestPoll(ctx, tx, s.ID)
	if err != nil {
		return "", err
	}
	if p == nil || p.State != community.PollIsOpen {
		return "No poll is open.", nil
	}
	closed, err := community.ClosePoll(ctx, tx, by, s, p.ID)
	return fmt.Sprintf("The poll is closed. Votes: %d.", closed.Voters()), err
}

func (c Commands) timeOut(ctx context.Context, from realtime.Caller, rest string) (leading, error) {
	at := strings.LastIndex(rest, " ")
	minutes, err := strconv.Atoi(rest[at+1:])
	if at < 0 || err != nil || minutes < 1 || minutes > community.MaxTimeout/60 {
		return nil, invalid(fmt.Sprintf("Write /timeout NAME MINUTES, with 1 to %d minutes, like /timeout Guest 1a2b 10.", community.MaxTimeout/60))
	}
	who, err := c.find(ctx, from, rest[:at], "/timeout %s "+strconv.Itoa(minutes))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show) (string, error) {
		t, err := community.TimeOut(ctx, tx, by, s, who, minutes*60)
		return fmt.Sprintf("%s (%s) says nothing for %d min.", t.Name, t.Subject, minutes), err
	}, nil
}

func (c Commands) ban(ctx context.Context, from realtime.Caller, rest string) (leading, error) {
	if rest == "" {
		return nil, invalid("Write /ban NAME.")
	}
	who, err := c.find(ctx, from, rest, "/ban %s")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show) (string, error) {
		b, err := community.Impose(ctx, tx, by, s, who, false)
		return fmt.Sprintf("%s (%s) is banned from this show.", b.Name, b.Subject), err
	}, nil
}

// find is the person whom a command names: by their id, or by a name that only
// one of those who spoke lately has. Names are compared as they look: somebody
// may hide something in theirs, call themselves by an @, or by another's id.
func (c Commands) find(ctx context.Context, from realtime.Caller, name, exactly string) (community.Wish, error) {
	recent, err := c.Recent(ctx, from.Room)
	if err != nil {
		return community.Wish{}, fmt.Errorf("who is called %.80q: %w", name, err)
	}
	var found []community.Wish
	if _, _, err := commerce.ParseSubject(name); err == nil {
		found = append(found, community.Wish{Subject: name, Name: community.GuestName(name)})
	}
	looks := []string{chat.Look(name), chat.Look(strings.TrimPrefix(name, "@"))}
	for _, e := range recent {
		var line chat.Line
		if e.Type != chat.TypeLine || json.Unmarshal(e.Data, &line) != nil || !slices.Contains(looks, chat.Look(line.Name)) {
			continue
		}
		if !slices.ContainsFunc(found, func(w community.Wish) bool { return w.Subject == line.Subject }) {
			found = append(found, community.Wish{Subject: line.Subject, Name: line.Name})
		}
	}
	switch {
	case len(found) == 0:
		return community.Wish{}, invalid(fmt.Sprintf("Nobody called %q has spoken lately. Write their id (acc_… or gst_…) in place of the name.", name))
	case len(found) == 1:
		return found[0], nil
	case found[0].Subject == name:
		return community.Wish{}, invalid(fmt.Sprintf("Somebody else calls themselves %s. Choose the person beside one of their lines.", name))
	}
	var ways []string
	for _, w := range found[:min(len(found), maxNamesakes)] {
		ways = append(ways, fmt.Sprintf(exactly, w.Subject))
	}
	return community.Wish{}, invalid(fmt.Sprintf("%d people called %q have spoken lately. Write one of: %s", len(found), name, strings.Join(ways, " · ")))
}
