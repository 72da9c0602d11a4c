package api

import (
	"context"
	"net/http"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/stock"
)

// holdRule is for taps: a crowd behind one address (a dormitory, an office) taps at once when a drop opens.
var holdRule = guard.Rule{Name: "hold_address", Burst: 100, Every: 100 * time.Millisecond, Alone: 10}

// holdCodes are the refusals of a tap, whichever way it comes.
var holdCodes = []string{"sold_out", "limit_reached", "not_open", "closed", "price_changed", "hold_expired", "hold_conflict", "product_unknown",
	"banned", "quantity_invalid", "stock_unavailable", "payments_not_configured", "too_many_attempts"}

type holdBody struct {
	ID       commerce.HoldID    `json:"id"`
	Show     commerce.ShowID    `json:"show"`
	Variant  commerce.VariantID `json:"variant"`
	Product  commerce.ProductID `json:"product"`
	Title    string             `json:"title"`
	Quantity int                `json:"quantity"`
	State    stock.State        `json:"state" enum:"held,paying,sold,expired,released,void"`
	Unit     amountBody         `json:"unit"`
	Total    amountBody         `json:"total"`
	Expires  time.Time          `json:"expires_at"`
	LeftMS   int64              `json:"left_ms" doc:"Time to expires_at by the server's clock"`
	Stands   bool               `json:"stands,omitempty" doc:"Its clock stands at left_ms, because the creator is off the air; it goes on when they are back, with a later expires_at"`
	Lines    []holdLineBody     `json:"lines,omitempty" doc:"All that is held, when that is several things; what stands beside them is of the first, but for the total"`
}

// holdLineBody is one of the things of a hold that has several.
type holdLineBody struct {
	ID       commerce.HoldID    `json:"id" doc:"What the public ledger names these units by; nothing else does"`
	Variant  commerce.VariantID `json:"variant"`
	Product  commerce.ProductID `json:"product"`
	Title    string             `json:"title"`
	Quantity int                `json:"quantity"`
	Unit     amountBody         `json:"unit"`
}

func holdOf(h checkout.Held) holdBody {
	var lines []holdLineBody
	for _, l := range h.Lines {
		lines = append(lines, holdLineBody{ID: l.ID, Variant: l.Variant, Product: l.Product, Title: l.Title, Quantity: l.Quantity, Unit: amountOf(l.Unit)})
	}
	return holdBody{
		ID: h.ID, Show: h.Show, Variant: h.Variant, Product: h.Product, Title: h.Title, Quantity: h.Quantity, State: h.State,
		Unit: amountOf(h.Unit), Total: amountOf(h.Total), Expires: h.Expires, LeftMS: h.Left.Milliseconds(), Stands: h.Stands,
		Lines: lines,
	}
}

// HoldPath is embedded in the inputs of operations on one hold.
type HoldPath struct {
	Hold commerce.HoldID `path:"hold" doc:"Made by the client; repeating it repeats the answer"`
}

type holdOutput struct {
	Status int
	Body   holdBody
}

type mineOutput struct {
	Body struct {
		Version int64       `json:"version" doc:"Grows with each change of a hold or an order of mine; a room's me message names it"`
		Holds   []holdBody  `json:"holds" doc:"What I may pay or am paying, newest first"`
		Orders  []orderBody `json:"orders" doc:"The newest 20"`
	}
}

func (a *API) registerMine() {
	register(a, operation{
		ID: "getMyDocument", Method: http.MethodGet, Path: "/me/document", Tag: tagPeople,
		Summary: "What I have under way, at one moment: holds and orders. Nothing for somebody unknown",
	}, func(ctx context.Context, _ *struct{}) (*mineOutput, error) {
		who, err := a.who(ctx)
		if err != nil {
			return nil, err
		}
		m, err := a.config.Sale.Checkout.Mine(ctx, who.Subject)
		if err != nil {
			return nil, err
		}
		out := &mineOutput{}
		out.Body.Version, out.Body.Holds = m.Version, make([]holdBody, 0, len(m.Holds))
		for _, h := range m.Holds {
			out.Body.Holds = append(out.Body.Holds, holdOf(h))
		}
		out.Body.Orders, err = a.ordersOf(m.Orders, m.Payments)
		return out, err
	})
}

// hold has a tap judged, whichever way it came; its source is the address of the request.
func (a *API) hold(ctx context.Context, r checkout.HoldRequest) (checkout.Held, error) {
	r.Source = requestOf(ctx).from
	h, err := a.config.Sale.Checkout.Hold(ctx, r)
	if len(r.Lines) > 0 {
		err = a.ofLine(ctx, err)
	}
	return h, err
}

func (a *API) registerHolds() {
	register(a, operation{
		ID: "putHold", Makes: true, Method: http.MethodPut, Path: "/holds/{hold}", Tag: tagSale, Summary: "Buy: take units for a while, to pay for them",
		Body: maxTapBody, Rule: holdRule, Codes: holdCodes,
	}, func(ctx context.Context, in *struct {
		HoldPath
		Body struct {
			Show commerce.ShowID `json:"show"`
			Wish
		}
	}) (*holdOutput, error) {
		who, err := a.person(ctx)
		if err != nil {
			return nil, err
		}
		tap, err := in.Body.Wish.request(checkout.HoldRequest{ID: in.Hold, Show: in.Body.Show, Buyer: who.Subject})
		if err != nil {
			return nil, err
		}
		h, err := a.hold(ctx, tap)
		if err != nil {
			return nil, err
		}
		return &holdOutput{Status: madeStatus(h), Body: holdOf(h)}, nil
	})
	register(a, operation{
		ID: "getHold", Method: http.MethodGet, Path: "/holds/{hold}", Tag: tagSale, Summary: "One of my holds", Codes: []string{"hold_unknown"},
	}, func(ctx context.Context, in *HoldPath) (*holdOutput, error) {
		who, err := a.who(ctx)
		if err != nil {
			return nil, err
		}
		h, err := a.config.Sale.Checkout.Find(ctx, in.Hold, who.Subject)
		if err != nil {
			return nil, err
		}
		return &holdOutput{Status: http.StatusOK, Body: holdOf(h)}, nil
	})
	register(a, operation{
		ID: "releaseHold", Method: http.MethodDelete, Path: "/holds/{hold}", Tag: tagSale, Status: http.StatusNoContent,
		Summary: "Give a hold back; twice is once", Codes: []string{"hold_unknown", "hold_busy"},
	}, func(ctx context.Context, in *HoldPath) (*struct{}, error) {
		who, err := a.who(ctx)
		if err != nil {
			return nil, err
		}
		return nil, a.config.Sale.Checkout.Release(ctx, in.Hold, who.Subject)
	})
}
