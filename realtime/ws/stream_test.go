package ws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/ws"
)

// The room where WebSockets are blocked.

// TestEventStream: what comes over a stream is what comes over a socket.
func TestEventStream(t *testing.T) {
	onEachWay(t, options{}, func(t *testing.T, n *node) {
		n.show.set("stock.set", "var_1", realtime.Latest, false)
		before := time.Now().UnixMilli()
		l := n.open(http.Header{"Origin": {goodPage}})
		joined := l.read()
		if joined["t"] != "joined" || joined["resumed"] != false || joined["o"] != 0.0 || joined["epoch"] == "" || len(joined["d"].([]any)) != 2 {
			t.Fatalf("joined: %v", joined)
		}
		n.say("pin.set", "pin", realtime.Lossless, false)
		if got := fmt.Sprint(l.read()); got != "map[d:map[n:3] k:pin o:1 t:pin.set v:3]" {
			t.Fatalf("event: %s", got)
		}
		n.say("stock.set", "var_1", realtime.Latest, false)
		if got := fmt.Sprint(l.read()); got != "map[d:[map[d:map[n:4] k:var_1 t:stock.set v:4]] o:2 t:tick]" {
			t.Fatalf("tick: %s", got)
		}
		if status, code := l.says(`{"t":"ping","c":12345}`); status != http.StatusNoContent {
			t.Fatalf("a ping: %d %s", status, code)
		}
		pong := l.read()
		if pong["t"] != "pong" || pong["c"] != 12345.0 || pong["r"].(float64) < float64(before) || pong["s"].(float64) < pong["r"].(float64) {
			t.Fatalf("pong: %v", pong)
		}
		if got := n.metric("rialto_realtime_streams"); got != 1 {
			t.Errorf("%v streams are counted", got)
		}
		l.cancel()
		until(t, "the page has gone", func() bool {
			return n.metric("rialto_realtime_conns") == 0 && n.metric("rialto_realtime_streams") == 0
		})
		if status, code := l.says(`{"t":"ping","c":1}`); status != http.StatusNotFound || code != "line_unknown" {
			t.Errorf("after the end: %d %s", status, code)
		}
	})
}

// TestEventStreamResumes: a page goes on where it was, also with what it heard
// over a socket, and the other way round.
func TestEventStreamResumes(t *testing.T) {
	onEachWay(t, options{}, func(t *testing.T, n *node) {
		first := n.open(nil)
		epoch := first.read()["epoch"].(string)
		for range 3 {
			n.say("pin.set", "pin", realtime.Lossless, false)
			first.read()
		}
		for _, c := range []struct {
			epoch, o string
			resumed  bool
		}{{epoch, "1", true}, {epoch, "3", true}, {epoch, "4", false}, {epoch, "-1", false}, {"other", "1", false}, {"", "", false}} {
			l := n.open(nil, "epoch", c.epoch, "o", c.o)
			if joined := l.read(); joined["t"] != "joined" || joined["resumed"] != c.resumed {
				t.Errorf("from %s %s: %v", c.epoch, c.o, joined)
			}
			if c.o == "1" && c.resumed {
				if a, b := l.read(), l.read(); a["o"] != 2.0 || b["o"] != 3.0 {
					t.Errorf("what was missed: %v %v", a, b)
				}
			}
		}
		if n.server.TLS == nil {
			conn := n.dial(nil)
			send(t, conn, `{"t":"join","room":"shw_1","epoch":"`+epoch+`","o":2}`)
			if joined := read(t, conn); joined["resumed"] != true {
				t.Errorf("over a socket: %v", joined)
			}
		}
	})
}

