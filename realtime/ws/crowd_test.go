package ws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/client"
	"github.com/rialto-live/rialto/realtime/ws"
)

// sayLarge publishes a lossless event of n bytes.
func (n *node) sayLarge(size int) {
	n.t.Helper()
	e := n.show.set("pin.set", "pin", realtime.Lossless, false)
	e.Data = json.RawMessage(fmt.Sprintf(`{"n":%d,"x":"%s"}`, e.Version, strings.Repeat("x", size)))
	n.show.mu.Lock()
	n.show.state[client.Key{Type: "pin.set", Key: "pin"}] = e
	n.show.mu.Unlock()
	n.publish(e)
}

// idle joins and then reads nothing. Its receive buffer is small.
func (n *node) idle() *websocket.Conn { return n.idleAs(nil) }

func (n *node) idleAs(header http.Header) *websocket.Conn {
	n.t.Helper()
	dialer := websocket.Dialer{TLSClientConfig: n.server.Client().Transport.(*http.Transport).TLSClientConfig.Clone(), NetDial: func(network, addr string) (net.Conn, error) {
		c, err := net.Dial(network, addr)
		if err == nil {
			_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		}
		return c, err
	}}
	if n.server.TLS != nil {
		dialer.TLSClientConfig.NextProtos = nil // sockets are of HTTP/1.1
	}
	conn, _, err := dialer.Dial(n.url(), header)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	join(n.t, conn)
	return conn
}

// TestSlowViewers: a hundred viewers read nothing; the others miss nothing,
// and nobody waits for the slow.
func TestSlowViewers(t *testing.T) {
	n := start(t, options{hub: func(c *realtime.Config) { c.RingFrames = 16; c.Writers = 1 }})
	var slow []*websocket.Conn
	for range 100 {
		slow = append(slow, n.idle())
	}
	v := n.watch(client.Config{})
	n.joined(v)
	for range 300 {
		n.sayLarge(8 << 10)
		until(t, "the quick viewer has it", func() bool { return v.Version() == n.show.version })
	}
	if s := v.Stats(); s.Dials != 1 || s.Snapshots != 1 {
		t.Errorf("the quick viewer was disturbed: %+v", s)
	}
	if parked := n.metric("rialto_realtime_conns_parked"); parked < 50 {
		t.Errorf("%v viewers are parked, want nearly all of 100", parked)
	}
	// One wakes up: it finds whole frames, then a snapshot, and then it has the
	// newest, without having had everything.
	frames, jumps := 0, 0
	for newest := fmt.Sprintf("n:%d", n.show.version); ; frames++ {
		m := read(t, slow[0])
		if m["t"] == "joined" {
			jumps++
		}
		if strings.Contains(fmt.Sprint(m["d"]), newest) {
			break
		}
	}
	if frames >= 300 || jumps == 0 || n.metric("rialto_realtime_jumps_total") == 0 {
		t.Errorf("%d frames and %d jumps", frames, jumps)
	}
}

// TestTooSlow: a viewer that needs one snapshot after the other is asked to
// come again.
func TestTooSlow(t *testing.T) {
	n := start(t, options{hub: func(c *realtime.Config) { c.RingFrames = 4 }})
	conn := n.idle()
	ended := make(chan error, 1)
	go func() {
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				ended <- err
				return
			}
			time.Sleep(5 * time.Millisecond) // reads, but slowly: this is the viewer, not a wait of the test
		}
	}()
	for {
		n.sayLarge(15 << 10)
		select {
		case err := <-ended:
			if !websocket.IsCloseError(err, int(realtime.CodeSlow)) {
				t.Fatalf("ended with %v", err)
			}
			return
		default:
		}
	}
}

// TestStalled: a viewer that takes no byte for WriteStall is dropped.
func TestStalled(t *testing.T) {
	n := start(t, options{hub: func(c *realtime.Config) { c.WriteStall = 50 * time.Millisecond }})
	n.idle()
	for range 300 {
		n.sayLarge(8 << 10)
	}
	until(t, "the stalled viewer is gone", func() bool { return n.metric("rialto_realtime_conns") == 0 })
	until(t, "nobody is parked", func() bool { return n.metric("rialto_realtime_conns_parked") == 0 })
}

