package stock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/crash"
)

const (
	claimTimeout = 5 * time.Second
	// waryFor claims look every id up, after one that met an id that nobody knew to be known and had to be made again:
	// whoever sends used up ids makes claims no more than a little slower.
	waryFor = 64
	// doubtFor claims look the pool up first, after one that found it to be other than it was believed to be: somebody else works
	// on it.
	doubtFor = 16
	// takenRange is the CHECK that judges every sale.
	takenRange = "pool_taken_range"
)

// errStaleEpoch says that the gate's copy which admitted a batch is not the pool's present one.
var errStaleEpoch = errors.New("epoch is stale")

var (
	// errOfferLate says that an offer changed between gate and truth: the id is used up.
	errOfferLate = fmt.Errorf("%w, and the hold id is used up: %w", ErrOfferChanged, ErrGone)
	// errUsedUp says so because nothing is left at the timed offer, which the gate did not know.
	errUsedUp = fmt.Errorf("%w", errOfferLate)
)

// claimLoop commits what the gate admitted until there is nothing. One runs at a time per pool.
func (l *lane) claimLoop(ctx context.Context) {
	for {
		asks, ok := l.nextClaim()
		if !ok {
			return
		}
		l.claim(ctx, asks)
		l.wake(fromInside)
	}
}

// nextClaim takes the admitted asks of one epoch, or ends the loop.
func (l *lane) nextClaim() ([]*ask, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.claims) == 0 {
		l.claiming = false
		return nil, false
	}
	n := 1
	for n < min(len(l.claims), MaxBatch) && l.claims[n].epoch == l.claims[0].epoch {
		n++
	}
	asks := l.claims[:n:n]
	if l.claims = l.claims[n:]; len(l.claims) == 0 {
		l.claims = nil
	}
	return asks, true
}

func (l *lane) claim(ctx context.Context, asks []*ask) {
	epoch := asks[0].epoch
	l.flushes <- struct{}{}
	got, err := l.commit(ctx, epoch, distinct(asks))
	if err == nil {
		committed()
		l.s.start(fromInside, func(ctx context.Context) { l.answer(ctx, epoch, asks, got) })
		return
	}
	<-l.flushes
	l.s.metrics.calls.WithLabelValues("claim", result(err)).Inc()
	if errors.Is(err, errStaleEpoch) {
		l.outdated(epoch)
		l.again(asks)
		return
	}
	l.unknown(asks, err)
}

// committed is where a node dies that has committed, and has told nobody.
func committed() { crash.Here("stock.committed") }

// commit has a batch decided, and remembers what that says of the pool.
func (l *lane) commit(ctx context.Context, epoch int64, batch []*ask) (decided, error) {
	believed := l.believed
	if l.doubt > 0 {
		believed = nil
	}
	got, err := l.s.commit(ctx, l.id, epoch, batch, l.wary > 0, believed)
	l.wary, l.doubt, l.believed = max(0, l.wary-1), max(0, l.doubt-1), got.believed
	if got.met {
		l.wary = waryFor
	}
	if got.dashed {
		l.doubt = doubtFor
	}
	return got, err
}

// distinct leaves the first ask of each id.
func distinct(asks []*ask) []*ask {
	seen := make(map[commerce.HoldID]bool, len(asks))
	list := make([]*ask, 0, len(asks))
	for _, a := range asks {
		if !seen[a.tap.ID] {
			seen[a.tap.ID] = true
			list = append(list, a)
		}
	}
	return list
}

// settle tells the gate what became of its admissions: tags that are done, units that come back.
func (l *lane) settle(epoch int64, asks []*ask, got *claimed) {
	back, short := got.lapsed, false
	for _, a := range asks {
		h := got.holds[a.tap.ID]
		if h == nil || !h.State.Live() || h.Pool != a.tap.Pool || h.Buyer != a.tap.Buyer {
			back = append(back, entry{id: a.tap.ID, buyer: a.buyer})
		}
		fate := got.fates[a.tap.ID]
		short = short || gateIsShort(fate)
	}
	l.judged(epoch, asks, back, short, due{known: !got.due.IsZero(), at: got.due})
}

// gateIsShort says that a tap was refused for a reason that the gate had not known.
func gateIsShort(fate error) bool { return errors.Is(fate, ErrSoldOut) || errors.Is(fate, errUsedUp) }

// judged is news for the gate: admissions that have been judged, and the units of those that come back.
func (l *lane) judged(epoch int64, asks []*ask, back []entry, short bool, d due) {
	l.mu.Lock()
	var settled []tag
	for _, a := range asks {
		if a.call.open--; a.call.open == 0 {
			settled = append(settled, a.call.tag)
		}
	}
	if short && l.epoch == epoch {
		l.rebuild = "short" // the gate admitted more than there was
	}
	l.mu.Unlock()
	l.note(fromInside, epoch, settled, back, d)
}

// note queues news for the gate's copy of an epoch.
func (l *lane) note(inside bool, epoch int64, settled []tag, back []entry, d due) {
	l.mu.Lock()
	if l.epoch != 0 { // 0: the gate loop reads it first
		l.epoch = max(l.epoch, epoch)
	}
	l.dropped(l.notes.add(epoch, settled, back, d))
	l.mu.Unlock()
	l.wake(inside)
}

// outdated makes the gate loop read the epoch again, unless it has done so since.
func (l *lane) outdated(epoch int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch == epoch {
		l.epoch = 0
	}
}

// verdict is the answer to one tap.
func verdict(t *Tap, got *claimed) (*Hold, error) {
	h, ok := got.holds[t.ID]
	if !ok {
		return nil, fmt.Errorf("%w: hold %s was not read back", ErrUnavailable, t.ID)
	}
	if got.barred[t.Buyer] {
		return nil, ErrBarred
	}
	if h.State == Void {
		switch fate := got.fates[t.ID]; {
		case errors.Is(fate, ErrSoldOut):
			return nil, &SoldOutError{Left: got.left}
		case fate != nil:
			return nil, fate
		}
		return nil, ErrGone
	}
	if !h.matches(t, commerce.HoldID{}) {
		return nil, ErrConflict
	}
	if !h.State.Live() {
		return nil, ErrGone
	}
	return h, nil
}
