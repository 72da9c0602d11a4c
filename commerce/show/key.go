package show

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// KeyPrefix tells a stream key from a publish ticket.
	KeyPrefix   = "sk_"
	secretBytes = 32
	hintLength  = 4
)

// ErrKey: no show of this id has this key.
var ErrKey = errors.New("the stream key is not valid")

// Key is a show's stream key, for an encoder that cannot sign in.
type Key struct {
	ID         commerce.KeyID
	Generation int
	Hint       string // "sk_…abcd"
	Secret     string // set only when it was made just now
	Created    time.Time
}

// Publisher is on whose behalf a key publishes.
type Publisher struct {
	Creator    commerce.AccountID
	Generation int
}

// lower case without padding: people read keys to each other, and OBS trims "="
var keyEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func newSecret() (secret string, hash []byte, hint string) {
	raw := make([]byte, secretBytes)
	_, _ = rand.Read(raw) // never fails in crypto/rand
	secret = KeyPrefix + keyEncoding.EncodeToString(raw)
	sum := sha256.Sum256([]byte(secret))
	return secret, sum[:], KeyPrefix + "…" + secret[len(secret)-hintLength:]
}

// EnsureKey makes the key of a show that the caller has locked, or reads the one it has. Secret is set only in
// the first case: afterwards nobody can read it again, only rotate.
func EnsureKey(ctx context.Context, tx pgx.Tx, s Show) (Key, error) {
	if s.State == Ended {
		return Key{}, ErrEnded
	}
	k := Key{}
	err := tx.QueryRow(ctx, `select id, generation, hint, created_at from stream_key where show = $1`, s.ID).
		Scan(&k.ID, &k.Generation, &k.Hint, &k.Created)
	if errors.Is(err, pgx.ErrNoRows) {
		return writeKey(ctx, tx, s.ID)
	}
	if err != nil {
		return Key{}, fmt.Errorf("stream key of %s: %w", s.ID, err)
	}
	return k, nil
}

// RotateKey replaces the key of a show that the caller has locked. Publishes made with older ones end on every
// node; the studio's own, which use tickets, go on.
func RotateKey(ctx context.Context, tx pgx.Tx, s Show) (Key, error) {
	if s.State == Ended {
		return Key{}, ErrEnded
	}
	k, err := writeKey(ctx, tx, s.ID)
	if err != nil || k.Generation == 1 {
		return k, err
	}
	return k, outbox.Control(ctx, tx, outbox.ControlMessage{Op: outbox.OpRevoke, Show: s.ID.String(), KeyGenerationBelow: k.Generation})
}

func writeKey(ctx context.Context, tx pgx.Tx, id commerce.ShowID) (Key, error) {
	secret, hash, hint := newSecret()
	k := Key{ID: commerce.NewID[commerce.KeyID](), Secret: secret, Hint: hint}
	err := tx.QueryRow(ctx, `
		insert into stream_key as k (id, show, hash, hint, generation) values ($1, $2, $3, $4, 1)
		on conflict (show) do update set id = excluded.id, hash = excluded.hash, hint = excluded.hint,
			generation = k.generation + 1, created_at = now()
		returning generation, created_at`, k.ID, id, hash, hint).Scan(&k.Generation, &k.Created)
	if err != nil {
		return Key{}, fmt.Errorf("stream key of %s: %w", id, err)
	}
	return k, nil
}

// CheckKey finds who publishes with a secret: ErrUnknown (no such show), ErrEnded, or ErrKey.
func CheckKey(ctx context.Context, q schema.Querier, id commerce.ShowID, secret string) (Publisher, error) {
	s, err := Get(ctx, q, id)
	if err != nil {
		return Publisher{}, err
	}
	if s.State == Ended {
		return Publisher{}, ErrEnded
	}
	if !strings.HasPrefix(secret, KeyPrefix) || len(secret) != len(KeyPrefix)+keyEncoding.EncodedLen(secretBytes) {
		return Publisher{}, ErrKey
	}
	// The hash is looked up by equality: its bits say nothing about a secret of 256 random ones.
	hash := sha256.Sum256([]byte(secret))
	p := Publisher{Creator: s.Creator}
	err = q.QueryRow(ctx, `select generation from stream_key where show = $1 and hash = $2`, id, hash[:]).Scan(&p.Generation)
	if errors.Is(err, pgx.ErrNoRows) {
		return Publisher{}, ErrKey
	}
	if err != nil {
		return Publisher{}, fmt.Errorf("check a stream key of %s: %w", id, err)
	}
	return p, nil
}

// CheckPublisher judges a publish ticket's subject again at the door: the show is there, has not ended, and
// is theirs.
func CheckPublisher(ctx context.Context, q schema.Querier, id commerce.ShowID, subject string) error {
	s, err := Get(ctx, q, id)
	if err != nil {
		return err
	}
	if s.State == Ended {
		return ErrEnded
	}
	by, err := commerce.Parse[commerce.AccountID](subject)
	if err != nil {
		return ErrNotYours
	}
	return s.MayEdit(account.Account{ID: by})
}
