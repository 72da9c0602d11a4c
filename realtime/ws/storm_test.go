package ws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/client"
)

// The storm: hundreds of viewers come, go, lose their line and return to
// whichever of two nodes, while updates of all classes rain and Redis breaks.
// Whatever happens is drawn from one number; stormSeed replays it.

const (
	stormSeed    = "RIALTO_STORM_SEED"
	stormViewers = 200
	stormUpdates = 2000
	stormPace    = 2 * time.Millisecond // 500 updates a second
	stormLines   = 3                    // bare sockets on each node that look at the wire
	breaks       = stormUpdates / 2     // the update before which Redis breaks
	mends        = breaks + 150         // and the one before which it is back
)

// update is one thing that happens to the show, spoken through one node.
type update struct {
	typ, key string
	class    realtime.Class
	urgent   bool
	node     int
}

// move is one thing that happens to a viewer before an update.
type move struct {
	viewer, node int
	kind         moveKind
}

type moveKind uint8

const (
	arrive moveKind = iota // for the first time, or again with what it has
	leave
	lose // its line breaks; it comes back by itself, to node
)

// plan is all that happens.
type plan struct {
	updates []update
	moves   [stormUpdates][]move
}

func newPlan(seed uint64) (p plan) {
	rng := rand.New(rand.NewPCG(seed, 0))
	for range stormUpdates {
		p.updates = append(p.updates, anyUpdate(rng))
	}
	for v := range stormViewers {
		here := false
		for at := rng.IntN(stormUpdates * 3 / 4); at < stormUpdates; at += 1 + rng.IntN(stormUpdates/4) {
			m := move{viewer: v, node: rng.IntN(2), kind: arrive}
			if here {
				m.kind = []moveKind{leave, lose, lose}[rng.IntN(3)]
			}
			here = m.kind != leave
			p.moves[at] = append(p.moves[at], m)
			if rng.IntN(3) == 0 {
				break // from here on it stays as it is
			}
		}
	}
	return p
}

// anyUpdate is lossless on few keys, a latest value on many, urgent now and
// then, or a cast.
func anyUpdate(rng *rand.Rand) update {
	u := update{class: realtime.Lossless, node: rng.IntN(2)}
	switch n := rng.IntN(100); {
	case n < 3:
		u.typ, u.key = "pin.set", "pin"
	case n < 10:
		u.typ, u.key = "price.set", fmt.Sprintf("var_%d", rng.IntN(4))
	case n < 20:
		u.typ, u.class = "hearts", realtime.Sampled
	default:
		u.typ, u.class = "stock.set", realtime.Latest
		u.key, u.urgent = fmt.Sprintf("var_%d", rng.IntN(60)), n < 24
	}
	return u
}

func TestPlanIsOfItsSeed(t *testing.T) {
	if !reflect.DeepEqual(newPlan(7), newPlan(7)) {
		t.Fatal("two plans of one seed differ")
	}
	if reflect.DeepEqual(newPlan(7), newPlan(8)) {
		t.Fatal("the plans of two seeds are the same")
	}
}

// storm is a run of a plan.
type storm struct {
	t       *testing.T
	plan    plan
	truth   *show
	nodes   [2]*node
	front   *httptest.Server
	place   [stormViewers]atomic.Int32 // the node that a viewer reaches next
	viewers []*stormViewer
	lines   []*wireWitness

	mu     sync.Mutex // guards what follows
	socks  [stormViewers]net.Conn
	before map[int64]int64 // of each version: the one before it on its key
	newest map[client.Key]int64
}

func TestStorm(t *testing.T) { runStorm(t, nil, nil) }
func TestStormRedisKilled(t *testing.T) {
	runStorm(t, (*embeddedtest.RedisServer).Kill, (*embeddedtest.RedisServer).Start)
}
func TestStormRedisLost(t *testing.T) {
	runStorm(t, (*embeddedtest.RedisServer).Lose, (*embeddedtest.RedisServer).Start)
}
func TestStormRedisEmptied(t *testing.T) { runStorm(t, (*embeddedtest.RedisServer).Flush, nil) }

func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv(stormSeed); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", stormSeed, err)
		}
	}
	// At once and not with t.Log, which is silent when a test hangs.
	fmt.Fprintf(os.Stderr, "%s: to replay, run with %s=%d\n", t.Name(), stormSeed, seed)
	return seed
}

