package whip_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/media/client"
	"github.com/rialto-live/rialto/media/mediatest"
	"github.com/rialto-live/rialto/media/whip/whiptest"
)

// throttle is a way over TCP between a viewer and the server that can be stopped.
type throttle struct {
	listener net.Listener
	server   string
	group    sync.WaitGroup

	mu     sync.Mutex
	open   *sync.Cond // of mu
	closed bool
	conns  []net.Conn
	paths  int // connections so far
}

func newThrottle(t *testing.T, server string) *throttle {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &throttle{listener: l, server: server}
	w.open = sync.NewCond(&w.mu)
	w.group.Go(w.accept)
	t.Cleanup(func() {
		w.cut()
		w.set(false)
		_ = l.Close()
		w.group.Wait()
	})
	return w
}

func (w *throttle) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp4", w.server)
		if err != nil {
			_ = near.Close()
			continue
		}
		_ = far.(*net.TCPConn).SetReadBuffer(32 << 10) // what lies on the way is not to last for long
		w.mu.Lock()
		w.conns = append(w.conns, near, far)
		w.paths++
		w.mu.Unlock()
		w.group.Go(func() { w.carry(far, near, func() {}) })
		w.group.Go(func() { w.carry(near, far, w.wait) })
	}
}

func (w *throttle) carry(to, from net.Conn, before func()) {
	b := make([]byte, 4096)
	for {
		before()
		n, err := from.Read(b)
		if err == nil {
			_, err = to.Write(b[:n])
		}
		if err != nil {
			_ = to.Close()
			_ = from.Close()
			return
		}
	}
}

func (w *throttle) wait() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.closed {
		w.open.Wait()
	}
}

// set stops what the server sends, or lets it go on.
func (w *throttle) set(closed bool) {
	w.mu.Lock()
	w.closed = closed
	w.mu.Unlock()
	w.open.Broadcast()
}

// cut ends every connection there is.
func (w *throttle) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

func (w *throttle) connections() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.paths
}

var tcpCandidate = regexp.MustCompile(`(a=candidate:\S+ 1 tcp \d+ 127\.0\.0\.1) \d+ `)

// RoundTrip puts the throttle's port into the candidates of an answer.
func (w *throttle) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // it is read
	body = tcpCandidate.ReplaceAll(body, fmt.Appendf(nil, "$1 %d ", w.listener.Addr().(*net.TCPAddr).Port))
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response.Header.Del("Content-Length")
	return response, err
}

var tcpAlone = client.Network{Addr: whiptest.Loopback.Addr, TCP: true}

// A viewer over TCP whose line stands still for a while misses what was then, not what is now: it goes on with the show as
// it is, over the same connection. Another one is not kept waiting.
func TestSlowViewerOverTCPIsBroughtForward(t *testing.T) {
	n := whiptest.Start(t)
	n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{GOP: 20, FrameBytes: 15_000, KeyframeBytes: 40_000})) // 2.6 Mbit/s
	way := newThrottle(t, n.Peer.Addr().String())
	var slowSeen, quickSeen mediatest.Recorder
	slow := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a"), Network: tcpAlone, HTTP: &http.Client{Transport: way}, OnFrame: slowSeen.Frame})
	quick := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a"), Network: tcpAlone, OnFrame: quickSeen.Frame})
	for _, v := range []*client.Viewer{slow, quick} {
		whiptest.Await(t, v, patience, frames(40))
	}
	way.set(true)
	whiptest.Await(t, quick, patience, frames(quick.Stats().Video.Frames+140)) // seven seconds
	way.set(false)
	now := newest(t, &quickSeen)
	whiptest.Await(t, slow, patience, func(client.ViewerStats) bool { return newest(t, &slowSeen) > now+20 })

	if way.connections() != 1 || slow.Err() != nil {
		t.Errorf("%d connections, %v", way.connections(), slow.Err())
	}
	seen, err := slowSeen.Frames()
	if err != nil {
		t.Error(err)
	}
	if left := seen[len(seen)-1].Number - seen[0].Number + 1 - len(seen); left < 20 {
		t.Errorf("%d frames were left out, so nothing was proved", left)
	}
}

// newest is the number of the frame that was seen last.
func newest(t *testing.T, r *mediatest.Recorder) int {
	t.Helper()
	seen, err := r.Frames()
	if err != nil {
		t.Error(err)
	}
	return seen[len(seen)-1].Number
}

// When its connection ends, a viewer over TCP makes another, and goes on in the same session.
func TestViewerOverTCPConnectsAgain(t *testing.T) {
	n := whiptest.Start(t)
	n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{GOP: 20}))
	way := newThrottle(t, n.Peer.Addr().String())
	v := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a"), Network: tcpAlone, HTTP: &http.Client{Transport: way}})
	whiptest.Await(t, v, patience, frames(20))
	way.cut()
	began, before := time.Now(), v.Stats().Video.Frames
	if err := v.Restart(t.Context()); err != nil { // a browser dials by itself; Pion does not
		t.Fatal(err)
	}
	whiptest.Await(t, v, patience, frames(before+40))
	if way.connections() < 2 || v.Err() != nil {
		t.Errorf("%d connections, %v", way.connections(), v.Err())
	}
	t.Logf("it played again after %v", time.Since(began))
}
