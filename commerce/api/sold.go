package api

import (
	"context"
	"net/http"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

type soldShowBody struct {
	ID    commerce.ShowID `json:"id"`
	Title string          `json:"title"`
}

// soldOrderBody is an order as whoever sends its goods sees it: their own lines, and where they go.
type soldOrderBody struct {
	ID      commerce.OrderID `json:"id"`
	State   order.State      `json:"state" enum:"pending,authorised,confirmed,captured,fulfilled,settled,cancelled,refund_pending,refunded"`
	Receipt receiptBody      `json:"receipt"`
	Created time.Time        `json:"created_at"`
	Show    soldShowBody     `json:"show"`
	Lines   []lineBody       `json:"lines" doc:"Of my products alone"`
	To      *addressBody     `json:"delivery" doc:"Where to send it; null for orders of before addresses were asked for"`
	Email   string           `json:"email"`
}

type soldOrdersOutput struct {
	Body struct {
		Orders []soldOrderBody `json:"orders"`
		Next   *string         `json:"next" doc:"Cursor of the next page; null on the last one"`
	}
}

// registerSold adds the list of what is to be sent. It is the one place besides a buyer's own order where an address is
// read, and only by the owner of what goes there.
func (a *API) registerSold() {
	register(a, operation{
		ID: "listSoldOrders", Method: http.MethodGet, Path: "/orders/sold", Tag: tagSale, Codes: []string{"signed_out", "cursor_invalid"},
		Summary: "Paid orders with products that I own, newest first: what I have to send",
	}, func(ctx context.Context, in *struct {
		Cursor string `query:"cursor"`
	}) (*soldOrdersOutput, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		out := &soldOrdersOutput{}
		err = schema.Snapshot(ctx, a.config.Pool, func(ctx context.Context, q schema.Querier, _ time.Time) error {
			page, err := order.ListSold(ctx, q, who.Account.ID, in.Cursor)
			if err != nil {
				return err
			}
			return out.fill(ctx, q, page)
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	})
}

func (out *soldOrdersOutput) fill(ctx context.Context, q schema.Querier, page order.Page) error {
	shows := make([]commerce.ShowID, len(page.Orders))
	for i, o := range page.Orders {
		shows[i] = o.Show
	}
	titles, err := show.Titles(ctx, q, shows)
	if err != nil {
		return err
	}
	out.Body.Orders = make([]soldOrderBody, 0, len(page.Orders))
	for _, o := range page.Orders {
		out.Body.Orders = append(out.Body.Orders, soldOrderBody{
			ID: o.ID, State: o.State, Receipt: receiptBody{Number: o.Receipt}, Created: o.Created, Show: soldShowBody{ID: o.Show, Title: titles[o.Show]},
			Lines: linesOf(o), To: deliveryOf(o), Email: o.Email,
		})
	}
	if page.Next != "" {
		out.Body.Next = &page.Next
	}
	return nil
}
