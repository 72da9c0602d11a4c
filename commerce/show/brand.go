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

// MaxBrands is how many brands may stock one show.
const MaxBrands = 20

var (
	// ErrNoBrand: nobody with this address has the role brand. Whether there is an account of another kind is
	// nobody's business.
	ErrNoBrand = errors.New("there is no brand with this e-mail address")
	// ErrOwnBrand: the creator supplies the show anyway.
	ErrOwnBrand = errors.New("this is your own account, and your own products can be sold in your show anyway")
	// ErrTooManyBrands: the show has MaxBrands already.
	ErrTooManyBrands = errors.New("a show has at most 20 brands")
	// ErrNoSupplier: only the creator and the brands that they have invited put products on sale in a show.
	ErrNoSupplier = errors.New("you are not one of this show's brands; ask its creator to invite you")
)

// Brands lists who may stock the show beside its creator, in the order of their invitation.
func Brands(ctx context.Context, q schema.Querier, id commerce.ShowID) ([]account.Account, error) {
	rows, err := q.Query(ctx, `select a.id, a.email, a.name from show_brand b join account a on a.id = b.account
		where b.show = $1 order by b.added_at, a.id`, id)
	if err != nil {
		return nil, fmt.Errorf("brands of %s: %w", id, err)
	}
	brands, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a account.Account, err error) {
		return a, row.Scan(&a.ID, &a.Email, &a.Name)
	})
	if err != nil {
		return nil, fmt.Errorf("brands of %s: %w", id, err)
	}
	return brands, nil
}

// AddBrand lets the brand with this e-mail address stock a show that the caller has locked. Twice is once.
func AddBrand(ctx context.Context, tx pgx.Tx, s Show, email string) error {
	if s.State == Ended {
		return ErrEnded
	}
	brand, err := account.ByEmail(ctx, tx, email)
	switch {
	case errors.Is(err, account.ErrNoAccount), err == nil && !brand.Has(account.Brand):
		return ErrNoBrand
	case err != nil:
		return err
	case brand.ID == s.Creator:
		return ErrOwnBrand
	}
	tag, err := tx.Exec(ctx, `insert into show_brand (show, account) values ($1, $2) on conflict (show, account) do nothing`, s.ID, brand.ID)
	if err != nil {
		return fmt.Errorf("add a brand to %s: %w", s.ID, err)
	}
	if tag.RowsAffected() == 0 {
		return nil
	}
	var count int
	if err := tx.QueryRow(ctx, `select count(*) from show_brand where show = $1`, s.ID).Scan(&count); err != nil {
		return fmt.Errorf("add a brand to %s: %w", s.ID, err)
	}
	if count > MaxBrands {
		return ErrTooManyBrands
	}
	return nil
}

// RemoveBrand takes the right away, in a show that the caller has locked. Twice is once. What the brand has put on
// sale stays until the creator takes it off: buyers may be looking at it.
func RemoveBrand(ctx context.Context, tx pgx.Tx, s Show, brand commerce.AccountID) error {
	if s.State == Ended {
		return ErrEnded
	}
	if _, err := tx.Exec(ctx, `delete from show_brand where show = $1 and account = $2`, s.ID, brand); err != nil {
		return fmt.Errorf("remove a brand from %s: %w", s.ID, err)
	}
	return nil
}

// MaySupply says whether somebody may put their own products on sale in the show: its creator, and the brands they
// invited. ErrNoSupplier otherwise. On a locked show the answer holds until the transaction ends.
func (s Show) MaySupply(ctx context.Context, q schema.Querier, by account.Account) error {
	if s.Creator == by.ID {
		return nil
	}
	var invited bool
	err := q.QueryRow(ctx, `select exists (select from show_brand where show = $1 and account = $2)`, s.ID, by.ID).Scan(&invited)
	if err != nil {
		return fmt.Errorf("may %s supply %s: %w", by.ID, s.ID, err)
	}
	if !invited {
		return ErrNoSupplier
	}
	return nil
}
