package main

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/realtime"
)

// The first show, as it happens: a creator goes live, a viewer sees the picture, a pan is pinned, somebody buys
// it, and everybody's count falls.
func TestPublishWatchPinBuy(t *testing.T) {
	n := newMarket(t).node()
	mara := n.signUp("mara", "creator")
	show := mara.newShow()
	pan := mara.sell(show, 3)
	page := n.guest().join(show)
	page.onAir(false)

	mara.goLive(show)
	page.onAir(true)
	sees(t, n.guest().watch(show), 10)

	mara.want(http.StatusNoContent, "", http.MethodPut, "/shows/"+show+"/pin", map[string]any{"product": pan.product})
	page.await("the pan is pinned", func(s *seat) bool {
		var pin struct{ Product string }
		return s.now("pin.set", "pin", &pin) && pin.Product == pan.product
	})
	page.await("its price is told", func(s *seat) bool {
		var price struct {
			Amount   int
			Currency string
		}
		return s.now("price.set", pan.variant, &price) && price.Amount == 4900 && price.Currency == "EUR"
	})
	page.left(pan.variant, 3)

	vic := n.guest()
	hold := vic.hold(pan, 1)
	page.left(pan.variant, 2)
	order := orderPath()
	bought := vic.want(http.StatusCreated, "", http.MethodPut, order, paying(hold, cardGood))
	if state := bought.text("state"); state != "confirmed" && state != "captured" {
		t.Errorf("a paid order is %s", bought)
	}
	vic.want(http.StatusOK, "", http.MethodPut, order, paying(hold, cardGood)) // the tap came twice
	vic.captured(order)
	if got := n.market.count(`select count(*) from sandbox.charge where status = 'captured' and captured = 5390`); got != 1 {
		t.Errorf("%d charges were captured, want 1", got)
	}
	vic.want(http.StatusOK, "", http.MethodGet, "/holds/"+hold, nil)
	n.guest().want(http.StatusNotFound, "order_unknown", http.MethodGet, order, nil)
	page.left(pan.variant, 2)
	page.orderly()
	n.market.clean(n)
}

// captured waits until an order's money is taken, and checks its receipt.
func (p *person) captured(order string) {
	p.t.Helper()
	var last reply
	eventually(p.t, order+" is captured", func() bool {
		last = p.want(http.StatusOK, "", http.MethodGet, order, nil)
		return last.text("state") == "captured"
	})
	receipt, _ := last.body["receipt"].(map[string]any)
	if number, _ := receipt["number"].(string); number == "" || last.text("link") == "" {
		p.t.Errorf("no receipt, or no link to it: %s", last)
	}
}

func TestDeclinedCardKeepsTheUnits(t *testing.T) {
	n := newMarket(t).node()
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 1)
	vic := n.guest()
	hold := vic.hold(pan, 1)
	declined := vic.want(http.StatusPaymentRequired, "card_declined", http.MethodPut, orderPath(), paying(hold, cardDeclined))
	if at, err := time.Parse(time.RFC3339, declined.text("expires_at")); err != nil || !at.After(time.Now()) {
		t.Errorf("nothing is said about how long the units stay: %s", declined)
	}
	if state := vic.want(http.StatusOK, "", http.MethodGet, "/holds/"+hold, nil).text("state"); state != "held" {
		t.Fatalf("after a declined card the hold is %q", state)
	}
	n.guest().want(http.StatusConflict, "sold_out", http.MethodPut, "/holds/"+newHold(), pan.tap(1))
	order := orderPath()
	vic.want(http.StatusCreated, "", http.MethodPut, order, paying(hold, cardGood))
	vic.captured(order)
	n.market.clean(n)
}

func TestSoldOutIsSaidAtOnceAndWithWhatIsLeft(t *testing.T) {
	n := newMarket(t).node()
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 3)
	page := n.guest().join(pan.show)
	first := n.guest()
	hold := first.hold(pan, 2)
	page.left(pan.variant, 1)
	if r := n.guest().want(http.StatusConflict, "sold_out", http.MethodPut, "/holds/"+newHold(), pan.tap(2)); r.number("left") != 1 {
		t.Errorf("one is left: %s", r)
	}
	n.guest().hold(pan, 1)
	page.left(pan.variant, 0)
	if r := n.guest().want(http.StatusConflict, "sold_out", http.MethodPut, "/holds/"+newHold(), pan.tap(1)); r.number("left") != 0 {
		t.Errorf("none is left: %s", r)
	}
	// What is given back can be bought by somebody else.
	for range 2 {
		first.want(http.StatusNoContent, "", http.MethodDelete, "/holds/"+hold, nil)
	}
	page.left(pan.variant, 2)
	n.guest().hold(pan, 2)
	page.left(pan.variant, 0)
	page.orderly()
	n.market.clean(n)
}

