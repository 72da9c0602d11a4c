package api

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// knownFor is how long it is remembered for taps whose session a cookie is of, so that a crowd that is signed in and taps
	// again and again does not ask Postgres each time. Who signed out, or was signed out, is so for taps after that at the
	// latest: within the second in which it reaches whatever else is open. Everything but a tap asks.
	knownFor = 500 * time.Millisecond
	// maxKnown bounds how many are remembered; past it all are asked for again.
	maxKnown = 1 << 14
)

// knownSessions remembers who taps.
type knownSessions struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]knownSession // by the hash of the cookie; guarded by mu
}

type knownSession struct {
	who   Identity
	until time.Time
}

func (k *knownSessions) find(key [sha256.Size]byte, now time.Time) (Identity, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.known[key]
	return s.who, ok && now.Before(s.until)
}

func (k *knownSessions) keep(key [sha256.Size]byte, who Identity, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= maxKnown {
		k.known = map[[sha256.Size]byte]knownSession{}
	}
	k.known[key] = knownSession{who, now.Add(knownFor)}
}

// tapper is person for taps.
func (a *API) tapper(ctx context.Context) (Identity, error) {
	secret, ok := cookie(requestOf(ctx).r.Header, SessionCookie)
	if !ok {
		return a.person(ctx)
	}
	key, now := sha256.Sum256([]byte(secret)), a.config.Now()
	if who, ok := a.sessions.find(key, now); ok {
		return who, nil
	}
	who, err := a.person(ctx)
	if err == nil && who.Account != nil {
		// From before it was asked: it may have ended since.
		a.sessions.keep(key, who, now)
	}
	return who, err
}
