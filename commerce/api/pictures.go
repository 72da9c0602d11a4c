package api

import (
	"context"
	"net/http"

	"github.com/rialto-live/rialto/commerce/catalog"
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
	)
	type picture struct {
		Type    string `header:"Content-Type"`
		Cache   string `header:"Cache-Control"`
		Content string `header:"Content-Security-Policy"`
		Body    []byte
	}
	register(a, operation{
		ID: "getPicture", Method: http.MethodGet, Path: "/pictures/{name}", Tag: tagShows, Public: true,
		Summary: "A drawing for a product that has no picture of its own (SVG)", Codes: []string{"not_found"},
	}, func(_ context.Context, in *struct {
		Name string `path:"name"`
	}) (*picture, error) {
		svg, ok := catalog.Picture(in.Name)
		if !ok {
			return nil, problem(http.StatusNotFound, "not_found", statusDetail(http.StatusNotFound))
		}
		// Opened by itself an SVG is a document: it may do nothing.
		return &picture{Type: "image/svg+xml", Cache: "public, max-age=86400", Content: "default-src 'none'; sandbox", Body: svg}, nil
	})
}
