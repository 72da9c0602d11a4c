package ws_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/ws"
)

// Pages that say nothing: no goroutine waits for them, and nothing that a page
// says or suffers is missed for that.

const clockQuestion = `{"t":"ping","c":7}`

// generous has pages' budgets filled up again before each look at them.
func generous(c *ws.Config) {
	var passed atomic.Int64
	c.Now = func() time.Time { return time.Now().Add(time.Duration(passed.Add(1)) * time.Minute) }
}

// rests waits until so many pages cost no goroutine.
func (n *node) rests(pages int) {
	n.t.Helper()
	until(n.t, "who says nothing rests", func() bool { return n.metric("rialto_realtime_conns_resting") == float64(pages) })
}

// empties waits until nobody is left.
func (n *node) empties() {
	n.t.Helper()
	until(n.t, "all are gone", func() bool {
		return n.metric("rialto_realtime_conns") == 0 && n.metric("rialto_realtime_conns_resting") == 0
	})
}

// atRest is a page that has joined and says nothing.
func (n *node) atRest() *websocket.Conn {
	n.t.Helper()
	conn := n.dial(nil)
	join(n.t, conn)
	n.rests(1)
	return conn
}

func say(t *testing.T, conn *websocket.Conn, stream ...[]byte) {
	t.Helper()
	if err := raw(conn, bytes.Join(stream, nil)); err != nil {
		t.Fatal(err)
	}
}

// answered reads the answers to so many questions for the time.
func answered(t *testing.T, conn *websocket.Conn, questions int) {
	t.Helper()
	for range questions {
		if got := read(t, conn); got["t"] != "pong" || got["c"] != 7.0 {
			t.Fatalf("got %v", got)
		}
	}
}

// keyed is masked with a mask that changes something.
func keyed(first byte, payload []byte) []byte {
	frame := masked(first, payload)
	at := len(frame) - len(payload) - 4
	key := [4]byte{0xA5, 0x01, 0xFF, 0x37}
	copy(frame[at:], key[:])
	for i := range payload {
		frame[at+4+i] ^= key[i%4]
	}
	return frame
}

// TestFramesInTwo: a frame that comes in two parts, wherever it is cut, is one.
// Its page rests before it and after it, and not within it.
func TestFramesInTwo(t *testing.T) {
	n := start(t, options{ws: generous})
	conn := n.atRest()
	short := keyed(fin|text, []byte(clockQuestion))
	long := keyed(fin|text, []byte(`{"t":"ping","c":7,"x":"`+strings.Repeat("x", 200)+`"}`))
	for _, c := range []struct {
		frame []byte
		cuts  int
	}{{short, len(short)}, {long, 10}} { // of the long one, those within its longer header
		for cut := 1; cut < c.cuts; cut++ {
			say(t, conn, c.frame[:cut])
			n.rests(0)
			say(t, conn, c.frame[cut:])
			answered(t, conn, 1)
			n.rests(1)
		}
	}
	// A ping of the line's own, by the byte.
	pongs := make(chan string, 1)
	conn.SetPongHandler(func(data string) error { pongs <- data; return nil })
	lone := keyed(fin|ping, []byte("?"))
	for _, b := range lone[:len(lone)-1] {
		say(t, conn, []byte{b})
		n.rests(0)
	}
	say(t, conn, lone[len(lone)-1:])                     // with it the frame is whole, and the page may rest again at once
	say(t, conn, keyed(fin|text, []byte(clockQuestion))) // behind the pong
	answered(t, conn, 1)
	if got := <-pongs; got != "?" {
		t.Errorf("the pong says %q", got)
	}
}

// TestSeveralInOne: what comes in one piece is heard to its end.
func TestSeveralInOne(t *testing.T) {
	n := start(t, options{ws: generous})
	conn := n.atRest()
	question, pongs := keyed(fin|text, []byte(clockQuestion)), 0
	conn.SetPongHandler(func(string) error { pongs++; return nil })
	begun, rest := keyed(text, []byte(clockQuestion[:5])), keyed(fin|continuation, []byte(clockQuestion[5:]))

	say(t, conn, question, question)
	answered(t, conn, 2)
	n.rests(1)
	say(t, conn, question, question[:9])
	answered(t, conn, 1)
	say(t, conn, question[9:])
	answered(t, conn, 1)
	n.rests(1)
	say(t, conn, begun, keyed(fin|ping, []byte("?")), keyed(fin|pong, nil), rest, keyed(fin|pong, nil), question)
	answered(t, conn, 2)
	n.rests(1)
	say(t, conn, begun)
	n.rests(0)
	say(t, conn, keyed(fin|ping, nil), rest)
	answered(t, conn, 1)
	n.rests(1)
	if pongs != 2 {
		t.Errorf("%d pongs", pongs)
	}
	large := keyed(fin|text, []byte(`{"t":"ping","c":7,"x":"`+strings.Repeat("x", 3000)+`"}`))
	say(t, conn, bytes.Repeat(slices.Concat(large, question), 10)) // more than is read at once
	answered(t, conn, 20)
	n.rests(1)
}

