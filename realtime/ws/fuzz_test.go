package ws_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/ws"
)

// Whatever a page sends after the upgrade, in whatever pieces: nothing panics,
// it ends, it costs what a page may cost, and what we say is whole.

const (
	// maxFuzzed is what a page can send in an instant, and a little more.
	maxFuzzed = ws.BytesBurst + 16<<10
	// maxAnswered bounds what such a page can be sent: its joined frame, an
	// answer for each message and each ping that its budgets allow.
	maxAnswered = 64<<10 + 2*ws.MessageBurst*(ws.MaxMessage+256)
	fuzzedJoin  = `{"t":"join","room":"shw_1"}`
)

// scripted is a line whose page says what is written down, in pieces of a
// size, and then is gone.
type scripted struct {
	step   int
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex // guards what follows
	in   []byte
	out  bytes.Buffer
	head int // bytes of out that answered the upgrade
}

func newScripted(in []byte, step int) *scripted {
	return &scripted{in: in, step: max(1, step), closed: make(chan struct{})}
}

func (s *scripted) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return 0, net.ErrClosed
	default:
	}
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.step)], s.in)
	s.in = s.in[n:]
	return n, nil
}

func (s *scripted) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return 0, net.ErrClosed
	default:
	}
	n, _ := s.out.Write(p)
	if s.head == 0 {
		s.head = n // gorilla answers with one write
	}
	return n, nil
}

func (s *scripted) Close() error                     { s.once.Do(func() { close(s.closed) }); return nil }
func (s *scripted) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *scripted) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *scripted) SetDeadline(time.Time) error      { return nil }
func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }

// written is what came after the answer to the upgrade.
func (s *scripted) written() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.out.Bytes()[s.head:])
}

// scriptedWriter is a response whose connection is a script.
type scriptedWriter struct {
	*httptest.ResponseRecorder
	line *scripted
}

func (w scriptedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.line, bufio.NewReadWriter(bufio.NewReader(w.line), bufio.NewWriter(w.line)), nil
}

// fuzzed is a node whose pages are scripts.
type fuzzed struct {
	hub   *realtime.Hub
	door  *ws.Handler
	conns func() float64
	calls atomic.Int64
	clock atomic.Int64 // the door's, in Unix nanoseconds
}

func newFuzzed(f *testing.F) *fuzzed {
	n := &fuzzed{}
	n.clock.Store(time.Now().UnixNano())
	truth := newShow()
	registry := newGauges()
	hub, err := realtime.NewHub(realtime.Config{
		Bus: bus.NewMemory(), Snapshot: truth.snapshot, Metrics: registry, CountEvery: uncounted, Linger: time.Hour,
	})
	if err != nil {
		f.Fatal(err)
	}
	n.hub, n.conns = hub, func() float64 { return registry.value("rialto_realtime_conns") }
	n.door, err = ws.New(ws.Config{
		Hub: hub, AllowOrigin: func(string) bool { return false }, Now: func() time.Time { return time.Unix(0, n.clock.Load()) },
		Authenticate: func(_ context.Context, h ws.Hello) (ws.Identity, error) {
			if h.Room != room {
				return ws.Identity{}, ws.ErrUnknownRoom
			}
			return ws.Identity{Subject: "acc_vic"}, nil
		},
		Call: func(_ context.Context, from ws.Caller, name string, data json.RawMessage) (any, error) {
			n.calls.Add(1)
			switch name {
			case "echo":
				return data, nil
			case "fail":
				return nil, errors.New("as asked")
			}
			return nil, realtime.UnknownCall(name)
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	f.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			f.Errorf("hub: %v", err)
		}
	})
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if ticket, err := hub.Reserve(netAddr()); err == nil {
			ticket.Release()
			return n
		}
		if time.Now().After(end) {
			f.Fatal("the hub does not run")
		}
	}
}

// upgradeRequest is a page's; extensions may be empty.
func upgradeRequest(extensions string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/ws", nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		"Sec-WebSocket-Extensions": extensions,
	} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return r
}

// play lets a page say in, and returns what it was told.
func (n *fuzzed) play(t *testing.T, in []byte, step int, extensions string) (out []byte, deflates bool) {
	t.Helper()
	line := newScripted(in, step)
	calls := n.calls.Load()
	w := scriptedWriter{httptest.NewRecorder(), line}
	n.clock.Add(int64(time.Second)) // so that the door is not in a surge, however fast the pages come
	n.door.ServeHTTP(w, upgradeRequest(extensions))
	if w.Body.Len() > 0 {
		t.Fatalf("it was not let in: %d %s", w.Code, w.Body)
	}
	select {
	case <-line.closed:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	for end := time.Now().Add(patience); n.conns() != 0; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("its place is not given back")
		}
	}
	if called := n.calls.Load() - calls; called > ws.MessageBurst+ws.MessagesPerSec {
		t.Fatalf("one page made %d calls", called)
	}
	out = line.written()
	if len(out) > maxAnswered {
		t.Fatalf("%d bytes were answered to %d", len(out), len(in))
	}
	line.mu.Lock()
	defer line.mu.Unlock()
	return out, bytes.Contains(line.out.Bytes()[:line.head], []byte("permessage-deflate"))
}

