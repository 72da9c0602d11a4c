package ws_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/ws"
)

// Coming in: nobody who is removed meanwhile does, and what fails costs no place.

// TestRevokeWhoIsComing: one comes while it is found out who it is, and while
// its room opens; it never sees the show.
func TestRevokeWhoIsComing(t *testing.T) {
	for _, where := range []string{"at the door", "before the room"} {
		t.Run(where, func(t *testing.T) {
			reached, goOn := make(chan struct{}), make(chan struct{})
			hold := func() { close(reached); <-goOn }
			truth := newShow()
			n := start(t, options{
				show: truth,
				ws: func(c *ws.Config) {
					c.Authenticate = func(context.Context, ws.Hello) (ws.Identity, error) {
						if where == "at the door" {
							hold()
						}
						return ws.Identity{Subject: "acc_vic"}, nil
					}
				},
				hub: func(c *realtime.Config) {
					c.Snapshot = func(ctx context.Context, id realtime.RoomID) ([]realtime.Event, error) {
						if where == "before the room" {
							hold()
						}
						return truth.snapshot(ctx, id)
					}
				},
			})
			conn := n.dial(http.Header{})
			send(t, conn, `{"t":"join","room":"shw_1"}`)
			<-reached
			n.hub.Revoke(realtime.Match{Subject: "acc_vic"})
			close(goOn)
			kind, text, err := conn.ReadMessage()
			if !websocket.IsCloseError(err, int(realtime.CodeForbidden)) {
				t.Fatalf("it was told %d %s, %v", kind, text, err)
			}
			until(t, "it is gone", func() bool { return n.metric("rialto_realtime_conns") == 0 })
		})
	}
}

// TestUpgradesThatFail cost nobody a place, however many they are.
func TestUpgradesThatFail(t *testing.T) {
	n := start(t, options{hub: func(c *realtime.Config) { c.MaxPerAddress = 1 }})
	good := map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	}
	for name, c := range map[string]struct {
		header, value string
		status        int
	}{
		"an old version":        {"Sec-WebSocket-Version", "8", http.StatusBadRequest},
		"two versions":          {"Sec-WebSocket-Version", "13, 8", http.StatusBadRequest},
		"no key":                {"Sec-WebSocket-Key", "", http.StatusBadRequest},
		"a short key":           {"Sec-WebSocket-Key", "c2hvcnQ=", http.StatusBadRequest},
		"another protocol":      {"Upgrade", "h2c", http.StatusBadRequest},
		"no wish to change":     {"Connection", "close", http.StatusBadRequest},
		"a page of elsewhere":   {"Origin", "https://evil.example", http.StatusForbidden},
		"a page that hides":     {"Origin", "null", http.StatusForbidden},
		"a longer name of ours": {"Origin", goodPage + ".evil.example", http.StatusForbidden},
	} {
		for range 50 {
			request, err := http.NewRequest(http.MethodGet, n.server.URL+"/ws", nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range good {
				request.Header.Set(name, value)
			}
			request.Header.Set(c.header, c.value)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if response.StatusCode != c.status {
				t.Fatalf("%s: %s", name, response.Status)
			}
			if c.status == http.StatusBadRequest && response.Header.Get("Sec-WebSocket-Version") != "13" {
				t.Fatalf("%s: the version is not told", name)
			}
		}
	}
	join(t, n.dial(nil)) // the only place is free
}

// TestWordsBeforeTheAnswer: who speaks before its upgrade was answered is let
// go, and holds no place.
func TestWordsBeforeTheAnswer(t *testing.T) {
	n := start(t, options{hub: func(c *realtime.Config) { c.MaxPerAddress = 1 }})
	for range 5 {
		conn, err := net.Dial("tcp", n.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		request := "GET /ws HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
		if _, err := conn.Write(append([]byte(request), masked(fin|text, []byte(fuzzedJoin))...)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
		until(t, "its place is free", func() bool {
			ticket, err := n.hub.Reserve(netAddr())
			if err == nil {
				ticket.Release()
			}
			return err == nil && n.metric("rialto_realtime_conns") == 0
		})
	}
}
