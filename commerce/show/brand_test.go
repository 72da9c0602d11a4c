package show_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
)

func (s *stage) brand(name string) account.Account {
	s.Helper()
	a := account.Account{ID: commerce.NewID[commerce.AccountID](), Roles: []account.Role{account.Brand}}
	s.exec(`insert into account (id, email, name, roles, password_hash) values ($1, $2, $3, $4, 'none')`, a.ID, name+"@example.com", name, a.Roles)
	return a
}

func (s *stage) invite(id commerce.ShowID, email string) error {
	return s.locked(id, func(ctx context.Context, tx pgx.Tx, sh show.Show) error { return show.AddBrand(ctx, tx, sh, email) })
}

func TestMaySupply(t *testing.T) {
	s := newStage(t)
	ponte, rival := s.brand("ponte"), s.brand("rival")
	id, other := s.show(nil), s.show(nil)
	may := func(id commerce.ShowID, by account.Account) error {
		sh, err := show.Get(t.Context(), s.pool, id)
		if err != nil {
			return err
		}
		return sh.MaySupply(t.Context(), s.pool, by)
	}
	for range 2 {
		if err := s.invite(id, "Ponte@Example.com"); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		id   commerce.ShowID
		by   account.Account
		want error
	}{
		"the creator":             {id, s.mara, nil},
		"the brand":               {id, ponte, nil},
		"the brand, another show": {other, ponte, show.ErrNoSupplier},
		"another brand":           {id, rival, show.ErrNoSupplier},
		"another creator":         {id, s.creator("nils"), show.ErrNoSupplier},
	} {
		if err := may(c.id, c.by); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if list, err := show.Brands(t.Context(), s.pool, id); err != nil || len(list) != 1 || list[0].ID != ponte.ID {
		t.Errorf("%+v %v", list, err)
	}
	for range 2 {
		err := s.locked(id, func(ctx context.Context, tx pgx.Tx, sh show.Show) error {
			return show.RemoveBrand(ctx, tx, sh, ponte.ID)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := may(id, ponte); !errors.Is(err, show.ErrNoSupplier) {
		t.Errorf("removed: %v", err)
	}
}

// A brand is removed while it is stocking: whoever locks the show second sees what the first one did.
func TestRemovedWhileStocking(t *testing.T) {
	s := newStage(t)
	ponte, id := s.brand("ponte"), s.show(nil)
	if err := s.invite(id, "ponte@example.com"); err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	err := s.locked(id, func(ctx context.Context, tx pgx.Tx, sh show.Show) error {
		if err := show.RemoveBrand(ctx, tx, sh, ponte.ID); err != nil {
			return err
		}
		go func() {
			second <- s.locked(id, func(ctx context.Context, tx pgx.Tx, sh show.Show) error { return sh.MaySupply(ctx, tx, ponte) })
		}()
		schematest.AwaitBlocked(t, s.pool)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-second; !errors.Is(err, show.ErrNoSupplier) {
		t.Errorf("%v", err)
	}
}

func TestOneProductInManyShows(t *testing.T) {
	s := newStage(t)
	p, last, more := s.product("Pan"), s.show(nil), s.show(nil)
	s.exec(`with s as (insert into show (id, creator, title, description) select gen_random_uuid(), $1, 'T', '' from generate_series(1, $3::int) returning id)
		insert into show_product (show, product, place) select id, $2, 0 from s`, s.mara.ID, p.ID, show.MaxShows-1)
	if added, err := s.add(last, p.ID); err != nil || !added {
		t.Fatalf("the last that may be: %v %v", added, err)
	}
	if _, err := s.add(more, p.ID); !errors.Is(err, show.ErrEverywhere) {
		t.Fatalf("one too many: %v", err)
	}
	if err := s.locked(last, func(ctx context.Context, tx pgx.Tx, sh show.Show) error {
		_, err := show.End(ctx, tx, sh)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if added, err := s.add(more, p.ID); err != nil || !added {
		t.Errorf("after one has ended: %v %v", added, err)
	}
}

func TestRemoveProduct(t *testing.T) {
	s := newStage(t)
	id, pan, wok := s.show(nil), s.product("Pan"), s.product("Wok")
	for _, p := range []commerce.ProductID{pan.ID, wok.ID} {
		if _, err := s.add(id, p); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(p commerce.ProductID) (removed bool) {
		t.Helper()
		err := s.locked(id, func(ctx context.Context, tx pgx.Tx, sh show.Show) (err error) {
			removed, err = show.RemoveProduct(ctx, tx, sh, p)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return removed
	}
	if err := s.locked(id, func(ctx context.Context, tx pgx.Tx, sh show.Show) error { return show.Pin(ctx, tx, sh, &pan.ID, nil) }); err != nil {
		t.Fatal(err)
	}
	if !remove(wok.ID) || remove(wok.ID) {
		t.Error("removed, and then not again")
	}
	if sh, err := show.Get(t.Context(), s.pool, id); err != nil || sh.Pin == nil || *sh.Pin != pan.ID {
		t.Errorf("the pin of another product: %v %v", sh.Pin, err)
	}
	if !remove(pan.ID) {
		t.Error("not removed")
	}
	if sh, err := show.Get(t.Context(), s.pool, id); err != nil || sh.Pin != nil {
		t.Errorf("pinned, and not part of the show: %v %v", sh.Pin, err)
	}
	if n := s.count(`payload->>'t' = 'catalog.set' and payload->'d'->>'count' = '0'`); n != 1 {
		t.Errorf("%d events say that nothing is left, want 1", n)
	}
}
