package stock

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/crash"
)

// lane carries the taps of one pool through the two stages, in batches.
//
//	ask -> queue -> gate loop -> claims -> claim loop -> flush -> answer
//	        ^  ^________ epoch moved __________|
//	        |________ something lapsed: released, asked again
type lane struct {
	s  *Service
	id commerce.PoolID

	flushes chan struct{} // static; of maxFlushes places, one for each claim under way
	waiting atomic.Int64  // asks that have no answer yet; grows with mu alone

	mu sync.Mutex
	// guarded by mu
	queue    []*ask // for the gate
	claims   []*ask // admitted, for Postgres
	gating   bool   // a gate loop runs
	claiming bool   // a claim loop runs
	retired  bool   // forgotten by the service; no longer usable
	notes    notes  // ride on the next gate call
	epoch    int64  // the newest epoch that this node knows; 0: must be read
	rebuild  string // not "": the gate's copy is known to be wrong, for this reason
	poked    int    // so often the gate is asked without waiting for a tap, until it has the copy
	away     bool   // Redis does not answer

	roster roster // owned by the gate loop

	// owned by the claim loop
	wary     int     // claims that look every id up first
	doubt    int     // claims that look the pool up first
	believed *belief // what the last claim has left the pool as; nil: not known
}

// ask queues a tap, and starts the gate loop when none runs.
func (l *lane) ask(a *ask) error {
	l.mu.Lock()
	if l.retired {
		l.mu.Unlock()
		return errRetired
	}
	if l.waiting.Load() >= MaxWaiting {
		l.mu.Unlock()
		l.s.metrics.refused.WithLabelValues("waiting").Inc()
		return fmt.Errorf("%w: too many taps are waiting", ErrUnavailable)
	}
	l.waiting.Add(1)
	a.lane = l
	l.queue = append(l.queue, a)
	running := l.gating
	l.mu.Unlock()
	if !running && !l.wake(fromOutside) {
		l.endQueue()
	}
	return nil
}

// Who wakes a lane: its own loops may start each other even while the service stops, so that what was begun is finished.
const (
	fromInside  = true
	fromOutside = false
)

// errRetired tells Hold to look the lane up again.
var errRetired = errors.New("lane is retired")

// wake starts the loops that have work and do not run. It is false when the service has stopped.
func (l *lane) wake(inside bool) bool {
	l.mu.Lock()
	startGate := !l.gating && l.hasGateWork()
	startClaim := !l.claiming && len(l.claims) > 0
	l.gating, l.claiming = l.gating || startGate, l.claiming || startClaim
	l.mu.Unlock()
	started := true
	if startGate && !l.s.start(inside, l.gateLoop) {
		l.mu.Lock()
		l.gating, started = false, false
		l.mu.Unlock()
	}
	if startClaim && !l.s.start(inside, l.claimLoop) {
		l.mu.Lock()
		l.claiming, started = false, false
		l.mu.Unlock()
	}
	return started
}

// endQueue answers whoever came after the service had stopped.
func (l *lane) endQueue() {
	l.mu.Lock()
	asks := l.queue
	l.queue = nil
	l.mu.Unlock()
	l.fail(asks, fmt.Errorf("%w: stopping", ErrUnavailable))
}

func (l *lane) retireIfIdle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting.Load() > 0 || l.away || l.gating || l.claiming || len(l.flushes) > 0 || l.notes.any() {
		return false
	}
	l.retired = true
	return true
}

// reply answers one ask, and with that gives it away. An ask is answered once: by the loop that has it.
func (l *lane) reply(a *ask, h *Hold, err error) {
	l.waiting.Add(-1)
	a.got = answer{hold: h, err: err}
	a.done <- struct{}{}
}

func (l *lane) fail(asks []*ask, err error) {
	for _, a := range asks {
		l.reply(a, nil, err)
	}
}

// again puts asks back in front of the queue, for another round in another epoch or after a release.
func (l *lane) again(asks []*ask) {
	keep := asks[:0:0]
	for _, a := range asks {
		if a.tries++; a.tries >= maxTries {
			l.reply(a, nil, fmt.Errorf("%w: the pool keeps changing", ErrUnavailable))
			continue
		}
		keep = append(keep, a)
	}
	l.back(keep)
}

// back puts asks in front of the queue.
func (l *lane) back(asks []*ask) {
	if len(asks) == 0 {
		return
	}
	l.mu.Lock()
	l.queue = append(asks[:len(asks):len(asks)], l.queue...)
	l.mu.Unlock()
}

// gateLoop takes batches to the gate until there are none. One runs at a time, so one call is in flight.
func (l *lane) gateLoop(ctx context.Context) {
	for {
		runtime.Gosched() // whoever is about to ask may still come along
		call, reason, ok := l.nextCall()
		if !ok {
			return
		}
		if call.direct {
			l.direct(call)
			continue
		}
		var got gateAnswer
		asked, err := time.Now(), errNotLoaded
		if call.epoch != 0 && reason == "" {
			got, err = l.s.gate.call(ctx, l.id, call)
			l.s.metrics.calls.WithLabelValues("gate", result(err)).Inc()
		}
		if errors.Is(err, errNotLoaded) {
			if err = l.renew(ctx, call.epoch, reason, asked); err == nil {
				l.putBack(call)
				continue
			}
		}
		if errors.Is(err, ErrGate) {
			l.gateAway(err)
			l.direct(call)
			continue
		}
		if err != nil {
			l.couldNot(call, unavailable(err))
			continue
		}
		l.s.metrics.batch.WithLabelValues("gate").Observe(float64(len(call.asks)))
		l.roster.follow(call, got)
		l.admitted(ctx, call, got)
		l.readRoster(ctx, call, got)
	}
}

