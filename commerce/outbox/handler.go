package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Message is what a Handler is given.
type Message struct {
	ID      string // the same at each try: "<show>:<seq>" of an event, the effect's id, a UUID of a control
	Kind    string // KindEvent, KindControl, or the effect's kind
	Attempt int    // 1 at the first try
	Created time.Time

	// Events alone:
	Show   string // "shw_…"
	Seq    int64  // the event's number in its show, which is its version
	Type   string
	Key    string
	Class  Class
	Urgent bool

	// Data is an event's data, an effect's payload, or a ControlMessage, as JSON.
	Data json.RawMessage
}

// Handler delivers one message. It is called at least once per message, so it is idempotent by Message.ID.
// Events of one show come one after another, in order. nil means delivered; see Unavailable and Permanent
// for what errors mean. ctx ends after the lane's time limit.
type Handler func(ctx context.Context, m Message) error

var (
	errUnavailable = errors.New("receiver unavailable")
	errPermanent   = errors.New("permanent failure")
)

type marked struct {
	error
	mark error
}

func (m marked) Unwrap() []error { return []error{m.error, m.mark} }
func (m marked) Error() string   { return m.error.Error() }

// Unavailable marks err as "the receiver is away": the message is tried again for ever and never parked.
func Unavailable(err error) error {
	if err == nil {
		return nil
	}
	return marked{error: err, mark: errUnavailable}
}

// Permanent marks err as "no further try can help": the message is parked at once.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return marked{error: err, mark: errPermanent}
}
