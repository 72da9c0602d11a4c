package api

import (
	"context"
	"net/http"
	"time"
)

// Made is what the operation of RegisterMaking answers.
type Made struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// RegisterMaking adds POST /made, which runs do once for each Idempotency-Key.
func (a *API) RegisterMaking(do func(ctx context.Context, name string) (Made, error)) {
	type output struct {
		Location string `header:"Location"`
		Secret   string `header:"X-Secret"`
		Body     Made
	}
	register(a, operation{
		ID: "make", Method: http.MethodPost, Path: "/made", Tag: tagShows, Summary: "Makes something", Status: http.StatusCreated, Once: true, Body: 1 << 10,
	}, func(ctx context.Context, in *struct {
		Body struct {
			Name string `json:"name"`
		}
	}) (*output, error) {
		made, err := do(ctx, in.Body.Name)
		if err != nil {
			return nil, err
		}
		a.setCookie(ctx, "rialto_secret", "x", time.Hour)
		return &output{Location: "/made/1", Secret: "x", Body: made}, nil
	})
}

// Translate is what an error of commerce is told as.
func (a *API) Translate(ctx context.Context, err error) *Problem { return a.asProblem(ctx, err) }

// ErrNotNow is a refusal for tests.
func ErrNotNow() error { return problem(http.StatusConflict, "not_now", "Not now.") }
