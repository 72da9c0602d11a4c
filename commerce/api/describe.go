package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/outbox"
)

// Room is what is said over a show's socket, for the document: the events and calls of commerce are known here, the
// rest is realtime's and comes from the program.
type Room struct {
	Events []outbox.EventKind
	Calls  []CallKind
}

// CallKind says what a page may ask over the socket, and what it is answered.
type CallKind struct {
	Name   string
	Params any      // a zero value of the argument's type
	Reply  any      // nil: it is never answered
	Codes  []string // of refusals
	About  string
}

const (
	schemaPrefix = "#/components/schemas/"

	aboutAPI = `Live-stream shopping: shows, products, holds, orders.

Amounts are whole numbers of minor units, times are RFC 3339 in UTC, ids are made by whoever makes the thing and repeated on a retry. ` +
		`Every refusal is a problem (RFC 9457) with a stable code. A list answers with a cursor, next, for its following page.

What happens in a show comes over the WebSocket at /ws. Its events and calls stand in x-room-events and x-room-calls, their data in the ` +
		`schemas RoomEvents, RoomSamples, RoomCalls and RoomReplies: one member for each type. To be read at /docs.`
)

// Document is the OpenAPI document of this version of the program, made without any store.
func Document(version string, room Room) ([]byte, error) {
	// Operations are described, never run: what they would run on is left empty.
	a := describe(Config{Version: version, Room: room, Sale: Sale{Checkout: &checkout.Service{}}})
	text, err := json.MarshalIndent(a.huma.OpenAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("api document: %w", err)
	}
	return append(text, '\n'), nil
}

// roomEvents is all that a room says, ours first.
func (a *API) roomEvents() []outbox.EventKind {
	return slices.Concat(eventKinds(), a.config.Room.Events)
}

// describeRoom adds the socket's events and calls. OpenAPI has no words for them, so they are an extension, and
// four schemas with a member for each type: for whoever makes types of them.
func (a *API) describeRoom() {
	doc := a.huma.OpenAPI()
	registry := doc.Components.Schemas
	events, said := map[string]any{}, map[string]map[string]*huma.Schema{"RoomEvents": {}, "RoomSamples": {}, "RoomCalls": {}, "RoomReplies": {}}
	for _, k := range a.roomEvents() {
		ref := registry.Schema(reflect.TypeOf(k.Data), true, k.Type)
		entry := map[string]any{"class": k.Class, "data": ref, "description": k.About, "versioned": !k.Unversioned && k.Class != outbox.Sampled}
		if k.Key != "" {
			entry["key"] = k.Key
		}
		if k.KeyMember != "" {
			entry["key_member"] = k.KeyMember
		}
		if _, twice := events[k.Type]; twice {
			panic("api: the event " + k.Type + " is described twice")
		}
		events[k.Type] = entry
		group := "RoomEvents"
		if k.Class == outbox.Sampled {
			group = "RoomSamples"
		}
		said[group][k.Type] = ref
	}
	calls := map[string]any{}
	for _, k := range slices.Concat(ownCalls, a.config.Room.Calls) {
		ref := registry.Schema(reflect.TypeOf(k.Params), true, k.Name)
		entry := map[string]any{"params": ref, "description": k.About, "codes": slices.Concat([]string{}, k.Codes)}
		said["RoomCalls"][k.Name] = ref
		if k.Reply != nil {
			reply := registry.Schema(reflect.TypeOf(k.Reply), true, k.Name+"Reply")
			entry["reply"], said["RoomReplies"][k.Name] = reply, reply
		}
		calls[k.Name] = entry
	}
	for name, members := range said {
		registry.Map()[name] = &huma.Schema{
			Type: huma.TypeObject, Properties: members, Required: sorted(members), AdditionalProperties: false,
			Description: "Never sent as a whole: one member for each type, with its data.",
		}
	}
	doc.Extensions = map[string]any{"x-room-events": events, "x-room-calls": calls}
}

func sorted[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// tighten makes the schemas say what Go says: a pointer may be null, a list is never null, an id has its form.
func (a *API) tighten() {
	registry := a.huma.OpenAPI().Components.Schemas
	for name, s := range registry.Map() {
		if t := registry.TypeFromRef(schemaPrefix + name); t != nil && t.Kind() == reflect.Struct {
			for _, f := range reflect.VisibleFields(t) {
				member, options, _ := strings.Cut(f.Tag.Get("json"), ",")
				if of := s.Properties[member]; of != nil {
					s.Properties[member] = tightened(of, f, strings.Contains(options, "omit"))
				}
			}
		}
	}
	// What huma would say of its own refusals, which are never sent; see fromHuma.
	delete(registry.Map(), "ErrorModel")
	delete(registry.Map(), "ErrorDetail")
}

func tightened(s *huma.Schema, f reflect.StructField, optional bool) *huma.Schema {
	t := f.Type
	if pointer := t.Kind() == reflect.Pointer; pointer {
		t = t.Elem()
		if s.Ref != "" && !optional {
			null := &huma.Schema{Type: "null"}
			return &huma.Schema{AnyOf: []*huma.Schema{{Ref: s.Ref}, null}, Description: s.Description}
		}
		s.Nullable = s.Ref == "" && (!optional || f.Tag.Get("nullable") == "true")
	} else if t.Kind() == reflect.Slice && s.Type == huma.TypeArray {
		s.Nullable = false
	}
	if prefix := idPrefix(t); prefix != "" {
		s.Pattern = "^" + prefix + "[0-9a-f]{32}$"
	}
	return s
}

// idPrefix is how the ids of a type begin, and "" for what is no id.
func idPrefix(t reflect.Type) string {
	if t.PkgPath() != commercePath || !strings.HasPrefix(t.Name(), "ID[") {
		return ""
	}
	some := reflect.New(t).Elem()
	some.Index(0).SetUint(1) // the zero id has no text
	prefix, _, _ := strings.Cut(some.Interface().(fmt.Stringer).String(), "_")
	return prefix + "_"
}

const (
	modulePath   = "github.com/rialto-live/rialto"
	commercePath = modulePath + "/commerce"
	apiPath      = commercePath + "/api"
)

// schemaName names a type in the document. Our own bodies are named after the thing ("showBody" is Show); the data
// of events is named after its package too, unless its name says so already ("show.PinSet" is ShowPinSet).
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	areas := strings.HasPrefix(t.PkgPath(), commercePath+"/") && t.PkgPath() != apiPath || strings.HasPrefix(t.PkgPath(), modulePath+"/realtime/")
	if t.Name() != "" && areas {
		room := path.Base(t.PkgPath())
		if !strings.Contains(strings.ToLower(name), room) {
			name = strings.ToUpper(room[:1]) + room[1:] + name
		}
		return name
	}
	short := name
	for _, suffix := range []string{"Body", "Output", "Input", "Struct"} {
		short = strings.TrimSuffix(short, suffix)
	}
	return cmp.Or(short, name)
}
