package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/show"
)

// TicketLife is how long a publish ticket opens the door. Who is inside stays inside.
const TicketLife = 5 * time.Minute

type ticketOutput struct {
	Body struct {
		WHIPURL string    `json:"whip_url"`
		Token   string    `json:"token" doc:"Bearer token for WHIP"`
		Expires time.Time `json:"expires_at"`
	}
}

type keyOutput struct {
	Body struct {
		Generation int    `json:"generation"`
		WHIPURL    string `json:"whip_url"`
		Hint       string `json:"hint" example:"sk_…abcd"`
		Key        string `json:"key,omitempty" doc:"Only when it was made just now; it cannot be read again"`
	}
}

func (a *API) registerKeys() {
	register(a, operation{
		ID: "makePublishTicket", Method: http.MethodPost, Path: "/shows/{show}/publish-ticket", Tag: tagShows,
		Summary: "A short-lived token for the studio to publish with", Rule: editRule, Codes: []string{"signed_out", "forbidden", "show_unknown", "show_ended"},
	}, func(ctx context.Context, in *ShowPath) (*ticketOutput, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		s, err := show.Get(ctx, a.config.Pool, in.Show)
		if err != nil {
			return nil, err
		}
		if err := s.MayEdit(*who.Account); err != nil {
			return nil, err
		}
		if s.State == show.Ended {
			return nil, show.ErrEnded
		}
		out := &ticketOutput{}
		out.Body.Expires = a.config.Now().Add(TicketLife).UTC().Truncate(time.Second)
		// Subject and session travel along, so that a sign-out ends the publish.
		out.Body.Token, err = a.config.Signer.Sign(guard.Claims{
			Kind: guard.Publish, Subject: who.Subject, Session: who.Session, Show: s.ID.String(), Expires: out.Body.Expires.Unix(),
		})
		if err != nil {
			return nil, err
		}
		out.Body.WHIPURL, err = a.config.WHIPURL(ctx, s.ID)
		return out, err
	})
	register(a, operation{
		ID: "getStreamKey", Method: http.MethodGet, Path: "/shows/{show}/stream-key", Tag: tagShows,
		Summary: "The show's stream key; the first time it is made, and shown", Rule: editRule, Codes: []string{"signed_out", "forbidden", "show_unknown", "show_ended"},
	}, func(ctx context.Context, in *ShowPath) (*keyOutput, error) { return a.key(ctx, in, show.EnsureKey) })
	register(a, operation{
		ID: "rotateStreamKey", Method: http.MethodPost, Path: "/shows/{show}/stream-key", Tag: tagShows,
		Summary: "A new stream key; ends publishes made with an older one", Rule: editRule, Codes: []string{"signed_out", "forbidden", "show_unknown", "show_ended"},
	}, func(ctx context.Context, in *ShowPath) (*keyOutput, error) { return a.key(ctx, in, show.RotateKey) })
}

func (a *API) key(ctx context.Context, in *ShowPath, get func(context.Context, pgx.Tx, show.Show) (show.Key, error)) (*keyOutput, error) {
	out := &keyOutput{}
	err := a.editing(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, _ Identity) error {
		k, err := get(ctx, tx, s)
		out.Body.Generation, out.Body.Hint, out.Body.Key = k.Generation, k.Hint, k.Secret
		return err
	})
	if err != nil {
		return nil, err
	}
	out.Body.WHIPURL, err = a.config.WHIPURL(ctx, in.Show)
	return out, err
}
