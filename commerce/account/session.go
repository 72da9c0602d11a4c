package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// Session finds the account of a browser's secret: ErrNoSession when it is unknown, ended or expired. A
// session in use lives on, up to SessionMax.
func (s *Service) Session(ctx context.Context, secret string) (Session, error) {
	if len(secret) != base64.RawURLEncoding.EncodedLen(secretBytes) {
		return Session{}, ErrNoSession
	}
	hash := sha256.Sum256([]byte(secret))
	var session Session
	var stale bool
	row := s.pool.QueryRow(ctx, `
		select s.id, s.expires_at, s.used_at < now() - $2::interval, a.id, a.email, a.name, a.roles, a.created_at
		from session s join account a on a.id = s.account
		where s.token_hash = $1 and s.expires_at > now()`, hash[:], useStep)
	a := &session.Account
	err := row.Scan(&session.ID, &session.Expires, &stale, &a.ID, &a.Email, &a.Name, &a.Roles, &a.Created)
	if errors.Is(err, pgx.ErrNoRows) {
		return Session{}, ErrNoSession
	}
	if err != nil {
		return Session{}, fmt.Errorf("find session: %w", err)
	}
	if stale {
		err := s.pool.QueryRow(ctx, `
			update session set used_at = now(), expires_at = least(now() + $2::interval, created_at + $3::interval)
			where id = $1 and expires_at > now() returning expires_at`, session.ID, SessionLife, SessionMax).Scan(&session.Expires)
		if errors.Is(err, pgx.ErrNoRows) { // signed out in between
			return Session{}, ErrNoSession
		}
		if err != nil {
			return Session{}, fmt.Errorf("keep session: %w", err)
		}
	}
	return session, nil
}

// SignOut ends one session. Ending it again is nothing.
func (s *Service) SignOut(ctx context.Context, id commerce.SessionID) error {
	return s.ending(ctx, "sign out", `id = $1`, id)
}

// SignOutAll ends all sessions of an account.
func (s *Service) SignOutAll(ctx context.Context, id commerce.AccountID) error {
	return s.ending(ctx, "sign out everywhere", `account = $1`, id)
}

// DropExpired deletes sessions that are over, for housekeeping. Their connections end too: a socket opened
// by a session does not outlive it for ever.
func (s *Service) DropExpired(ctx context.Context) error {
	return s.ending(ctx, "drop expired sessions", `expires_at <= now()`)
}

func (s *Service) ending(ctx context.Context, what, where string, args ...any) error {
	err := schema.InTx(ctx, s.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		return end(ctx, tx, where, args...)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	s.wrote()
	return nil
}

// ChangePassword sets a new password and ends every session but keep. A wrong old one is ErrCredentials.
func (s *Service) ChangePassword(ctx context.Context, id commerce.AccountID, keep commerce.SessionID, before, after string) error {
	if err := checkPassword(after); err != nil {
		return err
	}
	var hash string
	err := s.pool.QueryRow(ctx, `select password_hash from account where id = $1`, id).Scan(&hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNoAccount
	}
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	same, err := s.hasher.Compare(ctx, cut(before), hash)
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	if !same {
		return ErrCredentials
	}
	next, err := s.hasher.Hash(ctx, after)
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	err = schema.InTx(ctx, s.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		// Conditional on the password that was checked: of two changes at once, one wins and says so.
		tag, err := tx.Exec(ctx, `update account set password_hash = $3 where id = $1 and password_hash = $2`, id, hash, next)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrCredentials
		}
		if err := s.tellChanged(ctx, tx, id); err != nil {
			return err
		}
		return end(ctx, tx, `account = $1 and id <> $2`, id, keep)
	})
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	s.wrote()
	return nil
}

// Rename changes what others see.
func (s *Service) Rename(ctx context.Context, id commerce.AccountID, name string) (Account, error) {
	name, err := NormalName(name)
	if err != nil {
		return Account{}, err
	}
	if _, err := s.pool.Exec(ctx, `update account set name = $2 where id = $1`, id, name); err != nil {
		return Account{}, fmt.Errorf("rename: %w", err)
	}
	return Get(ctx, s.pool, id)
}

// Get reads one account.
func Get(ctx context.Context, q schema.Querier, id commerce.AccountID) (Account, error) {
	a := Account{ID: id}
	err := q.QueryRow(ctx, `select email, name, roles, created_at from account where id = $1`, id).
		Scan(&a.Email, &a.Name, &a.Roles, &a.Created)
	if errors.Is(err, pgx.ErrNoRows) {
		return Account{}, ErrNoAccount
	}
	if err != nil {
		return Account{}, fmt.Errorf("read %s: %w", id, err)
	}
	return a, nil
}

// ByEmail reads the account of an address.
func ByEmail(ctx context.Context, q schema.Querier, email string) (Account, error) {
	email, err := NormalEmail(email)
	if err != nil {
		return Account{}, err
	}
	var id commerce.AccountID
	err = q.QueryRow(ctx, `select id from account where email = $1`, email).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Account{}, ErrNoAccount
	}
	if err != nil {
		return Account{}, fmt.Errorf("read account by e-mail: %w", err)
	}
	return Get(ctx, q, id)
}

// SessionOpen says ErrNoSession when a session has ended or expired: for a token that was made in its name and
// must not outlive it.
func SessionOpen(ctx context.Context, q schema.Querier, id commerce.SessionID) error {
	var open bool
	err := q.QueryRow(ctx, `select exists (select from session where id = $1 and expires_at > now())`, id).Scan(&open)
	if err != nil {
		return fmt.Errorf("check session: %w", err)
	}
	if !open {
		return ErrNoSession
	}
	return nil
}
