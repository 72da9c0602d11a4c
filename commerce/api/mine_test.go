package api_test

import (
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/order"
)

// mine reads a person's own document.
func (b *browser) mine() (version float64, holds, orders []any) {
	b.s.t.Helper()
	r := b.want(200, "", "GET", "/me/document", nil)
	return r.body["version"].(float64), r.body["holds"].([]any), r.body["orders"].([]any)
}

func TestMyDocument(t *testing.T) {
	w := newShop(t, 9)
	vic, stranger := w.guest(), w.guest()
	last := -1.0
	grown := func(what string, holds, orders int) (gotHolds, gotOrders []any) {
		t.Helper()
		version, h, o := vic.mine()
		if version <= last || len(h) != holds || len(o) != orders {
			t.Errorf("%s: version %v after %v, %d holds, %d orders; want %d and %d", what, version, last, len(h), len(o), holds, orders)
		}
		last = version
		if again, _, _ := vic.mine(); again != version {
			t.Errorf("%s: read twice it has the versions %v and %v", what, version, again)
		}
		return h, o
	}
	grown("at first", 0, 0)
	hold, other := newHold(), newHold()
	vic.want(201, "", "PUT", "/holds/"+hold, w.hold(2))
	holds, _ := grown("one hold", 1, 0)
	first := holds[0].(map[string]any)
	if first["id"] != hold || first["state"] != "held" || first["title"] != "Copper pan 28 cm" || first["left_ms"].(float64) <= 0 || first["total"].(map[string]any)["amount"] != 9800.0 {
		t.Errorf("%v", first)
	}
	vic.want(201, "", "PUT", "/holds/"+other, w.hold(1))
	holds, _ = grown("two holds", 2, 0)
	if holds[0].(map[string]any)["id"] != other {
		t.Errorf("the newest is not first: %v", holds)
	}
	vic.want(402, "card_declined", "PUT", "/orders/"+newOrder(), pay(other, "4000000000000002"))
	grown("a declined card", 2, 0) // what never came to be is no order
	vic.want(204, "", "DELETE", "/holds/"+other, nil)
	grown("one given back", 1, 0)
	id := newOrder()
	vic.want(201, "", "PUT", "/orders/"+id, pay(hold, "4242424242424242"))
	_, orders := grown("paid", 0, 1)
	if o := orders[0].(map[string]any); o["id"] != id || o["receipt"] == nil || o["link"] == "" {
		t.Errorf("%v", o)
	}
	if version, h, o := stranger.mine(); version != 0 || len(h)+len(o) != 0 {
		t.Errorf("a stranger has %v %v %v", version, h, o)
	}
	nobody := w.browser()
	if version, h, o := nobody.mine(); version != 0 || len(h)+len(o) != 0 || nobody.cookie("rialto_guest") != nil {
		t.Errorf("nobody has %v %v %v", version, h, o)
	}
}

// A hold whose time has passed is no longer one, and its sweep tells.
func TestALapsedHoldLeavesMyDocument(t *testing.T) {
	w := newShop(t, 1, func(w *shop) { w.holdFor = 200 * time.Millisecond })
	vic := w.guest()
	vic.want(201, "", "PUT", "/holds/"+newHold(), w.hold(1))
	version, _, _ := vic.mine()
	me := vic.want(200, "", "GET", "/me", nil).body["subject"].(string)
	deadline, tick := time.Now().Add(30*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for w.outbox(`lane = 'control' and payload->>'op' = 'me' and payload->'people'->0->>'subject' = $1`, me) == 0 {
		if <-tick.C; time.Now().After(deadline) {
			t.Fatal("nobody was told")
		}
	}
	if after, holds, _ := vic.mine(); after <= version || len(holds) != 0 {
		t.Errorf("version %v after %v, holds %v", after, version, holds)
	}
}

func TestMyOrdersPageByPage(t *testing.T) {
	w := newShop(t, 1)
	vic := w.guest()
	want := order.PageSize + 3
	for range want {
		hold := newHold()
		// One person may have a few units of a thing only, so these are as many things.
		w.product, w.variant = commerce.NewID[commerce.ProductID](), commerce.NewID[commerce.VariantID]()
		w.creator.want(200, "", "PUT", w.path(), w.wish(4900, 1))
		vic.want(201, "", "PUT", "/holds/"+hold, w.hold(1))
		vic.want(201, "", "PUT", "/orders/"+newOrder(), pay(hold, "4242424242424242"))
	}
	seen, from, before := map[string]bool{}, "", "9"
	for pages := 0; ; pages++ {
		r := vic.want(200, "", "GET", "/orders/mine?cursor="+from, nil)
		for _, o := range r.body["orders"].([]any) {
			o := o.(map[string]any)
			if at := o["created_at"].(string); at > before {
				t.Errorf("%s comes after %s", at, before)
			} else {
				before = at
			}
			seen[o["id"].(string)] = true
		}
		next, more := r.body["next"].(string)
		if !more {
			if pages != 1 {
				t.Errorf("%d pages", pages+1)
			}
			break
		}
		from = next
	}
	if len(seen) != want {
		t.Errorf("%d orders, want %d", len(seen), want)
	}
	if _, _, orders := vic.mine(); len(orders) != order.PageSize {
		t.Errorf("the document lists %d orders", len(orders))
	}
	vic.want(422, "cursor_invalid", "GET", "/orders/mine?cursor=x", nil)
	if r := w.browser().want(200, "", "GET", "/orders/mine", nil); len(r.body["orders"].([]any)) != 0 || r.body["next"] != nil {
		t.Errorf("nobody's orders: %s", r.raw)
	}
}
