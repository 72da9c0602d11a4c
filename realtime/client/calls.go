package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rialto-live/rialto/realtime"
)

var (
	// ErrNotJoined: there is no connection to say it over.
	ErrNotJoined = errors.New("viewer: not in the room")
	// ErrTooManyCalls: MaxCalls wait for their answers, or the server has not
	// heard many yet.
	ErrTooManyCalls = errors.New("viewer: too many calls wait for an answer")
)

// MaxCalls is how many calls of one viewer may wait for their answers.
const MaxCalls = 16

type callMessage struct {
	Type string `json:"t"`
	ID   string `json:"id,omitempty"`
	Call string `json:"call"`
	Data any    `json:"d"`
}

type reply struct {
	Data  json.RawMessage `json:"d"`
	Error *struct {
		Code, Detail string
		RetryAfter   int64           `json:"retry_after_ms"`
		Data         json.RawMessage `json:"d"`
	} `json:"error"`
}

type waitingCall struct {
	message callMessage
	answer  chan reply
}

// Call asks the server to do something and returns its answer; a refusal is a
// *realtime.CallError. It survives a lost connection: the same call, with the
// same id, is made again on the next one, until ctx ends.
func (c *Client) Call(ctx context.Context, name string, data any) (json.RawMessage, error) {
	call := waitingCall{callMessage{"call", uuid.NewString(), name, data}, make(chan reply, 1)}
	c.calls.Lock()
	if len(c.waiting) == MaxCalls {
		c.calls.Unlock()
		return nil, ErrTooManyCalls
	}
	if err := c.write(call.message); errors.Is(err, ErrTooManyCalls) {
		c.calls.Unlock()
		return nil, err
	} // without a connection the next one says it
	c.waiting[call.message.ID] = call
	c.calls.Unlock()
	defer func() {
		c.calls.Lock()
		delete(c.waiting, call.message.ID)
		c.calls.Unlock()
	}()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("call %s: %w", name, context.Cause(ctx))
	case r := <-call.answer:
		if r.Error != nil {
			after := time.Duration(r.Error.RetryAfter) * time.Millisecond
			return nil, &realtime.CallError{Code: r.Error.Code, Detail: r.Error.Detail, RetryAfter: after, Data: r.Error.Data}
		}
		return r.Data, nil
	}
}

// Send is a call that wants no answer. It is lost with the connection.
func (c *Client) Send(name string, data any) error {
	c.calls.Lock()
	defer c.calls.Unlock()
	return c.write(callMessage{"call", "", name, data})
}

// write needs calls.
func (c *Client) write(message said) error {
	if c.line == nil {
		return ErrNotJoined
	}
	return c.line.write(message)
}

// connect lets calls use a line that has joined, and makes again those that
// were not answered on the last one. It returns false if they use it already.
func (c *Client) connect(l line) bool {
	c.calls.Lock()
	defer c.calls.Unlock()
	if c.line == l {
		return false // a snapshot in the middle
	}
	c.line = l
	for _, call := range c.waiting {
		_ = c.write(call.message)
	}
	return true
}

func (c *Client) disconnect() {
	c.calls.Lock()
	defer c.calls.Unlock()
	c.line = nil
}

func (c *Client) answered(id string, data []byte) error {
	var r reply
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("an answer that is none: %w", err)
	}
	c.calls.Lock()
	defer c.calls.Unlock()
	if call, known := c.waiting[id]; known {
		select {
		case call.answer <- r:
		default: // answered twice, since it was asked twice
		}
	}
	return nil
}
