package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

const (
	// answeredWithin bounds every request while a store hangs. (While it is dead they are answered at once.)
	answeredWithin = 20 * time.Second
	// sellsAgainWithin is how soon after a store is back somebody can buy again.
	sellsAgainWithin = 10 * time.Second
	// shortHold is how long holds of one node live in these tests: shorter than an outage.
	shortHold = time.Second
)

// ready asks whether people should be sent to a node, and what is wrong.
func (n *running) ready() (status int, report map[string]string) {
	n.market.t.Helper()
	answer, err := http.Get(n.url + "/readyz")
	if err != nil {
		n.market.t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&report); err != nil {
		n.market.t.Fatal(err)
	}
	return answer.StatusCode, report
}

func (n *running) awaitReady() {
	n.market.t.Helper()
	eventually(n.market.t, "the node is ready again", func() bool { status, _ := n.ready(); return status == http.StatusOK })
}

// away checks a refusal because of a store that is away: it says when to come again, and tells a person what to do, not
// how the shop is built.
func (r reply) away(t *testing.T, what, code string) {
	t.Helper()
	after, err := strconv.Atoi(r.header.Get("Retry-After"))
	if r.status != http.StatusServiceUnavailable || r.code() != code || err != nil || after < 1 || after > 10 {
		t.Errorf("%s: %s, Retry-After %q; want 503 %s", what, r, r.header.Get("Retry-After"), code)
		return
	}
	r.checkProblem(t)
	for _, word := range []string{"Redis", "Postgres", "database", "connection", "timeout", "context"} {
		if strings.Contains(r.text("detail"), word) {
			t.Errorf("%s: a buyer hears of %s: %s", what, word, r)
		}
	}
}

// Redis is dead: the sale goes on, by Postgres alone. It comes back, with its data or with none: nothing is sold twice.
func TestRedisDeadAndBack(t *testing.T) {
	for name, end := range map[string]func(*embeddedtest.RedisServer){
		"with its data": (*embeddedtest.RedisServer).Kill, "empty": (*embeddedtest.RedisServer).Lose,
	} {
		t.Run(name, func(t *testing.T) {
			m := newMarket(t)
			n := m.node()
			mara, vic := n.signUp("mara", "creator"), n.guest()
			pan := mara.sell(mara.newShow(), 4)
			order, later := orderPath(), orderPath()
			vic.want(http.StatusCreated, "", http.MethodPut, order, paying(vic.hold(pan, 1), cardGood))
			mine := vic.hold(pan, 1)

			end(m.redis)
			tap := newHold()
			vic.want(http.StatusCreated, "", http.MethodPut, "/holds/"+tap, pan.tap(1))
			if status, report := n.ready(); status != http.StatusOK || report["status"] != "degraded" || report["redis"] == "ok" || report["postgres"] != "ok" {
				t.Errorf("/readyz says %d %v", status, report)
			}
			for _, path := range []string{"/shows", "/shows/" + pan.show, "/shows/" + pan.show + "/products", order, "/holds/" + mine, "/me/document"} {
				vic.want(http.StatusOK, "", http.MethodGet, path, nil)
			}
			vic.want(http.StatusCreated, "", http.MethodPut, later, paying(mine, cardGood))
			vic.captured(later)

			m.redis.Start()
			eventually(t, "Redis is known to be back", func() bool { _, report := n.ready(); return report["status"] == "ok" })
			vic.want(http.StatusOK, "", http.MethodPut, "/holds/"+tap, pan.tap(1)) // the same tap, as its page repeats it
			vic.hold(pan, 1)
			vic.want(http.StatusConflict, "sold_out", http.MethodPut, "/holds/"+newHold(), pan.tap(1))
			m.clean(n)
		})
	}
}

// darkShop is a shop whose Postgres can die. The payment company has its own.
type darkShop struct {
	*market
	postgres *embeddedtest.PostgresServer
	a, b     *running // holds of b are short
	mara     *person
	vic      *person
	pan      ware
	paid     string    // an order that is captured
	fresh    string    // one whose money may not have been taken yet
	mine     string    // a hold that outlives the outage
	lapses   string    // one that does not live long
	until    time.Time // the deadline of mine
}