// TestEventStreamCalls: a call is answered on the stream, one at a time, and
// the pings between do not wait for it.
func TestEventStreamCalls(t *testing.T) {
	type asked struct{ name, subject, id string }
	calls, proceed := make(chan asked), make(chan struct{})
	o := options{ws: func(c *ws.Config) {
		c.Call = func(_ context.Context, from ws.Caller, name string, data json.RawMessage) (any, error) {
			calls <- asked{name, from.Subject, from.Call}
			<-proceed
			if name == "refuse" {
				return nil, &ws.CallError{Code: "too_often", Detail: "slower", RetryAfter: time.Second}
			}
			return map[string]any{"d": data}, nil
		}
	}}
	onEachWay(t, o, func(t *testing.T, n *node) {
		l := n.open(http.Header{"Subject": {"acc_vic"}, "Cookie": {"a=1"}})
		l.read()
		var posts sync.WaitGroup
		for _, text := range []string{`{"t":"call","id":"1","call":"echo","d":{"x":1}}`, `{"t":"call","id":"1","call":"echo","d":{"x":1}}`} {
			posts.Go(func() {
				if status, code := l.says(text); status != http.StatusNoContent {
					t.Errorf("%d %s", status, code)
				}
			})
		}
		if got := <-calls; got != (asked{"echo", "acc_vic", "1"}) {
			t.Errorf("called %+v", got)
		}
		if status, _ := l.says(`{"t":"ping","c":7}`); status != http.StatusNoContent || l.read()["c"] != 7.0 {
			t.Error("a ping waits for a call")
		}
		proceed <- struct{}{}
		if got := fmt.Sprint(l.read()); got != "map[d:map[d:map[x:1]] id:1 t:reply]" {
			t.Errorf("the answer: %s", got)
		}
		<-calls
		proceed <- struct{}{}
		l.read()
		posts.Wait()
		posts.Go(func() { l.says(`{"t":"call","id":"2","call":"refuse"}`) })
		<-calls
		proceed <- struct{}{}
		if got := fmt.Sprint(l.read()); got != "map[error:map[code:too_often detail:slower retry_after_ms:1000] id:2 t:reply]" {
			t.Errorf("the refusal: %s", got)
		}
		posts.Wait()
	})
}

// TestTooManyCallsWait: calls that wait for their turn are so many at most.
func TestTooManyCallsWait(t *testing.T) {
	begun, proceed := make(chan struct{}, 100), make(chan struct{})
	var clock struct {
		sync.Mutex
		time.Time
	}
	clock.Time = time.Now()
	o := options{ws: func(c *ws.Config) {
		c.Call = func(context.Context, ws.Caller, string, json.RawMessage) (any, error) {
			begun <- struct{}{}
			<-proceed
			return nil, nil
		}
		// Each message comes seconds after the one before, so that none is too often.
		c.Now = func() time.Time {
			clock.Lock()
			defer clock.Unlock()
			clock.Time = clock.Add(time.Second)
			return clock.Time
		}
	}}
	onEachWay(t, o, func(t *testing.T, n *node) {
		l := n.open(nil)
		l.read()
		statuses := make(chan int, ws.MessageBurst+1)
		var posts sync.WaitGroup
		for range ws.MessageBurst + 1 {
			posts.Go(func() {
				status, _ := l.says(`{"t":"call","id":"1","call":"echo"}`)
				statuses <- status
			})
		}
		if status := <-statuses; status != http.StatusTooManyRequests {
			t.Errorf("one too many: %d", status)
		}
		<-begun
		proceed <- struct{}{}
		posts.Wait()
		got := map[int]int{}
		for range ws.MessageBurst {
			got[<-statuses]++
		}
		// One was under way; the others are for the page's next line.
		if want := map[int]int{http.StatusNoContent: 1, http.StatusNotFound: ws.MessageBurst - 1}; !maps.Equal(got, want) {
			t.Errorf("those that waited were answered %v, want %v", got, want)
		}
		l.closedWith(realtime.CodeTooMany)
	})
}

