package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

// announcementBody is what stands above the chat.
type announcementBody struct {
	Text string    `json:"text"`
	Name string    `json:"name" doc:"Who announced it"`
	At   time.Time `json:"at"`
}

type moderatorBody struct {
	Subject string `json:"subject"`
	Name    string `json:"name"`
	Email   string `json:"email"`
}

type timeoutBody struct {
	Subject string    `json:"subject"`
	Name    string    `json:"name"`
	Until   time.Time `json:"until"`
	Reason  string    `json:"reason"`
}

// bannedBody is a ban in the list of those that a show has.
type bannedBody struct {
	Subject string    `json:"subject"`
	Name    string    `json:"name"`
	Reason  string    `json:"reason"`
	All     bool      `json:"all_shows" doc:"From all shows of this creator"`
	Created time.Time `json:"created_at"`
}

type talkBody struct {
	SlowSeconds  int               `json:"slow_seconds" doc:"How long an author waits between two lines; 0: slow mode is off"`
	Announcement *announcementBody `json:"announcement"`
	Poll         *pollBody         `json:"poll" doc:"The newest poll, open or closed"`
	// What only those in charge see; for others the lists are empty.
	Moderators []moderatorBody `json:"moderators" doc:"Empty for who is not in charge, like the lists below"`
	Timeouts   []timeoutBody   `json:"timeouts" doc:"The newest 200"`
	Bans       []bannedBody    `json:"bans" doc:"The newest 200"`
	Leads      bool            `json:"leads" doc:"Whoever asks is in charge: the show's creator, a moderator or an operator"`
}

type talkOutput struct{ Body talkBody }

type announcementOutput struct{ Body announcementBody }

type timeoutOutput struct{ Body timeoutBody }

func (a *API) registerTalk() {
	unprocessable := func(is error, code string) translation {
		return translation{is: is, status: http.StatusUnprocessableEntity, code: code}
	}
	a.translate(
		unprocessable(community.ErrSlow, "slow_seconds_invalid"),
		unprocessable(community.ErrAnnouncement, "announcement_invalid"),
		unprocessable(community.ErrLine, "line_invalid"),
		unprocessable(community.ErrTimeout, "timeout_invalid"),
		translation{is: community.ErrTooManyTimeouts, status: http.StatusConflict, code: "too_many_timeouts"},
		translation{is: community.ErrTimedOut, make: timedOut},
	)
	register(a, operation{
		ID: "getTalk", Method: http.MethodGet, Path: "/shows/{show}/talk", Tag: tagTalk,
		Summary: "The rules of a show's talk, its newest poll, and for those in charge who is silenced", Codes: []string{"show_unknown"},
	}, a.getTalk)
	a.registerRules()
	a.registerTimeouts()
	a.registerAudit()
}

func timedOut(err error) *Problem {
	p := problem(http.StatusForbidden, "timed_out", "You have been timed out in this show.")
	var e *community.TimedOutError
	if errors.As(err, &e) {
		p.retry(e.Left)
	}
	return p
}

