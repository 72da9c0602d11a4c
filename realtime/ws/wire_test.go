package ws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/ws"
)

func netAddr() netip.Addr { return netip.MustParseAddr("192.0.2.1") }

// What goes over the wire, and what is refused.

func TestConversation(t *testing.T) {
	n := start(t, options{})
	n.show.set("stock.set", "var_1", realtime.Latest, false)
	conn := n.dial(http.Header{"Origin": {goodPage}})
	before := time.Now().UnixMilli()
	joined := join(t, conn)
	if joined["t"] != "joined" || joined["resumed"] != false || joined["o"] != 0.0 || joined["epoch"] == "" || joined["now"].(float64) < float64(before) {
		t.Fatalf("joined: %v", joined)
	}
	if d := joined["d"].([]any); len(d) != 2 || d[0].(map[string]any)["t"] != "show.state" || d[0].(map[string]any)["v"] != 2.0 {
		t.Fatalf("snapshot: %v", joined["d"])
	}
	n.say("pin.set", "pin", realtime.Lossless, false)
	if got := fmt.Sprint(read(t, conn)); got != "map[d:map[n:3] k:pin o:1 t:pin.set v:3]" {
		t.Fatalf("event: %s", got)
	}
	n.say("stock.set", "var_1", realtime.Latest, false)
	if got := fmt.Sprint(read(t, conn)); got != "map[d:[map[d:map[n:4] k:var_1 t:stock.set v:4]] o:2 t:tick]" {
		t.Fatalf("tick: %s", got)
	}
	n.say("stock.set", "var_1", realtime.Latest, true)
	if got := fmt.Sprint(read(t, conn)); got != "map[d:map[n:5] k:var_1 o:3 t:stock.set v:5]" {
		t.Fatalf("urgent: %s", got)
	}
	send(t, conn, `{"t":"ping","c":12345}`)
	pong := read(t, conn)
	if pong["t"] != "pong" || pong["c"] != 12345.0 || pong["r"].(float64) < float64(before) || pong["s"].(float64) < pong["r"].(float64) {
		t.Fatalf("pong: %v", pong)
	}
	answered := ""
	conn.SetPongHandler(func(s string) error { answered = s; return nil })
	if err := conn.WriteControl(websocket.PingMessage, []byte("there?"), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	send(t, conn, `{"t":"ping","c":1}`)
	if read(t, conn); answered != "there?" {
		t.Fatalf("a ping frame was answered with %q", answered)
	}
	if err := conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	closedWith(t, conn, realtime.CodeNormal)
}

func TestBadPages(t *testing.T) {
	n := start(t, options{ws: func(c *ws.Config) { c.JoinTimeout = 100 * time.Millisecond }})
	big := func(size int) string {
		const rest = `{"t":"ping","x":""}`
		return `{"t":"ping","x":"` + strings.Repeat("x", size-len(rest)) + `"}`
	}
	for name, c := range map[string]struct {
		say  []string
		want realtime.Code
	}{
		"no join":       {nil, realtime.CodeJoinTimeout},
		"ping first":    {[]string{`{"t":"ping"}`}, realtime.CodeBadMessage},
		"no JSON":       {[]string{`{`}, realtime.CodeBadMessage},
		"no object":     {[]string{`[]`}, realtime.CodeBadMessage},
		"unknown room":  {[]string{`{"t":"join","room":"shw_2"}`}, realtime.CodeUnknownRoom},
		"no room":       {[]string{`{"t":"join"}`}, realtime.CodeUnknownRoom},
		"strange room":  {[]string{`{"t":"join","room":"!control"}`}, realtime.CodeUnknownRoom},
		"long token":    {[]string{`{"t":"join","room":"shw_1","token":"` + strings.Repeat("x", 3000) + `"}`}, realtime.CodeBadMessage},
		"joined twice":  {[]string{`{"t":"join","room":"shw_1"}`, `{"t":"join","room":"shw_1"}`}, realtime.CodeBadMessage},
		"unknown type":  {[]string{`{"t":"join","room":"shw_1"}`, `{"t":"buy"}`}, realtime.CodeBadMessage},
		"large as join": {[]string{big(ws.MaxMessage + 1)}, realtime.CodeTooLarge},
		"large":         {[]string{`{"t":"join","room":"shw_1"}`, big(ws.MaxMessage), big(ws.MaxMessage + 1)}, realtime.CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			conn := n.dial(nil)
			for _, text := range c.say {
				send(t, conn, text)
			}
			closedWith(t, conn, c.want)
		})
	}
	t.Run("binary", func(t *testing.T) {
		conn := n.dial(nil)
		_ = conn.WriteMessage(websocket.BinaryMessage, []byte(`{"t":"join","room":"shw_1"}`))
		closedWith(t, conn, realtime.CodeBadMessage)
	})
	t.Run("broken frame", func(t *testing.T) {
		conn := n.dial(nil)
		join(t, conn)
		_, _ = conn.NetConn().Write([]byte{0xF1, 0x80, 0, 0, 0, 0}) // reserved bits
		closedWith(t, conn, realtime.CodeProtocol)
	})
	until(t, "all are gone", func() bool { return n.metric("rialto_realtime_conns") == 0 })
}

