package mail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// MailboxSize is how many messages a Mailbox keeps; the oldest go.
	MailboxSize = 500
	// MailboxPage is how many it lists.
	MailboxPage = 50
)

// ErrNotThere: the mailbox has no such message, or not any more.
var ErrNotThere = errors.New("there is no such mail")

// Mailbox is a Mailer that keeps what it is given in Postgres, for whoever tries the program out: everybody who can
// open its page reads everybody's mail.
type Mailbox struct{ pool *pgxpool.Pool }

// NewMailbox keeps messages in the table mail_box.
func NewMailbox(pool *pgxpool.Pool) *Mailbox { return &Mailbox{pool: pool} }

// Kept is a message in a Mailbox.
type Kept struct {
	ID      commerce.MailID
	To      string
	Subject string
	Sent    time.Time
	Text    string // not in lists
	HTML    string // not in lists
}

// Send keeps m. Sent twice it is one message.
func (b *Mailbox) Send(ctx context.Context, m Message) error {
	if err := m.Check(); err != nil {
		return err
	}
	err := schema.InTx(ctx, b.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		_, err := tx.Exec(ctx, `insert into mail_box (id, message, recipient, subject, body_text, body_html) values ($1, $2, $3, $4, $5, $6)
			on conflict (message) do nothing`, commerce.NewID[commerce.MailID](), m.ID, m.To, m.Subject, m.Text, m.HTML)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `delete from mail_box where id in (select id from mail_box order by sent_at desc, id desc offset $1)`, MailboxSize)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep mail: %w", err)
	}
	return nil
}

// List lists the newest messages, at most MailboxPage.
func (b *Mailbox) List(ctx context.Context) ([]Kept, error) {
	rows, err := b.pool.Query(ctx, `select id, recipient, subject, sent_at, '', '' from mail_box order by sent_at desc, id desc limit $1`, MailboxPage)
	if err != nil {
		return nil, fmt.Errorf("list mailbox: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Kept])
	if err != nil {
		return nil, fmt.Errorf("list mailbox: %w", err)
	}
	return list, nil
}

// Read reads one message: ErrNotThere when it is gone.
func (b *Mailbox) Read(ctx context.Context, id commerce.MailID) (Kept, error) {
	rows, err := b.pool.Query(ctx, `select id, recipient, subject, sent_at, body_text, body_html from mail_box where id = $1`, id)
	if err != nil {
		return Kept{}, fmt.Errorf("read mailbox: %w", err)
	}
	kept, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Kept])
	if errors.Is(err, pgx.ErrNoRows) {
		return Kept{}, ErrNotThere
	}
	if err != nil {
		return Kept{}, fmt.Errorf("read mailbox: %w", err)
	}
	return kept, nil
}
