package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/textproto"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// MaxKey is the longest Idempotency-Key, in characters.
	MaxKey = 128
	// MaxAnswer is the largest body of an answer that is kept for repetition, in bytes.
	MaxAnswer = 64 << 10
	// OnceLease is how long one try may work on a key. A node that was killed meanwhile blocks it no longer.
	OnceLease = 30 * time.Second
	// OnceLife is how long an answer is repeated; afterwards the same key is a new request.
	OnceLife = 24 * time.Hour

	claimTries = 3
	sweepBatch = 1000
)

var (
	// ErrKey: the key's text is not possible.
	ErrKey = errors.New("an idempotency key has 1 to 128 characters of printable ASCII")
	// ErrKeyReused: the key was sent before with another request.
	ErrKeyReused = errors.New("this idempotency key belongs to another request")
	// ErrInFlight: a request with this key is being worked on.
	ErrInFlight = errors.New("a request with this idempotency key is being worked on")
)

// Asked is one request that shall count once. Subject is who asks: a key of one person says nothing about
// another's. Fingerprint is a hash of all that makes the request what it is.
type Asked struct {
	Subject     string
	Key         string
	Operation   string
	Fingerprint [32]byte
}

// Answered is what a request was answered, successes only: what was refused has made nothing.
type Answered struct {
	Status int
	Header map[string]string
	Body   []byte
}

// Claim is the right to work on a request, until its lease is over.
type Claim struct {
	asked Asked
	id    uuid.UUID
}

// CheckKey says whether a text can be a key: 1 to MaxKey characters of printable ASCII.
func CheckKey(key string) error {
	if key == "" || len(key) > MaxKey {
		return ErrKey
	}
	for _, c := range []byte(key) {
		if c < ' ' || c > '~' {
			return ErrKey
		}
	}
	return nil
}

// ClaimOnce writes, before any work is done, that somebody works on a request. It answers with the claim; or
// with the answer that was given before; or with ErrKeyReused, or ErrInFlight. A claim whose holder died lapses
// after OnceLease: then the same request is claimed again, and its work is done again.
func ClaimOnce(ctx context.Context, q schema.Querier, a Asked) (Claim, *Answered, error) {
	if err := CheckKey(a.Key); err != nil {
		return Claim{}, nil, err
	}
	for range claimTries {
		c := Claim{asked: a, id: uuid.Must(uuid.NewV7())}
		// An answer older than OnceLife is as none, swept or not.
		tag, err := q.Exec(ctx, `
			insert into idempotency as o (subject, key, operation, fingerprint, claim, claimed_until) values ($1, $2, $3, $4, $5, now() + $6::interval)
			on conflict (subject, key) do update set operation = excluded.operation, fingerprint = excluded.fingerprint, claim = excluded.claim,
				claimed_until = excluded.claimed_until, status = null, header = null, body = null, created_at = now()
			where o.created_at <= now() - $7::interval and (o.status is not null or o.claimed_until <= now())
				or o.status is null and o.claimed_until <= now() and o.fingerprint = excluded.fingerprint`,
			a.Subject, a.Key, a.Operation, a.Fingerprint[:], c.id, OnceLease, OnceLife)
		if err != nil {
			return Claim{}, nil, fmt.Errorf("claim an idempotency key: %w", err)
		}
		if tag.RowsAffected() == 1 {
			return c, nil, nil
		}
		before, err := answered(ctx, q, a)
		if !errors.Is(err, pgx.ErrNoRows) {
			return Claim{}, before, err
		}
		// It was let go of between the two statements: try again.
	}
	return Claim{}, nil, ErrInFlight
}

// answered reads what was said under a key that is taken.
func answered(ctx context.Context, q schema.Querier, a Asked) (*Answered, error) {
	var (
		same, done bool
		out        Answered
		header     []byte
	)
	err := q.QueryRow(ctx, `select fingerprint = $3, status is not null, coalesce(status, 0), coalesce(header, '{}')::text, coalesce(body, '')
		from idempotency where subject = $1 and key = $2`, a.Subject, a.Key, a.Fingerprint[:]).Scan(&same, &done, &out.Status, &header, &out.Body)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("read an idempotency key: %w", err)
	case !same:
		return nil, ErrKeyReused
	case !done:
		return nil, ErrInFlight
	}
	if err := json.Unmarshal(header, &out.Header); err != nil {
		return nil, fmt.Errorf("read an idempotency key: %w", err)
	}
	return &out, nil
}

// Finish keeps the answer of a claimed request. Nothing is kept when the lease was over and another has taken
// the claim: their answer counts.
func (c Claim) Finish(ctx context.Context, q schema.Querier, a Answered) error {
	if len(a.Body) > MaxAnswer {
		return fmt.Errorf("keep an answer: %d bytes, at most %d", len(a.Body), MaxAnswer)
	}
	header := make(map[string]string, len(a.Header))
	for name, value := range a.Header {
		header[textproto.CanonicalMIMEHeaderKey(name)] = value
	}
	text, err := json.Marshal(header)
	if err != nil {
		return fmt.Errorf("keep an answer: %w", err)
	}
	body := a.Body
	if body == nil {
		body = []byte{}
	}
	_, err = q.Exec(ctx, `update idempotency set status = $4, header = convert_from($5, 'UTF8')::jsonb, body = $6 where subject = $1 and key = $2 and claim = $3`,
		c.asked.Subject, c.asked.Key, c.id, a.Status, text, body)
	if err != nil {
		return fmt.Errorf("keep an answer: %w", err)
	}
	return nil
}

// Free lets go of a claim whose request was refused: nothing was made, and the key may be used again.
func (c Claim) Free(ctx context.Context, q schema.Querier) error {
	_, err := q.Exec(ctx, `delete from idempotency where subject = $1 and key = $2 and claim = $3 and status is null`, c.asked.Subject, c.asked.Key, c.id)
	if err != nil {
		return fmt.Errorf("let go of an idempotency key: %w", err)
	}
	return nil
}

// SweepOnce deletes what is older than OnceLife, in small batches.
func SweepOnce(ctx context.Context, q schema.Querier) error {
	for {
		tag, err := q.Exec(ctx, `
			delete from idempotency o using (select subject, key from idempotency where created_at <= now() - $1::interval and
				(status is not null or claimed_until <= now()) limit $2 for update skip locked) old
			where o.subject = old.subject and o.key = old.key`, OnceLife, sweepBatch)
		if err != nil {
			return fmt.Errorf("sweep idempotency keys: %w", err)
		}
		if tag.RowsAffected() < sweepBatch {
			return nil
		}
	}
}
