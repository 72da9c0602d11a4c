package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/cursor"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

// shelf is a database with two owners.
type shelf struct {
	*testing.T
	pool         *pgxpool.Pool
	owner, rival commerce.AccountID
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{T: t, pool: schematest.Pool(t), owner: commerce.NewID[commerce.AccountID](), rival: commerce.NewID[commerce.AccountID]()}
	_, err := s.pool.Exec(t.Context(), `insert into account (id, email, name, roles, password_hash)
		values ($1, 'a@x.org', 'A', '{brand}', '-'), ($2, 'b@x.org', 'B', '{brand}', '-')`, s.owner, s.rival)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shelf) in(fn func(ctx context.Context, tx pgx.Tx) error) error {
	return schema.InTx(s.Context(), s.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error { return fn(ctx, tx) })
}

func (s *shelf) save(e catalog.Edit) (saved catalog.Saved, err error) {
	err = s.in(func(ctx context.Context, tx pgx.Tx) error {
		saved, err = catalog.Save(ctx, tx, e)
		return err
	})
	return saved, err
}

func variant(title string, amount int64) catalog.Variant {
	return catalog.Variant{ID: commerce.NewID[commerce.VariantID](), Title: title, Amount: amount, Currency: "EUR"}
}

func (s *shelf) edit(variants ...catalog.Variant) catalog.Edit {
	return catalog.Edit{ID: commerce.NewID[commerce.ProductID](), Owner: s.owner, Title: " Copper pan 28 cm ", Variants: variants}
}

func TestSave(t *testing.T) {
	s := newShelf(t)
	first := s.edit(variant("", 4900))
	saved, err := s.save(first)
	want := catalog.Product{ID: first.ID, Owner: s.owner, OwnerName: "A", Title: "Copper pan 28 cm", Image: catalog.PictureBase + "pan.svg", Variants: first.Variants}
	if err != nil || !saved.Created || !saved.Changed || len(saved.Repriced) != 0 || !reflect.DeepEqual(saved.Product, want) {
		t.Fatalf("%+v, %v", saved, err)
	}
	for name, c := range map[string]struct {
		change func(*catalog.Edit)
		want   error
	}{
		"title at the limit":       {func(e *catalog.Edit) { e.Title = strings.Repeat("ü", catalog.MaxTitle) }, nil},
		"title past it":            {func(e *catalog.Edit) { e.Title = strings.Repeat("ü", catalog.MaxTitle+1) }, catalog.ErrTitle},
		"no title":                 {func(e *catalog.Edit) { e.Title = " " }, catalog.ErrTitle},
		"variant title at limit":   {func(e *catalog.Edit) { e.Variants[0].Title = strings.Repeat("ü", catalog.MaxVariantTitle) }, nil},
		"variant title past it":    {func(e *catalog.Edit) { e.Variants[0].Title = strings.Repeat("ü", catalog.MaxVariantTitle+1) }, catalog.ErrVariantTitle},
		"description at the limit": {func(e *catalog.Edit) { e.Description = strings.Repeat("ü", catalog.MaxDescription) }, nil},
		"description past it":      {func(e *catalog.Edit) { e.Description = strings.Repeat("ü", catalog.MaxDescription+1) }, catalog.ErrDescription},
		"least price":              {func(e *catalog.Edit) { e.Variants[0].Amount = catalog.MinAmount }, nil},
		"nothing":                  {func(e *catalog.Edit) { e.Variants[0].Amount = catalog.MinAmount - 1 }, catalog.ErrPrice},
		"most":                     {func(e *catalog.Edit) { e.Variants[0].Amount = catalog.MaxAmount }, nil},
		"more":                     {func(e *catalog.Edit) { e.Variants[0].Amount = catalog.MaxAmount + 1 }, catalog.ErrPrice},
		"currency in small":        {func(e *catalog.Edit) { e.Variants[0].Currency = "eur" }, catalog.ErrPrice},
		"picture of ours":          {func(e *catalog.Edit) { e.Image = "/img/copper-pan.svg" }, nil},
		"picture elsewhere":        {func(e *catalog.Edit) { e.Image = "https://evil.example/x.svg" }, catalog.ErrImage},
		"picture of another host":  {func(e *catalog.Edit) { e.Image = "//evil.example/x.svg" }, catalog.ErrImage},
		"picture above the site":   {func(e *catalog.Edit) { e.Image = "/img/../../x.svg" }, catalog.ErrImage},
		"picture that runs":        {func(e *catalog.Edit) { e.Image = "javascript:alert(1)" }, catalog.ErrImage},
		"somebody else's product":  {func(e *catalog.Edit) { e.ID, e.Owner = first.ID, s.rival }, catalog.ErrNotYours},
		"another product's thing":  {func(e *catalog.Edit) { e.Variants[0].ID = first.Variants[0].ID }, catalog.ErrNotYours},
		"no id":                    {func(e *catalog.Edit) { e.Variants[0].ID = commerce.VariantID{} }, commerce.ErrID},
		"no variant":               {func(e *catalog.Edit) { e.Variants = nil }, catalog.ErrVariants},
		"a variant twice":          {func(e *catalog.Edit) { v := e.Variants[0]; v.Title = "again"; e.Variants = append(e.Variants, v) }, catalog.ErrVariants},
		"names that are the same":  {func(e *catalog.Edit) { e.Variants = []catalog.Variant{variant("20 cm", 1), variant(" 20 cm", 1)} }, catalog.ErrVariantTitle},
		"no name beside another":   {func(e *catalog.Edit) { e.Variants = []catalog.Variant{variant("20 cm", 1), variant("", 1)} }, catalog.ErrVariantTitle},
		"as many as may be":        {func(e *catalog.Edit) { e.Variants = many(catalog.MaxVariants) }, nil},
		"one too many":             {func(e *catalog.Edit) { e.Variants = many(catalog.MaxVariants + 1) }, catalog.ErrTooMany},
	} {
		e := s.edit(variant("", 4900))
		c.change(&e)
		if _, err := s.save(e); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if p, err := catalog.Get(t.Context(), s.pool, first.ID); err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("what was refused left a trace: %+v, %v", p, err)
	}
}

