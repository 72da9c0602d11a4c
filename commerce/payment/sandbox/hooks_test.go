package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce/payment"
)

const patience = 30 * time.Second

// ear is where a node hears of charges.
type ear struct {
	t      *testing.T
	bank   *Client
	server *httptest.Server

	mu sync.Mutex
	// guarded by mu
	says  int // the status that it answers; 0: 204
	heard []heard
}

type heard struct {
	payment.Notice
	header http.Header
	body   []byte
}

func (c *company) ear() *ear {
	c.t.Helper()
	e := &ear{t: c.t, bank: c.Client}
	e.server = httptest.NewServer(http.HandlerFunc(e.take))
	c.t.Cleanup(e.server.Close)
	if err := c.Register(c.t.Context(), e.server.URL); err != nil {
		c.t.Fatal(err)
	}
	return e
}

func (e *ear) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // its sender has died
	}
	notice, err := e.bank.Notice(r.Header, body)
	if err != nil {
		e.t.Errorf("not signed: %v", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, heard{notice, r.Header.Clone(), body})
	if e.says == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.WriteHeader(e.says)
}

func (e *ear) answer(status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.says = status
}

// of lists what was heard of a reference, in its order.
func (e *ear) of(reference string) (list []heard) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.heard {
		if h.Reference == reference {
			list = append(list, h)
		}
	}
	return list
}

func kinds(list []heard) (said []string) {
	for _, h := range list {
		said = append(said, strings.TrimPrefix(h.Kind, "charge."))
	}
	return said
}

func await(t *testing.T, what func() string, done func() bool) {
	t.Helper()
	deadline, tick := time.Now().Add(patience), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("never came to be: %s", what())
		}
		<-tick.C
	}
}

// hears waits until exactly these kinds have come, in any order, and nothing is left to be told.
func (e *ear) hears(c *company, reference string, want ...string) []heard {
	c.t.Helper()
	slices.Sort(want)
	said := func() []string { list := kinds(e.of(reference)); slices.Sort(list); return list }
	await(c.t, func() string { return fmt.Sprintf("%s was told %v, want %v", reference, said(), want) }, func() bool { return len(said()) >= len(want) })
	await(c.t, func() string { return "all is delivered" }, func() bool { return c.waiting() == 0 })
	if got := said(); !slices.Equal(got, want) {
		c.t.Fatalf("%s was told %v, want %v", reference, got, want)
	}
	return e.of(reference)
}

// waiting counts what is still to be delivered.
func (c *company) waiting() (n int) {
	c.t.Helper()
	if err := c.db.QueryRow(c.t.Context(), `select count(*) from sandbox.event where times > 0 and lost_at is null`).Scan(&n); err != nil {
		c.t.Fatal(err)
	}
	return n
}

func (c *company) charged(number string) payment.Charge {
	c.t.Helper()
	charge, err := c.Authorise(c.t.Context(), c.wish(number))
	if err != nil {
		c.t.Fatal(err)
	}
	return charge
}

