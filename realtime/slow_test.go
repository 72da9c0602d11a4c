package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// counter reads a counter of a registry, summed over the labels that match.
func counter(t *testing.T, reg *prometheus.Registry, name, label string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// stalled is a viewer whose socket is full until free is closed.
func stalled(t *testing.T, h *Hub, who Identity) (*Conn, *stuck) {
	t.Helper()
	sock := &stuck{narrow: narrow{rng: rand.New(rand.NewPCG(1, 0))}, free: make(chan struct{})}
	sock.release = sync.OnceFunc(func() { close(sock.free) })
	waiting := sock.waiting()
	c := attach(t, h, sock)
	if err := c.Join(context.Background(), Join{Room: "shw_1"}, func(context.Context) (Identity, error) { return who, nil }); err != nil {
		t.Fatal(err)
	}
	<-waiting
	t.Cleanup(sock.release) // a test that has failed does not wait for it
	return c, sock
}

// TestSlowViewersLoseSampledFirst: a viewer who lags within the ring has every
// lossless event in the end, and of what was said only the newest; a quick one
// has all.
func TestSlowViewersLoseSampledFirst(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := runHub(t, func(c *Config) { c.Metrics, c.RingFrames = reg, 160 })
	slow, slowSock := stalled(t, h, Identity{})
	fast, fastSock := listening(t, h, Join{Room: "shw_1"}, Identity{})
	r := slow.room
	const events = 70 // with as many ticks: 140 frames
	for v := int64(1); v <= events; v++ {
		r.apply(Delivery{Offset: v, Event: Event{Type: "pin.set", Key: "pin", Version: v, Class: Lossless, Data: json.RawMessage(`{}`)}})
		r.apply(Delivery{Event: line(int(v), false)})
		r.endTick()
		awaitFrames(t, fast, fastSock, int(1+2*v)) // else it may lag, too
	}
	slowSock.release()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		slow.mu.Lock()
		done := !slow.parked && slow.cursor == r.ring.next
		slow.mu.Unlock()
		if done {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the slow viewer does not catch up")
		}
	}
	for name, c := range map[string]struct {
		got     []read
		samples int
	}{"slow": {readFrames(t, slowSock.bytes()), 0}, "fast": {readFrames(t, fastSock.bytes()), events}} {
		version, samples := int64(0), 0
		for _, m := range c.got[1:] {
			switch m.Type {
			case "pin.set":
				if version++; m.V != version {
					t.Fatalf("%s: version %d, want %d", name, m.V, version)
				}
			case "sample":
				samples++
			default:
				t.Fatalf("%s: %+v", name, m)
			}
		}
		if version != events || samples != c.samples {
			t.Errorf("%s: %d of %d events and %d samples", name, version, events, samples)
		}
	}
	if lost := counter(t, reg, "rialto_realtime_drops_total", dropLagging); lost != events {
		t.Errorf("%v lost frames are counted, want %d", lost, events)
	}
	if jumps := counter(t, reg, "rialto_realtime_jumps_total", ""); jumps != 0 {
		t.Errorf("%v jumps", jumps)
	}
}

// TestResumeSkipsWhatWasSaid: who comes back gets every event that was missed,
// and what was said in between once, in the joined frame.
func TestResumeSkipsWhatWasSaid(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := runHub(t, func(c *Config) { c.Metrics = reg })
	first, _ := listening(t, h, Join{Room: "shw_1"}, Identity{})
	r := first.room
	first.Detach()
	const events = 300
	for v := int64(1); v <= events; v++ {
		r.apply(Delivery{Offset: v, Event: Event{Type: "pin.set", Key: "pin", Version: v, Class: Lossless, Data: json.RawMessage(`{}`)}})
		r.apply(Delivery{Event: line(int(v), false)})
		r.endTick()
	}
	c, sock := listening(t, h, Join{Room: "shw_1", Have: Position{"e", 100}}, Identity{})
	m := awaitFrames(t, c, sock, 1+events-100)
	var said []read
	if err := json.Unmarshal(m[0].Recent, &said); err != nil || len(said) != MaxRecent || string(said[MaxRecent-1].Data) != `{"id":"lin_300"}` {
		t.Fatalf("%v: %s", err, m[0].Recent)
	}
	for i, e := range m[1:] {
		if e.V != int64(101+i) {
			t.Fatalf("frame %d: %+v", i, e)
		}
	}
	r.apply(Delivery{Event: line(1000, false)})
	r.endTick()
	if m = awaitFrames(t, c, sock, 2+events-100); m[len(m)-1].Type != "sample" {
		t.Fatalf("got %+v", m[len(m)-1])
	}
	if lost := counter(t, reg, "rialto_realtime_drops_total", dropLagging); lost != 0 {
		t.Errorf("%v frames count as lost", lost)
	}
}

