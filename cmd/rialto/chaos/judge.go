package chaos

import (
	"fmt"
	"slices"
	"time"

	"github.com/rialto-live/rialto/commerce"
)

// promise is what a cell is judged by.
type promise string

// The promises.
const (
	neverOversold  promise = "oversold"
	noHoldLost     promise = "acknowledged holds lost"
	allOrNothing   promise = "holds of which a part stands"
	oneOwner       promise = "holds of two buyers"
	alike          promise = "answered otherwise than before"
	withinCap      promise = "buyers over their limit"
	noOrderLost    promise = "paid orders lost"
	nothingCharged promise = "charged without stock"
	moneyAgrees    promise = "money and orders that do not agree"
	notBefore      promise = "sold before its time"
	unasked        promise = "holds that nobody asked for"
	comesToRest    promise = "never came to rest"
	verified       promise = "breaches that rialto verify finds, the ledger's sum among them"
)

var promises = []promise{
	neverOversold, noHoldLost, allOrNothing, oneOwner, alike, withinCap, noOrderLost, nothingCharged, moneyAgrees, notBefore, unasked, comesToRest, verified,
}

// breach is one that is broken.
type breach struct {
	promise promise
	hold    commerce.HoldID // zero where it is about something else
	words   string
}

// holdFact, poolFact, orderFact and chargeFact are what the stores and the payment company say when all is quiet.
type holdFact struct {
	holdRow           // its first line
	more    []holdRow // the others
}

type holdRow struct {
	ID       commerce.HoldID
	Of       commerce.HoldID // the hold
	Pool     commerce.PoolID
	Buyer    string
	Quantity int
	State    string
	Created  time.Time
	Expires  time.Time
	Changed  time.Time
}

func (h holdFact) lines() []holdRow { return append([]holdRow{h.holdRow}, h.more...) }

func (h holdRow) live() bool { return h.State == "held" || h.State == "paying" || h.State == "sold" }

// end is when a hold that is not live ended.
func (h holdRow) end() time.Time {
	if h.State == "expired" && h.Expires.Before(h.Changed) {
		return h.Expires
	}
	return h.Changed
}

type poolFact struct {
	ID     commerce.PoolID
	OnHand int
	Taken  int
	Cap    int
}

type orderFact struct {
	ID       commerce.OrderID
	Hold     commerce.HoldID
	Buyer    string
	State    string
	Total    int64
	Payment  string // the reference
	Paid     string // the payment's state
	Captured int64
}

func (o orderFact) confirmed() bool { return o.State == "confirmed" || o.State == "captured" }

type chargeFact struct {
	Reference string
	Status    string
	Amount    int64
	Captured  int64
	Refunded  int64
}

// takes says whether the company has somebody's money, or could take it.
func (c chargeFact) takes() bool {
	return c.Status == "authorised" || c.Status == "requires_action" || c.Captured > c.Refunded
}

// facts are all of one cell.
type facts struct {
	at       time.Time // by Postgres' clock
	subjects []string  // of the buyers
	pools    []poolFact
	holds    map[commerce.HoldID]holdFact
	orders   map[commerce.OrderID]orderFact
	charges  []chargeFact

	opens  map[commerce.PoolID]time.Time // of a drop
	byHand map[commerce.HoldID]bool      // whose units a wrong hand took away
	// lostSince is from when on Postgres has lost what it had committed; zero: it has lost nothing.
	lostSince time.Time
}

// verdict is the judge at work.
type verdict struct {
	facts
	h        *history
	found    []breach
	lost     int // acknowledged after a backup that was restored, and gone with what came after it
	released map[commerce.HoldID]bool
	voided   map[commerce.HoldID]bool
	orderOf  map[commerce.HoldID][]orderFact
}

func (v *verdict) breach(p promise, hold commerce.HoldID, format string, args ...any) {
	v.found = append(v.found, breach{p, hold, fmt.Sprintf(format, args...)})
}

// judge compares what the buyers of a cell were told with the facts.
func judge(h *history, f facts) (found []breach, lost int) {
	v := &verdict{facts: f, h: h, released: map[commerce.HoldID]bool{}, voided: map[commerce.HoldID]bool{}, orderOf: map[commerce.HoldID][]orderFact{}}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.releases {
		v.released[r.hold] = true
	}
	for _, o := range f.orders {
		v.orderOf[o.Hold] = append(v.orderOf[o.Hold], o)
		v.voided[o.Hold] = v.voided[o.Hold] || o.State == "cancelled" && o.Paid == "voided"
	}
	v.units()
	v.taps()
	v.payments()
	v.money()
	return v.found, v.lost
}

