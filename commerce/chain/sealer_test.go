package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/cursor"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

const patience = 30 * time.Second // nothing waits for it when all is well

type world struct {
	t  testing.TB
	db *pgxpool.Pool
}

func newWorld(t testing.TB) *world { return &world{t: t, db: schematest.Pool(t)} }

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.db.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) count(sql string, args ...any) (n int64) {
	w.t.Helper()
	if err := w.db.QueryRow(w.t.Context(), sql, args...).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// supply makes a pool.
func (w *world) supply(units int) (a Account) {
	w.t.Helper()
	a = Account{Pool: commerce.NewID[commerce.PoolID](), Show: commerce.NewID[commerce.ShowID](), Variant: commerce.NewID[commerce.VariantID]()}
	w.exec(`insert into pool (id, show, variant, on_hand) values ($1, $2, $3, $4)`, a.Pool, a.Show, a.Variant, units)
	return a
}

const holdSQL = `insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at, lapses_at)
	values ($1, $2, 'gst_a', 1, 'held', 4900, 'EUR', now(), now() + interval '1 hour')`

func (w *world) hold(pool commerce.PoolID) commerce.HoldID {
	w.t.Helper()
	id := commerce.NewID[commerce.HoldID]()
	w.exec(holdSQL, id, pool)
	return id
}

func (w *world) begin() pgx.Tx {
	w.t.Helper()
	tx, err := w.db.Begin(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

func (w *world) sealer() *Sealer { return &Sealer{Pool: w.db, Log: slog.New(slog.DiscardHandler)} }

func (w *world) look(s *Sealer) {
	w.t.Helper()
	if err := s.Look(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// settle looks until everything is sealed.
func (w *world) settle() {
	w.t.Helper()
	s := w.sealer()
	for deadline := time.Now().Add(patience); ; w.look(s) {
		if w.count(`select count(*) from unit_movement m where not exists (select from unit_seal where movement = m.id)`) == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("something is never sealed")
		}
	}
}

// kinds lists what is sealed of a pool, in its order.
func (w *world) kinds(a Account) (kinds []string) {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), `select m.kind from unit_seal s join unit_movement m on m.id = s.movement where s.pool = $1 order by n`, a.Pool)
	if err == nil {
		kinds, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return kinds
}

// file writes the ledger of a pool and checks it.
func (w *world) file(a Account, find commerce.HoldID) ([]byte, Report) {
	w.t.Helper()
	a, err := Get(w.t.Context(), w.db, a.Show, a.Variant)
	if err != nil {
		w.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Write(w.t.Context(), w.db, &out, a); err != nil {
		w.t.Fatal(err)
	}
	r, err := Check(w.t.Context(), bytes.NewReader(out.Bytes()), find)
	if err != nil || r.Head != a.Head || r.Pool != a.Pool {
		w.t.Fatalf("%v: %+v, want %+v\n%.2000s", err, r, a, out.String())
	}
	return out.Bytes(), r
}

// A transaction that commits late is not skipped, and nothing behind it is sealed before it.
func TestALateMovementIsWaitedFor(t *testing.T) {
	for name, end := range map[string]func(pgx.Tx) error{
		"it commits":     func(tx pgx.Tx) error { return tx.Commit(t.Context()) },
		"it is given up": func(tx pgx.Tx) error { return tx.Rollback(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.supply(5)
			w.settle()
			late, s := w.begin(), w.sealer()
			if _, err := late.Exec(t.Context(), holdSQL, commerce.NewID[commerce.HoldID](), a.Pool); err != nil {
				t.Fatal(err)
			}
			second := w.hold(a.Pool)
			w.exec(`update hold set state = 'paying', lapses_at = null where id = $1`, second)
			other := w.supply(3) // of another pool, it waits too
			for range 5 {
				w.look(s)
				w.look(w.sealer()) // another node
			}
			if got := w.kinds(a); !slices.Equal(got, []string{"supply"}) || len(w.kinds(other)) != 0 {
				t.Fatalf("sealed before the late one: %v", got)
			}
			if err := end(late); err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			w.settle()
			want := []string{"supply", "hold", "hold", "pay"}
			if name != "it commits" {
				want = slices.Delete(want, 1, 2)
			}
			if got := w.kinds(a); !slices.Equal(got, want) || len(w.kinds(other)) != 1 {
				t.Errorf("sealed %v, want %v", got, want)
			}
			w.file(a, second)
		})
	}
}

// A transaction with an older id may move units later: no bucket is below zero in the order that is sealed.
func TestTheOrderIsThatOfTheUnits(t *testing.T) {
	w := newWorld(t)
	a := w.supply(1)
	id := w.hold(a.Pool)
	w.exec(`update pool set taken = 1`)
	older := w.begin()
	if _, err := older.Exec(t.Context(), `select pg_current_xact_id()`); err != nil {
		t.Fatal(err)
	}
	w.exec(`with h as (update hold set state = 'released', lapses_at = null where id = $1) update pool set taken = 0`, id)
	if _, err := older.Exec(t.Context(), `update pool set on_hand = 0`); err != nil {
		t.Fatal(err)
	}
	if err := older.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := w.kinds(a); !slices.Equal(got, []string{"supply", "hold", "release", "withdraw"}) {
		t.Errorf("sealed %v", got)
	}
	_, r := w.file(a, id)
	if len(r.Found) != 2 || r.Totals != (Totals{}) {
		t.Errorf("%+v", r)
	}
}

// Many write at once and commit in any order, many seal at once and are killed anywhere: each movement is sealed once, in
// order.
func TestManyWritersAndSealers(t *testing.T) {
	w := newWorld(t)
	pools := []Account{w.supply(1000), w.supply(1000), w.supply(1000)}
	var writers, sealers errgroup.Group
	for n := range 8 {
		writers.Go(func() error {
			for range 25 {
				tx, err := w.db.Begin(t.Context())
				if err != nil {
					return err
				}
				for range rand.IntN(3) + 1 {
					id := commerce.NewID[commerce.HoldID]()
					_, err := tx.Exec(t.Context(), holdSQL, id, pools[rand.IntN(len(pools))].Pool)
					if err == nil {
						_, err = tx.Exec(t.Context(), `update hold set state = 'paying', lapses_at = null where id = $1`, id)
					}
					if err != nil {
						return err
					}
				}
				time.Sleep(rand.N(5 * time.Millisecond))
				end := tx.Commit
				if n == 0 {
					end = tx.Rollback
				}
				if err := end(t.Context()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var over atomic.Bool
	for range 3 {
		sealers.Go(func() error {
			for !over.Load() {
				ctx, kill := context.WithTimeout(t.Context(), rand.N(40*time.Millisecond))
				s := w.sealer()
				for ctx.Err() == nil {
					if err := s.Look(ctx); err != nil && ctx.Err() == nil {
						kill()
						return err
					}
				}
				kill()
			}
			return nil
		})
	}
	err := writers.Wait()
	over.Store(true)
	if err := errors.Join(err, sealers.Wait()); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if w.count(`select count(*) from unit_movement`) != w.count(`select count(*) from unit_seal`) ||
		w.count(`select count(*) from (select n, row_number() over own as place, movement, lag(movement, 1, 0::bigint) over own as last from unit_seal window own as (partition by pool order by n)) x
			where n <> place or movement <= last`) != 0 {
		t.Error("not every movement once and in order")
	}
	for _, a := range pools {
		w.file(a, commerce.HoldID{})
	}
}

// What one sealer was killed over between two batches, the next goes on with; and whoever seals, it is the same chain.
func TestSealingGoesOn(t *testing.T) {
	w := newWorld(t)
	a := w.supply(1)
	w.exec(`insert into unit_movement (pool, origin, target, kind, units) select id, 'supply', 'available', 'supply', n from pool, generate_series(1, $1::int) n`, 2*maxBatch)
	killed := w.sealer()
	if err := killed.mark(t.Context()); err != nil || killed.upTo == 0 {
		t.Fatal(killed.upTo, err)
	}
	if n, mine, err := killed.batch(t.Context()); n != maxBatch || !mine || err != nil {
		t.Fatal(n, mine, err)
	}
	if got := w.count(`select max(n) from unit_seal`); got != maxBatch {
		t.Fatalf("%d rows after one batch", got)
	}
	w.settle()
	file, r := w.file(a, commerce.HoldID{})
	if r.N != 2*maxBatch+1 {
		t.Errorf("%+v", r)
	}
	before := w.count(`select sum(xmin::text::bigint) from unit_seal`)
	for range 3 {
		w.look(killed)
		w.look(w.sealer())
	}
	if w.count(`select sum(xmin::text::bigint) from unit_seal`) != before {
		t.Error("looking again changed something")
	}
	w.exec(`alter table unit_seal disable trigger user; delete from unit_seal; alter table unit_seal enable trigger user`)
	w.settle()
	if again, _ := w.file(a, commerce.HoldID{}); !bytes.Equal(file, again) {
		t.Error("sealed again it is another chain")
	}
}

// While one node seals, the others leave it to that one and come back.
func TestOneSealsAtATime(t *testing.T) {
	w := newWorld(t)
	w.supply(1)
	busy, s := w.begin(), w.sealer()
	if _, err := busy.Exec(t.Context(), `select pg_advisory_xact_lock(hashtextextended('rialto unit_seal', 0))`); err != nil {
		t.Fatal(err)
	}
	w.look(s)
	if w.count(`select count(*) from unit_seal`) != 0 || s.upTo == 0 {
		t.Fatal("two seal at once, or the mark is lost")
	}
	if err := busy.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.settle()
}

func TestRunSealsSoon(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.sealer().Run(ctx) }()
	w.supply(1)
	for began := time.Now(); w.count(`select count(*) from unit_seal`) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("never sealed")
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A movement of more holds than a batch has goes alone, and many lines have its holds.
func TestAMovementOfVeryManyHolds(t *testing.T) {
	w := newWorld(t)
	a := w.supply(1)
	w.exec(`insert into unit_movement (pool, origin, target, kind, units, holds) select id, 'available', 'sold', 'edit', 1, '{}' from pool`)
	w.exec(`insert into unit_movement (pool, origin, target, kind, units, holds) select p.id, 'supply', 'held', 'edit', $1::int, array_agg(gen_random_uuid()) from pool p, generate_series(1, $1::int) group by p.id`, maxHolds+1)
	w.exec(`insert into unit_movement (pool, origin, target, kind, units) select id, 'supply', 'available', 'supply', 3 from pool`)
	w.settle()
	if _, r := w.file(a, commerce.HoldID{}); r.N != 4 || r.Totals != (Totals{Allocated: maxHolds + 5, Available: 3, Held: maxHolds + 1, Sold: 1}) || r.Lines < maxHolds/MaxPerLine {
		t.Errorf("%+v", r)
	}
}

func TestSealsAreFinal(t *testing.T) {
	w := newWorld(t)
	w.supply(1)
	w.settle()
	for _, sql := range []string{`update unit_seal set n = 2`, `delete from unit_seal`, `truncate unit_seal`} {
		if _, err := w.db.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "only added to") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestPagesAndAccounts(t *testing.T) {
	w := newWorld(t)
	a := w.supply(1)
	if got, err := Get(t.Context(), w.db, a.Show, a.Variant); err != nil || got.Head != (Head{}) || got.Pool != a.Pool {
		t.Errorf("before anything is sealed: %+v, %v", got, err)
	}
	w.exec(`insert into unit_movement (pool, origin, target, kind, units) select id, 'supply', 'available', 'supply', n from pool, generate_series(2, $1::int) n`, PageSize+1)
	w.settle()
	a, err := Get(t.Context(), w.db, a.Show, a.Variant)
	if err != nil {
		t.Fatal(err)
	}
	var seen []int64
	for from := ""; ; {
		page, err := Rows(t.Context(), w.db, a, from)
		if err != nil || len(page.Rows) > PageSize {
			t.Fatal(len(page.Rows), err)
		}
		for _, r := range page.Rows {
			seen = append(seen, r.N)
		}
		if from = page.Next; from == "" {
			break
		}
	}
	slices.Reverse(seen)
	for i, n := range seen {
		if n != int64(i+1) {
			t.Fatalf("the pages have %v", seen)
		}
	}
	if len(seen) != PageSize+1 || a.Head.Allocated != (PageSize+1)*(PageSize+2)/2 {
		t.Errorf("%d rows, %+v", len(seen), a.Head)
	}
	if _, err := Rows(t.Context(), w.db, a, "x"); !errors.Is(err, cursor.ErrInvalid) {
		t.Error(err)
	}
	if _, err := Get(t.Context(), w.db, a.Show, commerce.NewID[commerce.VariantID]()); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if all, err := Accounts(t.Context(), w.db, a.Show); err != nil || len(all) != 1 || all[0] != a {
		t.Errorf("%+v, %v", all, err)
	}
}

// The words are those of the table.
func TestWordsAreThoseOfTheTable(t *testing.T) {
	w := newWorld(t)
	for constraint, words := range map[string][]string{"unit_movement_kind_check": Kinds, "unit_movement_origin_check": Buckets, "unit_movement_target_check": Buckets} {
		var text string
		if err := w.db.QueryRow(t.Context(), `select pg_get_constraintdef(oid) from pg_constraint where conname = $1`, constraint).Scan(&text); err != nil {
			t.Fatal(err)
		}
		for _, word := range words {
			if !strings.Contains(text, fmt.Sprintf("'%s'", word)) {
				t.Errorf("%s does not know %s: %s", constraint, word, text)
			}
		}
		if n := strings.Count(text, "::text"); n < len(words) || strings.Count(text, "'")/2 != len(words) {
			t.Errorf("%s knows more than %v: %s", constraint, words, text)
		}
	}
}

// Up, down and up again: what moved before there was the table is sealed like what moves later.
func TestMovementsOfBeforeAreSealed(t *testing.T) {
	w := newWorld(t)
	a := w.supply(4)
	w.settle()
	old, _ := w.file(a, commerce.HoldID{})
	db := stdlib.OpenDBFromPool(w.db)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("../schema/migrations"), goose.WithTableName(schema.Table), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.DownTo(t.Context(), 29); err != nil {
		t.Fatal(err)
	}
	if w.count(`select count(*) from pg_class where relname like 'unit_seal%'`)+w.count(`select count(*) from pg_proc where proname like 'unit_seal%'`) != 0 {
		t.Error("something is left")
	}
	w.hold(a.Pool)
	if n, err := schema.Migrate(t.Context(), w.db); err != nil || n == 0 {
		t.Fatal(n, err)
	}
	w.settle()
	now, r := w.file(a, commerce.HoldID{})
	if r.N != 2 || !bytes.HasPrefix(now, []byte(strings.Join(linesOf(old)[:2], "\n"))) {
		t.Errorf("%s\nwas\n%s", now, old)
	}
}
