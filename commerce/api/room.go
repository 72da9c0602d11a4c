package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/drop"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/price"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

// RoomTicketLife is how long a room ticket opens a room. Who is inside stays inside.
const RoomTicketLife = 5 * time.Minute

// roomRule is for whoever joins where cookies do not travel. A page asks once, and again when it must join anew.
var roomRule = guard.Rule{Name: "room_address", Burst: 300, Every: 100 * time.Millisecond}

// eventKinds is all that commerce lets a show say.
func eventKinds() []outbox.EventKind {
	return slices.Concat(show.Kinds, price.Kinds, stock.Kinds, drop.Kinds, community.Kinds)
}

type roomTicketOutput struct {
	Body struct {
		Token   string    `json:"token" doc:"Goes into the join message"`
		Expires time.Time `json:"expires_at"`
	}
}

func (a *API) registerRoom() {
	register(a, operation{
		ID: "makeRoomTicket", Method: http.MethodPost, Path: "/room-ticket", Tag: tagPeople, Rule: roomRule,
		Summary: "A short-lived token to join rooms with where cookies do not travel; makes a guest of somebody unknown",
		Codes:   []string{"too_many_attempts"},
	}, func(ctx context.Context, _ *struct{}) (*roomTicketOutput, error) {
		who, err := a.person(ctx)
		if err != nil {
			return nil, err
		}
		out := &roomTicketOutput{}
		out.Body.Expires = a.config.Now().Add(RoomTicketLife).UTC().Truncate(time.Second)
		// The session travels along, so that a sign-out ends what was joined with it.
		out.Body.Token, err = a.config.Signer.Sign(guard.Claims{
			Kind: guard.Room, Subject: who.Subject, Session: who.Session, Expires: out.Body.Expires.Unix(),
		})
		return out, err
	})
}
