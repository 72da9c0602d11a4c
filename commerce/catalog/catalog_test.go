package catalog_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

func TestSave(t *testing.T) {
	pool := schematest.Pool(t)
	owner, rival := commerce.NewID[commerce.AccountID](), commerce.NewID[commerce.AccountID]()
	_, err := pool.Exec(t.Context(), `insert into account (id, email, name, roles, password_hash) values ($1, 'a@x.org', 'A', '{brand}', '-'), ($2, 'b@x.org', 'B', '{brand}', '-')`, owner, rival)
	if err != nil {
		t.Fatal(err)
	}
	save := func(e catalog.Edit) (p catalog.Product, err error) {
		err = schema.InTx(t.Context(), pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
			p, err = catalog.Save(ctx, tx, e)
			return err
		})
		return p, err
	}
	edit := func() catalog.Edit {
		return catalog.Edit{ID: commerce.NewID[commerce.ProductID](), Owner: owner, Title: " Copper pan 28 cm ",
			Variant: catalog.Variant{ID: commerce.NewID[commerce.VariantID](), Amount: 4900, Currency: "EUR"}}
	}
	first := edit()
	p, err := save(first)
	if err != nil || p.Title != "Copper pan 28 cm" || p.Image != catalog.PictureBase+"pan.svg" || len(p.Variants) != 1 || p.Variants[0] != first.Variant {
		t.Fatalf("%+v, %v", p, err)
	}
	first.Variant.Amount = 3900
	if p, err := save(first); err != nil || len(p.Variants) != 1 || p.Variants[0].Amount != 3900 {
		t.Errorf("edited: %+v, %v", p, err)
	}
	for name, c := range map[string]struct {
		change func(*catalog.Edit)
		want   error
	}{
		"title at the limit":       {func(e *catalog.Edit) { e.Title = strings.Repeat("ü", catalog.MaxTitle) }, nil},
		"title past it":            {func(e *catalog.Edit) { e.Title = strings.Repeat("ü", catalog.MaxTitle+1) }, catalog.ErrTitle},
		"no title":                 {func(e *catalog.Edit) { e.Title = " " }, catalog.ErrTitle},
		"variant title past it":    {func(e *catalog.Edit) { e.Variant.Title = strings.Repeat("ü", catalog.MaxVariantTitle+1) }, catalog.ErrTitle},
		"description at the limit": {func(e *catalog.Edit) { e.Description = strings.Repeat("ü", catalog.MaxDescription) }, nil},
		"description past it":      {func(e *catalog.Edit) { e.Description = strings.Repeat("ü", catalog.MaxDescription+1) }, catalog.ErrDescription},
		"least price":              {func(e *catalog.Edit) { e.Variant.Amount = catalog.MinAmount }, nil},
		"nothing":                  {func(e *catalog.Edit) { e.Variant.Amount = catalog.MinAmount - 1 }, catalog.ErrPrice},
		"most":                     {func(e *catalog.Edit) { e.Variant.Amount = catalog.MaxAmount }, nil},
		"more":                     {func(e *catalog.Edit) { e.Variant.Amount = catalog.MaxAmount + 1 }, catalog.ErrPrice},
		"currency in small":        {func(e *catalog.Edit) { e.Variant.Currency = "eur" }, catalog.ErrPrice},
		"picture of ours":          {func(e *catalog.Edit) { e.Image = "/img/copper-pan.svg" }, nil},
		"picture elsewhere":        {func(e *catalog.Edit) { e.Image = "https://evil.example/x.svg" }, catalog.ErrImage},
		"picture of another host":  {func(e *catalog.Edit) { e.Image = "//evil.example/x.svg" }, catalog.ErrImage},
		"picture above the site":   {func(e *catalog.Edit) { e.Image = "/img/../../x.svg" }, catalog.ErrImage},
		"picture that runs":        {func(e *catalog.Edit) { e.Image = "javascript:alert(1)" }, catalog.ErrImage},
		"somebody else's product":  {func(e *catalog.Edit) { e.ID, e.Owner = first.ID, rival }, catalog.ErrNotYours},
		"another product's thing":  {func(e *catalog.Edit) { e.Variant.ID = first.Variant.ID }, catalog.ErrNotYours},
		"no variant":               {func(e *catalog.Edit) { e.Variant.ID = commerce.VariantID{} }, commerce.ErrID},
	} {
		e := edit()
		c.change(&e)
		if _, err := save(e); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	more := first
	for n := 2; n <= catalog.MaxVariants; n++ {
		more.Variant.ID = commerce.NewID[commerce.VariantID]()
		if _, err := save(more); err != nil {
			t.Fatalf("variant %d: %v", n, err)
		}
	}
	more.Variant.ID = commerce.NewID[commerce.VariantID]()
	if _, err := save(more); !errors.Is(err, catalog.ErrTooMany) {
		t.Errorf("one variant too many: %v", err)
	}
	second := edit()
	if _, err := save(second); err != nil {
		t.Fatal(err)
	}
	list, err := catalog.List(t.Context(), pool, []commerce.ProductID{second.ID, commerce.NewID[commerce.ProductID](), first.ID})
	if err != nil || len(list) != 2 || list[0].ID != second.ID || list[1].ID != first.ID || list[1].Variants[0].ID != first.Variant.ID {
		t.Errorf("list: %+v, %v", list, err)
	}
	if events := catalog.PriceEvents(list); len(events) != 1+catalog.MaxVariants || events[0].Key != second.Variant.ID.String() {
		t.Errorf("%d events", len(events))
	}
	if _, err := catalog.List(t.Context(), pool, make([]commerce.ProductID, catalog.MaxList+1)); err == nil {
		t.Error("a list past the limit was read")
	}
	if _, err := catalog.Get(t.Context(), pool, commerce.NewID[commerce.ProductID]()); !errors.Is(err, catalog.ErrUnknown) {
		t.Errorf("unknown: %v", err)
	}
}

func TestPictures(t *testing.T) {
	for title, want := range map[string]string{"Copper Pan, 28 cm": "pan", "Two mugs": "mug", "Linen apron": "shirt", "Gift": "box", "": "box", "Pancake mix": "box"} {
		path := catalog.PicturePath(title)
		if path != catalog.PictureBase+want+".svg" {
			t.Errorf("%q: %s, want %s", title, path, want)
		}
		if svg, ok := catalog.Picture(strings.TrimPrefix(path, catalog.PictureBase)); !ok || !strings.Contains(string(svg), "aria-label") {
			t.Errorf("%s is not drawn", path)
		}
	}
	for _, name := range []string{"", "nothing.svg", "../picture.go", "pictures/pan.svg", "./pan.svg"} {
		if _, ok := catalog.Picture(name); ok {
			t.Errorf("%q is a picture", name)
		}
	}
}
