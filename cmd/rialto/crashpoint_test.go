package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/crash"
)

const (
	cardSilent = "4000 0000 0000 0341"

	errandRounds = 5 // purchases of one of the crowd
	deathWithin  = 30 * time.Second
)

// dooms are all places to die at, and at which pass: some purchases are made before.
var dooms = []struct {
	name string
	pass int
}{
	{"stock.admitted", 6}, {"stock.committed", 6}, {"checkout.begun", 6}, {"checkout.driven", 6}, {"checkout.authorised", 4},
	{"checkout.waits", 3}, {"checkout.confirmed", 4}, {"checkout.declined", 2}, {"checkout.void_called", 2}, {"checkout.capture_called", 4},
	{"checkout.captured", 4}, {"payment.received", 5}, {"checkout.noticed", 5}, {"outbox.effect_done", 4},
	{"mail.accepted", 4},
}

// errand is one purchase that somebody of the crowd has tried.
type errand struct {
	buyer *person
	path  string
	way   way

	// What its buyer knows.
	paid      bool // told that it is paid
	confirmed bool // told by the bank that it is confirmed
	declined  bool // told that it is declined
}

// way is how a buyer pays.
type way struct {
	name, card string
	answer     string // at the bank; empty: they walk away
}

var ways = []way{
	{name: "pays", card: cardGood},
	{name: "pays too", card: cardGood},
	{name: "is declined, and pays", card: cardDeclined},
	{name: "confirms at the bank", card: cardAsks, answer: "confirm"},
	{name: "refuses at the bank", card: cardAsks, answer: "refuse"},
	{name: "walks away from the bank", card: cardAsks},
	{name: "gets no answer", card: cardSilent},
}

// fate is a `rialto dev` that is killed at one place after the other, on one data folder.
type fate struct {
	*dev
	db *pgxpool.Pool // of the running program

	mu sync.Mutex
	// guarded by mu
	errands []*errand
}

// begin starts the program, armed or not, for as long as the test t lasts.
func (f *fate) begin(t *testing.T, env ...string) {
	t.Helper()
	bin := doomed.program(t)
	alone(t, f.data)
	f.t = t
	f.process = launch(t, env, append([]string{bin}, f.flags...)...).ready()
	stores, err := readRunFile(f.data)
	if err != nil {
		t.Fatal(err)
	}
	if f.db, err = pgxpool.New(t.Context(), stores.Database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.db.Close)
}

func (f *fate) note(b *person, w way) *errand {
	e := &errand{buyer: b, path: orderPath(), way: w}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errands = append(f.errands, e)
	return e
}

var errGone = errors.New("the program is gone")

// buy makes one purchase, as far as the program lives.
func (f *fate) buy(b *person, pan ware, w way) error {
	hold := newHold()
	r, err := b.try(http.MethodPut, "/holds/"+hold, pan.tap(1))
	if err != nil {
		return errGone
	}
	if !r.ok() {
		return fmt.Errorf("a tap: %s", r)
	}
	e := f.note(b, w)
	if r, err = b.try(http.MethodPut, e.path, paying(hold, w.card)); err != nil {
		return errGone
	}
	switch {
	case r.code() == "card_declined" && w.card == cardDeclined:
		e.declined = true
		other := f.note(b, ways[0])
		if r, err = b.try(http.MethodPut, other.path, paying(hold, cardGood)); err != nil {
			return errGone
		}
		if other.paid = r.ok(); !other.paid {
			return fmt.Errorf("another card: %s", r)
		}
		return nil
	case r.code() == "payment_unavailable" && w.card == cardSilent:
		return nil
	case !r.ok():
		return fmt.Errorf("a payment: %s", r)
	case w.card == cardAsks:
		return f.atBank(e, r)
	}
	e.paid = true
	return nil
}

