package checkout

import (
	"context"
	"errors"
	"fmt"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/stock"
)

// LineRequest is one of the things of a tap that is for several.
type LineRequest struct {
	Variant  commerce.VariantID
	Quantity int
	Unit     *int64 // the price that the page showed, as in HoldRequest
}

// LineError says which of several things has an error. Nothing is held then, of none of them.
type LineError struct {
	Variant commerce.VariantID
	cause   error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s: %v", e.Variant, e.cause) }
func (e *LineError) Unwrap() error { return e.cause }

// wanted is a line of a tap for several things: at which offer it is tapped.
type wanted struct {
	LineRequest
	all     int // units of its variant in all lines: they have one price
	offer   offer
	refused int64 // the version that has just been refused, 0 for none
}

// tap is the line as one of a hold of its variant's units alone.
func (w *wanted) tap() HoldRequest { return HoldRequest{Quantity: w.all, Unit: w.Unit} }

// takeAll is take for several things, of which the buyer gets all or none. Errors of one of them are a *LineError.
func (s *Service) takeAll(ctx context.Context, r HoldRequest) (stock.Hold, error) {
	lines, units := make([]wanted, len(r.Lines)), map[commerce.VariantID]int{}
	for _, l := range r.Lines {
		units[l.Variant] += l.Quantity
	}
	for i, l := range r.Lines {
		lines[i] = wanted{LineRequest: l, all: units[l.Variant]}
	}
	for try := 1; ; try++ {
		basket, err := s.basket(ctx, r, lines, try > priceTries)
		if err != nil {
			return stock.Hold{}, err
		}
		h, err := s.Stock.HoldAll(ctx, basket)
		if err == nil {
			return h, nil
		}
		var at *stock.LineError
		if !errors.As(err, &at) {
			return stock.Hold{}, s.refusedHold(ctx, r, offer{}, err)
		}
		w := lineOf(lines, at.Pool)
		if !errors.Is(err, stock.ErrOfferChanged) {
			return stock.Hold{}, &LineError{w.Variant, s.refusedHold(ctx, r, w.offer, errors.Unwrap(at))}
		}
		w.refuse(lines)
		s.offers.forget(offerKey{r.Show, w.Variant}, w.offer)
	}
}

// basket prices the lines of a tap: at what the buyer was shown, or at the present price when they do not say what they saw.
func (s *Service) basket(ctx context.Context, r HoldRequest, lines []wanted, late bool) (stock.Basket, error) {
	b := stock.Basket{ID: r.ID, Buyer: r.Buyer, Source: r.Source}
	for i := range lines {
		w := &lines[i]
		var err error
		if w.offer, err = s.offers.get(ctx, offerKey{r.Show, w.Variant}); err != nil {
			return stock.Basket{}, &LineError{w.Variant, err}
		}
		q, ok := w.offer.choose(w.tap(), w.refused)
		if !ok || late {
			return stock.Basket{}, &LineError{w.Variant, w.offer.changed(w.tap(), w.refused)}
		}
		b.Lines = append(b.Lines, stock.Line{Pool: w.offer.pool, Quantity: w.Quantity, Unit: q.unit, Offer: max(q.version, 0)})
	}
	return b, nil
}

func lineOf(lines []wanted, pool commerce.PoolID) *wanted {
	for i := range lines {
		if lines[i].offer.pool == pool {
			return &lines[i]
		}
	}
	return &lines[0] // stock answers about pools that it was asked about
}

// refuse notes that a price was refused, for all lines of the variant.
func (w *wanted) refuse(lines []wanted) {
	q, _ := w.offer.choose(w.tap(), w.refused)
	for i := range lines {
		if lines[i].Variant == w.Variant {
			lines[i].refused = q.version
		}
	}
}

// HeldLine is a line of a hold that has several, as its buyer sees it.
type HeldLine struct {
	stock.Hold
	Product commerce.ProductID
	Title   string
}

// heldOf makes what the buyer sees of a hold. of reads offers.
func heldOf(h stock.Hold, of func(offerKey) (offer, error)) (Held, error) {
	o, err := of(offerKey{h.Show, h.Variant})
	if err != nil {
		return Held{}, err
	}
	held := Held{Hold: h, Product: o.product, Title: o.title}
	if held.Total, err = h.Total(); err != nil || !h.Several() {
		return held, err
	}
	for _, line := range h.Lines() {
		if o, err = of(offerKey{line.Show, line.Variant}); err != nil {
			return Held{}, err
		}
		held.Lines = append(held.Lines, HeldLine{Hold: line, Product: o.product, Title: o.title})
	}
	return held, nil
}
