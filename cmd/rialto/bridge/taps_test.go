package bridge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/bridge"
	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/payment/sandbox"
	"github.com/rialto-live/rialto/commerce/stock"
	"github.com/rialto-live/rialto/realtime"
)

// shop is a world whose shows can be bought from, over HTTP and in their rooms.
type shop struct {
	*world
	api      *api.API
	url      string
	redis    *embeddedtest.RedisServer
	registry *prometheus.Registry
	show     commerce.ShowID
	variant  commerce.VariantID
}

// newShop sells units of one thing in one show; provider takes the money.
func newShop(t *testing.T, units int, provider payment.Provider) *shop {
	t.Helper()
	s := &shop{world: newWorld(t), redis: embeddedtest.NewRedisServer(t), registry: prometheus.NewRegistry()}
	log := slog.New(slog.DiscardHandler)
	options, err := redis.ParseURL(s.redis.URL())
	s.must(err)
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	stocks, err := stock.New(stock.Config{Pool: s.db, Redis: client, Log: log, Registerer: s.registry, Barred: community.BarredSQL})
	s.must(err)
	sale, err := checkout.New(checkout.Config{
		Pool: s.db, Stock: stocks, Name: sandbox.Name, Log: log, Registerer: s.registry, Kick: func(...string) {}, Provider: provider,
	})
	s.must(err)
	limiter, err := guard.NewLimiter(nil, log, s.registry, time.Now)
	s.must(err)
	s.api, err = api.New(api.Config{
		Pool: s.db, Log: log, Now: time.Now, Registerer: s.registry, Accounts: s.accounts, Signer: s.signer, Limiter: limiter, Kick: func() {},
		WHIPURL:    func(context.Context, commerce.ShowID) (string, error) { return "", nil },
		RemoteAddr: func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.Header.Get("Test-From")) },
		Sale:       api.Sale{Checkout: sale},
	})
	s.must(err)
	server := httptest.NewServer(s.api.Handler())
	t.Cleanup(server.Close)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = stocks.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	s.url = server.URL + api.Base
	s.show, s.variant = s.newShow(s.mara), commerce.NewID[commerce.VariantID]()
	s.creator("PUT", s.product(), s.wish(4900, units), 200)
	return s
}

