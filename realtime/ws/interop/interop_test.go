package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/ws"
)

// programs are the clients; what follows is tried with each.
var programs = map[string][]string{
	"ws":         {"node", "ws_client.js"},
	"websockets": {python, "websockets_client.py"},
}

func each(t *testing.T, test func(*testing.T, *client)) {
	for name, command := range programs {
		t.Run(name, func(t *testing.T) {
			c := run(t, command[0], command[1:]...)
			test(t, c)
			c.end()
		})
	}
}

// open joins, with what there is from before.
func (c *client) open(s *server, more string) map[string]any {
	c.t.Helper()
	c.do("open %s", s.url)
	if extensions := c.says("opened"); extensions != "permessage-deflate" {
		c.t.Fatalf("negotiated %q, want permessage-deflate", extensions)
	}
	c.do(`send {"t":"join","room":"%s"%s}`, room, more)
	return c.hears("joined")
}

// flood says more than a page may, until it is sent away.
func (c *client) flood() {
	c.t.Helper()
	for range 4 * ws.MessageBurst {
		c.do(`send {"t":"ping"}`)
	}
	for pongs := 0; ; pongs++ {
		select {
		case line := <-c.lines:
			if strings.HasPrefix(line, fmt.Sprintf("closed %d", realtime.CodeTooMany)) && pongs >= ws.MessageBurst-1 { // the join counts
				return
			}
			if !strings.HasPrefix(line, `text {"t":"pong"`) {
				c.t.Fatalf("said %q after %d pongs", line, pongs)
			}
		case <-time.After(patience):
			c.t.Fatalf("still there after %d pongs", pongs)
		}
	}
}

func textOf(m any) string { return m.(map[string]any)["d"].(map[string]any)["text"].(string) }

func nothing(*ws.Config) {}

func TestConversation(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		s := serve(t, nothing)
		joined := c.open(s, "")
		if list := joined["d"].([]any); len(list) != 1 || textOf(list[0]) != "héllo ✓ 🛍" || joined["resumed"] != false {
			t.Fatalf("joined: %v", joined)
		}
		c.do(`send {"t":"ping","c":%d}`, int64(1)<<41)
		if pong := c.hears("pong"); pong["c"] != float64(int64(1)<<41) || pong["s"].(float64) < pong["r"].(float64) {
			t.Fatalf("pong: %v", pong)
		}
		c.do("ping there?")
		if data := c.says("pong"); data != "there?" {
			t.Fatalf("a ping frame was answered with %q", data)
		}
		// Each length has a form of its own on the wire.
		for _, n := range []int{0, 1, 60, 125, 126, 127, 1000, 16_000} {
			s.say("pin.set", "pin", realtime.Lossless, strings.Repeat("x", n))
			if e := c.hears("pin.set"); len(textOf(e)) != n || e["k"] != "pin" {
				t.Fatalf("%d bytes came as %v", n, e)
			}
		}
		s.say("stock.set", "var_1", realtime.Latest, "3 left")
		tick := c.hears("tick")
		if list := tick["d"].([]any); len(list) != 1 || textOf(list[0]) != "3 left" {
			t.Fatalf("tick: %v", tick)
		}
		c.do(`parts {"t":"ping","c":7,"note":"in three fragments, ünd not at letters"}`)
		if pong := c.hears("pong"); pong["c"] != 7.0 {
			t.Fatalf("pong: %v", pong)
		}
		c.do("close 1000")
		c.says("closed 1000")
	})
}

// TestResume: what was missed comes, and once.
func TestResume(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		s := serve(t, nothing)
		joined := c.open(s, "")
		s.say("pin.set", "pin", realtime.Lossless, "seen")
		at := c.hears("pin.set")["o"].(float64)
		c.do("close 1001")
		c.says("closed 1000")
		s.say("pin.set", "pin", realtime.Lossless, "missed")
		s.say("price.set", "var_1", realtime.Lossless, "missed too")
		again := c.open(s, fmt.Sprintf(`,"epoch":"%s","o":%.0f`, joined["epoch"], at))
		if again["resumed"] != true {
			t.Fatalf("joined: %v", again)
		}
		if got := textOf(c.hears("pin.set")); got != "missed" {
			t.Fatalf("got %q", got)
		}
		if got := textOf(c.hears("price.set")); got != "missed too" {
			t.Fatalf("got %q", got)
		}
	})
}

// TestLargeSnapshot: a frame whose length needs eight bytes.
func TestLargeSnapshot(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		s := serve(t, nothing)
		const keys = 50
		for n := range keys {
			s.set("price.set", "var_"+strconv.Itoa(n), realtime.Lossless, strings.Repeat("x", 10_000))
		}
		if list := c.open(s, "")["d"].([]any); len(list) != keys+1 {
			t.Fatalf("%d events came", len(list))
		}
	})
}

