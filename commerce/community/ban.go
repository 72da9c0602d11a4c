package community

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

const (
	MaxReason = 500    // characters
	MaxBans   = 10_000 // in one show, and from all shows of one creator
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
	Name    string
	// Show is none for a ban from all shows of the creator.
	Show    *commerce.ShowID
	Reason  string
	Created time.Time
}

// Impose keeps somebody out of a show, or with all, which its creator and operators may, out of every show of its
// creator. The same ban again keeps its date, takes the new reason, and ends connections again. Whoever moderated what
// they are banned from does so no more, and questions that nobody else asked go.
func Impose(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, w Wish, all bool) (Ban, error) {
	if err := mayBan(ctx, tx, by, s, all); err != nil {
		return Ban{}, err
	}
	if err := w.judge(ctx, tx, by, s); err != nil {
		return Ban{}, err
	}
	shows, err := reached(ctx, tx, s, all)
	if err != nil {
		return Ban{}, err
	}
	b := Ban{ID: commerce.NewID[commerce.BanID](), Subject: w.Subject, Name: w.Name, Show: &s.ID, Reason: w.Reason}
	if all {
		b.Show = nil
	}
	var same bool
	err = tx.QueryRow(ctx, `select exists (select from ban where creator = $1 and subject = $2 and show is not distinct from $3 and reason = $4)`,
		s.Creator, b.Subject, b.Show, b.Reason).Scan(&same)
	if err != nil {
		return Ban{}, fmt.Errorf("ban in %s: %w", s.ID, err)
	}
	err = tx.QueryRow(ctx, `
		insert into ban (id, creator, show, subject, name, reason, made_by) values ($1, $2, $3, $4, $5, $6, $7)
		on conflict on constraint ban_once do update set reason = excluded.reason, name = excluded.name
		returning id, created_at`, b.ID, s.Creator, b.Show, b.Subject, b.Name, b.Reason, by.ID).Scan(&b.ID, &b.Created)
	if err != nil {
		return Ban{}, fmt.Errorf("ban in %s: %w", s.ID, err)
	}
	var count int
	if err := tx.QueryRow(ctx, `select count(*) from ban where creator = $1 and show is not distinct from $2`, s.Creator, b.Show).Scan(&count); err != nil {
		return Ban{}, fmt.Errorf("count bans: %w", err)
	}
	if count > MaxBans {
		return Ban{}, ErrTooMany
	}
	if id, _, _ := commerce.ParseSubject(b.Subject); !id.IsZero() {
		if _, err := tx.Exec(ctx, `delete from show_moderator where account = $1 and show = any($2)`, id, shows); err != nil {
			return Ban{}, fmt.Errorf("ban in %s: %w", s.ID, err)
		}
	}
	if err := revoke(ctx, tx, shows, b.Subject); err != nil || same {
		return b, err
	}
	if err := note(ctx, tx, s, by, Entry{Action: ActionBanned, Subject: b.Subject, Name: b.Name, Detail: extent(all, b.Reason)}); err != nil {
		return Ban{}, err
	}
	fewer, err := unask(ctx, tx, shows, b.Subject)
	if err != nil {
		return Ban{}, err
	}
	if err := tellGone(ctx, tx, shows...); err != nil {
		return Ban{}, err
	}
	for _, id := range fewer {
		if err := tellQuestions(ctx, tx, id); err != nil {
			return Ban{}, err
		}
	}
	return b, nil
}

// mayBan says whether somebody may ban, or lift a ban: from all shows of a creator, only who leads all of them.
func mayBan(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, all bool) error {
	if all {
		return s.MayEnd(by)
	}
	return Leads(ctx, tx, by, s)
}

// extent is the detail of a ban in the audit log.
func extent(all bool, reason string) string {
	if !all {
		return reason
	}
	return strings.TrimSpace("all shows " + reason)
}