func newDarkShop(t *testing.T) *darkShop {
	t.Helper()
	m := newMarket(t) // its database is the payment company's
	o := &darkShop{market: m, postgres: embeddedtest.NewPostgresServer(t)}
	m.dsn = o.postgres.DSN()
	m.db = schematest.Open(t, m.dsn)
	o.a = m.node()
	o.b = m.node(func(c *Config) { c.HoldTTL = shortHold })
	know(o.a, o.b)
	o.mara, o.vic = o.a.signUp("mara", "creator", "brand"), o.a.guest()
	o.pan = o.mara.sell(o.mara.newShow(), 6)
	o.paid, o.fresh = orderPath(), orderPath()
	o.vic.want(http.StatusCreated, "", http.MethodPut, o.paid, paying(o.vic.hold(o.pan, 1), cardGood))
	o.vic.captured(o.paid)
	o.mine = o.vic.hold(o.pan, 1)
	toPay := o.vic.hold(o.pan, 1)
	o.lapses = o.vic.at(o.b).hold(o.pan, 1)
	o.vic.want(http.StatusCreated, "", http.MethodPut, o.fresh, paying(toPay, cardGood))
	o.until = o.deadline(o.mine)
	return o
}

func (o *darkShop) deadline(hold string) time.Time {
	o.t.Helper()
	at, err := time.Parse(time.RFC3339Nano, o.vic.want(http.StatusOK, "", http.MethodGet, "/holds/"+hold, nil).text("expires_at"))
	if err != nil {
		o.t.Fatal(err)
	}
	return at
}

// refuses asks for one of everything at once, and checks that nobody waits for long and all are told to come again.
func (o *darkShop) refuses() {
	o.t.Helper()
	type request struct {
		by           *person
		method, path string
		body         any
	}
	show := "/shows/" + o.pan.show
	asked := []request{
		{o.vic, http.MethodPut, "/holds/" + newHold(), o.pan.tap(1)},
		{o.vic.at(o.b), http.MethodPut, "/holds/" + newHold(), o.pan.tap(1)},
		{o.vic, http.MethodGet, "/holds/" + o.mine, nil},
		{o.vic, http.MethodDelete, "/holds/" + o.mine, nil},
		{o.vic, http.MethodPut, orderPath(), paying(o.mine, cardGood)},
		{o.vic, http.MethodGet, o.paid, nil},
		{o.vic, http.MethodGet, "/orders/mine", nil},
		{o.vic, http.MethodGet, "/me/document", nil},
		{o.vic, http.MethodGet, "/shows", nil},
		{o.vic, http.MethodGet, show, nil},
		{o.vic, http.MethodGet, show + "/products", nil},
		{o.mara, http.MethodGet, "/me", nil},
		{o.mara, http.MethodGet, show + "/sales", nil},
		{o.mara, http.MethodPut, "/shows/" + commerce.NewID[commerce.ShowID]().String(), map[string]any{"title": "Another"}},
		{o.mara, http.MethodPut, show + "/products/" + o.pan.product, map[string]any{
			"title": "Copper pan 30 cm", "stock": 9, "variant": o.pan.variant, "price": map[string]any{"amount": 5900, "currency": "EUR"},
		}},
		{o.mara, http.MethodPost, show + "/publish-ticket", nil},
		{o.vic, http.MethodPost, "/sessions", map[string]any{"email": "mara@example.com", "password": password}},
		{o.vic, http.MethodPost, "/accounts", map[string]any{
			"id": commerce.NewID[commerce.AccountID](), "email": "late@example.com", "name": "Late", "password": password, "roles": []string{},
		}},
	}
	var all sync.WaitGroup
	for _, r := range asked {
		all.Go(func() {
			began := time.Now()
			answer, err := r.by.try(r.method, r.path, r.body)
			what := r.method + " " + r.path
			if err != nil {
				o.t.Errorf("%s: %v", what, err)
				return
			}
			answer.away(o.t, what, "unavailable")
			if took := time.Since(began); took > answeredWithin {
				o.t.Errorf("%s was answered only after %v", what, took)
			}
		})
	}
	all.Go(func() { o.shutDoor() })
	all.Wait()
	for _, n := range []*running{o.a, o.b} {
		if status, report := n.ready(); status != http.StatusServiceUnavailable || report["postgres"] == "ok" || report["redis"] != "ok" {
			o.t.Errorf("/readyz says %d %v", status, report)
		}
		if answer, err := http.Get(n.url + "/healthz"); err != nil || answer.StatusCode != http.StatusOK {
			o.t.Errorf("a restart would not help, /healthz: %v", err)
		} else {
			_ = answer.Body.Close()
		}
	}
}

