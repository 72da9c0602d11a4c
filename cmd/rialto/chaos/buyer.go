package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/realtime"
	rooms "github.com/rialto-live/rialto/realtime/client"
)

const (
	tapWithin    = 4 * time.Second // how long a buyer waits for an answer before they ask again
	calmDown     = 100 * time.Millisecond
	socketEvery  = 300 * time.Millisecond
	socketBuyers = 3 // one of so many has a socket
	maxAnswer    = 64 << 10

	tooFast     = "too_many_attempts"
	codeNothing = "no answer"
)

// card is a test card and what becomes of it.
type card struct {
	number, does string
	answer       string // at the bank; "" walks away
	asks         bool
}

// cards are what buyers pay with, the frequent ones more often.
var cards = []card{
	{number: "4242424242424242", does: "pays"},
	{number: "4242424242424242", does: "pays"},
	{number: "4242424242424242", does: "pays"},
	{number: "4000000000000002", does: "is declined"},
	{number: "4000000000000119", does: "breaks once"},
	{number: "4000000000003220", does: "is confirmed at the bank", asks: true, answer: "confirm"},
	{number: "4000000000003220", does: "is refused at the bank", asks: true, answer: "refuse"},
	{number: "4000000000003220", does: "waits at the bank for ever", asks: true},
	{number: "4000000000003238", does: "is confirmed at a bank that never tells", asks: true, answer: "confirm"},
	{number: "4000000000003253", does: "pays, and is told of twice"},
}

// buyer is one guest: their browser, and where they are known from.
type buyer struct {
	number  int
	subject string
	cookie  string
	browser *http.Client // in the crowd
	calm    *http.Client // the same person, when all is well
	socket  *rooms.Client
	spoke   time.Time // by the socket
	history *history
	cell    *cell
}

// answer is what an HTTP request was told.
type answer struct {
	status int
	body   map[string]any
}

func (a answer) text(member string) string {
	s, _ := a.body[member].(string)
	return s
}

func (a answer) payment(member string) string {
	payment, _ := a.body["payment"].(map[string]any)
	s, _ := payment[member].(string)
	return s
}

// ask makes one request of a node's API.
func ask(ctx context.Context, browser *http.Client, cookie, base, method, path string, in any) (answer, http.Header, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return answer{}, nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, base+"/api/v1"+path, body)
	if err != nil {
		return answer{}, nil, err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	got, err := browser.Do(r)
	if err != nil {
		return answer{}, nil, err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(io.LimitReader(got.Body, maxAnswer))
	out := answer{status: got.StatusCode}
	_ = json.Unmarshal(text, &out.body) // what is no object has its status at least
	return out, got.Header, err
}

// verdictOf says what a buyer knows after an answer: an error, or one that says "come again", is none.
func verdictOf(a answer, err error) (o outcome, code string) {
	switch {
	case err != nil:
		return unknown, codeNothing
	case a.status == http.StatusOK || a.status == http.StatusCreated || a.status == http.StatusNoContent:
		return ok, ""
	case a.status == http.StatusTooManyRequests || a.status == http.StatusRequestTimeout || a.status >= http.StatusInternalServerError:
		return unknown, a.text("code")
	}
	return fail, a.text("code")
}

// sale is what a cell sells.
type sale struct {
	show     commerce.ShowID
	variants []commerce.VariantID // by pool
}

func (b *buyer) url(node int) string { return b.cell.world.urls[node] }

func (b *buyer) ask(ctx context.Context, browser *http.Client, node int, lost cut, method, path string, in any) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, tapWithin)
	defer cancel()
	a, _, err := ask(withCut(ctx, lost), browser, b.cookie, b.url(node), method, path, in)
	if err != nil {
		pause(ctx, calmDown) // nobody hammers a door that is shut
	}
	return a, err
}

// wish is what a tap is for, beside what more it says.
func (b *buyer) wish(t tap, says map[string]any) map[string]any {
	if t.more == 0 {
		says["variant"], says["quantity"] = b.cell.sale.variants[t.pool], t.quantity
		return says
	}
	var lines []map[string]any
	for pool, quantity := range t.units() {
		lines = append(lines, map[string]any{"variant": b.cell.sale.variants[pool], "quantity": quantity})
	}
	says["lines"] = lines
	return says
}

// held says whether an answer is the hold that was tapped for.
func (t tap) held(a answer) bool {
	lines, _ := a.body["lines"].([]any)
	number, _ := a.body["quantity"].(float64)
	return a.text("id") == t.hold.String() && (t.more == 0 && lines == nil && int(number) == t.quantity || t.more > 0 && len(lines) == len(t.units()))
}