// TestSignsOfLife: who rests and answers pings stays, who rests and does not is
// let go.
func TestSignsOfLife(t *testing.T) {
	const dead = 3 * time.Second
	n := start(t, options{hub: func(c *realtime.Config) { c.PingEvery, c.DeadAfter = 100*time.Millisecond, dead }})
	alive, silent := n.dial(nil), n.dial(nil)
	join(t, alive)
	join(t, silent)
	n.rests(2)
	left := make(chan error, 1)
	go func() {
		_, _, err := alive.ReadMessage() // which answers pings
		left <- err
	}()
	until(t, "the silent one is let go", func() bool { return n.metric("rialto_realtime_conns") == 1 })
	time.Sleep(dead) // what is looked for is that nothing happens
	select {
	case err := <-left:
		t.Fatalf("the other was let go: %v", err)
	default:
	}
	n.rests(1)
	n.stop()
	if err := <-left; !websocket.IsCloseError(err, int(realtime.CodeReconnect)) {
		t.Errorf("it ends with %v", err)
	}
	n.empties()
}

// TestEndsOfTheResting: however the line of one who rests ends, it is noticed.
func TestEndsOfTheResting(t *testing.T) {
	n := start(t, options{hub: func(c *realtime.Config) { c.PingEvery, c.DeadAfter = time.Hour, 2*time.Hour }})
	goodbye := binary.BigEndian.AppendUint16(nil, websocket.CloseNormalClosure)
	linger := func(seconds int) func(*websocket.Conn) {
		return func(conn *websocket.Conn) {
			_ = conn.NetConn().(*net.TCPConn).SetLinger(seconds)
			conn.Close()
		}
	}
	for name, end := range map[string]func(*websocket.Conn){
		"it ends":           func(conn *websocket.Conn) { conn.Close() },
		"it says it is all": func(conn *websocket.Conn) { _ = conn.NetConn().(*net.TCPConn).CloseWrite() },
		"it breaks":         linger(0),
		"half a frame":      func(conn *websocket.Conn) { say(t, conn, keyed(fin|text, []byte("{"))[:4]); conn.Close() },
		"the page closes": func(conn *websocket.Conn) {
			say(t, conn, keyed(fin|0x8, goodbye))
			closedWith(t, conn, realtime.CodeNormal)
		},
		"the page closes without a code": func(conn *websocket.Conn) {
			say(t, conn, keyed(fin|0x8, nil))
			closedWith(t, conn, realtime.CodeNormal)
		},
		"a broken frame": func(conn *websocket.Conn) {
			say(t, conn, []byte{0xFF, 0xFF})
			closedWith(t, conn, realtime.CodeProtocol)
		},
		"it is sent away": func(conn *websocket.Conn) {
			n.hub.Revoke(realtime.Match{Subject: "acc_vic"})
			closedWith(t, conn, realtime.CodeForbidden)
		},
		"it is sent away and does not answer": func(conn *websocket.Conn) {
			n.hub.Revoke(realtime.Match{Subject: "acc_vic"})
			_, _ = io.Copy(io.Discard, conn.NetConn()) // until the server gives up
		},
		"the room is closed": func(conn *websocket.Conn) {
			n.hub.Close(room)
			closedWith(t, conn, realtime.CodeRoomClosed)
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := n.dial(map[string][]string{"Subject": {"acc_vic"}})
			join(t, conn)
			n.rests(1)
			end(conn)
			n.empties()
			if found := n.hub.Revoke(realtime.Match{Subject: "acc_vic"}); found != 0 {
				t.Errorf("%d are still known", found)
			}
		})
	}
}

// TestThousandRest: those who say nothing cost no goroutine, are heard when they
// speak, and let go when the hub ends.
func TestThousandRest(t *testing.T) {
	const pages = 1000
	n := start(t, options{})
	n.atRest()
	before := runtime.NumGoroutine()
	conns := make([]*websocket.Conn, pages)
	for i := range conns {
		for tries := 0; conns[i] == nil; tries++ {
			conn, response, err := websocket.DefaultDialer.Dial(n.url(), nil)
			switch {
			case err == nil:
				conns[i] = conn
				t.Cleanup(func() { conn.Close() })
				_ = conn.SetReadDeadline(time.Now().Add(patience))
				join(t, conn)
			case response == nil || tries > 1000:
				t.Fatal(err)
			default: // one address is let in so fast and no faster
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
	n.rests(pages + 1)
	until(t, "no goroutine is left of their coming", func() bool { return runtime.NumGoroutine() <= before+pages/100 })
	for range 2 {
		for _, conn := range conns {
			say(t, conn, keyed(fin|text, []byte(clockQuestion)))
		}
		for _, conn := range conns {
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			answered(t, conn, 1)
		}
		n.rests(pages + 1)
	}
	n.say("pin.set", "pin", realtime.Lossless, false)
	for _, conn := range conns {
		if got := read(t, conn); got["t"] != "pin.set" {
			t.Fatalf("got %v", got)
		}
	}
	n.stop()
	for _, conn := range conns {
		closedWith(t, conn, realtime.CodeReconnect)
	}
	n.empties()
}

// TestNoRestUnderTLS: what came under TLS may lie in the program without the
// kernel knowing, so that somebody has to wait for it.
func TestNoRestUnderTLS(t *testing.T) {
	n := start(t, options{tls: true})
	dialer := websocket.Dialer{TLSClientConfig: n.server.Client().Transport.(*http.Transport).TLSClientConfig}
	conn, _, err := dialer.Dial(n.url(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	join(t, conn)
	question := keyed(fin|text, []byte(clockQuestion))
	for range 5 { // several in one record
		say(t, conn, question[:7])
		say(t, conn, question[7:], question, keyed(fin|pong, nil))
		answered(t, conn, 2)
		if n.metric("rialto_realtime_conns_resting") != 0 {
			t.Fatal("it rests")
		}
	}
}
