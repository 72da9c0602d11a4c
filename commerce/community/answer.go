package community

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/cursor"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

// Answer marks a question of a show that the caller has locked as answered; text nil: aloud. Answering again changes
// the words of the answer, or nothing.
func Answer(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, question commerce.QuestionID, text *string) (Question, error) {
	if err := lead(ctx, tx, by, s); err != nil {
		return Question{}, err
	}
	if text != nil {
		tidied, ok := tidy(*text, 1, MaxAnswer)
		if !ok {
			return Question{}, ErrAnswer
		}
		text = &tidied
	}
	if _, _, _, err := lockTalk(ctx, tx, s.ID); err != nil {
		return Question{}, err
	}
	found, state, err := lockQuestion(ctx, tx, s.ID, question)
	if err != nil {
		return Question{}, err
	}
	before, err := ReadQuestion(ctx, tx, s.ID, found, by.ID.String())
	if err != nil {
		return Question{}, err
	}
	if state == QuestionAnswered && (text == nil || before.Answer != nil && *before.Answer == *text) {
		return before, nil
	}
	_, err = tx.Exec(ctx, `update question set state = 'answered', answer = coalesce($2, answer), answered_at = coalesce(answered_at, clock_timestamp()) where id = $1`, found, text)
	if err == nil && state == QuestionOpen {
		_, err = tx.Exec(ctx, `update talk set open = open - 1, answered = answered + 1 where show = $1`, s.ID)
	}
	if err != nil {
		return Question{}, fmt.Errorf("answer %s: %w", found, err)
	}
	detail := before.Text
	if text != nil {
		detail += " | " + *text
	}
	if err := note(ctx, tx, s, by, Entry{Action: ActionQuestionAnswered, Detail: detail}); err != nil {
		return Question{}, err
	}
	x, err := ReadQuestion(ctx, tx, s.ID, found, by.ID.String())
	if err != nil {
		return Question{}, err
	}
	return x, tellQuestions(ctx, tx, s.ID)
}

// Merge lets a question of a show that the caller has locked be part of another one, open or answered, which from then
// on stands for it. Who asked or voted for both counts once. Twice is once, and so is the other way round.
func Merge(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, question, into commerce.QuestionID) (Question, error) {
	if err := lead(ctx, tx, by, s); err != nil {
		return Question{}, err
	}
	if question == into {
		return Question{}, ErrMerge
	}
	if _, _, _, err := lockTalk(ctx, tx, s.ID); err != nil {
		return Question{}, err
	}
	from, to, state, err := lockBoth(ctx, tx, s.ID, question, into)
	if err != nil {
		return Question{}, err
	}
	if from.id == to {
		return ReadQuestion(ctx, tx, s.ID, to, by.ID.String())
	}
	if from.state != QuestionOpen {
		return Question{}, ErrQuestionClosed
	}
	var text, other string
	err = tx.QueryRow(ctx, `select (select text from question where id = $1), (select text from question where id = $2)`, from.id, to).Scan(&text, &other)
	if err == nil {
		err = unite(ctx, tx, from.id, to)
	}
	if err == nil {
		_, err = tx.Exec(ctx, `update talk set open = open - 1 where show = $1`, s.ID)
	}
	if err != nil {
		return Question{}, fmt.Errorf("merge %s into %s, which is %s: %w", from.id, to, state, err)
	}
	if err := note(ctx, tx, s, by, Entry{Action: ActionQuestionsMerged, Detail: text + " | " + other}); err != nil {
		return Question{}, err
	}
	x, err := ReadQuestion(ctx, tx, s.ID, to, by.ID.String())
	if err != nil {
		return Question{}, err
	}
	return x, tellQuestions(ctx, tx, s.ID)
}

type lockedQuestion struct {
	id    commerce.QuestionID
	state QuestionState
}

// lockBoth locks what two ids stand for. Nobody else locks two questions of a show whose talk is locked.
func lockBoth(ctx context.Context, tx pgx.Tx, id commerce.ShowID, question, into commerce.QuestionID) (from lockedQuestion, to commerce.QuestionID, state QuestionState, err error) {
	if from.id, from.state, err = lockQuestion(ctx, tx, id, question); err != nil {
		return from, to, "", err
	}
	to, state, err = lockQuestion(ctx, tx, id, into)
	if errors.Is(err, ErrQuestionUnknown) {
		err = ErrMerge
	}
	return from, to, state, err
}

func unite(ctx context.Context, tx pgx.Tx, from, to commerce.QuestionID) error {
	for _, sql := range []string{
		`insert into question_voice as v (question, subject, asked, voted) select $2, subject, asked, voted from question_voice where question = $1 order by subject
			on conflict (question, subject) do update set asked = v.asked or excluded.asked, voted = v.voted or excluded.voted`,
		`update question set state = 'merged', target = $2, askers = 0, votes = 0 where id = $1 or target = $1`,
		`update question set askers = n.askers, votes = n.votes from (select count(*) filter (where asked) as askers, count(*) filter (where voted) as votes
			from question_voice where question = $2) n where id = $2 and id <> $1`,
	} {
		if _, err := tx.Exec(ctx, sql, from, to); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `delete from question_voice where question = $1`, from)
	return err
}

