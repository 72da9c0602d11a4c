package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"

	"github.com/rialto-live/rialto/realtime"
)

var (
	// ErrNotJoined: there is no connection to say it over.
	ErrNotJoined = errors.New("viewer: not in the room")
	// ErrTooManyCalls: MaxCalls wait for their answers.
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
		RetryAfter   int64 `json:"retry_after_ms"`
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
	c.waiting[call.message.ID] = call
	_ = c.write(call.message) // without a connection the next one says it
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
			return nil, &realtime.CallError{Code: r.Error.Code, Detail: r.Error.Detail, RetryAfter: after}
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
func (c *Client) write(message any) error {
	if c.conn == nil {
		return ErrNotJoined
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := c.conn.WriteJSON(message); err != nil {
		return fmt.Errorf("%w: %w", ErrNotJoined, err) // the reader finds out
	}
	return nil
}

// connect lets calls use a connection that has joined, and makes again those
// that were not answered on the last one.
func (c *Client) connect(conn *websocket.Conn) {
	c.calls.Lock()
	defer c.calls.Unlock()
	if c.conn == conn {
		return // a snapshot in the middle
	}
	c.conn = conn
	for _, call := range c.waiting {
		_ = c.write(call.message)
	}
}

func (c *Client) disconnect() {
	c.calls.Lock()
	defer c.calls.Unlock()
	c.conn = nil
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
