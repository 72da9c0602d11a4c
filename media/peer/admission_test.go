package peer

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/rialto-live/rialto/media"
)

// queue is an admission whose lateness the test sets, and those who stand before it.
type queue struct {
	*admission
	t      *testing.T
	behind atomic.Int64 // time.Duration
}

func newQueue(t *testing.T, cores int) *queue {
	q := &queue{t: t}
	q.admission = newAdmission(cores, func() time.Duration { return time.Duration(q.behind.Load()) }, nil)
	return q
}

// now lets one in that does not have to wait.
func (q *queue) now() *place {
	q.t.Helper()
	began := time.Now()
	p, err := q.enter(q.t.Context())
	if waited := time.Since(began); err != nil || waited != 0 {
		q.t.Fatalf("let in after %v, %v", waited, err)
	}
	return p
}

// let is how it went for one that came.
type let struct {
	place *place
	err   error
	after time.Duration
}

// come has one enter, on its own goroutine.
func (q *queue) come(ctx context.Context) <-chan let {
	began, out := time.Now(), make(chan let, 1)
	go func() { // ends after maxWait at the latest, and synctest waits for it
		p, err := q.enter(ctx)
		out <- let{p, err, time.Since(began)}
	}()
	synctest.Wait()
	return out
}

// reading is the value of a counter or a gauge.
func reading(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var d dto.Metric
	if err := m.Write(&d); err != nil {
		t.Fatal(err)
	}
	return d.GetCounter().GetValue() + d.GetGauge().GetValue()
}

func (q *queue) refusedFor(reason string) int {
	return int(reading(q.t, q.metrics.refused[reason]))
}

// settle checks that nobody is left in line.
func (q *queue) settle() {
	q.t.Helper()
	synctest.Wait()
	if n := q.line.Len(); n != 0 || reading(q.t, q.metrics.waiting) != 0 {
		q.t.Errorf("%d are left in line, the gauge says %v", n, reading(q.t, q.metrics.waiting))
	}
}

// A burst is let in at once, one past it when the rate allows, and the rest in the order they came.
func TestJoinsAreLetInAtTheirRate(t *testing.T) {
	for _, cores := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(t, cores)
			for range joinBurst * cores {
				q.now().leave()
			}
			interval := time.Second / time.Duration(joinsPerSecond*cores)
			var line []<-chan let
			for range 20 {
				line = append(line, q.come(t.Context()))
			}
			if got := reading(t, q.metrics.waiting); got != 20 {
				t.Errorf("%v are said to wait", got)
			}
			for i, out := range line {
				if got := <-out; got.err != nil || got.after != time.Duration(i+1)*interval {
					t.Errorf("%d cores, number %d: after %v, %v", cores, i, got.after, got.err)
				}
			}
			q.settle()
			if got := int(reading(t, q.metrics.admitted)); got != joinBurst*cores+20 {
				t.Errorf("%d admitted", got)
			}
		})
	}
}

// After a rest there is one burst, however long the rest was.
func TestNoBurstIsSavedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1)
		time.Sleep(time.Hour)
		for range joinBurst {
			q.now().leave()
		}
		if got := <-q.come(t.Context()); got.after != q.interval {
			t.Errorf("one past the burst comes after %v, %v", got.after, got.err)
		}
	})
}

// joinAll fills every place.
func (q *queue) joinAll() []*place {
	var places []*place
	for range maxJoining * q.cores {
		places = append(places, q.now())
		time.Sleep(q.interval)
	}
	return places
}

func TestHandshakesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1)
		places := q.joinAll()
		one := q.come(t.Context())
		time.Sleep(300 * time.Millisecond)
		places[3].leave()
		if got := <-one; got.err != nil || got.after != 300*time.Millisecond {
			t.Errorf("one past the limit: after %v, %v", got.after, got.err)
		}
		// Twice is once: nobody gets a second place for it.
		places[3].leave()
		var busy *media.BusyError
		if got := <-q.come(t.Context()); !errors.As(got.err, &busy) || got.after != maxWait || q.refusedFor(refusedJoining) != 1 {
			t.Errorf("after %v, %v", got.after, got.err)
		}
		q.settle()
	})
}

// A place whose handshake was abandoned is lost for a while only, and leaving it afterwards takes nobody else's.
func TestAbandonedHandshakesLapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1)
		old := q.joinAll()
		began := old[0].began
		time.Sleep(time.Until(began.Add(joiningLasts - 200*time.Millisecond)))
		one := q.come(t.Context())
		if got := <-one; got.err != nil || got.after != 200*time.Millisecond {
			t.Errorf("after %v, %v", got.after, got.err)
		}
		time.Sleep(joiningLasts)
		q.joinAll()
		for _, p := range old {
			p.leave()
		}
		if n := q.joining.Len(); n != maxJoining {
			t.Errorf("%d are joining", n)
		}
	})
}

func TestNobodyIsLetInWhilePacketsAreLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1)
		q.behind.Store(int64(lateAbove)) // at the bound
		q.now().leave()
		q.behind.Store(int64(lateAbove + 1)) // one past it
		one, two := q.come(t.Context()), q.come(t.Context())
		time.Sleep(lookEvery*10 - 1)
		q.behind.Store(0)
		if got := <-one; got.err != nil || got.after != lookEvery*10 {
			t.Errorf("after %v, %v", got.after, got.err)
		}
		if got := <-two; got.err != nil || got.after != lookEvery*10 {
			t.Errorf("the next after %v, %v", got.after, got.err)
		}
		q.behind.Store(int64(time.Second))
		var busy *media.BusyError
		if got := <-q.come(t.Context()); !errors.As(got.err, &busy) || got.after != maxWait || q.refusedFor(refusedLate) != 1 {
			t.Errorf("after %v, %v", got.after, got.err)
		}
	})
}