// TestTell: only that person's sockets are told, a version once, and a socket
// that takes nothing gets the newest alone, however many there were.
func TestTell(t *testing.T) {
	h := runHub(t, nil)
	vic := Identity{Subject: "acc_vic"}
	a, aSock := listening(t, h, Join{Room: "shw_1"}, vic)
	b, bSock := listening(t, h, Join{Room: "shw_2"}, vic)
	other, otherSock := listening(t, h, Join{Room: "shw_1"}, Identity{Subject: "acc_mara"})
	nobody, nobodySock := listening(t, h, Join{Room: "shw_1"}, Identity{})
	waiting := attach(t, h, quick()) // has not joined
	if told := h.Tell("acc_vic", 7); told != 2 {
		t.Fatalf("told %d", told)
	}
	h.Tell("acc_vic", 7)
	h.Tell("acc_vic", 6)
	if h.Tell("", 1) != 0 || h.Tell("acc_none", 1) != 0 {
		t.Fatal("somebody was told who is nobody")
	}
	h.Tell("acc_vic", 8)
	for _, c := range []struct {
		c    *Conn
		sock *narrow
		want []int64
	}{{a, aSock, []int64{7, 8}}, {b, bSock, []int64{7, 8}}, {other, otherSock, nil}, {nobody, nobodySock, nil}} {
		var got []int64
		for _, m := range awaitFrames(t, c.c, c.sock, 1+len(c.want)) {
			if m.Type == "me" {
				got = append(got, m.V)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%v was told %v", c.c.identity, got)
		}
	}
	_ = waiting
	slow, slowSock := stalled(t, h, Identity{Subject: "acc_slow"})
	for v := int64(1); v <= 5*maxQueued; v++ {
		if h.Tell("acc_slow", v) != 1 {
			t.Fatal("not told")
		}
	}
	slowSock.release()
	m := awaitFrames(t, slow, &slowSock.narrow, 2)
	if m[len(m)-1].V != 5*maxQueued || len(m) > 3 {
		t.Fatalf("a slow socket got %+v", m)
	}
	for _, c := range []*Conn{a, b, other, nobody, slow} {
		c.Detach()
	}
	if len(h.subjects.conns) != 0 {
		t.Errorf("still known: %v", h.subjects.conns)
	}
}

// TestTellDuringAJump: the snapshot of a slow viewer and the newest version of
// its document both arrive, whole.
func TestTellDuringAJump(t *testing.T) {
	h := runHub(t, func(c *Config) { c.RingFrames = 4 })
	c, sock := stalled(t, h, Identity{Subject: "acc_vic"})
	for v := int64(1); v <= 20; v++ {
		c.room.apply(Delivery{Offset: v, Event: stock("a", v)})
		c.room.endTick()
		h.Tell("acc_vic", v)
		c.Pong(v, time.Now())
	}
	sock.release()
	deadline := time.Now().Add(10 * time.Second)
	for {
		c.mu.Lock()
		idle := !c.parked && c.queue == nil && c.me == nil
		c.mu.Unlock()
		if idle {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the viewer does not catch up")
		}
		time.Sleep(time.Millisecond)
	}
	types := map[string]int{}
	for _, m := range readFrames(t, sock.bytes()) {
		types[m.Type]++
		if m.Type == "me" && m.V != 20 {
			t.Errorf("told of version %d", m.V)
		}
	}
	if types["joined"] != 2 || types["me"] != 1 || types["pong"] != maxQueued {
		t.Fatalf("got %v", types)
	}
}

// counting is a source that notes what it is told.
type counting struct {
	nowhere
	told   chan map[RoomID]int
	failed chan error // an error to answer with, once each
}

func (c counting) Count(_ context.Context, viewers map[RoomID]int) error {
	c.told <- viewers
	select {
	case err := <-c.failed:
		return err
	default:
		return nil
	}
}

// TestCensus: rooms are told when their count has changed or would be
// forgotten, an empty one once, hosts are not counted, and what could not be
// told is told again.
func TestCensus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := counting{told: make(chan map[RoomID]int, 1), failed: make(chan error, 1)}
		reg := prometheus.NewRegistry()
		h, err := NewHub(Config{Bus: source, Snapshot: emptySnapshot, Metrics: reg, Writers: 1})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
		synctest.Wait()
		enter := func(room RoomID, role Role) *Conn {
			t.Helper()
			ticket, err := h.Reserve(netip.Addr{})
			if err != nil {
				t.Fatal(err)
			}
			c := ticket.Attach(quick(), Frames)
			if err := c.Join(ctx, Join{Room: room}, func(context.Context) (Identity, error) { return Identity{Role: role}, nil }); err != nil {
				t.Fatal(err)
			}
			return c
		}
		second := func(want string) {
			t.Helper()
			time.Sleep(time.Second)
			synctest.Wait()
			got := "nothing"
			select {
			case counts := <-source.told:
				got = fmt.Sprint(counts)
			default:
			}
			if got != want {
				t.Fatalf("told %s, want %s", got, want)
			}
		}
		second("nothing")
		host := enter("shw_1", RoleHost)
		second("nothing")
		one, two := enter("shw_1", RoleViewer), enter("shw_1", RoleBuyer)
		three := enter("shw_2", RoleModerator)
		second("map[shw_1:2 shw_2:1]")
		second("nothing")
		second("map[shw_1:2 shw_2:1]") // or it would be forgotten
		one.Detach()
		second("map[shw_1:1]")
		source.failed <- errors.New("the bus is away")
		three.Detach()
		second("map[shw_2:0]")
		second("map[shw_1:1 shw_2:0]") // again
		second("nothing")
		second("map[shw_1:1]")
		host.Detach()
		two.Detach()
		stop() // before anybody has counted
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(<-source.told); got != "map[shw_1:0]" {
			t.Fatalf("told %s at the end", got)
		}
		if n := counter(t, reg, "rialto_realtime_count_errors_total", ""); n != 1 {
			t.Errorf("%v errors are counted", n)
		}
	})
}
