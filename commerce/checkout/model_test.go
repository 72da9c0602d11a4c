package checkout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/chain"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/stock"
	"github.com/rialto-live/rialto/commerce/verify"
)

// model is a purchase in plain words: what each order and hold must be after each step, whichever node made it, died
// in it, or heard of it twice.
type model struct {
	free   int
	holds  []*modelHold
	orders []*modelOrder
	away   string // the company: "" answers, "deaf" does nothing, "mute" does it and does not answer
}

type modelHold struct {
	held  Held
	state stock.State
}

type modelOrder struct {
	request PayRequest
	hold    *modelHold
	state   order.State
	bank    payment.Status // what the company has, "" while it was not asked
	waits   bool           // we know that the buyer must confirm
	voiding bool           // we want it ended
	tried   bool           // begun, so that the next try looks first
	late    bool
	effects bool // the money may be taken
}

// card is what a company makes of a card.
func (o *modelOrder) card() payment.Status {
	return map[string]payment.Status{good: payment.ChargeAuthorised, bad: payment.ChargeDeclined, asks: payment.ChargeRequiresAction}[o.request.Card.Number]
}

// open says whether the outcome is still to be found out.
func (o *modelOrder) open() bool { return o.state == order.Pending }

// ask is one try to find out, with all that it changes.
func (m *model) ask(o *modelOrder) {
	if !o.open() {
		return
	}
	if o.voiding = o.voiding || o.late; o.voiding {
		o.waits = false
	}
	looks := o.tried
	o.tried = true
	if m.away == "deaf" {
		return
	}
	switch {
	case o.voiding && o.bank != payment.ChargeDeclined:
		o.bank = payment.ChargeVoided
	case o.bank == "" && looks && m.away == "mute": // it is not said that there is nothing
	case o.bank == "":
		o.bank = o.card()
	}
	if m.away == "mute" {
		return
	}
	switch {
	case o.voiding:
		o.state, o.hold.state = order.Cancelled, stock.Released
		m.free++
	case o.bank == payment.ChargeAuthorised:
		o.state, o.hold.state, o.waits, o.effects = order.Confirmed, stock.Sold, false, true
	case o.bank == payment.ChargeDeclined:
		o.state, o.hold.state, o.waits = order.Cancelled, stock.Held, false
	case o.bank == payment.ChargeRequiresAction:
		o.waits = true
	}
}

// capture is one try to take the money.
func (m *model) capture(o *modelOrder) {
	if !o.effects || m.away == "deaf" {
		return
	}
	o.bank = payment.ChargeCaptured
	if m.away == "" {
		o.state = order.Captured
	}
}

// journey is the model beside the real thing.
type journey struct {
	*world
	*model
	rt    *rapid.T
	bank  *bank
	nodes []*Service
}

// Any order of taps, cards, banks, webhooks, redrivers, deadlines, deaths and outages: the purchase does what the model
// says after each step; no unit is lost or sold twice, and the money taken is that of the confirmed orders.
func TestPurchaseFollowsTheModel(t *testing.T) {
	w, b := newWorld(t, 0), newBank()
	nodes := []*Service{w.service(b.with()), w.service(b.with())}
	rapid.Check(t, func(rt *rapid.T) {
		w.exec(`update payment set next_at = 'infinity', driven_until = 'infinity' where state in ('intent', 'sent', 'unknown', 'requires_action', 'voiding')`)
		w.exec(`update payment_event set done_at = now(), note = 'of an earlier run' where done_at is null`)
		w.creator.ID = commerce.NewID[commerce.AccountID]()
		w.exec(`insert into account (id, email, name, roles, password_hash) values ($1, $2, 'Mara', '{creator}', 'x')`, w.creator.ID, w.creator.ID.String()+"@example.com")
		w.show, w.product, w.variant = commerce.NewID[commerce.ShowID](), commerce.NewID[commerce.ProductID](), commerce.NewID[commerce.VariantID]()
		units := rapid.IntRange(1, 3).Draw(rt, "units")
		w.put(w.show, 4900, units)
		j := &journey{world: w, model: &model{free: units}, rt: rt, bank: b, nodes: nodes}
		b.around = j.around
		for step := range rapid.IntRange(1, 16).Draw(rt, "steps") {
			name, err := j.step()
			if err == nil {
				err = j.same(units)
			}
			if err != nil {
				rt.Fatalf("step %d, %s: %v", step, name, err)
			}
		}
		j.end(units)
	})
}

func (j *journey) around(_ string, done bool) error {
	if j.away == "deaf" || j.away == "mute" && done {
		return payment.ErrOutcomeUnknown
	}
	return nil
}

func (j *journey) node() *Service {
	return j.nodes[rapid.IntRange(0, len(j.nodes)-1).Draw(j.rt, "node")]
}

