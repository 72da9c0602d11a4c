package checkout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/gather"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/stock"
)

// looked is a pay tap that has been looked at, and has its token.
func (w *world) looked(s *Service, r PayRequest) *payTap {
	w.t.Helper()
	t := &payTap{PayRequest: r}
	if err := s.stages.looks.Do(w.t.Context(), t); err != nil {
		w.t.Fatal(err)
	}
	var err error
	if t.token, err = s.token(w.t.Context(), r); err != nil {
		w.t.Fatal(err)
	}
	return t
}

// is compares what each item of a batch was answered. nil wants nil.
func is(t *testing.T, errs []error, want ...error) {
	t.Helper()
	if len(errs) != len(want) {
		t.Fatalf("%d answers, want %d", len(errs), len(want))
	}
	for i := range want {
		if !errors.Is(errs[i], want[i]) || (errs[i] == nil) != (want[i] == nil) {
			t.Errorf("item %d: %v, want %v", i, errs[i], want[i])
		}
	}
}

// One that cannot be does not hurt its neighbours: each pay tap of a batch is judged by itself.
func TestPayTapsOfABatch(t *testing.T) {
	w, b := newWorld(t, 20), newBank()
	s := w.service(b.with())
	tap := func(buyer string) *payTap { return w.looked(s, payFor(w.hold(s, buyer), good)) }
	done := w.paid(s, payFor(w.hold(s, "gst_done"), good))
	first, last := tap("gst_first"), tap("gst_last")
	twice := tap("gst_twice")
	again := *twice
	tab := w.looked(s, inOtherTab(twice.PayRequest))
	gone := tap("gst_gone")
	if err := s.Release(t.Context(), gone.Hold, gone.Buyer); err != nil {
		t.Fatal(err)
	}
	dear := tap("gst_dear")
	total := int64(1)
	dear.Total = &total
	theirs := tap("gst_theirs")
	theirs.Order = done.ID
	same := tap("gst_same") // two holds for one order
	same.Order = first.Order
	taps := []*payTap{first, twice, &again, tab, gone, dear, theirs, same, last}
	is(t, s.beginAll(t.Context(), taps), nil, nil, errNotMoved, errNotMoved, errNotMoved, ErrTotal, ErrOrderConflict, ErrOrderConflict, nil)
	// Which of first and same was first in the batch is decided by their holds' ids: the hold that was made first.
	for _, tap := range []*payTap{first, twice, last} {
		w.expect(tap.Order, "pending sent paying")
		if !tap.made || tap.order.ID != tap.Order || tap.payment.Order != tap.Order {
			t.Errorf("%+v", tap)
		}
	}
	for _, tap := range []*payTap{dear, theirs, same} {
		if n := w.count(`select count(*) from hold where id = $1 and state = 'held'`, tap.Hold); n != 1 {
			t.Errorf("the hold of %s was not left alone", tap.Buyer)
		}
	}
	if orders, payments, lines, addresses := w.count(`select count(*) from orders`), w.count(`select count(*) from payment`),
		w.count(`select count(*) from order_line`), w.count(`select count(*) from order_delivery`); orders != 4 || payments != 4 || lines != 4 || addresses != 4 {
		t.Errorf("%d orders, %d payments, %d lines, %d addresses; want 4 of each", orders, payments, lines, addresses)
	}
	// What they are told: the repeated tap its order, the other tab that there is one.
	for tap, want := range map[*payTap]error{&again: nil, tab: ErrOrderConflict, gone: ErrGone} {
		if err := s.standing(t.Context(), tap); !errors.Is(err, want) {
			t.Errorf("%s is told %v, want %v", tap.Buyer, err, want)
		}
	}
	if again.order.ID != twice.Order {
		t.Errorf("the second tap has order %s, want %s", again.order.ID, twice.Order)
	}
	if n := w.count(`select count(*) from unit_movement where kind = 'pay'`); n != 2 { // done, and the batch
		t.Errorf("%d movements, want one of each batch", n)
	}
}

// inOtherTab is the same wish under another order's id.
func inOtherTab(r PayRequest) PayRequest {
	r.Order = commerce.NewID[commerce.OrderID]()
	return r
}

// confirmable is a payment whose money is reserved.
func (w *world) confirmable(s *Service, buyer string) *confirmation {
	w.t.Helper()
	o, p := w.begun(s, w.hold(s, buyer), good)
	return &confirmation{driven: driven{Payment: p}, charge: payment.Charge{ID: "ch_" + o.Buyer, Status: payment.ChargeAuthorised, Amount: p.Amount}}
}

