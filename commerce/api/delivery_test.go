package api_test

import (
	"maps"
	"net/url"
	"strings"
	"testing"
)

// address is where Vic lives; change is member, value, member, value ….
func address(change ...string) map[string]any {
	a := map[string]any{"name": "Vic Rossi", "line1": "Via del Ponte 4", "line2": "", "city": "Venezia", "region": "", "postcode": "30124", "country": "IT"}
	for i := 0; i < len(change); i += 2 {
		a[change[i]] = change[i+1]
	}
	return a
}

// take takes one unit for somebody.
func (w *shop) take(b *browser) string {
	w.t.Helper()
	id := newHold()
	b.want(201, "", "PUT", "/holds/"+id, map[string]any{"show": w.show, "variant": w.variant, "quantity": 1})
	return id
}

func amount(minor int, currency string) map[string]any {
	return map[string]any{"amount": float64(minor), "currency": currency}
}

func TestCountriesAreListedForEverybody(t *testing.T) {
	w := newShop(t, 1)
	r := w.browser().want(200, "", "GET", "/delivery/countries", nil)
	if r.header.Get("Cache-Control") != "public, max-age=3600" || r.body["home"] != "IT" {
		t.Errorf("%v, home %v", r.header, r.body["home"])
	}
	withRegions := map[string]int{}
	for _, one := range r.body["countries"].([]any) {
		c := one.(map[string]any)
		regions, _ := c["regions"].([]any)
		withRegions[c["code"].(string)] = len(regions)
	}
	for code, want := range map[string]int{"IT": 0, "US": 54, "CA": 13, "JP": 0} {
		if got, ok := withRegions[code]; !ok || got != want {
			t.Errorf("%s has %d regions, want %d", code, got, want)
		}
	}
}

func TestCostsOfAHold(t *testing.T) {
	w := newShop(t, 3)
	vic, eve := w.browser(), w.browser()
	vic.want(200, "", "GET", "/me", nil)
	hold := w.take(vic)
	path := "/holds/" + hold + "/costs?country="
	for query, want := range map[string]map[string]any{
		"IT": {"goods": amount(4900, "EUR"), "delivery": amount(490, "EUR"), "total": amount(5390, "EUR"), "zone": "domestic",
			"tax": map[string]any{"amount": amount(972, "EUR"), "rate_bp": 2200.0, "included": true, "name": "VAT 22 %"}},
		"us&region=mn": {"goods": amount(4900, "EUR"), "delivery": amount(1990, "EUR"), "total": amount(7227, "EUR"), "zone": "world",
			"tax": map[string]any{"amount": amount(337, "EUR"), "rate_bp": 687.5, "included": false, "name": "Sales tax 6.875 %"}},
		"JP&postcode=100-0001": {"goods": amount(4900, "EUR"), "delivery": amount(1990, "EUR"), "total": amount(6890, "EUR"), "zone": "world",
			"tax": map[string]any{"amount": amount(0, "EUR"), "rate_bp": 0.0, "included": false, "name": ""}},
	} {
		r := vic.want(200, "", "GET", path+query, nil)
		for member, value := range want {
			if got := r.body[member]; !sameJSON(got, value) {
				t.Errorf("%s: %s is %v, want %v", query, member, got, value)
			}
		}
		if r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("costs may be cached: %v", r.header)
		}
	}
	vic.want(422, "delivery_unavailable", "GET", path+"XX", nil)
	vic.want(422, "region_needed", "GET", path+"US", nil)
	vic.want(422, "region_needed", "GET", path+"US&region=QC", nil)
	vic.want(422, "invalid", "GET", "/holds/"+hold+"/costs", nil)
	vic.want(422, "invalid", "GET", path+url.QueryEscape(strings.Repeat("I", 3)), nil)
	eve.want(404, "hold_unknown", "GET", path+"IT", nil)
	eve.want(200, "", "GET", "/me", nil)
	eve.want(404, "hold_unknown", "GET", path+"IT", nil)
	vic.want(404, "hold_unknown", "GET", "/holds/"+newHold()+"/costs?country=IT", nil)
	if _, err := w.pool.Exec(t.Context(), `delete from delivery_rate where zone = 'world'`); err != nil {
		t.Fatal(err)
	}
	vic.want(422, "delivery_unavailable", "GET", path+"JP", nil)
	vic.want(204, "", "DELETE", "/holds/"+hold, nil)
	vic.want(410, "hold_expired", "GET", path+"IT", nil)
}

// sameJSON compares what JSON has made of two values.
func sameJSON(a, b any) bool {
	one, ok := a.(map[string]any)
	if !ok {
		return a == b
	}
	other, ok := b.(map[string]any)
	return ok && maps.EqualFunc(one, other, sameJSON)
}

func TestAnAccountKeepsOneAddress(t *testing.T) {
	s := newSite(t)
	vic, _ := s.signUp("vic")
	ada, _ := s.signUp("ada")
	nobody := s.browser()
	for _, method := range []string{"GET", "DELETE"} {
		nobody.want(401, "signed_out", method, "/me/address", nil)
	}
	nobody.want(401, "signed_out", "PUT", "/me/address", address())
	if r := vic.want(200, "", "GET", "/me/address", nil); r.body["address"] != nil {
		t.Errorf("%s", r.raw)
	}
	for range 2 {
		r := vic.want(200, "", "PUT", "/me/address", address("name", "  Vic  Rossi ", "country", "it", "postcode", "I-30124"))
		if !sameJSON(r.body["address"], address()) {
			t.Errorf("kept %s", r.raw)
		}
	}
	california := address("country", "US", "region", "CA", "postcode", "90210")
	vic.want(200, "", "PUT", "/me/address", california)
	if r := vic.want(200, "", "GET", "/me/address", nil); !sameJSON(r.body["address"], california) {
		t.Errorf("another one replaces it: %s", r.raw)
	}
	if r := ada.want(200, "", "GET", "/me/address", nil); r.body["address"] != nil {
		t.Errorf("somebody else reads %s", r.raw)
	}
	ada.want(204, "", "DELETE", "/me/address", nil)
	if r := vic.want(200, "", "GET", "/me/address", nil); r.body["address"] == nil {
		t.Error("somebody else has deleted it")
	}
	for range 2 {
		vic.want(204, "", "DELETE", "/me/address", nil)
	}
	if r := vic.want(200, "", "GET", "/me/address", nil); r.body["address"] != nil {
		t.Errorf("%s", r.raw)
	}
}