func (j *journey) step() (name string, err error) {
	steps := map[string]func() error{
		"hold": j.tap, "hold again": j.tap, "pay": j.pay, "pay another": j.pay, "die before the call": j.dieEarly, "release": j.release,
		"confirm": j.atTheBank(payment.ChargeAuthorised), "refuse": j.atTheBank(payment.ChargeDeclined), "webhook": j.webhook, "redrive": j.redriveAll,
		"look": j.lookAt, "pay again": j.payAgain, "deadline": j.deadline, "deliver": j.deliverAll, "outage": j.outage, "over": func() error { j.away = ""; return nil },
	}
	names := []string{"hold", "hold again", "pay", "pay another", "die before the call", "release", "confirm", "refuse", "webhook", "redrive", "look",
		"pay again", "deadline", "deliver", "outage", "over"}
	name = rapid.SampledFrom(names).Draw(j.rt, "step")
	return name, steps[name]()
}

func (j *journey) tap() error {
	s, buyer := j.node(), fmt.Sprint("gst_", len(j.holds))
	h, err := s.Hold(j.t.Context(), j.world.tap(buyer))
	if j.free == 0 {
		return wants(err, stock.ErrSoldOut)
	}
	if errors.Is(err, stock.ErrSoldOut) { // what has just come back is on its way to the gate
		j.eventually("a unit that is free is sold", func() bool {
			h, err = s.Hold(j.t.Context(), j.world.tap(buyer))
			return !errors.Is(err, stock.ErrSoldOut)
		})
	}
	if err == nil {
		j.free--
		j.holds = append(j.holds, &modelHold{held: h, state: stock.Held})
	}
	return err
}

