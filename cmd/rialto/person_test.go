package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/media/client"
)

const (
	password = "market-on-a-bridge"

	cardGood     = "4242 4242 4242 4242"
	cardDeclined = "4000 0000 0000 0002"
)

// person is a browser: cookies, and an address that it speaks from.
type person struct {
	t       *testing.T
	url     string // of the node that its page came from
	http    *http.Client
	subject string
}

// somebody is a browser that nobody knows yet.
func somebody(t *testing.T, url string, from netip.Addr) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	dialer := &net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	transport := &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 2}
	t.Cleanup(transport.CloseIdleConnections)
	return &person{t: t, url: url, http: &http.Client{
		Jar: jar, Transport: transport, Timeout: patience,
		// A redirect is an answer that tests look at; media/client follows its own.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

var loopback = netip.MustParseAddr("127.0.0.1")

// guest has been told who they are, as a page asks first of all.
func (n *running) guest() *person { return guestFrom(n.market.t, n.url, loopback) }

func guestFrom(t *testing.T, url string, from netip.Addr) *person {
	t.Helper()
	p := somebody(t, url, from)
	p.subject = p.want(http.StatusOK, "", http.MethodGet, "/me", nil).text("subject")
	return p
}

// signUp makes an account; its address is of its name.
func (n *running) signUp(name string, roles ...string) *person {
	n.market.t.Helper()
	return signUp(n.market.t, n.url, name, roles...)
}

func signUp(t *testing.T, url, name string, roles ...string) *person {
	t.Helper()
	p := somebody(t, url, loopback)
	p.subject = p.want(http.StatusCreated, "", http.MethodPost, "/accounts", map[string]any{
		"id": commerce.NewID[commerce.AccountID](), "email": name + "@example.com", "name": name, "password": password, "roles": roles,
	}).text("id")
	return p
}

// at is the same browser with a page of another node.
func (p *person) at(n *running) *person {
	other := *p
	other.url = n.url
	return &other
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

func (r reply) ok() bool { return r.status == http.StatusOK || r.status == http.StatusCreated }

func (r reply) code() string { return r.text("code") }

func (r reply) text(member string) string {
	s, _ := r.body[member].(string)
	return s
}

// number reads a number; -1 when there is none.
func (r reply) number(member string) int {
	if f, ok := r.body[member].(float64); ok {
		return int(f)
	}
	return -1
}

func (r reply) String() string { return fmt.Sprintf("%d %s", r.status, r.raw) }

// try makes one request of the API.
func (p *person) try(method, path string, body any) (reply, error) {
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return reply{}, err
		}
		reader = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, p.url+"/api/v1"+path, reader)
	if err != nil {
		return reply{}, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := p.http.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer answer.Body.Close()
	out := reply{status: answer.StatusCode, header: answer.Header}
	out.raw, err = io.ReadAll(answer.Body)
	_ = json.Unmarshal(out.raw, &out.body) // what is no object has its status at least
	return out, err
}

// want asks and checks the status, and the code of a problem ("" for none).
func (p *person) want(status int, code, method, path string, body any) reply {
	p.t.Helper()
	r, err := p.try(method, path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	if r.status != status || r.code() != code {
		p.t.Fatalf("%s %s: %s, want %d %q", method, path, r, status, code)
	}
	if status >= http.StatusBadRequest {
		r.checkProblem(p.t)
	}
	return r
}

// checkProblem checks what every refusal has (RFC 9457).
func (r reply) checkProblem(t *testing.T) {
	t.Helper()
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("a problem of type %q: %s", got, r)
	}
	for _, member := range []string{"type", "title", "detail", "code"} {
		if r.text(member) == "" {
			t.Errorf("a problem without %s: %s", member, r)
		}
	}
	if r.number("status") != r.status {
		t.Errorf("a problem with another status than its answer: %s", r)
	}
}

// insist repeats a request with the same id while it is told to come again, or the line breaks, as a page does.
// For goroutines.
func (p *person) insist(method, path string, body any) (reply, error) {
	deadline, tick := time.Now().Add(patience), time.NewTicker(2*lookAgain)
	defer tick.Stop()
	for {
		r, err := p.try(method, path, body)
		again := err != nil || r.status == http.StatusServiceUnavailable || r.status == http.StatusTooManyRequests
		if !again || time.Now().After(deadline) {
			return r, err
		}
		<-tick.C
	}
}

// newShow makes a show of a creator.
func (p *person) newShow() string {
	p.t.Helper()
	id := commerce.NewID[commerce.ShowID]().String()
	p.want(http.StatusCreated, "", http.MethodPut, "/shows/"+id, map[string]any{"title": "Mara's kitchen"})
	return id
}

// ware is something on sale.
type ware struct{ show, product, variant string }

// sell puts a pan of 49.00 EUR on sale.
func (p *person) sell(show string, stock int) ware {
	p.t.Helper()
	w := ware{show, commerce.NewID[commerce.ProductID]().String(), commerce.NewID[commerce.VariantID]().String()}
	p.want(http.StatusOK, "", http.MethodPut, "/shows/"+show+"/products/"+w.product, map[string]any{
		"title": "Copper pan 28 cm", "description": "Hand-hammered.", "stock": stock, "variant": w.variant,
		"price": map[string]any{"amount": 4900, "currency": "EUR"},
	})
	return w
}

func newHold() string { return commerce.NewID[commerce.HoldID]().String() }

// tap is the body of a tap on Buy.
func (w ware) tap(quantity int) map[string]any {
	return map[string]any{"show": w.show, "variant": w.variant, "quantity": quantity}
}

// hold taps on Buy and must get the units.
func (p *person) hold(w ware, quantity int) (id string) {
	p.t.Helper()
	id = newHold()
	p.want(http.StatusCreated, "", http.MethodPut, "/holds/"+id, w.tap(quantity))
	return id
}

// orderPath makes a path of a new order.
func orderPath() string { return "/orders/" + commerce.NewID[commerce.OrderID]().String() }

// home is where Vic lives.
func home() map[string]any {
	return map[string]any{"name": "Vic Rossi", "line1": "Via del Ponte 4", "line2": "", "city": "Venezia", "region": "", "postcode": "30124", "country": "IT"}
}

// paying is the body of a tap on Pay.
func paying(hold, card string) map[string]any {
	return map[string]any{
		"hold": hold, "email": "vic@example.com", "name": "Vic", "delivery": home(),
		"card": map[string]any{"number": card, "exp_month": 12, "exp_year": time.Now().Year() + 2, "cvc": "123"},
	}
}

// ticket lets the studio publish.
func (p *person) ticket(show string) (url, token string) {
	p.t.Helper()
	r := p.want(http.StatusOK, "", http.MethodPost, "/shows/"+show+"/publish-ticket", nil)
	return r.text("whip_url"), r.text("token")
}

// key reads the stream key of a show that has had none.
func (p *person) key(show string) string {
	p.t.Helper()
	return p.want(http.StatusOK, "", http.MethodGet, "/shows/"+show+"/stream-key", nil).text("key")
}

var local = client.Network{Addr: loopback}

// publish loops the demo clip into a show until the test ends.
func publish(t *testing.T, url, token string) *client.Publisher {
	t.Helper()
	source, err := client.NewClipSource()
	if err != nil {
		t.Fatal(err)
	}
	p, err := client.Publish(t.Context(), client.PublisherConfig{URL: url, Token: token, Source: source, Network: local})
	if err != nil {
		t.Fatalf("publish to %s: %v", url, err)
	}
	t.Cleanup(func() { _ = p.Close() }) // its node may have ended before
	return p
}

// goLive publishes as the studio does.
func (p *person) goLive(show string) *client.Publisher {
	p.t.Helper()
	url, token := p.ticket(show)
	return publish(p.t, url, token)
}

// watch watches a show, with the cookies of the page, once it is on the air.
func (p *person) watch(show string) *client.Viewer {
	p.t.Helper()
	v, err := client.Watch(p.t.Context(), client.ViewerConfig{
		URL: p.url + "/whep/" + show, Network: local, HTTP: p.http, Patience: patience,
	})
	if err != nil {
		p.t.Fatalf("watch %s at %s: %v", show, p.url, err)
	}
	p.t.Cleanup(func() { _ = v.Close() })
	return v
}

// sees waits until a viewer has been shown n more frames.
func sees(t *testing.T, v *client.Viewer, n int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n += v.Stats().Video.Frames
	if err := v.Await(ctx, func(s client.ViewerStats) bool { return s.Video.Frames >= n && s.Audio.Frames > 0 }); err != nil {
		t.Fatalf("%v; stats %+v", err, v.Stats())
	}
}
