package peer

import (
	"container/list"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/media"
)

const (
	// joinsPerSecond is how many viewers are let in per second and core. A join costs 1.5 to 2 ms of a core, so that joins
	// take half of it at most and packets keep the rest.
	joinsPerSecond = 250
	// joinBurst is how many may begin at the same moment per core: 16 ms that a packet may have to wait behind.
	joinBurst = 8
	// maxJoining is how many per core may be between their offer and their first packet. At half a second for a
	// handshake over a phone's line that is the rate above; it fills earlier when the machine falls behind.
	maxJoining = joinsPerSecond / 2
	// joiningLasts is how long one that does not come through is counted: an abandoned handshake costs nothing by then,
	// and some hundred of them must not shut the door.
	joiningLasts = 5 * time.Second

	// maxWait is how long a viewer waits in line, and maxLine how many do per core: who stands behind those could not
	// be let in within it.
	maxWait = time.Second
	maxLine = joinsPerSecond * int(maxWait/time.Second)

	// lateAbove is how late packets may be sent before newcomers have to wait: by then a player's buffer is at stake.
	// lookEvery is how often whoever is in front looks again.
	lateAbove = 200 * time.Millisecond
	lookEvery = 20 * time.Millisecond

	// minRetry and maxRetry bound what those who are refused are told to wait. In between they are spread at the rate
	// that the machine takes, and retryJitter is by how much they are moved apart, of what they wait.
	minRetry    = time.Second
	maxRetry    = 10 * time.Second
	retryJitter = 0.25
)

// Why a viewer was not let in. Each is a value of the reason label.
const (
	refusedLine    = "line"       // too many wait already
	refusedRate    = "rate"       // waited for as long as one may behind those before
	refusedJoining = "handshakes" // too many are shaking hands
	refusedLate    = "late"       // the node sends too late
	refusedGone    = "gone"       // left the line by itself
	refusedClosed  = "closed"     // the server is closing
)

var refusals = []string{refusedLine, refusedRate, refusedJoining, refusedLate, refusedGone, refusedClosed}

// admission lets viewers in at the rate that the machine holds, in the order they came, and sends the rest away for some
// seconds. Those that watch lose nothing to those that come. It is safe for concurrent use and has no goroutine: whoever
// is in front of the line watches for all.
type admission struct {
	// static after newAdmission
	cores    int
	interval time.Duration        // between two joins at the full rate
	lateness func() time.Duration // how late packets are being sent; nil: not known
	metrics  *admissionMetrics
	done     chan struct{} // closed by close

	mu       sync.Mutex
	closed   bool
	due      time.Time  // when the next would come at the full rate (GCRA's theoretical arrival time)
	joining  *list.List // of *place, in the order they began
	line     *list.List // of *waiter
	promised time.Time  // when the last one that was sent away would find room
}

// place is held by a viewer from its offer until its media flows or its session ends.
type place struct {
	of    *admission
	began time.Time
	at    *list.Element
}

type waiter struct {
	turn chan struct{} // in front, or something has changed
	at   *list.Element
}

func newAdmission(cores int, lateness func() time.Duration, reg prometheus.Registerer) *admission {
	return &admission{
		cores: cores, interval: time.Second / time.Duration(joinsPerSecond*cores), lateness: lateness,
		metrics: newAdmissionMetrics(reg), done: make(chan struct{}), joining: list.New(), line: list.New(),
		due: time.Now(),
	}
}

// enter waits in line for maxWait at most. Its errors are *media.BusyError, media.ErrClosed, and that ctx ended. Whoever
// gets a place must leave it.
func (a *admission) enter(ctx context.Context) (*place, error) {
	began := time.Now()
	p, w, err := a.ask(began)
	if w == nil {
		return p, err
	}
	return a.wait(ctx, w, began)
}

// ask gives a place, a place in line, or neither.
func (a *admission) ask(now time.Time) (*place, *waiter, error) {
	late := a.late()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, nil, a.refused(refusedClosed, media.ErrClosed)
	}
	if a.line.Len() == 0 {
		if why, _ := a.obstacle(now, late); why == "" {
			return a.take(now, 0), nil, nil
		}
	}
	if a.line.Len() >= maxLine*a.cores {
		return nil, nil, a.refused(refusedLine, a.busy(now))
	}
	w := &waiter{turn: make(chan struct{}, 1)}
	w.at = a.line.PushBack(w)
	a.metrics.waiting.Inc()
	a.call()
	return nil, w, nil
}

