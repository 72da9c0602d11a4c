package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/checkout"
)

// maxCatalogBody is what a product with all its variants needs when every character is written as an escape.
const maxCatalogBody = 256 << 10

type ownerBody struct {
	ID   commerce.AccountID `json:"id"`
	Name string             `json:"name"`
}

type brandVariantBody struct {
	ID    commerce.VariantID `json:"id"`
	Title string             `json:"title" doc:"\"\" when the product has only one"`
	Price amountBody         `json:"price"`
}

// brandProductBody is a product as its owner sees it: units belong to shows.
type brandProductBody struct {
	ID          commerce.ProductID `json:"id"`
	Title       string             `json:"title"`
	Description string             `json:"description"`
	Image       string             `json:"image"`
	Owner       ownerBody          `json:"owner"`
	Variants    []brandVariantBody `json:"variants"`
}

type brandProductOutput struct {
	Status int
	Body   brandProductBody
}

type brandProductsOutput struct {
	Body struct {
		Products []brandProductBody `json:"products"`
		Next     *string            `json:"next" doc:"Cursor of the next page; null on the last one"`
	}
}

// ProductPath is embedded in the inputs of operations on one product.
type ProductPath struct {
	Product commerce.ProductID `path:"product"`
}

type saveProductInput struct {
	ProductPath
	Body struct {
		Title       string `json:"title"`
		Description string `json:"description,omitempty"`
		Image       string `json:"image,omitempty" doc:"A path of this site; left out, one of our drawings"`
		Variants    []struct {
			ID    commerce.VariantID `json:"id"`
			Title string             `json:"title,omitempty"`
			Price amountBody         `json:"price"`
		} `json:"variants" doc:"1 to 50; those left out stay as they are"`
	}
}

func brandProductOf(p catalog.Product) brandProductBody {
	body := brandProductBody{
		ID: p.ID, Title: p.Title, Description: p.Description, Image: p.Image, Owner: ownerBody{ID: p.Owner, Name: p.OwnerName},
		Variants: make([]brandVariantBody, 0, len(p.Variants)),
	}
	for _, v := range p.Variants {
		body.Variants = append(body.Variants, brandVariantBody{ID: v.ID, Title: v.Title, Price: amountBody{Amount: v.Amount, Currency: v.Currency}})
	}
	return body
}

// supplier is who asks, if they may have products: a brand or a creator.
func (a *API) supplier(ctx context.Context) (Identity, error) {
	who, err := a.signedIn(ctx)
	if err != nil {
		return Identity{}, err
	}
	if !who.Account.Has(account.Brand, account.Creator) {
		return Identity{}, problem(http.StatusForbidden, "not_brand", "Only brands and creators have products. Sign up as one of them.")
	}
	return who, nil
}

func (a *API) registerCatalog() {
	register(a, operation{
		ID: "listMyProducts", Method: http.MethodGet, Path: "/products/mine", Tag: tagCatalog, Summary: "My products, newest first",
		Codes: []string{"signed_out", "cursor_invalid"},
	}, func(ctx context.Context, in *struct {
		Cursor string `query:"cursor"`
	}) (*brandProductsOutput, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		page, err := catalog.ListMine(ctx, a.config.Pool, who.Account.ID, in.Cursor)
		if err != nil {
			return nil, err
		}
		out := &brandProductsOutput{}
		out.Body.Products = make([]brandProductBody, 0, len(page.Products))
		for _, p := range page.Products {
			out.Body.Products = append(out.Body.Products, brandProductOf(p))
		}
		if page.Next != "" {
			out.Body.Next = &page.Next
		}
		return out, nil
	})
	register(a, operation{
		ID: "getProduct", Method: http.MethodGet, Path: "/products/{product}", Tag: tagCatalog, Summary: "One product of mine",
		Codes: []string{"signed_out", "forbidden", "product_unknown"},
	}, func(ctx context.Context, in *ProductPath) (*brandProductOutput, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		p, err := catalog.Get(ctx, a.config.Pool, in.Product)
		if err != nil {
			return nil, err
		}
		if p.Owner != who.Account.ID {
			return nil, catalog.ErrNotYours
		}
		return &brandProductOutput{Status: http.StatusOK, Body: brandProductOf(p)}, nil
	})
	register(a, operation{
		ID: "saveProduct", Makes: true, Method: http.MethodPut, Path: "/products/{product}", Tag: tagCatalog, Rule: editRule, Body: maxCatalogBody,
		Summary: "Make or edit a product of mine; a new price counts at once wherever it is sold",
		Codes: []string{"signed_out", "not_brand", "forbidden", "title_invalid", "variant_title_invalid", "description_invalid", "price_invalid", "image_invalid",
			"variants_invalid", "too_many_variants", "catalog_full"},
	}, a.saveProduct)
}

func (a *API) saveProduct(ctx context.Context, in *saveProductInput) (*brandProductOutput, error) {
	who, err := a.supplier(ctx)
	if err != nil {
		return nil, err
	}
	e := catalog.Edit{ID: in.Product, Owner: who.Account.ID, Title: in.Body.Title, Description: in.Body.Description, Image: in.Body.Image}
	for _, v := range in.Body.Variants {
		e.Variants = append(e.Variants, catalog.Variant{ID: v.ID, Title: v.Title, Amount: v.Price.Amount, Currency: v.Price.Currency})
	}
	var saved catalog.Saved
	var pools []commerce.PoolID
	err = a.inTx(ctx, func(ctx context.Context, tx pgx.Tx, _ time.Time) (err error) {
		saved, pools, err = checkout.SaveProduct(ctx, tx, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	a.config.Sale.changed(ctx, pools)
	out := &brandProductOutput{Status: http.StatusOK, Body: brandProductOf(saved.Product)}
	if saved.Created {
		out.Status = http.StatusCreated
	}
	return out, nil
}