// reached locks the shows that a ban means: this one, or with all those of its creator that have not ended, too. Two who
// come from two shows may wait for each other; schema.InTx then tries one of them again.
func reached(ctx context.Context, tx pgx.Tx, s show.Show, all bool) ([]commerce.ShowID, error) {
	if !all {
		return []commerce.ShowID{s.ID}, nil
	}
	rows, err := tx.Query(ctx, `select id from show where creator = $1 and (state <> 'ended' or id = $2) order by id for no key update`, s.Creator, s.ID)
	if err != nil {
		return nil, fmt.Errorf("shows of %s: %w", s.Creator, err)
	}
	shows, err := pgx.CollectRows(rows, pgx.RowTo[commerce.ShowID])
	if err != nil {
		return nil, fmt.Errorf("shows of %s: %w", s.Creator, err)
	}
	return shows, nil
}

// revoke names each show, because an order without a show would reach shows of other creators.
func revoke(ctx context.Context, tx pgx.Tx, shows []commerce.ShowID, subject string) error {
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

// Lift ends both kinds of ban of subject for a show: the show's own, and the creator's, which only its creator and
// operators may. Lifting what is not there changes nothing.
func Lift(ctx context.Context, tx pgx.Tx, by account.Account, s show.Show, subject string) error {
	if _, _, err := commerce.ParseSubject(subject); err != nil {
		return ErrSubject
	}
	var all bool
	err := tx.QueryRow(ctx, `select exists (select from ban where creator = $1 and subject = $2 and show is null)`, s.Creator, subject).Scan(&all)
	if err != nil {
		return fmt.Errorf("lift a ban in %s: %w", s.ID, err)
	}
	if err := mayBan(ctx, tx, by, s, all); err != nil {
		return err
	}
	shows, err := reached(ctx, tx, s, all)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `delete from ban where creator = $1 and subject = $2 and (show = $3 or $4 and show is null) returning name`, s.Creator, subject, s.ID, all)
	if err != nil {
		return fmt.Errorf("lift a ban in %s: %w", s.ID, err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("lift a ban in %s: %w", s.ID, err)
	}
	if len(names) == 0 {
		return nil
	}
	if err := note(ctx, tx, s, by, Entry{Action: ActionBanLifted, Subject: subject, Name: names[0], Detail: extent(all, "")}); err != nil {
		return err
	}
	if err := bury(ctx, tx, shows, subject); err != nil {
		return err
	}
	return tellGone(ctx, tx, shows...)
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

// BarredSQL asks which subjects ($2, schema.Names) may not take part in the show of a pool ($1). It is Check for a claim of stock,
// which asks once for all of its buyers.
var BarredSQL = `
	select distinct b.subject from pool p join show s on s.id = p.show join ban b on b.creator = s.creator
	where p.id = $1 and b.subject = any(` + schema.NamesSQL("$2") + `) and (b.show = s.id or b.show is null)`

// Barred adds BarredSQL to a batch, and calls bar for each.
func Barred(batch *pgx.Batch, pool commerce.PoolID, subjects []string, bar func(subject string)) {
	batch.Queue(BarredSQL, pool, schema.Names(subjects)).Query(func(rows pgx.Rows) error {
		var subject string
		_, err := pgx.ForEachRow(rows, []any{&subject}, func() error { bar(subject); return nil })
		return err
	})
}

// Bans lists who may not take part in a show, newest first, at most 200.
func Bans(ctx context.Context, q schema.Querier, s show.Show) ([]Ban, error) {
	rows, err := q.Query(ctx, `select id, subject, name, show, reason, created_at from ban where creator = $1 and (show = $2 or show is null)
		order by created_at desc, id desc limit $3`, s.Creator, s.ID, listed)
	if err != nil {
		return nil, fmt.Errorf("bans of %s: %w", s.ID, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b Ban, err error) {
		err = row.Scan(&b.ID, &b.Subject, &b.Name, &b.Show, &b.Reason, &b.Created)
		b.Created = b.Created.UTC()
		if b.Name == "" {
			b.Name = GuestName(b.Subject)
		}
		return b, err
	})
	if err != nil {
		return nil, fmt.Errorf("bans of %s: %w", s.ID, err)
	}
	return list, nil
}
