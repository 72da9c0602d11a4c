package drop_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/drop"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

const patience = 60 * time.Second

// stage is a show of a creator, which a brand may stock and has stocked.
type stage struct {
	*testing.T
	db          *pgxpool.Pool
	mara, ponte account.Account
	show        commerce.ShowID
	variant     commerce.VariantID
}

func newStage(t *testing.T, units int) *stage {
	s := &stage{T: t, db: schematest.Pool(t)}
	s.mara, s.ponte = s.account("mara", account.Creator), s.account("ponte", account.Brand)
	s.show = s.newShow()
	s.variant = s.put(units)
	return s
}

func (s *stage) account(name string, role account.Role) account.Account {
	s.Helper()
	a := account.Account{ID: commerce.NewID[commerce.AccountID](), Roles: []account.Role{role}}
	_, err := s.db.Exec(s.Context(), `insert into account (id, email, name, roles, password_hash) values ($1, $2, $3, $4, 'none')`,
		a.ID, name+"@example.com", name, a.Roles)
	s.must(err)
	return a
}

func (s *stage) newShow() commerce.ShowID {
	s.Helper()
	id := commerce.NewID[commerce.ShowID]()
	s.must(s.in(func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		sh, _, err := show.Save(ctx, tx, now, s.mara, show.Edit{ID: id, Title: "Mara's kitchen"})
		if err != nil {
			return err
		}
		return show.AddBrand(ctx, tx, sh, "ponte@example.com")
	}))
	return id
}

// put puts a new product of the brand into the show.
func (s *stage) put(units int) commerce.VariantID {
	s.Helper()
	variant := commerce.NewID[commerce.VariantID]()
	s.must(s.in(func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		_, err := catalog.Save(ctx, tx, catalog.Edit{
			ID: commerce.NewID[commerce.ProductID](), Owner: s.ponte.ID, Title: "Wok",
			Variants: []catalog.Variant{{ID: variant, Amount: 4900, Currency: "EUR"}},
		})
		return err
	}))
	s.supply(s.show, variant, units)
	return variant
}

func (s *stage) supply(id commerce.ShowID, variant commerce.VariantID, units int) {
	s.Helper()
	s.must(s.locked(id, func(ctx context.Context, tx pgx.Tx, sh show.Show) error {
		_, _, err := checkout.PutStock(ctx, tx, sh, s.ponte, variant, units)
		return err
	}))
}

// drop puts one for the stage's variant as the brand; opens nil opens it.
func (s *stage) drop(id commerce.DropID, opens *time.Time) (d drop.Drop, pools []commerce.PoolID, err error) {
	return s.dropBy(s.ponte, s.show, drop.Drop{ID: id, Variant: s.variant, Opens: opens})
}

func (s *stage) dropBy(by account.Account, in commerce.ShowID, d drop.Drop) (got drop.Drop, pools []commerce.PoolID, err error) {
	err = s.locked(in, func(ctx context.Context, tx pgx.Tx, sh show.Show) error {
		got, pools, err = drop.Put(ctx, tx, sh, by, d)
		return err
	})
	return got, pools, err
}

func (s *stage) in(fn func(ctx context.Context, tx pgx.Tx, now time.Time) error) error {
	return schema.InTx(s.Context(), s.db, fn)
}

func (s *stage) locked(id commerce.ShowID, fn func(ctx context.Context, tx pgx.Tx, sh show.Show) error) error {
	return s.in(func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		sh, err := show.Lock(ctx, tx, id)
		if err != nil {
			return err
		}
		return fn(ctx, tx, sh)
	})
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// clock is Postgres' time, in some time from now, in whole milliseconds.
func (s *stage) clock(in time.Duration) time.Time {
	s.Helper()
	var now time.Time
	s.must(s.db.QueryRow(context.Background(), `select clock_timestamp()`).Scan(&now))
	return now.UTC().Add(in).Truncate(time.Millisecond)
}

// past waits until Postgres' clock shows at.
func (s *stage) past(at time.Time) {
	s.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.clock(0).Before(at) {
		<-tick.C
	}
}

// node is stock on Postgres and a store.
func (s *stage) node(store string) *stock.Service {
	s.Helper()
	client := redis.NewClient(&redis.Options{Addr: store})
	s.Cleanup(func() { _ = client.Close() })
	service, err := stock.New(stock.Config{Pool: s.db, Redis: client, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	s.must(err)
	s.background(service.Run)
	return service
}

func (s *stage) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	s.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && ctx.Err() == nil {
			s.Error(err)
		}
	})
}

func (s *stage) store() *miniredis.Miniredis { return miniredis.RunT(s.T) }

// tap wants one unit of the stage's variant for a new buyer.
func (s *stage) tap(at *stock.Service, variant commerce.VariantID) error {
	l, err := stock.LevelOf(context.Background(), s.db, s.show, variant)
	if err != nil {
		return err
	}
	tap := stock.Tap{ID: commerce.NewID[commerce.HoldID](), Pool: l.Pool, Buyer: commerce.NewID[commerce.GuestID]().String(), Quantity: 1, Offer: l.Offer}
	tap.Unit.Minor, tap.Unit.Currency = 4900, "EUR"
	_, err = at.Hold(context.Background(), tap)
	return err
}
