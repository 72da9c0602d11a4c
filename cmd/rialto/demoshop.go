package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/rialto-live/rialto/commerce"
)

// demoWare is a product as the API tells it: of a brand, or with pool and opens_at as a show sells it.
type demoWare struct {
	ID, Title string
	Variants  []struct {
		ID, Title string
		Pool      *string
		OnHand    int        `json:"on_hand"`
		Opens     *time.Time `json:"opens_at"`
	}
}

// prepare signs the demo people up or in, and makes sure that the show, its products, a timed release and a pin are
// there. It may be killed anywhere and run again: what is there is found by its title.
func (d *demo) prepare(ctx context.Context) (show string, err error) {
	for _, who := range demoAccounts {
		if err := d.people[who.Email].enter(ctx, who); err != nil {
			return "", fmt.Errorf("demo account %s: %w", who.Email, err)
		}
	}
	if show, err = d.findShow(ctx); err != nil {
		return "", fmt.Errorf("demo show: %w", err)
	}
	products, err := d.fillCatalog(ctx)
	if err != nil {
		return "", fmt.Errorf("demo products: %w", err)
	}
	if err := d.stockShow(ctx, show, products); err != nil {
		return "", fmt.Errorf("products of the demo show: %w", err)
	}
	return show, nil
}

func (d *demo) findShow(ctx context.Context) (string, error) {
	mara := d.people[demoMara]
	var mine struct {
		Shows []struct{ ID, Title, State string }
	}
	if err := mara.call(ctx, http.MethodGet, "/shows/mine", nil, &mine); err != nil {
		return "", err
	}
	for _, s := range mine.Shows {
		if s.Title == demoTitle && s.State != "ended" {
			return s.ID, nil
		}
	}
	id := commerce.NewID[commerce.ShowID]().String()
	return id, mara.call(ctx, http.MethodPut, "/shows/"+id, map[string]any{
		"title": demoTitle, "description": "Pans that outlive their cooks. A demo: nothing here costs real money.",
	}, nil)
}

// fillCatalog makes what Ponte does not have yet, and answers with all that the demo sells, by title.
func (d *demo) fillCatalog(ctx context.Context) (map[string]demoWare, error) {
	ponte, have := d.people[demoPonte], map[string]demoWare{}
	for cursor, more := "", true; more; more = cursor != "" {
		var page struct {
			Products []demoWare
			Next     string
		}
		if err := ponte.call(ctx, http.MethodGet, "/products/mine?cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			return nil, err
		}
		for _, p := range page.Products {
			have[p.Title] = p
		}
		cursor = page.Next
	}
	for _, p := range demoProducts {
		if _, ok := have[p.title]; ok {
			continue
		}
		variants := make([]map[string]any, 0, len(p.variants))
		for _, v := range p.variants {
			variants = append(variants, map[string]any{
				"id": commerce.NewID[commerce.VariantID](), "title": v.title, "price": map[string]any{"amount": v.amount, "currency": "EUR"},
			})
		}
		var made demoWare
		if err := ponte.call(ctx, http.MethodPut, "/products/"+commerce.NewID[commerce.ProductID]().String(), map[string]any{
			"title": p.title, "description": p.description, "image": p.image, "variants": variants,
		}, &made); err != nil {
			return nil, fmt.Errorf("%s: %w", p.title, err)
		}
		have[p.title] = made
	}
	return have, nil
}

func (d *demo) stockShow(ctx context.Context, show string, products map[string]demoWare) error {
	mara := d.people[demoMara]
	if err := mara.call(ctx, http.MethodPut, "/shows/"+show+"/brands", map[string]any{"email": demoPonte}, nil); err != nil {
		return err
	}
	var sheet struct {
		Products []demoWare
		Pinned   *string
	}
	if err := mara.call(ctx, http.MethodGet, "/shows/"+show+"/products", nil, &sheet); err != nil {
		return err
	}
	listed := map[string]demoWare{}
	for _, p := range sheet.Products {
		listed[p.Title] = p
	}
	for _, p := range demoProducts {
		if there, ok := listed[p.title]; ok && there.ID != products[p.title].ID {
			continue // a show of an older version sells Mara's own
		}
		if err := d.stockProduct(ctx, show, p, products[p.title], listed[p.title]); err != nil {
			return fmt.Errorf("%s: %w", p.title, err)
		}
	}
	d.released = show
	if sheet.Pinned != nil {
		return nil
	}
	first := products[demoProducts[0].title].ID
	if there, ok := listed[demoProducts[0].title]; ok {
		first = there.ID
	}
	return mara.call(ctx, http.MethodPut, "/shows/"+show+"/pin", map[string]any{"product": first}, nil)
}

// stockProduct puts the units of a product's variants into the show where there are none. A timed one is listed
// without units first, so that nobody buys before its time is set.
func (d *demo) stockProduct(ctx context.Context, show string, p demoProduct, product, listed demoWare) error {
	ponte := d.people[demoPonte]
	units := func(variant string, n int) error {
		return ponte.call(ctx, http.MethodPut, "/shows/"+show+"/stock/"+variant, map[string]any{"units": n}, nil)
	}
	opens := time.Now().Add(demoRelease).UTC().Truncate(time.Minute)
	for i, v := range product.Variants {
		if i >= len(p.variants) {
			break // the brand has added some
		}
		missing := len(listed.Variants) <= i || listed.Variants[i].Pool == nil
		if p.timed {
			if missing {
				if err := units(v.ID, 0); err != nil {
					return err
				}
			}
			if err := d.release(ctx, show, v.ID, opens); err != nil {
				return err
			}
			missing = missing || listed.Variants[i].OnHand == 0
		}
		if missing {
			if err := units(v.ID, p.variants[i].units); err != nil {
				return err
			}
		}
	}
	return nil
}

// release schedules a release once after each start of the program: there is one to look forward to.
func (d *demo) release(ctx context.Context, show, variant string, opens time.Time) error {
	if d.released == show {
		return nil
	}
	err := d.people[demoPonte].call(ctx, http.MethodPut, "/shows/"+show+"/drops/"+commerce.NewID[commerce.DropID]().String(),
		map[string]any{"variant": variant, "opens_at": opens}, nil)
	// One that is still to come is as good; and after a hundred starts there has been enough of it.
	if problem := (&apiProblem{}); errors.As(err, &problem) && (problem.Code == "drop_conflict" || problem.Code == "too_many_drops") {
		return nil
	}
	return err
}
