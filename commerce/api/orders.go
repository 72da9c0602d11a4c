package api

import (
	"context"
	"net/http"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
)

// payRule keeps somebody from trying out cards.
var payRule = guard.Rule{Name: "pay_address", Burst: 60, Every: time.Second}

// maxPayBody is room for an address whose every character is written as an escape.
const maxPayBody = 16 << 10

type lineBody struct {
	Title    string     `json:"title"`
	Quantity int        `json:"quantity"`
	Unit     amountBody `json:"unit"`
}

type receiptBody struct {
	Number string `json:"number"`
}

type orderBody struct {
	ID      commerce.OrderID `json:"id"`
	Hold    commerce.HoldID  `json:"hold"`
	Show    commerce.ShowID  `json:"show"`
	State   order.State      `json:"state" enum:"pending,authorised,confirmed,captured,fulfilled,settled,cancelled,refund_pending,refunded"`
	Total   amountBody       `json:"total" doc:"What is charged: that of costs"`
	Costs   costsBody        `json:"costs" doc:"As they were when the order was made"`
	Email   string           `json:"email"`
	Lines   []lineBody       `json:"lines"`
	To      *addressBody     `json:"delivery" doc:"Where it goes; null for orders of before addresses were asked for"`
	Created time.Time        `json:"created_at"`
	Receipt *receiptBody     `json:"receipt" doc:"null until the order is confirmed"`
	Payment paymentBody      `json:"payment"`
	Link    string           `json:"link" doc:"Path of a page that whoever has it may open"`
}

// OrderPath is embedded in the inputs of operations on one order.
type OrderPath struct {
	Order commerce.OrderID `path:"order" doc:"Made by the client; repeating it repeats the answer"`
}

type orderOutput struct {
	Status int
	Body   orderBody
}

type payInput struct {
	OrderPath
	Body struct {
		Hold     commerce.HoldID `json:"hold"`
		Email    string          `json:"email"`
		Name     string          `json:"name"`
		Delivery addressBody     `json:"delivery"`
		Total    *int64          `json:"total,omitempty" doc:"The total that the page showed, in minor units: at another one nothing is charged, and total_changed says the costs. Left out: whatever it costs"`
		Save     bool            `json:"save,omitempty" doc:"Keep the address in my account; guests have none"`
		Card     *cardBody       `json:"card,omitempty" doc:"Where cards are typed here"`
		Token    string          `json:"token,omitempty" doc:"Instead of card: what the provider's own field made of it (see provider in GET /me)"`
	}
}

type cardBody struct {
	Number   string `json:"number"`
	ExpMonth int    `json:"exp_month"`
	ExpYear  int    `json:"exp_year"`
	CVC      string `json:"cvc"`
}

func (in *payInput) card() (payment.Card, error) {
	switch card := in.Body.Card; {
	case (card == nil) == (in.Body.Token == ""):
		return payment.Card{}, problem(http.StatusUnprocessableEntity, "card_invalid", "Send a card or a token, and only one of them.")
	case card != nil:
		return payment.Card(*card), nil
	}
	return payment.Card{}, nil
}

func (a *API) orderOf(o order.Order, p payment.Payment) (orderBody, error) {
	link, err := a.config.Signer.OrderPath(o.ID, o.Created)
	if err != nil {
		return orderBody{}, err
	}
	body := orderBody{
		ID: o.ID, Hold: o.Hold, Show: o.Show, State: o.State, Total: amountOf(o.Total), Costs: costsOf(o.Costs), Email: o.Email,
		Lines: linesOf(o), To: deliveryOf(o), Created: o.Created,
		Payment: paymentOf(p), Link: link,
	}
	if o.Receipt != "" {
		body.Receipt = &receiptBody{Number: o.Receipt}
	}
	return body, nil
}

func linesOf(o order.Order) []lineBody {
	lines := make([]lineBody, 0, len(o.Lines))
	for _, l := range o.Lines {
		lines = append(lines, lineBody{Title: l.Title, Quantity: l.Quantity, Unit: amountOf(l.Unit)})
	}
	return lines
}

