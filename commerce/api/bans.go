package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/show"
)

// BanPath is embedded in the inputs of operations on one ban.
type BanPath struct {
	ShowPath
	Subject string `path:"subject" doc:"acc_… or gst_…"`
}

type banOutput struct {
	Body struct {
		ID      commerce.BanID   `json:"id"`
		Subject string           `json:"subject"`
		Show    *commerce.ShowID `json:"show" doc:"null: all shows of the creator"`
		Reason  string           `json:"reason"`
		Created time.Time        `json:"created_at"`
	}
}

func (a *API) registerBans() {
	a.translate(
		translation{is: community.ErrBanned, status: http.StatusForbidden, code: "banned"},
		translation{is: community.ErrReason, status: http.StatusUnprocessableEntity, code: "reason_invalid"},
		translation{is: community.ErrSubject, status: http.StatusUnprocessableEntity, code: "subject_invalid"},
		translation{is: community.ErrCreator, status: http.StatusConflict, code: "not_bannable"},
		translation{is: community.ErrModerator, status: http.StatusConflict, code: "not_bannable"},
		translation{is: community.ErrPerson, status: http.StatusUnprocessableEntity, code: "name_invalid"},
		translation{is: community.ErrTooMany, status: http.StatusConflict, code: "too_many_bans"},
	)
	register(a, operation{
		ID: "ban", Method: http.MethodPut, Path: "/shows/{show}/bans/{subject}", Tag: tagShows,
		Summary: "Keep a person out, and end what they have open", Rule: editRule,
		Codes: []string{"signed_out", "forbidden", "timed_out", "show_unknown", "subject_invalid", "reason_invalid", "name_invalid", "not_bannable", "account_unknown", "too_many_bans"},
	}, func(ctx context.Context, in *struct {
		BanPath
		Body struct {
			Name   string `json:"name,omitempty" doc:"As the chat showed it; an account's own name goes before it"`
			Reason string `json:"reason,omitempty"`
			All    bool   `json:"all_shows,omitempty" doc:"From all shows of this creator; only for the creator and operators"`
		}
	}) (*banOutput, error) {
		out := &banOutput{}
		err := a.moderating(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) error {
			b, err := community.Impose(ctx, tx, *who.Account, s, community.Wish{Subject: in.Subject, Name: in.Body.Name, Reason: in.Body.Reason}, in.Body.All)
			out.Body.ID, out.Body.Subject, out.Body.Show, out.Body.Reason, out.Body.Created = b.ID, b.Subject, b.Show, b.Reason, b.Created.UTC()
			return err
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	})
	register(a, operation{
		ID: "liftBan", Method: http.MethodDelete, Path: "/shows/{show}/bans/{subject}", Tag: tagShows, Status: http.StatusNoContent,
		Summary: "Let a person in again; moderators, who were banned from this show alone", Rule: editRule, Codes: []string{"signed_out", "forbidden", "timed_out", "show_unknown", "subject_invalid"},
	}, func(ctx context.Context, in *BanPath) (*struct{}, error) {
		return nil, a.moderating(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) error {
			return community.Lift(ctx, tx, *who.Account, s, in.Subject)
		})
	})
}
