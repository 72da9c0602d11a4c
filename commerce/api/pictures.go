package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/guard"
)

func (a *API) registerPictures() {
	a.translate(
		translation{is: catalog.ErrUnknown, status: http.StatusNotFound, code: "product_unknown"},
		translation{is: catalog.ErrNotYours, status: http.StatusForbidden, code: "forbidden"},
		translation{is: catalog.ErrTitle, status: http.StatusUnprocessableEntity, code: "title_invalid"},
		translation{is: catalog.ErrDescription, status: http.StatusUnprocessableEntity, code: "description_invalid"},
		translation{is: catalog.ErrPrice, status: http.StatusUnprocessableEntity, code: "price_invalid"},
		translation{is: catalog.ErrImage, status: http.StatusUnprocessableEntity, code: "image_invalid"},
		translation{is: catalog.ErrTooMany, status: http.StatusConflict, code: "too_many_variants"},
		translation{is: catalog.ErrVariantTitle, status: http.StatusUnprocessableEntity, code: "variant_title_invalid"},
		translation{is: catalog.ErrVariants, status: http.StatusUnprocessableEntity, code: "variants_invalid"},
		translation{is: catalog.ErrFull, status: http.StatusConflict, code: "catalog_full"},
		translation{is: catalog.ErrPicture, status: http.StatusUnprocessableEntity, code: "picture_invalid"},
		translation{is: catalog.ErrTooManyPictures, status: http.StatusConflict, code: "too_many_pictures"},
	)
	a.registerPictureRoutes()
}

type pictureOutput struct {
	Type    string `header:"Content-Type"`
	Cache   string `header:"Cache-Control"`
	Content string `header:"Content-Security-Policy"`
	Body    []byte
}

const (
	drawingCache = "public, max-age=86400"               // a later version may draw it better
	pictureCache = "public, max-age=31536000, immutable" // the name is the hash of the bytes
	// Opened by itself a picture is a document, or could be taken for one: it may do nothing.
	picturePolicy = "default-src 'none'; sandbox"
)

// uploadWithin lets two megabytes come over a poor line, of a third of a megabit per second.
const uploadWithin = time.Minute

// uploadRule is slower than editRule: each may be of two megabytes.
var uploadRule = guard.Rule{Name: "upload_address", Burst: 60, Every: 2 * time.Second}

func (a *API) registerPictureRoutes() {
	register(a, operation{
		ID: "getPicture", Method: http.MethodGet, Path: "/pictures/{name}", Tag: tagCatalog, Public: true,
		Summary: "An uploaded picture, or a drawing for a product that has none (SVG)", Codes: []string{"not_found"},
	}, a.getPicture)
	register(a, operation{
		ID: "addPicture", Method: http.MethodPost, Path: "/pictures", Tag: tagCatalog, Rule: uploadRule, Status: http.StatusCreated, Once: true,
		Body: catalog.MaxPicture, Patience: uploadWithin, Summary: "Upload a picture for my products: PNG, JPEG or WebP, at most 2 MiB and 4096 by 4096 pixels",
		Codes: []string{"signed_out", "not_brand", "picture_invalid", "too_many_pictures", "body_too_large"},
	}, func(ctx context.Context, in *struct {
		RawBody []byte `contentType:"image/*" doc:"The file as it is; its kind is judged by its bytes"`
	}) (*addPictureOutput, error) {
		who, err := a.supplier(ctx)
		if err != nil {
			return nil, err
		}
		picture, err := catalog.NewPicture(in.RawBody)
		if err != nil {
			return nil, err
		}
		err = a.inTx(ctx, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
			return catalog.AddPicture(ctx, tx, who.Account.ID, picture)
		})
		out := &addPictureOutput{}
		out.Body.Image = picture.Path()
		return out, err
	})
}

type addPictureOutput struct {
	Body struct {
		Image string `json:"image" doc:"Its path on this site, for the image of a product" example:"/api/v1/pictures/….png"`
	}
}

func (a *API) getPicture(ctx context.Context, in *struct {
	Name string `path:"name"`
}) (*pictureOutput, error) {
	if svg, ok := catalog.Drawing(in.Name); ok {
		return &pictureOutput{Type: "image/svg+xml", Cache: drawingCache, Content: picturePolicy, Body: svg}, nil
	}
	p, err := catalog.ReadPicture(ctx, a.config.Pool, in.Name)
	if errors.Is(err, catalog.ErrUnknown) {
		return nil, problem(http.StatusNotFound, "not_found", statusDetail(http.StatusNotFound))
	}
	if err != nil {
		return nil, err
	}
	return &pictureOutput{Type: p.Type, Cache: pictureCache, Content: picturePolicy, Body: p.Bytes}, nil
}
