package chaos

import (
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
)

// scene is a history and the facts that fit it: two buyers, who hold, pay and give back.
type scene struct {
	history *history
	facts   facts
	start   time.Time
	holds   []commerce.HoldID
	orders  []commerce.OrderID
}

const (
	sceneHeld = iota
	scenePaid
	sceneDeclined
	sceneReleased
	sceneExpired
	sceneRefused // no hold, and no row
	sceneHolds
)

// newScene is one in which every promise is kept.
func newScene() *scene {
	now := time.Now()
	s := &scene{history: &history{}, start: now.Add(-time.Minute)}
	s.facts = facts{
		at: now, subjects: []string{"gst_0", "gst_1"}, holds: map[commerce.HoldID]holdFact{}, orders: map[commerce.OrderID]orderFact{},
		opens: map[commerce.PoolID]time.Time{}, byHand: map[commerce.HoldID]bool{},
	}
	pool := commerce.NewID[commerce.PoolID]()
	states := []string{"held", "sold", "held", "released", "expired", ""}
	for i := range sceneHolds {
		id := commerce.NewID[commerce.HoldID]()
		s.holds = append(s.holds, id)
		o, code := ok, ""
		if i == sceneRefused {
			o, code = fail, "sold_out"
		} else {
			s.facts.holds[id] = holdFact{holdRow: holdRow{ID: id, Of: id, Pool: pool, Buyer: "gst_0", Quantity: 1, State: states[i], Created: s.start, Expires: now.Add(time.Minute)}}
		}
		s.tap(i, 0, 1, o, code)
	}
	lapsed := s.facts.holds[s.holds[sceneExpired]]
	lapsed.Expires = now.Add(-time.Second)
	s.facts.holds[lapsed.ID] = lapsed
	s.history.releases = append(s.history.releases, &release{hold: s.holds[sceneReleased], buyer: 0, outcome: unknown})
	s.facts.pools = []poolFact{{ID: pool, OnHand: 3, Taken: 3, Cap: 3}, {ID: commerce.NewID[commerce.PoolID]()}, {ID: commerce.NewID[commerce.PoolID]()}}
	s.order(scenePaid, orderFact{State: "captured", Paid: "captured", Captured: 500}, chargeFact{Status: "captured", Captured: 500},
		pay{outcome: ok, state: "captured", payment: "paid"})
	s.order(sceneDeclined, orderFact{State: "cancelled", Paid: "failed"}, chargeFact{Status: "declined"}, pay{outcome: fail, code: "card_declined"})
	return s
}

func (s *scene) tap(hold, buyer int, second int, o outcome, code string) *tap {
	at := s.start.Add(time.Duration(second) * time.Second)
	t := &tap{hold: s.holds[hold], buyer: buyer, quantity: 1, invoked: at, answered: at.Add(time.Millisecond), outcome: o, code: code}
	s.history.taps = append(s.history.taps, t)
	return t
}

func (s *scene) order(hold int, o orderFact, c chargeFact, p pay) {
	o.ID, o.Hold, o.Buyer, o.Total = commerce.NewID[commerce.OrderID](), s.holds[hold], "gst_0", 500
	o.Payment = commerce.NewID[commerce.PaymentID]().String()
	s.facts.orders[o.ID] = o
	c.Reference, c.Amount = o.Payment, 500
	s.facts.charges = append(s.facts.charges, c)
	p.order, p.hold = o.ID, o.Hold
	p.invoked = s.start
	p.answered = s.start.Add(time.Millisecond)
	s.history.pays = append(s.history.pays, &p)
	s.orders = append(s.orders, o.ID)
}

func (s *scene) changeHold(hold int, change func(*holdFact)) {
	h := s.facts.holds[s.holds[hold]]
	change(&h)
	s.facts.holds[h.ID] = h
}

// secondLine makes the hold one of two things.
func (s *scene) secondLine(state string) {
	s.history.taps[sceneHeld].more = 1
	s.changeHold(sceneHeld, func(h *holdFact) {
		more := h.holdRow
		more.ID, more.Pool, more.State = commerce.NewID[commerce.HoldID](), s.facts.pools[1].ID, state
		h.more = []holdRow{more}
	})
	if more := &s.facts.pools[1]; state == "held" {
		more.OnHand, more.Taken = 1, 1
	}
}

func (s *scene) changeOrder(order int, change func(*orderFact)) {
	o := s.facts.orders[s.orders[order]]
	change(&o)
	s.facts.orders[o.ID] = o
}

func TestTheJudgeFindsNothingWhereAllIsKept(t *testing.T) {
	s := newScene()
	s.tap(sceneHeld, 0, 5, ok, "")                                                              // asked again
	s.tap(sceneHeld, 0, 6, unknown, "")                                                         // and without an answer
	s.tap(sceneHeld, 1, 7, fail, "hold_conflict")                                               // a stranger
	s.tap(sceneExpired, 0, 8, fail, "hold_expired")                                             // too late
	s.tap(sceneReleased, 0, 8, fail, "sold_out")                                                // by a gate that has forgotten it
	s.tap(sceneRefused, 0, 9, unknown, codeNothing)                                             // not known
	s.facts.charges = append(s.facts.charges, chargeFact{Reference: "pay_0", Status: "voided"}) // ended before it was seen
	for range 2 {
		if found, lost := judge(s.history, s.facts); len(found) > 0 || lost > 0 {
			t.Fatalf("%d lost, %+v", lost, found)
		}
		s.secondLine("held")
	}
}