func TestConfirmsOfABatch(t *testing.T) {
	w, b := newWorld(t, 20), newBank()
	s := w.service(b.with())
	first, last := w.confirmable(s, "gst_first"), w.confirmable(s, "gst_last")
	first.alone = true
	failed := w.confirmable(s, "gst_failed")
	w.exec(`update payment set state = 'failed', token = null where id = $1`, failed.ID)
	gone := w.confirmable(s, "gst_gone")
	w.try(func(ctx context.Context, tx pgx.Tx) error {
		_, err := stock.Free(ctx, tx, gone.Hold, stock.Paying)
		return err
	})
	odd := w.confirmable(s, "gst_odd")
	w.exec(`update orders set state = 'cancelled' where id = $1`, odd.Order)
	sold := w.confirmable(s, "gst_sold")
	is(t, s.confirmAll(t.Context(), []*confirmation{sold}), nil)
	posted := w.confirmable(s, "gst_posted") // what stands in the ledger already is something else
	w.exec(`insert into ledger_transaction (ref, kind, currency, accounts, amounts) values ($1, 'sale', 'EUR', '{a,b}', '{1,-1}')`, "sale:"+posted.Order.String())
	for range 2 { // what was done is not done again, and what could not be still cannot
		errs := s.confirmAll(t.Context(), []*confirmation{first, failed, gone, odd, sold, posted, last})
		want := []error{nil, payment.ErrState, stock.ErrState, order.ErrState, payment.ErrState, nil, nil}
		for i := range want {
			if want[i] != nil && !errors.Is(errs[i], want[i]) {
				t.Errorf("item %d: %v, want %v", i, errs[i], want[i])
			}
		}
		if errs[5] == nil {
			t.Error("a sale was confirmed that stands otherwise in the ledger")
		}
		for _, c := range []*confirmation{first, last} {
			w.expect(c.Order, "confirmed authorised sold")
			if found, err := order.Get(t.Context(), w.db, c.Order); err != nil || found.Receipt != c.receipt.Number {
				t.Errorf("%+v, receipt %q, %v", found, c.receipt.Number, err)
			}
		}
	}
	w.expect(failed.Order, "pending failed paying")
	w.expect(gone.Order, "pending sent released")
	w.expect(odd.Order, "cancelled sent paying")
	w.expect(posted.Order, "pending sent paying")
	if sales, captures := w.count(`select count(*) from ledger_transaction where ref <> $1`, "sale:"+posted.Order.String()),
		w.count(`select count(*) from outbox, json_array_elements(payload->'payments') where kind = $1`, EffectCaptures); sales != 3 || captures != 3 {
		t.Errorf("%d sales and %d captures, want 3 of each", sales, captures)
	}
	if n := w.count(`select count(*) from outbox where lane = 'control' and payload::text like '%gst_first%'`); n != 1 {
		t.Errorf("who was alone was told %d times", n)
	}
}

func TestMarksOfABatch(t *testing.T) {
	w, b := newWorld(t, 20), newBank()
	s := w.service(b.with())
	var all []*taking
	for n := range 5 {
		p := w.payment(w.paid(s, payFor(w.hold(s, fmt.Sprintf("gst_%d", n)), good)).ID)
		all = append(all, &taking{payment: p, captured: p.Amount.Minor})
	}
	w.exec(`update payment set state = 'voiding', next_at = now() where id = $1`, all[1].payment.ID)
	w.exec(`update orders set state = 'cancelled' where id = $1`, all[2].payment.Order)
	all[3].captured++ // more than was reserved: the table refuses it, and does not say whose it is
	errs := s.markAll(t.Context(), all)
	if errs[3] == nil {
		t.Error("more was captured than reserved")
	}
	errs[3] = nil
	is(t, errs, nil, payment.ErrState, order.ErrState, nil, nil)
	for n, want := range []string{"captured captured sold", "confirmed voiding sold", "cancelled authorised sold", "confirmed authorised sold", "captured captured sold"} {
		w.expect(all[n].payment.Order, want)
	}
	if n := w.count(`select count(*) from outbox where lane = 'control'`); n != 2 {
		t.Errorf("%d were told, want 2", n)
	}
	is(t, s.markAll(t.Context(), all[:1]), payment.ErrState) // another dispatcher was faster
}

// A batch that is undone again and again ends: each goes alone, in the order of the keys.
func TestTogetherEnds(t *testing.T) {
	w := newWorld(t, 0)
	w.exec(`create table thing (id int primary key, batch int not null)`)
	no := errors.New("no")
	batches := 0
	add := func(ctx context.Context, tx pgx.Tx, _ time.Time, items []int) ([]error, error) {
		batches++
		if !slices.IsSorted(items) {
			t.Errorf("in disorder: %v", items)
		}
		errs := make([]error, len(items))
		for i, id := range items {
			if _, err := tx.Exec(ctx, `insert into thing values ($1, $2)`, id, batches); err != nil {
				return nil, err
			}
			if id%10 == 9 && (len(items) == 1 || !slices.Contains(items[i+1:], id+10)) { // the last of them first
				errs[i] = no
			}
		}
		return errs, nil
	}
	key := func(id int) [16]byte { return [16]byte{byte(id)} }
	items := make([]int, 0, 100)
	for id := range 100 {
		items = append(items, 99-id)
	}
	for i, err := range together(t.Context(), w.db, items, key, add) {
		if errors.Is(err, no) != (items[i]%10 == 9) {
			t.Errorf("%d: %v", items[i], err)
		}
	}
	if n := w.count(`select count(*) from thing`); n != 90 || batches != undoings+100-undoings {
		t.Errorf("%d things after %d transactions", n, batches)
	}
	// One that the table refuses, among others.
	is(t, together(t.Context(), w.db, []int{200, 201}, key, add), nil, nil)
	errs := together(t.Context(), w.db, []int{202, 200, 204}, func(id int) [16]byte { return [16]byte{byte(id)} }, add)
	if errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("%v", errs)
	}
	// A database that is away is no reason to try each of them.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := batches
	is(t, together(ctx, w.db, []int{300, 301}, key, add), context.Canceled, context.Canceled)
	if batches != before {
		t.Error("it was tried")
	}
}

