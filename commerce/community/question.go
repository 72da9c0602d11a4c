package community

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

const (
	// MinQuestion and MaxQuestion bound a question, MaxAnswer an answer in words; all in characters.
	MinQuestion = 3
	MaxQuestion = 200
	MaxAnswer   = 500
	// MaxOpenMine is how many open questions of one show one person has asked first.
	MaxOpenMine = 5
	// MaxOpen is how many questions of one show are open; asking in the words of one of them is still possible.
	MaxOpen = 500
	// maxWords bounds what the same question is known by, which can be longer than the question: one character may stand
	// for many.
	maxWords = 800
	// MaxQuestions is how many are ever asked in one show, those that joined others included.
	MaxQuestions = 50_000
)

var (
	ErrQuestion         = errors.New("a question has 3 to 200 characters, and a word among them")
	ErrAnswer           = errors.New("an answer has 1 to 500 characters")
	ErrQuestionTaken    = errors.New("this id stands for another question")
	ErrQuestionUnknown  = errors.New("no such question")
	ErrQuestionClosed   = errors.New("this question has been answered, or taken away")
	ErrYourQuestions    = errors.New("five of your questions are open; wait until one is answered")
	ErrTooManyQuestions = errors.New("more questions are open than anybody can answer; vote for one of them")
	ErrNotOnlyAsker     = errors.New("others have asked this too; only the show's creator and moderators can remove it")
	ErrMerge            = errors.New("a question cannot be merged with itself, or into one that was taken away")
)

// QuestionState is where a question is in its life.
type QuestionState string

const (
	QuestionOpen     QuestionState = "open"
	QuestionAnswered QuestionState = "answered"
	questionMerged   QuestionState = "merged" // with its target, which stands for it
	questionGone     QuestionState = "gone"
)

// Question is what people ask in a show. Askers and Votes count people; Mine and Voted are of whoever reads it.
type Question struct {
	ID       commerce.QuestionID
	Text     string
	Name     string // of who asked it first
	State    QuestionState
	Answer   *string // nil: answered aloud, or not yet
	Askers   int
	Votes    int
	Mine     bool
	Voted    bool
	Asked    time.Time
	Answered *time.Time
}

// Person asks: a guest or an account, under the name that others read.
type Person struct{ Subject, Name string }

const questionColumns = `q.id, q.text, q.name, q.state, q.answer, q.askers, q.votes, coalesce(v.asked, false), coalesce(v.voted, false), q.asked_at, q.answered_at`

func scanQuestion(row pgx.Row) (x Question, err error) {
	err = row.Scan(&x.ID, &x.Text, &x.Name, &x.State, &x.Answer, &x.Askers, &x.Votes, &x.Mine, &x.Voted, &x.Asked, &x.Answered)
	x.Asked = x.Asked.UTC()
	if x.Answered != nil {
		at := x.Answered.UTC()
		x.Answered = &at
	}
	return x, err
}

// ReadQuestion reads a question as subject sees it: of a merged one, that which stands for it.
func ReadQuestion(ctx context.Context, q schema.Querier, id commerce.ShowID, question commerce.QuestionID, subject string) (Question, error) {
	x, err := scanQuestion(q.QueryRow(ctx, `select `+questionColumns+` from question m join question q on q.id = coalesce(m.target, m.id)
		left join question_voice v on v.question = q.id and v.subject = $3 where m.id = $1 and m.show = $2 and q.state <> 'gone'`, question, id, subject))
	if errors.Is(err, pgx.ErrNoRows) {
		return Question{}, ErrQuestionUnknown
	}
	if err != nil {
		return Question{}, fmt.Errorf("read %s: %w", question, err)
	}
	return x, nil
}

// AskedBefore says whether somebody has made this request before: it is answered, whatever the limits say.
func AskedBefore(ctx context.Context, q schema.Querier, id commerce.ShowID, question commerce.QuestionID, subject string) (yes bool, err error) {
	err = q.QueryRow(ctx, `select exists (select from question where id = $1 and show = $2 and asked_by = $3)`, question, id, subject).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", question, err)
	}
	return yes, nil
}

