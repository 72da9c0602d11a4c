package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

type pollBody struct {
	ID       commerce.PollID     `json:"id"`
	Question string              `json:"question"`
	Choices  []string            `json:"choices"`
	State    community.PollState `json:"state" enum:"open,closed"`
	EndsAt   time.Time           `json:"ends_at" doc:"By the server's clock; of a closed poll, when it was closed"`
	By       string              `json:"by" doc:"The name of who made it"`
	Counts   []int               `json:"counts" doc:"By choice, as they were told last; of a closed poll, how it ended"`
	Voters   int                 `json:"voters"`
	Choice   *int                `json:"choice" doc:"Mine, by index; null: I have not voted"`
}

func pollOf(p community.Poll) pollBody {
	return pollBody{
		ID: p.ID, Question: p.Question, Choices: p.Choices, State: p.State, EndsAt: p.EndsAt, By: p.Name, Counts: p.Counts, Voters: p.Voters(),
	}
}

// newestPoll is nil when a show has had no poll.
func newestPoll(ctx context.Context, q schema.Querier, id commerce.ShowID, subject string) (*pollBody, error) {
	p, err := community.NewestPoll(ctx, q, id)
	if err != nil || p == nil {
		return nil, err
	}
	body := pollOf(*p)
	body.Choice, err = community.VoteOf(ctx, q, p.ID, subject)
	return &body, err
}

type pollOutput struct {
	Status int
	Body   pollBody
}

// PollPath is embedded in the inputs of operations on one poll.
type PollPath struct {
	ShowPath
	Poll commerce.PollID `path:"poll" doc:"Made by the client; repeating it repeats the answer"`
}

func (a *API) registerPolls() {
	refuse := func(is error, status int, code string) translation {
		return translation{is: is, status: status, code: code}
	}
	a.translate(
		refuse(community.ErrPollQuestion, http.StatusUnprocessableEntity, "poll_question_invalid"),
		refuse(community.ErrChoices, http.StatusUnprocessableEntity, "poll_choices_invalid"),
		refuse(community.ErrPollTime, http.StatusUnprocessableEntity, "poll_seconds_invalid"),
		refuse(community.ErrChoice, http.StatusUnprocessableEntity, "choice_invalid"),
		refuse(community.ErrPollOpen, http.StatusConflict, "poll_open"),
		refuse(community.ErrPollTaken, http.StatusConflict, "poll_conflict"),
		refuse(community.ErrPollUnknown, http.StatusNotFound, "poll_unknown"),
		refuse(community.ErrPollClosed, http.StatusConflict, "poll_closed"),
		refuse(community.ErrTooManyPolls, http.StatusConflict, "too_many_polls"),
	)
	codes := []string{"signed_out", "forbidden", "timed_out", "show_unknown"}
	register(a, operation{
		ID: "openPoll", Makes: true, Method: http.MethodPut, Path: "/shows/{show}/polls/{poll}", Tag: tagTalk, Rule: editRule,
		Summary: "Ask everybody to choose; one poll is open at a time",
		Codes: append(codes, "show_ended", "poll_question_invalid", "poll_choices_invalid", "poll_seconds_invalid", "poll_open", "poll_conflict",
			"too_many_polls"),
	}, func(ctx context.Context, in *struct {
		PollPath
		Body struct {
			Question string   `json:"question" doc:"3 to 200 characters"`
			Choices  []string `json:"choices" doc:"2 to 6, of 1 to 80 characters each"`
			Seconds  int      `json:"seconds" doc:"15 to 3600, from now on"`
		}
	}) (*pollOutput, error) {
		out := &pollOutput{Status: http.StatusOK}
		err := a.moderating(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) error {
			p, made, err := community.OpenPoll(ctx, tx, *who.Account, s, community.Poll{
				ID: in.Poll, Question: in.Body.Question, Choices: in.Body.Choices, Seconds: in.Body.Seconds,
			})
			if out.Body = pollOf(p); made {
				out.Status = http.StatusCreated
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	})
	register(a, operation{
		ID: "closePoll", Method: http.MethodPut, Path: "/shows/{show}/polls/{poll}/close", Tag: tagTalk, Rule: editRule,
		Summary: "Close a poll before its time; twice is once", Codes: append(codes, "poll_unknown"),
	}, func(ctx context.Context, in *PollPath) (*pollOutput, error) {
		out := &pollOutput{Status: http.StatusOK}
		err := a.moderating(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) error {
			p, err := community.ClosePoll(ctx, tx, *who.Account, s, in.Poll)
			out.Body = pollOf(p)
			return err
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	})
	a.registerVoting()
}

func (a *API) registerVoting() {
	register(a, operation{
		ID: "vote", Method: http.MethodPut, Path: "/shows/{show}/polls/{poll}/vote", Tag: tagTalk, Status: http.StatusNoContent, Rule: voteAddress,
		Summary: "My choice in a poll; another one takes its place while the poll is open",
		Codes:   []string{"no_identity", "banned", "poll_unknown", "poll_closed", "choice_invalid"},
	}, func(ctx context.Context, in *struct {
		PollPath
		Body struct {
			Choice int `json:"choice" doc:"By index, from 0"`
		}
	}) (*struct{}, error) {
		who, err := a.known(ctx)
		if err != nil {
			return nil, err
		}
		// Nothing is written that a dispatcher would have to be woken for.
		return nil, schema.InTx(ctx, a.config.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
			return community.Vote(ctx, tx, in.Show, in.Poll, who.Subject, in.Body.Choice)
		})
	})
}