func (a *API) getTalk(ctx context.Context, in *ShowPath) (*talkOutput, error) {
	who, err := a.who(ctx)
	if err != nil {
		return nil, err
	}
	out := &talkOutput{Body: talkBody{Moderators: []moderatorBody{}, Timeouts: []timeoutBody{}, Bans: []bannedBody{}}}
	err = schema.Snapshot(ctx, a.config.Pool, func(ctx context.Context, q schema.Querier, _ time.Time) error {
		s, err := show.Get(ctx, q, in.Show)
		if err != nil {
			return err
		}
		t, err := community.ReadTalk(ctx, q, s.ID)
		if err != nil {
			return err
		}
		out.Body.SlowSeconds = t.Slow
		if t.Announced != nil && t.Announced.Text != "" {
			out.Body.Announcement = &announcementBody{Text: t.Announced.Text, Name: t.Announced.Name, At: t.Announced.At}
		}
		if out.Body.Poll, err = newestPoll(ctx, q, s.ID, who.Subject); err != nil || who.Account == nil {
			return err
		}
		err = s.MayModerate(ctx, q, *who.Account)
		if errors.Is(err, show.ErrNotYours) {
			return nil
		}
		if err != nil {
			return err
		}
		return out.Body.lead(ctx, q, s)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// lead fills in what those in charge see.
func (b *talkBody) lead(ctx context.Context, q schema.Querier, s show.Show) (err error) {
	b.Leads = true
	if b.Moderators, err = moderatorsOf(ctx, q, s.ID); err != nil {
		return err
	}
	timeouts, err := community.Timeouts(ctx, q, s.ID)
	if err != nil {
		return err
	}
	for _, t := range timeouts {
		b.Timeouts = append(b.Timeouts, timeoutBody{Subject: t.Subject, Name: t.Name, Until: t.Until, Reason: t.Reason})
	}
	bans, err := community.Bans(ctx, q, s)
	if err != nil {
		return err
	}
	for _, x := range bans {
		b.Bans = append(b.Bans, bannedBody{Subject: x.Subject, Name: x.Name, Reason: x.Reason, All: x.Show == nil, Created: x.Created})
	}
	return nil
}

func (a *API) registerRules() {
	codes := []string{"signed_out", "forbidden", "timed_out", "show_unknown", "show_ended"}
	register(a, operation{
		ID: "putTalk", Method: http.MethodPut, Path: "/shows/{show}/talk", Tag: tagTalk, Status: http.StatusNoContent, Rule: editRule,
		Summary: "Set slow mode: how long an author waits between two lines", Codes: append(codes, "slow_seconds_invalid"),
	}, func(ctx context.Context, in *struct {
		ShowPath
		Body struct {
			SlowSeconds int `json:"slow_seconds" doc:"0 to 600; 0 turns it off"`
		}
	}) (*struct{}, error) {
		return nil, a.moderating(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) error {
			return community.SetSlow(ctx, tx, *who.Account, s, in.Body.SlowSeconds)
		})
	})
	register(a, operation{
		ID: "announce", Method: http.MethodPut, Path: "/shows/{show}/announcement", Tag: tagTalk, Rule: editRule,
		Summary: "Put a text above the chat", Codes: append(codes, "announcement_invalid"),
	}, func(ctx context.Context, in *struct {
		ShowPath
		Body struct {
			Text string `json:"text" doc:"1 to 200 characters"`
		}
	}) (*announcementOutput, error) {
		out := &announcementOutput{}
		err := a.moderating(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) error {
			now, err := community.Announce(ctx, tx, *who.Account, s, in.Body.Text)
			if err == nil && now.Text == "" {
				err = community.ErrAnnouncement
			}
			out.Body = announcementBody{Text: now.Text, Name: now.Name, At: now.At}
			return err
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	})
	register(a, operation{
		ID: "removeAnnouncement", Method: http.MethodDelete, Path: "/shows/{show}/announcement", Tag: tagTalk, Status: http.StatusNoContent, Rule: editRule,
		Summary: "Take it off; twice is once", Codes: codes,
	}, func(ctx context.Context, in *ShowPath) (*struct{}, error) {
		return nil, a.moderating(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) error {
			_, err := community.Announce(ctx, tx, *who.Account, s, "")
			return err
		})
	})
	register(a, operation{
		ID: "removeLine", Method: http.MethodDelete, Path: "/shows/{show}/lines/{line}", Tag: tagTalk, Status: http.StatusNoContent, Rule: editRule,
		Summary: "Take a line of the chat off everybody's screen; twice is once", Codes: append(codes, "subject_invalid", "line_invalid", "not_bannable"),
	}, func(ctx context.Context, in *struct {
		ShowPath
		Line commerce.LineID `path:"line"`
		Body struct {
			Subject string `json:"subject" doc:"Its author, unless it is remembered who that was"`
			Name    string `json:"name,omitempty" doc:"Under this name"`
			Text    string `json:"text,omitempty" doc:"As it was seen, for the audit log"`
		}
	}) (*struct{}, error) {
		line := community.Line{ID: in.Line, Subject: in.Body.Subject, Name: in.Body.Name, Text: in.Body.Text}
		if a.config.Said != nil {
			if said := a.config.Said(ctx, in.Show, in.Line); said != nil {
				line = *said
			}
		}
		return nil, a.moderating(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) error {
			return community.RemoveLine(ctx, tx, *who.Account, s, line)
		})
	})
}

// TimeoutPath is embedded in the inputs of operations on one time-out.
type TimeoutPath struct {
	ShowPath
	Subject string `path:"subject" doc:"acc_… or gst_…"`
}

func (a *API) registerTimeouts() {
	codes := []string{"signed_out", "forbidden", "timed_out", "show_unknown", "show_ended", "subject_invalid", "not_bannable"}
	register(a, operation{
		ID: "timeOut", Method: http.MethodPut, Path: "/shows/{show}/timeouts/{subject}", Tag: tagTalk, Rule: editRule,
		Summary: "Let somebody say nothing for a while, and take what they said off everybody's screen",
		Codes:   append(codes, "timeout_invalid", "reason_invalid", "name_invalid", "account_unknown", "too_many_timeouts"),
	}, func(ctx context.Context, in *struct {
		TimeoutPath
		Body struct {
			Seconds int    `json:"seconds" doc:"10 to 86400, from now on"`
			Reason  string `json:"reason,omitempty"`
			Name    string `json:"name,omitempty" doc:"As the chat showed it; an account's own name goes before it"`
		}
	}) (*timeoutOutput, error) {
		out := &timeoutOutput{}
		err := a.moderating(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) error {
			t, err := community.TimeOut(ctx, tx, *who.Account, s, community.Wish{Subject: in.Subject, Name: in.Body.Name, Reason: in.Body.Reason}, in.Body.Seconds)
			out.Body = timeoutBody{Subject: t.Subject, Name: t.Name, Until: t.Until, Reason: t.Reason}
			return err
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	})
	register(a, operation{
		ID: "liftTimeout", Method: http.MethodDelete, Path: "/shows/{show}/timeouts/{subject}", Tag: tagTalk, Status: http.StatusNoContent, Rule: editRule,
		Summary: "Let somebody speak again; twice is once", Codes: codes,
	}, func(ctx context.Context, in *TimeoutPath) (*struct{}, error) {
		return nil, a.moderating(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) error {
			return community.LiftTimeout(ctx, tx, *who.Account, s, in.Subject)
		})
	})
}
