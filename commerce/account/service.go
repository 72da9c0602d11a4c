package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/mail"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// SessionLife is how long a session lives without being used, and SessionMax how long in all.
	SessionLife = 30 * 24 * time.Hour
	SessionMax  = 180 * 24 * time.Hour
	// useStep is how old the note of the last use may grow, so that reading a page writes nothing.
	useStep = time.Hour

	secretBytes = 32
)

// Service is the workflows of accounts: hashing happens outside of transactions, so it opens its own.
type Service struct {
	pool   *pgxpool.Pool
	hasher *Hasher
	// wrote is called after a commit that put rows into the outbox.
	wrote func()
	// mails and signer are set by WithMail; without it nobody is written to.
	mails  *mail.Service
	signer *guard.Signer
}

// New takes the Dispatcher's Kick as wrote; nil when nobody listens (the admin command).
func New(pool *pgxpool.Pool, hasher *Hasher, wrote func()) *Service {
	if wrote == nil {
		wrote = func() {}
	}
	return &Service{pool: pool, hasher: hasher, wrote: wrote}
}

// WithMail lets the service write to people: links to set a new password, which signer signs, and that a password was
// changed.
func (s *Service) WithMail(mails *mail.Service, signer *guard.Signer) *Service {
	with := *s
	with.mails, with.signer = mails, signer
	return &with
}

// Mails says whether people are written to.
func (s *Service) Mails() bool { return s.signer != nil && s.mails.On() }

// Session is one signed-in browser.
type Session struct {
	ID      commerce.SessionID
	Account Account
	// Secret is what the browser keeps; set only by SignUp and SignIn.
	Secret  string
	Expires time.Time
}

// NewAccount is what a person fills in. The client makes the ID and repeats it on a retry.
type NewAccount struct {
	ID       commerce.AccountID
	Email    string
	Name     string
	Password string
	Roles    []Role // none: viewer
}

// SignUp makes an account and signs it in. The same ID again with the same address and password signs in
// again (the first answer was lost); with anything else it is ErrConflict.
func (s *Service) SignUp(ctx context.Context, in NewAccount) (Session, error) {
	roles, err := checkRoles(in.Roles)
	if err != nil {
		return Session{}, err
	}
	return s.signUp(ctx, in, roles)
}

// CreateOperator makes an account that runs the service. Only the program's admin command calls it.
func (s *Service) CreateOperator(ctx context.Context, email, name, password string) (Account, error) {
	in := NewAccount{ID: commerce.NewID[commerce.AccountID](), Email: email, Name: name, Password: password}
	session, err := s.signUp(ctx, in, []Role{Operator, Viewer})
	if err != nil {
		return Account{}, err
	}
	// The command has no browser to keep a session in.
	return session.Account, s.SignOut(ctx, session.ID)
}

func (s *Service) signUp(ctx context.Context, in NewAccount, roles []Role) (Session, error) {
	email, errEmail := NormalEmail(in.Email)
	name, errName := NormalName(in.Name)
	if err := errors.Join(errEmail, errName, checkPassword(in.Password)); err != nil {
		return Session{}, err
	}
	if in.ID.IsZero() {
		return Session{}, fmt.Errorf("sign up: %w", commerce.ErrID)
	}
	hash, err := s.hasher.Hash(ctx, in.Password)
	if err != nil {
		return Session{}, fmt.Errorf("sign up: %w", err)
	}
	var session Session
	var made bool
	err = schema.InTx(ctx, s.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		tag, err := tx.Exec(ctx, `insert into account (id, email, name, roles, password_hash) values ($1, $2, $3, $4, $5)
			on conflict do nothing`, in.ID, email, name, roles, hash)
		if err != nil {
			return err
		}
		if made = tag.RowsAffected() == 1; !made {
			return nil
		}
		session, err = open(ctx, tx, in.ID)
		return err
	})
	if err != nil {
		return Session{}, fmt.Errorf("sign up: %w", err)
	}
	if made {
		return session, nil
	}
	return s.signUpAgain(ctx, in, email)
}

