package bench

import (
	"context"
	"errors"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/load"
)

const (
	// floorBusy is how much of its core the floor uses at the pace that is chosen for it and the hub.
	floorBusy = 0.6
	// maxPace bounds the events of a second for small audiences.
	maxPace      = 200
	probeEvents  = 5
	warmEvents   = 2
	changesASec  = 220 // of them mergedSparse is one lossless
	mergedSparse = 110
	mergedKeys   = 16
	settleIdle   = 2 * time.Second
	// ringFull is how many of the largest events more than fill a room's ring, so that it does not grow while it is
	// measured what stalled clients cost.
	ringFull = 70
	// stalledSteps bounds the events that fill sockets: fewer than a ring holds, so that nobody is overtaken.
	stalledSteps = 24
	// stalledBuffer is asked for the sockets of clients that read nothing. It is small so that they are full soon.
	stalledBuffer = 4 << 10
	stillFor      = 300 * time.Millisecond
)

// window is say in an audience of its own, after a few events that are not counted.
func window(ctx context.Context, s seats, order hubOrder) (h heard, t *ledger, err error) {
	a, err := openAudience(ctx, s)
	if err != nil {
		return h, nil, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.fill(ctx, s.most); err != nil {
		return h, nil, err
	}
	if err := a.settle(ctx, quietHub); err != nil {
		return h, nil, err
	}
	warm := order
	warm.Events = warmEvents
	if _, err := a.say(ctx, warm); err != nil {
		return h, nil, err
	}
	h, err = a.say(ctx, order)
	a.tally.lacks = a.tally.lost(a.said)
	return h, a.tally, err
}

// pace measures the floor as fast as it can and says how many events a second leave it time.
func pace(ctx context.Context, s seats) (perSecond float64, err error) {
	h, _, err := window(ctx, s, hubOrder{Events: probeEvents, Size: messageBytes})
	if err != nil {
		return 0, err
	}
	return min(floorBusy*1e6/(h.perMessage()*float64(s.most)), maxPace), nil
}

// evenly is an order of lossless events for so many seconds.
func evenly(perSecond float64, seconds int) hubOrder {
	return hubOrder{Events: max(int(perSecond*float64(seconds)), 2), Every: time.Duration(float64(time.Second) / perSecond), Size: messageBytes}
}

// merging is an order of latest values, with some lossless events between them.
func merging(seconds int) hubOrder {
	return hubOrder{Events: changesASec * seconds, Every: time.Second / changesASec, Size: messageBytes, Keys: mergedKeys, Lossless: mergedSparse}
}

// Idle is what a server has for each connection that says and hears nothing, in bytes.
type Idle struct {
	RSS       float64 `json:"rss_bytes"`           // once all have joined and settled
	Collected float64 `json:"collected_rss_bytes"` // and after its garbage was collected
	Heap      float64 `json:"heap_bytes"`
	Stacks    float64 `json:"stack_bytes"`
	Routines  float64 `json:"goroutines"`
}

func (o RealtimeOptions) idle(ctx context.Context, kind string, core int) (i Idle, err error) {
	a, err := openAudience(ctx, seats{kind: kind, core: core, most: o.Idle})
	if err != nil {
		return i, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.fill(ctx, 1); err != nil { // what there is once is there
		return i, err
	}
	before, had, err := a.holding(ctx, true)
	if err != nil {
		return i, err
	}
	if err := a.fill(ctx, o.Idle-1); err != nil {
		return i, err
	}
	if err := a.settle(ctx, settleIdle); err != nil {
		return i, err
	}
	settled, _, err := a.holding(ctx, false)
	if err != nil {
		return i, err
	}
	collected, has, err := a.holding(ctx, true)
	each := func(v int64) float64 { return round(float64(v) / float64(max(o.Idle-1, 1))) }
	return Idle{each(settled - before), each(collected - before), each(has.Heap - had.Heap), each(has.Stacks - had.Stacks),
		each(int64(has.Goroutines - had.Goroutines))}, err
}

// Stalled is what a server has more for each connection that reads nothing and is full, than while it was idle, in bytes.
// What the kernel keeps for it is not counted.
type Stalled struct {
	Connections int     `json:"connections"`
	RSS         float64 `json:"rss_bytes"`
	Heap        float64 `json:"heap_bytes"`
	Stacks      float64 `json:"stack_bytes"`
	HeapStacks  float64 `json:"heap_and_stack_bytes"`
	Routines    float64 `json:"goroutines"`
	TakenKB     float64 `json:"taken_kb"` // by the kernel, of each connection
	Full        bool    `json:"full"`     // at last nothing more was taken
	Lost        int64   `json:"lost"`     // events that did not come when they read again
}

func (o RealtimeOptions) stalled(ctx context.Context, core int) (s Stalled, err error) {
	a, err := openAudience(ctx, seats{kind: "hub-patient", core: core, most: o.Conns, readBuffer: stalledBuffer})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.fill(ctx, 1); err != nil {
		return s, err
	}
	if _, err := a.say(ctx, hubOrder{Events: ringFull, Every: time.Millisecond, Size: fullBytes}); err != nil {
		return s, err
	}
	if err := a.fill(ctx, o.Conns-1); err != nil {
		return s, err
	}
	if err := a.settle(ctx, quietHub); err != nil {
		return s, err
	}
	before, had, err := a.holding(ctx, true)
	if err != nil {
		return s, err
	}
	taken, full, err := a.stuff(ctx)
	if err != nil {
		return s, err
	}
	after, has, err := a.holding(ctx, true)
	if err != nil {
		return s, err
	}
	each := func(v int64) float64 { return round(float64(v) / float64(o.Conns)) }
	s = Stalled{Connections: o.Conns, RSS: each(after - before), Heap: each(has.Heap - had.Heap), Stacks: each(has.Stacks - had.Stacks),
		HeapStacks: each(has.Heap - had.Heap + has.Stacks - had.Stacks), Routines: each(int64(has.Goroutines - had.Goroutines)),
		TakenKB: round(each(taken) / 1024), Full: full}
	// They read again: nothing of it may be lost.
	if err := a.listen(ctx, hubOrder{Events: 1, Size: messageBytes}); err != nil {
		return s, err
	}
	s.Lost = a.tally.lost(a.said) + a.tally.wrong
	return s, nil
}

// stuff has large events said, one after the other, until no socket takes any more. Nobody reads.
func (a *audience) stuff(ctx context.Context) (taken int64, full bool, err error) {
	start, _, err := written(a.child.PID())
	if err != nil {
		return 0, false, err
	}
	last := start
	for range stalledSteps {
		if err := a.child.ask(ctx, "POST", "/publish", hubOrder{Events: 1, Size: fullBytes}, &a.said); err != nil {
			return 0, false, err
		}
		now, err := a.still(ctx)
		if err != nil {
			return 0, false, err
		}
		if now-last < fullBytes { // less than one socket's worth: only answers to us
			return now - start, true, nil
		}
		last = now
	}
	return last - start, false, nil
}

// still waits until the child writes no more, and says how much it has written.
func (a *audience) still(ctx context.Context) (int64, error) {
	last, since := int64(-1), time.Now()
	for {
		now, _, err := written(a.child.PID())
		if err != nil {
			return 0, errors.Join(err, a.child.Err())
		}
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > stillFor {
			return last, nil
		}
		if err := load.Rest(ctx, lookEvery); err != nil {
			return 0, err
		}
	}
}