// TestLineOfAnother: only who opened a line speaks over it, however they come
// by its id, and nobody ends another's line.
func TestLineOfAnother(t *testing.T) {
	onEachWay(t, options{}, func(t *testing.T, n *node) {
		vic := http.Header{"Subject": {"acc_vic"}, "Session": {"ses_1"}, "Cookie": {"s=1"}}
		l := n.open(vic)
		l.read()
		huge := strings.Repeat("x", ws.MaxMessage+1)
		for name, c := range map[string]struct {
			header http.Header
			status int
			code   string
		}{
			"another person":          {http.Header{"Subject": {"acc_eve"}, "Session": {"ses_1"}, "Cookie": {"s=2"}}, http.StatusForbidden, "line_refused"},
			"another session":         {http.Header{"Subject": {"acc_vic"}, "Session": {"ses_2"}, "Cookie": {"s=3"}}, http.StatusForbidden, "line_refused"},
			"nobody":                  {nil, http.StatusForbidden, "line_refused"},
			"with a token too long":   {http.Header{"Authorization": {"Bearer " + strings.Repeat("x", 3000)}}, http.StatusForbidden, "line_refused"},
			"a page of another":       {http.Header{"Cookie": {"s=1"}, "Origin": {"https://evil.example"}}, http.StatusForbidden, "origin_refused"},
			"a page of another, mute": {http.Header{"Cookie": {"s=1"}, "Sec-Fetch-Site": {"cross-site"}}, http.StatusForbidden, "origin_refused"},
		} {
			if status, code := l.saysAs(c.header, l.id, huge); status != c.status || code != c.code {
				t.Errorf("%s: %d %s", name, status, code)
			}
		}
		again := vic.Clone()
		again.Set("Cookie", "s=1; theme=dark")
		for range 2 {
			if status, code := l.saysAs(again, l.id, `{"t":"ping","c":1}`); status != http.StatusNoContent || l.read()["t"] != "pong" {
				t.Errorf("the same person with one cookie more: %d %s", status, code)
			}
		}
		for _, id := range []string{"", "x", strings.Repeat("0", len(l.id)), l.id + "0", l.id[:len(l.id)-1], url.PathEscape("../" + l.id), l.id + "/" + l.id} {
			if status, code := l.saysAs(vic, id, `{"t":"ping","c":1}`); status != http.StatusNotFound || code != "line_unknown" {
				t.Errorf("line %q: %d %s", id, status, code)
			}
		}
	})
}

// TestStrangersAreBounded: who comes with ever other cookies does not have them
// all looked up.
func TestStrangersAreBounded(t *testing.T) {
	lookups := make(chan string, 100)
	o := options{ws: func(c *ws.Config) {
		now := time.Now()
		c.Now = func() time.Time { return now }
		c.Authenticate = func(_ context.Context, h ws.Hello) (ws.Identity, error) {
			lookups <- h.Header.Get("Cookie")
			if h.Header.Get("Cookie") == "db=away" {
				return ws.Identity{}, errors.New("the database is on a journey")
			}
			return ws.Identity{Subject: h.Header.Get("Cookie")}, nil
		}
	}}
	onEachWay(t, o, func(t *testing.T, n *node) {
		l := n.open(http.Header{"Cookie": {"s=vic"}})
		l.read()
		if status, code := l.saysAs(http.Header{"Cookie": {"db=away"}}, l.id, `{}`); status != http.StatusServiceUnavailable || code != "unavailable" {
			t.Errorf("not to be found out: %d %s", status, code)
		}
		status := 0
		for i := range 10 {
			status, _ = l.saysAs(http.Header{"Cookie": {fmt.Sprint(i)}}, l.id, `{}`)
		}
		if got := len(lookups); status != http.StatusTooManyRequests || got != 1+5 {
			t.Errorf("%d lookups, the last was answered %d", got, status)
		}
		for len(lookups) > 0 {
			<-lookups
		}
		if status, _ := l.says(`{"t":"ping","c":1}`); status != http.StatusNoContent || l.read()["t"] != "pong" || len(lookups) > 0 {
			t.Errorf("who opened it: %d, %d lookups", status, len(lookups))
		}
	})
}

