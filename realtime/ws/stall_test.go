package ws_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/client"
)

// fill makes every idle viewer's socket full.
func (n *node) fill(viewers int) {
	n.t.Helper()
	for range 300 {
		n.sayLarge(8 << 10)
	}
	until(n.t, "the viewers are parked", func() bool { return n.metric("rialto_realtime_conns_parked") == float64(viewers) })
}

// TestStalledViewersCostNoGoroutine: beyond the reader that everybody has.
func TestStalledViewersCostNoGoroutine(t *testing.T) {
	n := start(t, options{})
	const viewers = 30
	conns := make([]*websocket.Conn, viewers)
	for i := range conns {
		conns[i] = n.idle()
	}
	before := runtime.NumGoroutine()
	n.fill(viewers)
	if now := runtime.NumGoroutine(); now > before+viewers/2 { // one for all of them, and some that come and go
		t.Errorf("%d goroutines, %d before", now, before)
	}
	// Somebody who comes now may get the descriptor of one who goes, and gets
	// nothing else of them.
	for _, c := range conns[1:] {
		c.Close()
		v := n.dial(nil)
		if got := join(t, v); got["t"] != "joined" {
			t.Fatalf("got %v", got)
		}
		n.say("price.set", "pin", realtime.Lossless, false)
		for got := read(t, v); got["t"] != "price.set"; got = read(t, v) {
			t.Fatalf("got %v", got)
		}
		v.Close()
	}
	// And the one who is left goes on.
	last := fmt.Sprintf("n:%d", n.say("price.set", "pin", realtime.Lossless, false).Version)
	_ = conns[0].SetReadDeadline(time.Now().Add(patience))
	for !strings.Contains(fmt.Sprint(read(t, conns[0])), last) {
	}
	until(t, "nobody is parked", func() bool { return n.metric("rialto_realtime_conns_parked") == 0 })
}

// TestSlowLine: a viewer that takes a little at a time, and for longer than
// WriteStall not enough for the kernel to take more, is not dropped.
func TestSlowLine(t *testing.T) {
	const stall = time.Second
	n := start(t, options{hub: func(c *realtime.Config) { c.WriteStall = stall }})
	conn := n.idle()
	raw, read, parked := conn.NetConn(), make(chan error, 1), make(chan struct{})
	_ = raw.SetReadDeadline(time.Now().Add(patience))
	go func() {
		buf, full, end := make([]byte, 2<<10), parked, (<-chan time.Time)(nil)
		for {
			if _, err := io.ReadFull(raw, buf); err != nil {
				read <- err
				return
			}
			select {
			case <-full:
				full, end = nil, time.After(3*stall)
			case <-end:
				read <- nil
				return
			case <-time.After(stall / 20):
			}
		}
	}()
	// How much the kernel takes for it grows while it reads.
	until(t, "the viewer is parked", func() bool {
		n.sayLarge(8 << 10)
		return n.metric("rialto_realtime_conns_parked") == 1
	})
	close(parked)
	for range 300 { // what is sent once the kernel has room again
		n.sayLarge(8 << 10)
	}
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	if n.metric("rialto_realtime_conns") != 1 {
		t.Error("it was dropped")
	}
}

// TestHubEndsWhileParked: nobody who stalls keeps it from ending.
func TestHubEndsWhileParked(t *testing.T) {
	n := start(t, options{})
	for range 10 {
		n.idle()
	}
	n.fill(10)
	v := n.watch(client.Config{})
	n.joined(v)
	n.stop()
	if left := n.metric("rialto_realtime_conns") + n.metric("rialto_realtime_conns_parked"); left != 0 {
		t.Errorf("%v are left", left)
	}
}
