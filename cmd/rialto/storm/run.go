package storm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/realtime"
)

// roomIDs are the two rooms: of the real sockets, and of those in memory.
var roomIDs = [2]realtime.RoomID{"shw_sockets", "shw_memory"}

// run is a storm under way.
type run struct {
	// static
	o       Options
	plan    plan
	store   *store
	truths  [2]*truth
	nodes   []*node
	front   *front
	sockets []*overTCP
	memory  []*inMemory
	woken   *wakeList
	lanes   []*lane
	tamper  func(viewer int, text []byte) [][]byte
	source  func(node int, s realtime.Source) realtime.Source

	report report
	before calm // what there was before anybody came

	resubscribes, jumps int64 // before Redis broke
}

// calm is what there is when nobody is here.
type calm struct {
	goroutines int
	heap       uint64
}

// Run lets a storm of o pass over four nodes and one Redis, which are its own, and
// says what held. The error is about what kept it from running; broken promises
// are in the result.
func Run(ctx context.Context, o Options) (Result, error) {
	o = o.withDefaults()
	fmt.Fprintf(o.Progress, "storm: seed %d\n", o.Seed)
	dir, err := os.MkdirTemp("", "rialto-storm-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(dir)
	r := &run{o: o, woken: newWakeList(), tamper: o.tamper, source: o.source}
	length := time.Duration(o.Seconds) * time.Second
	r.plan = newPlan(o.Seed, [2]crowd{{o.Sockets, o.socketRate}, {o.Memory, o.memoryRate}}, length)
	if r.store, err = newStore(ctx, dir); err != nil {
		return Result{}, fmt.Errorf("storm: %w", err)
	}
	result, err := r.pass(ctx)
	if stopped := r.store.server.Stop(); err == nil {
		err = stopped
	}
	if err != nil {
		return result, fmt.Errorf("storm of seed %d: %w", o.Seed, err)
	}
	return result, nil
}

// pass does all of it on a store that stands.
func (r *run) pass(ctx context.Context) (result Result, err error) {
	for i := range r.truths {
		r.truths[i] = newTruth(roomIDs[i])
	}
	defer func() {
		for _, n := range r.nodes {
			err = errors.Join(err, n.end())
			_ = n.client.Close()
		}
	}()
	for number := range Nodes {
		n, err := r.startNode(ctx, number)
		if n != nil && n.stop != nil {
			r.nodes = append(r.nodes, n)
		}
		if err != nil {
			return result, fmt.Errorf("node %d: %w", number, err)
		}
	}
	if r.front, err = newFront(r, r.o.Sockets); err != nil {
		return result, err
	}
	defer r.front.close()
	r.invite()
	r.before = r.measure()
	begun := time.Now()
	if err := r.blow(ctx); err != nil {
		return result, err
	}
	result = r.sum(time.Since(begun))
	return result, nil
}

// invite makes the viewers, who wait outside.
func (r *run) invite() {
	for v := range r.o.Sockets {
		r.sockets = append(r.sockets, r.newOverTCP(v))
	}
	for v := range r.o.Memory {
		m := &inMemory{run: r, number: v, watch: newWatcher(&r.report, r.truths[1], fmt.Sprintf("viewer %d in memory", v))}
		switch v % 10 { // most are pages with WebSockets
		case 8:
			m.as = realtime.Deflated
		case 9:
			m.as = realtime.Lines
		}
		r.memory = append(r.memory, m)
	}
}

// blow is the storm and what comes after it. All that it starts ends in it.
func (r *run) blow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	for range settlers {
		g.Go(func() error { r.woken.run(ctx); return nil })
	}
	r.openLanes(ctx, &g)
	err := r.drive(ctx)
	for _, l := range r.lanes {
		close(l.queue)
	}
	if err == nil {
		r.lanesDone()
		r.comeBack(ctx)
		r.agree(ctx)
		r.leave(ctx)
	}
	for _, v := range r.sockets {
		v.stop()
	}
	cancel()
	_ = g.Wait() // none returns an error
	r.lookAround(ctx)
	return err
}