// atBank does what the buyer does at the bank, and waits for what comes of it.
func (f *fate) atBank(e *errand, r reply) error {
	for {
		action := r.payment("action_url")
		switch {
		case r.text("state") == "captured" && e.way.answer == "confirm":
			e.paid = true
			return nil
		case r.text("state") == "cancelled" && e.way.answer != "confirm":
			return nil
		case action != "" && !e.confirmed:
			if err := f.visit(e, action); err != nil {
				return err
			}
		}
		<-time.After(2 * lookAgain)
		var err error
		if r, err = e.buyer.try(http.MethodGet, e.path, nil); err != nil {
			return errGone
		}
	}
}

// visit answers on the bank's page; who walks away lets the time to pay pass.
func (f *fate) visit(e *errand, action string) error {
	if e.way.answer == "" {
		_, id, _ := strings.Cut(e.path, "/orders/")
		order, err := commerce.Parse[commerce.OrderID](id)
		if err != nil {
			return err
		}
		if _, err := f.db.Exec(f.t.Context(), `update payment set deadline = now(), next_at = now() where order_id = $1 and state = 'requires_action'`, order); err != nil {
			return errGone
		}
		return nil
	}
	answer, err := e.buyer.http.PostForm(action, url.Values{"answer": {e.way.answer}})
	if err != nil {
		return errGone
	}
	_ = answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusSeeOther:
		e.confirmed = e.way.answer == "confirm"
	case http.StatusConflict, http.StatusBadGateway: // answered before; dying
	default:
		return fmt.Errorf("the bank answers %d", answer.StatusCode)
	}
	return nil
}

func (r reply) payment(member string) string {
	payment, _ := r.body["payment"].(map[string]any)
	text, _ := payment[member].(string)
	return text
}

// crowd lets everybody buy until the program is dead.
func (f *fate) crowd(pan ware, doom int) {
	t := f.t
	t.Helper()
	f.errands = nil
	var all sync.WaitGroup
	for i, w := range ways {
		b := guestFrom(t, f.url, netip.AddrFrom4([4]byte{127, 1, byte(10 + doom), byte(i + 1)}))
		all.Go(func() {
			for range errandRounds {
				if err := f.buy(b, pan, w); errors.Is(err, errGone) {
					return
				} else if err != nil {
					t.Errorf("who %s: %v", w.name, err)
					return
				}
			}
		})
	}
	select {
	case <-f.done:
	case <-time.After(deathWithin):
		t.Error("it never came to the place to die at")
		f.kill()
	}
	all.Wait()
	if last := f.err.String(); !strings.Contains(last, "dies at "+dooms[doom].name) || f.code != -1 {
		t.Errorf("it ended with %d, and not at its place", f.code)
	}
}

// forget lets the time pass for which what the dead has claimed is left to it: half a minute, for payments, effects and notices.
func (f *fate) forget() {
	f.t.Helper()
	for _, sql := range []string{
		`update payment set driven_until = now(), next_at = now() where driven_until is not null`,
		`update payment set next_at = now() where state = 'intent'`,
		`update payment_event set next_at = now() where done_at is null`,
		`update sandbox.event set next_at = now() where times > 0`,
		`update outbox set not_before = now() where lane = 'effect' and done_at is null and attempts > 0`,
	} {
		if _, err := f.db.Exec(f.t.Context(), sql); err != nil {
			f.t.Fatal(err)
		}
	}
}

// decided waits until an errand has an end, and says when it is not the one that its buyer was told.
func (f *fate) decided(e *errand) {
	f.t.Helper()
	var o reply
	eventually(f.t, e.path+" of who "+e.way.name+" is decided", func() bool {
		var err error
		if o, err = e.buyer.try(http.MethodGet, e.path, nil); err != nil {
			f.t.Fatal(err)
		}
		if action := o.payment("action_url"); action != "" {
			if err := f.visit(e, action); err != nil {
				f.t.Fatal(err)
			}
		}
		return o.code() == "order_unknown" || o.text("state") == "captured" || o.text("state") == "cancelled"
	})
	switch state := o.text("state"); {
	case (e.paid || e.confirmed) && state != "captured":
		f.t.Errorf("%s of who %s was paid, and is %s", e.path, e.way.name, o)
	case e.declined && (state != "cancelled" || o.payment("state") != "declined"):
		f.t.Errorf("%s of who %s was declined, and is %s", e.path, e.way.name, o)
	case state == "captured" && (e.way.card == cardDeclined || e.way.card == cardAsks && e.way.answer != "confirm"):
		f.t.Errorf("%s of who %s is captured", e.path, e.way.name)
	}
}