// bank is a payment company that nobody asks here.
func bank(t *testing.T) payment.Provider {
	t.Helper()
	client, err := sandbox.NewClient("http://127.0.0.1:9", strings.Repeat("s", guard.MinSecret), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (s *shop) product() string {
	return fmt.Sprintf("/shows/%s/products/%s", s.show, commerce.ProductID(s.variant))
}

func (s *shop) wish(amount, units int) map[string]any {
	return map[string]any{"title": "Copper pan 28 cm", "price": map[string]any{"amount": amount, "currency": "EUR"}, "stock": units, "variant": s.variant}
}

// answer is what a tap is told, in one form for both ways.
type answer struct {
	status int
	body   map[string]any // of a refusal: code, detail and what else it says
	after  time.Duration  // to wait, in whole seconds
}

func (a answer) code() string { code, _ := a.body["code"].(string); return code }

func (s *shop) request(header http.Header, from, method, path string, body any) answer {
	s.t.Helper()
	raw, err := json.Marshal(body)
	s.must(err)
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(raw))
	s.must(err)
	r.Header = header.Clone()
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Test-From", from)
	got, err := http.DefaultClient.Do(r)
	s.must(err)
	defer got.Body.Close()
	raw, err = io.ReadAll(got.Body)
	s.must(err)
	out := answer{status: got.StatusCode}
	_ = json.Unmarshal(raw, &out.body) // a 204 has none
	seconds, _ := strconv.Atoi(got.Header.Get("Retry-After"))
	out.after = time.Duration(seconds) * time.Second
	for _, member := range []string{"type", "title", "status"} {
		if out.status >= 400 {
			delete(out.body, member)
		}
	}
	return out
}

func (s *shop) creator(method, path string, body any, status int) {
	s.t.Helper()
	if got := s.request(cookies(s.mara), "127.0.0.1", method, path, body); got.status != status {
		s.t.Fatalf("%s %s: %+v", method, path, got)
	}
}

// buyer is a guest at an address.
type buyer struct {
	*shop
	subject, from string
	cookie        http.Header
}

func (s *shop) buyer(from string) *buyer {
	subject, cookie := s.guest()
	return &buyer{s, subject, from, cookie}
}

// tap is a tap on Buy, without the show.
type tap struct {
	Hold     commerce.HoldID    `json:"hold"`
	Variant  commerce.VariantID `json:"variant"`
	Quantity int                `json:"quantity"`
	Unit     *int64             `json:"unit,omitempty"`
}

func (s *shop) tap(quantity int) tap {
	return tap{Hold: commerce.NewID[commerce.HoldID](), Variant: s.variant, Quantity: quantity}
}

func (b *buyer) overHTTP(t tap) answer {
	b.t.Helper()
	body := map[string]any{"show": b.show, "variant": t.Variant, "quantity": t.Quantity}
	if t.Unit != nil {
		body["unit"] = *t.Unit
	}
	return b.request(b.cookie, b.from, "PUT", "/holds/"+t.Hold.String(), body)
}

func (b *buyer) inRoom(ctx context.Context, t any) answer {
	b.t.Helper()
	raw, err := json.Marshal(t)
	b.must(err)
	nobody := func(_ context.Context, _ realtime.Caller, name string, _ json.RawMessage) (any, error) {
		return nil, realtime.UnknownCall(name)
	}
	from := realtime.Caller{Room: room(b.show), Identity: realtime.Identity{Subject: b.subject}, Addr: netip.MustParseAddr(b.from), Call: "c"}
	got, err := bridge.Taps(b.api.PutHold, nobody)(ctx, from, api.CallHold, raw)
	var refused *realtime.CallError
	if err != nil && !errors.As(err, &refused) {
		b.t.Fatal(err)
	}
	out := answer{status: http.StatusOK}
	if refused == nil {
		raw, err = json.Marshal(got)
		b.must(err)
		b.must(json.Unmarshal(raw, &out.body))
		return out
	}
	if refused.Data != nil {
		b.must(json.Unmarshal(refused.Data, &out.body))
		status, _ := out.body["status"].(float64)
		out.status = int(status)
		delete(out.body, "status")
	} else {
		out.body, out.status = map[string]any{}, 0
	}
	out.body["code"], out.body["detail"] = refused.Code, refused.Detail
	out.after = (refused.RetryAfter + time.Second - 1).Truncate(time.Second)
	return out
}

// refused taps both ways, as two taps, and wants one refusal.
func (b *buyer) refused(code string, status int, one, other tap) answer {
	b.t.Helper()
	over, in := b.overHTTP(one), b.inRoom(b.t.Context(), other)
	if over.code() != code || over.status != status || !reflect.DeepEqual(over, in) {
		b.t.Errorf("%s: over HTTP %+v, in the room %+v", code, over, in)
	}
	return in
}

func (s *shop) holds() int {
	s.t.Helper()
	return s.count(`select count(*) from hold where state <> 'void'`)
}

// counted is what a metric says.
func (s *shop) counted(name string) string {
	s.t.Helper()
	families, err := s.registry.Gather()
	s.must(err)
	for _, f := range families {
		if f.GetName() == name {
			return f.String()
		}
	}
	return ""
}

// One id is one hold, whichever way it comes, and the answer is the same.
func TestATapByBothWaysIsOneHold(t *testing.T) {
	s := newShop(t, 5, bank(t))
	vic := s.buyer("127.1.0.1")
	for i, ways := range [][2]func(tap) answer{
		{vic.overHTTP, func(t tap) answer { return vic.inRoom(s.t.Context(), t) }},
		{func(t tap) answer { return vic.inRoom(s.t.Context(), t) }, vic.overHTTP},
	} {
		one := s.tap(1)
		first, again := ways[0](one), ways[1](one)
		for _, a := range []answer{first, again} {
			if left, _ := a.body["left_ms"].(float64); a.status >= 300 || left <= 0 {
				t.Fatalf("%+v", a)
			}
			delete(a.body, "left_ms") // which runs
		}
		if !reflect.DeepEqual(first.body, again.body) || s.holds() != i+1 {
			t.Errorf("%d holds: %v, then %v", s.holds(), first.body, again.body)
		}
	}
	// At once, over both.
	one := s.tap(1)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			var a answer
			if i%2 == 0 {
				a = vic.overHTTP(one)
			} else {
				a = vic.inRoom(t.Context(), one)
			}
			if a.status >= 300 || a.body["id"] != one.Hold.String() {
				t.Errorf("%+v", a)
			}
		})
	}
	all.Wait()
	if s.holds() != 3 {
		t.Errorf("%d holds, want 3", s.holds())
	}
	if counted := s.counted("rialto_commerce_api_requests_total"); !strings.Contains(counted, `value:"hold.put"`) || !strings.Contains(counted, `value:"PUT /holds/{hold}"`) {
		t.Errorf("counted: %s", counted)
	}
}

