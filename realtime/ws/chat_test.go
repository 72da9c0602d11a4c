package ws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/chat"
	"github.com/rialto-live/rialto/realtime/client"
	"github.com/rialto-live/rialto/realtime/ws"
)

// talkative is a node on which people can chat.
func talkative(t *testing.T, b bus.Bus, o options) *node {
	t.Helper()
	c, err := chat.New(chat.Config{Cast: b.Cast})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	o.bus = b
	o.ws = func(cfg *ws.Config) { cfg.Call = c.Call }
	return start(t, o)
}

// talker is a viewer who remembers what was said.
type talker struct {
	*client.Client
	n *node

	mu     sync.Mutex
	lines  []chat.Line
	hearts int64
}

func (n *node) talker(name, role string) *talker {
	n.t.Helper()
	p := &talker{n: n}
	p.Client = n.watch(client.Config{
		Header: http.Header{"Subject": {"acc_" + name}, "Name": {name}, "Role": {role}},
		OnSample: func(e realtime.Event) {
			p.mu.Lock()
			defer p.mu.Unlock()
			var line chat.Line
			var hearts chat.Hearts
			switch e.Type {
			case chat.TypeLine:
				if err := json.Unmarshal(e.Data, &line); err != nil {
					n.t.Error(err)
				}
				p.lines = append(p.lines, line)
			case chat.TypeHearts:
				if err := json.Unmarshal(e.Data, &hearts); err != nil {
					n.t.Error(err)
				}
				p.hearts += hearts.Count
			default:
				n.t.Errorf("heard %+v", e)
			}
		},
	})
	n.joined(p.Client)
	return p
}

func (p *talker) says(text string) (id string) {
	p.n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	data, err := p.Call(ctx, chat.CallSay, map[string]string{"text": text})
	if err != nil {
		p.n.t.Fatal(err)
	}
	var said chat.Said
	if err := json.Unmarshal(data, &said); err != nil || said.ID == "" {
		p.n.t.Fatalf("%s: %v", data, err)
	}
	return said.ID
}

func (p *talker) texts() (texts []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.lines {
		texts = append(texts, l.Text)
	}
	return texts
}

func (p *talker) hears(texts ...string) {
	p.n.t.Helper()
	var heard []string
	until(p.n.t, fmt.Sprintf("%q is heard", texts), func() bool { heard = p.texts(); return slices.Equal(heard, texts) },
		func() string { return fmt.Sprintf("heard %q", heard) })
}

// TestChatOnTwoNodes: what somebody says on one node is read on both, once, by
// those who come later too; hearts are added up.
func TestChatOnTwoNodes(t *testing.T) {
	for name, buses := range map[string]func(*testing.T) (a, b bus.Bus){
		"memory": func(*testing.T) (a, b bus.Bus) { m := bus.NewMemory(); return m, m },
		"redis": func(t *testing.T) (a, b bus.Bus) {
			url := embeddedtest.Redis(t)
			return redisBus(t, url), redisBus(t, url)
		},
	} {
		t.Run(name, func(t *testing.T) {
			one, two := buses(t)
			truth := newShow()
			a, b := talkative(t, one, options{show: truth}), talkative(t, two, options{show: truth})
			mara, vic := a.talker("mara", "host"), b.talker("vic", "")
			id := mara.says("  welcome,   everybody ")
			mara.hears("welcome, everybody")
			vic.hears("welcome, everybody")
			vic.says("hello")
			mara.hears("welcome, everybody", "hello")
			vic.mu.Lock()
			if l := vic.lines[0]; l.ID != id || l.Subject != "acc_mara" || l.Name != "mara" || l.Role != "host" || time.Since(time.UnixMilli(l.At)) > patience {
				t.Errorf("the line is %+v", l)
			}
			vic.mu.Unlock()
			late := b.talker("late", "")
			late.hears("welcome, everybody", "hello")
			for range 3 {
				if err := vic.Send(chat.CallHearts, chat.Hearts{Count: 5}); err != nil {
					t.Fatal(err)
				}
			}
			until(t, "fifteen hearts are seen", func() bool { mara.mu.Lock(); defer mara.mu.Unlock(); return mara.hearts == 15 })
		})
	}
}