// lockTalk makes whoever else asks in the show, or moves its questions, wait until the transaction ends, and answers
// the show as it is then.
func lockTalk(ctx context.Context, tx pgx.Tx, id commerce.ShowID) (s show.Show, open, asked int, err error) {
	_, err = tx.Exec(ctx, `insert into talk (show) select id from show where id = $1 on conflict (show) do nothing`, id)
	if err == nil {
		err = tx.QueryRow(ctx, `select open, questions from talk where show = $1 for no key update`, id).Scan(&open, &asked)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return show.Show{}, 0, 0, show.ErrUnknown
	}
	if err != nil {
		return show.Show{}, 0, 0, fmt.Errorf("lock the talk of %s: %w", id, err)
	}
	s, err = show.Get(ctx, tx, id)
	if err == nil && s.State == show.Ended {
		err = show.ErrEnded
	}
	return s, open, asked, err
}

// Ask asks a question in a show. In the words of one that is open it joins that one, which made then does not speak
// of, and which is the answer; who has asked it before changes nothing. Asking is a vote, too, and the room is told. The
// same id again is the same question.
func Ask(ctx context.Context, tx pgx.Tx, id commerce.ShowID, who Person, question commerce.QuestionID, text string) (x Question, made bool, err error) {
	text, ok := tidy(text, MinQuestion, MaxQuestion)
	words := wordsOf(text)
	if !ok || words == "" || utf8.RuneCountInString(words) > maxWords {
		return Question{}, false, ErrQuestion
	}
	_, open, asked, err := lockTalk(ctx, tx, id)
	if err != nil {
		return Question{}, false, err
	}
	if known, err := askedAs(ctx, tx, id, who, question, text); err != nil || known {
		if err == nil {
			x, err = ReadQuestion(ctx, tx, id, question, who.Subject)
		}
		return x, false, err
	}
	if err := errors.Join(Check(ctx, tx, id, who.Subject), CheckTimeout(ctx, tx, id, who.Subject)); err != nil {
		return Question{}, false, err
	}
	var target *commerce.QuestionID
	var mine int
	var before bool
	err = tx.QueryRow(ctx, `select q.id, coalesce(v.asked, false), (select count(*) from question where show = $1 and asked_by = $3 and state = 'open')
		from (select 1) one left join question q on q.show = $1 and q.words = $2 and q.state = 'open'
		left join question_voice v on v.question = q.id and v.subject = $3`, id, words, who.Subject).Scan(&target, &before, &mine)
	switch {
	case err != nil:
		return Question{}, false, fmt.Errorf("ask in %s: %w", id, err)
	case before:
		x, err = ReadQuestion(ctx, tx, id, *target, who.Subject)
		return x, false, err
	case asked >= MaxQuestions:
		return Question{}, false, ErrTooManyQuestions
	case target == nil && mine >= MaxOpenMine:
		return Question{}, false, ErrYourQuestions
	case target == nil && open >= MaxOpen:
		return Question{}, false, ErrTooManyQuestions
	}
	if err := put(ctx, tx, id, who, question, text, words, target); err != nil {
		return Question{}, false, err
	}
	if x, err = ReadQuestion(ctx, tx, id, question, who.Subject); err != nil {
		return x, false, err
	}
	return x, target == nil, tellQuestions(ctx, tx, id)
}

// askedAs says whether this id stands for the same question of the same person already.
func askedAs(ctx context.Context, tx pgx.Tx, id commerce.ShowID, who Person, question commerce.QuestionID, text string) (bool, error) {
	var of commerce.ShowID
	var by, before string
	err := tx.QueryRow(ctx, `select show, asked_by, text from question where id = $1`, question).Scan(&of, &by, &before)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read %s: %w", question, err)
	case of != id || by != who.Subject || before != text:
		return false, ErrQuestionTaken
	}
	return true, nil
}

