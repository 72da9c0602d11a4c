package ws_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/client"
)

// Many event streams, slow ones, and those whose page or server goes.

// TestSlowStreams: pages that read nothing over their streams disturb nobody; one
// that wakes up finds whole blocks, then a snapshot, and has the newest in the end.
func TestSlowStreams(t *testing.T) {
	n := start(t, options{hub: func(c *realtime.Config) { c.RingFrames = 16; c.Writers = 1 }})
	var slow []net.Conn
	for range 20 {
		slow = append(slow, n.bare())
	}
	until(t, "all are in", func() bool { return n.metric("rialto_realtime_joins_total") == 20 })
	v := n.watch(client.Config{})
	n.joined(v)
	for range 300 {
		n.sayLarge(8 << 10)
		until(t, "the quick viewer has it", func() bool { return v.Version() == n.show.version })
	}
	if s := v.Stats(); s.Dials != 1 || s.Snapshots != 1 {
		t.Errorf("the quick viewer was disturbed: %+v", s)
	}
	if parked := n.metric("rialto_realtime_conns_parked"); parked < 10 {
		t.Errorf("%v streams are parked, want nearly all of 20", parked)
	}
	_ = slow[0].SetReadDeadline(time.Now().Add(patience))
	blocks, snapshots := 0, 0
	lines := bufio.NewReader(slow[0])
	for newest := fmt.Sprintf(`"n":%d,`, n.show.version); ; {
		text, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(text, "data: ") {
			blocks++
			if !strings.HasSuffix(text, "}\n") {
				t.Fatalf("half a block: %.60s", text)
			}
		}
		if strings.HasPrefix(text, `data: {"t":"joined"`) {
			snapshots++
		}
		if strings.Contains(text, newest) {
			break
		}
	}
	if blocks >= 300 || snapshots < 2 || n.metric("rialto_realtime_jumps_total") == 0 {
		t.Errorf("%d blocks and %d snapshots", blocks, snapshots)
	}
}

// TestStalledStreams: a page that takes no byte for WriteStall is dropped, and
// nothing of it stays; what waits for it is interrupted.
func TestStalledStreams(t *testing.T) {
	o := options{hub: func(c *realtime.Config) { c.WriteStall = 50 * time.Millisecond }}
	t.Run("over HTTP/1.1", func(t *testing.T) {
		n := start(t, o)
		n.bare()
		until(t, "it is in", func() bool { return n.metric("rialto_realtime_joins_total") == 1 })
		n.stalls()
	})
	t.Run("over HTTP/2", func(t *testing.T) {
		o.tls, o.http2 = true, true
		n := start(t, o)
		n.open(nil).read() // and nothing more: its window fills
		n.stalls()
	})
}

// stalls says more than the one viewer there is takes, and waits for its end.
func (n *node) stalls() {
	n.t.Helper()
	until(n.t, "the stalled page is gone", func() bool {
		if n.metric("rialto_realtime_conns") == 0 {
			return true
		}
		for range 50 {
			n.sayLarge(15 << 10)
		}
		return false
	})
	until(n.t, "nobody is parked", func() bool { return n.metric("rialto_realtime_conns_parked") == 0 })
}

// TestSilentStream: a page that says nothing for long stays, since nothing asks
// it to answer; its line is kept awake.
func TestSilentStream(t *testing.T) {
	o := options{hub: func(c *realtime.Config) { c.PingEvery, c.DeadAfter = 64*time.Millisecond, 128*time.Millisecond }}
	onEachWay(t, o, func(t *testing.T, n *node) {
		l := n.open(nil)
		l.read()
		for comments := 0; comments < 10; {
			text, err := l.blocks.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if text == ":\n" {
				comments++
			}
		}
		if got := n.metric("rialto_realtime_conns"); got != 1 {
			t.Errorf("%v lines", got)
		}
	})
}

// TestDrainOfStreams: a leaving node tells each page when to come again.
func TestDrainOfStreams(t *testing.T) {
	onEachWay(t, options{}, func(t *testing.T, n *node) {
		var lines []*eventLine
		for range 5 {
			l := n.open(nil)
			l.read()
			lines = append(lines, l)
		}
		n.hub.Drain(context.Background(), 10*time.Millisecond)
		for _, l := range lines {
			if reason := l.closedWith(realtime.CodeReconnect); !strings.Contains(reason, `{"reconnect_after":`) {
				t.Errorf("the reason is %s", reason)
			}
		}
		until(t, "all are gone", func() bool { return n.metric("rialto_realtime_conns") == 0 })
	})
}