// record is a payment with its order, as we have noted it.
type record struct {
	ID                      commerce.PaymentID
	State                   string
	Amount, Captured, Total int64
	Order                   string
}

// charged is a charge, as the company has it.
type charged struct {
	Reference, Status string
	Amount, Captured  int64
}

// agrees compares what the company has with what we have: each charge has its order, and each order its charge.
func (f *fate) agrees() {
	t := f.t
	t.Helper()
	rows, err := f.db.Query(t.Context(), `select p.id, p.state, p.amount_minor, p.captured_minor, o.total_minor, o.state from payment p join orders o on o.id = p.order_id`)
	if err != nil {
		t.Fatal(err)
	}
	records, err := pgx.CollectRows(rows, pgx.RowToStructByPos[record])
	if err != nil {
		t.Fatal(err)
	}
	if rows, err = f.db.Query(t.Context(), `select reference, status, amount, captured from sandbox.charge`); err != nil {
		t.Fatal(err)
	}
	charges, err := pgx.CollectRows(rows, pgx.RowToStructByPos[charged])
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]record{}
	for _, r := range records {
		ours[r.ID.String()] = r
	}
	states := map[string]string{"captured": "captured captured", "declined": "failed cancelled", "voided": "voided cancelled"}
	for _, c := range charges {
		r, known := ours[c.Reference]
		delete(ours, c.Reference)
		switch {
		case !known:
			t.Errorf("a charge without an order: %+v", c)
		case states[c.Status] != r.State+" "+r.Order:
			t.Errorf("the company says %+v, we say %+v", c, r)
		case c.Status == "captured" && (c.Captured != r.Amount || r.Captured != r.Amount || r.Amount != r.Total || c.Amount != r.Amount):
			t.Errorf("the company took %+v, we say %+v", c, r)
		}
	}
	for reference, r := range ours { // the company has never heard of these
		t.Errorf("%s is %s and %s, and was never charged", reference, r.State, r.Order)
	}
}

