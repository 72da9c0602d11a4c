package api_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

// line is what another area might say in a room.
type line struct {
	Text string  `json:"text"`
	By   *person `json:"by"`
}

type person struct {
	Name string `json:"name"`
}

var someRoom = api.Room{
	Events: []outbox.EventKind{{Type: "some.line", Class: outbox.Sampled, Data: line{}}, {Type: "some.count", Class: outbox.Latest, Unversioned: true, Data: person{}}},
	Calls:  []api.CallKind{{Name: "some.say", Params: line{}, Reply: person{}, Codes: []string{"too_loud"}}, {Name: "some.wave", Params: person{}}},
}

// document is the one of someRoom, and a way to its schemas.
func document(t *testing.T) (map[string]any, func(name string) *jsonschema.Schema) {
	t.Helper()
	text, err := api.Document("test", someRoom)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return doc.(map[string]any), func(name string) *jsonschema.Schema {
		t.Helper()
		s, err := c.Compile("openapi.json#/components/schemas/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func at(v any, path ...string) any {
	for _, member := range path {
		m, _ := v.(map[string]any)
		v = m[member]
	}
	return v
}

// Served or printed, it is the same document.
func TestTheDocumentNeedsNoStore(t *testing.T) {
	s := newShop(t, 1, func(w *shop) { w.room, w.version = someRoom, "test" })
	var served, printed any
	text, err := api.Document("test", someRoom)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &printed); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(s.browser().do("GET", "/openapi.json", nil).raw, &served); err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(served)
	b, _ := json.Marshal(printed)
	if !bytes.Equal(a, b) {
		t.Errorf("served %d bytes, printed %d", len(a), len(b))
	}
}

func TestWhatARoomSaysIsDescribed(t *testing.T) {
	doc, schema := document(t)
	events, _ := doc["x-room-events"].(map[string]any)
	for _, k := range slices.Concat(show.Kinds, someRoom.Events) {
		e := events[k.Type]
		name := strings.TrimPrefix(at(e, "data", "$ref").(string), "#/components/schemas/")
		if at(e, "class") != string(k.Class) || at(e, "versioned") != (k.Class != outbox.Sampled && !k.Unversioned) || (k.Key != "") != (at(e, "key") != nil) {
			t.Errorf("%s: %v", k.Type, e)
		}
		var data any
		raw, err := json.Marshal(k.Data)
		if err == nil {
			err = json.Unmarshal(raw, &data)
		}
		if err != nil {
			t.Fatal(err)
		}
		data.(map[string]any)["surprise"] = 1
		if err := schema(name).Validate(data); err == nil {
			t.Errorf("%s: a member that nobody knows is let through", k.Type)
		}
	}
	for group, want := range map[string]string{
		"RoomEvents": "some.count", "RoomSamples": "some.line", "RoomCalls": "some.say some.wave", "RoomReplies": "some.say",
	} {
		members, _ := at(doc, "components", "schemas", group, "properties").(map[string]any)
		for _, name := range strings.Fields(want) {
			if members[name] == nil {
				t.Errorf("%s has no %s: %v", group, name, slices.Sorted(maps.Keys(members)))
			}
		}
	}
	say := at(doc, "x-room-calls", "some.say")
	if at(say, "params", "$ref") == nil || at(say, "reply", "$ref") == nil || at(doc, "x-room-calls", "some.wave", "reply") != nil {
		t.Errorf("calls: %v", doc["x-room-calls"])
	}
}

// A schema says no less than the Go type does.
func TestSchemasAreTight(t *testing.T) {
	doc, schema := document(t)
	type values map[string]any
	good := values{
		"id": "ord_" + strings.Repeat("a", 32), "hold": "hld_" + strings.Repeat("a", 32), "show": "shw_" + strings.Repeat("a", 32), "state": "captured",
		"total": map[string]any{"amount": 1, "currency": "EUR"}, "email": "", "lines": []any{}, "created_at": "2026-01-02T03:04:05Z", "receipt": nil, "link": "/",
		"payment":  map[string]any{"state": "open", "action_url": nil, "decline": nil},
		"delivery": nil, "costs": map[string]any{
			"goods": map[string]any{"amount": 1, "currency": "EUR"}, "delivery": map[string]any{"amount": 0, "currency": "EUR"}, "zone": "union",
			"total": map[string]any{"amount": 1, "currency": "EUR"}, "tax": map[string]any{"amount": map[string]any{"amount": 0, "currency": "EUR"}, "rate_bp": 687.5, "included": true, "name": ""},
		},
	}
	valid := schema("Order")
	if err := valid.Validate(map[string]any(good)); err != nil {
		t.Errorf("a good order: %v", err)
	}
	for member, bad := range map[string]any{
		"id": "hld_" + strings.Repeat("a", 32), "state": "paid", "lines": nil, "created_at": "yesterday", "receipt": map[string]any{}, "total": nil, "costs": nil, "delivery": map[string]any{}, "email": nil, "payment": map[string]any{"state": "open"},
	} {
		other := maps.Clone(good)
		other[member] = bad
		if valid.Validate(map[string]any(other)) == nil {
			t.Errorf("%s may be %v", member, bad)
		}
		delete(other, member)
		if valid.Validate(map[string]any(other)) == nil {
			t.Errorf("%s may be missing", member)
		}
	}
	for name := range at(doc, "components", "schemas").(map[string]any) {
		if strings.HasPrefix(name, "Error") || strings.HasSuffix(name, "Body") || strings.HasSuffix(name, "Output") || strings.HasPrefix(name, "V2") {
			t.Errorf("the schema %s is not named after the thing", name)
		}
	}
}

// The words of struct tags are those of the machines.
func TestEnumsAreWhole(t *testing.T) {
	doc, _ := document(t)
	texts := func(v any) (out []string) {
		list, _ := v.([]any)
		for _, one := range list {
			out = append(out, one.(string))
		}
		return out
	}
	schemas := at(doc, "components", "schemas")
	for where, c := range map[string]struct {
		got  any
		want []string
	}{
		"order": {at(schemas, "Order", "properties", "state", "enum"), words(order.States())},
		"sold":  {at(schemas, "SoldOrder", "properties", "state", "enum"), words(order.States())},
		"zone":  {at(schemas, "Costs", "properties", "zone", "enum"), words(delivery.Zones())},
		"sale":  {at(schemas, "Sale", "properties", "state", "enum"), words(order.States())},
		"hold":  {at(schemas, "Hold", "properties", "state", "enum"), words(stock.States())},
		"roles": {at(schemas, "Account", "properties", "roles", "items", "enum"), words([]account.Role{account.Creator, account.Viewer, account.Brand, account.Operator})},
		"show":  {at(schemas, "Show", "properties", "state", "enum"), words([]show.State{show.Scheduled, show.Live, show.Ended})},
		"event": {at(schemas, "ShowStateSet", "properties", "state", "enum"), words([]show.State{show.Scheduled, show.Live, show.Ended})},
	} {
		got := texts(c.got)
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: the document has %v, the program %v", where, got, c.want)
		}
	}
}