// TestStopWithStreams: a hub that ends, while pages come, read, stall and speak,
// ends with nothing left of them.
func TestStopWithStreams(t *testing.T) {
	onEachWay(t, options{}, func(t *testing.T, n *node) {
		var pages sync.WaitGroup
		for range 10 {
			l := n.open(nil)
			pages.Go(func() { _, _ = io.Copy(io.Discard, l.answer.Body) })
		}
		stalled := n.open(nil)
		until(t, "all are in", func() bool { return n.metric("rialto_realtime_joins_total") == 11 })
		for range 100 {
			n.sayLarge(15 << 10)
		}
		n.stop()
		pages.Wait()
		stalled.cancel()
		if conns, parked := n.metric("rialto_realtime_conns"), n.metric("rialto_realtime_conns_parked"); conns != 0 || parked != 0 {
			t.Errorf("%v lines, %v parked", conns, parked)
		}
	})
}

// TestChurnOfStreams: five hundred pages come and go in every manner, and leave
// no goroutine, descriptor or line.
func TestChurnOfStreams(t *testing.T) {
	const pages, atOnce = 500, 20
	onEachWay(t, options{}, func(t *testing.T, n *node) {
		c := n.client()
		round := func(count int) {
			var all sync.WaitGroup
			slots := make(chan struct{}, atOnce)
			for i := range count {
				slots <- struct{}{}
				all.Go(func() {
					defer func() { <-slots }()
					n.visit(c, i)
				})
			}
			all.Wait()
			until(t, "all are gone", func() bool { return n.metric("rialto_realtime_conns") == 0 })
			c.CloseIdleConnections()
		}
		round(atOnce) // what is made once is there now
		goroutines, descriptors := runtime.NumGoroutine(), openDescriptors(t)
		until(t, "nothing of it is on its way out", func() bool {
			before := goroutines
			time.Sleep(50 * time.Millisecond) // between two looks
			goroutines, descriptors = runtime.NumGoroutine(), openDescriptors(t)
			return goroutines == before
		})
		round(pages)
		until(t, "no goroutine stays", func() bool { return runtime.NumGoroutine() <= goroutines+2 },
			func() string { return fmt.Sprintf("%d goroutines, there were %d", runtime.NumGoroutine(), goroutines) })
		until(t, "no descriptor stays", func() bool { return openDescriptors(t) <= descriptors+2 },
			func() string { return fmt.Sprintf("%d descriptors, there were %d", openDescriptors(t), descriptors) })
	})
}

// visit is one page's stay; it leaves before, while or after it is let in.
func (n *node) visit(c *http.Client, number int) {
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.server.URL+"/events?room="+string(room), nil)
	if err != nil {
		n.t.Error(err)
		return
	}
	if number%4 == 0 {
		go leave()
	}
	answer, err := c.Do(r)
	for err == nil && answer.StatusCode == http.StatusServiceUnavailable { // many come in just now
		answer.Body.Close()
		time.Sleep(10 * time.Millisecond) // between two looks
		answer, err = c.Do(r)
	}
	if err != nil {
		if ctx.Err() == nil {
			n.t.Error(err)
		}
		return
	}
	defer answer.Body.Close()
	if number%4 > 1 {
		lines := bufio.NewReader(answer.Body)
		for text := ""; !strings.Contains(text, `"joined"`); {
			if text, err = lines.ReadString('\n'); err != nil {
				n.t.Error(err)
				return
			}
		}
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestHeadByTheByte: a request that comes in pieces opens a stream like any
// other, and what is sent after it is counted.
func TestHeadByTheByte(t *testing.T) {
	n := start(t, options{})
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", n.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patience))
		return conn
	}
	conn := dial()
	for _, b := range []byte("GET /events?room=shw_1 HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\n\r\n") {
		if _, err := conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	all := bufio.NewReader(conn)
	answer, err := http.ReadResponse(all, nil)
	if err != nil || answer.StatusCode != http.StatusOK || answer.ContentLength != -1 || !answer.Close || answer.Header.Get("Date") == "" {
		t.Fatalf("%+v: %v", answer, err)
	}
	lines := bufio.NewReader(answer.Body)
	for text := ""; !strings.Contains(text, `"joined"`); {
		if text, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	// A page has nothing to say here. One that does is not heard, and one that
	// does not stop is closed.
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	n.say("pin.set", "pin", realtime.Lossless, false)
	for text := ""; !strings.Contains(text, "pin.set"); {
		if text, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	noise := make([]byte, 16<<10)
	for err = nil; err == nil; {
		_, err = conn.Write(noise)
	}
	until(t, "the noisy page is gone", func() bool { return n.metric("rialto_realtime_conns") == 0 })
	old := dial()
	if _, err := old.Write([]byte("GET /events?room=shw_1 HTTP/1.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	for lines, text := bufio.NewReader(old), ""; !strings.Contains(text, `"joined"`); {
		if text, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
}
