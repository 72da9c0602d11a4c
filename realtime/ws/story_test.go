package ws_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/client"
)

// Whatever happens on the way, a viewer ends with the truth.

var seeds = []uint64{1, 2, 3}

// anyEvent is one of a show's events, drawn at random.
func (n *node) anyEvent(rng *rand.Rand) {
	n.t.Helper()
	key := []string{"var_1", "var_2", "var_3"}[rng.IntN(3)]
	switch rng.IntN(4) {
	case 0:
		n.say("pin.set", "pin", realtime.Lossless, false)
	case 1:
		n.say("price.set", key, realtime.Lossless, false)
	default:
		n.say("stock.set", key, realtime.Latest, rng.IntN(10) == 0)
	}
}

// TestJoinAnytime: viewers join at random moments of a stream of events, some
// lose their line, and all end equal to the truth.
func TestJoinAnytime(t *testing.T) { onBothWays(t, joinAnytime) }

func joinAnytime(t *testing.T, o options) {
	some := seeds
	if o.streams {
		some = seeds[:1]
	}
	for _, seed := range some {
		rng := rand.New(rand.NewPCG(seed, 0))
		n := start(t, o)
		var viewers []*client.Client
		for i := range 600 {
			n.anyEvent(rng)
			if i%30 == 0 {
				viewers = append(viewers, n.watch(client.Config{}))
			}
			if rng.IntN(100) == 0 {
				n.line.cut()
			}
		}
		for _, v := range viewers {
			n.agrees(v)
		}
		n.stop()
	}
}

// TestVersionsRise: no viewer sees a value go back.
func TestVersionsRise(t *testing.T) { onBothWays(t, versionsRise) }

func versionsRise(t *testing.T, o options) {
	n := start(t, o)
	rng := rand.New(rand.NewPCG(7, 0))
	last := map[string]int64{}
	v := n.watch(client.Config{OnEvent: func(e realtime.Event) {
		if e.Version <= last[e.Type+e.Key] {
			t.Errorf("%s %s went from %d to %d", e.Type, e.Key, last[e.Type+e.Key], e.Version)
		}
		last[e.Type+e.Key] = e.Version
	}})
	for i := range 300 {
		n.anyEvent(rng)
		if i%50 == 49 {
			n.line.cut()
		}
	}
	n.agrees(v)
}

// TestResume: lossless events come once each over broken lines.
func TestResume(t *testing.T) { onBothWays(t, resume) }

func resume(t *testing.T, o options) {
	n := start(t, o)
	var got []int64
	pins := make(chan int64, 1000)
	v := n.watch(client.Config{OnEvent: func(e realtime.Event) {
		if e.Type == "pin.set" {
			pins <- e.Version
		}
	}})
	n.joined(v)
	const total = 300
	for i := range total {
		n.say("pin.set", "pin", realtime.Lossless, false)
		if i%60 == 30 {
			got = append(got, <-pins) // it has something to resume from
			n.line.cut()
		}
	}
	for len(got) < total {
		select {
		case p := <-pins:
			got = append(got, p)
		case <-time.After(patience):
			t.Fatalf("%d pins came, want %d", len(got), total)
		}
	}
	for i, version := range got {
		if version != int64(i)+2 { // the first is the show's state
			t.Fatalf("pin %d has version %d", i, version)
		}
	}
	if s := v.Stats(); s.Resumes == 0 || s.Snapshots != 1 {
		t.Fatalf("%+v, want resumes and the first snapshot only", s)
	}
}

// TestResumeTooOld: who was away for too long, or comes with another epoch,
// gets a snapshot, and is told so.
func TestResumeTooOld(t *testing.T) {
	n := start(t, options{hub: func(c *realtime.Config) { c.RingFrames = 4 }})
	first := join(t, n.dial(nil))
	epoch := first["epoch"].(string)
	for range 10 {
		n.say("pin.set", "pin", realtime.Lossless, false)
	}
	v := n.watch(client.Config{})
	n.agrees(v)
	for _, c := range []struct {
		epoch   string
		offset  string
		resumed bool
	}{{epoch, "8", true}, {epoch, "6", true}, {epoch, "10", true}, {epoch, "5", false}, {epoch, "0", false}, {epoch, "11", false}, {epoch, "-1", false}, {"other", "8", false}, {"", "8", false}} {
		conn := n.dial(nil)
		send(t, conn, `{"t":"join","room":"shw_1","epoch":"`+c.epoch+`","o":`+c.offset+`}`)
		if got := read(t, conn); got["t"] != "joined" || got["resumed"] != c.resumed || (len(got["d"].([]any)) == 0) != c.resumed {
			t.Errorf("resume from %q %s: %v", c.epoch, c.offset, got)
		}
	}
}

