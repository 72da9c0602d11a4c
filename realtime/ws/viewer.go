package ws

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// viewer reads one page's socket.
type viewer struct {
	page
	line     net.Conn // what gorilla made a WebSocket of
	deflated bool     // it may send compressed messages

	// owned by whoever reads
	budget  bucket // messages
	control bucket // control frames, which come between the messages and in any number
	bytes   bucket
}

// read is the goroutine that reads until the page has joined. place is the page's
// among those who come in.
func (v *viewer) read(place *place) {
	in := inboxFor(v)
	_ = v.line.SetReadDeadline(time.Now().Add(v.handler.cfg.JoinTimeout))
	m, ok, err := v.next(in)
	for !ok && err == nil {
		m, ok, err = v.next(in)
	}
	if err == nil {
		place.spoke()
		err = v.join(m)
	}
	if err != nil {
		v.end(in, err, false)
		return
	}
	if in.empty() && v.remote.Rest(v.wake) {
		in.free()
		return
	}
	// Joining has made this goroutine's stack large; waiting needs little, and
	// that for hours.
	if listen := func() { v.listen(in) }; !v.handler.cfg.Hub.Go(listen) {
		listen()
	}
}

// wake goes on with a page that has rested.
func (v *viewer) wake() { v.listen(inboxFor(v)) }

// listen reads what a page says that has joined, its questions and its calls,
// until it says nothing or its socket ends. It also waits for the answer to a
// close of ours.
func (v *viewer) listen(in *inbox) {
	for {
		m, ok, err := v.next(in)
		if ok && err == nil {
			err = v.answer(m)
		}
		if err != nil {
			v.end(in, err, true)
			return
		}
		if in.empty() && v.remote.Rest(v.wake) {
			in.free()
			return
		}
	}
}

// sign counts a control frame, and takes it for a sign of life if it is alive.
func (v *viewer) sign(alive bool) error {
	if !v.control.take(v.handler.cfg.Now(), 1, MessagesPerSec, MessageBurst) {
		return errTooMany
	}
	if alive {
		v.remote.Saw()
	}
	return nil
}

// pinged answers a ping.
func (v *viewer) pinged(data []byte, alive bool) error {
	err := v.sign(alive)
	if err == nil {
		v.remote.Send(realtime.PongFrame(data))
	}
	return err
}

// next reads a message, which must be text, or a control frame: then ok is
// false. A message may have come compressed: it is bounded as it is and as it
// came.
func (v *viewer) next(in *inbox) (m message, ok bool, err error) {
	kind, data, err := in.read()
	if err != nil || kind == 0 {
		return m, false, err
	}
	v.remote.Saw()
	if len(data) > MaxMessage {
		return m, false, errTooLarge
	}
	m, ok = parse(data)
	if kind != opText || !ok {
		return m, false, badMessage("messages are JSON objects in text frames")
	}
	if !v.budget.take(v.handler.cfg.Now(), 1, MessagesPerSec, MessageBurst) && !v.handler.cfg.Crowded {
		return m, false, errTooMany
	}
	return m, true, nil
}

var errTooLarge = &realtime.CloseError{Code: realtime.CodeTooLarge, Reason: "the message is too large"}

// lineError is an error of the socket, as against one of the page.
type lineError struct{ error }

func (e lineError) Unwrap() error { return e.error }

// end closes the socket for err and waits a moment for the page's answer, so
// that the close code is not lost in a reset.
func (v *viewer) end(in *inbox, err error, joined bool) {
	defer v.remote.Detach()
	defer in.free()
	var line lineError
	if errors.As(err, &line) {
		v.endLine(line, joined)
		return
	}
	refused := v.verdict(err)
	v.remote.Close(refused.Code, refused.Reason)
	for err = nil; err == nil; { // the close set a deadline
		_, _, err = in.read()
	}
}

// endLine ends a socket on which no more frames are read.
func (v *viewer) endLine(err lineError, joined bool) {
	var network net.Error
	told := false
	switch {
	case errors.Is(err, errLeft):
		v.remote.Close(realtime.CodeNormal, "") // the page's own wish: answer and go
	case errors.Is(err, errTooMany), errors.Is(err, errFlood):
		told = v.remote.Close(errTooMany.Code, errTooMany.Reason)
	case errors.Is(err, errTooLong):
		told = v.remote.Close(errTooLarge.Code, errTooLarge.Reason)
	case errors.As(err, &network) && network.Timeout() && !joined:
		told = v.remote.Close(realtime.CodeJoinTimeout, "no join came in time")
	case errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
	default:
		told = v.remote.Close(realtime.CodeProtocol, "broken frame")
	}
	if told {
		_, _ = io.Copy(io.Discard, v.line) // until the deadline of the close
	}
}
