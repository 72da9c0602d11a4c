package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const (
	cardAsks     = "4000 0000 0000 3220" // the bank asks, and tells at once
	cardMute     = "4000 0000 0000 3238" // the bank asks, and never tells
	cardTellsOft = "4000 0000 0000 3253" // pays; what is told comes twice and out of order
)

// atTheBank pays with a card whose bank asks, and opens the bank's page.
func (p *person) atTheBank(hold, card string) (order, page string) {
	p.t.Helper()
	order = orderPath()
	r := p.want(http.StatusCreated, "", http.MethodPut, order, paying(hold, card))
	pay, _ := r.body["payment"].(map[string]any)
	page, _ = pay["action_url"].(string)
	if r.text("state") != "pending" || pay["state"] != "requires_action" || !strings.HasPrefix(page, p.url+"/sandbox/challenge/") {
		p.t.Fatalf("not sent to the bank: %s", r)
	}
	answer, err := p.http.Get(page)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		p.t.Fatalf("the bank's page: %d", answer.StatusCode)
	}
	return order, page
}

// chooses is a press of a button on the bank's page. back is the address that the bank sends the buyer to.
func (p *person) chooses(page, word string) (back string) {
	p.t.Helper()
	web := *p.http
	web.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := web.PostForm(page, url.Values{"answer": {word}})
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther {
		p.t.Fatalf("the bank answers %d", answer.StatusCode)
	}
	return answer.Header.Get("Location")
}

// standing is an order's state without asking for it: asking would make a node ask the bank.
func (m *market) standing(order string) (state string) {
	m.t.Helper()
	id := strings.TrimPrefix(order, "/orders/ord_")
	if err := m.db.QueryRow(m.t.Context(), `select state from orders where id = $1::uuid`, id).Scan(&state); err != nil {
		m.t.Fatal(err)
	}
	return state
}

// Nobody comes back from the bank; its webhook alone reaches a node, and the order is paid.
func TestBankConfirmsAndTells(t *testing.T) {
	m := newMarket(t)
	a, b := m.node(), m.node()
	eventually(t, "the sandbox knows both", func() bool {
		return m.count(`select count(*) from information_schema.tables where table_schema = 'sandbox' and table_name = 'endpoint'`) == 1 &&
			m.count(`select count(*) from sandbox.endpoint`) == 2
	})
	mara := a.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 2)
	for _, n := range []*running{a, b} {
		vic := n.guest()
		order, page := vic.atTheBank(vic.hold(pan, 1), cardAsks)
		if back := vic.chooses(page, "confirm"); !strings.HasPrefix(back, n.url+order+"?link=") {
			t.Errorf("the bank sends the buyer to %s", back)
		}
		eventually(t, "the order is captured", func() bool { return m.standing(order) == "captured" })
	}
	eventually(t, "every notice is done with", func() bool {
		return m.count(`select count(*) from payment_event where done_at is null`) == 0 && m.count(`select count(*) from payment_event`) >= 4
	})
	if n := m.count(`select count(*) from payment_event where note not in ('asked', 'known already')`); n != 0 {
		t.Errorf("%d notices ended otherwise", n)
	}
	if got := m.count(`select count(*) from sandbox.charge where status = 'captured' and captured > 0`); got != 2 {
		t.Errorf("%d charges were captured", got)
	}
	m.clean(a)
}

