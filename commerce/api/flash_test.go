package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
)

func newFlash() string { return commerce.NewID[commerce.FlashID]().String() }

func (w *shop) flashPath(id string) string { return "/shows/" + w.show + "/flash-prices/" + id }

func (w *shop) flash(amount, limit int) map[string]any {
	return map[string]any{"variant": w.variant, "amount": amount, "lasts_s": 60, "cap": limit}
}

// at is a tap by a page that showed a price.
func (w *shop) at(unit, quantity int) map[string]any {
	body := w.hold(quantity)
	body["unit"] = unit
	return body
}

// listed is the product's variant as the show's list has it.
func (w *shop) listed() map[string]any {
	w.t.Helper()
	r := w.browser().want(200, "", "GET", "/shows/"+w.show+"/products", nil)
	return r.body["products"].([]any)[0].(map[string]any)["variants"].([]any)[0].(map[string]any)
}

func priceOf(t *testing.T, r reply) float64 {
	t.Helper()
	p, ok := r.body["price"].(map[string]any)
	if !ok || p["currency"] != "EUR" {
		t.Fatalf("price_changed without the price: %s", r.raw)
	}
	return p["amount"].(float64)
}

func unitOf(r reply) float64 { return r.body["unit"].(map[string]any)["amount"].(float64) }

func TestFlashPriceOverHTTP(t *testing.T) {
	w := newShop(t, 10)
	if w.listed()["flash"] != nil {
		t.Fatal("a flash price that nobody has set")
	}
	id := newFlash()
	made := w.creator.want(200, "", "PUT", w.flashPath(id), w.flash(2900, 2))
	if made.body["id"] != id || made.body["variant"] != w.variant.String() || made.body["amount"] != 2900.0 || made.body["cap"] != 2.0 || made.body["left"] != 2.0 {
		t.Fatalf("%s", made.raw)
	}
	events := w.outbox(`lane = 'event'`)
	again := w.creator.want(200, "", "PUT", w.flashPath(id), w.flash(2900, 2))
	if string(again.raw) != string(made.raw) || w.outbox(`lane = 'event'`) != events {
		t.Fatalf("said twice: %s", again.raw)
	}
	if f := w.listed()["flash"].(map[string]any); f["amount"] != 2900.0 || f["left"] != 2.0 || f["starts_at"] == nil || f["ends_at"] == nil {
		t.Fatalf("%v", f)
	}
	// Nobody pays more than what holds, and nobody pays anything but what they were shown.
	if p := priceOf(t, w.browser().want(409, "price_changed", "PUT", "/holds/"+newHold(), w.at(4900, 1))); p != 2900 {
		t.Fatalf("told %v", p)
	}
	mine, tap := w.browser(), newHold()
	if r := mine.want(201, "", "PUT", "/holds/"+tap, w.at(2900, 1)); unitOf(r) != 2900 {
		t.Fatalf("%s", r.raw)
	}
	if r := w.browser().want(201, "", "PUT", "/holds/"+newHold(), w.hold(1)); unitOf(r) != 2900 { // a page that says nothing
		t.Fatalf("%s", r.raw)
	}
	if p := priceOf(t, w.browser().want(409, "price_changed", "PUT", "/holds/"+newHold(), w.at(2900, 1))); p != 4900 {
		t.Fatalf("told %v", p)
	}
	if r := mine.want(200, "", "PUT", "/holds/"+tap, w.at(2900, 1)); unitOf(r) != 2900 { // the answer that was lost on the way
		t.Fatalf("%s", r.raw)
	}
	if r := w.browser().want(201, "", "PUT", "/holds/"+newHold(), w.at(4900, 1)); unitOf(r) != 4900 {
		t.Fatalf("%s", r.raw)
	}
	if f := w.listed()["flash"].(map[string]any); f["left"] != 0.0 {
		t.Fatalf("%v", f)
	}
	mine.want(204, "", "DELETE", "/holds/"+tap, nil)
	w.browser().want(201, "", "PUT", "/holds/"+newHold(), w.at(2900, 1))
	for range 2 {
		w.creator.want(204, "", "DELETE", w.flashPath(id), nil)
	}
	if w.listed()["flash"] != nil {
		t.Fatal("it was cancelled")
	}
	w.browser().want(409, "price_changed", "PUT", "/holds/"+newHold(), w.at(2900, 1))
	w.browser().want(201, "", "PUT", "/holds/"+newHold(), w.at(4900, 1))
	if r := w.creator.want(200, "", "PUT", w.flashPath(id), w.flash(2900, 2)); r.body["left"] != nil || w.listed()["flash"] != nil {
		t.Fatalf("an old wish came back to life: %s", r.raw)
	}
}

