package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/chain"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment/sandbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

const patience = 60 * time.Second

// world is the whole of commerce on one node, over HTTP.
type world struct {
	t        *testing.T
	db       *pgxpool.Pool
	redis    *embeddedtest.RedisServer
	stock    *stock.Service
	checkout *checkout.Service
	web      *httptest.Server
	show     commerce.ShowID
	variant  commerce.VariantID
}

func newWorld(t *testing.T, units int, change ...func(*stock.Config)) *world {
	t.Helper()
	w := &world{t: t, db: schematest.Pool(t), redis: embeddedtest.NewRedisServer(t)}
	options, err := redis.ParseURL(w.redis.URL())
	w.must(err)
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	log := slog.New(slog.DiscardHandler)
	w.must(sandbox.Migrate(t.Context(), w.db))
	bank, err := sandbox.Handler(sandbox.Config{Pool: w.db, Secret: "a secret of this test", Log: log, Now: time.Now})
	w.must(err)
	company := httptest.NewServer(bank)
	t.Cleanup(company.Close)
	provider, err := sandbox.NewClient(company.URL, "a secret of this test", "", 0)
	w.must(err)

	settings := stock.Config{Pool: w.db, Redis: client, Log: log, Registerer: prometheus.NewRegistry()}
	for _, f := range change {
		f(&settings)
	}
	w.stock, err = stock.New(settings)
	w.must(err)
	var kick func(...string)
	w.checkout, err = checkout.New(checkout.Config{
		Pool: w.db, Stock: w.stock, Provider: provider, Vault: provider, Name: sandbox.Name, Log: log, Registerer: prometheus.NewRegistry(),
		Kick: func(kinds ...string) { kick(kinds...) },
	})
	w.must(err)
	handlers := w.checkout.Handlers()
	handlers[outbox.KindEvent] = func(context.Context, outbox.Message) error { return nil }
	handlers[outbox.KindControl] = handlers[outbox.KindEvent]
	dispatcher, err := outbox.New(outbox.Config{Pool: w.db, Log: log, Registerer: prometheus.NewRegistry(), Handlers: handlers, AtOnce: w.checkout.AtOnce()})
	w.must(err)
	kick = dispatcher.Kick
	for _, run := range []func(context.Context) error{w.stock.Run, w.checkout.Run, dispatcher.Run} {
		w.background(run)
	}
	w.serve(log, client, func() { kick() })
	w.sell(units)
	return w
}

func (w *world) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && ctx.Err() == nil {
			w.t.Error(err)
		}
	})
}

func (w *world) serve(log *slog.Logger, client *redis.Client, kick func()) {
	signer, err := guard.NewSigner(time.Now, strings.Repeat("s", guard.MinSecret))
	w.must(err)
	limiter, err := guard.NewLimiter(client, log, prometheus.NewRegistry(), time.Now)
	w.must(err)
	a, err := api.New(api.Config{
		Pool: w.db, Log: log, Now: time.Now, Registerer: prometheus.NewRegistry(), Accounts: account.New(w.db, account.NewHasher(), kick),
		Signer: signer, Limiter: limiter, Kick: kick,
		WHIPURL: func(context.Context, commerce.ShowID) (string, error) { return "http://localhost/whip", nil },
		RemoteAddr: func(r *http.Request) netip.Addr {
			return netip.MustParseAddr(r.Header.Get("Test-Address")) // each buyer taps from a place of their own
		},
		Sale: api.Sale{Checkout: w.checkout},
	})
	w.must(err)
	w.web = httptest.NewServer(a.Handler())
	w.t.Cleanup(w.web.Close)
}

func (w *world) sell(units int) {
	creator := account.Account{ID: commerce.NewID[commerce.AccountID](), Roles: []account.Role{account.Creator}}
	w.exec(`insert into account (id, email, name, roles, password_hash) values ($1, 'mara@example.com', 'Mara', '{creator}', 'x')`, creator.ID)
	w.show, w.variant = commerce.NewID[commerce.ShowID](), commerce.NewID[commerce.VariantID]()
	w.must(schema.InTx(w.t.Context(), w.db, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		s, _, err := show.Save(ctx, tx, now, creator, show.Edit{ID: w.show, Title: "Mara's kitchen"})
		if err != nil {
			return err
		}
		_, _, err = checkout.PutProduct(ctx, tx, s, catalog.Edit{
			ID: commerce.NewID[commerce.ProductID](), Owner: creator.ID, Title: "Copper pan 28 cm",
			Variants: []catalog.Variant{{ID: w.variant, Amount: 4900, Currency: "EUR"}},
		}, units)
		return err
	}))
}

// home is where the buyers live.
func home() map[string]any {
	return map[string]any{"name": "Vic Rossi", "line1": "Via del Ponte 4", "line2": "", "city": "Venezia", "region": "", "postcode": "30124", "country": "IT"}
}

// buyer is one browser at one address.
type buyer struct {
	w       *world
	client  http.Client
	address string
}

func (w *world) buyer(n int) *buyer {
	jar, err := cookiejar.New(nil)
	w.must(err)
	b := &buyer{w: w, client: http.Client{Jar: jar, Transport: w.web.Client().Transport}, address: fmt.Sprintf("127.1.%d.%d", n/250, n%250+1)}
	if status, _, err := b.do(http.MethodGet, "/me", nil); err != nil || status != http.StatusOK {
		w.t.Fatalf("me: %d %v", status, err)
	}
	return b
}

// do makes one request, and answers the problem's code if it is one.
func (b *buyer) do(method, path string, body any) (status int, code string, err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return 0, "", err
		}
	}
	req, err := http.NewRequest(method, b.w.web.URL+api.Base+path, bytes.NewReader(text))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Test-Address", b.address)
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", err
	}
	var problem struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(answer, &problem) // an answer without a code is no problem
	return resp.StatusCode, problem.Code, nil
}

// until repeats a request as a page does, while it is told to come again.
func (b *buyer) until(method, path string, body any) (status int, code string, err error) {
	deadline, tick := time.Now().Add(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		status, code, err = b.do(method, path, body)
		if err != nil || status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests || time.Now().After(deadline) {
			return status, code, err
		}
		<-tick.C
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.db.Exec(context.Background(), sql, args...)
	w.must(err)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// clean runs the program's own check, when all is sealed.
func (w *world) clean() {
	w.t.Helper()
	w.must((&chain.Sealer{Pool: w.db}).Look(w.t.Context()))
	var out strings.Builder
	breaches, err := Run(w.t.Context(), w.db, w.stock, &out)
	if err != nil || breaches != 0 {
		w.t.Fatalf("%d breaches, %v\n%s", breaches, err, out.String())
	}
}

// captured waits until the money of so many orders has been taken.
func (w *world) captured(want int) {
	w.t.Helper()
	deadline, tick := time.Now().Add(patience), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for got := -1; ; <-tick.C {
		w.must(w.db.QueryRow(w.t.Context(), `select count(*) from payment where state = 'captured'`).Scan(&got))
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d of %d orders were captured", got, want)
		}
	}
}
