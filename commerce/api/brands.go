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
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

// inviteRule is slower than editRule: an invitation tells whether an e-mail address is a brand's.
var inviteRule = guard.Rule{Name: "invite_address", Burst: 30, Every: 10 * time.Second}

type brandsOutput struct {
	Body struct {
		Brands []brandBody `json:"brands"`
	}
}

type brandBody struct {
	ID    commerce.AccountID `json:"id"`
	Name  string             `json:"name"`
	Email string             `json:"email"`
}

type dropOutput struct {
	Body struct {
		ID      commerce.DropID    `json:"id"`
		Show    commerce.ShowID    `json:"show"`
		Variant commerce.VariantID `json:"variant"`
		OpensAt *time.Time         `json:"opens_at" doc:"null: opened by hand, sells at once"`
	}
}

func (a *API) registerBrands() {
	a.translate(
		translation{is: show.ErrNoBrand, status: http.StatusNotFound, code: "brand_unknown"},
		translation{is: show.ErrOwnBrand, status: http.StatusConflict, code: "brand_is_creator"},
		translation{is: show.ErrTooManyBrands, status: http.StatusConflict, code: "too_many_brands"},
		translation{is: show.ErrNoSupplier, status: http.StatusForbidden, code: "forbidden"},
		translation{is: drop.ErrTime, status: http.StatusUnprocessableEntity, code: "drop_time_invalid"},
		translation{is: drop.ErrOpen, status: http.StatusConflict, code: "drop_open"},
		translation{is: drop.ErrConflict, status: http.StatusConflict, code: "drop_conflict"},
		translation{is: drop.ErrTaken, status: http.StatusConflict, code: "drop_conflict"},
		translation{is: drop.ErrTooMany, status: http.StatusConflict, code: "too_many_drops"},
	)
	a.registerShowBrands()
	a.registerSupply()
}

func (a *API) registerShowBrands() {
	register(a, operation{
		ID: "listBrands", Method: http.MethodGet, Path: "/shows/{show}/brands", Tag: tagShows,
		Summary: "The brands that may stock my show", Codes: []string{"signed_out", "forbidden", "show_unknown"},
	}, func(ctx context.Context, in *ShowPath) (*brandsOutput, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		s, err := show.Get(ctx, a.config.Pool, in.Show)
		if err != nil {
			return nil, err
		}
		if err := s.MayEdit(*who.Account); err != nil {
			return nil, err
		}
		return brandsOf(ctx, a.config.Pool, s.ID)
	})
	register(a, operation{
		ID: "addBrand", Method: http.MethodPut, Path: "/shows/{show}/brands", Tag: tagShows, Rule: inviteRule,
		Summary: "Let a brand put its products on sale in my show",
		Codes: []string{"signed_out", "forbidden", "show_unknown", "show_ended", "email_invalid", "brand_unknown", "brand_is_creator",
			"too_many_brands"},
	}, func(ctx context.Context, in *struct {
		ShowPath
		Body struct {
			Email string `json:"email" doc:"Of an account with the role brand"`
		}
	}) (out *brandsOutput, err error) {
		err = a.editing(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, _ Identity) error {
			if err := show.AddBrand(ctx, tx, s, in.Body.Email); err != nil {
				return err
			}
			out, err = brandsOf(ctx, tx, s.ID)
			return err
		})
		return out, err
	})
	register(a, operation{
		ID: "removeBrand", Method: http.MethodDelete, Path: "/shows/{show}/brands/{account}", Tag: tagShows, Rule: editRule,
		Status: http.StatusNoContent, Summary: "Take this right away; what the brand has put on sale stays until I take it off",
		Codes: []string{"signed_out", "forbidden", "show_unknown", "show_ended"},
	}, func(ctx context.Context, in *struct {
		ShowPath
		Account commerce.AccountID `path:"account"`
	}) (*struct{}, error) {
		return nil, a.editing(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, _ Identity) error {
			return show.RemoveBrand(ctx, tx, s, in.Account)
		})
	})
	register(a, operation{
		ID: "listSuppliedShows", Method: http.MethodGet, Path: "/shows/supplied", Tag: tagShows,
		Summary: "Shows that I may stock, newest first", Codes: []string{"signed_out", "cursor_invalid"},
	}, func(ctx context.Context, in *struct {
		Cursor string `query:"cursor"`
	}) (*showsOutput, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		page, err := show.ListSupplied(ctx, a.config.Pool, who.Account.ID, in.Cursor)
		if err != nil {
			return nil, err
		}
		return showsOutputOf(page), nil
	})
}

