package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/show"
)

var (
	// askRule is for a person: three questions at once, then one in 15 seconds.
	askRule = guard.Rule{Name: "ask_person", Burst: 3, Every: 15 * time.Second}
	// askAddress is for all people behind an address, who may be many.
	askAddress = guard.Rule{Name: "ask_address", Burst: 120, Every: 250 * time.Millisecond}
	// voteAddress is for votes, which come all at once.
	voteAddress = guard.Rule{Name: "vote_address", Burst: 600, Every: 20 * time.Millisecond}
)

type questionBody struct {
	ID       commerce.QuestionID     `json:"id"`
	Text     string                  `json:"text"`
	Name     string                  `json:"asked_by_name" doc:"Who asked it first"`
	Askers   int                     `json:"askers" doc:"People who asked it"`
	Votes    int                     `json:"votes" doc:"People who want it answered; who asks, votes"`
	Mine     bool                    `json:"mine" doc:"I asked it"`
	Voted    bool                    `json:"voted" doc:"I vote for it"`
	State    community.QuestionState `json:"state" enum:"open,answered"`
	Answer   *string                 `json:"answer" doc:"null: not yet, or answered in the show"`
	Asked    time.Time               `json:"asked_at"`
	Answered *time.Time              `json:"answered_at"`
}

func questionOf(q community.Question) questionBody {
	return questionBody{
		ID: q.ID, Text: q.Text, Name: q.Name, Askers: q.Askers, Votes: q.Votes, Mine: q.Mine, Voted: q.Voted, State: q.State, Answer: q.Answer,
		Asked: q.Asked, Answered: q.Answered,
	}
}

type questionOutput struct {
	Status int
	Body   questionBody
}

type questionsOutput struct {
	Body struct {
		Items []questionBody `json:"items" doc:"The open ones, most wanted first, then those that were answered, newest first"`
		Next  *string        `json:"next" doc:"Cursor of the next page; null on the last one"`
	}
}

// QuestionPath is embedded in the inputs of operations on one question.
type QuestionPath struct {
	ShowPath
	Question commerce.QuestionID `path:"question" doc:"Made by the client; repeating it repeats the answer"`
}

func (a *API) registerQuestions() {
	refuse := func(is error, status int, code string) translation {
		return translation{is: is, status: status, code: code}
	}
	a.translate(
		refuse(community.ErrQuestion, http.StatusUnprocessableEntity, "question_invalid"),
		refuse(community.ErrAnswer, http.StatusUnprocessableEntity, "answer_invalid"),
		refuse(community.ErrMerge, http.StatusUnprocessableEntity, "merge_invalid"),
		refuse(community.ErrQuestionTaken, http.StatusConflict, "question_conflict"),
		refuse(community.ErrQuestionUnknown, http.StatusNotFound, "question_unknown"),
		refuse(community.ErrQuestionClosed, http.StatusConflict, "question_closed"),
		refuse(community.ErrYourQuestions, http.StatusConflict, "too_many_of_yours"),
		refuse(community.ErrTooManyQuestions, http.StatusConflict, "too_many_questions"),
		refuse(community.ErrNotOnlyAsker, http.StatusConflict, "question_shared"),
	)
	register(a, operation{
		ID: "listQuestions", Method: http.MethodGet, Path: "/shows/{show}/questions", Tag: tagTalk, Summary: "What people ask in a show",
		Codes: []string{"show_unknown", "cursor_invalid"},
	}, func(ctx context.Context, in *struct {
		ShowPath
		Cursor string `query:"cursor"`
	}) (*questionsOutput, error) {
		who, err := a.who(ctx)
		if err != nil {
			return nil, err
		}
		if _, err := show.Get(ctx, a.config.Pool, in.Show); err != nil {
			return nil, err
		}
		page, next, err := community.Questions(ctx, a.config.Pool, in.Show, who.Subject, in.Cursor)
		if err != nil {
			return nil, err
		}
		out := &questionsOutput{}
		out.Body.Items = make([]questionBody, 0, len(page))
		for _, q := range page {
			out.Body.Items = append(out.Body.Items, questionOf(q))
		}
		if next != "" {
			out.Body.Next = &next
		}
		return out, nil
	})
	a.registerAsking()
	a.registerAnswering()
}

// known is who, and refuses nobody known: whoever comes without a cookie would be somebody else each time.
func (a *API) known(ctx context.Context) (Identity, error) {
	who, err := a.who(ctx)
	if err == nil && who.Subject == "" {
		err = problem(http.StatusUnauthorized, "no_identity", "Nobody knows who you are. Open the show's page first, with cookies allowed.")
	}
	return who, err
}

func personOf(who Identity) community.Person {
	if who.Account != nil {
		return community.Person{Subject: who.Subject, Name: who.Account.Name}
	}
	return community.Person{Subject: who.Subject, Name: community.GuestName(who.Subject)}
}

