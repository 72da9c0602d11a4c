package ws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/client"
)

// A line of 1 KB per second. So that minutes pass in seconds, the clock of this
// test runs a hundred times as fast, and it is the show's: five things happen
// while a portion is carried, however long that takes.

const (
	portion     = 1 << 10
	portionEach = 5 // events
)

// slowLine is a network in front of a node that carries a portion at a time to
// each viewer, with small buffers in between.
type slowLine struct {
	net.Listener
	to    string
	beats chan struct{} // closed when the line may be quick
	wg    sync.WaitGroup
	mu    sync.Mutex
	conns []net.Conn
}

func newSlowLine(t *testing.T, to string) *slowLine {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &slowLine{Listener: l, to: to, beats: make(chan struct{}, 1)}
	s.wg.Go(s.run)
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for _, c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

func (s *slowLine) run() {
	for {
		near, err := s.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", s.to)
		if err != nil {
			near.Close()
			continue
		}
		_ = far.(*net.TCPConn).SetReadBuffer(4 << 10)
		s.mu.Lock()
		s.conns = append(s.conns, near, far)
		s.mu.Unlock()
		s.wg.Go(func() { _, _ = io.Copy(far, near); far.Close() })
		s.wg.Go(func() { s.drops(near, far) })
	}
}

// beat has a portion carried, unless the one before has yet to be.
func (s *slowLine) beat() {
	select {
	case s.beats <- struct{}{}:
	default:
	}
}

// drops carries a portion at each beat.
func (s *slowLine) drops(near, far net.Conn) {
	defer near.Close()
	defer far.Close()
	for p := make([]byte, portion); ; <-s.beats {
		n, err := far.Read(p)
		if err != nil {
			return
		}
		if _, err := near.Write(p[:n]); err != nil {
			return
		}
	}
}

// TestLineOfOneKilobyte: a viewer whose line carries a part of what happens ends with
// the right price, pin and stock. Where it missed a pin or a price it was given
// a snapshot: between two snapshots it has them one after the other.
func TestLineOfOneKilobyte(t *testing.T) {
	n := start(t, options{hub: func(c *realtime.Config) {
		c.Tick, c.RingBytes, c.WriteStall = 20*time.Millisecond, 64<<10, time.Hour
	}})
	slow := newSlowLine(t, strings.TrimPrefix(n.server.URL, "http://"))
	w := &lossWitness{before: map[int64]int64{}, newest: map[client.Key]int64{}, last: map[client.Key]int64{}, snapshots: map[client.Key]int64{}}
	w.client = client.New(client.Config{URL: "ws://" + slow.Addr().String() + "/ws", Room: room, OnEvent: w.hear, BackoffMost: 50 * time.Millisecond})
	stop := runClient(t, w.client)
	until(t, "the slow one is in", func() bool { slow.beat(); return w.client.Stats().Joined })
	quick := n.watch(client.Config{})
	n.joined(quick)
	const events = 1200
	for i := range events {
		switch {
		case i%40 == 0:
			w.say(n, "pin.set", "pin", realtime.Lossless, 2000)
		case i%10 == 0:
			w.say(n, "price.set", fmt.Sprintf("var_%d", i%3), realtime.Lossless, 2000)
		default:
			w.say(n, "stock.set", fmt.Sprintf("var_%d", i%5), realtime.Latest, 300)
		}
		if i%portionEach == 0 {
			slow.beat()
		}
		time.Sleep(2 * time.Millisecond) // the show's pace
	}
	close(slow.beats)
	n.agrees(quick)
	n.agrees(w.client)
	stop()
	for _, fault := range w.faults {
		t.Error(fault)
	}
	s := w.client.Stats()
	if jumps := n.metric("rialto_realtime_jumps_total"); jumps == 0 || s.Snapshots < 2 {
		t.Errorf("the line was not slow: %v jumps, %+v", jumps, s)
	}
	if q := quick.Stats(); q.Dials != 1 || q.Snapshots != 1 {
		t.Errorf("another was disturbed: %+v", q)
	}
	t.Logf("%d events; the slow viewer: %+v, was told %d of %d pins and prices", events, s, w.heard, len(w.before))
}

// runClient runs a viewer until the returned function is called, or the test
// ends.
func runClient(t *testing.T, v *client.Client) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := v.Run(ctx); err != nil {
			t.Errorf("it was sent away: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// lossWitness is a viewer that knows what happened: each pin and price, and the
// one before it on its key.
type lossWitness struct {
	client *client.Client

	mu     sync.Mutex // guards what follows
	before map[int64]int64
	newest map[client.Key]int64

	// owned by the client's Run
	last      map[client.Key]int64
	snapshots map[client.Key]int64
	heard     int
	faults    []string
}

func (w *lossWitness) say(n *node, typ, key string, class realtime.Class, size int) {
	e := n.show.set(typ, key, class, false)
	e.Data = json.RawMessage(fmt.Sprintf(`{"n":%d,"x":"%s"}`, e.Version, strings.Repeat("x", size)))
	at := client.Key{Type: typ, Key: key}
	n.show.mu.Lock()
	n.show.state[at] = e
	n.show.mu.Unlock()
	if class == realtime.Lossless {
		w.mu.Lock()
		w.before[e.Version], w.newest[at] = w.newest[at], e.Version
		w.mu.Unlock()
	}
	n.publish(e)
}

func (w *lossWitness) hear(e realtime.Event) {
	if e.Type != "pin.set" && e.Type != "price.set" {
		return
	}
	w.heard++
	at, now, snapshots := client.Key{Type: e.Type, Key: e.Key}, numberIn(e.Data), w.client.Stats().Snapshots
	w.mu.Lock()
	before := w.before[now]
	w.mu.Unlock()
	if last := w.last[at]; w.snapshots[at] == snapshots && before != last || now < last {
		w.faults = append(w.faults, fmt.Sprintf("%v: %d came behind %d, and %d was before it", at, now, last, before))
	}
	w.last[at], w.snapshots[at] = now, snapshots
}

// numberIn is the version that data was made at; a snapshot gives it another.
func numberIn(data json.RawMessage) int64 {
	var d struct {
		N int64 `json:"n"`
	}
	_ = json.Unmarshal(data, &d) // 0 follows nothing
	return d.N
}
