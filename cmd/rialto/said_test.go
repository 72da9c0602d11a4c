package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/realtime"
)

// described is the document that a node serves, and what its schemas say.
type described struct {
	t        *testing.T
	document any
	compiler *jsonschema.Compiler
}

func (n *running) described() *described {
	t := n.market.t
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(get(t, n.url+"/api/v1/openapi.json").raw))
	if err != nil {
		t.Fatal(err)
	}
	d := &described{t: t, document: document, compiler: jsonschema.NewCompiler()}
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource("openapi.json", document); err != nil {
		t.Fatal(err)
	}
	return d
}

// at reads a member of a member of the document.
func (d *described) at(path ...string) any {
	v := d.document
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// check holds data against the schema that stands at a path of the document.
func (d *described) check(what string, data json.RawMessage, path ...string) {
	d.t.Helper()
	ref, _ := d.at(append(path, "$ref")...).(string)
	schema, err := d.compiler.Compile("openapi.json" + ref)
	if ref == "" || err != nil {
		d.t.Errorf("%s is not described: %v", what, err)
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err == nil {
		err = schema.Validate(value)
	}
	if err != nil {
		d.t.Errorf("%s is not as described: %v\n%s", what, err, data)
	}
}

// event checks one event as the bus carries it.
func (d *described) event(e realtime.Event) {
	d.t.Helper()
	what, entry := e.Type+" "+e.Key, []string{"x-room-events", e.Type}
	if e.Add == 0 { // what is added up has its data from the room
		d.check(what, e.Data, append(entry, "data")...)
	}
	if class := d.at(append(entry, "class")...); class != string(e.Class) {
		d.t.Errorf("%s is of class %s, described as %v", what, e.Class, class)
	}
	if versioned := d.at(append(entry, "versioned")...); versioned != (e.Version != 0) {
		d.t.Errorf("%s has version %d; described as versioned: %v", what, e.Version, versioned)
	}
	want, _ := d.at(append(entry, "key")...).(string)
	if member, ok := d.at(append(entry, "key_member")...).(string); ok {
		var data map[string]any
		_ = json.Unmarshal(e.Data, &data) // it is one: that was checked
		want, _ = data[member].(string)
	}
	if e.Key != want {
		d.t.Errorf("%s: its key is described as %q", what, want)
	}
}

// last is the newest frame of a kind that has no key.
func (s *seat) last(kind string) said {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state[kind+" "]
}

// ear hears all that is said in a room, on one node.
type ear struct {
	mu    sync.Mutex
	heard []realtime.Event // guarded by mu
}

func (n *running) ear(show string) *ear {
	t := n.market.t
	t.Helper()
	_, feed, err := n.bus.Subscribe(t.Context(), realtime.RoomID(show))
	if err != nil {
		t.Fatal(err)
	}
	e, quit := &ear{}, make(chan struct{})
	var listening sync.WaitGroup
	listening.Go(func() {
		for {
			select {
			case <-quit:
				return
			case <-feed.Ready():
			}
			e.mu.Lock()
			for _, delivery := range feed.Take() {
				if delivery.Event.Type != "" {
					e.heard = append(e.heard, delivery.Event)
				}
			}
			e.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		close(quit)
		listening.Wait()
		feed.Close()
	})
	return e
}

func (e *ear) all() []realtime.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.heard)
}

// calls makes each call of the document once, and answers the hold that one of them takes.
func (s *seat) calls(document *described, pan ware) (hold string) {
	s.t.Helper()
	hold = newHold()
	made := map[string]map[string]any{
		"chat.say": {"text": "Good evening"}, "hearts.send": {"count": 3}, "hold.put": {"hold": hold, "variant": pan.variant, "quantity": 1},
	}
	for name, described := range document.at("x-room-calls").(map[string]any) {
		params, replies := made[name], described.(map[string]any)["reply"] != nil
		raw, err := json.Marshal(params)
		if err != nil {
			s.t.Fatal(err)
		}
		document.check("the call "+name, raw, "x-room-calls", name, "params")
		call := map[string]any{"t": "call", "call": name, "d": params}
		if replies {
			call["id"] = "first"
		}
		if err := s.conn.WriteJSON(call); err != nil {
			s.t.Fatal(err)
		}
		if replies {
			s.await(name+" is answered", func(s *seat) bool { return len(s.state["reply "].Data) > 0 })
			document.check("the reply of "+name, s.last("reply").Data, "x-room-calls", name, "reply")
			s.forget("reply ")
		}
	}
	s.await("the hearts and the line are shown", func(s *seat) bool { return len(s.sampled) >= 2 })
	return hold
}

// forget lets the next of a kind be waited for.
func (s *seat) forget(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.state, kind)
}