func TestFlood(t *testing.T) {
	n := start(t, options{ws: func(c *ws.Config) {
		now := time.Now()
		c.Now = func() time.Time { return now } // no message is forgiven with time
	}})
	conn := n.dial(nil)
	join(t, conn)
	for range ws.MessageBurst - 1 { // the join counts
		send(t, conn, `{"t":"ping"}`)
		if got := read(t, conn); got["t"] != "pong" {
			t.Fatalf("got %v", got)
		}
	}
	send(t, conn, `{"t":"ping"}`)
	closedWith(t, conn, realtime.CodeTooMany)
}

func TestBeforeTheUpgrade(t *testing.T) {
	n := start(t, options{hub: func(c *realtime.Config) { c.MaxPerAddress = 1 }})
	refused := func(header http.Header, status int, code string) *http.Response {
		t.Helper()
		_, response, err := websocket.DefaultDialer.Dial(n.url(), header)
		if err == nil || response == nil {
			t.Fatalf("dial: %v", err)
		}
		var problem struct {
			Status       int
			Code, Detail string
		}
		if err := json.NewDecoder(response.Body).Decode(&problem); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != status || problem.Status != status || problem.Code != code || problem.Detail == "" ||
			response.Header.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("%d %+v, want %d %s", response.StatusCode, problem, status, code)
		}
		return response
	}
	refused(http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden, "origin_refused")
	refused(http.Header{"Origin": {"null"}}, http.StatusForbidden, "origin_refused")
	first := n.dial(nil)
	join(t, first) // now it is counted in the metric too
	if refused(nil, http.StatusServiceUnavailable, "full").Header.Get("Retry-After") == "" {
		t.Fatal("no Retry-After")
	}
	first.Close()
	until(t, "the place is free", func() bool { return n.metric("rialto_realtime_conns") == 0 })
	join(t, n.dial(nil))
	response, err := http.Get(n.server.URL + "/ws")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	n.hub.Drain(context.Background(), time.Millisecond)
	refused(nil, http.StatusServiceUnavailable, "draining")
}

// TestPlainRequest: what is no WebSocket request is answered in words, and its
// reserved place is given back.
func TestPlainRequest(t *testing.T) {
	n := start(t, options{hub: func(c *realtime.Config) { c.MaxConns = 1 }})
	for range 3 {
		response, err := http.Get(n.server.URL + "/ws")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusBadRequest || response.Header.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("%s %s", response.Status, response.Header.Get("Content-Type"))
		}
	}
	join(t, n.dial(nil))
}

func TestRefusedByAuthenticate(t *testing.T) {
	var answer atomic.Pointer[error]
	n := start(t, options{ws: func(c *ws.Config) {
		c.Authenticate = func(context.Context, ws.Hello) (ws.Identity, error) { return ws.Identity{}, *answer.Load() }
	}})
	for err, code := range map[error]realtime.Code{
		ws.ErrForbidden:                            realtime.CodeForbidden,
		ws.ErrSignedOut:                            realtime.CodeSignedOut,
		fmt.Errorf("over: %w", ws.ErrRoomClosed):   realtime.CodeRoomClosed,
		errors.New("the database is on a journey"): realtime.CodeUnavailable,
	} {
		answer.Store(&err)
		conn := n.dial(nil)
		send(t, conn, `{"t":"join","room":"shw_1"}`)
		if words := closedWith(t, conn, code); strings.Contains(words, "database") {
			t.Errorf("the page was told %q", words)
		}
	}
}

// TestSnapshotFails: the viewer is asked to come again, and the next one finds
// the room.
func TestSnapshotFails(t *testing.T) {
	n := start(t, options{})
	n.show.fail(errors.New("no database"))
	conn := n.dial(nil)
	send(t, conn, `{"t":"join","room":"shw_1"}`)
	closedWith(t, conn, realtime.CodeUnavailable)
	n.show.fail(nil)
	if got := join(t, n.dial(nil)); got["t"] != "joined" {
		t.Fatalf("got %v", got)
	}
}
