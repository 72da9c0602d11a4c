package media

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Why a session was refused.
var (
	// ErrPublisherPresent: another subject publishes this stream.
	ErrPublisherPresent = errors.New("another publisher is present")
	// ErrNotLive: nobody has sent the first packet yet, or the grace time is over.
	ErrNotLive = errors.New("stream is not live")
	// ErrTooMany: a limit on publishers, viewers or layers is reached.
	ErrTooMany = errors.New("too many")
	// ErrForbidden: the Grant lacks the right.
	ErrForbidden = errors.New("not allowed by the grant")
	// ErrClosed: the Relay has stopped.
	ErrClosed = errors.New("relay is closed")
)

// Why a session ended. These arrive at the session's OnEnd.
var (
	ErrRevoked   = errors.New("revoked")
	ErrExpired   = errors.New("grant expired")
	ErrTakenOver = errors.New("taken over by the same publisher")
	ErrEnded     = errors.New("stream ended")
	ErrBitrate   = errors.New("publisher exceeds its bitrate")
)

// BusyError says that a newcomer is one too many right now: the node takes in as many viewers at a time as those that
// watch do not notice.
type BusyError struct {
	RetryAfter time.Duration // when to ask again; another for each, so that not all come at once
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("busy with others who join: ask again in %v", e.RetryAfter)
}

// SDPError says which line of an offer or a trickle fragment is wrong.
type SDPError struct {
	Line   int    // 1-based; 0 when the fault belongs to no single line
	Text   string // the line, shortened
	Reason string // plain words
}

func (e *SDPError) Error() string {
	if e.Line == 0 {
		return "sdp: " + e.Reason
	}
	return fmt.Sprintf("sdp line %d (%q): %s", e.Line, e.Text, e.Reason)
}

// CodecError says that two sides share no codec.
type CodecError struct {
	Offered  []string
	Accepted []string
}

func (e *CodecError) Error() string {
	return fmt.Sprintf("no common codec: offered %s, accepted %s",
		listOrNone(e.Offered), listOrNone(e.Accepted))
}

func listOrNone(s []string) string {
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, ", ")
}
