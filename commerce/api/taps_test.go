package api_test

import (
	"net/netip"
	"testing"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/guard"
)

// tapIn is a tap of somebody in a room.
func (s *site) tapIn() (any, *api.Problem) {
	return s.api.PutHold(s.t.Context(),
		api.Tapper{Show: commerce.NewID[commerce.ShowID](), Subject: commerce.NewID[commerce.GuestID]().String(), Addr: netip.MustParseAddr("127.0.0.1")},
		api.HoldPut{Hold: commerce.NewID[commerce.HoldID](), Wish: api.Wish{Variant: commerce.NewID[commerce.VariantID](), Quantity: 1}})
}

// Nobody recovers what a room's caller runs: a fault of one tap must not end the node.
func TestATapInARoomThatPanicsIsAProblem(t *testing.T) {
	s := newSite(t, func(c *api.Config) { c.Sale, c.Limiter = api.Sale{Checkout: &checkout.Service{}}, &guard.Limiter{} })
	if body, refused := s.tapIn(); body != nil || refused == nil || refused.Code != "internal" || refused.Extra["request"] == "" {
		t.Errorf("%v %+v", body, refused)
	}
}

func TestATapInARoomWhereNothingIsSold(t *testing.T) {
	if _, refused := newSite(t).tapIn(); refused == nil || refused.Code != "payments_not_configured" {
		t.Errorf("%+v", refused)
	}
}