func brandsOf(ctx context.Context, q schema.Querier, id commerce.ShowID) (*brandsOutput, error) {
	list, err := show.Brands(ctx, q, id)
	if err != nil {
		return nil, err
	}
	out := &brandsOutput{}
	out.Body.Brands = make([]brandBody, 0, len(list))
	for _, b := range list {
		out.Body.Brands = append(out.Body.Brands, brandBody{ID: b.ID, Name: b.Name, Email: b.Email})
	}
	return out, nil
}

func (a *API) registerSupply() {
	register(a, operation{
		ID: "putStock", Method: http.MethodPut, Path: "/shows/{show}/stock/{variant}", Tag: tagSale, Rule: editRule,
		Summary: "Put a variant of mine on sale in a show that I may stock, or change its units",
		Codes:   []string{"signed_out", "forbidden", "show_unknown", "show_ended", "product_unknown", "quantity_invalid", "too_many_products", "product_in_too_many_shows"},
	}, func(ctx context.Context, in *struct {
		ShowPath
		Variant commerce.VariantID `path:"variant"`
		Body    struct {
			Units int `json:"units" doc:"Units of this show, sold ones included; 0 shows it as sold out"`
		}
	}) (*productOutput, error) {
		var product catalog.Product
		var pools []commerce.PoolID
		err := a.onShow(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) (err error) {
			product, pools, err = checkout.PutStock(ctx, tx, s, *who.Account, in.Variant, in.Body.Units)
			return err
		}, checkedWithin)
		if err != nil {
			return nil, err
		}
		a.config.Sale.changed(ctx, pools)
		return a.readProduct(ctx, in.Show, product)
	})
	register(a, operation{
		ID: "putDrop", Method: http.MethodPut, Path: "/shows/{show}/drops/{drop}", Tag: tagSale, Rule: editRule,
		Summary: "Release a variant at an exact time; move the time until then, or open it now",
		Codes: []string{"signed_out", "forbidden", "show_unknown", "show_ended", "product_not_listed", "drop_time_invalid", "drop_open",
			"drop_conflict", "too_many_drops"},
	}, func(ctx context.Context, in *struct {
		ShowPath
		Drop commerce.DropID `path:"drop"`
		Body struct {
			Variant commerce.VariantID `json:"variant"`
			OpensAt *time.Time         `json:"opens_at" required:"true" nullable:"true" doc:"null opens it now"`
		}
	}) (*dropOutput, error) {
		var d drop.Drop
		var pools []commerce.PoolID
		err := a.onShow(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) (err error) {
			d, pools, err = drop.Put(ctx, tx, s, *who.Account, drop.Drop{ID: in.Drop, Variant: in.Body.Variant, Opens: in.Body.OpensAt})
			return err
		}, checkedWithin)
		if err != nil {
			return nil, err
		}
		a.config.Sale.changed(ctx, pools)
		out := &dropOutput{}
		out.Body.ID, out.Body.Show, out.Body.Variant, out.Body.OpensAt = d.ID, d.Show, d.Variant, d.Opens
		return out, nil
	})
}

// checkedWithin is for workflows that judge themselves who may, because it depends on whose the product is.
func checkedWithin(show.Show, Identity) error { return nil }