func (a *API) registerAsking() {
	codes := []string{"no_identity", "banned", "show_unknown", "show_ended", "question_unknown"}
	register(a, operation{
		ID: "ask", Makes: true, Method: http.MethodPut, Path: "/shows/{show}/questions/{question}", Tag: tagTalk, Rule: askAddress,
		Summary: "Ask something; in the words of an open question it joins that one, whose id is in the answer",
		Codes: []string{"no_identity", "banned", "timed_out", "show_unknown", "show_ended", "question_invalid", "question_conflict", "question_unknown",
			"too_many_of_yours", "too_many_questions", "too_many_attempts"},
	}, a.ask)
	vote := func(id, method, summary string, wanted bool) {
		register(a, operation{
			ID: id, Method: method, Path: "/shows/{show}/questions/{question}/vote", Tag: tagTalk, Status: http.StatusNoContent, Rule: voteAddress,
			Summary: summary, Codes: append(codes, "question_closed"),
		}, func(ctx context.Context, in *QuestionPath) (*struct{}, error) {
			who, err := a.known(ctx)
			if err != nil {
				return nil, err
			}
			return nil, a.inTx(ctx, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
				return community.VoteFor(ctx, tx, in.Show, in.Question, who.Subject, wanted)
			})
		})
	}
	vote("voteForQuestion", http.MethodPut, "I want this answered, too; twice is once", true)
	vote("takeBackVote", http.MethodDelete, "Take my vote back; twice is once", false)
	register(a, operation{
		ID: "removeQuestion", Method: http.MethodDelete, Path: "/shows/{show}/questions/{question}", Tag: tagTalk, Status: http.StatusNoContent, Rule: askAddress,
		Summary: "Take a question away: my own that nobody else asked, or any as somebody in charge",
		Codes:   append(codes, "forbidden", "question_closed", "question_shared"),
	}, func(ctx context.Context, in *QuestionPath) (*struct{}, error) {
		who, err := a.known(ctx)
		if err != nil {
			return nil, err
		}
		return nil, a.inTx(ctx, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
			return community.RemoveQuestion(ctx, tx, in.Show, personOf(who), who.Account, in.Question)
		})
	})
}

func (a *API) ask(ctx context.Context, in *struct {
	QuestionPath
	Body struct {
		Text string `json:"text" doc:"3 to 200 characters"`
	}
}) (*questionOutput, error) {
	who, err := a.known(ctx)
	if err != nil {
		return nil, err
	}
	// A request that is sent again is not counted again.
	before, err := community.AskedBefore(ctx, a.config.Pool, in.Show, in.Question, who.Subject)
	if err == nil && !before {
		err = a.limitKey(ctx, askRule, who.Subject)
	}
	if err != nil {
		return nil, err
	}
	out := &questionOutput{Status: http.StatusOK}
	err = a.inTx(ctx, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		q, made, err := community.Ask(ctx, tx, in.Show, personOf(who), in.Question, in.Body.Text)
		if out.Body = questionOf(q); made {
			out.Status = http.StatusCreated
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (a *API) registerAnswering() {
	codes := []string{"signed_out", "forbidden", "timed_out", "show_unknown", "show_ended", "question_unknown"}
	register(a, operation{
		ID: "answerQuestion", Method: http.MethodPut, Path: "/shows/{show}/questions/{question}/answer", Tag: tagTalk, Rule: editRule,
		Summary: "Mark a question as answered, with or without words", Codes: append(codes, "answer_invalid"),
	}, func(ctx context.Context, in *struct {
		QuestionPath
		Body struct {
			Text *string `json:"text,omitempty" nullable:"true" doc:"1 to 500 characters; left out or null: it was answered in the show"`
		}
	}) (*questionOutput, error) {
		return a.moved(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) (community.Question, error) {
			return community.Answer(ctx, tx, *who.Account, s, in.Question, in.Body.Text)
		})
	})
	register(a, operation{
		ID: "mergeQuestion", Method: http.MethodPut, Path: "/shows/{show}/questions/{question}/merge", Tag: tagTalk, Rule: editRule,
		Summary: "Let a question be part of another one, which is the answer; everybody is counted once",
		Codes:   append(codes, "merge_invalid", "question_closed"),
	}, func(ctx context.Context, in *struct {
		QuestionPath
		Body struct {
			Into commerce.QuestionID `json:"into"`
		}
	}) (*questionOutput, error) {
		return a.moved(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) (community.Question, error) {
			return community.Merge(ctx, tx, *who.Account, s, in.Question, in.Body.Into)
		})
	})
}

// moved is what somebody in charge does with a question.
func (a *API) moved(ctx context.Context, id commerce.ShowID, do func(context.Context, pgx.Tx, show.Show, Identity) (community.Question, error)) (*questionOutput, error) {
	out := &questionOutput{Status: http.StatusOK}
	err := a.moderating(ctx, id, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) error {
		q, err := do(ctx, tx, s, who)
		out.Body = questionOf(q)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