// TestNothingTwiceAfterALostLine: a viewer who is away while much happens has
// every event once and every line once, and makes an unanswered call again.
func TestNothingTwiceAfterALostLine(t *testing.T) { onBothWays(t, nothingTwiceAfterALostLine) }

func nothingTwiceAfterALostLine(t *testing.T, o options) {
	n := talkative(t, bus.NewMemory(), o)
	mara := n.talker("mara", "host")
	var pins []int64
	var mu sync.Mutex
	vic := n.talker("vic", "")
	away := n.watch(client.Config{OnEvent: func(e realtime.Event) {
		if e.Type == "pin.set" {
			mu.Lock()
			pins = append(pins, e.Version)
			mu.Unlock()
		}
	}})
	n.joined(away)
	mara.says("one")
	n.say("pin.set", "pin", realtime.Lossless, false)
	vic.hears("one")
	until(t, "the first pin", func() bool { mu.Lock(); defer mu.Unlock(); return len(pins) == 1 })
	n.line.cut()
	for range 20 {
		n.say("pin.set", "pin", realtime.Lossless, false)
		n.say("stock.set", "var_1", realtime.Latest, false)
	}
	id := mara.says("two") // over the next connection
	if again := mara.says("three"); again == id {
		t.Fatal("two lines are one")
	}
	for _, p := range []*talker{mara, vic} {
		p.hears("one", "two", "three")
	}
	until(t, "all pins", func() bool { mu.Lock(); defer mu.Unlock(); return len(pins) >= 21 })
	mu.Lock()
	defer mu.Unlock()
	if len(pins) != 21 || !slices.IsSorted(pins) {
		t.Errorf("%d pins: %v", len(pins), pins)
	}
	if s := away.Stats(); s.Resumes == 0 || s.Snapshots != 1 {
		t.Errorf("%+v", s)
	}
}

// TestFencesAreTold: the page of somebody who writes too much learns when it
// may again.
func TestFencesAreTold(t *testing.T) { onBothWays(t, fencesAreTold) }

func fencesAreTold(t *testing.T, o options) {
	n := talkative(t, bus.NewMemory(), o)
	vic := n.talker("vic", "")
	for i := range chat.LineBurst {
		vic.says(fmt.Sprint(i))
	}
	_, err := vic.Call(context.Background(), chat.CallSay, map[string]string{"text": "more"})
	var refused *realtime.CallError
	if !errors.As(err, &refused) || refused.Code != chat.CodeTooOften || refused.RetryAfter <= 0 || refused.RetryAfter > chat.LineEvery {
		t.Fatalf("%v", err)
	}
	nobody := n.watch(client.Config{})
	n.joined(nobody)
	if _, err := nobody.Call(context.Background(), chat.CallSay, map[string]string{"text": "more"}); !errors.As(err, &refused) || refused.Code != chat.CodeNoIdentity {
		t.Fatalf("%v", err)
	}
}

