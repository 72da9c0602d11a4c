package delivery

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// Saved reads the address that an account has kept; ok is false when there is none.
func Saved(ctx context.Context, q schema.Querier, who commerce.AccountID) (a Address, ok bool, err error) {
	err = q.QueryRow(ctx, `select name, line1, line2, city, region, postcode, country from account_address where account = $1`, who).
		Scan(&a.Name, &a.Line1, &a.Line2, &a.City, &a.Region, &a.Postcode, &a.Country)
	if errors.Is(err, pgx.ErrNoRows) {
		return Address{}, false, nil
	}
	if err != nil {
		return Address{}, false, fmt.Errorf("address of %s: %w", who, err)
	}
	return a, true, nil
}

// Save keeps an address, which Check has made, as the one of an account; another one is replaced.
func Save(ctx context.Context, tx pgx.Tx, who commerce.AccountID, a Address) error {
	batch := &pgx.Batch{}
	QueueSave(batch, who, a)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("save the address of %s: %w", who, err)
	}
	return nil
}

// QueueSave is Save as a part of a batch.
func QueueSave(batch *pgx.Batch, who commerce.AccountID, a Address) {
	batch.Queue(`
		insert into account_address (account, name, line1, line2, city, region, postcode, country) values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict (account) do update set name = excluded.name, line1 = excluded.line1, line2 = excluded.line2, city = excluded.city,
			region = excluded.region, postcode = excluded.postcode, country = excluded.country, changed_at = now()`,
		who, a.Name, a.Line1, a.Line2, a.City, a.Region, a.Postcode, a.Country)
}

// Forget deletes the address of an account. Twice is once.
func Forget(ctx context.Context, tx pgx.Tx, who commerce.AccountID) error {
	if _, err := tx.Exec(ctx, `delete from account_address where account = $1`, who); err != nil {
		return fmt.Errorf("forget the address of %s: %w", who, err)
	}
	return nil
}
