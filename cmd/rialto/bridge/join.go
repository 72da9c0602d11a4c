package bridge

import (
	"context"
	"errors"
	"fmt"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/realtime/ws"
)

// Authenticate judges a page that wants to join a show's room. An ended show
// can still be joined: its page says that it is over and keeps the receipts.
func (d Door) Authenticate(ctx context.Context, hello ws.Hello) (ws.Identity, error) {
	id, err := commerce.Parse[commerce.ShowID](string(hello.Room))
	if err != nil {
		return ws.Identity{}, ws.ErrUnknownRoom
	}
	if _, err := show.Get(ctx, d.Pool, id); errors.Is(err, show.ErrUnknown) {
		return ws.Identity{}, ws.ErrUnknownRoom
	} else if err != nil {
		return ws.Identity{}, fmt.Errorf("join %s: %w", id, err)
	}
	who, err := d.visitor(ctx, id, hello.Header)
	if errors.Is(err, community.ErrBanned) {
		return ws.Identity{}, ws.ErrForbidden
	}
	return ws.Identity{Subject: who.Subject, Session: who.Session}, err
}