// Each promise is broken once, in the history or in the stores, and the judge sees it.
func TestTheJudgeCanFail(t *testing.T) {
	for name, c := range map[string]struct {
		plant func(*scene)
		want  promise
	}{
		"more units live than there are": {func(s *scene) { s.facts.pools[0].OnHand = 2 }, neverOversold},
		"the pool's row says less":       {func(s *scene) { s.facts.pools[0].Taken = 2 }, neverOversold},
		"over the limit":                 {func(s *scene) { s.facts.pools[0].Cap = 2 }, withinCap},
		"a hold is gone":                 {func(s *scene) { delete(s.facts.holds, s.holds[sceneHeld]); s.facts.pools[0].Taken = 2 }, noHoldLost},
		"a hold is void": {func(s *scene) {
			s.changeHold(sceneHeld, func(h *holdFact) { h.State = "void" })
			s.facts.pools[0].Taken = 2
		}, noHoldLost},
		"half of a hold stands":     {func(s *scene) { s.secondLine("released") }, allOrNothing},
		"half of a hold is gone":    {func(s *scene) { s.history.taps[sceneHeld].more = 2 }, noHoldLost},
		"another half than wanted":  {func(s *scene) { s.secondLine("held"); s.history.taps[sceneHeld].more = 2 }, noHoldLost},
		"a hold is somebody else's": {func(s *scene) { s.changeHold(sceneHeld, func(h *holdFact) { h.Buyer = "gst_1" }) }, noHoldLost},
		"a hold has other units": {func(s *scene) {
			s.changeHold(sceneHeld, func(h *holdFact) { h.Quantity = 2 })
			s.facts.pools[0] = poolFact{s.facts.pools[0].ID, 4, 4, 4}
		}, noHoldLost},
		"a hold ended by itself": {func(s *scene) {
			s.changeHold(sceneHeld, func(h *holdFact) { h.State = "released" })
			s.facts.pools[0].Taken = 2
		}, noHoldLost},
		"a hold expired too soon": {func(s *scene) {
			s.changeHold(sceneExpired, func(h *holdFact) { h.Expires = s.facts.at.Add(time.Minute) })
		}, noHoldLost},
		"two buyers have one id": {func(s *scene) { s.tap(sceneHeld, 1, 9, ok, "") }, oneOwner},
		"theirs, then sold out":  {func(s *scene) { s.tap(sceneHeld, 0, 9, fail, "sold_out") }, alike},
		"theirs, then sold out, then ended": {func(s *scene) {
			s.changeHold(sceneReleased, func(h *holdFact) { h.Changed = s.facts.at })
			s.tap(sceneReleased, 0, 9, fail, "sold_out")
		}, alike},
		"theirs, then ended, and is not": {func(s *scene) { s.tap(sceneHeld, 0, 9, fail, "hold_expired") }, alike},
		"used up, and is there": {func(s *scene) {
			s.history.taps[sceneHeld].outcome, s.history.taps[sceneHeld].code = fail, "hold_expired"
		}, alike},
		"a hold nobody asked for": {func(s *scene) {
			id := commerce.NewID[commerce.HoldID]()
			s.facts.holds[id] = holdFact{holdRow: holdRow{ID: id, Of: id, Pool: s.facts.pools[0].ID, Buyer: "gst_1", Quantity: 1, State: "held"}}
			s.facts.pools[0] = poolFact{s.facts.pools[0].ID, 4, 4, 4}
		}, unasked},
		"a hold before its time": {func(s *scene) { s.facts.opens[s.facts.pools[0].ID] = s.start.Add(time.Microsecond) }, notBefore},
		"yours before its time": {func(s *scene) {
			s.facts.opens[s.facts.pools[0].ID] = s.start
			s.history.taps[0].answered = s.start.Add(-1)
		}, notBefore},
		"a paid order is gone":      {func(s *scene) { delete(s.facts.orders, s.orders[0]); s.facts.charges = s.facts.charges[1:] }, noOrderLost},
		"a paid order is cancelled": {func(s *scene) { s.changeOrder(0, func(o *orderFact) { o.State = "cancelled" }) }, noOrderLost},
		"an order is another's":     {func(s *scene) { s.changeOrder(0, func(o *orderFact) { o.Buyer = "gst_1" }) }, oneOwner},
		"declined, and confirmed":   {func(s *scene) { s.changeOrder(1, func(o *orderFact) { o.State = "captured" }) }, moneyAgrees},
		"refused, and confirmed":    {func(s *scene) { s.history.pays[0].outcome, s.history.pays[0].code = fail, "hold_expired" }, moneyAgrees},
		"a charge without an order": {func(s *scene) {
			s.facts.charges = append(s.facts.charges, chargeFact{Reference: "pay_0", Status: "authorised"})
		}, nothingCharged},
		"a taken charge without one": {func(s *scene) { s.facts.charges[0].Reference = "pay_0" }, nothingCharged},
		"half of it went back": {func(s *scene) {
			s.facts.charges = append(s.facts.charges, chargeFact{"pay_0", "captured", 500, 500, 250})
		}, nothingCharged},
		"charged for a cancelled order": {func(s *scene) { s.facts.charges[1] = chargeFact{s.facts.charges[1].Reference, "captured", 500, 500, 0} }, nothingCharged},
		"charged without the units":     {func(s *scene) { s.changeHold(scenePaid, func(h *holdFact) { h.State = "paying" }) }, nothingCharged},
		"an order without a charge":     {func(s *scene) { s.facts.charges = s.facts.charges[1:] }, moneyAgrees},
		"too much was taken":            {func(s *scene) { s.facts.charges[0].Captured = 501 }, moneyAgrees},
		"paid and refunded":             {func(s *scene) { s.facts.charges[0].Refunded = 500 }, moneyAgrees},
		"reserved and never taken":      {func(s *scene) { s.facts.charges[0] = chargeFact{s.facts.charges[0].Reference, "authorised", 500, 0, 0} }, moneyAgrees},
		"paid twice": {func(s *scene) {
			s.order(scenePaid, orderFact{State: "captured", Paid: "captured", Captured: 500}, chargeFact{Status: "captured", Captured: 500}, pay{outcome: unknown})
		}, moneyAgrees},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			c.plant(s)
			found, _ := judge(s.history, s.facts)
			seen := map[promise]bool{}
			for _, b := range found {
				seen[b.promise] = true
			}
			if !seen[c.want] {
				t.Errorf("%s was not seen: %+v", c.want, found)
			}
		})
	}
}