func (f *fate) number(sql string) (n int) {
	f.t.Helper()
	if err := f.db.QueryRow(f.t.Context(), sql).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

// quiet waits until nothing is under way.
func (f *fate) quiet() {
	f.t.Helper()
	eventually(f.t, "every payment has its end", func() bool {
		return f.number(`select count(*) from payment where state not in ('captured', 'failed', 'voided')`) == 0
	})
	eventually(f.t, "every effect is done", func() bool {
		return f.number(`select count(*) from outbox where lane = 'effect' and done_at is null`) == 0
	})
	eventually(f.t, "every webhook is delivered and heeded", func() bool {
		return f.number(`select count(*) from sandbox.event where times > 0`)+f.number(`select count(*) from payment_event where done_at is null`) == 0
	})
	if n := f.number(`select count(*) from outbox where parked_at is not null`); n != 0 {
		f.t.Errorf("%d messages were put aside", n)
	}
	if told, kept := f.number(`select count(*) from sandbox.event`), f.number(`select count(*) from payment_event`); told != kept {
		f.t.Errorf("the company told %d things, and we know of %d", told, kept)
	}
	if n := f.number(`select count(*) from payment_event where note like 'we have%'`); n != 0 {
		f.t.Errorf("in %d cases the company says something else than we", n)
	}
	if mails, effects := f.number(`select count(*) from mail_box`), f.number(`select count(*) from outbox where kind like 'mail.%'`); mails != effects {
		f.t.Errorf("%d mails for %d reasons to write one", mails, effects)
	}
}

func (f *fate) verify() {
	f.t.Helper()
	bin := doomed.program(f.t)
	if check := finish(f.t, 0, nil, bin, "verify", "--data", f.data); strings.Contains(check.out.String(), "BREACH") || !strings.Contains(check.out.String(), "ok ") {
		f.t.Errorf("verify says %s", check.out.String())
	}
}

// buyOut takes every unit that there is, through Redis and Postgres: no more and no fewer than Postgres has.
func (f *fate) buyOut(pan ware) {
	f.t.Helper()
	left := f.number(`select on_hand - taken from pool`)
	taken, source := 0, 0
	for taken < left {
		b := guestFrom(f.t, f.url, netip.AddrFrom4([4]byte{127, 1, 90, byte(source%250 + 1)}))
		source++
		want := min(10, left-taken)
		// What came back in the last moment before a death Redis learns when it is compared with Postgres: a moment later.
		eventually(f.t, fmt.Sprintf("%d units after the first %d of %d", want, taken, left), func() bool {
			r, err := b.insist(http.MethodPut, "/holds/"+newHold(), pan.tap(want))
			if err != nil || !r.ok() && r.code() != "sold_out" {
				f.t.Fatalf("a tap: %s %v", r, err)
			}
			return r.ok()
		})
		taken += want
	}
	if r, err := guestFrom(f.t, f.url, loopback).try(http.MethodPut, "/holds/"+newHold(), pan.tap(1)); err != nil || r.code() != "sold_out" {
		f.t.Errorf("one more than there are: %s %v", r, err)
	}
}

func TestDeathAtEachPlaceLosesNothing(t *testing.T) {
	known := map[string]bool{}
	for _, d := range dooms {
		known[d.name] = true
	}
	if got, want := slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(crash.Names)); !slices.Equal(got, want) {
		t.Fatalf("this test dies at %q; the places are %q", got, want)
	}
	f := &fate{dev: newDev(t, "--demo=false")}
	f.begin(t)
	mara := signUp(t, f.url, "mara", "creator")
	pan := mara.sell(mara.newShow(), 900)
	for i, doom := range dooms {
		f.kill()
		t.Run(doom.name, func(t *testing.T) {
			f.begin(t, fmt.Sprintf("CRASH_AT=%s:%d", doom.name, doom.pass))
			f.crowd(pan, i)
			begun := time.Now()
			f.begin(t)
			f.forget()
			for _, e := range f.errands {
				f.decided(e)
			}
			f.quiet()
			f.agrees()
			f.verify()
			vic := guestFrom(t, f.url, loopback)
			order := orderPath()
			vic.want(http.StatusCreated, "", http.MethodPut, order, paying(vic.hold(pan, 1), cardGood))
			vic.captured(order)
			t.Logf("%d purchases were begun; all was well again %s after the death", len(f.errands), time.Since(begun).Round(time.Millisecond))
		})
	}
	f.kill()
	f.begin(t)
	f.buyOut(pan)
	f.verify()
	interrupt(f.dev)
	alone(t, f.data)
}

func TestNoPlaceToDieAt(t *testing.T) {
	bin := doomed.program(t)
	for _, at := range []string{"", "nowhere:1", "checkout.begun", "checkout.begun:0", "checkout.begun:x"} {
		if p := finish(t, exitUsage, []string{"CRASH_AT=" + at}, bin, "version"); !strings.HasPrefix(p.err.String(), "rialto: CRASH_AT: ") {
			t.Errorf("%q: it says %q", at, p.err.String())
		}
	}
	finish(t, 0, nil, bin, "version")
	// In the program that people run there is nothing to arm.
	finish(t, 0, []string{"CRASH_AT=checkout.begun:1"}, program(t), "version")
}