// drive does what is planned when it is due.
func (r *run) drive(ctx context.Context) (err error) {
	var trouble errgroup.Group
	defer func() { err = errors.Join(err, trouble.Wait()) }() // it uses the store, which is stopped next
	begin, killed, troubled := time.Now(), false, false
	for _, s := range r.plan.steps {
		if !killed && s.at >= r.due(killAt) {
			killed = true
			if err := r.kill(r.plan.victim); err != nil {
				return err
			}
		}
		if !troubled && s.at >= r.due(troubleAt) {
			troubled = true
			r.resubscribes, r.jumps = r.again(), int64(r.metric("rialto_realtime_jumps_total", ""))
			trouble.Go(func() error { return r.store.suffer(ctx, r.o.Trouble) })
		}
		if wait := time.Until(begin.Add(s.at)); wait > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(wait):
			}
		}
		if s.viewer < 0 {
			r.say(s)
		} else {
			r.move(ctx, s)
		}
	}
	return nil
}

func (r *run) due(share float64) time.Duration {
	return time.Duration(share * float64(r.plan.trial))
}

// alive is the node, or the next one that is not dead.
func (r *run) alive(number int) *node {
	for i := range r.nodes {
		if n := r.nodes[(number+i)%len(r.nodes)]; !n.dead.Load() {
			return n
		}
	}
	return r.nodes[number] // none: every one is being ended
}

func (r *run) move(ctx context.Context, s step) {
	if s.room == 1 {
		r.memory[s.viewer-r.o.Sockets].wish(s.move != leave, s.node, s.move == lose)
		return
	}
	r.front.send(s.viewer, s.node)
	switch v := r.sockets[s.viewer]; s.move {
	case arrive:
		v.start(ctx)
	case leave:
		v.stop()
	case lose:
		r.front.reset(func(viewer, _ int) bool { return viewer == s.viewer })
	}
}

// kill ends a node as a power cut does. Its viewers find their lines dead.
func (r *run) kill(number int) error {
	n := r.nodes[number]
	n.dead.Store(true)
	r.front.reset(func(_, at int) bool { return at == number })
	for _, v := range r.memory {
		v.mu.Lock()
		l := v.line
		v.mu.Unlock()
		if l != nil && l.node == n {
			l.mu.Lock()
			l.broken = true
			l.mu.Unlock()
			r.woken.add(v)
		}
	}
	return n.kill()
}

// full says that a socket has no room just now: one time in fullOneIn.
func (r *run) full(viewer int, write uint64) bool {
	return (r.o.Seed+uint64(viewer)*2654435761+write*40503)%fullOneIn == 0
}

const fullOneIn = 997

// again is how many snapshots viewers were given on lines that had joined.
func (r *run) again() (n int64) {
	for _, w := range r.watchers() {
		w.mu.Lock()
		n += w.again
		w.mu.Unlock()
	}
	return n
}

func (r *run) watchers() (all []*watcher) {
	for _, v := range r.sockets {
		all = append(all, v.watch)
	}
	for _, v := range r.memory {
		all = append(all, v.watch)
	}
	return all
}

func (r *run) metric(name, label string) (sum float64) {
	for _, n := range r.nodes {
		sum += n.metric(name, label)
	}
	return sum
}

// snapshot is the port of all hubs.
func (r *run) snapshot(ctx context.Context, room realtime.RoomID) ([]realtime.Event, error) {
	for _, t := range r.truths {
		if t.id == room {
			return t.snapshot(ctx, room)
		}
	}
	return nil, fmt.Errorf("there is no room %s", room)
}

func (r *run) measure() calm {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return calm{runtime.NumGoroutine(), m.HeapAlloc}
}

// lane publishes updates one after the other, each until it is taken, as a
// dispatcher does.
type lane struct {
	queue chan func()
	done  sync.WaitGroup
}
