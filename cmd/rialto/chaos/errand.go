package chaos

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rialto-live/rialto/commerce"
)

// deed is what an errand is about.
type deed int

const (
	taps      deed = iota // new holds, each kept, whatever comes of it
	double                // one hold, tapped for at both nodes at once
	again                 // a hold of before, tapped for again
	stranger              // somebody else's hold
	buys                  // a hold, and its payment
	buysTwice             // its payment tapped twice at once
	gives                 // a hold, given back
	deeds
)

// deedShares says how often each comes, of a hundred.
var deedShares = [deeds]int{taps: 62, double: 8, again: 10, stranger: 2, buys: 10, buysTwice: 2, gives: 6}

const maxTaps = 8 // in one errand

// errand is one thing that a buyer means to do. All of it is drawn before it is begun.
type errand struct {
	deed     deed
	pool     int
	quantity int
	more     int // see tap
	times    int // taps of one errand
	node     int
	socket   bool
	which    int // of those of before
	card     card
	cuts     [maxTaps]cut
	rest     time.Duration
}

// newErrand draws the next errand of a buyer.
func newErrand(rng *rand.Rand, lost lines) (e errand) {
	n := rng.IntN(100)
	for e.deed = taps; e.deed < deeds-1 && n >= deedShares[e.deed]; e.deed++ {
		n -= deedShares[e.deed]
	}
	e.quantity, e.times, e.node = 1+rng.IntN(2), 1+rng.IntN(maxTaps), rng.IntN(nodeCount)
	e.socket, e.which, e.card = rng.IntN(2) == 0, rng.IntN(1<<20), cards[rng.IntN(len(cards))]
	// Most want what is nearly gone; who means to pay, what there is enough of.
	e.pool = []int{poolOne, poolFew, poolFew, poolMany}[rng.IntN(4)]
	if e.deed >= buys {
		e.pool = []int{poolFew, poolMany, poolMany}[rng.IntN(3)]
	}
	if rng.IntN(8) == 0 {
		e.more = 1 + rng.IntN(poolCount-1)
	}
	for i := range e.cuts {
		switch n := rng.IntN(100); {
		case n < lost.before:
			e.cuts[i] = there
		case n < lost.before+lost.after:
			e.cuts[i] = andBack
		}
	}
	e.rest = time.Duration(rng.Int64N(int64(mostRest)))
	return e
}

// mostRest is how long a buyer does nothing between two errands at most.
const mostRest = 60 * time.Millisecond

// shop does errands until ctx ends. One that is begun is finished, so that nothing is left that nobody waits for.
func (b *buyer) shop(ctx context.Context, rng *rand.Rand) {
	var mine []tap
	for ctx.Err() == nil {
		e := newErrand(rng, rows[b.cell.Row].lines)
		done := b.do(context.WithoutCancel(ctx), ctx, e, mine)
		mine = append(mine, done...)
		pause(ctx, e.rest)
	}
}

// do is one errand; it answers with the holds that it was about. until ends what need not be begun.
func (b *buyer) do(ctx, until context.Context, e errand, mine []tap) (made []tap) {
	t := tap{hold: commerce.NewID[commerce.HoldID](), buyer: b.number, pool: e.pool, quantity: e.quantity, more: e.more, node: e.node, how: "a tap"}
	switch e.deed {
	case taps:
		for i := 0; i < e.times && until.Err() == nil; i++ {
			t.hold, t.node = commerce.NewID[commerce.HoldID](), (e.node+i)%nodeCount
			b.tapPlain(ctx, t, e.cuts[i], e.socket)
			made = append(made, t)
		}
		return made
	case double:
		b.tapTwice(ctx, t, e)
	case again:
		if len(mine) == 0 {
			return nil
		}
		t = mine[e.which%len(mine)]
		t.node, t.how = e.node, "again"
		b.tapHTTP(ctx, b.browser, t, e.cuts[0], kindAgain)
		return nil
	case stranger:
		if t, found := b.history.strange(b.number, e.which); found {
			t.node = e.node
			b.tapHTTP(ctx, b.browser, t, e.cuts[0], kindStranger)
		}
		return nil
	case buys, buysTwice:
		b.buy(ctx, t, e)
	case gives:
		if b.tapPlain(ctx, t, e.cuts[0], e.socket) == ok {
			b.giveBack(ctx, (e.node+1)%nodeCount, t.hold, e.cuts[1])
		}
	}
	return append(made, t)
}

// tapTwice is a nervous finger, or two tabs: at both nodes at once.
func (b *buyer) tapTwice(ctx context.Context, t tap, e errand) {
	t.how = "one of two taps at once"
	var both sync.WaitGroup
	for i := range nodeCount {
		own := t
		own.node = i
		both.Go(func() { b.tapHTTP(ctx, b.browser, own, e.cuts[i], kindTwice) })
	}
	both.Wait()
}

// buy takes a hold and pays for it.
func (b *buyer) buy(ctx context.Context, t tap, e errand) {
	if b.tapPlain(ctx, t, e.cuts[0], e.socket) != ok {
		return
	}
	p := pay{order: commerce.NewID[commerce.OrderID](), hold: t.hold, buyer: b.number, card: e.card, node: (e.node + 1) % nodeCount}
	var both sync.WaitGroup
	if e.deed == buysTwice {
		other := p
		other.node = e.node
		both.Go(func() { b.payFor(ctx, b.browser, other, e.cuts[2], kindPay) })
	}
	o, action := b.payFor(ctx, b.browser, p, e.cuts[1], kindPay)
	both.Wait()
	switch {
	case o == unknown:
		p.node = e.node
		b.payFor(ctx, b.browser, p, whole, kindPay)
	case action != "" && p.card.answer != "":
		b.atBank(ctx, b.browser, p, action)
		b.payFor(ctx, b.browser, p, e.cuts[3], kindPay)
	}
}

// strange finds a hold that somebody else was told is theirs.
func (h *history) strange(buyer, which int) (tap, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.taps {
		t := h.taps[(which+i)%len(h.taps)]
		if t.buyer != buyer && t.outcome == ok {
			own := tap{hold: t.hold, buyer: buyer, pool: t.pool, quantity: t.quantity, more: t.more, how: "with a stranger's id"}
			return own, true
		}
	}
	return tap{}, false
}