// The table of calls in realtime's protocol says what the document does.
func TestTheProtocolListsTheCalls(t *testing.T) {
	text, err := os.ReadFile("../../realtime/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "\n## Calls\n")
	part, _, _ = strings.Cut(part, "\n## ")
	raw, err := api.Document("test", roomKinds)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Calls map[string]struct{ Codes []string } `json:"x-room-calls"`
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	want := []string{"any other: " + realtime.CallUnknown}
	for name, call := range document.Calls {
		want = append(want, "`"+name+"`: "+strings.Join(call.Codes, ", "))
	}
	var got []string
	for line := range strings.Lines(part) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if first := strings.TrimSpace(cells[0]); len(cells) == 4 && first != "Call" && !strings.HasPrefix(first, "-") {
			got = append(got, first+": "+strings.TrimSpace(cells[3]))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("protocol.md:\n%s\nthe document:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// talks lets everything be said that those in charge say of the talk in a show.
func (p *person) talks(show string) {
	p.t.Helper()
	base := "/shows/" + show
	p.want(http.StatusNoContent, "", http.MethodPut, base+"/talk", map[string]any{"slow_seconds": 1})
	p.want(http.StatusOK, "", http.MethodPut, base+"/announcement", map[string]any{"text": "Back at eight"})
	p.want(http.StatusNoContent, "", http.MethodDelete, base+"/lines/"+commerce.NewID[commerce.LineID]().String(), map[string]any{"subject": p.subject})
	question := base + "/questions/" + commerce.NewID[commerce.QuestionID]().String()
	p.want(http.StatusCreated, "", http.MethodPut, question, map[string]any{"text": "Is it heavy?"})
	p.want(http.StatusOK, "", http.MethodPut, question+"/answer", map[string]any{"text": "Two kilograms"})
	poll := base + "/polls/" + commerce.NewID[commerce.PollID]().String()
	p.want(http.StatusCreated, "", http.MethodPut, poll, map[string]any{"question": "Which one?", "choices": []string{"This", "That"}, "seconds": 15})
	p.want(http.StatusNoContent, "", http.MethodPut, poll+"/vote", map[string]any{"choice": 1})
	p.want(http.StatusOK, "", http.MethodPut, poll+"/close", nil)
}

// Whatever the program says in a room is in the document, exactly so; and what is in the document is said.
func TestRoomsSayWhatTheDocumentSays(t *testing.T) {
	n := newMarket(t).node()
	document := n.described()
	mara := n.signUp("mara", "creator")
	show := mara.newShow()
	pan := mara.sell(show, 3)
	ear := n.ear(show)
	vic := n.guest()
	page := vic.join(show)

	mara.want(http.StatusOK, "", http.MethodPut, "/shows/"+show, map[string]any{"title": "Another title"})
	mara.want(http.StatusNoContent, "", http.MethodPut, "/shows/"+show+"/pin", map[string]any{"product": pan.product})
	mara.want(http.StatusOK, "", http.MethodPut, "/shows/"+show+"/drops/"+commerce.NewID[commerce.DropID]().String(), map[string]any{"variant": pan.variant, "opens_at": nil})
	mara.sell(show, 2)
	mara.want(http.StatusOK, "", http.MethodPut, "/shows/"+show+"/flash-prices/"+commerce.NewID[commerce.FlashID]().String(),
		map[string]any{"variant": pan.variant, "amount": 2900, "lasts_s": 60, "cap": 2})
	mara.talks(show)
	hold, order := page.calls(document, pan), orderPath()
	before := vic.want(http.StatusOK, "", http.MethodGet, "/me/document", nil).number("version")
	vic.want(http.StatusCreated, "", http.MethodPut, order, paying(hold, cardGood))
	vic.captured(order)
	page.await("the capture is told", func(s *seat) bool { return s.state["me "].Version > int64(before) })
	if told, version := page.last("me").Version, vic.want(http.StatusOK, "", http.MethodGet, "/me/document", nil).number("version"); told != int64(version) {
		t.Errorf("version %d was told, and the document has %d", told, version)
	}

	missing := func() []string {
		left := slices.Collect(maps.Keys(document.at("x-room-events").(map[string]any)))
		for _, e := range ear.all() {
			left = slices.DeleteFunc(left, func(kind string) bool { return kind == e.Type })
		}
		return left
	}
	t.Cleanup(func() {
		if left := missing(); t.Failed() && len(left) > 0 {
			t.Errorf("never said: %v", left)
		}
	})
	// The end of a show closes its room, so it comes last.
	eventually(t, "each event of the document is said", func() bool { return len(missing()) == 0 })
	mara.want(http.StatusOK, "", http.MethodPost, "/shows/"+show+"/end", nil)
	eventually(t, "the end is said", func() bool {
		said := ear.all()
		return slices.ContainsFunc(said, func(e realtime.Event) bool {
			return e.Type == "show.state" && bytes.Contains(e.Data, []byte(`"ended"`))
		})
	})
	for _, e := range ear.all() {
		document.event(e)
	}
	page.mu.Lock()
	shown := slices.Clone(page.sampled)
	page.mu.Unlock()
	for _, e := range shown {
		document.check("shown: "+e.Type, e.Data, "x-room-events", e.Type, "data")
	}
	// A page that joins hears the same things, as they stand.
	late := n.guest().join(show)
	late.mu.Lock()
	defer late.mu.Unlock()
	for _, e := range late.heard {
		if slices.Contains([]string{"joined", "sample", "me"}, e.Type) {
			continue
		}
		document.check("for who joins: "+e.Type+" "+e.Key, e.Data, "x-room-events", e.Type, "data")
	}
}
