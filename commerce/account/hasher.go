package account

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
)

// The cost of a password: 19 MiB, two passes, one lane (OWASP's first choice for argon2id).
var cost = argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

const (
	// MaxWaiting is how many hashes may wait for a place; the next is told ErrBusy at once.
	MaxWaiting = 64
	// hashPatience is how long one waits for a place.
	hashPatience = 5 * time.Second
)

// Hasher hashes and compares passwords, a few at a time. Make one per process.
type Hasher struct {
	// static after New
	slots   chan struct{}
	waiting chan struct{}

	decoyOnce sync.Once
	decoy     string
	decoyErr  error
}

// NewHasher runs at most one hash per processor.
func NewHasher() *Hasher { return newHasher(runtime.GOMAXPROCS(0), MaxWaiting) }

func newHasher(slots, waiting int) *Hasher {
	return &Hasher{slots: make(chan struct{}, slots), waiting: make(chan struct{}, slots+waiting)}
}

// Hash makes the text that is stored for a password.
func (h *Hasher) Hash(ctx context.Context, password string) (hash string, err error) {
	err = h.inSlot(ctx, func() error {
		hash, err = argon2id.CreateHash(password, &cost)
		return err
	})
	return hash, err
}

// Compare says whether a password belongs to a stored text. With an empty text (nobody has this e-mail
// address) it does the same work and says no.
func (h *Hasher) Compare(ctx context.Context, password, hash string) (same bool, err error) {
	err = h.inSlot(ctx, func() error {
		against := hash
		if hash == "" {
			if against, err = h.someHash(); err != nil {
				return err
			}
		}
		same, err = argon2id.ComparePasswordAndHash(password, against)
		return err
	})
	return same && hash != "", err
}

// someHash is made once with the current cost, so that comparing with it takes as long as with a real one.
func (h *Hasher) someHash() (string, error) {
	h.decoyOnce.Do(func() { h.decoy, h.decoyErr = argon2id.CreateHash("nobody's", &cost) })
	return h.decoy, h.decoyErr
}

func (h *Hasher) inSlot(ctx context.Context, work func() error) error {
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		return ErrBusy
	}
	ctx, cancel := context.WithTimeoutCause(ctx, hashPatience, ErrBusy)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := work(); err != nil && !errors.Is(err, ErrBusy) {
		return fmt.Errorf("password hash: %w", err)
	}
	return nil
}
