package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	showOfTests    = "shw_00000000000000000000000000000001"
	variantOfTests = "var_00000000000000000000000000000002"
)

// counter is a shop that sells units, one to each hold.
type counter struct {
	t        *testing.T
	url      string
	provider string

	mu      sync.Mutex
	units   int
	asked   map[string]int // holds and orders, by id: how often
	held    map[string]bool
	ordered map[string]bool
	from    map[string]bool // addresses
	// before is asked first; true: it has answered.
	before func(w http.ResponseWriter, r *http.Request, times int) bool
}

func newCounter(t *testing.T, units int) *counter {
	c := &counter{t: t, provider: playMoney, units: units, asked: map[string]int{}, held: map[string]bool{}, ordered: map[string]bool{},
		from: map[string]bool{}, before: func(http.ResponseWriter, *http.Request, int) bool { return false }}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/me", c.me)
	mux.HandleFunc("GET /api/v1/shows/"+showOfTests+"/products", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"pinned":"prd_2","products":[{"id":"prd_1","variants":[{"id":"var_1","pool":"pol_1"}]},
			{"id":"prd_2","variants":[{"id":"var_2","pool":null},{"id":%q,"pool":"pol_2"}]}]}`, variantOfTests)
	})
	mux.HandleFunc("PUT /api/v1/holds/{id}", c.once(c.hold))
	mux.HandleFunc("DELETE /api/v1/holds/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("PUT /api/v1/orders/{id}", c.once(c.order))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *counter) me(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Header.Get("Cookie") != "" {
		c.t.Errorf("somebody new has a cookie: %v", r.Header)
	}
	host, _, _ := strings.Cut(r.RemoteAddr, ":")
	if c.from[host] {
		c.t.Errorf("%s comes again", host)
	}
	c.from[host] = true
	http.SetCookie(w, &http.Cookie{Name: "guest", Value: fmt.Sprint("g", len(c.from))})
	fmt.Fprintf(w, `{"provider":%q}`, c.provider)
}

// once has a request judged under the lock, with its cookie and its body.
func (c *counter) once(judge func(w http.ResponseWriter, id string, body map[string]any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		id := r.PathValue("id")
		c.asked[id]++
		if !strings.HasPrefix(r.Header.Get("Cookie"), "guest=g") {
			c.t.Errorf("%s comes without a cookie", id)
		}
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			c.t.Error(err)
		}
		if !c.before(w, r, c.asked[id]) {
			judge(w, id, body)
		}
	}
}

func (c *counter) hold(w http.ResponseWriter, id string, body map[string]any) {
	if body["show"] != showOfTests || body["variant"] != variantOfTests || body["quantity"] != 1.0 {
		c.t.Errorf("they tap for %v", body)
	}
	if !c.held[id] && c.units == 0 {
		refuse(w, http.StatusConflict, "sold_out")
		return
	}
	if !c.held[id] {
		c.held[id] = true
		c.units--
	}
	fmt.Fprintf(w, `{"id":%q,"state":"held"}`, id)
}

func (c *counter) order(w http.ResponseWriter, id string, body map[string]any) {
	if hold, _ := body["hold"].(string); !c.held[hold] {
		c.t.Errorf("they pay for %q", hold)
	}
	c.ordered[id] = true
	w.WriteHeader(http.StatusCreated)
}

// most is how often one thing was asked for at most.
func (c *counter) most() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, times := range c.asked {
		n = max(n, times)
	}
	return n
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"code":%q}`, code)
}

func runBuy(t *testing.T, c BuyConfig, until string) string {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	out := &whenSaid{stop: stop, want: regexp.MustCompile(until)}
	if err := Buy(ctx, c, 0, out); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !out.want.MatchString(out.String()) {
		t.Fatalf("%q never came:\n%s", until, out)
	}
	return out.String()
}

