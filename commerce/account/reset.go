package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/mail"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// EffectReset mails a link to set a new password; EffectChanged mails that the password was changed.
	EffectReset   = "mail.reset"
	EffectChanged = "mail.password"

	// ResetLife is how long the link of a mail works, and how long after it was asked for it is still sent.
	ResetLife = time.Hour
)

// letterTo is the payload of both effects. The nonce makes each asking an effect of its own.
type letterTo struct {
	Account commerce.AccountID `json:"account"`
	Nonce   string             `json:"nonce"`
}

func newLetterTo(id commerce.AccountID) letterTo { return letterTo{Account: id, Nonce: rand.Text()} }

// Handlers is what the outbox's dispatcher needs of accounts.
func (s *Service) Handlers() map[string]outbox.Handler {
	if !s.Mails() {
		return nil
	}
	return map[string]outbox.Handler{EffectReset: s.mailReset, EffectChanged: s.mailChanged}
}

// AskReset has a link mailed to whoever has an account with this address. It never says whether somebody has. Errors:
// ErrEmail, mail.ErrOff. How often one may ask is the caller's business (guard.Limiter).
func (s *Service) AskReset(ctx context.Context, email string) error {
	if !s.Mails() {
		return mail.ErrOff
	}
	email, err := NormalEmail(email)
	if err != nil {
		return err
	}
	err = schema.InTx(ctx, s.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		var id commerce.AccountID
		err := tx.QueryRow(ctx, `select id from account where email = $1`, email).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			// Nobody's: the handler finds no account and sends nothing. The work up to here is the same.
			id, err = commerce.NewID[commerce.AccountID](), nil
		}
		if err != nil {
			return err
		}
		to := newLetterTo(id)
		return outbox.Effect(ctx, tx, EffectReset, "mail:reset:"+id.String()+":"+to.Nonce, to, time.Time{})
	})
	if err != nil {
		return fmt.Errorf("ask for a new password: %w", err)
	}
	s.wrote()
	return nil
}

// Redeem sets a new password by the token of a mailed link, ends all sessions and signs in. ErrReset: the token is not
// one, is used, too old, or the password was changed since.
func (s *Service) Redeem(ctx context.Context, token, password string) (Session, error) {
	if s.signer == nil {
		return Session{}, ErrReset
	}
	claims, err := s.signer.Verify(guard.Reset, token)
	if err != nil {
		return Session{}, ErrReset
	}
	id, err := commerce.Parse[commerce.AccountID](claims.Subject)
	if err != nil {
		return Session{}, ErrReset
	}
	var hash string
	err = s.pool.QueryRow(ctx, `select password_hash from account where id = $1`, id).Scan(&hash)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Session{}, fmt.Errorf("redeem a link: %w", err)
	}
	if err != nil || subtle.ConstantTimeCompare([]byte(resetRef(hash)), []byte(claims.Ref)) != 1 {
		return Session{}, ErrReset
	}
	if err := checkPassword(password); err != nil {
		return Session{}, err
	}
	next, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return Session{}, fmt.Errorf("redeem a link: %w", err)
	}
	var session Session
	err = schema.InTx(ctx, s.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		// Conditional on the password that the link replaces: of two uses at once, one wins.
		tag, err := tx.Exec(ctx, `update account set password_hash = $3 where id = $1 and password_hash = $2`, id, hash, next)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrReset
		}
		if err := s.tellChanged(ctx, tx, id); err != nil {
			return err
		}
		if session, err = open(ctx, tx, id); err != nil {
			return err
		}
		return end(ctx, tx, `account = $1 and id <> $2`, id, session.ID)
	})
	if err != nil {
		return Session{}, fmt.Errorf("redeem a link: %w", err)
	}
	s.wrote()
	return session, nil
}

// resetRef names a stored password. It is signed, never secret: it tells nothing of a salted hash.
func resetRef(hash string) string {
	sum := sha256.Sum256([]byte("rialto reset " + hash))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// tellChanged has it mailed to a person that their password is another one now.
func (s *Service) tellChanged(ctx context.Context, tx pgx.Tx, id commerce.AccountID) error {
	if !s.Mails() {
		return nil
	}
	to := newLetterTo(id)
	return outbox.Effect(ctx, tx, EffectChanged, "mail:password:"+id.String()+":"+to.Nonce, to, time.Time{})
}

// mailReset is an outbox handler. A link that comes hours after it was asked for would only puzzle, so a late one
// is left out; whoever still waits asks again.
func (s *Service) mailReset(ctx context.Context, m outbox.Message) error {
	var to letterTo
	if err := json.Unmarshal(m.Data, &to); err != nil {
		return outbox.Permanent(fmt.Errorf("effect %s: %w", m.ID, err))
	}
	var email, hash string
	var now time.Time
	err := s.pool.QueryRow(ctx, `select email, password_hash, now() from account where id = $1`, to.Account).Scan(&email, &hash, &now)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && now.Sub(m.Created) > ResetLife {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", to.Account, err)
	}
	token, err := s.signer.Sign(guard.Claims{
		Kind: guard.Reset, Subject: to.Account.String(), Ref: resetRef(hash), Expires: now.Add(ResetLife).Unix(),
	})
	if err != nil {
		return outbox.Permanent(err)
	}
	return s.mails.Send(ctx, m, email, mail.Letter{
		Subject: "Set a new password",
		Heading: "Set a new password",
		Words: []string{
			"Somebody, most likely you, asked for a new password for the account of " + email + ".",
			"The button works once, for one hour. Your old password holds until you have set a new one.",
		},
		// Behind the #, so that it stands in no server's log and no Referer.
		Button: mail.Button{Text: "Set a new password", URL: s.mails.URL("/reset#" + token)},
		Small:  []string{"If it was not you, do nothing: without this mail nobody can change your password."},
	})
}

// mailChanged is an outbox handler.
func (s *Service) mailChanged(ctx context.Context, m outbox.Message) error {
	var to letterTo
	if err := json.Unmarshal(m.Data, &to); err != nil {
		return outbox.Permanent(fmt.Errorf("effect %s: %w", m.ID, err))
	}
	a, err := Get(ctx, s.pool, to.Account)
	if errors.Is(err, ErrNoAccount) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.mails.Send(ctx, m, a.Email, mail.Letter{
		Subject: "Your password was changed",
		Heading: "Your password was changed",
		Words: []string{
			"The password of the account of " + a.Email + " was changed on " + m.Created.UTC().Format("2 January 2006 at 15:04 UTC") + ".",
			"All other devices have been signed out. If it was you, there is nothing to do.",
			"If it was not you, set a new password now: whoever knows the present one is signed out by that.",
		},
		Button: mail.Button{Text: "It was not me", URL: s.mails.URL("/forgot")},
	})
}
