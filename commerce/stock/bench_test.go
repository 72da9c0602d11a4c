package stock

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// BenchmarkMovements shows what the units' movements cost: the same work in turns with them and without, on a Postgres
// that is as durable as a real one. "ratio" is the time with them over the time without.
func BenchmarkMovements(b *testing.B) {
	server := embeddedtest.NewPostgresServer(b)
	db := schematest.Open(b, server.DSN())
	if _, err := schema.Migrate(b.Context(), db); err != nil {
		b.Fatal(err)
	}
	for _, batch := range []int{1, 50, MaxBatch} {
		b.Run(fmt.Sprintf("claim of %d", batch), func(b *testing.B) { compareMovements(b, db, claimRound(b, db, batch)) })
	}
	b.Run("pay and sell", func(b *testing.B) { compareMovements(b, db, paidRound(b, db)) })
}

// compareMovements runs round in turns with the triggers and without them. The first round after a switch plans its
// statements anew and does not count; the middle of the others does.
func compareMovements(b *testing.B, db *pgxpool.Pool, round func()) {
	b.Helper()
	const inARow = 4
	var took [2][]time.Duration
	for b.Loop() {
		for i, do := range []string{"disable", "enable"} {
			if _, err := db.Exec(b.Context(), `alter table hold `+do+` trigger user`); err != nil {
				b.Fatal(err)
			}
			round()
			for range inARow {
				began := time.Now()
				round()
				took[i] = append(took[i], time.Since(began))
			}
		}
	}
	for i := range took {
		slices.Sort(took[i])
	}
	without, with := took[0][len(took[0])/2], took[1][len(took[1])/2]
	b.ReportMetric(float64(with)/float64(without), "ratio")
	b.ReportMetric(float64(without.Microseconds()), "µs-without")
	b.ReportMetric(float64(with.Microseconds()), "µs-with")
}

// BenchmarkClaim is one claim of a batch on a connection that has made many before.
func BenchmarkClaim(b *testing.B) {
	server := embeddedtest.NewPostgresServer(b)
	db := schematest.Open(b, server.DSN())
	if _, err := schema.Migrate(b.Context(), db); err != nil {
		b.Fatal(err)
	}
	for _, batch := range []int{1, 24, 128, MaxBatch} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			round := claimRound(b, db, batch)
			for range 8 { // Postgres keeps a plan after five
				round()
			}
			for b.Loop() {
				round()
			}
		})
	}
}

func claimRound(b *testing.B, db *pgxpool.Pool, batch int) func() {
	b.Helper()
	s, l := &Service{db: db, holdFor: time.Hour}, benchPool(b, db)
	return func() {
		asks := make([]*ask, batch)
		for i := range asks {
			tap := tapOf(l, commerce.NewID[commerce.GuestID]().String())
			tap.Source = tap.Buyer // each from an address of its own
			asks[i] = newAsk(tap)
		}
		got, err := durably(b, s, l.Pool, 0, asks, false)
		if err != nil || len(got.fates) != batch {
			b.Fatal(len(got.fates), err)
		}
	}
}

// paidRound takes holds through a payment, as checkout does: the transaction of the pay tap and that of its end.
func paidRound(b *testing.B, db *pgxpool.Pool) func() {
	b.Helper()
	const holds = 20
	s, l := &Service{db: db, holdFor: time.Hour}, benchPool(b, db)
	in := func(step func(ctx context.Context, tx pgx.Tx) error) {
		if err := schema.InTx(b.Context(), db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error { return step(ctx, tx) }); err != nil {
			b.Fatal(err)
		}
	}
	return func() {
		asks := make([]*ask, holds)
		for i := range asks {
			asks[i] = newAsk(tapOf(l, "gst_a"))
		}
		if _, err := durably(b, s, l.Pool, 0, asks, false); err != nil {
			b.Fatal(err)
		}
		for _, a := range asks {
			in(func(ctx context.Context, tx pgx.Tx) error { _, err := Pay(ctx, tx, a.tap.ID, "gst_a"); return err })
			in(func(ctx context.Context, tx pgx.Tx) error { _, err := Sell(ctx, tx, a.tap.ID); return err })
		}
	}
}

