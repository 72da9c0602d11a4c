package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/whip"
)

// judgeWithin bounds a judgement at the door: nobody hangs there because Postgres does.
const judgeWithin = 10 * time.Second

// Door is what is asked when somebody wants to publish, watch or join.
type Door struct {
	Pool     *pgxpool.Pool
	Signer   *guard.Signer
	Identify func(context.Context, http.Header) (api.Identity, error)
}

// Authorize judges a publish by stream key or publish ticket, and a watch by
// who the cookies say it is: a public show needs nobody known, but somebody
// banned does not get in.
func (d Door) Authorize(ctx context.Context, r whip.Request) (media.Grant, error) {
	id, err := commerce.Parse[commerce.ShowID](string(r.Stream))
	if err != nil {
		return media.Grant{}, whip.ErrUnknownStream
	}
	ctx, cancel := context.WithTimeout(ctx, judgeWithin)
	defer cancel()
	var grant media.Grant
	switch {
	case r.Action == whip.Watch:
		grant, err = d.watch(ctx, id, r.Header)
	case strings.HasPrefix(r.Bearer, show.KeyPrefix):
		grant, err = d.publishByKey(ctx, id, r.Bearer)
	default:
		grant, err = d.publishByTicket(ctx, id, r.Bearer)
	}
	return grant, atTheDoor(err)
}

func (d Door) publishByKey(ctx context.Context, id commerce.ShowID, key string) (media.Grant, error) {
	by, err := show.CheckKey(ctx, d.Pool, id, key)
	return media.Grant{Subject: by.Creator.String(), KeyGeneration: by.Generation, Rights: media.RightPublish}, err
}

// publishByTicket asks for the session behind the ticket too: a ticket made
// before a sign-out opens nothing after it.
func (d Door) publishByTicket(ctx context.Context, id commerce.ShowID, ticket string) (media.Grant, error) {
	claims, err := d.Signer.Verify(guard.Publish, ticket)
	if err != nil || claims.Show != id.String() {
		return media.Grant{}, whip.ErrUnauthorized
	}
	session, err := commerce.Parse[commerce.SessionID](claims.Session)
	if err != nil {
		return media.Grant{}, whip.ErrUnauthorized
	}
	if err := account.SessionOpen(ctx, d.Pool, session); err != nil {
		return media.Grant{}, err
	}
	err = show.CheckPublisher(ctx, d.Pool, id, claims.Subject)
	return media.Grant{Subject: claims.Subject, Session: claims.Session, Rights: media.RightPublish}, err
}

func (d Door) watch(ctx context.Context, id commerce.ShowID, header http.Header) (media.Grant, error) {
	s, err := show.Get(ctx, d.Pool, id)
	if err != nil {
		return media.Grant{}, err
	}
	if s.State == show.Ended {
		return media.Grant{}, show.ErrEnded
	}
	who, err := d.visitor(ctx, id, header)
	return media.Grant{Subject: who.Subject, Session: who.Session, Rights: media.RightWatch}, err
}

// visitor is who the cookies say, unless the show's creator banned them.
func (d Door) visitor(ctx context.Context, id commerce.ShowID, header http.Header) (api.Identity, error) {
	who, err := d.Identify(ctx, header)
	if err != nil {
		return who, err
	}
	return who, community.Check(ctx, d.Pool, id, who.Subject)
}

// atTheDoor puts commerce's refusals into whip's words.
func atTheDoor(err error) error {
	for _, same := range []struct{ ours, theirs error }{
		{show.ErrUnknown, whip.ErrUnknownStream},
		{show.ErrEnded, whip.ErrEnded},
		{show.ErrKey, whip.ErrUnauthorized},
		{account.ErrNoSession, whip.ErrUnauthorized},
		{show.ErrNotYours, whip.ErrForbidden},
		{community.ErrBanned, whip.ErrForbidden},
		{whip.ErrUnauthorized, whip.ErrUnauthorized},
	} {
		if errors.Is(err, same.ours) {
			return same.theirs
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", whip.ErrUnavailable, err)
	}
	return nil
}
