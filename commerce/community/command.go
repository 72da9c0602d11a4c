package community

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// commandsKept is how long it is known what a command did: far longer than a page goes on asking.
const commandsKept = time.Hour

// Done is what the command did that somebody sent with this call, if it has been carried out lately. A call without an
// id cannot be sent again.
func Done(ctx context.Context, q schema.Querier, id commerce.ShowID, by commerce.AccountID, call string) (did string, done bool, err error) {
	if call == "" {
		return "", false, nil
	}
	err = q.QueryRow(ctx, `select did from talk_command where show = $1 and made_by = $2 and call = $3`, id, by, call).Scan(&did)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("commands in %s: %w", id, err)
	}
	return did, true, nil
}

// Once carries out a command in a show that the caller has locked. The same call again does nothing and is answered the
// same: by then somebody may have done what it would undo.
func Once(ctx context.Context, tx pgx.Tx, id commerce.ShowID, by commerce.AccountID, call string, do func() (string, error)) (did string, err error) {
	did, done, err := Done(ctx, tx, id, by, call)
	if err != nil || done {
		return did, err
	}
	if did, err = do(); err != nil || call == "" {
		return did, err
	}
	_, err = tx.Exec(ctx, `with old as (delete from talk_command where show = $1 and done_at < now() - $5::interval)
		insert into talk_command (show, made_by, call, did) values ($1, $2, $3, $4)`, id, by, call, did, commandsKept)
	if err != nil {
		return "", fmt.Errorf("note a command in %s: %w", id, err)
	}
	return did, nil
}
