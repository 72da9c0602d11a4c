package chaos

import (
	"fmt"
	"sync"
	"time"

	"github.com/rialto-live/rialto/commerce"
)

// outcome is what somebody who asked knows.
type outcome uint8

const (
	unknown outcome = iota // no answer, or one that says: ask again
	ok
	fail
)

func (o outcome) String() string { return [...]string{"unknown", "ok", "fail"}[o] }

// tap is one tap on Buy, as its buyer lived it.
type tap struct {
	hold     commerce.HoldID
	buyer    int
	pool     int
	quantity int
	more     int    // so many pools further is a second line, of one unit; 0: there is none
	how      string // what it was for, and the way it went
	node     int
	invoked  time.Time
	answered time.Time // zero while it is under way
	outcome  outcome
	code     string // of a refusal, or why nothing is known
	state    string // of the hold, as it was told
}

// units are what the tap is for, by pool.
func (t tap) units() map[int]int {
	units := map[int]int{t.pool: t.quantity}
	if t.more > 0 {
		units[(t.pool+t.more)%poolCount]++
	}
	return units
}

// pay is one tap on Pay, or a look at what became of it.
type pay struct {
	order    commerce.OrderID
	hold     commerce.HoldID
	buyer    int
	card     card
	node     int
	invoked  time.Time
	answered time.Time
	outcome  outcome
	code     string
	state    string // of the order
	payment  string // of its payment, in the words of the API
}

// paid says whether the buyer was told that it is theirs.
func (p pay) paid() bool {
	return p.outcome == ok && (p.payment == "paid" || p.state == "confirmed" || p.state == "captured")
}

// release is a hold that its buyer gave back, or tried to.
type release struct {
	hold    commerce.HoldID
	buyer   int
	invoked time.Time
	outcome outcome
	code    string
}

// kind counts attempts.
type kind int

const (
	kindHTTP kind = iota
	kindSocket
	kindTwice
	kindAgain
	kindStranger
	kindPay
	kindBank
	kindRelease
	kindAfter // asked again when all is well
	kindRefused
	kinds
)

var kindNames = [kinds]string{"taps", "socket taps", "double taps", "repeated", "of strangers", "payments", "at banks", "given back", "asked after", "too fast"}

// history is what a crowd did in one cell.
type history struct {
	mu sync.Mutex
	// guarded by mu
	taps     []*tap
	pays     []*pay
	releases []*release
	counts   [kinds]int
	notes    []string // of the faults, when they came
}

func (h *history) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes = append(h.notes, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (h *history) count(k kind) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[k]++
}

// attempts are those that were made, less those that were turned away for being too fast.
func (h *history) attempts() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, c := range h.counts {
		if kind(k) != kindRefused {
			n += c
		}
	}
	return n - h.counts[kindRefused]
}

// begin writes an attempt down before it is made.
func (h *history) begin(t tap, k kind) *tap {
	t.invoked = time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taps = append(h.taps, &t)
	h.counts[k]++
	return &t
}

func (h *history) end(t *tap, o outcome, code, state string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.answered, t.outcome, t.code, t.state = time.Now(), o, code, state
	if code == tooFast {
		h.counts[kindRefused]++
	}
}

func (h *history) beginPay(p pay, k kind) *pay {
	p.invoked = time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pays = append(h.pays, &p)
	h.counts[k]++
	return &p
}

func (h *history) endPay(p *pay, o outcome, code, state, payment string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.answered, p.outcome, p.code, p.state, p.payment = time.Now(), o, code, state, payment
	if code == tooFast {
		h.counts[kindRefused]++
	}
}

func (h *history) beginRelease(r release) *release {
	r.invoked = time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.releases = append(h.releases, &r)
	h.counts[kindRelease]++
	return &r
}

func (h *history) endRelease(r *release, o outcome, code string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.outcome, r.code = o, code
	if code == tooFast {
		h.counts[kindRefused]++
	}
}

// asked is one of the taps for a hold, of its own buyer.
type asked struct {
	tap
	known bool // somebody has had an answer, whichever
	yours bool // that it is theirs
}

// holds lists each hold that its own buyers tapped for, in the order of the first taps.
func (h *history) holds() (list []*asked) {
	h.mu.Lock()
	defer h.mu.Unlock()
	by := map[commerce.HoldID]*asked{}
	for _, t := range h.taps {
		a := by[t.hold]
		if a == nil { // whoever is first is its buyer
			a = &asked{tap: *t}
			by[t.hold] = a
			list = append(list, a)
		}
		if t.buyer == a.buyer {
			a.known = a.known || t.outcome != unknown
			a.yours = a.yours || t.outcome == ok
		}
	}
	return list
}

// orders lists each order once, with what its buyer knows last.
func (h *history) orders() (list []*pay) {
	h.mu.Lock()
	defer h.mu.Unlock()
	by := map[commerce.OrderID]*pay{}
	for _, p := range h.pays {
		last := by[p.order]
		if last == nil {
			own := *p
			by[p.order] = &own
			list = append(list, by[p.order])
		} else if p.outcome != unknown {
			last.outcome, last.code, last.state, last.payment, last.answered = p.outcome, p.code, p.state, p.payment, p.answered
		}
	}
	return list
}

// about is everything that happened to one hold, in words.
func (h *history) about(hold commerce.HoldID) (lines []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	clock := func(t time.Time) string {
		if t.IsZero() {
			return "never       "
		}
		return t.Format("15:04:05.000")
	}
	for _, t := range h.taps {
		if t.hold == hold {
			lines = append(lines, fmt.Sprintf("%s to %s buyer %d taps (%s) at node %d, units by pool %v: %s %s %s",
				clock(t.invoked), clock(t.answered), t.buyer, t.how, t.node, t.units(), t.outcome, t.code, t.state))
		}
	}
	for _, p := range h.pays {
		if p.hold == hold {
			lines = append(lines, fmt.Sprintf("%s to %s buyer %d pays %s with a card that %s at node %d: %s %s %s %s",
				clock(p.invoked), clock(p.answered), p.buyer, p.order, p.card.does, p.node, p.outcome, p.code, p.state, p.payment))
		}
	}
	for _, r := range h.releases {
		if r.hold == hold {
			lines = append(lines, fmt.Sprintf("%s buyer %d gives it back: %s %s", clock(r.invoked), r.buyer, r.outcome, r.code))
		}
	}
	return lines
}