func words[S ~string](of []S) (out []string) {
	for _, one := range of {
		out = append(out, string(one))
	}
	return out
}

func TestRoomTicket(t *testing.T) {
	s := newSite(t)
	mara, id := s.signUp("mara", "creator")
	r := mara.want(200, "", "POST", "/room-ticket", nil)
	claims, err := s.signer.Verify(guard.Room, r.body["token"].(string))
	if err != nil || claims.Subject != id || claims.Session == "" {
		t.Errorf("%+v, %v", claims, err)
	}
	expires, err := time.Parse(time.RFC3339, r.body["expires_at"].(string))
	if left := time.Until(expires); err != nil || left <= 0 || left > api.RoomTicketLife || claims.Expires != expires.Unix() {
		t.Errorf("it expires in %v, %v", left, err)
	}
	// A ticket opens rooms and nothing else.
	for _, other := range []guard.Kind{guard.Guest, guard.Publish, guard.Order} {
		if _, err := s.signer.Verify(other, r.body["token"].(string)); err == nil {
			t.Errorf("it passes as %s", other)
		}
	}
	// Somebody unknown becomes a guest, and stays the same one.
	nobody := s.browser()
	first, err := s.signer.Verify(guard.Room, nobody.want(200, "", "POST", "/room-ticket", nil).body["token"].(string))
	if me := nobody.want(200, "", "GET", "/me", nil).body["subject"]; err != nil || first.Session != "" || me != first.Subject {
		t.Errorf("%+v, then %v; %v", first, me, err)
	}
}