// TestBadWords: each ends the line, as it would end a socket.
func TestBadWords(t *testing.T) {
	const rest = `{"t":"ping","x":""}`
	ping := func(size int) string { return `{"t":"ping","x":"` + strings.Repeat("x", size-len(rest)) + `"}` }
	for name, c := range map[string]struct {
		text   string
		status int
		want   realtime.Code
	}{
		"no JSON":            {`{`, http.StatusBadRequest, realtime.CodeBadMessage},
		"no object":          {`[]`, http.StatusBadRequest, realtime.CodeBadMessage},
		"nothing":            {``, http.StatusBadRequest, realtime.CodeBadMessage},
		"another join":       {`{"t":"join","room":"shw_1"}`, http.StatusBadRequest, realtime.CodeBadMessage},
		"an unknown type":    {`{"t":"buy"}`, http.StatusBadRequest, realtime.CodeBadMessage},
		"an id that is none": {`{"t":"call","id":"a b","call":"x"}`, http.StatusBadRequest, realtime.CodeBadMessage},
		"too large":          {ping(ws.MaxMessage + 1), http.StatusRequestEntityTooLarge, realtime.CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			onEachWay(t, options{}, func(t *testing.T, n *node) {
				l := n.open(nil)
				l.read()
				if status, code := l.says(ping(ws.MaxMessage)); status != http.StatusNoContent || l.read()["t"] != "pong" {
					t.Fatalf("at the limit: %d %s", status, code)
				}
				if status, code := l.says(c.text); status != c.status || code != c.want.String() {
					t.Errorf("%d %s", status, code)
				}
				l.closedWith(c.want)
			})
		})
	}
}

// TestFloodOfPosts: messages and their bytes are counted as those of a socket.
func TestFloodOfPosts(t *testing.T) {
	o := options{ws: func(c *ws.Config) {
		now := time.Now()
		c.Now = func() time.Time { return now } // no message is forgiven with time
	}}
	onEachWay(t, o, func(t *testing.T, n *node) {
		l := n.open(nil)
		l.read()
		for range ws.MessageBurst {
			if status, code := l.says(`{"t":"ping"}`); status != http.StatusNoContent || l.read()["t"] != "pong" {
				t.Fatalf("%d %s", status, code)
			}
		}
		if status, code := l.says(`{"t":"ping"}`); status != http.StatusTooManyRequests || code != realtime.CodeTooMany.String() {
			t.Errorf("one more: %d %s", status, code)
		}
		l.closedWith(realtime.CodeTooMany)
	})
}

