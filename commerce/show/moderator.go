package show

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/schema"
)

// MaxModerators is how many moderators one show has.
const MaxModerators = 20

var (
	// ErrNoPerson: nobody has an account with this address.
	ErrNoPerson = errors.New("there is no account with this e-mail address")
	// ErrOwnShow: the creator keeps order anyway.
	ErrOwnShow = errors.New("this is the show's creator, who is in charge anyway")
	// ErrTooManyModerators: the show has MaxModerators already.
	ErrTooManyModerators = errors.New("a show has at most 20 moderators")
)

// Moderators lists who keeps order in the show beside its creator, in the order in which they were asked to.
func Moderators(ctx context.Context, q schema.Querier, id commerce.ShowID) ([]account.Account, error) {
	rows, err := q.Query(ctx, `select a.id, a.email, a.name from show_moderator m join account a on a.id = m.account
		where m.show = $1 order by m.added_at, a.id`, id)
	if err != nil {
		return nil, fmt.Errorf("moderators of %s: %w", id, err)
	}
	moderators, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a account.Account, err error) {
		return a, row.Scan(&a.ID, &a.Email, &a.Name)
	})
	if err != nil {
		return nil, fmt.Errorf("moderators of %s: %w", id, err)
	}
	return moderators, nil
}

// AddModerator lets the person with this e-mail address keep order in a show that the caller has locked. Twice is
// once, and added says which it was.
func AddModerator(ctx context.Context, tx pgx.Tx, s Show, email string) (who account.Account, added bool, err error) {
	if s.State == Ended {
		return account.Account{}, false, ErrEnded
	}
	who, err = person(ctx, tx, email)
	if err != nil {
		return account.Account{}, false, err
	}
	if who.ID == s.Creator {
		return account.Account{}, false, ErrOwnShow
	}
	n, err := execute(ctx, tx, `insert into show_moderator (show, account) values ($1, $2) on conflict (show, account) do nothing`, s.ID, who.ID)
	if err != nil {
		return account.Account{}, false, fmt.Errorf("add a moderator to %s: %w", s.ID, err)
	}
	var count int
	if err := tx.QueryRow(ctx, `select count(*) from show_moderator where show = $1`, s.ID).Scan(&count); err != nil {
		return account.Account{}, false, fmt.Errorf("add a moderator to %s: %w", s.ID, err)
	}
	if count > MaxModerators {
		return account.Account{}, false, ErrTooManyModerators
	}
	return who, n == 1, nil
}

// RemoveModerator takes the right away, in a show that the caller has locked. Twice is once, and removed says which it
// was.
func RemoveModerator(ctx context.Context, tx pgx.Tx, s Show, email string) (who account.Account, removed bool, err error) {
	if s.State == Ended {
		return account.Account{}, false, ErrEnded
	}
	if who, err = person(ctx, tx, email); err != nil {
		return account.Account{}, false, err
	}
	n, err := execute(ctx, tx, `delete from show_moderator where show = $1 and account = $2`, s.ID, who.ID)
	if err != nil {
		return account.Account{}, false, fmt.Errorf("remove a moderator from %s: %w", s.ID, err)
	}
	return who, n == 1, nil
}

func person(ctx context.Context, tx pgx.Tx, email string) (account.Account, error) {
	who, err := account.ByEmail(ctx, tx, email)
	if errors.Is(err, account.ErrNoAccount) {
		return account.Account{}, ErrNoPerson
	}
	return who, err
}

// Moderates says whether an account is one of the show's moderators, which its creator and the operators are not.
func (s Show) Moderates(ctx context.Context, q schema.Querier, id commerce.AccountID) (yes bool, err error) {
	err = q.QueryRow(ctx, `select exists (select from show_moderator where show = $1 and account = $2)`, s.ID, id).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("does %s moderate %s: %w", id, s.ID, err)
	}
	return yes, nil
}

// MayModerate says whether somebody may keep order in the show: its creator, an operator, or one of its moderators.
// ErrNotYours otherwise. On a locked show the answer holds until the transaction ends.
func (s Show) MayModerate(ctx context.Context, q schema.Querier, by account.Account) error {
	if s.MayEnd(by) == nil {
		return nil
	}
	yes, err := s.Moderates(ctx, q, by.ID)
	if err != nil {
		return err
	}
	if !yes {
		return ErrNotYours
	}
	return nil
}