func TestARoomRefusesATapAsHTTPDoes(t *testing.T) {
	s := newShop(t, 12, bank(t))
	vic := s.buyer("127.1.0.1")
	vic.refused("quantity_invalid", 422, s.tap(0), s.tap(0))
	vic.refused("quantity_invalid", 422, s.tap(stock.MaxQuantity+1), s.tap(stock.MaxQuantity+1))
	unknown := tap{commerce.NewID[commerce.HoldID](), commerce.NewID[commerce.VariantID](), 1, nil}
	vic.refused("product_unknown", 404, unknown, unknown)
	cheap, cheaper, unit := s.tap(1), s.tap(1), int64(100)
	cheap.Unit, cheaper.Unit = &unit, &unit
	if r := vic.refused("price_changed", 409, cheap, cheaper); !reflect.DeepEqual(r.body["price"], map[string]any{"amount": 4900.0, "currency": "EUR"}) {
		t.Errorf("%+v", r)
	}
	mine := s.tap(checkout.DefaultCap)
	if r := vic.inRoom(t.Context(), mine); r.body["state"] != "held" {
		t.Fatalf("%+v", r)
	}
	if r := vic.refused("limit_reached", 409, s.tap(1), s.tap(1)); r.body["hold"] != mine.Hold.String() {
		t.Errorf("%+v", r)
	}
	eve, other := s.buyer("127.1.0.2"), mine
	if r := eve.refused("sold_out", 409, s.tap(3), s.tap(3)); r.body["left"] != 2.0 {
		t.Errorf("%+v", r)
	}
	other.Quantity = 1
	eve.refused("hold_conflict", 409, other, other)
	vic.refused("hold_conflict", 409, other, other)
	vic.request(vic.cookie, vic.from, "DELETE", "/holds/"+mine.Hold.String(), nil)
	vic.refused("hold_expired", 410, mine, mine)

	s.creator("PUT", "/shows/"+s.show.String()+"/bans/"+eve.subject, map[string]any{"reason": "rude"}, 200)
	eve.refused("banned", 403, s.tap(1), s.tap(1))
	drop := "/shows/" + s.show.String() + "/drops/" + commerce.NewID[commerce.DropID]().String()
	s.creator("PUT", drop, map[string]any{"variant": s.variant, "opens_at": time.Now().Add(time.Hour)}, 200)
	vic.refused("not_open", 409, s.tap(1), s.tap(1))
	s.creator("POST", "/shows/"+s.show.String()+"/end", nil, 200)
	vic.refused("closed", 409, s.tap(1), s.tap(1))
	s.redis.Kill() // Postgres says the same alone
	vic.refused("closed", 409, s.tap(1), s.tap(1))
	if n := s.count(`select count(*) from hold where state = 'held'`); n != 0 {
		t.Errorf("%d holds of those that were refused", n)
	}
}

func TestNothingToPayWithInARoom(t *testing.T) {
	s := newShop(t, 1, payment.NotConfigured{})
	s.buyer("127.1.0.1").refused("payments_not_configured", 503, s.tap(1), s.tap(1))
}

