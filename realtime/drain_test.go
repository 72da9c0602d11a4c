package realtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/client"
	"github.com/rialto-live/rialto/realtime/ws"
)

const (
	crowd          = 1000
	crowdByStream  = 5 // every fifth comes by an event stream
	crowdAtOnce    = 50
	crowdWindow    = 3 * time.Second
	crowdRoom      = realtime.RoomID("shw_1")
	crowdPatience  = time.Minute
	crowdBins      = 20 // of the window
	crowdPinsEvery = crowdWindow / 24
)

// balancer stands in front of two nodes. What a page posts goes to the node of
// its line.
type balancer struct {
	now  atomic.Pointer[ws.Handler] // takes who comes
	went sync.Map                   // viewer -> *ws.Handler
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	viewer, node := r.Header.Get("Viewer"), b.now.Load()
	if r.Method == http.MethodPost {
		of, _ := b.went.Load(viewer)
		of.(*ws.Handler).ServeEvents(w, r)
		return
	}
	b.went.Store(viewer, node)
	if r.URL.Path == ws.EventsPath {
		node.ServeEvents(w, r)
	} else {
		node.ServeHTTP(w, r)
	}
}

// crowdNode runs a node on a bus; every viewer has an address of its own.
func crowdNode(t *testing.T, on *bus.Memory) (*realtime.Hub, *ws.Handler) {
	t.Helper()
	hub, err := realtime.NewHub(realtime.Config{Bus: on, CountEvery: time.Hour, Snapshot: func(context.Context, realtime.RoomID) ([]realtime.Event, error) {
		return []realtime.Event{crowdPin(1)}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	door, err := ws.New(ws.Config{
		Hub: hub, AllowOrigin: func(string) bool { return true }, RemoteAddr: func(*http.Request) netip.Addr { return netip.Addr{} },
		Authenticate: func(context.Context, ws.Hello) (ws.Identity, error) { return ws.Identity{}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return hub, door
}

func crowdPin(version int64) realtime.Event {
	return realtime.Event{Type: "pin.set", Key: "pin", Version: version, Class: realtime.Lossless, Data: json.RawMessage(`{}`)}
}

// comer is a viewer who minds each pin that is missing.
type comer struct {
	*client.Client
	last   int64 // owned by Run
	missed atomic.Pointer[string]
}

func (c *comer) hear(e realtime.Event) {
	if c.last > 0 && e.Version != c.last+1 {
		why := fmt.Sprintf("version %d came behind %d", e.Version, c.last)
		c.missed.Store(&why)
	}
	c.last = e.Version
}

// audience makes viewers who come by way of b, each with a number, until the test
// ends.
func (b *balancer) audience(t *testing.T) (watch func(number int) *comer) {
	server := httptest.NewServer(b)
	ctx, stop := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	t.Cleanup(func() { stop(); watching.Wait(); server.Close() })
	return func(number int) *comer {
		c := &comer{}
		cfg := client.Config{
			URL: "ws" + strings.TrimPrefix(server.URL, "http") + "/ws", Room: crowdRoom,
			Header: http.Header{"Viewer": {strconv.Itoa(number)}}, OnEvent: c.hear, BackoffMost: time.Second,
		}
		if number%crowdByStream == 0 {
			cfg.URL = server.URL + ws.EventsPath
		}
		c.Client = client.New(cfg)
		watching.Go(func() { _ = c.Run(ctx) })
		return c
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(crowdPatience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// TestDrainOfRealSockets: a thousand viewers with sockets and streams of the
// kernel's are let go by one node over a window and come again to another. Each
// is back, goes on where it was, and has every pin of the meantime; what the
// node handed out brings back, in no twentieth of the window, more than half
// again as many as on average.
func TestDrainOfRealSockets(t *testing.T) {
	shared := bus.NewMemory()
	old, oldDoor := crowdNode(t, shared)
	_, nextDoor := crowdNode(t, shared)
	var front balancer
	front.now.Store(nextDoor)
	watch := front.audience(t)
	keeper := watch(-1) // the room is open on the other node
	waitFor(t, "the other node's room is open", func() bool { return keeper.Stats().Joined })
	front.now.Store(oldDoor)
	comers := make([]*comer, crowd)
	for i := range comers {
		comers[i] = watch(i)
		if i%crowdAtOnce == crowdAtOnce-1 {
			for _, c := range comers[i-crowdAtOnce+1 : i+1] {
				waitFor(t, "all come in", func() bool { return c.Stats().Joined })
			}
		}
	}
	version := int64(1)
	say := func() {
		version++
		if _, err := shared.Publish(context.Background(), crowdRoom, crowdPin(version)); err != nil {
			t.Fatal(err)
		}
	}
	say()
	for _, c := range comers { // each has something to go on from
		waitFor(t, "all hear the first pin", func() bool { return c.Version() == version })
	}
	var bins [crowdBins + crowdBins/10 + 1]int // who is closed last waits beyond the window
	handed := 0
	old.OnLetGo(func(moment, after time.Duration) {
		handed++
		bins[(moment+after)*crowdBins/crowdWindow]++
	})
	front.now.Store(nextDoor)
	drained := make(chan struct{})
	go func() { defer close(drained); old.Drain(context.Background(), crowdWindow) }()
	for pins := time.NewTicker(crowdPinsEvery); ; {
		select {
		case <-pins.C:
			say()
			continue
		case <-drained:
			pins.Stop()
		}
		break
	}
	say()
	t.Logf("in each twentieth of the window: %v", bins)
	if peak := slices.Max(bins[:]); handed != crowd || peak > crowd/crowdBins*3/2 {
		t.Errorf("of %d, %d are brought back in one twentieth of the window", handed, peak)
	}
	for i, c := range comers {
		waitFor(t, "all are back", func() bool { s := c.Stats(); return s.Joined && s.Dials > 1 && c.Version() == version })
		if s := c.Stats(); s.Resumes != 1 || s.Snapshots != 1 || c.missed.Load() != nil {
			why := "nothing missed"
			if p := c.missed.Load(); p != nil {
				why = *p
			}
			t.Fatalf("viewer %d: %+v, %s", i, s, why)
		}
	}
}