// TestStreamsNotOpened: what is refused before the stream begins, in words.
func TestStreamsNotOpened(t *testing.T) {
	o := options{hub: func(c *realtime.Config) { c.MaxPerAddress = 1 }}
	onEachWay(t, o, func(t *testing.T, n *node) {
		refused := func(header http.Header, query url.Values, status int, code string) *http.Response {
			t.Helper()
			answer, _ := n.ask(n.client(), header, query)
			if got := problemCode(t, answer); answer.StatusCode != status || got != code {
				t.Fatalf("%d %s, want %d %s", answer.StatusCode, got, status, code)
			}
			return answer
		}
		in := url.Values{"room": {string(room)}}
		refused(http.Header{"Origin": {"https://evil.example"}}, in, http.StatusForbidden, "origin_refused")
		refused(http.Header{"Origin": {"null"}}, in, http.StatusForbidden, "origin_refused")
		for _, site := range []string{"cross-site", "same-site"} {
			refused(http.Header{"Sec-Fetch-Site": {site}}, in, http.StatusForbidden, "origin_refused")
		}
		refused(nil, url.Values{"room": {string(room)}, "o": {"x"}}, http.StatusBadRequest, "query_invalid")
		refused(nil, url.Values{"room": {string(room)}, "o": {"99999999999999999999"}}, http.StatusBadRequest, "query_invalid")
		for _, c := range []struct{ method, path, allow string }{
			{http.MethodHead, "/events", http.MethodGet}, {http.MethodPost, "/events", http.MethodGet}, {http.MethodDelete, "/events", http.MethodGet},
			{http.MethodOptions, "/events", http.MethodGet}, {http.MethodGet, "/events/x", http.MethodPost}, {http.MethodPut, "/events/x", http.MethodPost},
		} {
			r, err := http.NewRequest(c.method, n.server.URL+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := n.client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if answer.StatusCode != http.StatusMethodNotAllowed || answer.Header.Get("Allow") != c.allow {
				t.Errorf("%s %s: %s %v", c.method, c.path, answer.Status, answer.Header)
			}
		}
		for _, site := range []string{"same-origin", "none"} {
			first := n.open(http.Header{"Sec-Fetch-Site": {site}})
			first.read()
			if refused(nil, in, http.StatusServiceUnavailable, "full").Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			first.cancel()
			until(t, "the place is free", func() bool { return n.metric("rialto_realtime_conns") == 0 })
		}
		n.hub.Drain(context.Background(), time.Millisecond)
		refused(nil, in, http.StatusServiceUnavailable, "draining")
	})
}

// TestStreamsNotLetIn: who may not join learns it by the same codes as over a
// socket.
func TestStreamsNotLetIn(t *testing.T) {
	var answer error
	o := options{ws: func(c *ws.Config) {
		inner := c.Authenticate
		c.Authenticate = func(ctx context.Context, h ws.Hello) (ws.Identity, error) {
			if answer != nil {
				return ws.Identity{}, answer
			}
			if h.Token == "good" {
				return ws.Identity{Subject: "acc_ticket"}, nil
			}
			return inner(ctx, h)
		}
	}}
	onEachWay(t, o, func(t *testing.T, n *node) {
		for err, code := range map[error]realtime.Code{
			ws.ErrForbidden: realtime.CodeForbidden, ws.ErrSignedOut: realtime.CodeSignedOut,
			errors.New("the database is on a journey"): realtime.CodeUnavailable,
		} {
			answer = err
			if words := n.open(nil).closedWith(code); strings.Contains(words, "database") {
				t.Errorf("the page was told %q", words)
			}
		}
		answer = nil
		for _, other := range []string{"shw_2", "", "!control"} {
			n.open(nil, "room", other).closedWith(realtime.CodeUnknownRoom)
		}
		n.open(http.Header{"Authorization": {"Bearer " + strings.Repeat("x", 3000)}}).closedWith(realtime.CodeBadMessage)
		n.show.fail(errors.New("no database"))
		n.open(nil).closedWith(realtime.CodeUnavailable)
		n.show.fail(nil)
		l := n.open(http.Header{"Authorization": {"bearer good"}})
		l.read()
		if found := n.hub.Revoke(realtime.Match{Subject: "acc_ticket"}); found != 1 {
			t.Errorf("the ticket's person has %d lines", found)
		}
		l.closedWith(realtime.CodeForbidden)
		until(t, "all are gone", func() bool { return n.metric("rialto_realtime_conns") == 0 })
	})
}

// TestStreamChat: a line said over a stream is read over sockets, and the other
// way round.
func TestStreamChat(t *testing.T) {
	n := talkative(t, bus.NewMemory(), options{})
	vic := n.talker("vic", "")
	l := n.open(http.Header{"Subject": {"acc_ana"}, "Name": {"ana"}})
	l.read()
	if status, code := l.says(`{"t":"call","id":"a","call":"chat.say","d":{"text":"over the stream"}}`); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, code)
	}
	vic.hears("over the stream")
	vic.says("over the socket")
	vic.hears("over the stream", "over the socket")
	for heard := ""; !strings.Contains(heard, "over the socket"); {
		heard += fmt.Sprint(l.read())
	}
}
