package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/payment/sandbox"
	"github.com/rialto-live/rialto/commerce/stock"
)

// shop is a site that sells: one show with one product.
type shop struct {
	*site
	creator       *browser
	show          string
	product       commerce.ProductID
	variant       commerce.VariantID
	store         *miniredis.Miniredis
	holdFor       time.Duration
	notConfigured bool
	room          api.Room
	version       string
}

func newShop(t *testing.T, units int, change ...func(*shop)) *shop {
	t.Helper()
	w := &shop{product: commerce.NewID[commerce.ProductID](), variant: commerce.NewID[commerce.VariantID](), store: miniredis.RunT(t)}
	for _, f := range change {
		f(w)
	}
	w.site = newSite(t, func(c *api.Config) {
		c.Sale, c.Room, c.Version = api.Sale{Checkout: w.checkout(t, c)}, w.room, w.version
	})
	w.creator, _ = w.signUp("mara", "creator")
	w.show = w.creator.newShow()
	w.creator.want(200, "", "PUT", w.path(), w.wish(4900, units))
	return w
}

func (w *shop) checkout(t *testing.T, c *api.Config) *checkout.Service {
	client := redis.NewClient(&redis.Options{Addr: w.store.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	log := slog.New(slog.DiscardHandler)
	stocks, err := stock.New(stock.Config{Pool: c.Pool, Redis: client, Log: log, Registerer: prometheus.NewRegistry(), HoldFor: w.holdFor, Barred: community.BarredSQL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- stocks.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	config := checkout.Config{
		Pool: c.Pool, Stock: stocks, Name: sandbox.Name, Log: log, Registerer: prometheus.NewRegistry(), Kick: func(...string) {},
		Provider: payment.NotConfigured{}, Vault: payment.NotConfigured{},
	}
	if !w.notConfigured {
		client := company(t, c)
		config.Provider, config.Vault = client, client
	}
	s, err := checkout.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// company is a sandbox on a port.
func company(t *testing.T, c *api.Config) *sandbox.Client {
	t.Helper()
	if err := sandbox.Migrate(t.Context(), c.Pool); err != nil {
		t.Fatal(err)
	}
	handler, err := sandbox.Handler(sandbox.Config{Pool: c.Pool, Secret: secret, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client, err := sandbox.NewClient(server.URL, secret, "", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (w *shop) path() string { return "/shows/" + w.show + "/products/" + w.product.String() }

func (w *shop) wish(amount, units int) map[string]any {
	return map[string]any{"title": "Copper pan 28 cm", "description": "Heavy.", "price": map[string]any{"amount": amount, "currency": "EUR"}, "stock": units, "variant": w.variant}
}

func (w *shop) hold(quantity int) map[string]any {
	return map[string]any{"show": w.show, "variant": w.variant, "quantity": quantity}
}

func pay(hold, number string) map[string]any {
	return map[string]any{"hold": hold, "email": "vic@example.com", "name": "Vic", "delivery": address(),
		"card": map[string]any{"number": number, "exp_month": 12, "exp_year": time.Now().Year() + 1, "cvc": "123"}}
}

func newHold() string  { return commerce.NewID[commerce.HoldID]().String() }
func newOrder() string { return commerce.NewID[commerce.OrderID]().String() }

func TestBuyOverHTTP(t *testing.T) {
	w := newShop(t, 3)
	guest, hold := w.browser(), newHold()
	r := guest.want(201, "", "PUT", "/holds/"+hold, w.hold(2))
	if r.body["title"] != "Copper pan 28 cm" || r.body["total"].(map[string]any)["amount"] != 9800.0 || r.body["left_ms"].(float64) <= 0 || r.body["state"] != "held" {
		t.Fatalf("%s", r.raw)
	}
	guest.want(200, "", "PUT", "/holds/"+hold, w.hold(2))
	guest.want(409, "hold_conflict", "PUT", "/holds/"+hold, w.hold(1))
	stranger := w.browser()
	stranger.want(409, "hold_conflict", "PUT", "/holds/"+hold, w.hold(1))
	stranger.want(404, "hold_unknown", "GET", "/holds/"+hold, nil)
	stranger.want(404, "hold_unknown", "DELETE", "/holds/"+hold, nil)
	stranger.want(404, "hold_unknown", "PUT", "/orders/"+newOrder(), pay(hold, "4242424242424242"))

	if r := stranger.want(409, "sold_out", "PUT", "/holds/"+newHold(), w.hold(2)); r.body["left"] != 1.0 {
		t.Errorf("%s", r.raw)
	}
	order := newOrder()
	r = guest.want(201, "", "PUT", "/orders/"+order, pay(hold, "4242 4242 4242 4242"))
	link := r.body["link"].(string)
	if r.body["receipt"] == nil || r.body["email"] != "vic@example.com" || strings.Contains(string(r.raw), "4242 4242") {
		t.Fatalf("%s", r.raw)
	}
	guest.want(200, "", "PUT", "/orders/"+order, pay(hold, "4242 4242 4242 4242"))
	guest.want(200, "", "GET", "/orders/"+order, nil)
	stranger.want(404, "order_unknown", "GET", "/orders/"+order, nil)
	stranger.want(404, "order_unknown", "GET", "/orders/"+order+"?link=nonsense", nil)
	stranger.want(200, "", "GET", link, nil)
	guest.want(409, "order_conflict", "PUT", "/orders/"+newOrder(), pay(hold, "4242 4242 4242 4242"))
	guest.want(409, "hold_busy", "DELETE", "/holds/"+hold, nil)

	r = w.creator.want(200, "", "GET", "/shows/"+w.show+"/sales", nil)
	if r.body["sold"] != 2.0 || r.body["held"] != 0.0 || r.body["revenue"].(map[string]any)["amount"] != 9800.0 || len(r.body["orders"].([]any)) != 1 {
		t.Errorf("%s", r.raw)
	}
	if strings.Contains(string(r.raw), "vic@example.com") {
		t.Error("the creator is told the buyer's address")
	}
	other, _ := w.signUp("eve", "creator")
	other.want(403, "forbidden", "GET", "/shows/"+w.show+"/sales", nil)
	guest.want(401, "signed_out", "GET", "/shows/"+w.show+"/sales", nil)
}

func TestCardsOverHTTP(t *testing.T) {
	w := newShop(t, 1)
	guest, hold := w.browser(), newHold()
	guest.want(201, "", "PUT", "/holds/"+hold, w.hold(1))
	declined := newOrder()
	for range 2 {
		r := guest.want(402, "card_declined", "PUT", "/orders/"+declined, pay(hold, "4000000000000002"))
		if r.body["expires_at"] == nil || r.body["left_ms"].(float64) <= 0 || r.body["reason"] != "card_declined" {
			t.Fatalf("%s", r.raw)
		}
	}
	guest.want(402, "card_invalid", "PUT", "/orders/"+newOrder(), pay(hold, "4242424242424241"))
	both, neither, token := pay(hold, "4242424242424242"), pay(hold, ""), pay(hold, "")
	delete(neither, "card")
	delete(token, "card")
	both["token"], token["token"] = "tok_1", "tok_1"
	guest.want(422, "card_invalid", "PUT", "/orders/"+newOrder(), both)
	guest.want(422, "card_invalid", "PUT", "/orders/"+newOrder(), neither)
	guest.want(402, "card_invalid", "PUT", "/orders/"+newOrder(), token) // cards are typed here
	if me := guest.want(200, "", "GET", "/me", nil); me.body["provider"] != "sandbox" || me.body["card_key"] != "" {
		t.Errorf("%s", me.raw)
	}
	noMail := pay(hold, "4242424242424242")
	noMail["email"] = "nobody"
	guest.want(422, "email_invalid", "PUT", "/orders/"+newOrder(), noMail)
	lost := newOrder()
	if r := guest.want(503, "payment_unavailable", "PUT", "/orders/"+lost, pay(hold, "4000000000000119")); r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	guest.want(200, "", "PUT", "/orders/"+lost, pay(hold, "4000000000000119"))
}

func TestRefusalsOverHTTP(t *testing.T) {
	w := newShop(t, 20)
	guest := w.browser()
	for _, quantity := range []int{0, -1, stock.MaxQuantity + 1} {
		guest.want(422, "quantity_invalid", "PUT", "/holds/"+newHold(), w.hold(quantity))
	}
	guest.want(422, "invalid", "PUT", "/holds/hld_nonsense", w.hold(1))
	unknown := w.hold(1)
	unknown["variant"] = commerce.NewID[commerce.VariantID]()
	guest.want(404, "product_unknown", "PUT", "/holds/"+newHold(), unknown)
	mine := newHold()
	guest.want(201, "", "PUT", "/holds/"+mine, w.hold(checkout.DefaultCap))
	if r := guest.want(409, "limit_reached", "PUT", "/holds/"+newHold(), w.hold(1)); r.body["hold"] != mine {
		t.Errorf("%s", r.raw)
	}
	guest.want(204, "", "DELETE", "/holds/"+mine, nil)
	guest.want(204, "", "DELETE", "/holds/"+mine, nil)
	guest.want(410, "hold_expired", "PUT", "/orders/"+newOrder(), pay(mine, "4242424242424242"))
	guest.want(413, "body_too_large", "PUT", "/orders/"+newOrder(), strings.Repeat(" ", 17<<10)+"{}")

	me := guest.want(200, "", "GET", "/me", nil).body["subject"].(string)
	w.creator.want(200, "", "PUT", "/shows/"+w.show+"/bans/"+me, map[string]any{"reason": "rude"})
	guest.want(403, "banned", "PUT", "/holds/"+newHold(), w.hold(1))
	w.creator.want(200, "", "POST", "/shows/"+w.show+"/end", nil)
	w.browser().want(409, "closed", "PUT", "/holds/"+newHold(), w.hold(1))
	w.store.SetError("LOADING") // Postgres says the same alone
	w.browser().want(409, "closed", "PUT", "/holds/"+newHold(), w.hold(1))
	w.store.SetError("")
}

// More taps than Postgres takes alone while Redis is away, and no Postgres: whoever is refused is told when to come again.
func TestStoresThatAreAway(t *testing.T) {
	w := newShop(t, 1)
	for code, err := range map[string]error{
		"stock_unavailable": fmt.Errorf("%w: %w: the pace", stock.ErrUnavailable, stock.ErrGate),
		"unavailable":       fmt.Errorf("%w: %w", stock.ErrUnavailable, &net.OpError{Op: "dial", Err: errors.New("refused")}),
	} {
		if p := w.api.Translate(t.Context(), err); p.Status != http.StatusServiceUnavailable || p.Code != code || p.RetryAfter <= 0 {
			t.Errorf("%v is %+v, want %s", err, p, code)
		}
	}
}

func TestExpiredHoldOverHTTP(t *testing.T) {
	w := newShop(t, 1, func(w *shop) { w.holdFor = 200 * time.Millisecond })
	guest, hold := w.browser(), newHold()
	guest.want(201, "", "PUT", "/holds/"+hold, w.hold(1))
	deadline, tick := time.Now().Add(30*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for guest.do("GET", "/holds/"+hold, nil).body["state"] != "expired" {
		if <-tick.C; time.Now().After(deadline) {
			t.Fatal("the hold never expired")
		}
	}
	guest.want(410, "hold_expired", "PUT", "/orders/"+newOrder(), pay(hold, "4242424242424242"))
}

func TestNothingToPayWith(t *testing.T) {
	w := newShop(t, 1, func(w *shop) { w.notConfigured = true })
	guest := w.browser()
	if r := guest.want(200, "", "GET", "/me", nil); r.body["payments"] != false || r.body["provider"] != "none" {
		t.Errorf("%s", r.raw)
	}
	guest.want(503, "payments_not_configured", "PUT", "/holds/"+newHold(), w.hold(1))
}

func TestProductsOverHTTP(t *testing.T) {
	w := newShop(t, 5)
	w.creator.want(204, "", "PUT", "/shows/"+w.show+"/pin", map[string]any{"product": w.product})
	r := w.browser().want(200, "", "GET", "/shows/"+w.show+"/products", nil)
	products := r.body["products"].([]any)
	variant := products[0].(map[string]any)["variants"].([]any)[0].(map[string]any)
	if len(products) != 1 || variant["left"] != 5.0 || variant["on_hand"] != 5.0 || variant["id"] != w.variant.String() || r.body["pinned"] != w.product.String() || r.body["version"].(float64) <= 0 {
		t.Fatalf("%s", r.raw)
	}
	w.browser().want(404, "show_unknown", "GET", "/shows/"+commerce.NewID[commerce.ShowID]().String()+"/products", nil)

	guest := w.browser()
	guest.want(201, "", "PUT", "/holds/"+newHold(), w.hold(2))
	w.creator.want(422, "quantity_invalid", "PUT", w.path(), w.wish(4900, 1))
	w.creator.want(422, "price_invalid", "PUT", w.path(), w.wish(0, 5))
	w.browser().want(401, "signed_out", "PUT", w.path(), w.wish(4900, 5))
	other, _ := w.signUp("eve", "creator")
	other.want(403, "forbidden", "PUT", w.path(), w.wish(1, 5))
	theirs := other.newShow()
	other.want(403, "forbidden", "PUT", "/shows/"+theirs+"/products/"+w.product.String(), w.wish(1, 5)) // somebody else's product
	w.creator.want(200, "", "PUT", w.path(), w.wish(5900, 7))
	if r := guest.want(201, "", "PUT", "/holds/"+newHold(), w.hold(1)); r.body["unit"].(map[string]any)["amount"] != 5900.0 {
		t.Errorf("%s", r.raw)
	}
	w.creator.want(200, "", "POST", "/shows/"+w.show+"/end", nil)
	w.creator.want(409, "show_ended", "PUT", w.path(), w.wish(4900, 9))
}
