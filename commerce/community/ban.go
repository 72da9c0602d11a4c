package community

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

const (
	MaxReason = 500    // characters
	MaxBans   = 10_000 // of one creator
)

var (
	ErrBanned  = errors.New("you cannot take part in this show")
	ErrReason  = errors.New("a reason has at most 500 characters")
	ErrSubject = errors.New("a person is acc_… or gst_…")
	ErrCreator = errors.New("a show's creator and the operators cannot be banned from it")
	ErrTooMany = errors.New("a creator has at most 10000 bans")
)

// Ban is what Impose makes.
type Ban struct {
	ID      commerce.BanID
	Subject string
	// Show is none for a ban from all shows of the creator.
	Show    *commerce.ShowID
	Reason  string
	Created time.Time
}

// Impose keeps subject out of a show, or with all out of every show of its creator. The same ban again keeps
// its date, takes the new reason, and ends connections again.
func Impose(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, subject, reason string, all bool) (Ban, error) {
	reason = strings.TrimSpace(reason)
	if utf8.RuneCountInString(reason) > MaxReason || !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl) {
		return Ban{}, ErrReason
	}
	if err := s.MayModerate(by); err != nil {
		return Ban{}, err
	}
	if err := mayBeBanned(ctx, tx, s, subject); err != nil {
		return Ban{}, err
	}
	b := Ban{ID: commerce.NewID[commerce.BanID](), Subject: subject, Show: &s.ID, Reason: reason}
	if all {
		b.Show = nil
	}
	err := tx.QueryRow(ctx, `
		insert into ban (id, creator, show, subject, reason, made_by) values ($1, $2, $3, $4, $5, $6)
		on conflict on constraint ban_once do update set reason = excluded.reason
		returning id, created_at`, b.ID, s.Creator, b.Show, subject, reason, by.ID).Scan(&b.ID, &b.Created)
	if err != nil {
		return Ban{}, fmt.Errorf("ban in %s: %w", s.ID, err)
	}
	var count int
	if err := tx.QueryRow(ctx, `select count(*) from ban where creator = $1`, s.Creator).Scan(&count); err != nil {
		return Ban{}, fmt.Errorf("count bans: %w", err)
	}
	if count > MaxBans {
		return Ban{}, ErrTooMany
	}
	return b, revoke(ctx, tx, s, subject, all)
}

func mayBeBanned(ctx context.Context, q schema.Querier, s show.Show, subject string) error {
	id, _, err := commerce.ParseSubject(subject)
	if err != nil {
		return ErrSubject
	}
	if id.IsZero() {
		return nil
	}
	if id == s.Creator {
		return ErrCreator
	}
	a, err := account.Get(ctx, q, id)
	if err != nil {
		return err
	}
	if a.Has(account.Operator) {
		return ErrCreator
	}
	return nil
}

// revoke names each show, because an order without a show would reach shows of other creators.
func revoke(ctx context.Context, tx pgx.Tx, s show.Show, subject string, all bool) error {
	shows := []commerce.ShowID{s.ID}
	if all {
		rows, err := tx.Query(ctx, `select id from show where creator = $1 and (state <> 'ended' or id = $2)`, s.Creator, s.ID)
		if err != nil {
			return fmt.Errorf("shows of %s: %w", s.Creator, err)
		}
		if shows, err = pgx.CollectRows(rows, pgx.RowTo[commerce.ShowID]); err != nil {
			return fmt.Errorf("shows of %s: %w", s.Creator, err)
		}
	}
	controls := make([]outbox.ControlMessage, 0, len(shows))
	for _, id := range shows {
		controls = append(controls, outbox.ControlMessage{Op: outbox.OpRevoke, Show: id.String(), Subject: subject})
	}
	for batch := range slices.Chunk(controls, outbox.MaxBatch) {
		if err := outbox.Control(ctx, tx, batch...); err != nil {
			return err
		}
	}
	return nil
}

// Lift ends both kinds of ban of subject for a show: the show's own, and the creator's. Lifting what is not
// there changes nothing.
func Lift(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, subject string) error {
	if _, _, err := commerce.ParseSubject(subject); err != nil {
		return ErrSubject
	}
	if err := s.MayModerate(by); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `delete from ban where creator = $1 and subject = $2 and (show = $3 or show is null)`, s.Creator, subject, s.ID)
	if err != nil {
		return fmt.Errorf("lift a ban in %s: %w", s.ID, err)
	}
	return nil
}

// Check says ErrBanned when subject may not take part in a show. Nobody known ("") is never banned, and an
// unknown show has no bans.
func Check(ctx context.Context, q schema.Querier, id commerce.ShowID, subject string) error {
	if subject == "" {
		return nil
	}
	var banned bool
	err := q.QueryRow(ctx, `
		select exists (select from ban b join show s on s.id = $1 and s.creator = b.creator
			where b.subject = $2 and (b.show = $1 or b.show is null))`, id, subject).Scan(&banned)
	if err != nil {
		return fmt.Errorf("check bans of %s: %w", id, err)
	}
	if banned {
		return ErrBanned
	}
	return nil
}