func runStorm(t *testing.T, breakIt, mendIt func(*embeddedtest.RedisServer)) {
	server := embeddedtest.NewRedisServer(t)
	s := newStorm(t, newPlan(seedOf(t)), server.URL())
	queue := make(chan func(), stormUpdates)
	published := make(chan struct{})
	go func() { // as a dispatcher: one after the other, each until it is taken
		defer close(published)
		for say := range queue {
			say()
		}
	}()
	begin := time.Now()
	for i, u := range s.plan.updates {
		switch {
		case i == breaks && breakIt != nil:
			breakIt(server)
		case i == mends && mendIt != nil:
			mendIt(server)
		}
		for _, m := range s.plan.moves[i] {
			s.move(m)
		}
		s.happen(u, queue)
		time.Sleep(time.Until(begin.Add(time.Duration(i+1) * stormPace)))
	}
	took := time.Since(begin)
	close(queue)
	<-published
	s.settle()
	t.Logf("%d updates in %v (%.0f a second); %s", stormUpdates, took.Round(time.Millisecond), stormUpdates/took.Seconds(), s.sums())
}

func newStorm(t *testing.T, p plan, url string) *storm {
	s := &storm{t: t, plan: p, truth: newShow(), before: map[int64]int64{}, newest: map[client.Key]int64{}}
	for i := range s.nodes {
		s.nodes[i] = start(t, options{bus: redisBus(t, url), show: s.truth, hub: func(c *realtime.Config) {
			c.Tick, c.CountEvery = 100*time.Millisecond, time.Second
		}})
	}
	s.front = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.front.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, s, c) }
	s.front.Start()
	t.Cleanup(s.front.Close)
	for v := range stormViewers {
		s.viewers = append(s.viewers, s.newViewer(v))
	}
	for i := range 2 * stormLines {
		s.lines = append(s.lines, s.watchWire(s.nodes[i%2]))
	}
	return s
}

// serve is the balancer in front of both nodes.
func (s *storm) serve(w http.ResponseWriter, r *http.Request) {
	viewer, err := strconv.Atoi(r.Header.Get("Viewer"))
	if err != nil {
		s.t.Errorf("a viewer without a number: %v", err)
		return
	}
	s.mu.Lock()
	s.socks[viewer], _ = r.Context().Value(s).(net.Conn)
	s.mu.Unlock()
	s.nodes[s.place[viewer].Load()].server.Config.Handler.ServeHTTP(w, r)
}

func (s *storm) move(m move) {
	s.place[m.viewer].Store(int32(m.node))
	v := s.viewers[m.viewer]
	switch m.kind {
	case arrive:
		v.run()
	case leave:
		v.stop()
	case lose:
		s.mu.Lock()
		sock := s.socks[m.viewer]
		s.mu.Unlock()
		if sock != nil {
			_ = sock.(*net.TCPConn).SetLinger(0)
			_ = sock.Close()
		}
	}
}

// happen changes the truth and has it told.
func (s *storm) happen(u update, queue chan<- func()) {
	n := s.nodes[u.node]
	if u.class == realtime.Sampled {
		queue <- func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = n.bus.Cast(ctx, room, realtime.Event{Type: u.typ, Class: u.class, Add: 1}) // lost while Redis is away
		}
		return
	}
	s.mu.Lock() // before anybody can see it
	e := s.truth.set(u.typ, u.key, u.class, u.urgent)
	key := client.Key{Type: e.Type, Key: e.Key}
	s.before[e.Version], s.newest[key] = s.newest[key], e.Version
	s.mu.Unlock()
	queue <- func() { publishOn(s.t, n.bus, e) }
}

// publishOn is node.publish for goroutines that are not the test's own.
func publishOn(t *testing.T, b bus.Bus, e realtime.Event) {
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err = b.Publish(ctx, room, e)
		cancel()
		if err == nil {
			return
		}
	}
	t.Errorf("version %d could not be published: %v", e.Version, err)
}