// Buyers who pay at once go through in a few batches, and each has their own order.
func TestACrowdPaysTogether(t *testing.T) {
	const buyers = 200
	w, b := newWorld(t, buyers), newBank()
	s := w.service(b.with())
	requests := make([]PayRequest, buyers)
	for n := range requests {
		requests[n] = payFor(w.hold(s, fmt.Sprintf("gst_%d", n)), good)
		if n%20 == 7 {
			requests[n].Card.Number = bad
		}
	}
	// While the first round is held up everybody gathers.
	held, err := w.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Exec(t.Context(), `lock table orders in share mode`); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for n, r := range requests {
		group.Go(func() {
			o, created, err := s.Pay(t.Context(), r)
			switch {
			case n%20 == 7:
				if !errors.Is(err, ErrDeclined) {
					t.Errorf("a declined card: %v", err)
				}
			case err != nil || !created || o.ID != r.Order || o.Buyer != r.Buyer || o.State != order.Confirmed || o.Receipt == "":
				t.Errorf("%s: %+v %v %v", r.Buyer, o, created, err)
			}
		})
	}
	w.eventually("somebody waits for the lock", func() bool { return w.count(`select count(*) from pg_locks where not granted`) > 0 })
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	w.deliverCaptures(s)
	if paid, free := w.count(`select count(*) from orders where state = 'captured'`), w.count(`select count(*) from hold where state = 'held'`); paid != buyers-buyers/20 || free != buyers/20 {
		t.Errorf("%d captured, %d declined", paid, free)
	}
	if minor, charges := b.sum(); minor != 5390*(buyers-buyers/20) || charges != buyers {
		t.Errorf("%d taken in %d charges", minor, charges)
	}
	if n := w.count(`select max(cardinality(holds)) from unit_movement where kind = 'pay'`); n < 2 || n > gather.MaxTogether {
		t.Errorf("at most %d holds were set paying together", n)
	}
	if n := w.count(`select count(distinct receipt) from orders where receipt is not null`); n != buyers-buyers/20 {
		t.Errorf("%d receipts", n)
	}
}

// However many captures are due, only so many are with the company; one that is never asked about is no failure of its own.
func TestSoManyCapturesAreWithTheCompany(t *testing.T) {
	const more = 3
	w, b := newWorld(t, captureCalls+more), newBank()
	s := w.service(b.with())
	var messages []outbox.Message
	for n := range captureCalls + more {
		messages = append(messages, captureOf(w.payment(w.paid(s, payFor(w.hold(s, fmt.Sprintf("gst_%d", n)), good)).ID)))
	}
	called, goOn := make(chan struct{}, len(messages)), make(chan struct{})
	b.around = func(call string, done bool) error {
		if call == "capture" && !done {
			called <- struct{}{}
			<-goOn
		}
		return nil
	}
	var group sync.WaitGroup
	for _, m := range messages[:captureCalls] {
		group.Go(func() {
			if err := s.capture(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	for range captureCalls {
		<-called
	}
	late, cancel := context.WithCancel(t.Context())
	for _, m := range messages[captureCalls:] {
		group.Go(func() {
			if err := s.capture(late, m); !errors.Is(err, payment.ErrOutcomeUnknown) && !errors.Is(err, context.Canceled) {
				t.Errorf("one that was not asked about: %v", err)
			}
		})
	}
	cancel()
	w.eventually("they are turned away", func() bool { return counted(t, s.steps, "capture", "error") == more })
	if len(called) != 0 {
		t.Errorf("%d calls too many", len(called))
	}
	close(goOn)
	group.Wait()
	w.deliverCaptures(s)
	if minor, _ := b.sum(); minor != 5390*int64(len(messages)) {
		t.Errorf("%d taken", minor)
	}
}

// A stage that is full turns away, with nothing done.
func TestACrowdedStageIsPending(t *testing.T) {
	for _, err := range []error{gather.ErrCrowded, gather.ErrUnanswered} {
		if !errors.Is(pending(err), ErrPending) {
			t.Errorf("%v is told as %v", err, pending(err))
		}
	}
}
