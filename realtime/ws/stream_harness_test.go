package ws_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// eventLine is a page's line as an event stream, for tests of the wire.
type eventLine struct {
	n      *node
	client *http.Client
	header http.Header
	answer *http.Response
	blocks *bufio.Reader
	cancel func()
	id     string
}

// way is how a page gets to its node.
type way struct {
	name string
	tls  bool // and HTTP/2
}

var ways = []way{{"over HTTP/1.1", false}, {"over HTTP/2", true}}

// onEachWay runs a test over each way.
func onEachWay(t *testing.T, o options, test func(t *testing.T, n *node)) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			o.tls, o.http2 = w.tls, w.tls
			test(t, start(t, o))
		})
	}
}

// client is one browser: what it asks for goes over connections of its own.
func (n *node) client() *http.Client {
	transport := n.server.Client().Transport.(*http.Transport).Clone()
	transport.DisableCompression = true
	n.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// ask opens a stream and returns the answer, whatever it is.
func (n *node) ask(c *http.Client, header http.Header, query url.Values) (*http.Response, func()) {
	n.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.server.URL+"/events?"+query.Encode(), nil)
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	answer, err := c.Do(r)
	if err != nil {
		cancel()
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { cancel(); answer.Body.Close() })
	return answer, cancel
}

// open opens a stream and reads until the page knows its line.
func (n *node) open(header http.Header, more ...string) *eventLine {
	n.t.Helper()
	query := url.Values{"room": {string(room)}}
	for i := 0; i < len(more); i += 2 {
		query.Set(more[i], more[i+1])
	}
	l := &eventLine{n: n, client: n.client(), header: header}
	l.answer, l.cancel = n.ask(l.client, header, query)
	if l.answer.StatusCode != http.StatusOK || l.answer.Header.Get("Content-Type") != "text/event-stream" ||
		l.answer.Header.Get("Cache-Control") != "no-store" || l.answer.Header.Get("X-Accel-Buffering") != "no" {
		n.t.Fatalf("%s %v", l.answer.Status, l.answer.Header)
	}
	l.blocks = bufio.NewReader(l.answer.Body)
	event, data := l.block()
	var line struct{ Line string }
	if err := json.Unmarshal([]byte(data), &line); err != nil || event != "line" || line.Line == "" {
		n.t.Fatalf("%s %s: %v", event, data, err)
	}
	l.id = line.Line
	return l
}

// block reads to the next blank line, over comments.
func (l *eventLine) block() (event, data string) {
	l.n.t.Helper()
	late := time.AfterFunc(patience, l.cancel)
	defer late.Stop()
	for {
		text, err := l.blocks.ReadString('\n')
		if err != nil {
			l.n.t.Fatalf("the stream ended: %v", err)
		}
		text = strings.TrimSuffix(text, "\n")
		field, value, _ := strings.Cut(text, ": ")
		switch {
		case text == "" && data != "":
			return event, data
		case field == "event":
			event = value
		case field == "data":
			data = value
		}
	}
}

func (l *eventLine) read() map[string]any {
	l.n.t.Helper()
	event, data := l.block()
	var m map[string]any
	if err := json.Unmarshal([]byte(data), &m); err != nil || event != "" {
		l.n.t.Fatalf("%s %s: %v", event, data, err)
	}
	return m
}

// closedWith reads until the stream says good-bye, and to its end.
func (l *eventLine) closedWith(want realtime.Code) string {
	l.n.t.Helper()
	for {
		event, data := l.block()
		if event == "" {
			continue
		}
		var end struct {
			Code   realtime.Code
			Reason string
		}
		if err := json.Unmarshal([]byte(data), &end); err != nil || event != "close" || end.Code != want {
			l.n.t.Fatalf("%s %s: %v; want %v", event, data, err, want)
		}
		late := time.AfterFunc(patience, l.cancel)
		defer late.Stop()
		if rest, err := l.blocks.ReadString(0); rest != "" || err == nil {
			l.n.t.Fatalf("%q after the end", rest)
		}
		return end.Reason
	}
}

// says posts a message on the line, as whoever opened it.
func (l *eventLine) says(text string) (status int, code string) {
	l.n.t.Helper()
	return l.saysAs(l.header, l.id, text)
}

func (l *eventLine) saysAs(header http.Header, id, text string) (status int, code string) {
	l.n.t.Helper()
	r, err := http.NewRequest(http.MethodPost, l.n.server.URL+"/events/"+id, strings.NewReader(text))
	if err != nil {
		l.n.t.Fatal(err)
	}
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	answer, err := l.client.Do(r)
	if err != nil {
		l.n.t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode, problemCode(l.n.t, answer)
}

// problemCode is the code of an answer in problem+json, "" of one without words.
func problemCode(t *testing.T, answer *http.Response) string {
	t.Helper()
	if answer.StatusCode < 400 {
		return ""
	}
	var problem struct {
		Status       int
		Code, Detail string
	}
	if err := json.NewDecoder(answer.Body).Decode(&problem); err != nil || problem.Status != answer.StatusCode || problem.Detail == "" ||
		answer.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s %v %+v: %v", answer.Status, answer.Header, problem, err)
	}
	return problem.Code
}

// bare opens a stream over a connection of its own, whose receive buffer is
// small, and reads nothing.
func (n *node) bare() net.Conn {
	n.t.Helper()
	conn, err := net.Dial("tcp", n.server.Listener.Addr().String())
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	if _, err := conn.Write([]byte("GET /events?room=" + string(room) + " HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		n.t.Fatal(err)
	}
	return conn
}