// TestCloseCodes: each reason to be sent away arrives as its code and words.
func TestCloseCodes(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		s := serve(t, func(cfg *ws.Config) { cfg.JoinTimeout = 500 * time.Millisecond })
		closed := func(code realtime.Code) string {
			t.Helper()
			return c.says(fmt.Sprintf("closed %d", code))
		}
		for _, step := range []struct {
			say  string
			code realtime.Code
		}{
			{"", realtime.CodeJoinTimeout},
			{`send {"t":"join","room":"shw_2"}`, realtime.CodeUnknownRoom},
			{`send {"t":"join","room":"shw_1","token":"late"}`, realtime.CodeSignedOut},
			{`send what?`, realtime.CodeBadMessage},
			{`bytes {"t":"join","room":"shw_1"}`, realtime.CodeBadMessage},
			{`send "` + strings.Repeat("x", ws.MaxMessage) + `"`, realtime.CodeTooLarge},
			{`parts "` + strings.Repeat("x", ws.MaxMessage) + `"`, realtime.CodeTooLarge},
		} {
			c.do("open %s", s.url)
			c.says("opened permessage-deflate")
			if step.say != "" {
				c.do("%s", step.say)
			}
			if words := closed(step.code); words == "" {
				t.Errorf("%d came without words", step.code)
			}
		}
		c.open(s, "")
		c.flood()
		c.open(s, `,"token":"vic"`)
		s.hub.Revoke(realtime.Match{Subject: "acc_vic"})
		closed(realtime.CodeForbidden)
		c.open(s, "")
		s.hub.Close(room)
		closed(realtime.CodeRoomClosed)
		c.open(s, "")
		s.hub.Drain(context.Background(), time.Millisecond)
		var reason struct {
			After *int `json:"reconnect_after"`
		}
		if words := closed(realtime.CodeReconnect); json.Unmarshal([]byte(words), &reason) != nil || reason.After == nil {
			t.Fatalf("asked to come again with %q", words)
		}
		c.do("open %s", s.url)
		c.says("refused 503")
	})
}

// TestOrigins: pages of elsewhere are refused before the upgrade.
func TestOrigins(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		s := serve(t, nothing)
		for _, origin := range []string{"https://evil.example", "null", goodPage + ".evil.example"} {
			c.do("open %s %s", s.url, origin)
			c.says("refused 403")
		}
		c.do("open %s %s", s.url, goodPage)
		c.says("opened permessage-deflate")
	})
}

// TestCall: what a page asks for is done and answered, and what is said in the
// room is heard, by those who come later too.
func TestCall(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		s := serve(t, func(cfg *ws.Config) { cfg.Call = echo })
		if said := c.open(s, "")["s"].([]any); len(said) != 0 {
			t.Fatalf("before anybody spoke there was %v", said)
		}
		c.do(`send {"t":"call","id":"a-1","call":"echo","d":{"text":"ünd"}}`)
		if reply := c.hears("reply"); reply["id"] != "a-1" || textOf(reply) != "ünd" {
			t.Fatalf("reply: %v", reply)
		}
		c.do(`send {"t":"call","id":"a-2","call":"wait","d":{}}`)
		if refused := c.hears("reply")["error"].(map[string]any); refused["code"] != "too_often" || refused["retry_after_ms"] != 1500.0 {
			t.Fatalf("refused: %v", refused)
		}
		c.do(`send {"t":"call","call":"echo","d":{}}`) // asks for no answer
		line := realtime.Event{Type: "chat.line", Class: realtime.Sampled, Keep: true, ID: "lin_1", Data: json.RawMessage(`{"text":"hé"}`)}
		if err := s.bus.Cast(context.Background(), room, line); err != nil {
			t.Fatal(err)
		}
		if heard := c.hears("sample")["d"].([]any); len(heard) != 1 || textOf(heard[0]) != "hé" {
			t.Fatalf("heard: %v", heard)
		}
		c.do("close 1000")
		c.says("closed 1000")
		if said := c.open(s, "")["s"].([]any); len(said) != 1 || textOf(said[0]) != "hé" {
			t.Fatalf("later there was %v", said)
		}
	})
}

// echo gives back what it is called with.
func echo(_ context.Context, _ ws.Caller, name string, data json.RawMessage) (any, error) {
	if name == "wait" {
		return nil, &ws.CallError{Code: "too_often", Detail: "Wait a moment.", RetryAfter: 1500 * time.Millisecond}
	}
	return data, nil
}
