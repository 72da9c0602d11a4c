package bridge_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/cmd/rialto/bridge"
	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/whip"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

const patience = 30 * time.Second

// world is a database with a creator, and the door to it.
type world struct {
	t        *testing.T
	db       *pgxpool.Pool
	signer   *guard.Signer
	accounts *account.Service
	door     bridge.Door
	mara     account.Session
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: schematest.Pool(t)}
	var err error
	w.signer, err = guard.NewSigner(time.Now, strings.Repeat("s", guard.MinSecret))
	w.must(err)
	log, registry := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	limiter, err := guard.NewLimiter(nil, log, registry, time.Now)
	w.must(err)
	w.accounts = account.New(w.db, account.NewHasher(), nil)
	a, err := api.New(api.Config{
		Pool: w.db, Log: log, Now: time.Now, Registerer: registry, Accounts: w.accounts, Signer: w.signer, Limiter: limiter, Kick: func() {},
		WHIPURL:    func(context.Context, commerce.ShowID) (string, error) { return "", nil },
		RemoteAddr: func(*http.Request) netip.Addr { return netip.Addr{} },
	})
	w.must(err)
	w.door = bridge.Door{Pool: w.db, Signer: w.signer, Identify: a.Identify}
	w.mara = w.signUp("mara", account.Creator)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	w.must(w.db.QueryRow(w.t.Context(), sql, args...).Scan(&n))
	return n
}

func (w *world) signUp(name string, roles ...account.Role) account.Session {
	w.t.Helper()
	s, err := w.accounts.SignUp(w.t.Context(), account.NewAccount{
		ID: commerce.NewID[commerce.AccountID](), Email: name + "@example.com", Name: name, Password: "market-on-a-bridge", Roles: roles,
	})
	w.must(err)
	return s
}

// tx runs one transaction.
func (w *world) tx(do func(ctx context.Context, tx pgx.Tx, now time.Time) error) {
	w.t.Helper()
	w.must(schema.InTx(w.t.Context(), w.db, do))
}

func (w *world) newShow(by account.Session) (id commerce.ShowID) {
	w.t.Helper()
	id = commerce.NewID[commerce.ShowID]()
	w.tx(func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		_, _, err := show.Save(ctx, tx, now, by.Account, show.Edit{ID: id, Title: "Mara's kitchen"})
		return err
	})
	return id
}

// on runs a workflow on a locked show.
func (w *world) on(id commerce.ShowID, do func(ctx context.Context, tx pgx.Tx, s show.Show) error) {
	w.t.Helper()
	w.tx(func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		s, err := show.Lock(ctx, tx, id)
		if err != nil {
			return err
		}
		return do(ctx, tx, s)
	})
}

func (w *world) rotate(id commerce.ShowID) (key string) {
	w.t.Helper()
	w.on(id, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		k, err := show.RotateKey(ctx, tx, s)
		key = k.Secret
		return err
	})
	return key
}

func (w *world) end(id commerce.ShowID) {
	w.t.Helper()
	w.on(id, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		_, err := show.End(ctx, tx, s)
		return err
	})
}

func (w *world) sell(id commerce.ShowID, units int) (product commerce.ProductID) {
	w.t.Helper()
	product = commerce.NewID[commerce.ProductID]()
	w.on(id, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		_, _, err := checkout.PutProduct(ctx, tx, s, catalog.Edit{
			ID: product, Owner: w.mara.Account.ID, Title: "Copper pan 28 cm",
			Variants: []catalog.Variant{{ID: commerce.NewID[commerce.VariantID](), Amount: 4900, Currency: "EUR"}},
		}, units)
		return err
	})
	return product
}

// ticket signs what the API would, or what it never would.
func (w *world) ticket(c guard.Claims) string {
	w.t.Helper()
	if c.Kind == "" {
		c.Kind = guard.Publish
	}
	if c.Expires == 0 {
		c.Expires = time.Now().Add(time.Minute).Unix()
	}
	token, err := w.signer.Sign(c)
	w.must(err)
	return token
}

func (w *world) studio(by account.Session, id commerce.ShowID) string {
	w.t.Helper()
	return w.ticket(guard.Claims{Subject: by.Account.ID.String(), Session: by.ID.String(), Show: id.String()})
}

func cookies(of account.Session) http.Header {
	return http.Header{"Cookie": {api.SessionCookie + "=" + of.Secret}}
}

// guest is a visitor with a cookie of ours and no account.
func (w *world) guest() (subject string, header http.Header) {
	w.t.Helper()
	subject = commerce.NewID[commerce.GuestID]().String()
	token := w.ticket(guard.Claims{Kind: guard.Guest, Subject: subject})
	return subject, http.Header{"Cookie": {api.GuestCookie + "=" + token}}
}

func publish(id commerce.ShowID, bearer string) whip.Request {
	return whip.Request{Stream: stream(id), Action: whip.Publish, Bearer: bearer, Header: http.Header{}}
}

func watch(id commerce.ShowID, header http.Header) whip.Request {
	return whip.Request{Stream: stream(id), Action: whip.Watch, Header: header}
}

func stream(id commerce.ShowID) media.StreamID { return media.StreamID(id.String()) }
