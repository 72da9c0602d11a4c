package outage

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/stock"
	"github.com/rialto-live/rialto/commerce/verify"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

const (
	patience = 60 * time.Second // bounds waiting when something is broken
	never    = time.Hour
)

// world is the stores of one test, and nodes on them.
type world struct {
	*testing.T
	db    *pgxpool.Pool
	store *miniredis.Miniredis
	show  commerce.ShowID
}

func newWorld(t *testing.T) *world {
	return &world{T: t, db: schematest.Pool(t), store: miniredis.RunT(t), show: commerce.NewID[commerce.ShowID]()}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// node is a program's stock and keeper. Its stock runs; the keeper looks when it is told to.
type node struct {
	stock *stock.Service
	*Keeper
	registry *prometheus.Registry
}

func (w *world) node(change ...func(*stock.Config, *Config)) node {
	w.Helper()
	client := redis.NewClient(&redis.Options{Addr: w.store.Addr()})
	w.Cleanup(func() { _ = client.Close() })
	log, registry := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	sc := stock.Config{Pool: w.db, Redis: client, Log: log, Registerer: registry, Sweep: 20 * time.Millisecond}
	kc := Config{Pool: w.db, Log: log, Registerer: registry}
	for _, f := range change {
		f(&sc, &kc)
	}
	var err error
	kc.Stock, err = stock.New(sc)
	w.must(err)
	k, err := New(kc)
	w.must(err)
	w.background(kc.Stock.Run)
	return node{stock: kc.Stock, Keeper: k, registry: registry}
}

// beats has the keepers run as they do in a program.
func (w *world) beats(nodes ...node) {
	for _, n := range nodes {
		w.background(n.Run)
	}
}

func (w *world) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	w.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.Error(err)
		}
	})
}

// metric is the sum of one of the keeper's, over all labels.
func (n node) metric(name string) (sum float64) {
	families, err := n.registry.Gather()
	if err != nil {
		panic(err)
	}
	for _, family := range families {
		if family.GetName() != "rialto_commerce_outage_"+name {
			continue
		}
		for _, m := range family.GetMetric() {
			sum += m.GetCounter().GetValue()
		}
	}
	return sum
}

// supply makes a pool with units of a new variant.
func (w *world) supply(units int) (l stock.Level) {
	w.Helper()
	w.must(schema.InTx(w.Context(), w.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) (err error) {
		l, err = stock.Put(ctx, tx, stock.Supply{
			Pool: commerce.NewID[commerce.PoolID](), Show: w.show, Variant: commerce.NewID[commerce.VariantID](), OnHand: units,
		})
		return err
	}))
	return l
}

func tapOf(l stock.Level, buyer string) stock.Tap {
	return stock.Tap{
		ID: commerce.NewID[commerce.HoldID](), Pool: l.Pool, Buyer: buyer, Quantity: 1, Unit: money.Amount{Minor: 4900, Currency: "EUR"}, Offer: l.Offer,
	}
}

func (w *world) hold(n node, tap stock.Tap) stock.Hold {
	w.Helper()
	h, err := n.stock.Hold(w.Context(), tap)
	w.must(err)
	return h
}

func (w *world) find(id commerce.HoldID) stock.Hold {
	w.Helper()
	h, err := stock.Find(w.Context(), w.db, id)
	w.must(err)
	return h
}

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	_, err := w.db.Exec(w.Context(), sql, args...)
	w.must(err)
}

func (w *world) look(nodes ...node) {
	w.Helper()
	for _, n := range nodes {
		w.must(n.Look(w.Context()))
	}
}

// ago makes the past of this database longer: what was made is so much older, and the last beat too. That is what an outage of
// that length leaves behind, without waiting for it. Deadlines stay where they are unless they are moved too.
func (w *world) ago(d time.Duration) {
	w.Helper()
	w.exec(`update beat set at = at - $1::interval`, d)
	w.exec(`update hold set created_at = created_at - $1::interval - interval '1 minute'`, d)
	w.exec(`update payment set created_at = created_at - $1::interval - interval '1 minute'`, d)
}

// row is an outage as it is noted.
type row struct {
	Began, Ended    time.Time
	Moved           time.Duration
	Holds, Payments int
}

func (w *world) outages() []row {
	w.Helper()
	rows, err := w.db.Query(context.Background(), `select began_at, ended_at, moved, holds, payments from outage order by began_at`)
	w.must(err)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	w.must(err)
	return all
}

func (w *world) one() row {
	w.Helper()
	all := w.outages()
	if len(all) != 1 {
		w.Fatalf("%d outages are noted: %+v", len(all), all)
	}
	return all[0]
}

// clean is what `rialto verify` says, once the gate has heard of everything.
func (w *world) clean(n node) {
	w.Helper()
	var out strings.Builder
	w.eventually(func() bool {
		out.Reset()
		breaches, err := verify.Run(w.Context(), w.db, n.stock, &out)
		w.must(err)
		return breaches == 0
	}, out.String)
}

func (w *world) eventually(done func() bool, state func() string) {
	w.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(deadline) {
			w.Fatalf("never came to be: %s", state())
		}
	}
}

func newShowID() commerce.ShowID   { return commerce.NewID[commerce.ShowID]() }
func newFlashID() commerce.FlashID { return commerce.NewID[commerce.FlashID]() }
