package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/payment/sandbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

const (
	patience = 30 * time.Second
	secret   = "sandbox-secret-of-this-test"

	good    = "4242 4242 4242 4242"
	bad     = "4000 0000 0000 0002"
	broke   = "4000 0000 0000 9995"
	errors5 = "4000 0000 0000 0119"
	silent  = "4000 0000 0000 0341"
)

// world is one show with one product, and a sandbox that pays for it.
type world struct {
	t       *testing.T
	db      *pgxpool.Pool
	redis   *embeddedtest.RedisServer
	creator account.Account
	show    commerce.ShowID
	variant commerce.VariantID
	product commerce.ProductID
	sandbox *httptest.Server
	calls   atomic.Int64 // requests that the sandbox has seen
}

func newWorld(t *testing.T, units int) *world {
	t.Helper()
	w := &world{t: t, db: schematest.Pool(t), redis: embeddedtest.NewRedisServer(t)}
	if err := sandbox.Migrate(t.Context(), w.db); err != nil {
		t.Fatal(err)
	}
	handler, err := sandbox.Handler(sandbox.Config{Pool: w.db, Secret: secret, Log: slog.New(slog.DiscardHandler), Now: time.Now, Mum: patience})
	if err != nil {
		t.Fatal(err)
	}
	w.sandbox = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.calls.Add(1)
		handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.sandbox.Close)
	t.Cleanup(w.sandbox.CloseClientConnections)
	w.creator = account.Account{ID: commerce.NewID[commerce.AccountID](), Name: "Mara", Roles: []account.Role{account.Creator}}
	w.exec(`insert into account (id, email, name, roles, password_hash) values ($1, 'mara@example.com', 'Mara', '{creator}', 'x')`, w.creator.ID)
	w.show, w.product, w.variant = commerce.NewID[commerce.ShowID](), commerce.NewID[commerce.ProductID](), commerce.NewID[commerce.VariantID]()
	w.put(w.show, 4900, units)
	return w
}

// put makes a show of the creator when there is none, and puts the product on sale in it.
func (w *world) put(id commerce.ShowID, amount int64, units int) []commerce.PoolID {
	w.t.Helper()
	pools, err := w.tryPut(id, amount, units)
	if err != nil {
		w.t.Fatal(err)
	}
	return pools
}

func (w *world) tryPut(id commerce.ShowID, amount int64, units int) (pools []commerce.PoolID, err error) {
	err = schema.InTx(w.t.Context(), w.db, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		s, _, err := show.Save(ctx, tx, now, w.creator, show.Edit{ID: id, Title: "Mara's kitchen"})
		if err != nil {
			return err
		}
		_, pools, err = PutProduct(ctx, tx, s, catalog.Edit{
			ID: w.product, Owner: w.creator.ID, Title: "Copper pan 28 cm",
			Variants: []catalog.Variant{{ID: w.variant, Amount: amount, Currency: "EUR"}},
		}, units)
		return err
	})
	return pools, err
}

// service is one node's checkout and stock.
func (w *world) service(change ...func(*stock.Config, *Config)) *Service {
	w.t.Helper()
	options, err := redis.ParseURL(w.redis.URL())
	if err != nil {
		w.t.Fatal(err)
	}
	client := redis.NewClient(options)
	log := slog.New(slog.DiscardHandler)
	stocks := stock.Config{Pool: w.db, Redis: client, Log: log, Registerer: prometheus.NewRegistry(), Barred: community.BarredSQL}
	provider, err := sandbox.NewClient(w.sandbox.URL, secret, "", time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	c := Config{Pool: w.db, Provider: provider, Vault: provider, Name: sandbox.Name, Log: log, Registerer: prometheus.NewRegistry(), Kick: func(...string) {}}
	for _, f := range change {
		f(&stocks, &c)
	}
	if c.Stock, err = stock.New(stocks); err != nil {
		w.t.Fatal(err)
	}
	s, err := New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Stock.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
		_ = client.Close()
	})
	return s
}

func (w *world) hold(s *Service, buyer string) Held {
	w.t.Helper()
	h, err := s.Hold(w.t.Context(), w.tap(buyer))
	if err != nil {
		w.t.Fatalf("hold: %v", err)
	}
	return h
}

func (w *world) tap(buyer string) HoldRequest {
	return HoldRequest{ID: commerce.NewID[commerce.HoldID](), Show: w.show, Variant: w.variant, Buyer: buyer, Quantity: 1}
}

func payFor(h Held, number string) PayRequest {
	return PayRequest{
		Order: commerce.NewID[commerce.OrderID](), Hold: h.ID, Buyer: h.Buyer, Email: "vic@example.com", Name: "Vic",
		Card:     payment.Card{Number: number, ExpMonth: 12, ExpYear: time.Now().Year() + 2, CVC: "123"},
		Delivery: delivery.Address{Name: "Vic Rossi", Line1: "Via del Ponte 4", City: "Venezia", Postcode: "30124", Country: "IT"},
	}
}

func (w *world) paid(s *Service, r PayRequest) order.Order {
	w.t.Helper()
	o, _, err := s.Pay(w.t.Context(), r)
	if err != nil {
		w.t.Fatalf("pay: %v", err)
	}
	return o
}

func (w *world) notPaid(s *Service, r PayRequest, want error) {
	w.t.Helper()
	if o, _, err := s.Pay(w.t.Context(), r); !errors.Is(err, want) {
		w.t.Fatalf("pay: %s, %v; want %v", o.State, err, want)
	}
}

// deliver does what the outbox's dispatcher does, once for each effect that is not done. It may be called
// again and again, like effects are.
func (w *world) deliver(s *Service) {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), `select kind, ref, payload from outbox where lane = 'effect' order by id`)
	if err != nil {
		w.t.Fatal(err)
	}
	var m outbox.Message
	var all []outbox.Message
	if _, err := pgx.ForEachRow(rows, []any{&m.Kind, &m.ID, &m.Data}, func() error {
		all = append(all, m)
		m.Data = nil
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	for _, m := range all {
		if err := s.Handlers()[m.Kind](w.t.Context(), m); err != nil {
			w.t.Fatalf("%s %s: %v", m.Kind, m.ID, err)
		}
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	if err := w.db.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// states is one line about everything of an order.
func (w *world) states(id commerce.OrderID) (line string) {
	w.t.Helper()
	err := w.db.QueryRow(context.Background(), `
		select o.state || ' ' || p.state || ' ' || h.state from orders o join payment p on p.order_id = o.id join hold h on h.id = o.hold where o.id = $1`, id).
		Scan(&line)
	if errors.Is(err, pgx.ErrNoRows) {
		return "none"
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return line
}

func (w *world) expect(id commerce.OrderID, want string) {
	w.t.Helper()
	if got := w.states(id); got != want {
		w.t.Fatalf("order, payment and hold are %q, want %q", got, want)
	}
}

func (w *world) eventually(what string, done func() bool) {
	w.t.Helper()
	deadline, tick := time.Now().Add(patience), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !done() {
		if time.Now().After(deadline) {
			w.t.Fatal(fmt.Sprint(what, ": never came to be"))
		}
		<-tick.C
	}
}
