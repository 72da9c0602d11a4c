package main

import (
	"net/http"
	"strings"
	"testing"
)

// total is what an answer says that all of it costs.
func (r reply) total() int {
	costs, ok := r.body["costs"].(map[string]any)
	if !ok {
		costs = r.body // of a hold
	}
	amount, _ := costs["total"].(map[string]any)
	minor, _ := amount["amount"].(float64)
	return int(minor)
}

// An operator changes rates and taxes while a node runs: the next buyer is told and pays those, and whoever has paid
// keeps theirs.
func TestOperatorChangesCosts(t *testing.T) {
	m := newMarket(t)
	n := m.node(func(c *Config) { c.ShopCountry = "DE" })
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 3)
	vic, ada := n.guest(), n.guest()
	first, path := vic.hold(pan, 1), orderPath()
	if r := vic.want(http.StatusOK, "", http.MethodGet, "/holds/"+first+"/costs?country=IT", nil); r.total() != 4900+990 || r.text("zone") != "union" {
		t.Fatalf("from Germany to Italy: %s", r)
	}
	vic.want(http.StatusCreated, "", http.MethodPut, path, paying(first, cardGood))
	second := ada.hold(pan, 1)
	shown := paying(second, cardGood)
	shown["total"] = ada.want(http.StatusOK, "", http.MethodGet, "/holds/"+second+"/costs?country=IT", nil).total()

	for line, want := range map[string]string{
		"set-delivery union eur 4":      "rialto: delivery to a union address costs 4.00 EUR per order\n",
		"set-delivery world EUR none":   "rialto: orders in EUR are delivered to no world address any more\n",
		"set-tax it 10 added":           "rialto: the tax of IT is 10 %, added\n",
		"set-tax us-ca 8.125 added":     "rialto: the tax of US-CA is 8.125 %, added\n",
		"set-delivery domestic JPY 650": "rialto: delivery to a domestic address costs 650 JPY per order\n",
	} {
		if code, out, errs := m.command("", append([]string{"admin"}, strings.Fields(line)...)...); code != 0 || out != want || errs != "" {
			t.Fatalf("%s: exit code %d: %q %q", line, code, out, errs)
		}
	}
	refused := ada.want(http.StatusConflict, "total_changed", http.MethodPut, orderPath(), shown)
	if refused.total() != 4900+400+490 || m.count(`select count(*) from orders`) != 1 {
		t.Fatalf("%s", refused)
	}
	shown["total"] = refused.total()
	if r := ada.want(http.StatusCreated, "", http.MethodPut, orderPath(), shown); r.total() != 5790 {
		t.Fatalf("%s", r)
	}
	_, list, _ := m.command("", "admin", "costs")
	listed := map[string]bool{}
	for line := range strings.Lines(list) {
		listed[strings.Join(strings.Fields(line), " ")] = true
	}
	for line, want := range map[string]bool{
		"DELIVERY PER ORDER": true, "union 4.00 EUR": true, "domestic 650 JPY": true, "world 19.90 EUR": false,
		"TAX OF PERCENT CALLED": true, "US-CA 8.125 added Sales tax": true, "IT 10 added Sales tax": true, "CA-QC 14.975 added GST + QST": true,
	} {
		if listed[line] != want {
			t.Errorf("the list has %q: %v\n%s", line, !want, list)
		}
	}
	third := ada.hold(pan, 1)
	ada.want(http.StatusUnprocessableEntity, "delivery_unavailable", http.MethodGet, "/holds/"+third+"/costs?country=JP", nil)
	// Who has paid has paid: read, repeated and listed, it is the order of before.
	for _, r := range []reply{
		vic.want(http.StatusOK, "", http.MethodGet, path, nil), vic.want(http.StatusOK, "", http.MethodPut, path, paying(first, cardGood)),
	} {
		if r.total() != 5890 {
			t.Errorf("an old order costs %d: %s", r.total(), r)
		}
	}
	m.clean(n)
}

func TestOperatorIsToldWhatIsWrong(t *testing.T) {
	m := newMarket(t)
	for _, line := range []string{
		"set-delivery", "set-delivery world EUR", "set-delivery moon EUR 5", "set-delivery world XXX 5", "set-delivery world EUR 5,90", "set-delivery world EUR -5",
		"set-delivery world JPY 5.5", "set-delivery moon EUR none", "set-delivery world XXX none", "set-delivery world EUR 5 more", "set-delivery world EUR 10000000001",
		"set-tax", "set-tax IT 22", "set-tax XX 22 included", "set-tax US-QC 5 added", "set-tax IT-VE 5 added", "set-tax IT 101 included", "set-tax IT -1 included",
		"set-tax IT 22 maybe", "costs now", "set-everything",
	} {
		code, out, errs := m.command("", append([]string{"admin"}, strings.Fields(line)...)...)
		if code != exitUsage || out != "" || !strings.HasPrefix(errs, "rialto: ") {
			t.Errorf("%s: exit code %d: %q %q", line, code, out, errs)
		}
	}
	if n := m.count(`select count(*) from delivery_rate where changed_at > (select min(changed_at) from delivery_rate)`); n != 0 {
		t.Errorf("%d rates were changed", n)
	}
}
