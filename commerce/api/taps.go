package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/checkout"
)

// CallHold is the call of a room that does what PUT /holds/{hold} does.
const CallHold = "hold.put"

// ownCalls are the calls of rooms that commerce answers.
var ownCalls = []CallKind{{
	Name: CallHold, Params: HoldPut{}, Reply: holdBody{}, Codes: append([]string{"no_identity"}, holdCodes...),
	About: "Buy: take units of this show for a while, to pay for them; as putHold, with which it shares ids, limits and refusals. " +
		"The d of a refusal has the problem's status, and its members beside code and detail.",
}}

// HoldPut is a tap on Buy in a room: the show is the room's.
type HoldPut struct {
	Hold commerce.HoldID `json:"hold" doc:"Made by the client; repeating it repeats the answer, over HTTP as well"`
	Wish
}

// Tapper is who taps in a room, and from where.
type Tapper struct {
	Show    commerce.ShowID
	Subject string // "" for nobody known: a socket makes no guest of anybody
	Addr    netip.Addr
}

// PutHold answers a tap that came over a room's socket, as the operation putHold answers those that come over HTTP:
// with the body of a hold, or with why there is none.
func (a *API) PutHold(ctx context.Context, by Tapper, tap HoldPut) (body any, refused *Problem) {
	started := a.config.Now()
	req := newRequest(ctx, by.Addr, CallHold)
	status := http.StatusCreated
	defer func() {
		if cause := recover(); cause != nil {
			body, refused = nil, a.panicked(req, cause)
		}
		if refused != nil {
			status, req.code = refused.Status, refused.Code
		}
		a.metrics.observe(req, status, a.config.Now().Sub(started))
	}()
	h, err := a.tapped(req, by, tap)
	if err != nil {
		return nil, a.refusedTap(req, err)
	}
	status = madeStatus(h)
	return json.RawMessage(appendHold(nil, holdOf(h))), nil
}

func (a *API) tapped(ctx context.Context, by Tapper, tap HoldPut) (checkout.Held, error) {
	if by.Subject == "" {
		return checkout.Held{}, problem(http.StatusUnauthorized, "no_identity", "Nobody knows who you are. Open the show's page first, with cookies allowed.")
	}
	if a.config.Sale.Checkout == nil {
		return checkout.Held{}, checkout.ErrNotConfigured
	}
	if err := a.limit(ctx, holdRule); err != nil {
		return checkout.Held{}, err
	}
	wanted, err := tap.Wish.request(checkout.HoldRequest{ID: tap.Hold, Show: by.Show, Buyer: by.Subject})
	if err != nil {
		return checkout.Held{}, err
	}
	return a.hold(ctx, wanted)
}
