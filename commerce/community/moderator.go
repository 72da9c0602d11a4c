package community

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/show"
)

// ErrBannedPerson: who is banned does not keep order.
var ErrBannedPerson = errors.New("this person is banned from the show; lift the ban first")

// AddModerator lets the person with this e-mail address keep order in a show of by, which the caller has locked.
// Their open pages join again, as what they are now.
func AddModerator(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, email string) error {
	if err := s.MayEdit(by); err != nil {
		return err
	}
	who, added, err := show.AddModerator(ctx, tx, s, email)
	if err != nil {
		return err
	}
	err = Check(ctx, tx, s.ID, who.ID.String())
	switch {
	case errors.Is(err, ErrBanned):
		return ErrBannedPerson
	case err != nil || !added:
		return err
	}
	return appointed(ctx, tx, by, s, ActionModeratorAdded, who)
}

// RemoveModerator takes that right away again.
func RemoveModerator(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, email string) error {
	if err := s.MayEdit(by); err != nil {
		return err
	}
	who, removed, err := show.RemoveModerator(ctx, tx, s, email)
	if err != nil || !removed {
		return err
	}
	return appointed(ctx, tx, by, s, ActionModeratorRemoved, who)
}

func appointed(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, what Action, who account.Account) error {
	if err := note(ctx, tx, s, by, Entry{Action: what, Subject: who.ID.String(), Name: who.Name}); err != nil {
		return err
	}
	return outbox.Control(ctx, tx, outbox.ControlMessage{Op: outbox.OpRejoin, Show: s.ID.String(), Subject: who.ID.String()})
}
