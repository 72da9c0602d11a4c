package ws

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rialto-live/rialto/realtime"
)

// viewer reads one page's socket.
type viewer struct {
	page
	conn  *websocket.Conn
	place *place // among those who come in; nil from the join on

	// owned by the reader
	budget  bucket // messages
	control bucket // control frames, which come between the messages and in any number
}

// read is the reader goroutine: the join, then the page's questions, until the
// socket ends. It also waits for the answer to a close of ours.
func (v *viewer) read() {
	v.conn.SetReadLimit(MaxMessage)
	v.conn.SetPingHandler(func(data string) error {
		err := v.sign()
		if err == nil {
			v.remote.Send(realtime.PongFrame([]byte(data)))
		}
		return err
	})
	v.conn.SetPongHandler(func(string) error { return v.sign() })
	v.conn.SetCloseHandler(noAnswer)
	_ = v.conn.SetReadDeadline(time.Now().Add(v.handler.cfg.JoinTimeout))
	m, err := v.next()
	if err == nil {
		v.place.spoke()
		v.place = nil
		err = v.join(m)
	}
	if err != nil {
		v.end(err, false)
		v.remote.Detach()
		return
	}
	// Joining has made this goroutine's stack large; waiting needs little, and
	// that for hours.
	if !v.handler.cfg.Hub.Go(v.listen) {
		v.listen()
	}
}

// listen is the reader goroutine of a page that has joined.
func (v *viewer) listen() {
	for {
		m, err := v.next()
		if err == nil {
			err = v.answer(m)
		}
		if err != nil {
			v.end(err, true)
			v.remote.Detach()
			return
		}
	}
}

// sign takes a control frame for a sign of life.
func (v *viewer) sign() error {
	if !v.control.take(v.handler.cfg.Now(), 1, MessagesPerSec, MessageBurst) {
		return errTooMany
	}
	v.remote.Saw()
	return nil
}

// noAnswer keeps gorilla from answering a close: we do.
func noAnswer(int, string) error { return nil }

// next reads a message, which must be text. It may have come compressed: it is
// bounded as it is and as it came.
func (v *viewer) next() (message, error) {
	kind, r, err := v.conn.NextReader()
	if err != nil {
		return message{}, lineError{err}
	}
	data, err := io.ReadAll(io.LimitReader(r, MaxMessage+1))
	if err != nil {
		return message{}, lineError{err}
	}
	v.remote.Saw()
	if len(data) > MaxMessage {
		return message{}, errTooLarge
	}
	m, ok := parse(data)
	if kind != websocket.TextMessage || !ok {
		return message{}, badMessage("messages are JSON objects in text frames")
	}
	if !v.budget.take(v.handler.cfg.Now(), 1, MessagesPerSec, MessageBurst) {
		return message{}, errTooMany
	}
	return m, nil
}

var errTooLarge = &realtime.CloseError{Code: realtime.CodeTooLarge, Reason: "the message is too large"}

// lineError is an error of the socket, as against one of the page.
type lineError struct{ error }

func (e lineError) Unwrap() error { return e.error }

// end closes the socket for err and waits a moment for the page's answer, so
// that the close code is not lost in a reset.
func (v *viewer) end(err error, joined bool) {
	var line lineError
	if errors.As(err, &line) {
		v.endLine(line, joined)
		return
	}
	refused := v.verdict(err)
	v.remote.Close(refused.Code, refused.Reason)
	for err = nil; err == nil; { // the close set a deadline
		_, _, err = v.conn.NextReader() // which skips what is left of the one before
	}
}

// endLine ends a socket on which gorilla reads no more.
func (v *viewer) endLine(err lineError, joined bool) {
	var closed *websocket.CloseError
	var network net.Error
	told := false
	switch {
	case errors.As(err, &closed):
		v.remote.Close(realtime.CodeNormal, "") // the page's own wish: answer and go
	case errors.Is(err, errTooMany), errors.Is(err, errFlood):
		told = v.remote.Close(errTooMany.Code, errTooMany.Reason)
	case errors.Is(err, websocket.ErrReadLimit):
		told = v.remote.Close(errTooLarge.Code, errTooLarge.Reason)
	case errors.As(err, &network) && network.Timeout() && !joined:
		told = v.remote.Close(realtime.CodeJoinTimeout, "no join came in time")
	case errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF):
	default:
		told = v.remote.Close(realtime.CodeProtocol, "broken frame")
	}
	if told {
		_, _ = io.Copy(io.Discard, v.conn.NetConn()) // until the deadline of the close
	}
}