func (a *API) registerPaying() {
	register(a, operation{
		ID: "putOrder", Makes: true, Method: http.MethodPut, Path: "/orders/{order}", Tag: tagSale,
		Summary: "Pay a hold. Pending with payment.action_url: the buyer has to confirm there first", Body: maxPayBody, Rule: payRule, Within: payment.DriveFor + answerWithin,
		Codes: []string{"card_declined", "card_invalid", "hold_unknown", "hold_expired", "order_conflict", "banned", "email_invalid", "name_invalid",
			"address_invalid", "region_needed", "delivery_unavailable", "amount_too_large", "total_changed", "payment_unavailable", "payments_not_configured"},
	}, func(ctx context.Context, in *payInput) (*orderOutput, error) {
		who, err := a.who(ctx)
		if err != nil {
			return nil, err
		}
		card, err := in.card()
		if err != nil {
			return nil, err
		}
		o, created, err := a.config.Sale.Checkout.Pay(ctx, checkout.PayRequest{
			Order: in.Order, Hold: in.Body.Hold, Buyer: who.Subject, Email: in.Body.Email, Name: in.Body.Name,
			Card: card, Token: in.Body.Token, Delivery: delivery.Address(in.Body.Delivery), Total: in.Body.Total, Save: in.Body.Save,
		})
		if err != nil {
			return nil, err
		}
		out := &orderOutput{Status: http.StatusOK}
		if created {
			out.Status = http.StatusCreated
		}
		out.Body, err = a.readOrder(ctx, o)
		return out, err
	})
}

func (a *API) registerOrderReading() {
	register(a, operation{
		ID: "getOrder", Method: http.MethodGet, Path: "/orders/{order}", Tag: tagSale, Summary: "One of my orders, or one that I have the link of",
		Codes: []string{"order_unknown"}, Within: payment.CallTimeout + answerWithin,
	}, func(ctx context.Context, in *struct {
		OrderPath
		Link string `query:"link" maxLength:"1024"`
	}) (*orderOutput, error) {
		o, err := order.Get(ctx, a.config.Pool, in.Order)
		if err != nil {
			return nil, err
		}
		if ok, err := a.mayRead(ctx, o, in.Link); err != nil || !ok {
			return nil, orUnknown(err)
		}
		if a.config.Sale.Checkout != nil {
			if o, err = a.config.Sale.Checkout.Look(ctx, o); err != nil {
				return nil, err
			}
		}
		body, err := a.readOrder(ctx, o)
		return &orderOutput{Status: http.StatusOK, Body: body}, err
	})
}

type ordersOutput struct {
	Body struct {
		Orders []orderBody `json:"orders"`
		Next   *string     `json:"next" doc:"Cursor of the next page; null on the last one"`
	}
}

func (a *API) ordersOf(orders []order.Order, payments map[commerce.OrderID]payment.Payment) ([]orderBody, error) {
	bodies := make([]orderBody, 0, len(orders))
	for _, o := range orders {
		body, err := a.orderOf(o, payments[o.ID])
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}

func (a *API) registerMyOrders() {
	register(a, operation{
		ID: "listMyOrders", Method: http.MethodGet, Path: "/orders/mine", Tag: tagSale, Codes: []string{"cursor_invalid"},
		Summary: "What I have bought or am paying for, newest first",
	}, func(ctx context.Context, in *struct {
		Cursor string `query:"cursor"`
	}) (*ordersOutput, error) {
		who, err := a.who(ctx)
		if err != nil {
			return nil, err
		}
		page, err := order.ListMine(ctx, a.config.Pool, who.Subject, in.Cursor)
		if err != nil {
			return nil, err
		}
		out := &ordersOutput{}
		if page.Next != "" {
			out.Body.Next = &page.Next
		}
		payments, err := payment.OfOrders(ctx, a.config.Pool, order.IDs(page.Orders))
		if err != nil {
			return nil, err
		}
		out.Body.Orders, err = a.ordersOf(page.Orders, payments)
		return out, err
	})
}

// mayRead says whether the request is the buyer's or has the order's link. A stranger hears that there is no
// such order, so that ids cannot be tried out.
func (a *API) mayRead(ctx context.Context, o order.Order, link string) (bool, error) {
	if claims, err := a.config.Signer.Verify(guard.Order, link); err == nil && claims.Ref == o.ID.String() {
		return true, nil
	}
	who, err := a.who(ctx)
	return err == nil && who.Subject != "" && who.Subject == o.Buyer, err
}

func orUnknown(err error) error {
	if err != nil {
		return err
	}
	return order.ErrUnknown
}
