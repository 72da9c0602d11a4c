package media

import (
	"fmt"
	"time"
)

// StreamID names the live media of one show. Media gives it no meaning beyond equality.
type StreamID string

// Rights say what a Grant allows; they combine as bits.
type Rights uint8

const (
	RightPublish Rights = 1 << iota
	RightWatch
)

// Grant is what somebody was allowed to do when a session began. It is a value: a change of mind
// reaches the open session through Relay.Revoke, not through the Grant.
type Grant struct {
	// Subject is the person ("acc_…", "gst_…"), "" when anonymous. A publisher with the same subject may take over.
	Subject string
	// Session is the sign-in session, "" when there is none.
	Session string
	// KeyGeneration is the generation of the stream key used, 0 when no key was used.
	KeyGeneration int
	Rights        Rights
	// MaxBitrate in bit/s bounds what a publisher may send; 0 takes Config.MaxBitrate.
	MaxBitrate int
	// Expires ends the session at this time; zero means never.
	Expires time.Time
}

// Match selects sessions to end. Zero fields match everything, so the zero Match selects all.
type Match struct {
	Stream           StreamID
	Subject, Session string
	// KeyGenerationBelow > 0 selects publishes made with an older stream key. Publishes made
	// without a key (the studio's own) and viewers are never selected by it.
	KeyGenerationBelow int
}

func (m Match) selects(id StreamID, g Grant) bool {
	if m.Stream != "" && m.Stream != id {
		return false
	}
	if m.Subject != "" && m.Subject != g.Subject {
		return false
	}
	if m.Session != "" && m.Session != g.Session {
		return false
	}
	if m.KeyGenerationBelow > 0 && (g.KeyGeneration == 0 || g.KeyGeneration >= m.KeyGenerationBelow) {
		return false
	}
	return true
}

// allows refuses a grant without the right, or one that has run out.
func (g Grant) allows(want Rights, now time.Time) error {
	if g.Rights&want == 0 {
		return fmt.Errorf("grant of %q: %w", g.Subject, ErrForbidden)
	}
	if !g.Expires.IsZero() && !now.Before(g.Expires) {
		return fmt.Errorf("grant of %q: %w", g.Subject, ErrExpired)
	}
	return nil
}