func TestEndedShowSellsNothingAndKeepsItsPromises(t *testing.T) {
	n := newMarket(t).node()
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 3)
	vic := n.guest()
	hold := vic.hold(pan, 1)
	page := vic.join(pan.show)
	mara.want(http.StatusOK, "", http.MethodPost, "/shows/"+pan.show+"/end", nil)
	<-page.done
	if code := realtime.Code(page.ended()); code != realtime.CodeRoomClosed {
		t.Errorf("the room ended with %d (%s)", code, code)
	}
	n.guest().want(http.StatusConflict, "closed", http.MethodPut, "/holds/"+newHold(), pan.tap(1))
	// A unit that was promised is sold, whatever the creator has ended since.
	order := orderPath()
	vic.want(http.StatusCreated, "", http.MethodPut, order, paying(hold, cardGood))
	vic.captured(order)
	vic.join(pan.show).await("the page says that it is over", func(s *seat) bool {
		var show struct{ State string }
		return s.now("show.state", "show", &show) && show.State == "ended"
	})
	n.market.clean(n)
}

func TestExpiredHoldReturnsItsUnitAndTheRoomIsTold(t *testing.T) {
	n := newMarket(t).node(func(c *Config) { c.HoldTTL = 300 * time.Millisecond })
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 1)
	page := n.guest().join(pan.show)
	vic := n.guest()
	hold := vic.hold(pan, 1)
	page.left(pan.variant, 0)
	page.left(pan.variant, 1) // nobody taps: the sweep alone gives it back
	vic.want(http.StatusGone, "hold_expired", http.MethodPut, orderPath(), paying(hold, cardGood))
	vic.want(http.StatusGone, "hold_expired", http.MethodPut, "/holds/"+hold, pan.tap(1)) // the id is used up
	if state := vic.want(http.StatusOK, "", http.MethodGet, "/holds/"+hold, nil).text("state"); state != "expired" {
		t.Errorf("the hold is %q", state)
	}
	n.guest().hold(pan, 1)
	page.left(pan.variant, 0)
	page.orderly()
	if got := n.market.count(`select count(*) from sandbox.charge`); got != 0 {
		t.Errorf("%d charges were made for an expired hold", got)
	}
	n.market.clean(n)
}

func TestWithoutPaymentProviderBuySaysSo(t *testing.T) {
	n := newMarket(t).node(func(c *Config) { c.SandboxURL = "" })
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 1)
	vic := n.guest()
	r := vic.want(http.StatusServiceUnavailable, "payments_not_configured", http.MethodPut, "/holds/"+newHold(), pan.tap(1))
	if r.header.Get("Retry-After") != "" {
		t.Error("the page is told to try again, and nothing would come of it")
	}
	vic.want(http.StatusServiceUnavailable, "payments_not_configured", http.MethodPut, orderPath(), paying(newHold(), cardGood))
	if me := vic.want(http.StatusOK, "", http.MethodGet, "/me", nil); me.body["payments"] != false {
		t.Errorf("the page is not told that nothing can be paid: %s", me)
	}
	if got := n.market.count(`select count(*) from hold`); got != 0 {
		t.Errorf("%d holds were made that nobody can pay", got)
	}
}

// A page that was away comes to the same state as one that stayed.
func TestJoiningIsTheSameAsHavingBeenThere(t *testing.T) {
	n := newMarket(t).node()
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 5)
	stayed := n.guest().join(pan.show)
	mara.want(http.StatusNoContent, "", http.MethodPut, "/shows/"+pan.show+"/pin", map[string]any{"product": pan.product})
	n.guest().hold(pan, 2)
	flash := "/shows/" + pan.show + "/flash-prices/" + commerce.NewID[commerce.FlashID]().String()
	mara.want(http.StatusOK, "", http.MethodPut, flash, map[string]any{"variant": pan.variant, "amount": 100, "lasts_s": 600, "cap": 2})
	mara.want(http.StatusNoContent, "", http.MethodPut, "/shows/"+pan.show+"/pin", map[string]any{"product": nil})
	n.guest().hold(pan, 1)
	stayed.left(pan.variant, 2)
	stayed.await("one of the two at the flash price is left", func(s *seat) bool {
		var price struct{ Flash *struct{ Amount, Cap int } }
		var stock struct {
			Left *int `json:"flash_left"`
		}
		return s.now("price.set", pan.variant, &price) && price.Flash != nil && price.Flash.Amount == 100 && price.Flash.Cap == 2 &&
			s.now("stock.set", pan.variant, &stock) && stock.Left != nil && *stock.Left == 1
	})
	stayed.await("the pin is taken off", func(s *seat) bool {
		var pin struct{ Product *string }
		return s.now("pin.set", "pin", &pin) && pin.Product == nil
	})
	came := n.guest().join(pan.show)
	if a, b := stayed.knows(t), came.knows(t); a != b {
		t.Errorf("who stayed knows\n%s\nwho came knows\n%s", a, b)
	}
	stayed.orderly()
}

// knows is the state without its versions: those of a snapshot are all the newest.
func (s *seat) knows(t *testing.T) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := map[string]any{}
	for at, e := range s.state {
		var v any
		if err := json.Unmarshal(e.Data, &v); err != nil {
			t.Fatal(err)
		}
		data[at] = v
	}
	text, err := json.MarshalIndent(data, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