// Whoever is told to come again, and whoever hears nothing, asks for the same: nobody takes two. Each is somebody new.
func TestBuyersRepeatTheSameID(t *testing.T) {
	c := newCounter(t, 30)
	c.before = func(w http.ResponseWriter, r *http.Request, times int) bool {
		if times > 1 {
			return false
		}
		if strings.Contains(r.URL.Path, "/orders/") {
			c.ordered[r.PathValue("id")] = true // done, and its answer is lost
			panic(http.ErrAbortHandler)
		}
		refuse(w, http.StatusServiceUnavailable, "stock_unavailable")
		return true
	}
	out := runBuy(t, BuyConfig{URL: c.url, Show: showOfTests, Buyers: 10, Think: 5 * time.Millisecond, Pay: 100}, ` 30 yours, [1-9]\d* refused, .* 30 paid`)
	for _, want := range []string{`yours +30\n`, `refused +[1-9]\d* with sold_out`, `paid +30, `, `walked away +0 gave it back, 0 let`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) != 30 || len(c.ordered) != 30 || c.units != 0 {
		t.Errorf("%d holds and %d orders for 30 units; %d are left", len(c.held), len(c.ordered), c.units)
	}
}

// Where money is money nobody pays, whatever is asked for.
func TestBuyersPayWithPlayMoneyAlone(t *testing.T) {
	c := newCounter(t, 1000)
	c.provider = "stripe"
	out := runBuy(t, BuyConfig{URL: c.url, Show: showOfTests, Variant: variantOfTests, Buyers: 5, Think: 10 * time.Millisecond, Pay: 100}, ` [1-9]\d* walked away`)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !strings.Contains(out, "nobody pays") || len(c.ordered) != 0 {
		t.Errorf("%d orders\n%s", len(c.ordered), out)
	}
}

// Without an answer, and without anything that is sold, it says so; a buyer asks so often and not more.
func TestBuyersGiveUp(t *testing.T) {
	c := newCounter(t, 1)
	c.before = func(w http.ResponseWriter, _ *http.Request, times int) bool {
		refuse(w, http.StatusServiceUnavailable, "unavailable")
		return true
	}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	out := &whenSaid{stop: stop, want: regexp.MustCompile(` [1-9]\d* failed`)}
	err := Buy(ctx, BuyConfig{URL: c.url, Show: showOfTests, Buyers: 1}, 0, out)
	if err == nil || !regexp.MustCompile(`none of \d taps was answered: `+errNoAnswer.Error()).MatchString(err.Error()) {
		t.Errorf("%v\n%s", err, out)
	}
	if most := c.most(); most != buyTries {
		t.Errorf("they asked %d times, want %d", most, buyTries)
	}
	for says, config := range map[string]BuyConfig{
		"does not sell this": {URL: newCounter(t, 1).url, Show: showOfTests, Variant: "var_" + strings.Repeat("9", idDigits), Buyers: 1},
		"404":                {URL: newCounter(t, 1).url, Show: "shw_" + strings.Repeat("9", idDigits), Buyers: 1},
		"refused":            {URL: "http://127.0.0.1:1", Show: showOfTests, Buyers: 1},
	} {
		if err := Buy(t.Context(), config, 0, out); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

func TestBuyConfig(t *testing.T) {
	good := BuyConfig{URL: "http://127.0.0.1:1", Show: showOfTests, Variant: variantOfTests, Buyers: MaxBuyers, Rate: MaxBuyRate, Think: MaxThink, Pay: 100}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for says, change := range map[string]func(*BuyConfig){
		"--buyers is 1 to 5000, not 5001": func(c *BuyConfig) { c.Buyers++ },
		"--buyers is 1 to 5000, not 0":    func(c *BuyConfig) { c.Buyers = 0 },
		"--rate is 0 to 2000, not 2001":   func(c *BuyConfig) { c.Rate++ },
		"--pay is 0 to 100, not 101":      func(c *BuyConfig) { c.Pay++ },
		"--think is 0s to 1m0s":           func(c *BuyConfig) { c.Think++ },
		"--show is missing":               func(c *BuyConfig) { c.Show = "shw_x" },
		"--variant is no id":              func(c *BuyConfig) { c.Variant = showOfTests },
		"--url is missing":                func(c *BuyConfig) { c.URL = "" },
		"is no http or https address":     func(c *BuyConfig) { c.URL = "ws://127.0.0.1/" },
		"is not on this machine":          func(c *BuyConfig) { c.URL = "http://192.0.2.1/" },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// Causes of failure may be of any number; so many are told apart.
func TestCausesAreBounded(t *testing.T) {
	s := newBuyStats()
	for i := range maxCauses + 5 {
		s.fail(errors.New(fmt.Sprint("cause ", i)).Error())
	}
	if len(s.Failed) != maxCauses+1 || s.Failed["other causes"] != 5 || total(s.Failed) != maxCauses+5 {
		t.Errorf("%d causes, %d others", len(s.Failed), s.Failed["other causes"])
	}
}
