package show_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

// stage is a database with one creator.
type stage struct {
	*testing.T
	pool *pgxpool.Pool
	mara account.Account
}

func newStage(t *testing.T) *stage {
	s := &stage{T: t, pool: schematest.Pool(t)}
	s.mara = s.creator("mara")
	return s
}

// creator is written without a password: nobody signs in here.
func (s *stage) creator(name string) account.Account {
	s.Helper()
	a := account.Account{ID: commerce.NewID[commerce.AccountID](), Roles: []account.Role{account.Creator}}
	s.exec(`insert into account (id, email, name, roles, password_hash) values ($1, $2, $3, $4, 'none')`, a.ID, name+"@example.com", name, a.Roles)
	return a
}

func (s *stage) exec(sql string, args ...any) {
	s.Helper()
	if _, err := s.pool.Exec(s.Context(), sql, args...); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) in(fn func(ctx context.Context, tx pgx.Tx, now time.Time) error) error {
	return schema.InTx(s.Context(), s.pool, fn)
}

// locked runs fn on the locked show.
func (s *stage) locked(id commerce.ShowID, fn func(ctx context.Context, tx pgx.Tx, sh show.Show) error) error {
	return s.in(func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		sh, err := show.Lock(ctx, tx, id)
		if err != nil {
			return err
		}
		return fn(ctx, tx, sh)
	})
}

func (s *stage) save(by account.Account, e show.Edit) (sh show.Show, created bool, err error) {
	err = s.in(func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		sh, created, err = show.Save(ctx, tx, now, by, e)
		return err
	})
	return sh, created, err
}

func (s *stage) show(startsIn *time.Duration) commerce.ShowID {
	s.Helper()
	e := show.Edit{ID: commerce.NewID[commerce.ShowID](), Title: "T"}
	if startsIn != nil {
		at := time.Now().Add(*startsIn)
		e.StartsAt = &at
	}
	if _, created, err := s.save(s.mara, e); err != nil || !created {
		s.Fatal(created, err)
	}
	return e.ID
}

func (s *stage) product(title string) catalog.Product {
	s.Helper()
	var p catalog.Product
	err := s.in(func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		saved, err := catalog.Save(ctx, tx, catalog.Edit{ID: commerce.NewID[commerce.ProductID](), Owner: s.mara.ID, Title: title,
			Variants: []catalog.Variant{{ID: commerce.NewID[commerce.VariantID](), Amount: 4900, Currency: "EUR"}}})
		p = saved.Product
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return p
}

func (s *stage) add(id commerce.ShowID, p commerce.ProductID) (added bool, err error) {
	err = s.locked(id, func(ctx context.Context, tx pgx.Tx, sh show.Show) (err error) {
		added, err = show.AddProduct(ctx, tx, sh, p)
		return err
	})
	return added, err
}

func (s *stage) count(where string, args ...any) (n int) {
	s.Helper()
	if err := s.pool.QueryRow(s.Context(), `select count(*) from outbox where `+where, args...).Scan(&n); err != nil {
		s.Fatal(err)
	}
	return n
}

// announce tells the shows that sell a product of it.
func (s *stage) announce(ctx context.Context, tx pgx.Tx, id commerce.ProductID) error {
	shows, err := show.CatalogEvents(ctx, tx, id)
	if err != nil {
		return err
	}
	said := map[commerce.ShowID][]outbox.EventRow{}
	for id, e := range shows {
		said[id] = []outbox.EventRow{e}
	}
	return outbox.Events(ctx, tx, said)
}