// No webhook ever comes: the page that the buyer comes back to learns at once, also without being signed in there.
func TestBuyerComesBackFromABankThatNeverTells(t *testing.T) {
	m := newMarket(t)
	n := m.node()
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 1)
	vic := n.guest()
	order, page := vic.atTheBank(vic.hold(pan, 1), cardMute)
	back, err := url.Parse(vic.chooses(page, "confirm"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := n.guest() // the bank's app opened another browser
	eventually(t, "the order is paid", func() bool {
		r := elsewhere.want(http.StatusOK, "", http.MethodGet, back.RequestURI(), nil)
		pay, _ := r.body["payment"].(map[string]any)
		return pay["state"] == "paid" && r.text("state") != "pending"
	})
	vic.captured(order)
	m.clean(n)
}

// Refused at the bank: the units stay for another card, whose webhooks come twice and out of order.
func TestBuyerRefusesAtTheBankAndPaysOtherwise(t *testing.T) {
	m := newMarket(t)
	n := m.node()
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 1)
	vic := n.guest()
	hold := vic.hold(pan, 1)
	refused, page := vic.atTheBank(hold, cardAsks)
	n.guest().want(http.StatusConflict, "sold_out", http.MethodPut, "/holds/"+newHold(), pan.tap(1))
	vic.want(http.StatusConflict, "hold_busy", http.MethodDelete, "/holds/"+hold, nil)
	vic.chooses(page, "refuse")
	eventually(t, "the order is cancelled", func() bool {
		r := vic.want(http.StatusOK, "", http.MethodGet, refused, nil)
		pay, _ := r.body["payment"].(map[string]any)
		return r.text("state") == "cancelled" && pay["state"] == "declined" && pay["decline"] != nil && pay["action_url"] == nil
	})
	if state := vic.want(http.StatusOK, "", http.MethodGet, "/holds/"+hold, nil).text("state"); state != "held" {
		t.Fatalf("the hold is %q", state)
	}
	order := orderPath()
	vic.want(http.StatusCreated, "", http.MethodPut, order, paying(hold, cardTellsOft))
	vic.captured(order)
	m.clean(n)
}

// Redis dies while the buyer is at their bank. It only admits; what was promised is in Postgres, and is paid.
func TestRedisDiesDuringThePayment(t *testing.T) {
	m := newMarket(t)
	n := m.node()
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 3)
	vic, eve, lou := n.guest(), n.guest(), n.guest()
	order, page := vic.atTheBank(vic.hold(pan, 1), cardAsks)
	theirs, declined := eve.hold(pan, 1), lou.hold(pan, 1)
	m.redis.Kill()
	vic.chooses(page, "confirm")
	eventually(t, "the order is captured", func() bool { return m.standing(order) == "captured" })
	other := orderPath()
	eve.want(http.StatusCreated, "", http.MethodPut, other, paying(theirs, cardGood))
	eve.captured(other)
	lou.want(http.StatusPaymentRequired, "card_declined", http.MethodPut, orderPath(), paying(declined, cardDeclined))
	if state := lou.want(http.StatusOK, "", http.MethodGet, "/holds/"+declined, nil).text("state"); state != "held" {
		t.Errorf("the hold is %q", state)
	}
	m.redis.Start()
	n.readiness(http.StatusOK, "nothing")
	m.clean(n)
}

// What is not signed by the sandbox is refused at the real door, and what no company sends is not there.
func TestDoorOfPaymentCompanies(t *testing.T) {
	m := newMarket(t)
	n := m.node()
	for path, want := range map[string]struct {
		status int
		code   string
	}{
		"/hooks/payments/sandbox": {http.StatusBadRequest, "signature_invalid"},
		"/hooks/payments/other":   {http.StatusNotFound, "provider_unknown"},
	} {
		r := post(t, n.url+path, `{"type":"charge.captured","data":{}}`)
		if r.status != want.status || r.code() != want.code {
			t.Errorf("%s: %s", path, r)
		}
	}
	if got := m.count(`select count(*) from payment_event`); got != 0 {
		t.Errorf("%d events were kept", got)
	}
	bare := m.node(func(c *Config) { c.SandboxURL = "" })
	if r := post(t, bare.url+"/hooks/payments/sandbox", "{}"); r.status != http.StatusNotFound {
		t.Errorf("without a company: %s", r)
	}
}

// post sends a body to one address.
func post(t *testing.T, address, body string) reply {
	t.Helper()
	answer, err := somebody(t, address, loopback).http.Post(address, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	r := reply{status: answer.StatusCode, header: answer.Header}
	if r.raw, err = io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(r.raw, &r.body) // a page is no object
	return r
}