// units are counted from the holds, whatever the pool's own row says.
func (v *verdict) units() {
	asked := map[commerce.HoldID]bool{}
	for _, t := range v.h.taps {
		asked[t.hold] = true
	}
	for _, p := range v.pools {
		live, by := 0, map[string]int{}
		for _, h := range v.holds {
			for _, l := range h.lines() {
				if l.Pool == p.ID && l.live() {
					live += l.Quantity
					by[l.Buyer] += l.Quantity
				}
			}
		}
		if live > p.OnHand || live != p.Taken {
			v.breach(neverOversold, commerce.HoldID{}, "pool %s: holds have %d, taken is %d, on hand are %d", p.ID, live, p.Taken, p.OnHand)
		}
		for buyer, n := range by {
			if p.Cap > 0 && n > p.Cap {
				v.breach(withinCap, commerce.HoldID{}, "pool %s: %s has %d, the limit is %d", p.ID, buyer, n, p.Cap)
			}
		}
	}
	for id, h := range v.holds {
		if !asked[id] && h.State != "void" { // the tombstone of a second line stands alone
			v.breach(unasked, id, "hold %s of %s is %s", id, h.Buyer, h.State)
		}
		for _, l := range h.lines() {
			if at, timed := v.opens[l.Pool]; timed && l.State != "void" && l.Created.Before(at) {
				v.breach(notBefore, id, "hold %s was made at %s, the sale opened at %s", id, l.Created, at)
			}
			if l.State != h.State && !v.byHand[id] {
				v.breach(allOrNothing, id, "hold %s is %s, and a line of it %s", id, h.State, l.State)
			}
		}
	}
}

// taps judges each hold by all taps for it.
func (v *verdict) taps() {
	by, order := map[commerce.HoldID][]*tap{}, []commerce.HoldID(nil)
	for _, t := range v.h.taps {
		if by[t.hold] == nil {
			order = append(order, t.hold)
		}
		by[t.hold] = append(by[t.hold], t)
	}
	for _, id := range order {
		v.tapsFor(id, by[id])
	}
}

func (v *verdict) tapsFor(id commerce.HoldID, taps []*tap) {
	row, there := v.holds[id]
	var first *tap // the earliest answer that it is theirs
	owners := map[int]bool{}
	for _, t := range taps {
		if t.outcome != ok {
			continue
		}
		owners[t.buyer] = true
		if first == nil || t.answered.Before(first.answered) {
			first = t
		}
		for pool := range t.units() {
			if at, timed := v.opens[v.pools[pool].ID]; timed && t.answered.Before(at) {
				v.breach(notBefore, id, "buyer %d heard yours at %s, the sale opened at %s", t.buyer, t.answered, at)
			}
		}
	}
	if first == nil {
		if there && row.live() && v.refusedForGood(taps) {
			v.breach(alike, id, "hold %s was refused for good, and is %s", id, row.State)
		}
		return
	}
	if !v.lostSince.IsZero() && first.answered.After(v.lostSince) && (!there || row.State == "void" || row.Buyer != v.subjects[first.buyer]) {
		v.lost++ // what was committed after the backup is not there any more
		return
	}
	if len(owners) > 1 {
		v.breach(oneOwner, id, "hold %s was given to %d buyers", id, len(owners))
	}
	switch {
	case !there:
		v.breach(noHoldLost, id, "hold %s of buyer %d is not in Postgres", id, first.buyer)
	case row.State == "void":
		v.breach(noHoldLost, id, "hold %s of buyer %d is void", id, first.buyer)
	case row.Buyer != v.subjects[first.buyer] || !v.isFor(row, first):
		v.breach(noHoldLost, id, "hold %s of buyer %d for %v is %+v for %s", id, first.buyer, first.units(), row.lines(), row.Buyer)
	case !row.live() && !v.ended(row):
		v.breach(noHoldLost, id, "hold %s of buyer %d is %s, and by no rule", id, first.buyer, row.State)
	}
	for _, t := range taps {
		// A fast one may be refused beside the one that gets it; whoever asks after that hears the same, until it ends.
		if t.outcome == fail && t.buyer == first.buyer && t.invoked.After(first.answered) && (row.live() || t.answered.Before(row.end())) {
			v.breach(alike, id, "hold %s was theirs, and then buyer %d heard %s", id, t.buyer, t.code)
		}
	}
}