func benchPool(b *testing.B, db *pgxpool.Pool) (l Level) {
	b.Helper()
	err := schema.InTx(b.Context(), db, func(ctx context.Context, tx pgx.Tx, _ time.Time) (err error) {
		l, err = Put(ctx, tx, Supply{
			Pool: commerce.NewID[commerce.PoolID](), Show: commerce.NewID[commerce.ShowID](), Variant: commerce.NewID[commerce.VariantID](), OnHand: MaxOnHand,
		})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// BenchmarkBaskets is a crowd that takes two things each, in turns with the same crowd that takes one: "ratio" is the time of the
// first over that of the second, which is batched where baskets are not.
func BenchmarkBaskets(b *testing.B) {
	const buyers = 64
	server := embeddedtest.NewPostgresServer(b)
	db := schematest.Open(b, server.DSN())
	if _, err := schema.Migrate(b.Context(), db); err != nil {
		b.Fatal(err)
	}
	store, err := redis.ParseURL(embeddedtest.NewRedisServer(b).URL())
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(Config{Pool: db, Redis: redis.NewClient(store), Log: slog.New(slog.DiscardHandler), Registerer: registry()})
	if err != nil {
		b.Fatal(err)
	}
	first := benchPool(b, db)
	second := first
	second.Pool = commerce.NewID[commerce.PoolID]()
	err = schema.InTx(b.Context(), db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		_, err := Put(ctx, tx, Supply{Pool: second.Pool, Show: first.Show, Variant: commerce.NewID[commerce.VariantID](), OnHand: MaxOnHand})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	crowd := func(levels ...Level) time.Duration {
		var group errgroup.Group
		began := time.Now()
		for range buyers {
			group.Go(func() error {
				_, err := s.HoldAll(b.Context(), basketOf(commerce.NewID[commerce.GuestID]().String(), levels...))
				return err
			})
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	var one, two []time.Duration
	for b.Loop() {
		one, two = append(one, crowd(first)), append(two, crowd(first, second))
	}
	slices.Sort(one)
	slices.Sort(two)
	b.ReportMetric(float64(two[len(two)/2])/float64(one[len(one)/2]), "ratio")
	b.ReportMetric(buyers/two[len(two)/2].Seconds(), "baskets/s")
	b.ReportMetric(buyers/one[len(one)/2].Seconds(), "single/s")
}

// BenchmarkDrift is what one turn of the leak detector costs: with as many quiet pools as a turn has, and with one pool of many
// holds. "µs-sum" is what of it is adding up.
func BenchmarkDrift(b *testing.B) {
	for _, size := range []struct{ pools, holds int }{{1, 1000}, {tourPools, 10}, {1, 20_000}, {1, busyRows}} {
		b.Run(fmt.Sprintf("%d pools of %d holds", size.pools, size.holds), func(b *testing.B) {
			server := embeddedtest.NewPostgresServer(b)
			db := schematest.Open(b, server.DSN())
			if _, err := schema.Migrate(b.Context(), db); err != nil {
				b.Fatal(err)
			}
			store, err := redis.ParseURL(embeddedtest.NewRedisServer(b).URL())
			if err != nil {
				b.Fatal(err)
			}
			s, err := New(Config{Pool: db, Redis: redis.NewClient(store), Log: slog.New(slog.DiscardHandler), Registerer: registry()})
			if err != nil {
				b.Fatal(err)
			}
			for _, sql := range []string{
				fmt.Sprintf(`insert into pool (id, show, variant, on_hand, taken) select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), %d, %[1]d from generate_series(1, %d)`,
					size.holds, size.pools),
				fmt.Sprintf(`insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at, version)
					select gen_random_uuid(), id, 'gst_' || n, 1, 'sold', 1, 'EUR', now(), 0 from pool, generate_series(1, %d) n`, size.holds),
				`insert into unit_movement (pool, origin, target, kind, units, holds) select pool, 'available', 'sold', 'edit', count(*), array_agg(id order by id) from hold
					group by pool, floor(random() * (select count(*) from hold) / 512)`,
				`analyze`,
			} {
				if _, err := db.Exec(b.Context(), sql); err != nil {
					b.Fatal(err)
				}
			}
			watch, sum := newWatch(s), time.Duration(0)
			for b.Loop() {
				list, err := watch.candidates(b.Context(), commerce.PoolID{})
				if err == nil {
					began := time.Now()
					clear(watch.pools)
					_, err = watch.truth(b.Context(), list)
					sum += time.Since(began)
				}
				if err == nil {
					err = watch.gates(b.Context(), list)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(sum.Microseconds())/float64(b.N), "µs-sum")
			var found int
			if err := db.QueryRow(b.Context(), `select count(*) from stock_drift`).Scan(&found); err != nil || found > 0 {
				b.Fatal(found, err)
			}
		})
	}
}
