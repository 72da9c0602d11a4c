package community

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
)

// TalkSet is the data of the event talk.set.
type TalkSet struct {
	SlowSeconds int `json:"slow_seconds" doc:"How long an author waits between two lines; 0: slow mode is off"`
}

// AnnouncementSet is the data of the event announcement.set.
type AnnouncementSet struct {
	Text *string   `json:"text" doc:"null: taken off"`
	Name string    `json:"name" doc:"Who announced it, or took it off"`
	At   time.Time `json:"at"`
}

// PollSet is the data of the event poll.set.
type PollSet struct {
	ID       commerce.PollID `json:"id"`
	Question string          `json:"question"`
	Choices  []string        `json:"choices"`
	State    PollState       `json:"state" enum:"open,closed"`
	EndsAt   time.Time       `json:"ends_at" doc:"By the server's clock; of a closed poll, when it was closed"`
	By       string          `json:"by" doc:"The name of who made it"`
}

// PollVotes is the data of the event poll.votes.
type PollVotes struct {
	ID     commerce.PollID `json:"id"`
	Counts []int           `json:"counts" doc:"By choice"`
	Voters int             `json:"voters"`
}

// QuestionsSet is the data of the event questions.set.
type QuestionsSet struct {
	Open     int         `json:"open"`
	Answered int         `json:"answered"`
	Last     *LastAnswer `json:"last_answer" doc:"What was answered last; null: nothing yet"`
}

// LastAnswer is the question that was answered last. Answer is nil when it was answered aloud.
type LastAnswer struct {
	ID     commerce.QuestionID `json:"id"`
	Text   string              `json:"text"`
	Answer *string             `json:"answer" doc:"null: answered in the show"`
}

// Kinds is what this package lets a show say.
var Kinds = []outbox.EventKind{
	{Type: "talk.set", Class: outbox.Lossless, Key: "talk", Data: TalkSet{}, About: "The rules of the chat."},
	{Type: "announcement.set", Class: outbox.Lossless, Key: "talk", Data: AnnouncementSet{}, About: "What stands above the chat."},
	{Type: "lines.gone", Class: outbox.Lossless, Key: "talk", Data: LinesGone{}, About: "Lines of the chat that are not to be shown any more."},
	{Type: "poll.set", Class: outbox.Lossless, Key: "poll", Data: PollSet{}, About: "The newest poll: it is opened, or closed."},
	{Type: "poll.votes", Class: outbox.Latest, Key: "poll", Data: PollVotes{}, About: "How the newest poll stands, at most twice a second; after its end, how it ended."},
	{Type: "questions.set", Class: outbox.Latest, Key: "questions", Data: QuestionsSet{}, About: "How many questions there are: read the list again."},
}

func slowEvent(seconds int) outbox.EventRow {
	return outbox.EventRow{Type: "talk.set", Key: "talk", Class: outbox.Lossless, Data: TalkSet{SlowSeconds: seconds}}
}

func (a Announcement) event() outbox.EventRow {
	set := AnnouncementSet{Name: a.Name, At: a.At}
	if a.Text != "" {
		set.Text = &a.Text
	}
	return outbox.EventRow{Type: "announcement.set", Key: "talk", Class: outbox.Lossless, Data: set}
}

func (p Poll) events() []outbox.EventRow {
	set := PollSet{ID: p.ID, Question: p.Question, Choices: p.Choices, State: p.State, EndsAt: p.EndsAt, By: p.Name}
	// The last tally goes first: what is lossless takes along what waits for the tick before it.
	return []outbox.EventRow{p.votesEvent(), {Type: "poll.set", Key: "poll", Class: outbox.Lossless, Data: set}}
}

func (p Poll) votesEvent() outbox.EventRow {
	return outbox.EventRow{Type: "poll.votes", Key: "poll", Class: outbox.Latest, Data: PollVotes{ID: p.ID, Counts: p.Counts, Voters: p.Voters()}}
}

func questionsEvent(ctx context.Context, q schema.Querier, id commerce.ShowID) (outbox.EventRow, error) {
	var set QuestionsSet
	rows, err := q.Query(ctx, `select coalesce(t.open, 0), coalesce(t.answered, 0), a.id, a.text, a.answer
		from (select 1) one
		left join talk t on t.show = $1
		left join lateral (select id, text, answer from question where show = $1 and state = 'answered' order by answered_at desc, id desc limit 1) a on true`, id)
	if err == nil {
		var last struct {
			id     *commerce.QuestionID
			text   *string
			answer *string
		}
		_, err = pgx.ForEachRow(rows, []any{&set.Open, &set.Answered, &last.id, &last.text, &last.answer}, func() error {
			if last.id != nil {
				set.Last = &LastAnswer{ID: *last.id, Text: *last.text, Answer: last.answer}
			}
			return nil
		})
	}
	if err != nil {
		return outbox.EventRow{}, fmt.Errorf("count the questions of %s: %w", id, err)
	}
	return outbox.EventRow{Type: "questions.set", Key: "questions", Class: outbox.Latest, Data: set}, nil
}

// Events is what this package lets a show say at one moment, as a person who joins needs it. Call it in a
// schema.Snapshot.
func Events(ctx context.Context, q schema.Querier, id commerce.ShowID) ([]outbox.EventRow, error) {
	t, err := ReadTalk(ctx, q, id)
	if err != nil {
		return nil, err
	}
	gone, err := goneEvents(ctx, q, id)
	if err != nil {
		return nil, err
	}
	questions, err := questionsEvent(ctx, q, id)
	if err != nil {
		return nil, err
	}
	events := append(gone[id], slowEvent(t.Slow), questions)
	if t.Announced != nil {
		events = append(events, t.Announced.event())
	}
	p, err := NewestPoll(ctx, q, id)
	if err != nil {
		return nil, err
	}
	if p != nil {
		events = append(events, p.events()...)
	}
	return events, nil
}
