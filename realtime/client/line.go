package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// line is one connection to a room, whichever way it comes. It begins with the
// join.
type line interface {
	// read returns the next message, which is the caller's. Run alone calls it.
	read() ([]byte, error)
	// write says something, and does not wait for longer than writeTimeout.
	// Client.calls guards it. ErrTooManyCalls says that nothing was said;
	// after any other error nothing more will be, which read finds out.
	write(said) error
	// end lets the line go; read and write fail from then on. It may be called
	// by anybody, again too, and does not wait.
	end()
	// wait returns when nothing of the line is left.
	wait()
}

// said is anything a viewer says in a room.
type said interface{ said() }

func (callMessage) said() {}
func (pingMessage) said() {}

// dial opens a line and asks to come in.
func (c *Client) dial(ctx context.Context) (line, error) {
	if strings.HasPrefix(c.cfg.URL, "http") {
		return c.openStream(ctx)
	}
	return c.openSocket(ctx)
}

// closedError is the end of a line as the server told it.
type closedError struct {
	code   realtime.Code
	reason string
}

func (e *closedError) Error() string {
	return fmt.Sprintf("the server ended the line: %s (%d): %s", e.code, int(e.code), e.reason)
}

// laterError is a server that takes nobody just now.
type laterError struct {
	status string
	after  time.Duration
}

func (e *laterError) Error() string {
	return fmt.Sprintf("not let in: %s, come after %v", e.status, e.after)
}

// refusal is what an answer other than the one that was asked for means.
func refusal(answer *http.Response) error {
	switch answer.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests: // of what stands between, in a rush
		return fmt.Errorf("not let in: %s", answer.Status)
	}
	if answer.StatusCode >= 400 && answer.StatusCode < 500 {
		return &realtime.CloseError{Code: realtime.CodeForbidden, Reason: answer.Status}
	}
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	if answer.StatusCode == http.StatusServiceUnavailable && err == nil && seconds >= 0 {
		return &laterError{answer.Status, time.Duration(min(seconds, int(maxTold/time.Second))) * time.Second}
	}
	return fmt.Errorf("not let in: %s", answer.Status)
}

// finalError is the reason not to come again, if err is one.
func finalError(err error) error {
	var refused *realtime.CloseError
	if errors.As(err, &refused) {
		return refused
	}
	var closed *closedError
	if errors.As(err, &closed) && !closed.code.Reconnect() {
		return &realtime.CloseError{Code: closed.code, Reason: closed.reason}
	}
	return nil
}