func TestFlashPriceIsRefused(t *testing.T) {
	w := newShop(t, 10)
	other, _ := w.signUp("eve", "creator")
	theirs := other.newShow()
	in := func(d time.Duration) string { return time.Now().Add(d).Format(time.RFC3339Nano) }
	for name, c := range map[string]struct {
		status int
		code   string
		change map[string]any
	}{
		"as dear as ever":    {422, "flash_price_invalid", map[string]any{"amount": 4900}},
		"for nothing":        {422, "flash_price_invalid", map[string]any{"amount": 0}},
		"a cent below":       {200, "", map[string]any{"amount": 4899}},
		"too short":          {422, "flash_time_invalid", map[string]any{"lasts_s": 9}},
		"shortest":           {200, "", map[string]any{"lasts_s": 10}},
		"longest":            {200, "", map[string]any{"lasts_s": 86400}},
		"too long":           {422, "flash_time_invalid", map[string]any{"lasts_s": 86401}},
		"for ever":           {422, "flash_time_invalid", map[string]any{"lasts_s": int64(1) << 62}},
		"backwards":          {422, "flash_time_invalid", map[string]any{"lasts_s": -(int64(1) << 62)}},
		"almost in a day":    {200, "", map[string]any{"starts_at": in(24*time.Hour - time.Minute)}},
		"in more than a day": {422, "flash_time_invalid", map[string]any{"starts_at": in(24*time.Hour + time.Minute)}},
		"yesterday":          {422, "flash_time_invalid", map[string]any{"starts_at": in(-2 * time.Minute)}},
		"no time at all":     {200, "", map[string]any{"starts_at": nil}},
		"no cap":             {200, "", map[string]any{"cap": 0}},
		"less than none":     {422, "flash_cap_invalid", map[string]any{"cap": -1}},
		"most":               {200, "", map[string]any{"cap": 1_000_000}},
		"more":               {422, "flash_cap_invalid", map[string]any{"cap": 1_000_001}},
		"not sold here":      {409, "product_not_listed", map[string]any{"variant": commerce.NewID[commerce.VariantID]()}},
	} {
		body := w.flash(2900, 2)
		for member, v := range c.change {
			body[member] = v
		}
		if r := w.creator.do("PUT", w.flashPath(newFlash()), body); r.status != c.status || c.code != "" && r.body["code"] != c.code {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
	id := newFlash()
	w.creator.want(200, "", "PUT", w.flashPath(id), w.flash(2900, 2))
	w.creator.want(409, "flash_conflict", "PUT", w.flashPath(id), w.flash(2800, 2))
	other.want(409, "flash_conflict", "PUT", strings.Replace(w.flashPath(id), w.show, theirs, 1), w.flash(2900, 2))
	other.want(404, "flash_unknown", "DELETE", strings.Replace(w.flashPath(id), w.show, theirs, 1), nil)
	other.want(403, "forbidden", "PUT", w.flashPath(newFlash()), w.flash(2900, 2))
	other.want(403, "forbidden", "DELETE", w.flashPath(id), nil)
	w.browser().want(401, "signed_out", "PUT", w.flashPath(newFlash()), w.flash(2900, 2))
	w.creator.want(404, "flash_unknown", "DELETE", w.flashPath(newFlash()), nil)
	w.creator.want(404, "show_unknown", "PUT", "/shows/"+commerce.NewID[commerce.ShowID]().String()+"/flash-prices/"+id, w.flash(2900, 2))
	w.creator.want(200, "", "POST", "/shows/"+w.show+"/end", nil)
	w.creator.want(409, "show_ended", "PUT", w.flashPath(newFlash()), w.flash(2900, 2))
	w.creator.want(409, "show_ended", "DELETE", w.flashPath(id), nil)
	w.creator.want(200, "", "PUT", w.flashPath(id), w.flash(2900, 2)) // what was answered is answered again
}

// A standing price that moves under a flash price: the flash price holds as long as it is the lower one.
func TestStandingPriceChangesUnderAFlashPrice(t *testing.T) {
	w := newShop(t, 10)
	w.creator.want(200, "", "PUT", w.flashPath(newFlash()), w.flash(2900, 5))
	w.browser().want(201, "", "PUT", "/holds/"+newHold(), w.at(2900, 1))
	w.creator.want(200, "", "PUT", w.path(), w.wish(3900, 10))
	if f := w.listed()["flash"].(map[string]any); f["amount"] != 2900.0 || f["left"] != 4.0 {
		t.Fatalf("%v", f)
	}
	w.browser().want(201, "", "PUT", "/holds/"+newHold(), w.at(2900, 1))
	if p := priceOf(t, w.browser().want(409, "price_changed", "PUT", "/holds/"+newHold(), w.at(3900, 1))); p != 2900 {
		t.Fatalf("told %v", p)
	}
	w.creator.want(200, "", "PUT", w.path(), w.wish(2900, 10))
	if w.listed()["flash"] != nil {
		t.Fatal("a flash price that is no lower goes on")
	}
	w.browser().want(201, "", "PUT", "/holds/"+newHold(), w.at(2900, 1))
	if n := w.outbox(`payload->>'t' = 'price.set' and payload->'d'->>'flash' is null and seq > (select max(seq) from outbox where payload->'d'->'flash'->>'amount' = '2900')`); n == 0 {
		t.Fatal("the audience was not told")
	}
}
