package bus

import (
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/realtime"
)

// Messages that Pub/Sub loses on their way to one node, whoever drops them: the
// server, the network, or a client library whose channel is full.

// lossyNet is a node's line to Redis.
type lossyNet struct {
	registry *prometheus.Registry

	mu   sync.Mutex
	lost func(offset int64) bool
	gone int // messages lost so far
}

func newLossyNet() *lossyNet {
	return &lossyNet{registry: prometheus.NewRegistry(), lost: func(int64) bool { return false }}
}

func (n *lossyNet) loses(_ realtime.RoomID, offset int64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	lost := n.lost(offset)
	if lost {
		n.gone++
	}
	return lost
}

// lose begins to lose the messages at some offsets; casts are at 0.
func (n *lossyNet) lose(offsets func(offset int64) bool) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lost = offsets
}

// expect compares what was lost and what was read for it. most is for the
// repair of gaps; a tail may be read besides when this machine is slow.
func (n *lossyNet) expect(t *testing.T, lost int, least, most float64) {
	t.Helper()
	if n == nil {
		return
	}
	gone := 0
	for deadline := time.Now().Add(patience); gone < lost && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		n.mu.Lock() // the history may be faster than what is lost
		gone = n.gone
		n.mu.Unlock()
	}
	gaps, tails := n.reads(t, readGap), n.reads(t, readTail)
	if gone != lost || gaps > most || gaps+tails < least {
		t.Errorf("%d messages were lost and %v histories read for gaps, %v for tails; want %d, at most %v, at least %v together",
			gone, gaps, tails, lost, most, least)
	}
	if full, story := n.reads(t, readFull), n.reads(t, readStory); full+story > 0 {
		t.Errorf("%v histories were read for a full queue and %v for another story", full, story)
	}
}

func (n *lossyNet) reads(t *testing.T, why reason) float64 {
	t.Helper()
	families, err := n.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "rialto_realtime_bus_history_reads_total" && m.GetLabel()[0].GetValue() == string(why) {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("history reads for %q are not counted", why)
	return 0
}

// lostOneByOne: each gap is seen with the next message, and costs one read.
func lostOneByOne(t *testing.T, c cluster) {
	l := subscribe(t, c.b, "shw_1")
	c.net.lose(func(offset int64) bool { return offset%3 == 2 })
	const n = 30
	for v := int64(1); v <= n; v += 3 {
		for i := range int64(3) {
			publish(t, c.a, "shw_1", event(v+i))
		}
		l.expect(v, v+2)
	}
	c.net.expect(t, n/3, n/3, n/3)
}

// lostInStream: gaps that come faster than they are read are read together.
func lostInStream(t *testing.T, c cluster) {
	l, near := subscribe(t, c.b, "shw_1"), subscribe(t, c.a, "shw_1")
	c.net.lose(func(offset int64) bool { return offset%5 == 0 })
	const n = 101
	for v := range int64(n) {
		publish(t, c.a, "shw_1", event(v+1))
	}
	l.expect(1, n)
	near.expect(1, n)
	c.net.expect(t, n/5, 1, n/5)
}

// lostInRow: as when a client library drops what finds no place in its channel.
func lostInRow(t *testing.T, c cluster) {
	l := subscribe(t, c.b, "shw_1")
	c.net.lose(func(offset int64) bool { return offset > 1 && offset < 50 })
	for v := range int64(50) {
		publish(t, c.a, "shw_1", event(v+1))
	}
	l.expect(1, 50)
	c.net.expect(t, 48, 1, 1)
}

// lostAtEnd: nothing comes behind what was lost, and yet it is noticed.
func lostAtEnd(t *testing.T, c cluster) {
	l, other := subscribe(t, c.b, "shw_1"), subscribe(t, c.b, "shw_2")
	c.net.lose(func(int64) bool { return true })
	publish(t, c.a, "shw_1", event(1)) // the first of all
	l.expect(1, 1)
	publish(t, c.a, "shw_1", event(2))
	publish(t, c.a, "shw_2", event(3))
	l.expect(2, 2)
	other.expect(3, 3)
	c.net.expect(t, 3, 3, 0)
}

// lostAndTrimmed: what was lost has left the history too, so that the room is
// told to begin anew.
func lostAndTrimmed(t *testing.T, c cluster) {
	l := subscribe(t, c.b, "shw_1")
	publish(t, c.a, "shw_1", event(1))
	l.expect(1, 1)
	n := int64(c.sizes.history) + 2 // 2 is the first that is lost, and gone
	c.net.lose(func(offset int64) bool { return offset < n })
	publishAtOnce(t, c.a, 2, n)
	if c.net == nil {
		l.expect(2, n)
	} else if l.expectReset(); l.at.Offset != n {
		t.Fatalf("the room begins anew at %d, want %d", l.at.Offset, n)
	}
	c.net.expect(t, int(n)-2, 1, 1)
	// And where the oldest is still there, it is read.
	m := n + int64(c.sizes.history) - 1
	c.net.lose(func(offset int64) bool { return offset > n && offset < m })
	publishAtOnce(t, c.a, n+1, m)
	l.expect(n+1, m)
}

// publishAtOnce leaves no moment in which somebody could look.
func publishAtOnce(t *testing.T, b Bus, first, last int64) {
	t.Helper()
	node, ok := b.(*Redis)
	if !ok {
		for v := first; v <= last; v++ {
			publish(t, b, "shw_1", event(v))
		}
		return
	}
	pipe := node.client.TxPipeline()
	for v := first; v <= last; v++ {
		e := event(v)
		payload, err := encode(e)
		if err != nil {
			t.Fatal(err)
		}
		publishScript.Eval(ctxFor(t), pipe, []string{metaKey("shw_1"), historyKey("shw_1"), seenKey("shw_1", e.ID)},
			"unused", node.sizes.history, roomTTL.Milliseconds(), seenTTL.Milliseconds(), channelOf("shw_1"), e.ID, payload)
	}
	if _, err := pipe.Exec(ctxFor(t)); err != nil {
		t.Fatal(err)
	}
}

// lostCasts: nobody misses them, and nothing is read for them.
func lostCasts(t *testing.T, c cluster) {
	l := subscribe(t, c.b, "shw_1")
	c.net.lose(func(offset int64) bool { return offset == 0 })
	for n := range 20 {
		cast(t, c.a, "shw_1", hearts(n+1))
	}
	publish(t, c.a, "shw_1", event(1))
	if c.net == nil {
		for n := range 20 {
			l.expectCast(hearts(n + 1))
		}
	}
	l.expect(1, 1)
	c.net.expect(t, 20, 0, 0)
}