// tapHTTP is one tap on Buy.
func (b *buyer) tapHTTP(ctx context.Context, browser *http.Client, t tap, lost cut, k kind) outcome {
	t.how += " over HTTP"
	own := b.history.begin(t, k)
	a, err := b.ask(ctx, browser, t.node, lost, http.MethodPut, "/holds/"+t.hold.String(), b.wish(t, map[string]any{"show": b.cell.sale.show}))
	o, code := verdictOf(a, err)
	state := a.text("state")
	if o == ok && !t.held(a) {
		b.cell.odd("hold %s of %v was answered with %v", t.hold, t.units(), a.body)
	}
	b.history.end(own, o, code, state)
	return o
}

// speaks says whether the buyer's socket is theirs to tap by just now.
func (b *buyer) speaks() bool {
	if b.socket == nil || time.Since(b.spoke) < socketEvery || !b.socket.Stats().Joined {
		return false
	}
	b.spoke = time.Now()
	return true
}

// tapSocket is a tap in the show's room. The client asks again by itself when its line breaks, with the same id.
func (b *buyer) tapSocket(ctx context.Context, t tap) outcome {
	ctx, cancel := context.WithTimeout(ctx, tapWithin)
	defer cancel()
	t.how += " in the room"
	own := b.history.begin(t, kindSocket)
	raw, err := b.socket.Call(ctx, api.CallHold, b.wish(t, map[string]any{"hold": t.hold}))
	var refused *realtime.CallError
	var more struct {
		ID     string
		State  string
		Status int
	}
	switch {
	case errors.As(err, &refused):
		_ = json.Unmarshal(refused.Data, &more) // without a status it is the room's own refusal
		o := fail
		if more.Status == 0 || more.Status == http.StatusTooManyRequests || more.Status >= http.StatusInternalServerError {
			o = unknown
		}
		b.history.end(own, o, refused.Code, "")
		return o
	case err != nil:
		b.history.end(own, unknown, codeNothing, "")
		return unknown
	}
	if json.Unmarshal(raw, &more) != nil || more.ID != t.hold.String() {
		b.cell.odd("hold %s was answered with %s", t.hold, raw)
	}
	b.history.end(own, ok, "", more.State)
	return ok
}

// tapPlain is a tap by whichever way is wanted and open.
func (b *buyer) tapPlain(ctx context.Context, t tap, lost cut, bySocket bool) outcome {
	if bySocket && b.speaks() {
		return b.tapSocket(ctx, t)
	}
	return b.tapHTTP(ctx, b.browser, t, lost, kindHTTP)
}

// payFor is one tap on Pay.
func (b *buyer) payFor(ctx context.Context, browser *http.Client, p pay, lost cut, k kind) (outcome, string) {
	own := b.history.beginPay(p, k)
	a, err := b.ask(ctx, browser, p.node, lost, http.MethodPut, "/orders/"+p.order.String(), map[string]any{
		"hold": p.hold, "email": fmt.Sprintf("buyer%d@example.com", p.buyer), "name": "Vic",
		"delivery": map[string]any{"name": "Vic Rossi", "line1": "Via del Ponte 4", "line2": "", "city": "Venezia", "region": "", "postcode": "30124", "country": "IT"},
		"card":     map[string]any{"number": p.card.number, "exp_month": 12, "exp_year": time.Now().Year() + 2, "cvc": "123"},
	})
	o, code := verdictOf(a, err)
	state := a.text("state")
	if o == ok && state == "pending" && a.payment("state") != "requires_action" {
		o = unknown // it is still being made
	}
	b.history.endPay(own, o, code, state, a.payment("state"))
	return o, a.payment("action_url")
}

// atBank answers on the bank's page. What comes of it is learnt by looking again.
func (b *buyer) atBank(ctx context.Context, browser *http.Client, p pay, action string) {
	ctx, cancel := context.WithTimeout(ctx, tapWithin)
	defer cancel()
	b.history.count(kindBank)
	form := url.Values{"answer": {p.card.answer}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, action, strings.NewReader(form))
	if err != nil {
		return
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got, err := browser.Do(r)
	if err != nil {
		return // they press the button again when they look next
	}
	_ = got.Body.Close()
}

// giveBack is the buyer's own.
func (b *buyer) giveBack(ctx context.Context, node int, hold commerce.HoldID, lost cut) {
	own := b.history.beginRelease(release{hold: hold, buyer: b.number})
	a, err := b.ask(ctx, b.browser, node, lost, http.MethodDelete, "/holds/"+hold.String(), nil)
	o, code := verdictOf(a, err)
	b.history.endRelease(own, o, code)
}