func put(ctx context.Context, tx pgx.Tx, id commerce.ShowID, who Person, question commerce.QuestionID, text, words string, target *commerce.QuestionID) error {
	state, heard := QuestionOpen, question
	if target != nil {
		state, heard = questionMerged, *target
	}
	_, err := tx.Exec(ctx, `insert into question (id, show, text, words, asked_by, name, state, target) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		question, id, text, words, who.Subject, who.Name, state, target)
	if schema.Violates(err, "question_pkey") {
		return ErrQuestionTaken // the same id in another show, at this moment
	}
	if err == nil {
		_, err = tx.Exec(ctx, `update talk set questions = questions + 1, open = open + $2 where show = $1`, id, ones(target == nil))
	}
	if err != nil {
		return fmt.Errorf("ask in %s: %w", id, err)
	}
	return speakUp(ctx, tx, heard, who.Subject, true, true)
}

// unask takes away the open questions of shows that the caller has locked which nobody else has asked, and answers which
// shows have fewer then.
func unask(ctx context.Context, tx pgx.Tx, shows []commerce.ShowID, subject string) ([]commerce.ShowID, error) {
	_, err := tx.Exec(ctx, `select from talk where show = any($1) order by show for no key update`, shows)
	if err != nil {
		return nil, fmt.Errorf("take away what %s asks: %w", subject, err)
	}
	rows, err := tx.Query(ctx, `with taken as (update question set state = 'gone' where show = any($1) and asked_by = $2 and state = 'open' and askers = 1 returning show)
		update talk t set open = open - n.taken from (select show, count(*) as taken from taken group by show) n where t.show = n.show returning t.show`, shows, subject)
	if err != nil {
		return nil, fmt.Errorf("take away what %s asks: %w", subject, err)
	}
	fewer, err := pgx.CollectRows(rows, pgx.RowTo[commerce.ShowID])
	if err != nil {
		return nil, fmt.Errorf("take away what %s asks: %w", subject, err)
	}
	return fewer, nil
}

func ones(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// speakUp adds what somebody does not say for a question yet. It locks the question; whatever changes its voices does.
func speakUp(ctx context.Context, tx pgx.Tx, question commerce.QuestionID, subject string, asked, voted bool) error {
	_, err := tx.Exec(ctx, `select from question where id = $1 for no key update`, question)
	if err == nil {
		_, err = tx.Exec(ctx, `
			with before as (select asked, voted from question_voice where question = $1 and subject = $2),
			said as (insert into question_voice as v (question, subject, asked, voted) values ($1, $2, $3, $4)
				on conflict (question, subject) do update set asked = v.asked or excluded.asked, voted = v.voted or excluded.voted)
			update question set
				askers = askers + case when $3 and not coalesce((select asked from before), false) then 1 else 0 end,
				votes = votes + case when $4 and not coalesce((select voted from before), false) then 1 else 0 end
			where id = $1`, question, subject, asked, voted)
	}
	if err != nil {
		return fmt.Errorf("speak for %s: %w", question, err)
	}
	return nil
}

func tellQuestions(ctx context.Context, tx pgx.Tx, id commerce.ShowID) error {
	e, err := questionsEvent(ctx, tx, id)
	if err != nil {
		return err
	}
	return outbox.Event(ctx, tx, id, e)
}

// lockQuestion locks the question that an id stands for, and answers it and its state. Whoever waited for one that was
// being merged has it locked, too, when they go on to its target; should two wait for each other that way, schema.InTx
// tries one of them again.
func lockQuestion(ctx context.Context, tx pgx.Tx, id commerce.ShowID, question commerce.QuestionID) (found commerce.QuestionID, state QuestionState, err error) {
	found = question
	for lock := ""; ; {
		var target *commerce.QuestionID
		err := tx.QueryRow(ctx, `select state, target from question where id = $1 and show = $2`+lock, found, id).Scan(&state, &target)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return found, "", ErrQuestionUnknown
		case err != nil:
			return found, "", fmt.Errorf("lock %s: %w", question, err)
		case target != nil:
			found, lock = *target, ""
		case state == questionGone:
			return found, state, ErrQuestionUnknown
		case lock != "":
			return found, state, nil
		default:
			lock = " for no key update"
		}
	}
}

// VoteFor says, or says no longer, that somebody wants a question answered. Twice is once. It waits for nobody who has
// locked the show, so that a vote may still come in at the moment in which the show ends.
func VoteFor(ctx context.Context, tx pgx.Tx, id commerce.ShowID, question commerce.QuestionID, subject string, wanted bool) error {
	s, err := show.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	if s.State == show.Ended {
		return show.ErrEnded
	}
	if err := Check(ctx, tx, id, subject); err != nil {
		return err
	}
	found, state, err := lockQuestion(ctx, tx, id, question)
	if err != nil {
		return err
	}
	if state != QuestionOpen {
		return ErrQuestionClosed
	}
	if wanted {
		return speakUp(ctx, tx, found, subject, false, true)
	}
	_, err = tx.Exec(ctx, `with less as (update question_voice set voted = false where question = $1 and subject = $2 and voted returning asked)
		update question set votes = votes - 1 where id = $1 and exists (select from less)`, found, subject)
	if err == nil {
		_, err = tx.Exec(ctx, `delete from question_voice where question = $1 and subject = $2 and not asked and not voted`, found, subject)
	}
	if err != nil {
		return fmt.Errorf("vote for %s: %w", found, err)
	}
	return nil
}
