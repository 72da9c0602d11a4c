package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/checkout"
)

// Wish is what a tap is for: one thing, or several of which the buyer gets all or nothing.
type Wish struct {
	Variant  commerce.VariantID `json:"variant,omitempty,omitzero" doc:"One thing; or else lines"`
	Quantity int                `json:"quantity,omitempty" doc:"Of the one thing"`
	Unit     *int64             `json:"unit,omitempty" doc:"The price of one that the page showed, in minor units: at another one nothing is held, and price_changed says in price which it is. Left out: at whatever the price is"`
	Lines    []WishLine         `json:"lines,omitempty" maxItems:"10" doc:"Several things that are wanted together, in place of variant, quantity and unit: all of them are held or nothing is, and the refusal says in variant which one it was for. Lines of one variant count together"`
}

// WishLine is one of several things.
type WishLine struct {
	Variant  commerce.VariantID `json:"variant"`
	Quantity int                `json:"quantity"`
	Unit     *int64             `json:"unit,omitempty" doc:"As for one thing"`
}

// Valid says whether it is for one thing, or for several, and not for neither or both.
func (w Wish) Valid() bool {
	if len(w.Lines) > 0 {
		return w.Variant.IsZero() && w.Quantity == 0 && w.Unit == nil
	}
	return !w.Variant.IsZero()
}

// request is a tap for what is wished.
func (w Wish) request(r checkout.HoldRequest) (checkout.HoldRequest, error) {
	if !w.Valid() {
		p := problem(http.StatusUnprocessableEntity, "invalid", statusDetail(http.StatusUnprocessableEntity))
		p.Errors = []FieldError{{Location: "body.variant", Message: "expected a variant and its quantity, or lines with one of each"}}
		return r, p
	}
	r.Variant, r.Quantity, r.Unit = w.Variant, w.Quantity, w.Unit
	for _, l := range w.Lines {
		r.Lines = append(r.Lines, checkout.LineRequest{Variant: l.Variant, Quantity: l.Quantity, Unit: l.Unit})
	}
	return r, nil
}

// ofLine says which of several things a tap was refused for.
func (a *API) ofLine(ctx context.Context, err error) error {
	var line *checkout.LineError
	if !errors.As(err, &line) {
		return err
	}
	return a.asProblem(ctx, line.Unwrap()).own().with("variant", line.Variant)
}
