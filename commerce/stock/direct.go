package stock

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// While a pool's Redis is away its taps go straight to Postgres, which decides anyway. Postgres would not stand a crowd
// that no gate turns away, so taps go at a pace and wait for their turn, for a moment; whoever would wait longer is told to come
// again. When Redis answers again the pool's
// copy is made anew, with the next epoch, since it has not seen what was sold meanwhile.

const (
	// directEpoch is the epoch of a claim that no copy has admitted.
	directEpoch = -1
	// directPerSecond and directBurst are how many taps a node takes to Postgres without the gate.
	directPerSecond = 5000
	directBurst     = 2 * MaxBatch
	// directPatience is how long a tap waits for its turn, directRest how long its lane does when nobody's has come.
	directPatience = time.Second
	directRest     = 2 * time.Millisecond
	// forgetWithin bounds how long whoever has units waits for the removal of a copy that does not know it.
	forgetWithin = 250 * time.Millisecond
	// probeEvery is how often Redis is asked whether it is back.
	probeEvery = 100 * time.Millisecond
)

// outages are the pools of this node whose Redis is away: all of them, or those of one shard of a cluster.
type outages struct {
	pace *rate.Limiter // static

	mu sync.Mutex
	// guarded by mu
	pools int
	since time.Time
}

func newOutages() *outages { return &outages{pace: rate.NewLimiter(directPerSecond, directBurst)} }

// begin and end count a pool, and say whether it is the first, or was the last.
func (o *outages) begin() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pools++; o.pools == 1 {
		o.since = time.Now()
	}
	return o.pools == 1
}

func (o *outages) end() (lasted time.Duration, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pools--
	return time.Since(o.since), o.pools == 0
}

// gateAway is called when Redis has not answered the lane. Its return is noticed by a loop of its own, so that no tap has
// to find out by waiting.
func (l *lane) gateAway(cause error) {
	l.mu.Lock()
	news := !l.away
	l.away = true
	l.mu.Unlock()
	if !news {
		return
	}
	l.s.metrics.away.Inc()
	if l.s.outages.begin() {
		l.s.log.Warn("Redis does not answer: taps go to Postgres alone, at a pace that it holds", "error", cause, "taps_per_second", directPerSecond)
	}
	l.s.start(fromInside, l.awaitGate)
}

// awaitGate asks until Redis answers. It ends with the service, whose last taps then do without Redis: asked for its copy
// again by each end of this, a lane would never come to rest.
func (l *lane) awaitGate(ctx context.Context) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.s.stopping:
			return
		case <-tick.C:
		}
		if _, err := l.s.gate.peek(ctx, l.id, 0); err == nil {
			l.gateBack()
			return
		}
	}
}

func (l *lane) gateBack() {
	l.mu.Lock()
	l.away, l.poked = false, maxTries // its copy is made anew without waiting for a tap
	l.mu.Unlock()
	l.s.metrics.away.Dec()
	if lasted, last := l.s.outages.end(); last {
		l.s.log.Info("Redis answers again", "away", lasted.Round(time.Millisecond))
	}
	l.wake(fromInside)
}

// direct takes what was meant for the gate to Postgres. A call that failed may have admitted some of it: the units of
// those are leased, and come back with their lease, or turn out to be taken.
func (l *lane) direct(call gateCall) {
	l.mu.Lock()
	l.dropped(l.notes.restore(call))
	l.notes.urgent = false
	l.rebuild = "away"
	l.mu.Unlock()
	var taken, waiting, refused []*ask
	now := time.Now()
	for _, a := range call.asks {
		switch {
		case len(waiting) == 0 && l.s.outages.pace.AllowN(now, 1):
			a.epoch = directEpoch
			taken = append(taken, a)
		case now.Sub(a.taken) < directPatience:
			waiting = append(waiting, a)
		default:
			refused = append(refused, a)
		}
	}
	l.s.metrics.direct.WithLabelValues("taken").Add(float64(len(taken)))
	l.s.metrics.direct.WithLabelValues("refused").Add(float64(len(refused)))
	l.fail(refused, errPace)
	l.toClaims(call, taken)
	l.back(waiting)
	l.wake(fromInside)
	if len(waiting) > 0 {
		time.Sleep(directRest)
	}
}

// pastCopy is called when a claim without the gate has moved units in an epoch. Another node may have found Redis earlier, and
// made a copy before that was committed: it would tell whoever repeats such a tap that all is sold. It goes before anybody
// hears "yours", and is made anew. What is left of this when the node dies here is found by visit.
func (l *lane) pastCopy(ctx context.Context, epoch int64) {
	l.mu.Lock()
	used := !l.away || epoch != l.epoch
	l.epoch = max(l.epoch, epoch)
	l.mu.Unlock()
	if !used {
		return
	}
	l.force("away")
	ctx, cancel := context.WithTimeout(ctx, forgetWithin)
	defer cancel()
	if err := l.s.gate.forget(ctx, l.id, epoch+1); err != nil {
		l.s.log.Warn("the gate's copy knows nothing of what was sold past it, and could not be removed", "pool", l.id, "error", err)
	}
}