func many(n int) []catalog.Variant {
	list := make([]catalog.Variant, n)
	for i := range list {
		list[i] = variant(fmt.Sprint(i+1, " cm"), 4900)
	}
	return list
}

// Variants of one product are written in one go; those that are left out stay.
func TestSaveVariants(t *testing.T) {
	s := newShelf(t)
	sizes := many(3)
	e := s.edit(sizes...)
	if _, err := s.save(e); err != nil {
		t.Fatal(err)
	}
	saved, err := s.save(e)
	if err != nil || saved.Created || saved.Changed || len(saved.Repriced) != 0 {
		t.Fatalf("the same again: %+v, %v", saved, err)
	}
	cheaper, grown := sizes[1], variant("32 cm", 7900)
	cheaper.Amount = 3900
	e.Variants = []catalog.Variant{cheaper, grown}
	saved, err = s.save(e)
	want := []catalog.Variant{sizes[0], cheaper, sizes[2], grown}
	if err != nil || !saved.Changed || !reflect.DeepEqual(saved.Repriced, []commerce.VariantID{cheaper.ID}) || !reflect.DeepEqual(saved.Product.Variants, want) {
		t.Fatalf("%+v, %v", saved, err)
	}
	renamed := cheaper
	renamed.Title = "Two"
	e.Variants = []catalog.Variant{renamed}
	if saved, err = s.save(e); err != nil || !saved.Changed || len(saved.Repriced) != 0 || saved.Product.Variants[1] != renamed {
		t.Fatalf("a name: %+v, %v", saved, err)
	}
	untitled := renamed
	untitled.Title, untitled.Currency = "", "USD"
	e.Variants, e.KeepTitles = []catalog.Variant{untitled}, true
	if saved, err = s.save(e); err != nil || saved.Product.Variants[1].Title != "Two" || len(saved.Repriced) != 1 {
		t.Fatalf("a form without names: %+v, %v", saved, err)
	}
	e = s.edit(many(catalog.MaxVariants)...)
	if _, err := s.save(e); err != nil {
		t.Fatal(err)
	}
	e.Variants = many(1)
	if _, err := s.save(e); !errors.Is(err, catalog.ErrTooMany) {
		t.Fatalf("one more than there may be: %v", err)
	}
}

