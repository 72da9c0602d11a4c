package ws

import (
	"context"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/rialto-live/rialto/realtime"
)

// page is a page in a room, or on its way there: what it says is understood
// here, whichever way its words come.
type page struct {
	handler *Handler
	remote  *realtime.Conn
	hello   *Hello // what its request said; dropped by the join
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

// parse takes JSON in UTF-8 alone: encoding/json mends other bytes in strings but
// hands them on in raw data, which is put into frames as it stands.
func parse(data []byte) (m message, ok bool) {
	ok = utf8.Valid(data) && json.Unmarshal(data, &m) == nil
	return m, ok
}

func (p *page) join(m message) error {
	if m.Type != "join" {
		return badMessage("the first message must be a join")
	}
	if m.Room.Validate() != nil {
		return ErrUnknownRoom
	}
	if len(m.Token) > maxToken {
		return badMessage("the token is too long")
	}
	hello := *p.hello
	hello.Room, hello.Token = m.Room, m.Token
	p.hello = nil
	ctx, cancel := context.WithTimeout(context.Background(), p.handler.cfg.JoinTimeout)
	defer cancel()
	return p.remote.Join(ctx, realtime.Join{Room: m.Room, Have: realtime.Position{Epoch: m.Epoch, Offset: m.Offset}},
		func(ctx context.Context) (Identity, error) { return p.handler.cfg.Authenticate(ctx, hello) })
}

func (p *page) answer(m message) error {
	switch m.Type {
	case "ping":
		p.remote.Pong(m.Clock, p.handler.cfg.Now())
		return nil
	case "call":
		return p.call(m)
	case "join":
		return badMessage("this socket has joined; open another for another show")
	}
	return badMessage("unknown message type")
}

// call has something done for the page and answers it. The page's next message
// is read afterwards, so that one page has one call under way, and not for
// longer than CallTimeout.
func (p *page) call(m message) error {
	if m.ID != "" && !isCallID(m.ID) {
		return badMessage("the id of a call has at most 40 letters, digits, '_' or '-'")
	}
	if !p.remote.Open() {
		return nil // a page that is being closed does nothing more here
	}
	from := p.remote.Caller()
	from.Call = m.ID
	ctx, cancel := context.WithTimeout(context.Background(), p.handler.cfg.CallTimeout)
	defer cancel()
	result, err := p.handler.cfg.Call(ctx, from, m.Call, m.Data)
	if m.ID == "" {
		return nil
	}
	data := json.RawMessage("{}")
	if ready, ok := result.(json.RawMessage); ok {
		data = ready
	} else if err == nil && result != nil {
		data, err = json.Marshal(result)
	}
	if err != nil {
		p.remote.Refuse(m.ID, p.refusal(err))
		return nil
	}
	p.remote.Reply(m.ID, data)
	return nil
}

// refusal is what the page is told of err.
func (p *page) refusal(err error) *CallError {
	var refused *CallError
	if errors.As(err, &refused) {
		return refused
	}
	p.handler.trouble.Do(func() { p.handler.cfg.Log.Error("realtime: a call could not be answered", "error", err) })
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

// verdict is what a page is closed with for err.
func (p *page) verdict(err error) *realtime.CloseError {
	var refused *realtime.CloseError
	if errors.As(err, &refused) {
		return refused
	}
	// Logged here: the page learns only that it should come again.
	p.handler.trouble.Do(func() { p.handler.cfg.Log.Error("realtime: a viewer could not be let in", "error", err) })
	return &realtime.CloseError{Code: realtime.CodeUnavailable, Reason: "the show cannot be read just now"}
}