// wellFormed says what is wrong with a server's bytes, or "". The last frame
// may be cut short, since the page was gone by then.
func wellFormed(out []byte, deflates bool) string {
	for closed := false; len(out) > 0; {
		first, rest, ok := bytes.Clone(out[:1])[0], out[1:], len(out) > 1
		if !ok {
			return ""
		}
		if closed {
			return "something came behind the close"
		}
		if first&fin == 0 || first&0x30 != 0 || rest[0]&0x80 != 0 {
			return "a frame in pieces, with a reserved bit, or masked"
		}
		size, rest, ok := sizeOf(rest)
		if !ok || uint64(len(rest)) < size {
			return ""
		}
		payload := rest[:size]
		out = rest[size:]
		kind := first & 0x0F
		if first&rsv1 != 0 && (!deflates || kind != text) {
			return "compressed without need"
		}
		switch kind {
		case text:
			if wrong := isMessage(payload, first&rsv1 != 0); wrong != "" {
				return wrong
			}
		case ping, pong:
			if size > 125 {
				return "a large control frame"
			}
		case 0x8:
			closed = true
			if size > 125 || size == 1 || size > 2 && !utf8.Valid(payload[2:]) {
				return "a close that is none"
			}
		default:
			return "a frame of no kind"
		}
	}
	return ""
}

// sizeOf reads the length of a frame, which stands in the fewest bytes it can.
func sizeOf(b []byte) (size uint64, rest []byte, ok bool) {
	switch n := b[0] & 0x7F; {
	case n < 126:
		return uint64(n), b[1:], true
	case n == 126 && len(b) >= 3:
		size, rest = uint64(binary.BigEndian.Uint16(b[1:])), b[3:]
		return size, rest, size >= 126
	case n == 127 && len(b) >= 9:
		size, rest = binary.BigEndian.Uint64(b[1:]), b[9:]
		return size, rest, size >= 1<<16
	}
	return 0, nil, false
}

func isMessage(payload []byte, pressed bool) string {
	if pressed {
		r := flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
		plain, err := io.ReadAll(r)
		if err != nil {
			return "it cannot be inflated: " + err.Error()
		}
		payload = plain
	}
	var m struct {
		Type string `json:"t"`
	}
	if !utf8.Valid(payload) || json.Unmarshal(payload, &m) != nil || m.Type == "" {
		return "no message: " + string(payload)
	}
	return ""
}

func FuzzFrames(f *testing.F) {
	n := newFuzzed(f)
	good := masked(fin|text, []byte(fuzzedJoin))
	for _, seed := range [][]byte{
		nil, masked(fin|text, []byte(`{"t":"ping","c":1}`)), masked(fin|ping, []byte("?")), masked(fin|pong, nil),
		masked(fin|text, []byte(`{"t":"call","id":"a","call":"echo","d":{"x":[1,"é"]}}`)),
		masked(fin|text, []byte(`{"t":"call","id":"b","call":"fail"}`)),
		append(masked(text, []byte(`{"t":"pi`)), masked(fin|continuation, []byte(`ng"}`))...),
		masked(fin|0x8, []byte{0x03, 0xE8}), masked(fin|0x8, nil), masked(fin|text|rsv1, []byte{0xaa, 0x56, 0x2a, 0x51, 0xb2, 0x52, 0x2a, 0x01}),
		bytes.Repeat(masked(fin|ping, nil), ws.MessageBurst+1), bytes.Repeat(masked(continuation, nil), 3),
		{fin | text, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {fin | text, 0x80 | 126, 0xFF}, {fin | text, 2, '{', '}'},
	} {
		f.Add(seed, uint16(1<<15), true, false)
		f.Add(append(bytes.Clone(good), seed...), uint16(1), false, true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, step uint16, joins, offers bool) {
		if len(stream) > maxFuzzed {
			return
		}
		if joins {
			stream = append(bytes.Clone(good), stream...)
		}
		extensions := ""
		if offers {
			extensions = "permessage-deflate; client_max_window_bits"
		}
		out, deflates := n.play(t, stream, int(step), extensions)
		if wrong := wellFormed(out, deflates); wrong != "" {
			t.Fatalf("%s: %q", wrong, out)
		}
	})
}

// FuzzMessage is one text message of a page, before the join or after it.
func FuzzMessage(f *testing.F) {
	n := newFuzzed(f)
	for _, seed := range []string{
		fuzzedJoin, `{"t":"join","room":"shw_1","epoch":"e","o":-1}`, `{"t":"join","room":"","token":"` + strings.Repeat("x", 3000) + `"}`,
		`{"t":"ping","c":9223372036854775807}`, `{"t":"ping","c":1e400}`, `{"t":"call","id":"é"}`, `{"t":"call","id":"a","call":"echo","d":"\ud800"}`,
		`{"t":"call","id":"a","call":"echo","d":` + strings.Repeat("[", 1500) + strings.Repeat("]", 1500) + `}`,
		`{"t":"call","id":"a","call":"\u0000<script>","d":null}`, `[]`, `null`, ``, "{\"t\":\"call\",\"id\":\"a\",\"call\":\"echo\",\"d\":\"\xff\"}",
		`{"t":"call","id":"a","call":"echo","d":{"a":1},"d":2,"T":"join"}`, `{"t":"join"}{"t":"ping"}`,
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, said string, joins bool) {
		if len(said) > ws.MaxMessage+1 {
			return
		}
		var stream []byte
		if joins {
			stream = masked(fin|text, []byte(fuzzedJoin))
		}
		out, _ := n.play(t, append(stream, masked(fin|text, []byte(said))...), 1<<15, "")
		if wrong := wellFormed(out, false); wrong != "" {
			t.Fatalf("%s: %q", wrong, out)
		}
	})
}

// gauges is a registry that a fuzz target can read.
type gauges struct{ *prometheus.Registry }

func newGauges() gauges { return gauges{prometheus.NewRegistry()} }

func (g gauges) value(name string) float64 {
	families, err := g.Gather()
	if err != nil {
		return -1
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}