// isFor says whether a hold is what a tap was for.
func (v *verdict) isFor(h holdFact, t *tap) bool {
	units := t.units()
	for _, l := range h.lines() {
		pool := slices.IndexFunc(v.pools, func(p poolFact) bool { return p.ID == l.Pool })
		if l.Quantity != units[pool] {
			return false
		}
	}
	return len(h.lines()) == len(units)
}

// refusedForGood says whether somebody was told that this id is used up, by the last answer of its buyer.
func (v *verdict) refusedForGood(taps []*tap) bool {
	return slices.ContainsFunc(taps, func(t *tap) bool { return t.outcome == fail && t.code == "hold_expired" && t.buyer == taps[0].buyer })
}

// ended says whether a hold's end has a reason that its buyer knows.
func (v *verdict) ended(h holdFact) bool {
	switch h.State {
	case "expired":
		return !h.Expires.After(v.at)
	case "released":
		return v.released[h.ID] || v.voided[h.ID] || v.byHand[h.ID]
	}
	return false
}

// payments judges what buyers were told of their orders.
func (v *verdict) payments() {
	for _, p := range v.h.pays {
		o, there := v.orders[p.order]
		if !v.lostSince.IsZero() && p.answered.After(v.lostSince) && (p.outcome == ok) != (there && o.confirmed()) {
			if p.paid() {
				v.lost++
			}
			continue // what was answered then is not what was made of it afterwards
		}
		switch {
		case p.paid() && !there:
			v.breach(noOrderLost, p.hold, "order %s of buyer %d was paid, and is not in Postgres", p.order, p.buyer)
		case p.paid() && !o.confirmed():
			v.breach(noOrderLost, p.hold, "order %s of buyer %d was paid, and is %s", p.order, p.buyer, o.State)
		case there && o.Buyer != v.subjects[p.buyer]:
			v.breach(oneOwner, p.hold, "order %s of buyer %d is one of %s", p.order, p.buyer, o.Buyer)
		case p.code == "card_declined" && there && (o.State != "cancelled" || o.Captured > 0):
			v.breach(moneyAgrees, p.hold, "order %s of buyer %d was declined, and is %s", p.order, p.buyer, o.State)
		case p.outcome == fail && there && o.confirmed():
			v.breach(moneyAgrees, p.hold, "order %s of buyer %d was refused with %s, and is %s", p.order, p.buyer, p.code, o.State)
		}
	}
}

// money judges the company's books against ours: each charge has one order, which has its units, and the other way round.
func (v *verdict) money() {
	ours := map[string]orderFact{}
	for _, o := range v.orders {
		ours[o.Payment] = o
	}
	charged := map[string]bool{}
	for _, c := range v.charges {
		o, known := ours[c.Reference]
		charged[c.Reference] = true
		switch {
		case !known && c.takes():
			v.breach(nothingCharged, commerce.HoldID{}, "the company has %+v, and there is no such payment", c)
		case !known:
		case c.takes() && (!o.confirmed() || v.holds[o.Hold].State != "sold"):
			v.breach(nothingCharged, o.Hold, "the company has %+v; order %s is %s and its hold %q", c, o.ID, o.State, v.holds[o.Hold].State)
		case o.confirmed() && (o.State != "captured" || c.Captured != o.Total || c.Refunded != 0 || o.Captured != o.Total):
			v.breach(moneyAgrees, o.Hold, "the company has %+v; order %s of %d is %s, %d captured", c, o.ID, o.Total, o.State, o.Captured)
		}
	}
	for hold, orders := range v.orderOf {
		paid := 0
		for _, o := range orders {
			if !o.confirmed() {
				continue
			}
			if paid++; !charged[o.Payment] {
				v.breach(moneyAgrees, hold, "order %s is %s, and the company knows of no charge", o.ID, o.State)
			}
		}
		if paid > 1 {
			v.breach(moneyAgrees, hold, "hold %s was paid %d times", hold, paid)
		}
	}
}