// wait is where a waiter stands until it is let in or sent away. It leaves the line in any case.
func (a *admission) wait(ctx context.Context, w *waiter, began time.Time) (*place, error) {
	defer a.goOn(w)
	patience, look := time.NewTimer(maxWait), time.NewTimer(maxWait)
	defer patience.Stop()
	defer look.Stop()
	why := refusedRate // for those that never came to the front
	for {
		select {
		case <-ctx.Done():
			return nil, a.refused(refusedGone, context.Cause(ctx))
		case <-a.done:
			return nil, a.refused(refusedClosed, media.ErrClosed)
		case <-patience.C:
			a.mu.Lock()
			defer a.mu.Unlock()
			return nil, a.refused(why, a.busy(time.Now()))
		case <-w.turn:
		case <-look.C:
		}
		p, obstacle, again := a.try(w, began)
		if p != nil {
			return p, nil
		}
		if obstacle != "" {
			why = obstacle
			look.Reset(again)
		}
	}
}

// try lets a waiter in if it stands in front and nothing is in its way. Otherwise it says what is, and when to look again.
func (a *admission) try(w *waiter, began time.Time) (p *place, why string, again time.Duration) {
	late := a.late()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.line.Front() != w.at || a.closed {
		return nil, "", 0
	}
	now := time.Now()
	if why, again = a.obstacle(now, late); why != "" {
		return nil, why, again
	}
	return a.take(now, now.Sub(began)), "", 0
}

func (a *admission) late() bool { return a.lateness != nil && a.lateness() > lateAbove }

// goOn takes a waiter out of the line and calls the one that is in front then.
func (a *admission) goOn(w *waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.line.Remove(w.at)
	a.metrics.waiting.Dec()
	a.call()
}

// call has the one in front look again. Needs mu.
func (a *admission) call() {
	if front := a.line.Front(); front != nil {
		front.Value.(*waiter).wake()
	}
}

func (w *waiter) wake() {
	select {
	case w.turn <- struct{}{}:
	default: // it will look anyway
	}
}

// obstacle is why nobody can be let in now, "" when somebody can, and when to look again. Needs mu.
func (a *admission) obstacle(now time.Time, late bool) (why string, again time.Duration) {
	if late {
		return refusedLate, lookEvery
	}
	for e := a.joining.Front(); e != nil && now.Sub(e.Value.(*place).began) >= joiningLasts; e = a.joining.Front() {
		a.joining.Remove(e)
	}
	if a.joining.Len() >= maxJoining*a.cores {
		return refusedJoining, a.joining.Front().Value.(*place).began.Add(joiningLasts).Sub(now)
	}
	if early := a.due.Sub(now) - time.Duration(joinBurst*a.cores-1)*a.interval; early > 0 {
		return refusedRate, early
	}
	return "", 0
}

// take needs mu.
func (a *admission) take(now time.Time, waited time.Duration) *place {
	if a.due.Before(now) {
		a.due = now
	}
	a.due = a.due.Add(a.interval)
	p := &place{of: a, began: now}
	p.at = a.joining.PushBack(p)
	a.metrics.admitted.Inc()
	a.metrics.wait.Observe(waited.Seconds())
	return p
}

func (a *admission) refused(why string, err error) error {
	a.metrics.refused[why].Inc()
	return err
}

// busy says when to come back. Each that is sent away gets the moment behind the one before it, at the rate that viewers
// are let in: a crowd comes back as the machine can take it. Those that do not come back cost nobody more than maxRetry.
// Needs mu.
func (a *admission) busy(now time.Time) *media.BusyError {
	if soonest := now.Add(minRetry); a.promised.Before(soonest) {
		a.promised = soonest
	}
	if latest := now.Add(maxRetry); a.promised.After(latest) {
		a.promised = latest
	}
	a.promised = a.promised.Add(a.interval)
	apart := 1 + retryJitter*(2*rand.Float64()-1)
	return &media.BusyError{RetryAfter: time.Duration(float64(a.promised.Sub(now)) * apart)}
}

// leave gives the place to the next. It may be called again, by anybody.
func (p *place) leave() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.of.joining.Remove(p.at) // nothing when it is not there any more
	p.of.call()
}

// close sends away who waits and who comes. It may be called again.
func (a *admission) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.closed = true
		close(a.done)
	}
}

type admissionMetrics struct {
	admitted prometheus.Counter
	refused  map[string]prometheus.Counter // fixed after newAdmissionMetrics
	waiting  prometheus.Gauge
	wait     prometheus.Histogram
}

func newAdmissionMetrics(reg prometheus.Registerer) *admissionMetrics {
	m := &admissionMetrics{
		admitted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rialto_media_joins_admitted_total", Help: "Viewers whose offer was taken up.",
		}),
		refused: map[string]prometheus.Counter{},
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{Name: "rialto_media_joins_waiting", Help: "Viewers in line."}),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rialto_media_join_wait_seconds", Help: "How long viewers that were let in stood in line.",
			Buckets: []float64{0, .005, .02, .05, .1, .2, .5, 1},
		}),
	}
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rialto_media_joins_refused_total", Help: "Viewers that were not let in, by reason.",
	}, []string{"reason"})
	for _, reason := range refusals {
		m.refused[reason] = refused.WithLabelValues(reason)
	}
	if reg != nil {
		reg.MustRegister(m.admitted, refused, m.waiting, m.wait)
	}
	return m
}
