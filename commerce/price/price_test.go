package price_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/price"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

// stand is a creator with a product of one variant, on sale in two shows.
type stand struct {
	*testing.T
	pool  *pgxpool.Pool
	mara  account.Account
	edit  catalog.Edit
	shows [2]commerce.ShowID
}

func newStand(t *testing.T) *stand {
	s := &stand{T: t, pool: schematest.Pool(t), mara: account.Account{ID: commerce.NewID[commerce.AccountID](), Roles: []account.Role{account.Creator}}}
	_, err := s.pool.Exec(t.Context(), `insert into account (id, email, name, roles, password_hash) values ($1, 'mara@example.com', 'Mara', '{creator}', '-')`, s.mara.ID)
	s.must(err)
	s.edit = catalog.Edit{
		ID: commerce.NewID[commerce.ProductID](), Owner: s.mara.ID, Title: "Copper pan 28 cm",
		Variants: []catalog.Variant{{ID: commerce.NewID[commerce.VariantID](), Amount: 4900, Currency: "EUR"}},
	}
	for i := range s.shows {
		s.shows[i] = commerce.NewID[commerce.ShowID]()
		s.must(s.in(func(ctx context.Context, tx pgx.Tx, now time.Time) error {
			sh, _, err := show.Save(ctx, tx, now, s.mara, show.Edit{ID: s.shows[i], Title: "Mara's kitchen"})
			if err != nil {
				return err
			}
			saved, err := catalog.Save(ctx, tx, s.edit)
			if err == nil {
				_, err = show.AddProduct(ctx, tx, sh, s.edit.ID)
			}
			if err != nil {
				return err
			}
			level, err := stock.Put(ctx, tx, stock.Supply{Pool: commerce.NewID[commerce.PoolID](), Show: sh.ID, Variant: s.variant(), OnHand: 10})
			return errors.Join(err, price.Announce(ctx, tx, saved.Product.ID, level))
		}))
	}
	return s
}

func (s *stand) variant() commerce.VariantID { return s.edit.Variants[0].ID }

func (s *stand) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stand) in(fn func(ctx context.Context, tx pgx.Tx, now time.Time) error) error {
	return schema.InTx(s.Context(), s.pool, fn)
}

func (s *stand) set(id commerce.ShowID, w price.Wish) (f price.Flash, err error) {
	err = s.in(func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		sh, err := show.Lock(ctx, tx, id)
		if err == nil {
			f, _, err = price.Set(ctx, tx, now, sh, s.mara, w)
		}
		return err
	})
	return f, err
}

func (s *stand) cancel(id commerce.ShowID, flash commerce.FlashID) error {
	return s.in(func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		sh, err := show.Lock(ctx, tx, id)
		if err == nil {
			_, err = price.Cancel(ctx, tx, sh, flash)
		}
		return err
	})
}

// reprice is an edit of the product by its owner.
func (s *stand) reprice(amount int64, currency string) error {
	e := s.edit
	e.Variants = []catalog.Variant{{ID: s.variant(), Amount: amount, Currency: currency}}
	return s.in(func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		saved, err := catalog.Save(ctx, tx, e)
		if err != nil {
			return err
		}
		var ended []stock.Level
		if len(saved.Repriced) > 0 {
			if _, ended, err = price.Reprice(ctx, tx, saved.Repriced...); err != nil {
				return err
			}
		}
		return price.Announce(ctx, tx, e.ID, ended...)
	})
}

func (s *stand) wish(amount int64, limit int) price.Wish {
	return price.Wish{ID: commerce.NewID[commerce.FlashID](), Variant: s.variant(), Amount: amount, Lasts: time.Minute, Cap: limit}
}

// agrees checks that whoever joins a show hears what whoever was there has heard.
func (s *stand) agrees() {
	s.Helper()
	for _, id := range s.shows {
		heard := map[string]string{}
		rows, err := s.pool.Query(s.Context(), `select payload->>'t' || ' ' || (payload->>'k'), payload->'d' from outbox
			where lane = 'event' and key = $1 and payload->>'t' in ('price.set', 'stock.set') order by seq`, id.String())
		s.must(err)
		var name string
		var data json.RawMessage
		_, err = pgx.ForEachRow(rows, []any{&name, &data}, func() error { heard[name] = string(data); return nil })
		s.must(err)
		prices, err := price.Events(s.Context(), s.pool, id)
		s.must(err)
		counts, err := stock.Events(s.Context(), s.pool, id)
		s.must(err)
		for _, e := range append(prices, counts...) {
			data, err := e.JSON()
			s.must(err)
			if had := heard[e.Type+" "+e.Key]; had != string(data) {
				s.Errorf("who joins hears %s, who was there %s", data, had)
			}
		}
	}
}

func (s *stand) present(id commerce.ShowID) *price.Flash {
	s.Helper()
	all, err := price.Present(s.Context(), s.pool, id)
	s.must(err)
	if f, ok := all[s.variant()]; ok {
		return &f
	}
	return nil
}

