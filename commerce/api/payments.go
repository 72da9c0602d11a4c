package api

import (
	"context"

	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
)

// paymentBody is what a buyer may know of a payment.
type paymentBody struct {
	State   string  `json:"state" enum:"open,requires_action,paid,declined,ended" doc:"paid: the money is reserved or taken; ended: it ran out of time, and nothing was taken"`
	Action  *string `json:"action_url" doc:"Where the buyer confirms at their bank; they come back to the order's page. null unless state is requires_action"`
	Decline *string `json:"decline" doc:"Why it was declined, a stable word; null unless state is declined"`
}

func paymentOf(p payment.Payment) paymentBody {
	switch {
	case p.Waits():
		return paymentBody{State: "requires_action", Action: &p.Action}
	case p.State == payment.Authorised || p.State == payment.Captured:
		return paymentBody{State: "paid"}
	case p.State == payment.Failed:
		return paymentBody{State: "declined", Decline: &p.Decline}
	case p.State == payment.Voided:
		return paymentBody{State: "ended"}
	}
	return paymentBody{State: "open"}
}

// readOrder is an order's body with what its payment says now.
func (a *API) readOrder(ctx context.Context, o order.Order) (orderBody, error) {
	p, err := payment.OfOrder(ctx, a.config.Pool, o.ID)
	if err != nil {
		return orderBody{}, err
	}
	return a.orderOf(o, p)
}
