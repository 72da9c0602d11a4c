package api

import (
	"context"
	"net/http"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

// saleBody is an order as the creator sees it: what is to be sent to whom, without the buyer's address.
type saleBody struct {
	ID      commerce.OrderID `json:"id"`
	State   order.State      `json:"state" enum:"pending,authorised,confirmed,captured,fulfilled,settled,cancelled,refund_pending,refunded"`
	Name    string           `json:"name"`
	Total   amountBody       `json:"total"`
	Lines   []lineBody       `json:"lines"`
	Created time.Time        `json:"created_at"`
	Receipt receiptBody      `json:"receipt"`
}

type salesOutput struct {
	Body struct {
		Held     int          `json:"held" doc:"Units that are promised and not paid yet"`
		Sold     int          `json:"sold" doc:"Units that are paid"`
		Revenue  amountBody   `json:"revenue" doc:"In the currency that was sold most in"`
		Revenues []amountBody `json:"revenues" doc:"By currency"`
		Orders   []saleBody   `json:"orders" doc:"The newest 50"`
	}
}

func (a *API) registerSales() {
	register(a, operation{
		ID: "listSales", Method: http.MethodGet, Path: "/shows/{show}/sales", Tag: tagSale, Summary: "What my show has sold",
		Codes: []string{"signed_out", "forbidden", "show_unknown"},
	}, func(ctx context.Context, in *ShowPath) (*salesOutput, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		out := &salesOutput{}
		err = schema.Snapshot(ctx, a.config.Pool, func(ctx context.Context, q schema.Querier, _ time.Time) error {
			s, err := show.Get(ctx, q, in.Show)
			if err != nil {
				return err
			}
			if err := s.MayEdit(*who.Account); err != nil {
				return err
			}
			return out.read(ctx, q, s.ID)
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	})
}

func (out *salesOutput) read(ctx context.Context, q schema.Querier, id commerce.ShowID) error {
	totals, err := stock.TotalsOf(ctx, q, id)
	if err != nil {
		return err
	}
	revenues, err := order.Revenue(ctx, q, id)
	if err != nil {
		return err
	}
	orders, err := order.Recent(ctx, q, id)
	if err != nil {
		return err
	}
	if len(revenues) == 0 {
		revenues = []money.Amount{{Currency: "EUR"}}
	}
	out.Body.Held, out.Body.Sold, out.Body.Revenue = totals.Held, totals.Sold, amountOf(revenues[0])
	out.Body.Revenues, out.Body.Orders = make([]amountBody, 0, len(revenues)), make([]saleBody, 0, len(orders))
	for _, r := range revenues {
		out.Body.Revenues = append(out.Body.Revenues, amountOf(r))
	}
	for _, o := range orders {
		out.Body.Orders = append(out.Body.Orders, saleBody{
			ID: o.ID, State: o.State, Name: o.Name, Total: amountOf(o.Total), Lines: linesOf(o), Created: o.Created, Receipt: receiptBody{Number: o.Receipt},
		})
	}
	return nil
}