func TestAWrongAddressIsToldByItsMembers(t *testing.T) {
	s := newSite(t)
	vic, _ := s.signUp("vic")
	r := vic.want(422, "address_invalid", "PUT", "/me/address", address("line1", "a\nb", "city", "", "postcode", "1", "country", "IT"))
	fields, _ := r.body["fields"].(map[string]any)
	if len(fields) != 3 || fields["line1"] == nil || fields["city"] == nil || !strings.Contains(fields["postcode"].(string), "12345") {
		t.Errorf("%s", r.raw)
	}
	r = vic.want(422, "region_needed", "PUT", "/me/address", address("country", "US", "postcode", "90210"))
	if fields, _ := r.body["fields"].(map[string]any); len(fields) != 1 || fields["region"] == nil {
		t.Errorf("%s", r.raw)
	}
	vic.want(422, "address_invalid", "PUT", "/me/address", address("name", strings.Repeat("ä", 121)))
	vic.want(422, "address_invalid", "PUT", "/me/address", address("country", "Italy"))
	vic.want(422, "invalid", "PUT", "/me/address", map[string]any{"name": "Vic"})
	vic.want(413, "body_too_large", "PUT", "/me/address", strings.Repeat(" ", 17<<10)+"{}")
	// At the limits, written as escapes.
	full := `"` + strings.Repeat(`\ud83c\udf81`, 119) + `a"`
	vic.want(200, "", "PUT", "/me/address", `{"name":`+full+`,"line1":`+full+`,"line2":`+full+`,"city":"`+strings.Repeat(`\u00e4`, 80)+
		`","region":"","postcode":"30124","country":"IT"}`)
}

// A buyer pays what the page showed, sent where they said, and the order says both for good.
func TestPayingWithAnAddress(t *testing.T) {
	w := newShop(t, 3)
	vic, _ := w.signUp("vic")
	hold, id := w.take(vic), newOrder()
	body := pay(hold, "4242424242424242")
	body["delivery"], body["total"], body["save"] = address("country", "us", "region", "ca", "postcode", "90210"), 7244, true
	r := vic.want(409, "total_changed", "PUT", "/orders/"+id, body)
	costs, _ := r.body["costs"].(map[string]any)
	if !sameJSON(costs["total"], amount(7245, "EUR")) || !sameJSON(costs["delivery"], amount(1990, "EUR")) {
		t.Fatalf("%s", r.raw)
	}
	if r := vic.want(200, "", "GET", "/me/address", nil); r.body["address"] != nil {
		t.Fatalf("the address of an order that was not made is kept: %s", r.raw)
	}
	body["total"] = costs["total"].(map[string]any)["amount"]
	r = vic.want(201, "", "PUT", "/orders/"+id, body)
	california := address("country", "US", "region", "CA", "postcode", "90210")
	if !sameJSON(r.body["costs"], costs) || !sameJSON(r.body["total"], costs["total"]) || !sameJSON(r.body["delivery"], california) {
		t.Errorf("%s", r.raw)
	}
	if r := vic.want(200, "", "GET", "/me/address", nil); !sameJSON(r.body["address"], california) {
		t.Errorf("kept %s", r.raw)
	}
	// Repeated with another total and another address it is the same order still.
	body["total"], body["delivery"] = 1, address("country", "XX")
	if again := vic.want(200, "", "PUT", "/orders/"+id, body); !sameJSON(again.body["costs"], costs) || !sameJSON(again.body["delivery"], california) {
		t.Errorf("%s", again.raw)
	}
	link := strings.SplitN(r.body["link"].(string), "?", 2)[1]
	if r := w.browser().want(200, "", "GET", "/orders/"+id+"?"+link, nil); !sameJSON(r.body["delivery"], california) {
		t.Errorf("by its link: %s", r.raw)
	}

	hold = w.take(vic)
	for code, change := range map[string]map[string]any{
		"address_invalid":      {"delivery": address("city", "")},
		"region_needed":        {"delivery": address("country", "US", "postcode", "90210")},
		"invalid":              {"delivery": nil},
		"delivery_unavailable": {"delivery": address("country", "JP", "postcode", "100-0001")},
		"amount_too_large":     {"delivery": address("country", "DE", "postcode", "10115")},
	} {
		if _, err := w.pool.Exec(t.Context(), `delete from delivery_rate where zone = 'world'`); err != nil {
			t.Fatal(err)
		}
		if _, err := w.pool.Exec(t.Context(), `update delivery_rate set amount = 1000000000000 where zone = 'union'`); err != nil {
			t.Fatal(err)
		}
		body := pay(hold, "4242424242424242")
		maps.Copy(body, change)
		vic.want(422, code, "PUT", "/orders/"+newOrder(), body)
	}
	vic.want(422, "amount_too_large", "GET", "/holds/"+hold+"/costs?country=DE", nil)
	missing := pay(hold, "4242424242424242")
	delete(missing, "delivery")
	vic.want(422, "invalid", "PUT", "/orders/"+newOrder(), missing)
}