// TestResumeFromBeforeTheSnapshot: a node opens the room, and its snapshot has
// two events already that come through its feed only afterwards. A viewer from
// another node, who has the first of them, is told the second.
func TestResumeFromBeforeTheSnapshot(t *testing.T) {
	m, truth := bus.NewMemory(), newShow()
	a := start(t, options{bus: m, show: truth})
	epoch := join(t, a.dial(nil))["epoch"].(string)
	b := start(t, options{bus: m, show: truth, hub: func(c *realtime.Config) {
		c.Snapshot = func(ctx context.Context, id realtime.RoomID) ([]realtime.Event, error) {
			a.say("pin.set", "pin", realtime.Lossless, false)
			a.say("price.set", "var_1", realtime.Lossless, false)
			return truth.snapshot(ctx, id)
		}
	}})
	first := b.dial(nil)
	if got := join(t, first); len(got["d"].([]any)) != 3 {
		t.Fatalf("the first was told %v", got)
	}
	a.say("pin.set", "pin", realtime.Lossless, false)
	for got := map[string]any{}; got["o"] != 3.0; { // what comes before, it ignores by its version
		got = read(t, first)
	}
	for offset, want := range map[string][]string{"0": nil, "1": {"price.set", "pin.set"}, "2": {"pin.set"}} {
		conn := b.dial(nil)
		send(t, conn, `{"t":"join","room":"shw_1","epoch":"`+epoch+`","o":`+offset+`}`)
		if got := read(t, conn); got["resumed"] != (want != nil) {
			t.Errorf("from %s: %v", offset, got)
		}
		for _, typ := range want {
			if got := read(t, conn); got["t"] != typ {
				t.Errorf("from %s then %v, want %s", offset, got, typ)
			}
		}
	}
}

// TestLastValueArrives: of a thousand values the last arrives, in far fewer
// frames.
func TestLastValueArrives(t *testing.T) {
	n := start(t, options{hub: func(c *realtime.Config) { c.Tick = 100 * time.Millisecond }})
	v := n.watch(client.Config{})
	n.joined(v)
	begin, frames := time.Now(), v.Stats().Frames
	for range 1000 {
		n.say("stock.set", "var_1", realtime.Latest, false)
	}
	n.agrees(v)
	ticks := int64(time.Since(begin)/(100*time.Millisecond)) + 1
	if got := v.Stats().Frames - frames; got > ticks+4 { // and the clock's pongs
		t.Fatalf("%d frames in %d ticks", got, ticks)
	}
}

// TestForget: the bus loses its memory in the middle; events that were
// accepted and lost are found in the snapshot.
func TestForget(t *testing.T) { onBothWays(t, forget) }

func forget(t *testing.T, o options) {
	m := bus.NewMemory()
	o.bus = m
	n := start(t, o)
	v := n.watch(client.Config{})
	n.joined(v)
	n.say("pin.set", "pin", realtime.Lossless, false)
	n.agrees(v)
	n.show.set("pin.set", "pin", realtime.Lossless, false) // accepted, and lost
	m.Forget()
	n.agrees(v)
	n.say("stock.set", "var_1", realtime.Latest, false)
	n.agrees(v)
	if s := v.Stats(); s.Dials != 1 {
		t.Fatalf("%+v: the viewer should not have noticed more than a snapshot", s)
	}
}

