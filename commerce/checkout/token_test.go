package checkout

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/stock"
)

// Where the provider's own field takes the card, a token comes instead of one, and nothing else is taken.
func TestTokenOfTheProvidersOwnField(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service(func(_ *stock.Config, c *Config) { c.Vault = nil })
	h := w.hold(s, "gst_a")
	field := s.Provider.(payment.Vault) // what the field on the page does
	token, err := field.Tokenise(t.Context(), payment.Card{Number: good, ExpMonth: 12, ExpYear: time.Now().Year() + 1, CVC: "123"})
	if err != nil {
		t.Fatal(err)
	}
	calls := w.calls.Load()
	for name, change := range map[string]func(*PayRequest){
		"a card":            func(*PayRequest) {},
		"both":              func(r *PayRequest) { r.Token = token },
		"neither":           func(r *PayRequest) { r.Card = payment.Card{} },
		"spaces":            func(r *PayRequest) { r.Card, r.Token = payment.Card{}, "tok 1" },
		"one byte too long": func(r *PayRequest) { r.Card, r.Token = payment.Card{}, strings.Repeat("t", maxToken+1) },
	} {
		r := payFor(h, good)
		change(&r)
		if _, _, err := s.Pay(t.Context(), r); !errors.Is(err, payment.ErrCardInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w.calls.Load() != calls {
		t.Error("the provider heard of a card that is none")
	}
	r := payFor(h, good)
	r.Card, r.Token = payment.Card{}, token
	if o := w.paid(s, r); o.State != order.Confirmed {
		t.Errorf("%+v", o)
	}
}

// Where cards are typed, a token is nobody's.
func TestNoTokensWhereCardsAreTyped(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	h := w.hold(s, "gst_a")
	r := payFor(h, good)
	r.Token = "tok_1"
	w.notPaid(s, r, payment.ErrCardInvalid)
	r.Card = payment.Card{}
	w.notPaid(s, r, payment.ErrCardInvalid)
}