// A socket makes no guest of anybody, and what is no tap never comes to the shop.
func TestWhoMayTapInARoomAndWhatATapIs(t *testing.T) {
	s := newShop(t, 1, bank(t))
	vic, nobody := s.buyer("127.1.0.1"), s.buyer("127.1.0.1")
	nobody.subject = ""
	if r := nobody.inRoom(t.Context(), s.tap(1)); r.code() != "no_identity" || r.status != 401 {
		t.Errorf("nobody: %+v", r)
	}
	good := s.tap(1)
	for name, bad := range map[string]any{
		"nothing": nil, "a word": "buy", "no hold": map[string]any{"variant": good.Variant, "quantity": 1}, "no variant": map[string]any{"hold": good.Hold, "quantity": 1},
		"another id":        map[string]any{"hold": good.Variant, "variant": good.Variant, "quantity": 1},
		"half a pan":        map[string]any{"hold": good.Hold, "variant": good.Variant, "quantity": 0.5},
		"a show of its own": map[string]any{"hold": good.Hold, "variant": good.Variant, "quantity": 1, "show": s.newShow(s.mara)},
	} {
		if r := vic.inRoom(t.Context(), bad); r.code() != realtime.CallInvalid || r.status != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if s.holds() != 0 {
		t.Errorf("%d holds", s.holds())
	}
}

// What one address may do counts by both ways together.
func TestAnAddressIsLimitedByBothWays(t *testing.T) {
	s := newShop(t, 200, bank(t))
	// A person is anew whoever throws their cookies away.
	held := 0
	for i := range stock.MaxPerSource {
		b, a := s.buyer("2001:db8::1"), answer{}
		if i%2 == 0 {
			a = b.overHTTP(s.tap(1))
		} else {
			b.from = "2001:db8::2" // the same household
			a = b.inRoom(t.Context(), s.tap(1))
		}
		if a.status < 300 {
			held++
		}
	}
	if held != stock.MaxPerSource {
		t.Fatalf("%d holds of one address, want %d", held, stock.MaxPerSource)
	}
	s.buyer("2001:db8::3").refused("limit_reached", 409, s.tap(1), s.tap(1))
	if a := s.buyer("127.1.0.9").inRoom(t.Context(), s.tap(1)); a.status >= 300 {
		t.Errorf("another address: %+v", a)
	}
	// And how often it may tap, whatever comes of it.
	hasty := s.buyer("127.1.0.1")
	over, in := "", ""
	for range 400 {
		if over = hasty.overHTTP(s.tap(0)).code(); over == "too_many_attempts" {
			break
		}
	}
	for range 20 { // one more is let in each tenth of a second
		if in = hasty.inRoom(t.Context(), s.tap(0)).code(); in == "too_many_attempts" {
			break
		}
	}
	if over != "too_many_attempts" || in != "too_many_attempts" {
		t.Errorf("over HTTP %q, in the room %q", over, in)
	}
	if a := s.buyer("127.1.0.2").inRoom(t.Context(), s.tap(0)); a.code() != "quantity_invalid" {
		t.Errorf("another address: %+v", a)
	}
}

// A tap that waits for Postgres for longer than its page's call may take goes on: the same id finds its hold.
func TestATapThatIsCutOffIsNotLost(t *testing.T) {
	s := newShop(t, 1, bank(t))
	vic, one := s.buyer("127.1.0.1"), s.tap(1)
	tx, err := s.db.Begin(t.Context())
	s.must(err)
	if _, err := tx.Exec(t.Context(), `select 1 from pool where show = $1 for update`, s.show); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if r := vic.inRoom(ctx, one); r.code() != "interrupted" || r.status != 503 || r.after <= 0 {
		t.Errorf("cut off: %+v", r)
	}
	s.must(tx.Rollback(t.Context()))
	if r := vic.overHTTP(one); r.status >= 300 || r.body["state"] != "held" {
		t.Errorf("asked again: %+v", r)
	}
	if s.holds() != 1 {
		t.Errorf("%d holds", s.holds())
	}
	s.buyer("127.1.0.2").refused("sold_out", 409, s.tap(1), s.tap(1))
}
