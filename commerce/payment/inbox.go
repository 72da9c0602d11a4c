package payment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// InboxLease is how long a claimed event belongs to its node: longer than a drive takes.
	InboxLease = DriveFor + 5*time.Second

	keepEvents = 30 * 24 * time.Hour
	sweepBatch = 1000
	maxNote    = 200
)

// Limits of a Notice, in bytes; the table has the same.
const (
	maxNoticeID  = 200
	maxKind      = 100
	maxReference = 100
	maxCharge    = 200
)

// ErrNotice: a notice that is signed, and that the inbox cannot keep all the same.
var ErrNotice = errors.New("webhook cannot be read")

// check says whether a notice can be kept.
func (n Notice) check() error {
	for _, part := range []struct {
		text string
		most int
	}{{n.ID, maxNoticeID}, {n.Kind, maxKind}, {n.Reference, maxReference}, {n.Charge, maxCharge}} {
		if len(part.text) > part.most || !utf8.ValidString(part.text) || strings.ContainsRune(part.text, 0) {
			return ErrNotice
		}
	}
	if n.ID == "" {
		return fmt.Errorf("%w: it has no id", ErrNotice)
	}
	return nil
}

// Receive keeps a notice, once: fresh is false for one that came before. Nothing is done about it here; see Claim.
func Receive(ctx context.Context, pool *pgxpool.Pool, provider string, n Notice) (fresh bool, err error) {
	if err := n.check(); err != nil {
		return false, err
	}
	tag, err := pool.Exec(ctx, `
		insert into payment_event (provider, id, kind, reference, charge) values ($1, $2, $3, $4, $5) on conflict (provider, id) do nothing`,
		provider, n.ID, n.Kind, n.Reference, n.Charge)
	if err != nil {
		return false, fmt.Errorf("keep a notice of %s: %w", provider, err)
	}
	return tag.RowsAffected() == 1, nil
}

// Event is a notice in the inbox, claimed.
type Event struct {
	Provider string
	Notice
	Attempts int
	Age      time.Duration // since it was received
}

// Claim takes at most so many events of a provider that are due. They belong to the caller for InboxLease; then
// whoever comes takes them over.
func Claim(ctx context.Context, pool *pgxpool.Pool, provider string, most int) ([]Event, error) {
	rows, err := pool.Query(ctx, `
		update payment_event e set attempts = attempts + 1, next_at = now() + $3::interval
		from (select provider, id from payment_event where done_at is null and next_at <= now() and provider = $1
			order by next_at limit $2 for update skip locked) due
		where e.provider = due.provider and e.id = due.id
		returning e.provider, e.id, e.kind, e.reference, e.charge, e.attempts, (extract(epoch from now() - e.received_at) * 1000)::bigint`,
		provider, most, InboxLease)
	if err != nil {
		return nil, fmt.Errorf("claim events of %s: %w", provider, err)
	}
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Event, err error) {
		var age int64
		err = row.Scan(&e.Provider, &e.ID, &e.Kind, &e.Reference, &e.Charge, &e.Attempts, &age)
		e.Age = time.Duration(age) * time.Millisecond
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("claim events of %s: %w", provider, err)
	}
	return events, nil
}

// Done closes a claimed event with a word on what came of it. A claim that was taken over is theirs to close.
func (e Event) Done(ctx context.Context, pool *pgxpool.Pool, note string) error {
	_, err := pool.Exec(ctx, `update payment_event set done_at = now(), note = left($4, $5) where provider = $1 and id = $2 and attempts = $3 and done_at is null`,
		e.Provider, e.ID, e.Attempts, note, maxNote)
	if err != nil {
		return fmt.Errorf("close event %s: %w", e.ID, err)
	}
	return nil
}

// Again makes a claimed event due after a pause.
func (e Event) Again(ctx context.Context, pool *pgxpool.Pool, pause time.Duration) error {
	_, err := pool.Exec(ctx, `update payment_event set next_at = now() + $4::interval where provider = $1 and id = $2 and attempts = $3 and done_at is null`,
		e.Provider, e.ID, e.Attempts, pause)
	if err != nil {
		return fmt.Errorf("put event %s off: %w", e.ID, err)
	}
	return nil
}

// OfEvent finds the payment that an event is about, or ErrUnknownPayment.
func OfEvent(ctx context.Context, q schema.Querier, e Event) (Payment, error) {
	if id, err := commerce.Parse[commerce.PaymentID](e.Reference); err == nil {
		return find(q.QueryRow(ctx, `select `+columns+` from payment where id = $1 and provider = $2`, id, e.Provider))
	}
	if e.Reference != "" || e.Charge == "" {
		return Payment{}, ErrUnknownPayment // somebody else's reference, whatever the charge
	}
	return find(q.QueryRow(ctx, `select `+columns+` from payment where charge = $1 and provider = $2`, e.Charge, e.Provider))
}

// SweepEvents deletes events that came long ago.
func SweepEvents(ctx context.Context, pool *pgxpool.Pool) (deleted int64, err error) {
	for {
		tag, err := pool.Exec(ctx, `
			delete from payment_event where (provider, id) in (select provider, id from payment_event where received_at < now() - $1::interval
				order by received_at limit $2 for update skip locked)`, keepEvents, sweepBatch)
		if err != nil {
			return deleted, fmt.Errorf("sweep payment events: %w", err)
		}
		if deleted += tag.RowsAffected(); tag.RowsAffected() < sweepBatch {
			return deleted, nil
		}
	}
}