// settle brings everybody back and waits until all know the truth.
func (s *storm) settle() {
	s.t.Helper()
	for _, v := range s.viewers {
		v.run()
	}
	for _, v := range s.viewers {
		s.nodes[0].agrees(v.client)
	}
	// And how many they are, on both nodes together.
	everybody := fmt.Sprintf(`{"count":%d}`, stormViewers+len(s.lines))
	for _, v := range s.viewers {
		var got realtime.Event
		until(s.t, "all viewers are counted", func() bool {
			got, _ = v.client.Get(bus.ViewersEvent, "")
			return string(got.Data) == everybody
		}, func() string { return fmt.Sprintf("%s is told %s, want %s", v.name, got.Data, everybody) })
	}
	for _, v := range s.viewers {
		v.stop()
		for _, fault := range v.faults {
			s.t.Error(fault)
		}
	}
	for _, w := range s.lines {
		for _, fault := range w.end(s.truth) {
			s.t.Error(fault)
		}
	}
}

func (s *storm) sums() string {
	var all client.Stats
	for _, v := range s.viewers {
		got := v.client.Stats()
		all.Dials += got.Dials
		all.Snapshots += got.Snapshots
		all.Resumes += got.Resumes
		all.Frames += got.Frames
	}
	if all.Resumes == 0 || all.Dials <= stormViewers {
		s.t.Errorf("nobody was disturbed: %+v", all)
	}
	return fmt.Sprintf("%d dials, %d snapshots, %d resumes, %d frames", all.Dials, all.Snapshots, all.Resumes, all.Frames)
}

// follows says what is wrong with version now behind version last on one key,
// where a viewer has missed nothing in between, or "".
func (s *storm) follows(last, now int64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.before[now]; before != last {
		return fmt.Sprintf("version %d came behind %d, and %d was before it", now, last, before)
	}
	return ""
}

// stormViewer is one of the crowd.
type stormViewer struct {
	storm  *storm
	name   string
	client *client.Client
	cancel context.CancelFunc // nil while it is away
	done   chan struct{}

	// owned by the client's Run
	versions  map[client.Key]int64
	last      map[client.Key]int64 // the version that the data of a lossless key is of
	snapshots map[client.Key]int64 // how many the client had had by then
	faults    []string
}

func (s *storm) newViewer(number int) *stormViewer {
	v := &stormViewer{
		storm: s, name: fmt.Sprintf("viewer %d", number),
		versions: map[client.Key]int64{}, last: map[client.Key]int64{}, snapshots: map[client.Key]int64{},
	}
	v.client = client.New(client.Config{
		URL: "ws" + s.front.URL[len("http"):] + "/ws", Room: room, Header: http.Header{"Viewer": {strconv.Itoa(number)}},
		OnEvent: v.hear, BackoffMost: 50 * time.Millisecond,
	})
	s.t.Cleanup(v.stop)
	return v
}

func (v *stormViewer) run() {
	if v.cancel != nil {
		return
	}
	var ctx context.Context
	ctx, v.cancel = context.WithCancel(context.Background())
	v.done = make(chan struct{})
	go func() {
		defer close(v.done)
		if err := v.client.Run(ctx); err != nil {
			v.storm.t.Errorf("%s was sent away: %v", v.name, err)
		}
	}()
}

func (v *stormViewer) stop() {
	if v.cancel == nil {
		return
	}
	v.cancel()
	<-v.done
	v.cancel = nil
}

func (v *stormViewer) fault(format string, args ...any) {
	if len(v.faults) < 5 {
		v.faults = append(v.faults, v.name+": "+fmt.Sprintf(format, args...))
	}
}

// hear looks at each piece of news: versions rise, and where no snapshot came
// in between no lossless one is left out or comes twice, also over a lost line
// and on another node.
func (v *stormViewer) hear(e realtime.Event) {
	if e.Version == 0 {
		return
	}
	key := client.Key{Type: e.Type, Key: e.Key}
	if e.Version <= v.versions[key] {
		v.fault("%v went from version %d to %d", key, v.versions[key], e.Version)
	}
	v.versions[key] = e.Version
	if e.Type == "stock.set" {
		return
	}
	now, snapshots := numberIn(e.Data), v.client.Stats().Snapshots
	if last := v.last[key]; v.snapshots[key] != snapshots {
		if now < last {
			v.fault("%v went from %d to %d with a snapshot", key, last, now)
		}
	} else if wrong := v.storm.follows(last, now); wrong != "" {
		v.fault("%v: %s", key, wrong)
	}
	v.last[key], v.snapshots[key] = now, snapshots
}

// numberIn is the version that data was made at; a snapshot gives it another.
func numberIn(data json.RawMessage) int64 {
	var d struct {
		N int64 `json:"n"`
	}
	_ = json.Unmarshal(data, &d) // 0 follows nothing
	return d.N
}
