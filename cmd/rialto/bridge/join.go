package bridge

import (
	"context"
	"errors"
	"fmt"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/ws"
)

// errTicket refuses a room ticket; whoever made the page has to ask for
// another.
var errTicket = &realtime.CloseError{Code: realtime.CodeSignedOut, Reason: "this room ticket does not hold: get a new one"}

// Authenticate judges a page that wants to join a show's room. An ended show
// can still be joined: its page says that it is over and keeps the receipts.
func (d Door) Authenticate(ctx context.Context, hello ws.Hello) (ws.Identity, error) {
	id, err := commerce.Parse[commerce.ShowID](string(hello.Room))
	if err != nil {
		return ws.Identity{}, ws.ErrUnknownRoom
	}
	s, err := show.Get(ctx, d.Pool, id)
	if errors.Is(err, show.ErrUnknown) {
		return ws.Identity{}, ws.ErrUnknownRoom
	}
	var who api.Identity
	if err == nil {
		who, err = d.joiner(ctx, id, hello)
	}
	if errors.Is(err, community.ErrBanned) {
		return ws.Identity{}, ws.ErrForbidden
	}
	if err != nil {
		return ws.Identity{}, fmt.Errorf("join %s: %w", id, err)
	}
	role, err := d.role(ctx, s, who)
	if err != nil {
		return ws.Identity{}, fmt.Errorf("join %s: %w", id, err)
	}
	return ws.Identity{Subject: who.Subject, Session: who.Session, Name: nameOf(who), Role: role}, nil
}

// joiner is who the room ticket says, if there is one, else who the cookies
// say, unless they are banned.
func (d Door) joiner(ctx context.Context, id commerce.ShowID, hello ws.Hello) (who api.Identity, err error) {
	if hello.Token == "" {
		return d.visitor(ctx, id, hello.Header)
	}
	if who, err = d.ticketed(ctx, hello.Token); err != nil {
		return api.Identity{}, err
	}
	return who, community.Check(ctx, d.Pool, id, who.Subject)
}

// ticketed reads a room ticket. One that was made before a sign-out opens
// nothing after it.
func (d Door) ticketed(ctx context.Context, ticket string) (api.Identity, error) {
	claims, err := d.Signer.Verify(guard.Room, ticket)
	if err != nil {
		return api.Identity{}, errTicket
	}
	if _, err := commerce.Parse[commerce.GuestID](claims.Subject); err == nil {
		return api.Identity{Subject: claims.Subject}, nil
	}
	person, err := commerce.Parse[commerce.AccountID](claims.Subject)
	if err != nil {
		return api.Identity{}, errTicket
	}
	session, err := commerce.Parse[commerce.SessionID](claims.Session)
	if err != nil {
		return api.Identity{}, errTicket
	}
	err = account.SessionOpen(ctx, d.Pool, session)
	if errors.Is(err, account.ErrNoSession) {
		return api.Identity{}, ws.ErrSignedOut
	}
	if err != nil {
		return api.Identity{}, err
	}
	a, err := account.Get(ctx, d.Pool, person)
	return api.Identity{Subject: claims.Subject, Session: claims.Session, Account: &a}, err
}

// role is what somebody is in this show, at this moment: who buys later is a
// buyer from the next join on.
func (d Door) role(ctx context.Context, s show.Show, who api.Identity) (realtime.Role, error) {
	switch {
	case who.Subject == "":
		return realtime.RoleViewer, nil
	case who.Account != nil && who.Account.ID == s.Creator:
		return realtime.RoleHost, nil
	case who.Account != nil:
		err := s.MayModerate(ctx, d.Pool, *who.Account)
		if err == nil || !errors.Is(err, show.ErrNotYours) {
			return realtime.RoleModerator, err
		}
	}
	bought, err := order.Bought(ctx, d.Pool, s.ID, who.Subject)
	if err != nil || !bought {
		return realtime.RoleViewer, err
	}
	return realtime.RoleBuyer, nil
}

func nameOf(who api.Identity) string {
	if who.Account != nil {
		return who.Account.Name
	}
	return community.GuestName(who.Subject)
}
