package frames

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

const patience = 30 * time.Second

// serve starts a WebSocket server; each calls f with its connection, which f closes.
func serve(t *testing.T, f func(*websocket.Conn, *http.Request)) netip.AddrPort {
	t.Helper()
	var upgrader websocket.Upgrader
	var group sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		group.Add(1)
		defer group.Done()
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		f(conn, r)
	}))
	t.Cleanup(func() {
		server.Close()
		group.Wait()
	})
	return addressOf(t, server.URL)
}

func addressOf(t *testing.T, url string) netip.AddrPort {
	t.Helper()
	addr, err := netip.ParseAddrPort(strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func crowd(t *testing.T, c Config) *Crowd {
	t.Helper()
	c.Host, c.Path = c.Addr.String(), "/ws?a=b"
	if c.Take == nil {
		c.Take = func(int, []byte, time.Duration) {}
	}
	made, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made
}

func (c *Crowd) await(t *testing.T, what string, come func() bool) {
	t.Helper()
	until := time.Now().Add(patience)
	if err := c.Read(t.Context(), func() bool { return come() || time.Now().After(until) }); err != nil {
		t.Fatal(err)
	}
	if !come() {
		t.Fatalf("%s: never; %+v", what, c.Stats())
	}
}

// Each client is upgraded, says its hello, hears all, whatever sizes it has, and comes from an address of its own.
func TestCrowdHearsAll(t *testing.T) {
	const clients = 40
	sizes := []int{0, 1, 125, 126, 200, 65535, 65536, 700_000}
	var mu sync.Mutex
	from := map[string]int{}
	addr := serve(t, func(conn *websocket.Conn, r *http.Request) {
		_, hello, err := conn.ReadMessage()
		if err != nil || string(hello) != "hello" || r.URL.String() != "/ws?a=b" {
			t.Errorf("%q at %s, %v", hello, r.URL, err)
		}
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		mu.Lock()
		from[host]++
		mu.Unlock()
		for _, size := range sizes {
			if err := conn.WriteMessage(websocket.TextMessage, bytes.Repeat([]byte{'x'}, size)); err != nil {
				t.Error(err)
			}
		}
		_, _, _ = conn.ReadMessage() // until it goes
	})
	heard := make([][]int, clients)
	c := crowd(t, Config{Addr: addr, Hello: []byte("hello"), Take: func(client int, text []byte, at time.Duration) {
		heard[client] = append(heard[client], len(text))
		if age := Now() - at; age < 0 || age > patience || bytes.Count(text, []byte{'x'}) != len(text) {
			t.Errorf("%d bytes, read %v ago", len(text), age)
		}
	}})
	if err := c.Open(t.Context(), clients/2); err != nil {
		t.Fatal(err)
	}
	if err := c.Open(t.Context(), clients/2); err != nil {
		t.Fatal(err)
	}
	c.await(t, "all messages", func() bool { return c.Stats().Frames == int64(clients*len(sizes)) })
	for i, got := range heard {
		if !slices.Equal(got, sizes) {
			t.Errorf("client %d has heard %v", i, got)
		}
	}
	if s := c.Stats(); s.Open != clients || s.Ended != 0 || len(s.Failed) != 0 || s.Elapsed <= 0 {
		t.Errorf("%+v", s)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(from) != clients {
		t.Errorf("from %v", from)
	}
}

// Pings are answered, and a close is counted by its code.
func TestPingsAndCloses(t *testing.T) {
	var ponged atomic.Bool
	addr := serve(t, func(conn *websocket.Conn, _ *http.Request) {
		conn.SetPongHandler(func(text string) error {
			ponged.Store(text == "are you there")
			return conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4001, "slow"), time.Now().Add(patience))
		})
		_ = conn.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(patience))
		_, _, _ = conn.ReadMessage()
	})
	c := crowd(t, Config{Addr: addr})
	if err := c.Open(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	c.await(t, "the close", func() bool { return c.Stats().Ended == 1 })
	if s := c.Stats(); !ponged.Load() || s.Open != 0 || s.Pinged != 1 || s.Codes[4001] != 1 {
		t.Errorf("%+v, answered: %v", s, ponged.Load())
	}
}

// Servers that refuse, or that speak something else, are told by cause and end nobody else.
func TestRefusals(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) % 4 {
		case 0:
			http.Error(w, "full", http.StatusServiceUnavailable)
			return
		case 1:
			w.Header().Set("Sec-WebSocket-Accept", "nothing of yours")
			w.WriteHeader(http.StatusSwitchingProtocols)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if n.Load()%4 == 2 {
			fmt.Fprintf(conn, "this is no HTTP\r\n\r\n")
			return
		}
		fmt.Fprintf(conn, "HTTP/1.1 101 X\r\nSec-WebSocket-Accept: %s\r\n\r\n", Accept(r.Header.Get("Sec-WebSocket-Key")))
		_, _ = conn.Write([]byte{0x81, 0x80, 0, 0, 0, 0}) // masked, which a server's frames are not
		_, _ = conn.Read(make([]byte, 1))
	}))
	defer server.Close()
	c := crowd(t, Config{Addr: addressOf(t, server.URL)})
	for range 4 {
		if err := c.Open(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	c.await(t, "the end of all", func() bool { return c.Stats().Ended == 1 })
	s := c.Stats()
	if s.Failed["the server answered 503 Service Unavailable"] != 1 || s.Failed["the server has not read the key of the upgrade"] != 1 || len(s.Failed) != 3 {
		t.Errorf("%+v", s)
	}
	nobody := crowd(t, Config{Addr: netip.MustParseAddrPort("127.0.0.1:1")})
	if err := nobody.Open(t.Context(), 3); err != nil || len(nobody.Stats().Failed) != 1 {
		t.Errorf("%v, %+v", err, nobody.Stats())
	}
}

// A frame is read however it is cut, and not before its end; its bounds are kept.
func TestFrame(t *testing.T) {
	for _, size := range []int{0, 125, 126, 65535, 65536} {
		b := masked(Text, bytes.Repeat([]byte{7}, size))
		b[1] &^= maskBit // as a server's: without the mask
		at := len(b) - size - 4
		b = slices.Delete(b, at, at+4)
		for _, cut := range []int{0, 1, at - 1, at, len(b) - 1} {
			if cut >= len(b) {
				continue
			}
			if _, _, _, n, err := frame(b[:cut]); n != 0 || err != nil {
				t.Errorf("%d of %d bytes are a frame of %d, %v", cut, len(b), n, err)
			}
		}
		op, fin, payload, n, err := frame(append(b, 1, 2, 3))
		if op != Text || !fin || len(payload) != size || n != len(b) || err != nil {
			t.Errorf("%d: %d %v %d %d %v", size, op, fin, len(payload), n, err)
		}
	}
	head := func(n uint64) []byte { return binary.BigEndian.AppendUint64([]byte{0x81, 127}, n) }
	if _, _, _, n, err := frame(head(MaxFrame)); n != 0 || err != nil {
		t.Errorf("a frame at the limit: %d, %v", n, err)
	}
	for _, n := range []uint64{MaxFrame + 1, 1 << 63} {
		if _, _, _, _, err := frame(head(n)); err == nil {
			t.Errorf("a frame of %d bytes is taken", n)
		}
	}
	c := &Crowd{}
	if n, err := c.answer(0, make([]byte, maxAnswer)); n != 0 || err != nil {
		t.Errorf("an answer at the limit: %d, %v", n, err)
	}
	if _, err := c.answer(0, make([]byte, maxAnswer+1)); err == nil {
		t.Error("an answer without an end is waited for")
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte{0x81, 2, 'h', 'i'})
	f.Add([]byte{0x88, 126, 0, 2, 0x0f, 0xa1})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, payload, n, err := frame(b)
		if n > len(b) || len(payload) > n || err != nil && n != 0 {
			t.Errorf("%d of %d bytes, payload of %d, %v", n, len(b), len(payload), err)
		}
	})
}