// hasGateWork is called with mu held.
func (l *lane) hasGateWork() bool { return len(l.queue) > 0 || l.notes.pressing() || l.poked > 0 }

// nextCall takes what goes in the next call, or ends the loop.
func (l *lane) nextCall() (call gateCall, reason string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.hasGateWork() {
		l.gating = false
		return gateCall{}, "", false
	}
	poked := l.poked
	l.poked = 0
	call = gateCall{direct: l.away, poked: poked, epoch: l.epoch, tag: newTag()}
	l.pick(&call)
	now := time.Now()
	for _, a := range call.asks {
		if a.taken.IsZero() {
			a.taken = now
		}
	}
	call.settled, call.back, call.due = l.notes.take(l.epoch)
	return call, l.rebuild, true
}

// putBack returns what a call could not deliver because its epoch was not loaded. Asks that wait for too
// long, because a store keeps losing its data, are answered.
func (l *lane) putBack(call gateCall) {
	keep, late := call.asks[:0:0], []*ask(nil)
	for _, a := range call.asks {
		if time.Since(a.taken) > askPatience {
			late = append(late, a)
		} else {
			keep = append(keep, a)
		}
	}
	l.mu.Lock()
	l.queue = append(keep, l.queue...)
	l.poked = max(l.poked, call.poked-1)
	l.dropped(l.notes.restore(call))
	l.mu.Unlock()
	l.fail(late, fmt.Errorf("%w: the gate keeps losing the pool", ErrUnavailable))
}

// couldNot answers the asks of a call that failed. Its notes wait for the next tap or sweep: retrying by
// itself would hammer a store that is down.
func (l *lane) couldNot(call gateCall, err error) {
	l.mu.Lock()
	l.dropped(l.notes.restore(call))
	l.notes.urgent = false
	l.mu.Unlock()
	l.fail(call.asks, err)
}

func (l *lane) dropped(n int) {
	if n > 0 {
		l.s.metrics.dropped.WithLabelValues("full").Add(float64(n))
	}
}

// admitted sorts the answers of one call.
func (l *lane) admitted(ctx context.Context, call gateCall, got gateAnswer) {
	var winners, release, offers, unseen []*ask
	soldOut := &SoldOutError{Left: got.free}
	for i, a := range call.asks {
		switch letter := got.letters[i]; letter {
		case letterAdmitted, letterPresent, letterBeside, letterPresentBeside:
			a.epoch = call.epoch
			a.met = a.tries > 0 || letter == letterPresent || letter == letterPresentBeside
			a.beside = letter == letterBeside || letter == letterPresentBeside
			winners = append(winners, a)
		case letterRelease:
			release = append(release, a)
		case letterOffer:
			offers = append(offers, a)
		case letterInFull:
			a.whole = true
			unseen = append(unseen, a)
		default:
			l.reply(a, nil, refusal(letter, soldOut))
		}
	}
	if len(winners) > 0 {
		crash.Here("stock.admitted")
	}
	l.toClaims(call, winners)
	l.back(unseen)
	l.wake(fromInside)
	l.otherOffer(ctx, call.epoch, offers)
	if len(release) > 0 || len(got.lapsed) > 0 {
		err := l.lapse(ctx, call.epoch, got.lapsed)
		if err == nil {
			l.again(release)
			return
		}
		l.s.log.Warn("lapsed units could not be released", "pool", l.id, "error", err)
		l.fail(release, unavailable(err))
	}
}

// otherOffer judges taps whose price is not the one of the gate's copy: it may be the copy that is old.
func (l *lane) otherOffer(ctx context.Context, epoch int64, asks []*ask) {
	if len(asks) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	now, _, err := l.s.readEpoch(ctx, l.id)
	switch {
	case err != nil:
		l.fail(asks, unavailable(err))
	case now > epoch:
		l.moveTo(now)
		l.again(asks)
	default:
		l.fail(asks, ErrOfferChanged)
	}
}

func (l *lane) toClaims(call gateCall, winners []*ask) {
	if len(winners) == 0 {
		return
	}
	from := &admission{tag: call.tag, open: len(winners)}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range winners {
		if a.call = from; a.of.IsZero() {
			l.claims = append(l.claims, a)
		} else { // whoever has the other lines has it, too (basket.go); the lane has not heard the end of it
			a.done <- struct{}{}
		}
	}
}

func refusal(letter byte, soldOut *SoldOutError) error {
	switch letter {
	case letterSoldOut:
		return soldOut
	case letterLimit:
		return ErrLimit
	case letterNotOpen:
		return ErrNotOpen
	case letterClosed:
		return ErrClosed
	}
	return fmt.Errorf("%w: the gate said %q", ErrUnavailable, letter)
}

// unavailable marks a store's error, unless it is an answer already.
func unavailable(err error) error {
	if errors.Is(err, ErrUnknown) || errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

func result(err error) string {
	if err != nil {
		return "error"
	}
	return "ok"
}
