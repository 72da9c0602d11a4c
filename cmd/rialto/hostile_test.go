package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/realtime/ws"
)

// upgrade is the request that opens a socket.
func upgrade(host, origin string) string {
	request := "GET /ws HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if origin != "" {
		request += "Origin: " + origin + "\r\n"
	}
	return request + "\r\n"
}

func (n *running) dialFront() net.Conn {
	n.market.t.Helper()
	conn, err := net.Dial("tcp", n.front.Addr().String())
	if err != nil {
		n.market.t.Fatal(err)
	}
	n.market.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// TestSocketsOfOtherOriginsAreRefused before the upgrade, also those that only
// look like ours.
func TestSocketsOfOtherOriginsAreRefused(t *testing.T) {
	n := newMarket(t).node()
	own, err := url.Parse(n.url)
	if err != nil {
		t.Fatal(err)
	}
	host, port := own.Hostname(), own.Port()
	eventually(t, "rooms are open", func() bool { return n.askUpgrade("") == http.StatusSwitchingProtocols })
	for origin, want := range map[string]int{
		n.url:                               http.StatusSwitchingProtocols,
		"http://localhost:" + port:          http.StatusSwitchingProtocols, // the same machine
		"null":                              http.StatusForbidden,          // a sandboxed frame, a file
		"https://evil.example":              http.StatusForbidden,
		"https://" + own.Host:               http.StatusForbidden, // another scheme
		"http://" + host:                    http.StatusForbidden, // another port
		"http://" + host + ":1":             http.StatusForbidden,
		"http://" + host + ".evil.example":  http.StatusForbidden,
		n.url + ".evil.example":             http.StatusForbidden,
		"http://evil.example:" + port:       http.StatusForbidden,
		"http://" + own.Host + "@evil.test": http.StatusForbidden,
		"http://evil@" + own.Host:           http.StatusForbidden,
		n.url + "/":                         http.StatusForbidden,
		"http://evil.example/#" + n.url:     http.StatusForbidden,
		n.url + " http://evil.example":      http.StatusForbidden,
		"//" + own.Host:                     http.StatusForbidden,
		own.Host:                            http.StatusForbidden,
	} {
		if got := n.askUpgrade(origin); got != want {
			t.Errorf("%s: %d, want %d", origin, got, want)
		}
	}
}

// askUpgrade is the status that a socket of origin is answered with.
func (n *running) askUpgrade(origin string) int {
	n.market.t.Helper()
	conn := n.dialFront()
	defer conn.Close()
	if _, err := io.WriteString(conn, upgrade(n.front.Addr().String(), origin)); err != nil {
		n.market.t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		n.market.t.Fatalf("%s: %v", origin, err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// TestALineIsItsSessions: what comes to an event stream with other cookies than
// those of the session that opened it is refused, the same person's too.
func TestALineIsItsSessions(t *testing.T) {
	n := newMarket(t).node()
	mara := n.signUp("mara", "creator")
	show := mara.newShow()
	elsewhere := somebody(t, n.url, loopback)
	elsewhere.want(http.StatusCreated, "", http.MethodPost, "/sessions", map[string]any{"email": "mara@example.com", "password": password})
	eve, guest := n.signUp("eve"), n.guest()

	stream, err := mara.http.Get(n.url + "/events?room=" + show)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	blocks := bufio.NewScanner(stream.Body)
	line := ""
	for blocks.Scan() && !strings.Contains(blocks.Text(), `"t":"joined"`) {
		if id, ok := strings.CutPrefix(blocks.Text(), `data: {"line":"`); ok {
			line = strings.TrimSuffix(id, `"}`)
		}
	}
	says := func(p *person) reply {
		answer, err := p.http.Post(n.url+"/events/"+line, "application/json", strings.NewReader(`{"t":"ping","c":1}`))
		if err != nil {
			t.Fatal(err)
		}
		return readReply(t, answer)
	}
	for name, p := range map[string]*person{"another session of hers": elsewhere, "another person": eve, "a guest": guest, "nobody": somebody(t, n.url, loopback)} {
		if got := says(p); got.status != http.StatusForbidden || got.code() != "line_refused" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := says(mara); got.status != http.StatusNoContent {
		t.Errorf("who opened it: %s", got)
	}
	for blocks.Scan() && !strings.Contains(blocks.Text(), `"t":"pong"`) {
	}
	if blocks.Err() != nil {
		t.Error(blocks.Err())
	}
}

// TestSlowLorisIsLetGo: at the program's own settings, who asks a byte at a
// time, or takes a place and says nothing, is gone in bounded time, and a
// person is served meanwhile.
func TestSlowLorisIsLetGo(t *testing.T) {
	n := newMarket(t).node()
	eventually(t, "rooms are open", func() bool { return n.askUpgrade("") == http.StatusSwitchingProtocols })
	const crowd = 40
	type end struct {
		how  string
		took time.Duration
		err  error
	}
	ends := make(chan end, 3*crowd)
	hold := func(how, first string, drip string) {
		conn := n.dialFront()
		begin := time.Now()
		go func() {
			_, err := io.WriteString(conn, first)
			if err == nil {
				err = dripUntilClosed(conn, drip)
			}
			ends <- end{how, time.Since(begin), err}
		}()
	}
	endless := "X-Never: " + strings.Repeat("x", 4096)
	for range crowd {
		hold("headers by the byte", "GET /ws HTTP/1.1\r\nHost: x\r\n", endless)
		hold("nothing after the upgrade", upgrade(n.front.Addr().String(), n.url), "")
		hold("a join by the byte", upgrade(n.front.Addr().String(), n.url), "\x81\xfe\x0f\xff\x00\x00\x00\x00{"+strings.Repeat(" ", 4000))
	}
	mara := n.signUp("mara", "creator") // the crowd is in nobody's way
	mara.join(mara.newShow())
	limits := map[string]time.Duration{
		"headers by the byte": readHeaderTimeout, "nothing after the upgrade": ws.JoinTimeout, "a join by the byte": ws.JoinTimeout,
	}
	for range 3 * crowd {
		e := <-ends
		// Twice: the machine may be busy, but nobody may stay as long as they like.
		if limit := 2 * limits[e.how]; e.err != nil || e.took > limit {
			t.Errorf("%s held its place for %v (%v), want at most %v", e.how, e.took, e.err, limit)
		}
	}
}

// dripUntilClosed writes a byte now and then and returns once the other side
// has closed; an error says that it has not.
func dripUntilClosed(conn net.Conn, text string) error {
	buf := make([]byte, 512)
	for begin := time.Now(); time.Since(begin) < patience; {
		_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)) // which paces, too
		_, err := conn.Read(buf)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if text != "" {
			if _, err := conn.Write([]byte(text[:1])); err != nil {
				return nil
			}
			text = text[1:]
		}
	}
	return fmt.Errorf("still open after %v", patience)
}