// What a restored backup cannot know may be gone, and its money must be.
func TestTheJudgeOfARestoredBackup(t *testing.T) {
	gone := func(s *scene) {
		delete(s.facts.holds, s.holds[scenePaid])
		delete(s.facts.orders, s.orders[0])
		s.facts.pools[0].Taken = 2
		s.facts.lostSince = s.start
		s.facts.charges[0].Refunded = 500
	}
	s := newScene()
	gone(s)
	if found, lost := judge(s.history, s.facts); len(found) > 0 || lost != 2 {
		t.Errorf("%d lost, %+v", lost, found)
	}
	for name, plant := range map[string]func(*scene){
		"of before the backup":     func(s *scene) { s.facts.lostSince = s.start.Add(time.Hour) },
		"the money is still there": func(s *scene) { s.facts.charges[0].Refunded = 0 },
	} {
		s := newScene()
		gone(s)
		plant(s)
		if found, _ := judge(s.history, s.facts); len(found) == 0 {
			t.Errorf("%s: not seen", name)
		}
	}
}

func TestAHistoryTellsWhatHappenedToAHold(t *testing.T) {
	s := newScene()
	text := strings.Join(s.history.about(s.holds[sceneDeclined]), "\n")
	for _, want := range []string{"buyer 0 taps", "ok", "pays ord_", "card_declined"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
	if lines := s.history.about(s.holds[sceneReleased]); len(lines) != 2 || !strings.Contains(lines[1], "gives it back: unknown") {
		t.Errorf("%q", lines)
	}
}

// What a hold's own buyer knows, and no stranger, says whether it is asked for again.
func TestWhatABuyerKnows(t *testing.T) {
	s := newScene()
	s.history.taps = nil
	s.tap(0, 0, 1, unknown, codeNothing)
	s.tap(0, 1, 2, fail, "hold_conflict")
	s.tap(1, 1, 3, unknown, "stock_unavailable")
	s.tap(1, 1, 4, ok, "")
	holds := s.history.holds()
	if len(holds) != 2 || holds[0].known || holds[0].yours || holds[0].buyer != 0 || !holds[1].known || !holds[1].yours {
		t.Errorf("%+v %+v", holds[0], holds[1])
	}
	orders := s.history.orders()
	first := *s.history.pays[0]
	first.outcome, first.code, first.state, first.payment = unknown, codeNothing, "", ""
	s.history.pays = append(s.history.pays, &first)
	if again := s.history.orders(); len(again) != len(orders) || again[0].outcome != ok || !again[0].paid() {
		t.Errorf("%+v", again[0])
	}
}

func TestAttemptsThatWereTooFastAreNone(t *testing.T) {
	h := &history{}
	h.end(h.begin(tap{}, kindHTTP), ok, "", "held")
	h.end(h.begin(tap{}, kindSocket), unknown, tooFast, "")
	h.endPay(h.beginPay(pay{}, kindPay), unknown, tooFast, "", "")
	h.endRelease(h.beginRelease(release{}), ok, "")
	if n := h.attempts(); n != 2 || h.counts[kindRefused] != 2 {
		t.Errorf("%d attempts, %v", n, h.counts)
	}
}
