package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/stock"
)

// Sale is what selling needs of other packages. Without it nothing can be bought.
type Sale struct {
	Checkout *checkout.Service
	CardKey  string // the provider's public key for card fields on the page; "" where cards come to us
}

// provider names whoever takes the payments.
func (s Sale) provider() string {
	if !s.payments() {
		return "none"
	}
	return s.Checkout.Name
}

// payments says whether something can be paid.
func (s Sale) payments() bool { return s.Checkout != nil && s.Checkout.Payments() }

// changed makes what was committed about pools count everywhere.
func (s Sale) changed(ctx context.Context, pools []commerce.PoolID) {
	if s.Checkout != nil {
		s.Checkout.Changed(ctx, pools...)
	}
}

// closeSale ends the sale of a show with tx. It comes before the show's own events: pools are locked first.
func (a *API) closeSale(ctx context.Context, tx pgx.Tx, show commerce.ShowID) ([]commerce.PoolID, error) {
	return checkout.Close(ctx, tx, show)
}

// amountBody is money as pages see it.
type amountBody struct {
	Amount   int64  `json:"amount" doc:"Minor units, for example cents"`
	Currency string `json:"currency" example:"EUR"`
}

func amountOf(a money.Amount) amountBody {
	return amountBody{Amount: a.Minor, Currency: string(a.Currency)}
}

func (a *API) registerSale() {
	a.translate(
		translation{is: stock.ErrSoldOut, make: soldOut},
		translation{is: stock.ErrLimit, make: limitReached},
		translation{is: stock.ErrNotOpen, make: says(http.StatusConflict, "not_open", "The sale has not opened yet. Wait for the countdown.")},
		translation{is: checkout.ErrClosed, make: says(http.StatusConflict, "closed", "This is not sold here any more.")},
		translation{is: stock.ErrOfferChanged, make: priceChanged},
		translation{is: stock.ErrConflict, make: says(http.StatusConflict, "hold_conflict", "This hold id stands for something else. Tap Buy again.")},
		translation{is: stock.ErrState, make: says(http.StatusConflict, "hold_busy", "This hold is being paid, or is paid already.")},
		translation{is: stock.ErrQuantity, make: says(http.StatusUnprocessableEntity, "quantity_invalid", "This number of units is not possible.")},
		translation{is: stock.ErrUnavailable, make: stockAway},
		translation{is: stock.ErrGone, make: says(http.StatusGone, "hold_expired", "The time for this hold is over. Tap Buy again while there are some left.")},
		translation{is: checkout.ErrGone, make: says(http.StatusGone, "hold_expired", "The time for this hold is over. Tap Buy again while there are some left.")},
		translation{is: checkout.ErrNotSold, make: says(http.StatusNotFound, "product_unknown", "This show does not sell this.")},
		translation{is: checkout.ErrUnknown, make: says(http.StatusNotFound, "hold_unknown", "There is no such hold of yours.")},
		translation{is: checkout.ErrOrderConflict, make: says(http.StatusConflict, "order_conflict", "This hold has an order already, or the order id stands for another one.")},
		translation{is: checkout.ErrDeclined, make: cardDeclined},
		translation{is: payment.ErrCardInvalid, make: says(http.StatusPaymentRequired, "card_invalid", "This is not a card that can be charged. Check the number, the date and the code.")},
		translation{is: checkout.ErrNotConfigured, make: says(http.StatusServiceUnavailable, "payments_not_configured", "Nothing can be bought here yet: no payment company is set up.")},
		translation{is: checkout.ErrPending, make: later("payment_unavailable", "The payment is still being made. Ask again in a moment; you will not be charged twice.", checkout.RetryAfter)},
		translation{is: payment.ErrRejected, make: later("payment_unavailable", "The payment company does not answer as it should. Nothing was charged; try again.", checkout.RetryAfter)},
		translation{is: order.ErrUnknown, make: says(http.StatusNotFound, "order_unknown", "There is no such order of yours.")},
		translation{is: order.ErrEmail, status: http.StatusUnprocessableEntity, code: "email_invalid"},
		translation{is: order.ErrName, status: http.StatusUnprocessableEntity, code: "name_invalid"},
	)
	a.registerProducts()
	a.registerTakingOff()
	a.registerFlash()
	a.registerSales()
	a.registerOrderReading()
	a.registerMyOrders()
	a.registerSold()
	a.registerLedgers()
	if a.config.Sale.Checkout != nil {
		a.registerHolds()
		a.registerPaying()
		a.registerMine()
		a.registerDelivery()
	}
}

func says(status int, code, detail string) func(error) *Problem {
	return func(error) *Problem { return problem(status, code, detail) }
}

func later(code, detail string, after time.Duration) func(error) *Problem {
	return func(error) *Problem { return problem(http.StatusServiceUnavailable, code, detail).retry(after) }
}

// stockAway leaves it to asProblem to say that Postgres is away: then nothing can be reached, not the stock alone.
func stockAway(err error) *Problem {
	if unreachable(err) && !errors.Is(err, stock.ErrGate) {
		return nil
	}
	return later("stock_unavailable", "We cannot reach the stock for a moment. Nothing was taken; try again.", stock.RetryAfter)(err)
}

// nothingLeft is what nearly everybody is told in a rush.
var nothingLeft = leftProblem(0).settle()

func soldOut(err error) *Problem {
	var e *stock.SoldOutError
	if errors.As(err, &e) && e.Left > 0 {
		return leftProblem(e.Left)
	}
	return nothingLeft
}

func leftProblem(left int) *Problem {
	detail := "This is sold out."
	if left > 0 {
		detail = "There are not that many left. Take fewer."
	}
	return problem(http.StatusConflict, "sold_out", detail).with("left", left)
}

func priceChanged(err error) *Problem {
	p := problem(http.StatusConflict, "price_changed", "The price has just changed. Look at it again, then buy.")
	var e *checkout.PriceError
	if errors.As(err, &e) {
		p.with("price", amountOf(e.Price))
	}
	return p
}

func limitReached(err error) *Problem {
	var e *checkout.LimitError
	if errors.As(err, &e) {
		return problem(http.StatusConflict, "limit_reached", "You have as many of these as one person may have. Pay for the ones you hold.").with("hold", e.Hold)
	}
	return problem(http.StatusConflict, "limit_reached", "You have as many of these as one person may have.")
}

func cardDeclined(err error) *Problem {
	p := problem(http.StatusPaymentRequired, "card_declined", "The card was declined. Your units are still held; try another card.")
	var e *checkout.DeclinedError
	if errors.As(err, &e) {
		p.with("reason", e.Reason).with("expires_at", e.Expires.UTC()).with("left_ms", e.Left.Milliseconds())
		if e.Left <= 0 {
			p.Detail = "The card was declined, and the time for this hold is over. Tap Buy again."
		}
	}
	return p
}