// TestRevokeWhileStalled: a revocation does not wait for a full socket.
func TestRevokeWhileStalled(t *testing.T) {
	n := start(t, options{})
	n.idle()
	for range 300 {
		n.sayLarge(8 << 10)
	}
	until(t, "the viewer is parked", func() bool { return n.metric("rialto_realtime_conns_parked") == 1 })
	sent := time.Now()
	if found := n.hub.Revoke(realtime.Match{Room: room}); found != 1 {
		t.Fatalf("found %d", found)
	}
	until(t, "the viewer is gone", func() bool { return n.metric("rialto_realtime_conns") == 0 })
	if took := time.Since(sent); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestDead: a viewer that answers no ping is dropped; one that does, stays.
func TestDead(t *testing.T) {
	n := start(t, options{hub: func(c *realtime.Config) { c.PingEvery, c.DeadAfter = 100*time.Millisecond, 400*time.Millisecond }})
	dead := n.dial(nil)
	join(t, dead)
	alive := n.watch(client.Config{})
	n.joined(alive)
	until(t, "one of two is gone", func() bool { return n.metric("rialto_realtime_conns") == 1 })
	if s := alive.Stats(); !s.Joined || s.Dials != 1 {
		t.Fatalf("%+v", s)
	}
}

// TestRevokeDuringAuthentication: who was found innocent just before the ban
// is found by the ban.
func TestRevokeDuringAuthentication(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	n := start(t, options{ws: func(c *ws.Config) {
		c.Authenticate = func(context.Context, ws.Hello) (ws.Identity, error) {
			asked <- struct{}{}
			<-answer
			return ws.Identity{Subject: "acc_vic", Session: "ses_1"}, nil
		}
	}})
	for _, c := range []struct {
		match realtime.Match
		code  realtime.Code
	}{
		{realtime.Match{Subject: "acc_vic"}, realtime.CodeForbidden},
		{realtime.Match{Room: room, Subject: "acc_vic"}, realtime.CodeForbidden},
		{realtime.Match{Session: "ses_1"}, realtime.CodeSignedOut},
		{realtime.Match{Subject: "acc_other"}, 0},
		{realtime.Match{}, 0},
	} {
		conn := n.dial(nil)
		send(t, conn, `{"t":"join","room":"shw_1"}`)
		<-asked
		n.hub.Revoke(c.match)
		answer <- struct{}{}
		if c.code == 0 {
			if got := read(t, conn); got["t"] != "joined" {
				t.Fatalf("%+v: got %v", c.match, got)
			}
			continue
		}
		closedWith(t, conn, c.code)
	}
	conn := n.dial(nil)
	send(t, conn, `{"t":"join","room":"shw_1"}`)
	<-asked
	n.hub.Close(room)
	answer <- struct{}{}
	closedWith(t, conn, realtime.CodeRoomClosed)
}

func TestCloseRoom(t *testing.T) {
	n := start(t, options{})
	conn := n.dial(nil)
	join(t, conn)
	n.hub.Close("shw_2")
	n.hub.Close("")
	n.say("pin.set", "pin", realtime.Lossless, false)
	if got := read(t, conn); got["t"] != "pin.set" {
		t.Fatalf("got %v", got)
	}
	n.hub.Close(room)
	closedWith(t, conn, realtime.CodeRoomClosed)
}

// TestDrain: viewers are let go over the window, evenly, each with a moment to
// come again; nobody new is taken.
func TestDrain(t *testing.T) {
	n := start(t, options{})
	const viewers, window = 60, 600 * time.Millisecond
	ends := make([]time.Duration, viewers)
	conns := make([]*websocket.Conn, viewers)
	for i := range conns {
		conns[i] = n.dial(nil)
		join(t, conns[i])
	}
	begin := time.Now()
	var wg sync.WaitGroup
	for i, conn := range conns {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var closed *websocket.CloseError
			_, _, err := conn.ReadMessage()
			if closed, _ = err.(*websocket.CloseError); closed == nil || closed.Code != int(realtime.CodeReconnect) {
				t.Errorf("closed with %v", err)
				return
			}
			ends[i] = time.Since(begin)
			var reason map[string]int
			if json.Unmarshal([]byte(closed.Text), &reason) != nil || reason["reconnect_after"] < 0 || reason["reconnect_after"] > 250 {
				t.Errorf("reason %q", closed.Text)
			}
		}()
	}
	n.hub.Drain(context.Background(), window)
	wg.Wait()
	slices.Sort(ends)
	if early := ends[viewers/4]; early > window/2 {
		t.Errorf("a quarter was gone only after %v", early)
	}
	if half := ends[viewers*3/4]; half < window/2 {
		t.Errorf("three quarters were gone after %v already", half)
	}
}

