package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/drop"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/price"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

type variantBody struct {
	ID     commerce.VariantID `json:"id"`
	Title  string             `json:"title"`
	Price  amountBody         `json:"price"`
	Flash  *flashBody         `json:"flash" doc:"The present flash price, before its start and after its end, too: judge by the server's clock"`
	Opens  *time.Time         `json:"opens_at" doc:"When it is or was released; null: it sells at once"`
	Pool   *commerce.PoolID   `json:"pool"`
	Left   int                `json:"left"`
	OnHand int                `json:"on_hand"`
}

type productBody struct {
	ID          commerce.ProductID `json:"id"`
	Title       string             `json:"title"`
	Description string             `json:"description"`
	Image       string             `json:"image"`
	Owner       ownerBody          `json:"owner"`
	Variants    []variantBody      `json:"variants"`
}

type productsOutput struct {
	Body struct {
		Products []productBody       `json:"products"`
		Pinned   *commerce.ProductID `json:"pinned"`
		Version  int64               `json:"version" doc:"Number of the last event that this list knows of"`
	}
}

type productOutput struct{ Body productBody }

type putProductInput struct {
	ShowPath
	Product commerce.ProductID `path:"product"`
	Body    struct {
		Title       string             `json:"title"`
		Description string             `json:"description,omitempty"`
		Image       string             `json:"image,omitempty" doc:"A path of this site; left out, one of our drawings"`
		Price       amountBody         `json:"price"`
		Stock       int                `json:"stock" doc:"Units of this show, sold ones included"`
		Variant     commerce.VariantID `json:"variant"`
	}
}

// terms is how a show sells its variants: how many, from when, at which lower price for a while.
type terms struct {
	levels  map[commerce.VariantID]stock.Level
	drops   map[commerce.VariantID]drop.Drop
	flashes map[commerce.VariantID]price.Flash
}

func productOf(p catalog.Product, t terms) productBody {
	body := productBody{
		ID: p.ID, Title: p.Title, Description: p.Description, Image: p.Image, Owner: ownerBody{ID: p.Owner, Name: p.OwnerName},
		Variants: make([]variantBody, 0, len(p.Variants)),
	}
	for _, v := range p.Variants {
		variant := variantBody{ID: v.ID, Title: v.Title, Price: amountBody{Amount: v.Amount, Currency: v.Currency}, Opens: t.drops[v.ID].Opens}
		if l, ok := t.levels[v.ID]; ok {
			variant.Pool, variant.Left, variant.OnHand, variant.Flash = &l.Pool, l.Left, l.OnHand, flashOf(t.flashes[v.ID], l)
		}
		body.Variants = append(body.Variants, variant)
	}
	return body
}

func termsOf(ctx context.Context, q schema.Querier, id commerce.ShowID) (t terms, err error) {
	list, err := stock.Levels(ctx, q, id)
	if err != nil {
		return terms{}, err
	}
	t.levels = make(map[commerce.VariantID]stock.Level, len(list))
	for _, l := range list {
		t.levels[l.Variant] = l
	}
	if t.drops, err = drop.Latest(ctx, q, id); err != nil {
		return terms{}, err
	}
	t.flashes, err = price.Present(ctx, q, id)
	return t, err
}

// readProduct answers with a product as the show sells it now.
func (a *API) readProduct(ctx context.Context, show commerce.ShowID, p catalog.Product) (*productOutput, error) {
	t, err := termsOf(ctx, a.config.Pool, show)
	if err != nil {
		return nil, err
	}
	return &productOutput{Body: productOf(p, t)}, nil
}

func (a *API) registerProducts() {
	register(a, operation{
		ID: "listProducts", Method: http.MethodGet, Path: "/shows/{show}/products", Tag: tagSale,
		Summary: "What a show sells, at one moment", Codes: []string{"show_unknown"},
	}, func(ctx context.Context, in *ShowPath) (*productsOutput, error) {
		out := &productsOutput{}
		// One snapshot: the version is that of everything in the list, so that a page can tell old events from new.
		err := schema.Snapshot(ctx, a.config.Pool, func(ctx context.Context, q schema.Querier, _ time.Time) error {
			s, err := show.Get(ctx, q, in.Show)
			if err != nil {
				return err
			}
			ids, err := show.Products(ctx, q, s.ID)
			if err != nil {
				return err
			}
			products, err := catalog.List(ctx, q, ids)
			if err != nil {
				return err
			}
			t, err := termsOf(ctx, q, s.ID)
			if err != nil {
				return err
			}
			out.Body.Pinned, out.Body.Products = s.Pin, make([]productBody, 0, len(products))
			for _, p := range products {
				out.Body.Products = append(out.Body.Products, productOf(p, t))
			}
			out.Body.Version, err = outbox.Seq(ctx, q, s.ID)
			return err
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	})
	register(a, operation{
		ID: "putProduct", Method: http.MethodPut, Path: "/shows/{show}/products/{product}", Tag: tagSale,
		Summary: "Put a product on sale in my show, or change it", Rule: editRule,
		Codes: []string{"signed_out", "forbidden", "show_unknown", "show_ended", "title_invalid", "description_invalid", "price_invalid",
			"image_invalid", "quantity_invalid", "too_many_products", "too_many_variants"},
	}, a.putProduct)
}

func (a *API) registerTakingOff() {
	register(a, operation{
		ID: "takeProductOff", Method: http.MethodDelete, Path: "/shows/{show}/products/{product}", Tag: tagSale, Rule: editRule, Status: http.StatusNoContent,
		Summary: "Sell a product no longer in my show; what is held of it can still be paid",
		Codes:   []string{"signed_out", "forbidden", "show_unknown", "show_ended", "product_unknown"},
	}, func(ctx context.Context, in *struct {
		ShowPath
		ProductPath
	}) (*struct{}, error) {
		var pools []commerce.PoolID
		err := a.editing(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, _ Identity) (err error) {
			pools, err = checkout.TakeOff(ctx, tx, s, in.Product)
			return err
		})
		if err != nil {
			return nil, err
		}
		a.config.Sale.changed(ctx, pools)
		return nil, nil
	})
}

func (a *API) putProduct(ctx context.Context, in *putProductInput) (*productOutput, error) {
	var (
		product catalog.Product
		pools   []commerce.PoolID
	)
	err := a.editing(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) (err error) {
		product, pools, err = checkout.PutProduct(ctx, tx, s, catalog.Edit{
			ID: in.Product, Owner: who.Account.ID, Title: in.Body.Title, Description: in.Body.Description, Image: in.Body.Image,
			Variants:   []catalog.Variant{{ID: in.Body.Variant, Amount: in.Body.Price.Amount, Currency: in.Body.Price.Currency}},
			KeepTitles: true,
		}, in.Body.Stock)
		return err
	})
	if err != nil {
		return nil, err
	}
	a.config.Sale.changed(ctx, pools)
	return a.readProduct(ctx, in.Show, product)
}
