package ws

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"github.com/rialto-live/rialto/realtime"
)

// viewer reads one page's socket.
type viewer struct {
	handler *Handler
	conn    *websocket.Conn
	remote  *realtime.Conn
	header  http.Header // dropped after the join
	addr    netip.Addr
	caller  realtime.Caller // set by the join
}

// message is anything a page sends.
type message struct {
	Type   string          `json:"t"`
	Room   realtime.RoomID `json:"room"`
	Epoch  string          `json:"epoch"`
	Offset int64           `json:"o"`
	Token  string          `json:"token"`
	Clock  int64           `json:"c"`
	ID     string          `json:"id"`
	Call   string          `json:"call"`
	Data   json.RawMessage `json:"d"`
}

// read is the reader goroutine: the join, then the page's questions, until the
// socket ends. It also waits for the answer to a close of ours.
func (v *viewer) read() {
	defer v.remote.Detach()
	// Control frames come between the messages, and in any number.
	control := rate.NewLimiter(MessagesPerSec, MessageBurst)
	sign := func() error {
		if !control.AllowN(v.handler.cfg.Now(), 1) {
			return errTooMany
		}
		v.remote.Saw()
		return nil
	}
	v.conn.SetReadLimit(MaxMessage)
	v.conn.SetPingHandler(func(data string) error {
		err := sign()
		if err == nil {
			v.remote.Send(realtime.PongFrame([]byte(data)))
		}
		return err
	})
	v.conn.SetPongHandler(func(string) error { return sign() })
	v.conn.SetCloseHandler(func(int, string) error { return nil })
	_ = v.conn.SetReadDeadline(time.Now().Add(v.handler.cfg.JoinTimeout))

	budget := rate.NewLimiter(MessagesPerSec, MessageBurst)
	for joined := false; ; joined = true {
		text, err := v.next()
		if err == nil && !budget.AllowN(v.handler.cfg.Now(), 1) {
			err = errTooMany
		}
		if err == nil && !joined {
			err = v.join(text)
		} else if err == nil {
			err = v.answer(text)
		}
		if err != nil {
			v.end(err, joined)
			return
		}
	}
}

// next reads a message, which must be text.
func (v *viewer) next() (message, error) {
	kind, data, err := v.conn.ReadMessage()
	if err != nil {
		return message{}, lineError{err}
	}
	v.remote.Saw()
	var m message
	if kind != websocket.TextMessage || json.Unmarshal(data, &m) != nil {
		return message{}, badMessage("messages are JSON objects in text frames")
	}
	return m, nil
}

func (v *viewer) join(m message) error {
	if m.Type != "join" {
		return badMessage("the first message must be a join")
	}
	if m.Room.Validate() != nil {
		return ErrUnknownRoom
	}
	if len(m.Token) > maxToken {
		return badMessage("the token is too long")
	}
	hello := Hello{Room: m.Room, Token: m.Token, Header: v.header, RemoteAddr: v.addr}
	v.header = nil
	ctx, cancel := context.WithTimeout(context.Background(), v.handler.cfg.JoinTimeout)
	defer cancel()
	return v.remote.Join(ctx, realtime.Join{Room: m.Room, Have: realtime.Position{Epoch: m.Epoch, Offset: m.Offset}},
		func(ctx context.Context) (who Identity, err error) {
			who, err = v.handler.cfg.Authenticate(ctx, hello)
			v.caller = realtime.Caller{Room: m.Room, Identity: who}
			return who, err
		})
}

func (v *viewer) answer(m message) error {
	switch m.Type {
	case "ping":
		v.remote.Pong(m.Clock, v.handler.cfg.Now())
		return nil
	case "call":
		return v.call(m)
	case "join":
		return badMessage("this socket has joined; open another for another show")
	}
	return badMessage("unknown message type")
}

// call has something done for the page and answers it. The page's next message
// is read afterwards, so that one page has one call under way, and not for
// longer than CallTimeout.
func (v *viewer) call(m message) error {
	if m.ID != "" && !isCallID(m.ID) {
		return badMessage("the id of a call has at most 40 letters, digits, '_' or '-'")
	}
	if !v.remote.Open() {
		return nil // a page that is being closed does nothing more here
	}
	from := v.caller
	from.Call = m.ID
	ctx, cancel := context.WithTimeout(context.Background(), v.handler.cfg.CallTimeout)
	defer cancel()
	result, err := v.handler.cfg.Call(ctx, from, m.Call, m.Data)
	if m.ID == "" {
		return nil
	}
	data := json.RawMessage("{}")
	if err == nil && result != nil {
		data, err = json.Marshal(result)
	}
	if err != nil {
		v.remote.Refuse(m.ID, v.refusal(err))
		return nil
	}
	v.remote.Reply(m.ID, data)
	return nil
}

// refusal is what the page is told of err.
func (v *viewer) refusal(err error) *CallError {
	var refused *CallError
	if errors.As(err, &refused) {
		return refused
	}
	v.handler.trouble.Do(func() { v.handler.cfg.Log.Error("realtime: a call could not be answered", "error", err) })
	return &CallError{Code: realtime.CallUnavailable, Detail: "This cannot be done just now. Try again."}
}

func isCallID(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return s != "" && len(s) <= realtime.MaxCallID
}

var errTooMany = &realtime.CloseError{Code: realtime.CodeTooMany, Reason: "too many messages"}

func badMessage(why string) error {
	return &realtime.CloseError{Code: realtime.CodeBadMessage, Reason: why}
}

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
	var refused *realtime.CloseError
	if !errors.As(err, &refused) {
		// Logged here: the page learns only that it should come again.
		v.handler.trouble.Do(func() { v.handler.cfg.Log.Error("realtime: a viewer could not be let in", "error", err) })
		refused = &realtime.CloseError{Code: realtime.CodeUnavailable, Reason: "the show cannot be read just now"}
	}
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
		told = v.remote.Close(realtime.CodeTooLarge, "the message is too large")
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
