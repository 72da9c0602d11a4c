package bridge

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/realtime"
)

// call is what ws.Config.Call is.
type call = func(ctx context.Context, from realtime.Caller, name string, data json.RawMessage) (any, error)

// Taps hands taps on Buy to put, which is api.PutHold, and every other call to
// others. When a tap is answered too late for its page, it goes on: the same id
// of a hold finds what became of it, in a room or over HTTP.
func Taps(put func(context.Context, api.Tapper, api.HoldPut) (any, *api.Problem), others call) call {
	return func(ctx context.Context, from realtime.Caller, name string, data json.RawMessage) (any, error) {
		if name != api.CallHold {
			return others(ctx, from, name, data)
		}
		show, err := commerce.Parse[commerce.ShowID](string(from.Room))
		if err != nil {
			return nil, err // nobody joins such a room
		}
		tap, ok := api.ReadTap(data)
		if !ok && !read(data, &tap) {
			return nil, &realtime.CallError{Code: realtime.CallInvalid, Detail: `hold.put takes {"hold":"hld_…","variant":"var_…","quantity":1}, or lines with several of the last two.`}
		}
		body, refused := put(ctx, api.Tapper{Show: show, Subject: from.Subject, Addr: from.Addr}, tap)
		if refused != nil {
			return nil, inRoom(refused)
		}
		return body, nil
	}
}

// read reads a tap that is not written as pages do.
func read(data json.RawMessage, tap *api.HoldPut) bool {
	*tap = api.HoldPut{}
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	return in.Decode(tap) == nil && !tap.Hold.IsZero() && tap.Wish.Valid()
}

// inRoom says a problem in the words of a room. Its status tells pages that it
// is the shop's own answer, and whether asking again can help.
func inRoom(p *api.Problem) error {
	data, err := p.Members()
	if err != nil {
		return err
	}
	return &realtime.CallError{Code: p.Code, Detail: p.Detail, RetryAfter: p.RetryAfter, Data: data}
}
