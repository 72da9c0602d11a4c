package stock

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// While Redis is away taps go straight to Postgres, which decides anyway. It would not stand a crowd that the gate does not
// turn away, so taps go at a pace; the others are told to come again. When Redis answers again each pool's copy is made
// anew, with another epoch, since it has not seen what was sold meanwhile.

const (
	// directEpoch is the epoch of a claim that no copy has admitted.
	directEpoch = -1
	// directPerSecond and directBurst are how many taps a node takes to Postgres without the gate.
	directPerSecond = 5000
	directBurst     = 2 * MaxBatch
	// probeEvery is how often Redis is asked whether it is back.
	probeEvery = 100 * time.Millisecond
)

// outage is whether Redis is away, as far as this node knows.
type outage struct {
	pace *rate.Limiter // static

	mu sync.Mutex
	// guarded by mu
	away  bool
	since time.Time
}

func newOutage() *outage { return &outage{pace: rate.NewLimiter(directPerSecond, directBurst)} }

func (o *outage) on() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.away
}

// begin and end say whether it is news.
func (o *outage) begin() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	news := !o.away
	if news {
		o.away, o.since = true, time.Now()
	}
	return news
}

func (o *outage) end() (lasted time.Duration, news bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	news = o.away
	o.away = false
	return time.Since(o.since), news
}

// gateAway is called when Redis has not answered. The first to notice sees to it that its return is noticed, too.
func (s *Service) gateAway(cause error) {
	if !s.outage.begin() {
		return
	}
	s.metrics.away.Set(1)
	s.log.Warn("Redis does not answer: taps go to Postgres alone, at a pace that it holds", "error", cause, "taps_per_second", directPerSecond)
	if !s.start(fromInside, s.awaitGate) {
		s.gateBack()
	}
}

// awaitGate asks until Redis answers. It ends with the service.
func (s *Service) awaitGate(ctx context.Context) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stopping:
			return
		case <-tick.C:
		}
		if _, err := s.gate.runID(ctx); err == nil {
			s.gateBack()
			return
		}
	}
}

func (s *Service) gateBack() {
	lasted, news := s.outage.end()
	if !news {
		return
	}
	s.metrics.away.Set(0)
	s.log.Info("Redis answers again", "away", lasted.Round(time.Millisecond))
	for _, l := range s.open() {
		l.returned()
	}
}

// returned makes the copy of a pool anew that sold without it.
func (l *lane) returned() {
	l.mu.Lock()
	l.poked = l.rebuild != ""
	l.mu.Unlock()
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
	var taken, refused []*ask
	for _, a := range call.asks {
		if l.s.outage.pace.Allow() {
			a.epoch = directEpoch
			taken = append(taken, a)
		} else {
			refused = append(refused, a)
		}
	}
	l.s.metrics.direct.WithLabelValues("taken").Add(float64(len(taken)))
	l.s.metrics.direct.WithLabelValues("refused").Add(float64(len(refused)))
	l.fail(refused, errPace)
	l.toClaims(call, taken)
	l.wake(fromInside)
}