// shutDoor asks for the video, which needs a judgement too.
func (o *darkShop) shutDoor() {
	began := time.Now()
	answer, err := http.Post(o.a.url+"/whep/"+o.pan.show, "application/sdp", strings.NewReader("v=0\r\n"))
	if err != nil {
		o.t.Error(err)
		return
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || time.Since(began) > answeredWithin {
		o.t.Errorf("WHEP answers %d, Retry-After %q, after %v", answer.StatusCode, answer.Header.Get("Retry-After"), time.Since(began))
	}
}

// goesOn checks that the shop is as it was, but for the time.
func (o *darkShop) goesOn() {
	o.t.Helper()
	back := time.Now()
	for _, n := range []*running{o.a, o.b} {
		n.awaitReady()
	}
	within(o.t, sellsAgainWithin, "somebody beats again", func() bool { return o.count(`select count(*) from beat where clock_timestamp() - at < gap`) == 1 })
	// Time that nobody could use has not run. (It may have been too short to be an outage.)
	// An outage is counted from the last beat, and a hold that was made after it has lived through less.
	moved := time.Duration(o.count(`select coalesce(sum(extract(epoch from least(o.moved, o.ended_at - greatest(o.began_at, h.created_at))) * 1000000), 0)::bigint
		from outage o, hold h where h.id = $1::uuid`, strings.TrimPrefix(o.mine, "hld_"))) * time.Microsecond
	if by := o.deadline(o.mine).Sub(o.until); by != moved {
		o.t.Errorf("a deadline moved by %v, of outages it lived through %v", by, moved)
	}
	later := orderPath()
	within(o.t, sellsAgainWithin, "a hold from before can be paid", func() bool {
		r, err := o.vic.try(http.MethodPut, later, paying(o.mine, cardGood))
		return err == nil && r.ok()
	})
	o.t.Logf("the first payment %v after Postgres was back", time.Since(back).Round(time.Millisecond))
	for _, order := range []string{o.paid, o.fresh, later} { // the outbox goes on, too
		o.vic.captured(order)
	}
	// What has lapsed is over for its buyer, and to be had by the next.
	eventually(o.t, "a short hold lapses after all", func() bool {
		return o.vic.want(http.StatusOK, "", http.MethodGet, "/holds/"+o.lapses, nil).text("state") == "expired"
	})
	o.vic.want(http.StatusGone, "hold_expired", http.MethodPut, orderPath(), paying(o.lapses, cardGood))
	page := o.b.guest().join(o.pan.show)
	for left := 3; left > 0; { // a unit that was admitted and never promised comes back with its lease
		r, err := o.vic.insist(http.MethodPut, "/holds/"+newHold(), o.pan.tap(1))
		switch {
		case err == nil && r.ok():
			left--
		case err != nil || r.code() != "sold_out" || time.Since(back) > patience:
			o.t.Fatalf("%d units are left, and a tap: %s %v", left, r, err)
		}
	}
	page.left(o.pan.variant, 0)
	if r, err := o.vic.insist(http.MethodPut, "/holds/"+newHold(), o.pan.tap(1)); err != nil || r.code() != "sold_out" {
		o.t.Errorf("none is left, and a tap: %s %v", r, err)
	}
	eventually(o.t, "the outbox is empty", func() bool {
		return o.count(`select count(*) from outbox where done_at is null`) == 0
	})
	o.clean(o.a)
}

func TestPostgresDeadAndBack(t *testing.T) {
	for name, way := range map[string]struct {
		away, back func(*embeddedtest.PostgresServer)
	}{
		"killed":  {(*embeddedtest.PostgresServer).Kill, (*embeddedtest.PostgresServer).Start},
		"stopped": {(*embeddedtest.PostgresServer).Stop, (*embeddedtest.PostgresServer).Start},
		"hanging": {(*embeddedtest.PostgresServer).Freeze, (*embeddedtest.PostgresServer).Thaw},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // what was being done when Postgres died is taken up again when its lease is over
			o := newDarkShop(t)
			way.away(o.postgres)
			o.refuses()
			way.back(o.postgres)
			o.goesOn()
		})
	}
}