// TestCalls: how calls are answered on the wire.
func TestCalls(t *testing.T) {
	stay := make(chan struct{})
	n := start(t, options{ws: func(c *ws.Config) {
		c.CallTimeout = 100 * time.Millisecond
		c.Call = func(ctx context.Context, from ws.Caller, name string, data json.RawMessage) (any, error) {
			switch name {
			case "echo":
				return map[string]any{"room": from.Room, "who": from.Subject, "id": from.Call, "d": data}, nil
			case "nothing":
				return nil, nil
			case "refuse":
				return nil, &ws.CallError{Code: "too_often", Detail: `say "please"`, RetryAfter: 1500 * time.Millisecond}
			case "break":
				return nil, errors.New("the database is on a journey")
			case "unsayable":
				return func() {}, nil
			case "sleep":
				<-ctx.Done()
				close(stay)
				return nil, ctx.Err()
			}
			return nil, realtime.UnknownCall(name)
		}
	}})
	conn := n.dial(http.Header{"Subject": {"acc_vic"}})
	join(t, conn)
	const unavailable = "map[error:map[code:unavailable detail:This cannot be done just now. Try again.] id:1 t:reply]"
	for name, c := range map[string]struct{ say, want string }{
		"an answer":      {`"id":"a_B-9","call":"echo","d":{"x":1}`, "map[d:map[d:map[x:1] id:a_B-9 room:shw_1 who:acc_vic] id:a_B-9 t:reply]"},
		"no data":        {`"id":"1","call":"echo"`, "map[d:map[d:<nil> id:1 room:shw_1 who:acc_vic] id:1 t:reply]"},
		"nothing to say": {`"id":"1","call":"nothing"`, "map[d:map[] id:1 t:reply]"},
		"the longest id": {`"id":"` + strings.Repeat("x", realtime.MaxCallID) + `","call":"nothing"`, "map[d:map[] id:" + strings.Repeat("x", realtime.MaxCallID) + " t:reply]"},
		"a refusal":      {`"id":"1","call":"refuse"`, `map[error:map[code:too_often detail:say "please" retry_after_ms:1500] id:1 t:reply]`},
		"an error":       {`"id":"1","call":"break"`, unavailable},
		"no JSON":        {`"id":"1","call":"unsayable"`, unavailable},
		"too slow":       {`"id":"1","call":"sleep"`, unavailable},
		"unknown":        {`"id":"1","call":"sing"`, `map[error:map[code:unknown_call detail:There is no call "sing".] id:1 t:reply]`},
		"no name":        {`"id":"1"`, `map[error:map[code:unknown_call detail:There is no call "".] id:1 t:reply]`},
	} {
		send(t, conn, `{"t":"call",`+c.say+`}`)
		if got := fmt.Sprint(read(t, conn)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	<-stay
	send(t, conn, `{"t":"call","call":"echo"}`) // wants no answer
	send(t, conn, `{"t":"call","call":"break"}`)
	send(t, conn, `{"t":"ping","c":1}`)
	if got := read(t, conn); got["t"] != "pong" {
		t.Fatalf("got %v", got)
	}
	for _, id := range []string{strings.Repeat("x", realtime.MaxCallID+1), "a b", `\"`, "é"} {
		conn := n.dial(nil)
		join(t, conn)
		send(t, conn, `{"t":"call","id":"`+id+`","call":"echo"}`)
		closedWith(t, conn, realtime.CodeBadMessage)
	}
	unjoined := n.dial(nil)
	send(t, unjoined, `{"t":"call","id":"1","call":"echo"}`)
	closedWith(t, unjoined, realtime.CodeBadMessage)
}

// TestARefusalSaysMore: a call knows where its page came from, and what a
// refusal says beside its words comes to the page as it is.
func TestARefusalSaysMore(t *testing.T) { onBothWays(t, aRefusalSaysMore) }

func aRefusalSaysMore(t *testing.T, o options) {
	o.ws = func(c *ws.Config) {
		c.RemoteAddr = func(*http.Request) netip.Addr { return netip.MustParseAddr("2001:db8::7:1") }
		c.Call = func(_ context.Context, from ws.Caller, _ string, _ json.RawMessage) (any, error) {
			return nil, &ws.CallError{Code: "sold_out", Detail: from.Addr.String(), Data: json.RawMessage(`{"left":2}`)}
		}
	}
	n := start(t, o)
	v := n.watch(client.Config{})
	n.joined(v)
	var refused *realtime.CallError
	_, err := v.Call(context.Background(), "buy", nil)
	if !errors.As(err, &refused) || refused.Code != "sold_out" || refused.Detail != "2001:db8::" || string(refused.Data) != `{"left":2}` || refused.RetryAfter != 0 {
		t.Errorf("%+v", err)
	}
}

// TestCallsOfSomebodyRemoved: from the moment of a ban nothing is done for
// them, though their socket still stands.
func TestCallsOfSomebodyRemoved(t *testing.T) {
	var mu sync.Mutex
	calls := 0
	n := start(t, options{ws: func(c *ws.Config) {
		c.Call = func(context.Context, ws.Caller, string, json.RawMessage) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			calls++
			return nil, nil
		}
	}})
	conn := n.dial(http.Header{"Subject": {"acc_vic"}})
	join(t, conn)
	if n.hub.Revoke(realtime.Match{Room: room, Subject: "acc_vic"}) != 1 {
		t.Fatal("nobody was found")
	}
	send(t, conn, `{"t":"call","call":"chat.say","d":{"text":"revenge"}}`) // does not know of it yet
	closedWith(t, conn, realtime.CodeForbidden)
	n.stop()
	mu.Lock()
	defer mu.Unlock()
	if calls != 0 {
		t.Errorf("%d calls were answered", calls)
	}
}

// TestNoCalls: without a Config.Call there are none.
func TestNoCalls(t *testing.T) { onBothWays(t, noCalls) }

func noCalls(t *testing.T, o options) {
	n := start(t, o)
	v := n.watch(client.Config{})
	n.joined(v)
	var refused *realtime.CallError
	if _, err := v.Call(context.Background(), "chat.say", nil); !errors.As(err, &refused) || refused.Code != realtime.CallUnknown {
		t.Fatal(err)
	}
}

// TestMe: a person's every socket is told of a new version of their document,
// nobody else's is.
func TestMe(t *testing.T) { onBothWays(t, me) }

func me(t *testing.T, o options) {
	n := start(t, o)
	heard := make(chan int64, 10)
	vic := n.watch(client.Config{Header: http.Header{"Subject": {"acc_vic"}}, OnMe: func(v int64) { heard <- v }})
	mara := n.watch(client.Config{Header: http.Header{"Subject": {"acc_mara"}}})
	n.joined(vic)
	n.joined(mara)
	if told := n.hub.Tell("acc_vic", 3); told != 1 {
		t.Fatalf("told %d", told)
	}
	if got := <-heard; got != 3 || vic.Me() != 3 {
		t.Fatalf("heard %d", got)
	}
	n.say("pin.set", "pin", realtime.Lossless, false)
	n.agrees(mara)
	if mara.Me() != 0 {
		t.Errorf("somebody else was told %d", mara.Me())
	}
}

// TestViewersAreCounted over two nodes, without the host, up and down, and a
// node that stops takes its viewers with it.
func TestViewersAreCounted(t *testing.T) {
	url, truth := embeddedtest.Redis(t), newShow()
	quick := func(c *realtime.Config) { c.CountEvery = 50 * time.Millisecond }
	a := start(t, options{bus: redisBus(t, url), show: truth, hub: quick})
	b := start(t, options{bus: redisBus(t, url), show: truth, hub: quick})
	host := a.watch(client.Config{Header: http.Header{"Role": {"host"}}})
	counts := func(want int) {
		t.Helper()
		var got realtime.Event
		until(t, fmt.Sprintf("%d watch", want), func() bool {
			got, _ = host.Get("viewers.set", "")
			return string(got.Data) == fmt.Sprintf(`{"count":%d}`, want)
		}, func() string { return string(got.Data) })
	}
	vic := a.dial(nil)
	join(t, vic)
	counts(1)
	join(t, b.dial(nil))
	join(t, b.dial(nil))
	counts(3)
	vic.Close()
	counts(2)
	b.stop()
	counts(0)
}
