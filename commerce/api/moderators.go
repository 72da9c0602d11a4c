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

type moderatorsOutput struct {
	Body struct {
		Moderators []moderatorBody `json:"moderators"`
	}
}

// auditedBody is one row of the audit log.
type auditedBody struct {
	ID      commerce.AuditID `json:"id"`
	At      time.Time        `json:"at"`
	By      auditorBody      `json:"by"`
	Action  community.Action `json:"action" enum:"moderator_added,moderator_removed,slow_mode_set,announcement_set,announcement_removed,line_removed,timed_out,timeout_lifted,banned,ban_lifted,question_answered,questions_merged,question_removed,poll_opened,poll_closed,pinned,unpinned"`
	Subject string           `json:"subject" doc:"Whom it was done to; empty when nobody"`
	Name    string           `json:"name"`
	Detail  string           `json:"detail" doc:"The reason, the text, the choices"`
}

type auditorBody struct {
	Subject string `json:"subject"`
	Name    string `json:"name"`
}

type auditOutput struct {
	Body struct {
		Items []auditedBody `json:"items" doc:"Newest first"`
		Next  *string       `json:"next" doc:"Cursor of the next page; null on the last one"`
	}
}

// ModeratorPath is embedded in the inputs of operations on one moderator.
type ModeratorPath struct {
	ShowPath
	Email string `path:"email" doc:"Of an account"`
}

func (a *API) registerModerators() {
	a.translate(
		translation{is: show.ErrNoPerson, status: http.StatusNotFound, code: "account_unknown"},
		translation{is: show.ErrOwnShow, status: http.StatusConflict, code: "moderator_is_creator"},
		translation{is: show.ErrTooManyModerators, status: http.StatusConflict, code: "too_many_moderators"},
		translation{is: community.ErrBannedPerson, status: http.StatusConflict, code: "moderator_banned"},
	)
	codes := []string{"signed_out", "forbidden", "show_unknown", "show_ended", "email_invalid", "account_unknown"}
	register(a, operation{
		ID: "addModerator", Method: http.MethodPut, Path: "/shows/{show}/moderators/{email}", Tag: tagTalk, Rule: inviteRule,
		Summary: "Let somebody keep order in my show", Codes: append(codes, "moderator_is_creator", "moderator_banned", "too_many_moderators"),
	}, func(ctx context.Context, in *ModeratorPath) (*moderatorsOutput, error) {
		out := &moderatorsOutput{}
		err := a.editing(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) (err error) {
			if err := community.AddModerator(ctx, tx, *who.Account, s, in.Email); err != nil {
				return err
			}
			out.Body.Moderators, err = moderatorsOf(ctx, tx, s.ID)
			return err
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	})
	register(a, operation{
		ID: "removeModerator", Method: http.MethodDelete, Path: "/shows/{show}/moderators/{email}", Tag: tagTalk, Rule: inviteRule,
		Status: http.StatusNoContent, Summary: "Take this right away; twice is once", Codes: codes,
	}, func(ctx context.Context, in *ModeratorPath) (*struct{}, error) {
		return nil, a.editing(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) error {
			return community.RemoveModerator(ctx, tx, *who.Account, s, in.Email)
		})
	})
}

func moderatorsOf(ctx context.Context, q schema.Querier, id commerce.ShowID) ([]moderatorBody, error) {
	list, err := show.Moderators(ctx, q, id)
	if err != nil {
		return nil, err
	}
	moderators := make([]moderatorBody, 0, len(list))
	for _, m := range list {
		moderators = append(moderators, moderatorBody{Subject: m.ID.String(), Name: m.Name, Email: m.Email})
	}
	return moderators, nil
}

func (a *API) registerAudit() {
	register(a, operation{
		ID: "listAudit", Method: http.MethodGet, Path: "/shows/{show}/audit", Tag: tagTalk,
		Summary: "What those in charge have done in the talk of a show", Codes: []string{"signed_out", "forbidden", "show_unknown", "cursor_invalid"},
	}, func(ctx context.Context, in *struct {
		ShowPath
		Cursor string `query:"cursor"`
	}) (*auditOutput, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		s, err := show.Get(ctx, a.config.Pool, in.Show)
		if err != nil {
			return nil, err
		}
		page, next, err := community.Audit(ctx, a.config.Pool, s, *who.Account, in.Cursor)
		if err != nil {
			return nil, err
		}
		out := &auditOutput{}
		out.Body.Items = make([]auditedBody, 0, len(page))
		for _, e := range page {
			out.Body.Items = append(out.Body.Items, auditedBody{
				ID: e.ID, At: e.At.UTC(), By: auditorBody{Subject: e.By.String(), Name: e.ByName}, Action: e.Action,
				Subject: e.Subject, Name: e.Name, Detail: e.Detail,
			})
		}
		if next != "" {
			out.Body.Next = &next
		}
		return out, nil
	})
}
