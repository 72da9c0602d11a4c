package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rialto-live/rialto/commerce/order"
)

// buys takes a unit of a variant, pays it, and answers the order's id.
func (m *market) buys(b *browser, variant string, change ...string) string {
	m.t.Helper()
	hold, id := newHold(), newOrder()
	b.want(201, "", "PUT", "/holds/"+hold, map[string]any{"show": m.show, "variant": variant, "quantity": 1})
	body := pay(hold, "4242424242424242")
	body["delivery"] = address(change...)
	b.want(201, "", "PUT", "/orders/"+id, body)
	return id
}

func idsOf(r reply) (ids []string) {
	for _, o := range r.body["orders"].([]any) {
		ids = append(ids, o.(map[string]any)["id"].(string))
	}
	return ids
}

// Whoever owns what was bought sends it, so sees where it goes, and nobody else does.
func TestOwnersSeeWhatTheyHaveToSend(t *testing.T) {
	m := newMarket(t)
	m.brand.want(200, "", "PUT", m.stock(m.sizes[0]), units(3))
	viewer, _ := m.signUp("vic")
	wok := m.buys(m.visitor, m.sizes[0], "line1", "Calle Larga 9")
	pan := m.buys(viewer, m.variant.String(), "line1", "Riva 2")
	// Not sold: held, declined.
	held, declined := newHold(), newHold()
	m.visitor.want(201, "", "PUT", "/holds/"+held, map[string]any{"show": m.show, "variant": m.sizes[0], "quantity": 1})
	m.visitor.want(201, "", "PUT", "/holds/"+declined, map[string]any{"show": m.show, "variant": m.sizes[0], "quantity": 1})
	m.visitor.want(402, "card_declined", "PUT", "/orders/"+newOrder(), pay(declined, "4000000000000002"))

	r := m.brand.want(200, "", "GET", "/orders/sold", nil)
	if got := idsOf(r); !slices.Equal(got, []string{wok}) || r.body["next"] != nil {
		t.Fatalf("the brand has to send %v: %s", got, r.raw)
	}
	o := r.body["orders"].([]any)[0].(map[string]any)
	line := o["lines"].([]any)[0].(map[string]any)
	if !sameJSON(o["delivery"], address("line1", "Calle Larga 9")) || o["email"] != "vic@example.com" || o["show"].(map[string]any)["title"] != "Mara's kitchen" ||
		o["show"].(map[string]any)["id"] != m.show || !strings.HasPrefix(line["title"].(string), "Carbon-steel wok") || o["receipt"].(map[string]any)["number"] == "" ||
		r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s", r.raw)
	}
	// The show's creator sends her pan. Of the brand's wok she sees name and lines, not where it goes.
	r = m.creator.want(200, "", "GET", "/orders/sold", nil)
	if got := idsOf(r); !slices.Equal(got, []string{pan}) || strings.Contains(string(r.raw), "Calle Larga") {
		t.Errorf("the creator has to send %v: %s", got, r.raw)
	}
	sales := m.creator.want(200, "", "GET", "/shows/"+m.show+"/sales", nil)
	if len(idsOf(sales)) != 2 || strings.Contains(string(sales.raw), "Calle") || strings.Contains(string(sales.raw), "30124") {
		t.Errorf("the creator's sales: %s", sales.raw)
	}
	for name, b := range map[string]*browser{"another brand": m.rival, "a viewer": viewer} {
		if r := b.want(200, "", "GET", "/orders/sold", nil); len(idsOf(r)) != 0 || strings.Contains(string(r.raw), "Venezia") {
			t.Errorf("%s reads %s", name, r.raw)
		}
	}
	m.visitor.want(401, "signed_out", "GET", "/orders/sold", nil)
	m.brand.want(404, "order_unknown", "GET", "/orders/"+wok, nil) // the buyer's own page is theirs alone
	m.brand.want(422, "cursor_invalid", "GET", "/orders/sold?cursor=x", nil)
}

func TestSoldOrdersComeInPages(t *testing.T) {
	m := newMarket(t)
	m.brand.want(200, "", "PUT", m.stock(m.sizes[0]), units(order.PageSize+1))
	var want []string
	for range order.PageSize + 1 {
		want = append(want, m.buys(m.browser(), m.sizes[0])) // one person may not have that many
	}
	slices.Reverse(want)
	first := m.brand.want(200, "", "GET", "/orders/sold", nil)
	next, _ := first.body["next"].(string)
	if got := idsOf(first); !slices.Equal(got, want[:order.PageSize]) || next == "" {
		t.Fatalf("the first page has %d, next %q", len(got), next)
	}
	second := m.brand.want(200, "", "GET", "/orders/sold?cursor="+next, nil)
	if got := idsOf(second); !slices.Equal(got, want[order.PageSize:]) || second.body["next"] != nil {
		t.Fatalf("the second page has %v", got)
	}
	m.visitor.want(422, "cursor_invalid", "GET", "/orders/mine?cursor="+next, nil) // it is of another list
}