// some draws one of those for which ok holds, or nil.
func some[T any](rt *rapid.T, of []*T, ok func(*T) bool) *T {
	var fit []*T
	for _, one := range of {
		if ok(one) {
			fit = append(fit, one)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return fit[rapid.IntRange(0, len(fit)-1).Draw(rt, "which")]
}

func (j *journey) heldOne() *modelHold {
	return some(j.rt, j.holds, func(h *modelHold) bool { return h.state == stock.Held })
}

func (j *journey) openOne() *modelOrder { return some(j.rt, j.orders, (*modelOrder).open) }

func (j *journey) newOrder(h *modelHold) *modelOrder {
	o := &modelOrder{request: payFor(h.held, rapid.SampledFrom([]string{good, good, bad, asks, asks}).Draw(j.rt, "card")), hold: h, state: order.Pending}
	h.state = stock.Paying
	j.orders = append(j.orders, o)
	return o
}

func (j *journey) pay() error {
	h := j.heldOne()
	if h == nil {
		return nil
	}
	o := j.newOrder(h)
	got, _, err := j.node().Pay(j.t.Context(), o.request)
	j.ask(o)
	return o.answered(got, err)
}

// answered judges what somebody who pays is told.
func (o *modelOrder) answered(got order.Order, err error) error {
	switch {
	case o.waits:
		if err == nil && got.State != order.Pending {
			return fmt.Errorf("told %s", got.State)
		}
		return err
	case o.open():
		return wants(err, ErrPending)
	case o.state == order.Cancelled && o.bank == payment.ChargeDeclined && !o.voiding:
		return wants(err, ErrDeclined)
	case o.state == order.Cancelled:
		return wants(err, ErrGone)
	}
	return err
}

func wants(err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return fmt.Errorf("answered %v, want %w", err, want)
}

// dieEarly is a node that dies after the first commit, or one that dies going on with it; nothing was sent.
func (j *journey) dieEarly() error {
	h := j.heldOne()
	if h == nil {
		return nil
	}
	o := j.newOrder(h)
	o.tried = true
	if _, err := begin(j.t.Context(), j.node(), o.request); err != nil {
		return err
	}
	p := j.payment(o.request.Order)
	j.due(p.ID)
	if rapid.Bool().Draw(j.rt, "claimed") {
		j.try(func(ctx context.Context, tx pgx.Tx) error {
			_, _, err := payment.Drive(ctx, tx, p.ID, p.Provider)
			return err
		})
		j.due(p.ID)
	}
	return nil
}

func (j *journey) payAgain() error {
	o := some(j.rt, j.orders, func(*modelOrder) bool { return true })
	if o == nil {
		return nil
	}
	j.quiet(j.payment(o.request.Order).ID)
	got, created, err := j.node().Pay(j.t.Context(), o.request)
	j.ask(o)
	if created {
		return errors.New("made anew")
	}
	return o.answered(got, err)
}

func (j *journey) lookAt() error {
	o := j.openOne()
	if o == nil {
		return nil
	}
	j.quiet(j.payment(o.request.Order).ID)
	_, err := j.node().Look(j.t.Context(), order.Order{ID: o.request.Order, State: order.Pending})
	if o.waits {
		j.ask(o)
	}
	return err
}

func (j *journey) release() error {
	h := some(j.rt, j.holds, func(*modelHold) bool { return true })
	if h == nil {
		return nil
	}
	err := j.node().Release(j.t.Context(), h.held.ID, h.held.Buyer)
	switch h.state {
	case stock.Held:
		h.state = stock.Released
		j.free++
	case stock.Paying, stock.Sold:
		return wants(err, stock.ErrState)
	}
	return err
}

// atTheBank is the buyer's answer there; after the void it comes too late.
func (j *journey) atTheBank(answer payment.Status) func() error {
	return func() error {
		o := some(j.rt, j.orders, func(o *modelOrder) bool { return o.bank == payment.ChargeRequiresAction })
		if o != nil {
			j.bank.settle(j.payment(o.request.Order).Reference(), answer)
			o.bank = answer
		}
		return nil
	}
}

// webhook is one that arrives: for the first time, again, or about what is long over. One that is lost is no step.
func (j *journey) webhook() error {
	o := some(j.rt, j.orders, func(*modelOrder) bool { return true })
	if o == nil {
		return nil
	}
	p := j.payment(o.request.Order)
	id := fmt.Sprint(p.ID, rapid.IntRange(1, 3).Draw(j.rt, "event"))
	fresh := j.count(`select count(*) from payment_event where id = $1`, id) == 0
	j.notice(id, p)
	_, busy, err := j.node().DrainNotices(j.t.Context())
	if fresh {
		j.ask(o)
	}
	if busy {
		return errors.New("somebody else drives")
	}
	return err
}

func (j *journey) redriveAll() error {
	for _, o := range j.orders {
		if o.open() {
			j.due(j.payment(o.request.Order).ID)
		}
		j.ask(o)
	}
	_, err := j.node().RedriveDue(j.t.Context())
	if j.away != "" && errors.Is(err, payment.ErrOutcomeUnknown) {
		return nil
	}
	return err
}

func (j *journey) deadline() error {
	if o := j.openOne(); o != nil {
		j.exec(`update payment set deadline = now() where order_id = $1`, o.request.Order)
		o.late = true
	}
	return nil
}

func (j *journey) outage() error {
	j.away = rapid.SampledFrom([]string{"deaf", "mute"}).Draw(j.rt, "how")
	return nil
}

// deliverAll is one round of the outbox for all orders; effects that were done come again, too.
func (j *journey) deliverAll() error {
	s := j.node()
	for _, o := range j.orders {
		if !o.effects {
			continue
		}
		done := o.state == order.Captured
		p := j.payment(o.request.Order)
		err := s.capture(j.t.Context(), captureOf(p))
		j.capture(o)
		if !done && j.away != "" {
			err = wants(err, payment.ErrOutcomeUnknown)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// same compares everything with the model.
func (j *journey) same(units int) error {
	taken := 0
	for _, h := range j.holds {
		if h.state.Live() {
			taken++
		}
		found, err := stock.Find(j.t.Context(), j.db, h.held.ID)
		if err != nil || found.State != h.state {
			return fmt.Errorf("the hold of %s is %s, want %s, %w", h.held.Buyer, found.State, h.state, err)
		}
	}
	if n := j.count(`select taken from pool where show = $1`, j.show); n != taken || j.free != units-taken {
		return fmt.Errorf("%d of %d taken, the model says %d", n, units, taken)
	}
	var money int64
	for _, o := range j.orders {
		found, err := order.Get(j.t.Context(), j.db, o.request.Order)
		if err != nil || found.State != o.state {
			return fmt.Errorf("the order of %s is %s, want %s, %w", o.request.Buyer, found.State, o.state, err)
		}
		p := j.payment(o.request.Order)
		if p.Waits() != o.waits {
			return fmt.Errorf("the payment of %s is %s and waits %v, want %v", o.request.Buyer, p.State, p.Waits(), o.waits)
		}
		charge, err := j.bank.look(p.Reference())
		if charge.Status != o.bank {
			return fmt.Errorf("the company has %q, want %q, %w", charge.Status, o.bank, err)
		}
		if money += charge.Captured; charge.Captured > 0 && !o.effects {
			return errors.New("money was taken for an order that was never confirmed")
		}
	}
	if captured := j.count(`select coalesce(sum(captured_minor), 0) from payment p join orders o on o.id = p.order_id where o.show = $1`, j.show); int64(captured) > money {
		return fmt.Errorf("we have noted %d, the company took %d", captured, money)
	}
	return nil
}

// end lets time pass until nothing is open: each order is captured or never came to be, and the program's own check
// finds nothing.
func (j *journey) end(units int) {
	j.away = ""
	for _, o := range j.orders {
		if o.open() {
			j.exec(`update payment set deadline = now() where order_id = $1`, o.request.Order)
			o.late = true
		}
	}
	if err := errors.Join(j.redriveAll(), j.deliverAll(), j.same(units)); err != nil {
		j.rt.Fatal(err)
	}
	for _, o := range j.orders {
		if o.state != order.Captured && o.state != order.Cancelled {
			j.rt.Fatalf("an order is %s in the end", o.state)
		}
	}
	var out strings.Builder
	if err := (&chain.Sealer{Pool: j.db}).Look(j.t.Context()); err != nil {
		j.rt.Fatal(err)
	}
	breaches, err := verify.Run(j.t.Context(), j.db, j.nodes[0].Stock, &out)
	if err != nil || breaches != 0 {
		j.rt.Fatalf("%d breaches, %v\n%s", breaches, err, out.String())
	}
	for _, s := range j.nodes {
		if n := counted(j.t, s.notices, noticeDisagreed); n != 0 {
			j.rt.Fatalf("%v disagreements", n)
		}
	}
}
