package ws_test

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/ws"
)

// Sockets that mean harm: each is closed in bounded time, for a bounded price.

const (
	fin          = 0x80
	rsv1         = 0x40
	continuation = 0x0
	text         = 0x1
	ping         = 0x9
	pong         = 0xA
)

// masked is a client's frame of any kind; first is its first byte.
func masked(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...) // a mask of nothing
}

// raw writes bytes under the socket, and does not mind when it is closed.
func raw(conn *websocket.Conn, stream []byte) error {
	_ = conn.NetConn().SetWriteDeadline(time.Now().Add(patience))
	_, err := conn.NetConn().Write(stream)
	return err
}

// goneWith is closedWith for those who sent so much that the reset which
// answers the rest of it may overtake the close frame.
func goneWith(t *testing.T, conn *websocket.Conn, want realtime.Code) {
	t.Helper()
	for {
		_, _, err := conn.ReadMessage()
		var closed *websocket.CloseError
		switch {
		case err == nil:
			continue
		case errors.As(err, &closed) && closed.Code != int(want) && closed.Code != websocket.CloseAbnormalClosure:
			t.Fatalf("closed with %v, want %v", err, want)
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.Fatal("still open")
		}
		return
	}
}

// price is what f makes the program allocate, in bytes.
func price(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestDecompressionBomb: what comes compressed is inflated no further than a
// message may be long.
func TestDecompressionBomb(t *testing.T) {
	const inflated, bombs = 100 << 20, 20
	var bomb bytes.Buffer
	press, err := flate.NewWriter(&bomb, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(press, zeros{}, inflated); err != nil {
		t.Fatal(err)
	}
	if err := press.Close(); err != nil {
		t.Fatal(err)
	}
	n := start(t, options{})
	dialer := websocket.Dialer{EnableCompression: true}
	blow := func(stream []byte, want realtime.Code) {
		conn, response, err := dialer.Dial(n.url(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := response.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate") {
			t.Fatalf("negotiated %q", got)
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		join(t, conn)
		_ = raw(conn, stream)
		goneWith(t, conn, want)
	}
	small := bomb.Bytes()[:ws.MaxMessage/2] // inflates to some two megabytes
	after := func(begin, rest []byte) []byte { return append(begin, rest...) }
	used := price(func() {
		for range bombs {
			blow(masked(fin|text|rsv1, bomb.Bytes()), realtime.CodeTooLarge)
			blow(masked(fin|text|rsv1, small), realtime.CodeTooLarge)
			blow(after(masked(text|rsv1, small), masked(fin|continuation, small)), realtime.CodeTooLarge)
			blow(after(masked(text, []byte("{")), masked(fin|continuation|rsv1, small)), realtime.CodeProtocol) // RFC 7692 section 6.1
		}
	})
	t.Logf("%d bombs of %d kB made the program allocate %d kB", 4*bombs, bomb.Len()>>10, used>>10)
	if used > inflated { // what one of them would
		t.Errorf("%d bytes were allocated", used)
	}
	until(t, "all are gone", func() bool { return n.metric("rialto_realtime_conns") == 0 })
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestFloods: whatever is sent without end comes to an end.
func TestFloods(t *testing.T) {
	n := start(t, options{})
	many := func(frame []byte, count int) [][]byte { return [][]byte{bytes.Repeat(frame, count)} }
	lengthOnly := func(n uint64) []byte {
		return append(binary.BigEndian.AppendUint64([]byte{fin | text, 0x80 | 127}, n), 0, 0, 0, 0)
	}
	begun := masked(text, []byte("{"))
	for name, c := range map[string]struct {
		frames [][]byte
		want   realtime.Code
	}{
		"one past the limit":        {[][]byte{masked(fin|text, make([]byte, ws.MaxMessage+1))}, realtime.CodeTooLarge},
		"a gigabyte announced":      {[][]byte{lengthOnly(1 << 30)}, realtime.CodeTooLarge},
		"more than there is":        {[][]byte{lengthOnly(1<<63 - 1)}, realtime.CodeTooLarge},
		"a negative length":         {[][]byte{lengthOnly(1 << 63)}, realtime.CodeTooLarge},
		"past the limit in pieces":  {append([][]byte{begun}, many(masked(continuation, []byte("x")), ws.MaxMessage)...), realtime.CodeTooLarge},
		"empty pieces":              {append([][]byte{begun}, many(masked(continuation, nil), 1<<20)...), realtime.CodeTooMany},
		"pings":                     {many(masked(fin|ping, []byte("?")), 10_000), realtime.CodeTooMany},
		"large pings":               {many(masked(fin|ping, make([]byte, 125)), 10_000), realtime.CodeTooMany},
		"pongs that nobody wanted":  {many(masked(fin|pong, nil), 10_000), realtime.CodeTooMany},
		"pings inside of a message": {append([][]byte{begun}, many(masked(fin|ping, nil), 10_000)...), realtime.CodeTooMany},
		"messages":                  {many(masked(fin|text, []byte(`{"t":"ping"}`)), 10_000), realtime.CodeTooMany},
		"large messages":            {many(masked(fin|text, []byte(`{"t":"ping","x":"`+strings.Repeat("x", 4000)+`"}`)), 1000), realtime.CodeTooMany},
	} {
		t.Run(name, func(t *testing.T) {
			conn := n.dial(nil)
			join(t, conn)
			stream := bytes.Join(c.frames, nil)
			used := price(func() {
				_ = raw(conn, stream)
				goneWith(t, conn, c.want)
			})
			if used > 16<<20 { // a pool of buffers keeps little under the race detector
				t.Errorf("%d bytes were allocated", used)
			}
		})
	}
	until(t, "all are gone", func() bool { return n.metric("rialto_realtime_conns") == 0 })
}

// TestWithinTheLimits: who sends as much as a page may is left alone.
func TestWithinTheLimits(t *testing.T) {
	n := start(t, options{})
	conn := n.dial(nil)
	join(t, conn)
	const rest = `{"t":"ping","x":""}`
	largest := `{"t":"ping","x":"` + strings.Repeat("x", ws.MaxMessage-len(rest)) + `"}`
	for range ws.MessageBurst - 1 { // the join counts
		if err := raw(conn, slices.Concat(masked(fin|ping, make([]byte, 125)), masked(text, []byte(largest[:7])), masked(continuation, nil),
			masked(fin|continuation, []byte(largest[7:])))); err != nil {
			t.Fatal(err)
		}
		if got := read(t, conn); got["t"] != "pong" {
			t.Fatalf("got %v", got)
		}
	}
}

// TestASocketOfManyPeople: where each stands for many people, one may say more than a page may.
func TestASocketOfManyPeople(t *testing.T) {
	n := start(t, options{ws: func(c *ws.Config) { c.Crowded = true }})
	conn := n.dial(nil)
	join(t, conn)
	large := masked(fin|text, []byte(`{"t":"ping","x":"`+strings.Repeat("x", 4000)+`"}`))
	for range 2 * ws.BytesBurst / len(large) {
		if err := raw(conn, large); err != nil {
			t.Fatal(err)
		}
		if got := read(t, conn); got["t"] != "pong" {
			t.Fatalf("got %v", got)
		}
	}
}

// TestBrokenFrames: each is closed as broken, and no other viewer notices.
func TestBrokenFrames(t *testing.T) {
	n := start(t, options{})
	other := n.dial(nil)
	join(t, other)
	for name, frame := range map[string][]byte{
		"not masked":                {fin | text, 2, '{', '}'},
		"reserved bit 2":            masked(fin|text|0x20, nil),
		"reserved bit 3":            masked(fin|text|0x10, nil),
		"unknown kind":              masked(fin|0x3, nil),
		"unknown control":           masked(fin|0xB, nil),
		"continuation of nothing":   masked(fin|continuation, nil),
		"message inside a message":  append(masked(text, []byte("{")), masked(fin|text, nil)...),
		"ping in pieces":            masked(ping, nil),
		"large ping":                masked(fin|ping, make([]byte, 126)),
		"close with a strange code": masked(fin|0x8, []byte{0x03, 0xED}),
		"close with broken words":   masked(fin|0x8, []byte{0x03, 0xE8, 0xFF}),
	} {
		t.Run(name, func(t *testing.T) {
			conn := n.dial(nil)
			join(t, conn)
			if err := raw(conn, frame); err != nil {
				t.Fatal(err)
			}
			closedWith(t, conn, realtime.CodeProtocol)
		})
	}
	n.say("pin.set", "pin", realtime.Lossless, false)
	if got := read(t, other); got["t"] != "pin.set" {
		t.Fatalf("got %v", got)
	}
	until(t, "the broken are gone", func() bool { return n.metric("rialto_realtime_conns") == 1 })
}

// drip writes a byte now and then until the other side is gone, and says how
// long that took.
func drip(conn net.Conn, stream []byte, every time.Duration) time.Duration {
	begin := time.Now()
	for i := 0; ; i++ {
		_ = conn.SetReadDeadline(time.Now().Add(every)) // which paces, too
		if _, err := io.Copy(io.Discard, conn); err == nil || errors.Is(err, syscall.ECONNRESET) {
			return time.Since(begin) // closed
		}
		if _, err := conn.Write(stream[i%len(stream) : i%len(stream)+1]); err != nil || time.Since(begin) > patience {
			return time.Since(begin)
		}
	}
}

// TestSlowLoris: who speaks a byte at a time is let go when its time is over,
// before the join and after it.
func TestSlowLoris(t *testing.T) {
	n := start(t, options{
		ws:  func(c *ws.Config) { c.JoinTimeout = 300 * time.Millisecond },
		hub: func(c *realtime.Config) { c.PingEvery, c.DeadAfter = 100*time.Millisecond, 400*time.Millisecond },
	})
	announced := masked(fin|text, []byte(`{"t":"join","room":"shw_1","x":"`+strings.Repeat("x", 1000)))
	pieces := bytes.Repeat(masked(continuation, nil), 1000)
	for name, c := range map[string]struct {
		joins  bool
		stream []byte
	}{
		"a join by the byte":                 {false, announced},
		"a join in endless pieces":           {false, append(masked(text, []byte("{")), pieces...)},
		"a message by the byte":              {true, announced},
		"a message in endless pieces":        {true, append(masked(text, []byte("{")), pieces...)},
		"pings by the byte before the join":  {false, bytes.Repeat(masked(fin|ping, nil), 1000)},
		"only the first byte of a join ever": {false, bytes.Repeat([]byte{fin | text, 0x80 | 126, 15, 255, 0}, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := n.dial(nil)
			if c.joins {
				join(t, conn)
			}
			if took := drip(conn.NetConn(), c.stream, 20*time.Millisecond); took >= patience/2 {
				t.Errorf("it held its place for %v", took)
			}
		})
	}
	t.Cleanup(func() { // after the parallel ones
		until(t, "all are gone", func() bool { return n.metric("rialto_realtime_conns") == 0 })
	})
}

// TestSilentCrowd: sockets that never join hold only so many places, and only
// for so long.
func TestSilentCrowd(t *testing.T) {
	const places = 20
	n := start(t, options{
		ws:  func(c *ws.Config) { c.JoinTimeout = time.Second },
		hub: func(c *realtime.Config) { c.MaxPerAddress = places },
	})
	var silent []*websocket.Conn
	for range places {
		silent = append(silent, n.dial(nil))
	}
	_, response, err := websocket.DefaultDialer.Dial(n.url(), nil)
	if err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("one more: %v %v", response, err)
	}
	for _, conn := range silent {
		closedWith(t, conn, realtime.CodeJoinTimeout)
	}
	until(t, "the places are free", func() bool { return n.metric("rialto_realtime_conns") == 0 })
	join(t, n.dial(nil))
}

// TestNoise: bytes drawn at random after the upgrade do no harm.
func TestNoise(t *testing.T) {
	n := start(t, options{})
	var wg sync.WaitGroup
	for i := range 50 {
		conn := n.dial(nil)
		if i%2 == 0 {
			join(t, conn)
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			noise := make([]byte, 4096)
			_, _ = rand.Read(noise)
			_ = raw(conn, noise)
			_, _ = io.Copy(io.Discard, conn.NetConn())
			conn.Close()
		}()
	}
	wg.Wait()
	until(t, "all are gone", func() bool { return n.metric("rialto_realtime_conns") == 0 })
	if got := fmt.Sprint(join(t, n.dial(nil))["t"]); got != "joined" {
		t.Fatalf("got %s", got)
	}
}