// Two edits at the same moment: one of them comes second, sees what the first one wrote, and says so.
func TestSaveAtOnce(t *testing.T) {
	s := newShelf(t)
	e := s.edit(variant("", 4900))
	if _, err := s.save(e); err != nil {
		t.Fatal(err)
	}
	v := e.Variants[0].ID
	second := make(chan catalog.Saved, 1)
	err := s.in(func(ctx context.Context, tx pgx.Tx) error {
		cheaper := e
		cheaper.Variants = []catalog.Variant{{ID: v, Amount: 3900, Currency: "EUR"}}
		if _, err := catalog.Save(ctx, tx, cheaper); err != nil {
			return err
		}
		go func() { // the old price again: against what was read before, nothing would change
			saved, err := s.save(e)
			if err != nil {
				t.Error(err)
			}
			second <- saved
		}()
		schematest.AwaitBlocked(t, s.pool)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if saved := <-second; !saved.Changed || len(saved.Repriced) != 1 {
		t.Fatalf("the second edit did not see the first: %+v", saved)
	}
}

func TestProductsOfOneOwner(t *testing.T) {
	s := newShelf(t)
	_, err := s.pool.Exec(t.Context(), `insert into product (id, owner, title, description, image)
		select gen_random_uuid(), $1, 'Pan', '', '/img/product.svg' from generate_series(1, $2::int)`, s.owner, catalog.MaxProducts-1)
	if err != nil {
		t.Fatal(err)
	}
	last := s.edit(variant("", 1))
	if _, err := s.save(last); err != nil {
		t.Fatalf("the last that may be: %v", err)
	}
	if _, err := s.save(s.edit(variant("", 1))); !errors.Is(err, catalog.ErrFull) {
		t.Fatalf("one too many: %v", err)
	}
	last.Title = "Copper pan"
	if _, err := s.save(last); err != nil {
		t.Fatalf("an edit is none more: %v", err)
	}
}

func TestList(t *testing.T) {
	s := newShelf(t)
	first, second := s.edit(many(2)...), s.edit(variant("", 100))
	for _, e := range []catalog.Edit{first, second} {
		if _, err := s.save(e); err != nil {
			t.Fatal(err)
		}
	}
	list, err := catalog.List(t.Context(), s.pool, []commerce.ProductID{second.ID, commerce.NewID[commerce.ProductID](), first.ID})
	if err != nil || len(list) != 2 || list[0].ID != second.ID || list[1].ID != first.ID || !reflect.DeepEqual(list[1].Variants, first.Variants) {
		t.Errorf("list: %+v, %v", list, err)
	}
	if _, err := catalog.List(t.Context(), s.pool, make([]commerce.ProductID, catalog.MaxList+1)); err == nil {
		t.Error("a list past the limit was read")
	}
	if _, err := catalog.Get(t.Context(), s.pool, commerce.NewID[commerce.ProductID]()); !errors.Is(err, catalog.ErrUnknown) {
		t.Errorf("unknown: %v", err)
	}
}

func TestListMine(t *testing.T) {
	s := newShelf(t)
	var made []commerce.ProductID
	for range 2*catalog.PageSize + 1 {
		e := s.edit(variant("", 100))
		if _, err := s.save(e); err != nil {
			t.Fatal(err)
		}
		made = append([]commerce.ProductID{e.ID}, made...)
	}
	// A restored backup: many made at the same moment.
	if _, err := s.pool.Exec(t.Context(), `update product set created_at = '2026-01-02 03:04:05.123456Z' where id = any ($1)`, made[20:30]); err != nil {
		t.Fatal(err)
	}
	seen, from, pages := map[commerce.ProductID]bool{}, "", 0
	for pages == 0 || from != "" {
		page, err := catalog.ListMine(t.Context(), s.pool, s.owner, from)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Products {
			if seen[p.ID] {
				t.Fatalf("%s twice", p.ID)
			}
			seen[p.ID] = true
		}
		if pages == 0 && page.Products[0].ID != made[0] {
			t.Error("the newest is not the first")
		}
		from = page.Next
		pages++
	}
	if len(seen) != len(made) || pages != 3 {
		t.Fatalf("%d products on %d pages", len(seen), pages)
	}
	if page, err := catalog.ListMine(t.Context(), s.pool, s.rival, ""); err != nil || len(page.Products) != 0 || page.Next != "" {
		t.Errorf("somebody else's list: %+v, %v", page, err)
	}
	for _, c := range []string{"x", "AAAA", strings.Repeat("A", 300), "bGl2ZSB4IHk"} {
		if _, err := catalog.ListMine(t.Context(), s.pool, s.owner, c); !errors.Is(err, cursor.ErrInvalid) {
			t.Errorf("cursor %q: %v", c, err)
		}
	}
}