func (s *Service) signUpAgain(ctx context.Context, in NewAccount, email string) (Session, error) {
	var taken string
	err := s.pool.QueryRow(ctx, `select email from account where id = $1`, in.ID).Scan(&taken)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Session{}, ErrEmailTaken
	case err != nil:
		return Session{}, fmt.Errorf("sign up: %w", err)
	case taken != email:
		return Session{}, ErrConflict
	}
	session, err := s.SignIn(ctx, email, in.Password)
	if errors.Is(err, ErrCredentials) {
		return Session{}, ErrConflict
	}
	return session, err
}

// SignIn makes a new session. Who it is that asks too often is the caller's business (guard.Limiter).
func (s *Service) SignIn(ctx context.Context, email, password string) (Session, error) {
	var id commerce.AccountID
	var hash string
	normal, err := NormalEmail(email)
	if err == nil && checkPassword(password) == nil {
		err = s.pool.QueryRow(ctx, `select id, password_hash from account where email = $1`, normal).Scan(&id, &hash)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return Session{}, fmt.Errorf("sign in: %w", err)
		}
	}
	// Also for addresses and passwords that cannot exist: the time taken says nothing.
	same, err := s.hasher.Compare(ctx, cut(password), hash)
	if err != nil {
		return Session{}, fmt.Errorf("sign in: %w", err)
	}
	if !same {
		return Session{}, ErrCredentials
	}
	var session Session
	err = schema.InTx(ctx, s.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		// The password may have been changed while this one was compared; then this sign-in comes too late.
		var now string
		err := tx.QueryRow(ctx, `select password_hash from account where id = $1 for share`, id).Scan(&now)
		if err != nil {
			return err
		}
		if now != hash {
			return ErrCredentials
		}
		session, err = open(ctx, tx, id)
		return err
	})
	if err != nil {
		return Session{}, fmt.Errorf("sign in: %w", err)
	}
	s.wrote()
	return session, nil
}

// open makes a session with a fresh secret, and ends the least used ones above MaxSessions.
func open(ctx context.Context, tx pgx.Tx, id commerce.AccountID) (Session, error) {
	// Read never fails in crypto/rand.
	raw := make([]byte, secretBytes)
	_, _ = rand.Read(raw)
	secret := base64.RawURLEncoding.EncodeToString(raw)
	hash := sha256.Sum256([]byte(secret))
	session := Session{ID: commerce.NewID[commerce.SessionID](), Secret: secret}
	err := tx.QueryRow(ctx, `
		insert into session (id, account, token_hash, expires_at) values ($1, $2, $3, now() + $4::interval)
		returning expires_at`, session.ID, id, hash[:], SessionLife).Scan(&session.Expires)
	if err != nil {
		return Session{}, err
	}
	if session.Account, err = Get(ctx, tx, id); err != nil {
		return Session{}, err
	}
	return session, end(ctx, tx, `id in (select id from session where account = $1 and id <> $2
		order by used_at desc, id desc offset $3)`, id, session.ID, MaxSessions-1)
}

// end deletes the sessions that match and orders every node to end their connections.
func end(ctx context.Context, tx pgx.Tx, where string, args ...any) error {
	rows, err := tx.Query(ctx, `delete from session where `+where+` returning id`, args...)
	if err != nil {
		return err
	}
	ended, err := pgx.CollectRows(rows, pgx.RowTo[commerce.SessionID])
	if err != nil {
		return err
	}
	controls := make([]outbox.ControlMessage, 0, len(ended))
	for _, id := range ended {
		controls = append(controls, outbox.ControlMessage{Op: outbox.OpRevoke, Session: id.String()})
	}
	for batch := range slices.Chunk(controls, outbox.MaxBatch) {
		if err := outbox.Control(ctx, tx, batch...); err != nil {
			return err
		}
	}
	return nil
}

func cut(password string) string { return password[:min(len(password), MaxPassword)] }