// RemoveQuestion takes a question away. by is nil for a guest. Whoever may moderate the show may, and who asked it as
// long as nobody else has.
func RemoveQuestion(ctx context.Context, tx pgx.Tx, id commerce.ShowID, who Person, by *account.Account, question commerce.QuestionID) error {
	s, _, _, err := lockTalk(ctx, tx, id)
	if err != nil {
		return err
	}
	leads := false
	if by != nil {
		err = Leads(ctx, tx, *by, s)
		if leads = err == nil; !leads && !errors.Is(err, show.ErrNotYours) && !errors.Is(err, ErrTimedOut) && !errors.Is(err, ErrBanned) {
			return err
		}
	}
	found, state, err := lockQuestion(ctx, tx, id, question)
	if err != nil {
		return err
	}
	x, err := ReadQuestion(ctx, tx, id, found, who.Subject)
	switch {
	case err != nil:
		return err
	case !leads && !x.Mine:
		return show.ErrNotYours
	case !leads && state != QuestionOpen:
		return ErrQuestionClosed
	case !leads && x.Askers > 1:
		return ErrNotOnlyAsker
	}
	_, err = tx.Exec(ctx, `update question set state = 'gone', answer = null, answered_at = null where id = $1`, found)
	if err == nil {
		_, err = tx.Exec(ctx, `update talk set open = open - $2, answered = answered - $3 where show = $1`, id, ones(state == QuestionOpen), ones(state == QuestionAnswered))
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", found, err)
	}
	if leads {
		var asker string
		if err := tx.QueryRow(ctx, `select asked_by from question where id = $1`, found).Scan(&asker); err != nil {
			return fmt.Errorf("remove %s: %w", found, err)
		}
		if err := note(ctx, tx, s, *by, Entry{Action: ActionQuestionRemoved, Subject: asker, Name: x.Name, Detail: x.Text}); err != nil {
			return err
		}
	}
	return tellQuestions(ctx, tx, id)
}

// QuestionPage is how many questions a page of the list has.
const QuestionPage = 50

const (
	openList     = "questions"
	answeredList = "answers"
)

// Questions reads a page of a show's questions as subject sees them: the open ones, most wanted first, then those that
// were answered, newest first. next is "" on the last one.
func Questions(ctx context.Context, q schema.Querier, id commerce.ShowID, subject, from string) (page []Question, next string, err error) {
	at, last, err := cursor.Read[commerce.QuestionID](answeredList, from)
	if err != nil || from == "" {
		// The place in the list of the open ones is a number of votes, written as that many seconds after 1970.
		if at, last, err = cursor.Read[commerce.QuestionID](openList, from); err != nil {
			return nil, "", err
		}
		var votes *int64
		if at != nil {
			n := at.Unix()
			votes = &n
		}
		page, err = questions(ctx, q, id, subject, QuestionPage+1, `q.state = 'open' and ($4::bigint is null or q.votes < $4 or q.votes = $4 and q.id > $5::uuid)
			order by q.votes desc, q.id`, votes, last)
		if err != nil {
			return nil, "", err
		}
		if len(page) > QuestionPage {
			page = page[:QuestionPage]
			end := page[QuestionPage-1]
			return page, cursor.Write(openList, time.Unix(int64(end.Votes), 0), end.ID), nil
		}
		at, last = nil, nil
	}
	rest, err := questions(ctx, q, id, subject, QuestionPage+1-len(page), `q.state = 'answered' and ($4::timestamptz is null or (q.answered_at, q.id) < ($4, $5::uuid))
		order by q.answered_at desc, q.id desc`, at, last)
	if err != nil {
		return nil, "", err
	}
	page = append(page, rest...)
	if len(page) <= QuestionPage {
		return page, "", nil
	}
	page = page[:QuestionPage]
	end := page[QuestionPage-1]
	if end.Answered == nil {
		return page, cursor.Write(openList, time.Unix(int64(end.Votes), 0), end.ID), nil
	}
	return page, cursor.Write(answeredList, *end.Answered, end.ID), nil
}

func questions(ctx context.Context, q schema.Querier, id commerce.ShowID, subject string, most int, where string, args ...any) ([]Question, error) {
	rows, err := q.Query(ctx, `select `+questionColumns+` from question q left join question_voice v on v.question = q.id and v.subject = $2
		where q.show = $1 and `+where+` limit $3`, append([]any{id, subject, most}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("questions of %s: %w", id, err)
	}
	page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Question, error) { return scanQuestion(row) })
	if err != nil {
		return nil, fmt.Errorf("questions of %s: %w", id, err)
	}
	return page, nil
}