func TestSnapshotEqualsEvents(t *testing.T) {
	s := newStand(t)
	s.agrees()
	first, err := s.set(s.shows[0], s.wish(2900, 3))
	s.must(err)
	s.agrees()
	if s.present(s.shows[1]) != nil {
		t.Fatal("a flash price is of one show")
	}
	second, err := s.set(s.shows[0], s.wish(1900, 0))
	s.must(err)
	s.agrees()
	s.must(s.cancel(s.shows[0], first.ID)) // replaced long ago
	if f := s.present(s.shows[0]); f == nil || f.ID != second.ID {
		t.Fatalf("%+v", f)
	}
	_, err = s.set(s.shows[1], s.wish(3900, 1))
	s.must(err)
	s.agrees()
	s.must(s.reprice(3900, "EUR")) // the second show's is no lower any more
	s.agrees()
	if s.present(s.shows[0]) == nil || s.present(s.shows[1]) != nil {
		t.Fatal("a flash price ends when it is not the lower one, and only then")
	}
	s.must(s.reprice(3900, "USD"))
	s.agrees()
	if s.present(s.shows[0]) != nil {
		t.Fatal("a flash price in another currency goes on")
	}
	s.must(s.cancel(s.shows[0], second.ID))
	s.agrees()
}

// Everybody changes prices at once, in both shows: what was said last is what is so.
func TestPricesThatChangeAtOnce(t *testing.T) {
	s := newStand(t)
	var group errgroup.Group
	for i := range 8 {
		group.Go(func() error {
			for n := range 6 {
				w := s.wish(int64(1000+100*i+n), i)
				f, err := s.set(s.shows[i%2], w)
				if err != nil && !errors.Is(err, price.ErrPrice) {
					return err
				}
				if n%3 == 2 && err == nil {
					err = s.cancel(s.shows[i%2], f.ID)
				} else {
					err = s.reprice(int64(1400+50*n), "EUR")
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	s.must(group.Wait())
	s.agrees()
	var wrong int
	s.must(s.pool.QueryRow(t.Context(), `select count(*) from pool p left join flash f on f.pool = p.id and f.over_at is null
		where p.timed_version is distinct from f.version`).Scan(&wrong))
	if wrong != 0 {
		t.Fatalf("%d pools have another timed offer than the flash price that is not over", wrong)
	}
}

func TestSameIDAtOnceInTwoShows(t *testing.T) {
	s := newStand(t)
	w := s.wish(2900, 3)
	var group errgroup.Group
	results := make([]error, 8)
	for i := range results {
		group.Go(func() error {
			_, results[i] = s.set(s.shows[i%2], w)
			return nil
		})
	}
	s.must(group.Wait())
	fine, conflicts := 0, 0
	for _, err := range results {
		switch {
		case err == nil:
			fine++
		case errors.Is(err, price.ErrConflict):
			conflicts++
		default:
			t.Error(err)
		}
	}
	if fine != 4 || conflicts != 4 {
		t.Fatalf("%d were answered, %d refused", fine, conflicts)
	}
	s.agrees()
}

func TestFlashPricesPerVariant(t *testing.T) {
	s := newStand(t)
	f, err := s.set(s.shows[0], s.wish(2900, 3))
	s.must(err)
	_, err = s.pool.Exec(t.Context(), `insert into flash (id, show, variant, pool, version, amount, currency, starts_at, ends_at, cap, made_by, over_at)
		select gen_random_uuid(), show, variant, pool, 1000 + n, amount, currency, starts_at, ends_at, cap, made_by, now()
		from flash, generate_series(1, $2::int) n where id = $1`, f.ID, price.MaxPerVariant-2)
	s.must(err)
	if _, err := s.set(s.shows[0], s.wish(2800, 3)); err != nil {
		t.Fatalf("the last that may be: %v", err)
	}
	if _, err := s.set(s.shows[0], s.wish(2700, 3)); !errors.Is(err, price.ErrTooMany) {
		t.Fatalf("one too many: %v", err)
	}
	s.agrees()
}

// What is on nobody's run sheet any more has no price to be lowered, and neither has what has no units.
func TestNotListed(t *testing.T) {
	s := newStand(t)
	_, err := s.pool.Exec(t.Context(), `delete from show_product where show = $1`, s.shows[0])
	s.must(err)
	_, err = s.pool.Exec(t.Context(), `delete from pool where show = $1`, s.shows[1])
	s.must(err)
	for _, id := range s.shows {
		if _, err := s.set(id, s.wish(2900, 3)); !errors.Is(err, show.ErrNotListed) {
			t.Errorf("%v", err)
		}
	}
	if _, err := s.set(s.shows[0], price.Wish{Amount: 2900, Lasts: time.Minute}); !errors.Is(err, commerce.ErrID) {
		t.Errorf("without ids: %v", err)
	}
}
