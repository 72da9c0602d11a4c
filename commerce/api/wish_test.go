package api_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/api"
)

// both is a tap for a pan of the creator's and a wok of the brand's.
func (m *market) both(woks int) map[string]any {
	return map[string]any{"show": m.show, "lines": []any{
		map[string]any{"variant": m.variant, "quantity": 1},
		map[string]any{"variant": m.sizes[0], "quantity": woks, "unit": 5900},
	}}
}

// Several things are held, paid and sent together, or nothing is held and the refusal names the thing it is about.
func TestSeveralThingsInOneTap(t *testing.T) {
	m := newMarket(t)
	m.brand.want(200, "", "PUT", m.stock(m.sizes[0]), units(3))
	hold := newHold()
	for name, refused := range map[string]struct {
		woks   int
		code   string
		status int
		of     string
	}{
		"too many":         {4, "sold_out", 409, m.sizes[0]},
		"an absurd number": {11, "quantity_invalid", 422, m.sizes[0]},
	} {
		r := m.visitor.want(refused.status, refused.code, "PUT", "/holds/"+hold, m.both(refused.woks))
		if r.body["variant"] != refused.of || refused.code == "sold_out" && r.body["left"] != 3.0 {
			t.Errorf("%s: %s", name, r.raw)
		}
	}
	dear := m.both(1)
	dear["lines"].([]any)[0].(map[string]any)["unit"] = 1
	r := m.visitor.want(409, "price_changed", "PUT", "/holds/"+hold, dear)
	if price := r.body["price"].(map[string]any); price["amount"] != 4900.0 || r.body["variant"] != m.variant.String() {
		t.Errorf("%s", r.raw)
	}
	r = m.visitor.want(201, "", "PUT", "/holds/"+hold, m.both(2))
	lines := r.body["lines"].([]any)
	if r.body["id"] != hold || len(lines) != 2 || r.body["total"].(map[string]any)["amount"] != 4900.0+2*5900 {
		t.Fatalf("%s", r.raw)
	}
	m.visitor.want(200, "", "PUT", "/holds/"+hold, m.both(2))
	m.visitor.want(200, "", "GET", "/holds/"+hold, nil)
	other := lines[1].(map[string]any)["id"].(string)
	if other == hold {
		other = lines[0].(map[string]any)["id"].(string)
	}
	m.visitor.want(404, "hold_unknown", "GET", "/holds/"+other, nil)
	if _, holds, _ := m.visitor.mine(); len(holds) != 1 || len(holds[0].(map[string]any)["lines"].([]any)) != 2 {
		t.Errorf("mine: %v", holds)
	}
	order := newOrder()
	r = m.visitor.want(201, "", "PUT", "/orders/"+order, pay(hold, "4242424242424242"))
	if lines := r.body["lines"].([]any); len(lines) != 2 {
		t.Errorf("%s", r.raw)
	}
	// Each owner sends their own.
	for who, title := range map[*browser]string{m.brand: "Carbon-steel wok", m.creator: "Copper pan"} {
		r := who.want(200, "", "GET", "/orders/sold", nil)
		sold := r.body["orders"].([]any)
		if len(sold) != 1 {
			t.Fatalf("%s", r.raw)
		}
		lines := sold[0].(map[string]any)["lines"].([]any)
		if len(lines) != 1 || !strings.HasPrefix(lines[0].(map[string]any)["title"].(string), title) {
			t.Errorf("%s", r.raw)
		}
	}
	gone := newHold()
	m.visitor.want(201, "", "PUT", "/holds/"+gone, m.both(1))
	for range 2 {
		m.visitor.want(204, "", "DELETE", "/holds/"+gone, nil)
	}
	m.visitor.want(410, "hold_expired", "PUT", "/holds/"+gone, m.both(1))
}

func TestATapIsForOneThingOrForSeveral(t *testing.T) {
	m := newMarket(t)
	line := map[string]any{"variant": m.variant, "quantity": 1}
	for name, body := range map[string]map[string]any{
		"nothing": {}, "no lines": {"lines": []any{}}, "a number of nothing": {"quantity": 1},
		"both":       {"variant": m.variant, "quantity": 1, "lines": []any{line}},
		"a quantity": {"quantity": 1, "lines": []any{line}}, "a line of nothing": {"lines": []any{map[string]any{"quantity": 1}}},
		"eleven": {"lines": []any{line, line, line, line, line, line, line, line, line, line, line}},
	} {
		body["show"] = m.show
		if r := m.visitor.want(422, "invalid", "PUT", "/holds/"+newHold(), body); r.body["errors"] == nil {
			t.Errorf("%s: %s", name, r.raw)
		}
	}
	m.visitor.want(201, "", "PUT", "/holds/"+newHold(), map[string]any{"show": m.show, "lines": []any{line}})
}

// The same in a room.
func TestSeveralThingsInARoom(t *testing.T) {
	m := newMarket(t)
	m.brand.want(200, "", "PUT", m.stock(m.sizes[0]), units(1))
	show, err := commerce.Parse[commerce.ShowID](m.show)
	if err != nil {
		t.Fatal(err)
	}
	wok, err := commerce.Parse[commerce.VariantID](m.sizes[0])
	if err != nil {
		t.Fatal(err)
	}
	tap := func() (any, *api.Problem) {
		return m.api.PutHold(t.Context(), api.Tapper{Show: show, Subject: commerce.NewID[commerce.GuestID]().String(), Addr: netip.MustParseAddr("127.0.0.1")},
			api.HoldPut{Hold: commerce.NewID[commerce.HoldID](), Wish: api.Wish{Lines: []api.WishLine{{Variant: m.variant, Quantity: 1}, {Variant: wok, Quantity: 1}}}})
	}
	if body, refused := tap(); refused != nil || body == nil {
		t.Fatalf("%+v", refused)
	}
	_, refused := tap()
	if refused == nil || refused.Code != "sold_out" || refused.Extra["variant"] != wok {
		t.Fatalf("%+v", refused)
	}
	if members, err := refused.Members(); err != nil || !strings.Contains(string(members), m.sizes[0]) {
		t.Errorf("%s, %v", members, err)
	}
}
