package storm

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/ws"
)

// linger is short, so that the rooms are seen to go in the end.
const linger = 500 * time.Millisecond

// maxConns is room for everybody on one node.
const maxConns = 50_000

// node is one node of the program, as far as rooms go.
type node struct {
	// static
	number   int
	client   *redis.Client
	bus      *bus.Redis
	hub      *realtime.Hub
	door     http.Handler
	registry *prometheus.Registry
	memo     memo
	stop     context.CancelFunc
	ended    func() error // waits for what was started

	dead atomic.Bool
	loss losses
}

// losses decides what the node does not hear, and counts how often something was
// missing: messages lost in a row are one gap.
type losses struct {
	seed uint64
	node int

	mu   sync.Mutex
	last [2]int64 // of each room: the offset lost last
	// heard counts the casts, which have no place of their own.
	heard, casts, messages, gaps int64
}

// lose is what the bus asks for each message.
func (l *losses) lose(room realtime.RoomID, offset int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	place := 0
	if room == roomIDs[1] {
		place = 1
	}
	if offset == 0 {
		l.heard++
		lost := drops(l.seed, l.node, place, -l.heard)
		if lost {
			l.casts++
		}
		return lost
	}
	if !drops(l.seed, l.node, place, offset) {
		return false
	}
	l.messages++
	if offset != l.last[place]+1 {
		l.gaps++
	}
	l.last[place] = offset
	return true
}

func (l *losses) counts() (messages, gaps, casts int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.messages, l.gaps, l.casts
}

func (r *run) startNode(ctx context.Context, number int) (*node, error) {
	o, err := r.store.options()
	if err != nil {
		return nil, err
	}
	n := &node{
		number: number, client: redis.NewClient(o), registry: prometheus.NewRegistry(),
		loss: losses{seed: r.o.Seed, node: number},
	}
	cfg := bus.RedisConfig{Client: n.client, Node: fmt.Sprintf("node-%d", number), Metrics: n.registry, Lose: n.loss.lose}
	if n.bus, err = bus.NewRedis(cfg); err != nil {
		return nil, err
	}
	var feeds realtime.Source = n.bus
	if r.source != nil {
		feeds = r.source(number, feeds)
	}
	if n.hub, err = realtime.NewHub(realtime.Config{
		Bus: feeds, Snapshot: r.snapshot, Metrics: n.registry, Linger: linger, MaxConns: maxConns, MaxPerAddress: maxConns,
	}); err != nil {
		return nil, err
	}
	if n.door, err = ws.New(ws.Config{
		Hub: n.hub, AllowOrigin: func(string) bool { return false }, // pages are not of this storm
		Authenticate: func(_ context.Context, h ws.Hello) (ws.Identity, error) { return ws.Identity{}, nil },
	}); err != nil {
		return nil, err
	}
	ctx, n.stop = context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error { return n.bus.Run(ctx) })
	g.Go(func() error { return n.hub.Run(ctx) })
	n.ended = sync.OnceValue(g.Wait)
	return n, n.serves(ctx)
}

// serves waits until the hub takes viewers.
func (n *node) serves(ctx context.Context) error {
	for {
		ticket, err := n.hub.Reserve(nowhere)
		if err == nil {
			ticket.Release()
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// end stops the node and waits for all of it. It may be called twice.
func (n *node) end() error {
	n.dead.Store(true)
	n.stop()
	return n.ended()
}

// kill is what a power cut does: the line to Redis is cut, so that nobody is
// told anything; run.kill has reset the sockets.
func (n *node) kill() error {
	_ = n.client.Close() // of no use to anybody any more
	return n.end()
}

// metric sums a metric over its labels, or over one value of them.
func (n *node) metric(name, label string) float64 {
	families, err := n.registry.Gather()
	if err != nil {
		return -1 // no count that anybody expects
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label == "" || len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