// TestHurriedStop: Run ends at once for everybody, spreading their return.
func TestHurriedStop(t *testing.T) {
	n := start(t, options{})
	const viewers = 50
	var conns []*websocket.Conn
	for range viewers {
		conns = append(conns, n.dial(nil))
		join(t, conns[len(conns)-1])
	}
	go n.stop()
	var after []int
	for _, conn := range conns {
		var reason map[string]int
		if err := json.Unmarshal([]byte(closedWith(t, conn, realtime.CodeReconnect)), &reason); err != nil {
			t.Fatal(err)
		}
		after = append(after, reason["reconnect_after"])
	}
	n.stop()
	slices.Sort(after)
	for i, ms := range after { // one in each fiftieth of five seconds
		if low := i * 100; ms < low || ms >= low+100 {
			t.Fatalf("viewer %d comes after %d ms", i, ms)
		}
	}
}

// TestTLS: frames that cannot be offered to the kernel directly arrive too.
func TestTLS(t *testing.T) {
	n := start(t, options{tls: true})
	dialer := websocket.Dialer{TLSClientConfig: n.server.Client().Transport.(*http.Transport).TLSClientConfig}
	conn, _, err := dialer.Dial(n.url(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	join(t, conn)
	for v := range 50 {
		n.say("pin.set", "pin", realtime.Lossless, false)
		if got := read(t, conn); got["v"] != float64(v+2) {
			t.Fatalf("got %v", got)
		}
	}
	until(t, "the viewer is not parked", func() bool { return n.metric("rialto_realtime_conns_parked") == 0 })
	n.hub.Close(room)
	closedWith(t, conn, realtime.CodeRoomClosed)
}

// TestEmptyRoomGoes: a room outlives its last viewer by Linger.
func TestEmptyRoomGoes(t *testing.T) {
	n := start(t, options{hub: func(c *realtime.Config) { c.Linger, c.PingEvery = 100*time.Millisecond, 640*time.Millisecond }})
	for range 3 {
		conn := n.dial(nil)
		join(t, conn)
		if rooms := n.metric("rialto_realtime_rooms"); rooms != 1 {
			t.Fatalf("%v rooms", rooms)
		}
		conn.Close()
		until(t, "the room is gone", func() bool { return n.metric("rialto_realtime_rooms") == 0 })
		n.say("pin.set", "pin", realtime.Lossless, false)
	}
	if n.show.reads != 3 {
		t.Errorf("%d snapshots read, want one per opening", n.show.reads)
	}
}

// TestChurn: a thousand viewers come and go, in all manners, and leave nothing
// behind.
func TestChurn(t *testing.T) {
	n := start(t, options{
		hub: func(c *realtime.Config) { c.Linger, c.PingEvery = 50*time.Millisecond, 640*time.Millisecond },
		ws:  func(c *ws.Config) { c.RemoteAddr = func(*http.Request) netip.Addr { return netip.Addr{} } }, // from everywhere
	})
	join(t, n.dial(nil)) // the room stands, the pools are filled
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for i := range 1000 {
		conn, _, err := websocket.DefaultDialer.Dial(n.url(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if i%5 > 0 {
			join(t, conn)
		}
		switch i % 3 {
		case 0:
			_ = conn.NetConn().(*net.TCPConn).SetLinger(0)
		case 1:
			_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
			_, _ = io.Copy(io.Discard, conn.NetConn())
		}
		conn.Close()
	}
	until(t, "all are gone", func() bool { return n.metric("rialto_realtime_conns") == 1 })
	until(t, "goroutines are back", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
	until(t, "files are back", func() bool { return openFiles(t) <= files+2 })
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
