package ws

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// page is a page in a room, or on its way there: what it says is understood
// here, whichever way its words come.
type page struct {
	handler *Handler
	remote  *realtime.Conn
	hello   *Hello // what its request said; dropped by the join
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
	result, err := p.handler.cfg.Call(p.handler.calls.within(p.handler.cfg.CallTimeout), from, m.Call, m.Data)
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

// callTime is what calls are done within: a context of its own for each would cost
// more than much of what they ask for.
type callTime struct {
	mu    sync.Mutex
	ctx   context.Context // guarded by mu
	began time.Time       // when it was made; guarded by mu
}

// callSlices is into how many parts the time of a call is cut: calls that begin in
// the same one end together, at most one part early.
const callSlices = 8

// within is a context that ends within limit, which is always the same.
func (t *callTime) within(limit time.Duration) context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); t.ctx == nil || now.Sub(t.began) >= limit/callSlices {
		ctx, end := context.WithTimeout(context.Background(), limit)
		time.AfterFunc(limit, end)
		t.ctx, t.began = ctx, now
	}
	return t.ctx
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