func TestEachChangeIsTold(t *testing.T) {
	c := newCompany(t)
	e := c.ear()
	sold := c.charged("4242424242424242")
	if _, err := c.Capture(t.Context(), sold.ID, price, "cap"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a repetition is no news
		if _, err := c.Refund(t.Context(), sold.ID, price, "ref"); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range e.hears(c, sold.Reference, "authorised", "captured", "refunded") {
		var body struct {
			Type      string
			Timestamp time.Time
			Data      struct{ ID, Status string }
		}
		if err := json.Unmarshal(h.body, &body); err != nil || body.Type != h.Kind || body.Data.ID != sold.ID || body.Data.ID != h.Charge ||
			time.Since(body.Timestamp) > time.Hour || !h.Created.Equal(body.Timestamp) || h.ID == "" || h.ID != h.header.Get("webhook-id") {
			t.Errorf("%+v %v: %s", h.Notice, err, h.body)
		}
	}
	refused := c.charged("4000000000000002")
	e.hears(c, refused.Reference, "declined")
	confirmed := c.asked(wayBack)
	c.form(confirmed.Action, "Confirm")
	e.hears(c, confirmed.Reference, "requires_action", "authorised")
	never := c.asked(wayBack)
	c.form(never.Action, "Refuse")
	e.hears(c, never.Reference, "requires_action", "declined")
	ended, unseen := c.asked(wayBack), c.wish("4242424242424242")
	for _, reference := range []string{ended.Reference, unseen.Reference} {
		for range 2 {
			if _, err := c.Void(t.Context(), payment.Authorisation{Reference: reference}); err != nil {
				t.Fatal(err)
			}
		}
	}
	e.hears(c, ended.Reference, "requires_action", "voided")
	e.hears(c, unseen.Reference, "voided")
}

func TestWebhooksByCard(t *testing.T) {
	c := newCompany(t)
	e := c.ear()
	mute := c.charged("4000000000003238")
	c.form(mute.Action, "Confirm")
	c.is(mute.ID, payment.ChargeAuthorised, "")

	begin := time.Now()
	late := c.charged("4000000000003246")
	c.form(late.Action, "Confirm")
	e.hears(c, late.Reference, "requires_action", "authorised")
	if passed := time.Since(begin); passed < 300*time.Millisecond {
		t.Errorf("told after %s; it should be late", passed)
	}

	twice := c.charged("4000000000003253")
	if _, err := c.Capture(t.Context(), twice.ID, price, "twice"); err != nil {
		t.Fatal(err)
	}
	list := e.hears(c, twice.Reference, "authorised", "authorised", "captured", "captured")
	if got := kinds(list); !slices.Equal(got, []string{"captured", "captured", "authorised", "authorised"}) || list[0].ID != list[1].ID || list[2].ID != list[3].ID || list[0].ID == list[2].ID {
		t.Errorf("told %v, ids %s %s %s %s", got, list[0].ID, list[1].ID, list[2].ID, list[3].ID)
	}
	if said := e.of(mute.Reference); len(said) != 0 {
		t.Errorf("the card that tells nothing told %v", kinds(said))
	}
}

// Who answers with an error hears of it again, under the same id and with the same bytes, and not once more after a yes.
func TestWebhookUntilSomebodySaysYes(t *testing.T) {
	c := newCompany(t)
	e := c.ear()
	e.answer(http.StatusInternalServerError)
	charge := c.charged("4242424242424242")
	await(t, func() string { return "tried three times" }, func() bool { return len(e.of(charge.Reference)) >= 3 })
	e.answer(0)
	await(t, func() string { return "delivered" }, func() bool { return c.waiting() == 0 })
	list := e.of(charge.Reference)
	for _, h := range list {
		if h.ID != list[0].ID || string(h.body) != string(list[0].body) {
			t.Errorf("another webhook: %s %s", h.ID, h.body)
		}
	}
	other := c.charged("4242424242424242")
	e.hears(c, other.Reference, "authorised")
	if now := len(e.of(charge.Reference)); now != len(list) {
		t.Errorf("told %d times more after a yes", now-len(list))
	}
}

func TestWebhookIsGivenUpInTheEnd(t *testing.T) {
	c := newCompany(t)
	e := c.ear()
	e.answer(http.StatusBadGateway)
	charge := c.charged("4242424242424242")
	lost := func() (n int) {
		if err := c.db.QueryRow(t.Context(), `select count(*) from sandbox.event where lost_at is not null`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	await(t, func() string { return "given up" }, func() bool { return lost() == 1 })
	if n := len(e.of(charge.Reference)); n != maxTries {
		t.Errorf("tried %d times, want %d", n, maxTries)
	}
	if got := (Hooks{FirstPause: time.Second, MaxPause: time.Hour}).pause(1); got != time.Second {
		t.Errorf("the first pause is %s", got)
	}
	for n, want := range map[int]time.Duration{2: 2 * time.Second, 5: 16 * time.Second, 12: 2048 * time.Second, 13: time.Hour, 1000: time.Hour} {
		if got := (Hooks{}).orDefaults().pause(n); got != want {
			t.Errorf("after %d tries: %s, want %s", n, got, want)
		}
	}
}

// What was written is told by the next server, also when the last one died with a webhook on its way, or before anybody had
// said where to.
func TestWebhooksSurviveARestart(t *testing.T) {
	c := newCompany(t)
	early := c.charged("4242424242424242") // nobody listens yet
	reached, hold := make(chan struct{}, 8), make(chan struct{})
	deaf := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		select {
		case <-hold:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	}))
	defer deaf.Close()
	defer close(hold)
	if err := c.Register(t.Context(), deaf.URL); err != nil {
		t.Fatal(err)
	}
	<-reached
	// The one that delivers hangs; as if it were dead: its claim is over, and it will not note anything of use.
	if _, err := c.db.Exec(t.Context(), `delete from sandbox.endpoint`); err != nil {
		t.Fatal(err)
	}
	if _, err := c.db.Exec(t.Context(), `update sandbox.event set next_at = now() where times > 0`); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.Client, err = NewClient(c.start(), secret, "", time.Second); err != nil {
		t.Fatal(err)
	}
	e := c.ear()
	if said := kinds(e.hears(c, early.Reference, "authorised")); len(said) != 1 {
		t.Errorf("told %v", said)
	}
}

// A claim lapses by itself when its holder has died.
func TestClaimOfADeadServerLapses(t *testing.T) {
	c := newCompany(t, func(config *Config) { config.Hooks.Timeout = 50 * time.Millisecond })
	charge := c.charged("4242424242424242")
	// As a server leaves it that was killed between the claim and the call.
	if _, err := c.db.Exec(t.Context(), `update sandbox.event set attempts = 1, next_at = now() + interval '100 ms'`); err != nil {
		t.Fatal(err)
	}
	c.ear().hears(c, charge.Reference, "authorised")
}

func TestNextNodeIsToldWhenOneIsGone(t *testing.T) {
	c := newCompany(t)
	alive := c.ear()
	dead := c.ear()
	dead.server.Close() // registered last, so asked first
	for range 3 {
		charge := c.charged("4242424242424242")
		alive.hears(c, charge.Reference, "authorised")
	}
	for range maxEndpoints + 2 {
		c.ear()
	}
	var kept int
	if err := c.db.QueryRow(t.Context(), `select count(*) from sandbox.endpoint where url <> $1`, alive.server.URL).Scan(&kept); err != nil || kept != maxEndpoints {
		t.Errorf("%d endpoints are kept, want the last %d; %v", kept, maxEndpoints, err)
	}
	for _, bad := range []string{"", "file:///etc/passwd", "http://", "https://user:word@shop.example/", "http://x/" + strings.Repeat("y", maxURL)} {
		if err := c.Register(t.Context(), bad); !errors.Is(err, payment.ErrRejected) {
			t.Errorf("webhooks would go to %q: %v", bad, err)
		}
	}
}

func TestOnlyTheSandboxIsBelieved(t *testing.T) {
	client, err := NewClient("http://127.0.0.1:1", secret, "", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(with, id string, at time.Time, body string) http.Header {
		key, err := signature(with)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := key.Sign(id, at, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		h.Set("Webhook-Id", id)
		h.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
		h.Set("Webhook-Signature", sum)
		return h
	}
	const body = `{"type":"charge.captured","timestamp":"2026-01-02T03:04:05Z","data":{"id":"ch_1","reference":"pay_1","status":"captured"}}`
	now := time.Now()
	good := sign(secret, "evt_1", now, body)
	want := payment.Notice{ID: "evt_1", Kind: "charge.captured", Reference: "pay_1", Charge: "ch_1", Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	if got, err := client.Notice(good, []byte(body)); err != nil || got != want {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := client.Notice(sign(secret, "evt_1", now.Add(-4*time.Minute), body), []byte(body)); err != nil {
		t.Errorf("four minutes old: %v", err)
	}
	changed := func(name, value string) http.Header { h := good.Clone(); h.Set(name, value); return h }
	for name, test := range map[string]struct {
		header http.Header
		body   string
	}{
		"no headers":          {http.Header{}, body},
		"another secret":      {sign("another secret than ours", "evt_1", now, body), body},
		"another body":        {good, strings.Replace(body, "captured", "voided", 1)},
		"another id":          {changed("Webhook-Id", "evt_2"), body},
		"another time":        {changed("Webhook-Timestamp", strconv.FormatInt(now.Unix()+1, 10)), body},
		"no time":             {changed("Webhook-Timestamp", "soon"), body},
		"no signature":        {changed("Webhook-Signature", "v1,"), body},
		"replayed too late":   {sign(secret, "evt_1", now.Add(-6*time.Minute), body), body},
		"from the future":     {sign(secret, "evt_1", now.Add(6*time.Minute), body), body},
		"the secret in place": {func() http.Header { h := good.Clone(); h.Set("Webhook-Signature", secret); return h }(), body},
	} {
		if _, err := client.Notice(test.header, []byte(test.body)); !errors.Is(err, payment.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, odd := range []string{"", "null", "[]", `{"type":"charge.captured"}`} {
		if _, err := client.Notice(sign(secret, "evt_1", now, odd), []byte(odd)); err == nil || errors.Is(err, payment.ErrSignature) {
			t.Errorf("signed, and no webhook: %q: %v", odd, err)
		}
	}
}