// TestSnapshotFailsAfterForget: the room waits for its database, and its
// viewers stay.
func TestSnapshotFailsAfterForget(t *testing.T) {
	m := bus.NewMemory()
	n := start(t, options{bus: m})
	v := n.watch(client.Config{})
	n.joined(v)
	n.show.fail(context.DeadlineExceeded)
	m.Forget()
	n.say("pin.set", "pin", realtime.Lossless, false)
	until(t, "the room asked for a snapshot", func() bool { return n.metric("rialto_realtime_snapshot_errors_total") > 1 })
	n.show.fail(nil)
	n.agrees(v)
	if s := v.Stats(); s.Dials != 1 {
		t.Fatalf("%+v", s)
	}
}

// TestTwoNodesOnOneRedis goes through all faults of Redis with viewers on two
// nodes: flushed, killed, restarted, cut off.
func TestTwoNodesOnOneRedis(t *testing.T) {
	s := embeddedtest.NewRedisServer(t)
	truth := newShow()
	a := start(t, options{bus: redisBus(t, s.URL()), show: truth})
	b := start(t, options{bus: redisBus(t, s.URL()), show: truth})
	var viewers []*client.Client
	for _, n := range []*node{a, b, a, b} {
		viewers = append(viewers, n.watch(client.Config{}))
	}
	agree := func() {
		t.Helper()
		for _, v := range viewers {
			a.agrees(v)
		}
	}
	rng := rand.New(rand.NewPCG(11, 0))
	some := func(count int) {
		for range count {
			[]*node{a, b}[rng.IntN(2)].anyEvent(rng)
		}
	}
	some(40)
	agree()
	s.Flush()
	some(40)
	agree()
	s.Flush() // and silence
	truth.set("pin.set", "pin", realtime.Lossless, false)
	s.Flush()
	agree()
	s.Kill()
	truth.set("pin.set", "pin", realtime.Lossless, false) // accepted by the dead one
	s.Start()
	some(40)
	agree()
	s.Restart()
	some(20)
	b.line.cut()
	some(20)
	agree()
	for _, v := range viewers[:1] {
		if v.Stats().Dials != 1 {
			t.Errorf("%+v: a viewer of the node that kept its lines reconnected", v.Stats())
		}
	}
}

// TestRevokeOnEveryNode: within a second of the order, on both nodes, only who
// is meant.
func TestRevokeOnEveryNode(t *testing.T) {
	s := embeddedtest.NewRedisServer(t)
	truth := newShow()
	type part struct {
		n          *node
		vic, other *client.Client
		ended      chan error
	}
	var parts []*part
	for range 2 {
		n := start(t, options{bus: redisBus(t, s.URL()), show: truth})
		p := &part{n: n, ended: make(chan error, 1)}
		ctx, stop := context.WithCancel(context.Background())
		obeyed := make(chan struct{})
		go func() {
			defer close(obeyed)
			_ = n.bus.OnControl(ctx, func(json.RawMessage) { n.hub.Revoke(realtime.Match{Room: room, Subject: "acc_vic"}) })
		}()
		t.Cleanup(func() { stop(); <-obeyed })
		p.vic = client.New(client.Config{URL: n.url(), Room: room, Header: http.Header{"Subject": {"acc_vic"}}})
		go func() { p.ended <- p.vic.Run(ctx) }()
		p.other = n.watch(client.Config{Header: http.Header{"Subject": {"acc_mara"}}})
		n.joined(p.vic)
		n.joined(p.other)
		parts = append(parts, p)
	}
	// The nodes may not listen yet; the order is given until both have obeyed.
	deadline := time.After(patience)
	for i := 0; i < len(parts); {
		sent := time.Now()
		if err := parts[0].n.bus.Control(context.Background(), []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-parts[i].ended:
			if took := time.Since(sent); took > time.Second {
				t.Errorf("revoking took %v", took)
			}
			if refused, ok := err.(*realtime.CloseError); !ok || refused.Code != realtime.CodeForbidden {
				t.Errorf("ended with %v", err)
			}
			i++
		case <-time.After(time.Second):
		case <-deadline:
			t.Fatal("not revoked")
		}
	}
	for _, p := range parts {
		if s := p.other.Stats(); !s.Joined || s.Dials != 1 {
			t.Errorf("somebody else was closed: %+v", s)
		}
	}
}
