package storm

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/realtime"
)

// stockLanes is how many publish stock of a busy room at once. A key always goes
// the same way; lossless events all go one way, so that they stand in the history
// as they were made.
const stockLanes = 3

// Of each room: its lossless events, then its stock, then its casts.
const lanesPerRoom = 1 + stockLanes + 1

func (r *run) openLanes(ctx context.Context, g *errgroup.Group) {
	for range len(roomIDs) * lanesPerRoom {
		l := &lane{queue: make(chan func(), len(r.plan.steps))}
		l.done.Add(1)
		r.lanes = append(r.lanes, l)
		g.Go(func() error {
			defer l.done.Done()
			for say := range l.queue {
				if ctx.Err() == nil {
					say()
				}
			}
			return nil
		})
	}
}

func (r *run) lanesDone() {
	for _, l := range r.lanes {
		l.done.Wait()
	}
}

// sayTimeout is how long one try to publish may take.
const sayTimeout = time.Second

// say changes the truth and has it told.
func (r *run) say(s step) {
	room := roomIDs[s.room]
	first := s.room * lanesPerRoom
	if s.key < 0 {
		r.lanes[first+lanesPerRoom-1].queue <- func() {
			ctx, cancel := context.WithTimeout(context.Background(), sayTimeout)
			defer cancel()
			// Lost while Redis is away, as it may be.
			_ = r.alive(s.node).bus.Cast(ctx, room, realtime.Event{Type: "hearts", Class: realtime.Sampled, Add: 1})
		}
		return
	}
	e := r.truths[s.room].set(s.key, s.urgent)
	lane := first
	if s.key >= losslessKeys {
		lane += 1 + s.key%stockLanes
	}
	r.lanes[lane].queue <- func() { r.publish(room, s.node, e) }
}

func (r *run) publish(room realtime.RoomID, node int, e realtime.Event) {
	var err error
	for deadline := time.Now().Add(r.o.patience); time.Now().Before(deadline); {
		ctx, cancel := context.WithTimeout(context.Background(), sayTimeout)
		_, err = r.alive(node).bus.Publish(ctx, room, e)
		cancel()
		if err == nil {
			return
		}
	}
	r.report.breach(allSaid, "version %d of %s could not be published: %v", e.Version, room, err)
}

// comeBack brings everybody in.
func (r *run) comeBack(ctx context.Context) {
	for _, v := range r.sockets {
		v.start(ctx)
	}
	for i, v := range r.memory {
		v.wish(true, i, false)
	}
}

// until waits for something to be true.
func (r *run) until(ctx context.Context, ok func() bool) bool {
	for deadline := time.Now().Add(r.o.patience); ; time.Sleep(20 * time.Millisecond) {
		if ok() {
			return true
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return false
		}
	}
}

// agree waits until everybody knows the truth, and how many they are.
func (r *run) agree(ctx context.Context) {
	states, counts := 0, 0
	var state, count string
	for room, all := range [2][]*watcher{r.watchers()[:len(r.sockets)], r.watchers()[len(r.sockets):]} {
		want := r.truths[room].now()
		known := func() bool {
			states, counts = 0, 0
			for _, w := range all {
				s, c := w.knows(want, len(all))
				if s != "" {
					states, state = states+1, s
				}
				if c != "" {
					counts, count = counts+1, c
				}
			}
			return states+counts == 0
		}
		if r.until(ctx, known) {
			continue
		}
		if states > 0 {
			r.report.breach(endState, "%d of %d viewers, such as %s", states, len(all), state)
		}
		if counts > 0 {
			r.report.breach(counted, "%d of %d viewers, such as %s", counts, len(all), count)
		}
	}
	for _, v := range r.sockets {
		if why := v.agrees(); why != "" {
			r.report.breach(endState, "%s", why)
		}
	}
}

// leave sends everybody home.
func (r *run) leave(ctx context.Context) {
	for _, v := range r.sockets {
		v.stop()
	}
	for _, v := range r.memory {
		v.wish(false, 0, false)
	}
	r.until(ctx, r.woken.idle)
	empty := func() bool {
		return r.stays() == ""
	}
	if !r.until(ctx, empty) {
		r.report.breach(nothingLeft, "%s", r.stays())
	}
}

// stays says what of the viewers is still on a node, or "".
func (r *run) stays() string {
	for _, name := range []string{"rialto_realtime_conns", "rialto_realtime_conns_parked", "rialto_realtime_rooms"} {
		for _, n := range r.nodes {
			if left := n.metric(name, ""); left != 0 && !n.dead.Load() {
				return fmt.Sprintf("%s is %v on node %d", name, left, n.number)
			}
		}
	}
	return ""
}

// heapSlack is how much more memory may be in use than before anybody came: what
// pools, maps and the watchers of the storm itself keep.
const heapSlack = 16 << 20

// goroutineSlack is how many connections to Redis may be being made anew.
const goroutineSlack = 8

// lookAround compares what there is with what there was.
func (r *run) lookAround(ctx context.Context) {
	if r.o.shared {
		return
	}
	for _, n := range r.nodes {
		n.memo = memo{}
	}
	var now calm
	back := r.until(context.WithoutCancel(ctx), func() bool {
		now = r.measure()
		return now.goroutines <= r.before.goroutines+goroutineSlack && now.heap <= r.before.heap+heapSlack+uint64(len(r.plan.steps))*256
	})
	if !back {
		r.report.breach(nothingLeft, "%d goroutines and %d KB, before there were %d and %d KB", now.goroutines, now.heap>>10, r.before.goroutines, r.before.heap>>10)
	}
}
