package rush

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/guard"
)

func marketAt(addr string) market {
	return market{node: &node{addr: addr, secret: strings.Repeat("s", guard.MinSecret)},
		stall: stall{show: commerce.NewID[commerce.ShowID](), variant: commerce.NewID[commerce.VariantID]()}}
}

// Lines tap one after the other each, as different guests, with ids of their own; what each was told is counted.
func TestACrowdOverHTTP(t *testing.T) {
	const lines = 7
	var asked, atOnce, most atomic.Int64
	taps := make(chan string, 1<<16)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		most.Store(max(most.Load(), atOnce.Add(1)))
		defer atOnce.Add(-1)
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		select {
		case taps <- fmt.Sprint(r.Method, r.URL, r.Header.Get("Content-Type"), r.Header.Get("Cookie"), r.Header.Get("X-Forwarded-For"), body.String()):
		default:
		}
		if asked.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"id":"x"}`)
			return
		}
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"code":"sold_out","left":0}`)
	}))
	t.Cleanup(server.Close)
	m := marketAt(server.Listener.Addr().String())
	if err := m.node.invite(); err != nil {
		t.Fatal(err)
	}
	c, err := newCrowd(t.Context(), m, lines, dialHTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	from := time.Now()
	if err := c.run(t.Context(), from, from.Add(200*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if c.waiting != 0 || int64(c.told) != asked.Load()/2 || c.won > c.told || c.won != len(c.yours) || int64(c.won+c.lost) > asked.Load() || most.Load() > lines || c.won+c.lost == 0 {
		t.Errorf("%d asked, %d told, %d and %d in the window, %d waiting, %d at once", asked.Load(), c.told, c.won, c.lost, c.waiting, most.Load())
	}
	want := regexp.MustCompile(`^PUT/api/v1/holds/(hld_[0-9a-f]{32})application/json(rialto_guest=\S+?)(10\.\d+\.\d+\.\d+)\{"show":"` + m.show.String() + `","variant":"` + m.variant.String() + `","quantity":1,"unit":4900\}$`)
	seen := map[string]bool{}
	for range len(taps) {
		tap := <-taps
		parts := want.FindStringSubmatch(tap)
		if parts == nil {
			t.Fatalf("a tap is %s", tap)
		}
		for _, part := range []string{parts[1], parts[3]} {
			if seen[part] {
				t.Fatalf("%s comes twice", part)
			}
			seen[part] = true
		}
	}
}

// A node that says no, that ends a line or that says nothing is an error, never a number.
func TestACrowdThatIsNotAnswered(t *testing.T) {
	for says, answer := range map[string]http.HandlerFunc{
		"503":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"closed": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		server := httptest.NewServer(answer)
		m := marketAt(server.Listener.Addr().String())
		if err := m.node.invite(); err != nil {
			t.Fatal(err)
		}
		c, err := newCrowd(t.Context(), m, 1, dialHTTP)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.run(t.Context(), time.Now(), time.Now().Add(time.Second)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
		c.close()
		server.Close()
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	m := marketAt(silent.Addr().String())
	if err := m.node.invite(); err != nil {
		t.Fatal(err)
	}
	c, err := newCrowd(t.Context(), m, 1, dialHTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	over := time.Now().Add(-answerWithin)
	if err := c.run(t.Context(), over, over); err == nil || !strings.Contains(err.Error(), "1 taps were not answered") {
		t.Error(err)
	}
	gone, stop := context.WithCancel(t.Context())
	stop()
	c.waiting = 0
	if err := c.run(gone, time.Now(), time.Now().Add(time.Minute)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Answers are read as they come: cut anywhere, several at once.
func TestAnswersInPieces(t *testing.T) {
	const yes = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"id\":\"hl\"}"
	const no = "HTTP/1.1 409 Conflict\r\nContent-Length: 19\r\n\r\n{\"code\":\"sold_out\"}"
	frameOf := func(text string) string { return string([]byte{textFrame, byte(len(text))}) + text }
	long := strings.Repeat("x", 300)
	for name, c := range map[string]struct {
		wire wire
		text string
		want []outcome
	}{
		"HTTP":    {&overHTTP{}, yes + no + yes, []outcome{won, lost, won}},
		"sockets": {&overSocket{}, frameOf(`{"t":"reply","id":"1","d":{}}`) + string([]byte{textFrame, twoBytes, 1, 44}) + long + string([]byte{0x89, 0}) + frameOf(`{"t":"reply","error":{"code":"sold_out"}}`), []outcome{won, noOutcome, noOutcome, lost}},
	} {
		for step := 1; step < len(c.text); step++ {
			var got []outcome
			rest := []byte{}
			for from := 0; from < len(c.text); from += step {
				rest = append(rest, c.text[from:min(from+step, len(c.text))]...)
				for {
					n, what, err := c.wire.answer(rest)
					if err != nil {
						t.Fatalf("%s in steps of %d: %v", name, step, err)
					}
					if n == 0 {
						break
					}
					got, rest = append(got, what), rest[n:]
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) || len(rest) != 0 {
				t.Fatalf("%s in steps of %d: %v, %d bytes left", name, step, got, len(rest))
			}
		}
	}
	for name, text := range map[string]string{
		"a close": "\x88\x00", "a long frame": "\x81\x7f\x00\x00\x00\x00\x7f\xff\xff\xff", "a compressed frame": "\xc1\x00",
		"another refusal": frameOf(`{"t":"reply","error":{"code":"banned"}}`),
	} {
		if n, _, err := (&overSocket{}).answer([]byte(text)); err == nil {
			t.Errorf("%s is taken: %d", name, n)
		}
	}
	if _, _, err := (&overHTTP{}).answer([]byte("HTTP/1.1 201 Created\r\n\r\n")); err == nil {
		t.Error("an answer without a length is taken")
	}
}