// The line is as long as its bound, and who is sent away comes back spread over the time that the others take.
func TestTheLineIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1)
		q.behind.Store(int64(time.Second))
		var line []<-chan let
		for range maxLine {
			line = append(line, q.come(t.Context()))
		}
		const many = 1000
		var sum, most time.Duration
		for range many {
			began := time.Now()
			_, err := q.enter(t.Context())
			var busy *media.BusyError
			if !errors.As(err, &busy) || time.Since(began) != 0 {
				t.Fatalf("one past the line: %v", err)
			}
			sum, most = sum+busy.RetryAfter, max(most, busy.RetryAfter)
			if least := time.Duration(float64(minRetry) * (1 - retryJitter)); busy.RetryAfter < least {
				t.Fatalf("told to wait %v", busy.RetryAfter)
			}
		}
		// The thousandth is due when a thousand have been let in.
		if mean, want := sum/many, minRetry+many/2*q.interval; mean < want*8/10 || mean > want*12/10 {
			t.Errorf("told to wait %v on average, want about %v", mean, want)
		}
		if q.refusedFor(refusedLine) != many {
			t.Errorf("%d refused", q.refusedFor(refusedLine))
		}
		q.mu.Lock()
		for range 10 * joinsPerSecond * int(maxRetry/time.Second) {
			most = max(most, q.busy(time.Now()).RetryAfter)
		}
		q.mu.Unlock()
		if bound := time.Duration(float64(maxRetry+q.interval) * (1 + retryJitter)); most > bound {
			t.Errorf("told to wait %v", most)
		}
		for _, out := range line {
			if got := <-out; got.after != maxWait {
				t.Errorf("stood in line for %v", got.after)
			}
		}
		q.settle()
	})
}

// Who goes away, in front or behind, leaves the line to the others.
func TestClientsLeaveTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1)
		q.behind.Store(int64(time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		first, second, third := q.come(ctx), q.come(t.Context()), q.come(ctx)
		time.Sleep(100 * time.Millisecond)
		cancel()
		for _, out := range []<-chan let{first, third} {
			if got := <-out; !errors.Is(got.err, context.Canceled) || got.after != 100*time.Millisecond {
				t.Errorf("after %v, %v", got.after, got.err)
			}
		}
		synctest.Wait()
		if q.line.Len() != 1 || q.refusedFor(refusedGone) != 2 {
			t.Errorf("%d in line, %d gone", q.line.Len(), q.refusedFor(refusedGone))
		}
		q.behind.Store(0)
		if got := <-second; got.err != nil || got.after > 100*time.Millisecond+lookEvery {
			t.Errorf("after %v, %v", got.after, got.err)
		}
		q.settle()
	})
}

func TestClosingSendsEverybodyAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1)
		held := q.now()
		q.behind.Store(int64(time.Second))
		one, two := q.come(t.Context()), q.come(t.Context())
		q.close()
		q.close()
		for _, out := range []<-chan let{one, two, q.come(t.Context())} {
			if got := <-out; !errors.Is(got.err, media.ErrClosed) || got.after != 0 {
				t.Errorf("after %v, %v", got.after, got.err)
			}
		}
		held.leave()
		q.settle()
		if q.joining.Len() != 0 || q.refusedFor(refusedClosed) != 3 {
			t.Errorf("%d joining, %d refused", q.joining.Len(), q.refusedFor(refusedClosed))
		}
	})
}

// A viewer's place is free again when its media flows, when its offer is bad, and when it leaves before.
func TestWatchHoldsAPlaceUntilMediaFlows(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		h := newHouse(t, setup{way: w})
		joining := func() int {
			h.server.door.mu.Lock()
			defer h.server.door.mu.Unlock()
			return h.server.door.joining.Len()
		}
		offer := []byte(strings.ReplaceAll(browserOffer, "a=sendonly", "a=recvonly"))
		if _, _, err := h.server.Watch(t.Context(), show, guest, offer); !errors.Is(err, media.ErrNotLive) || joining() != 0 {
			t.Errorf("before the show: %v, %d joining", err, joining())
		}
		h.publish(creator, webrtc.MimeTypeVP8)
		h.onAir(true)
		if _, _, err := h.server.Watch(t.Context(), show, guest, []byte("v=1")); err == nil || joining() != 0 {
			t.Errorf("a bad offer: %v, %d joining", err, joining())
		}
		session, _, err := h.server.Watch(t.Context(), show, guest, offer)
		if err != nil || joining() != 1 {
			t.Fatalf("%v, %d joining", err, joining())
		}
		_ = session.Close()
		if joining() != 0 {
			t.Errorf("who left is still joining")
		}
		h.watch().waitFor(t, video, 1)
		if joining() != 0 {
			t.Errorf("who watches is still joining")
		}
		if got := reading(t, h.server.door.metrics.admitted); got != 3 {
			t.Errorf("%v admitted", got)
		}
	})
}
