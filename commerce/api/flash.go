package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/price"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

// flashBody is a flash price with what is left at it.
type flashBody struct {
	price.FlashSet
	Left *int `json:"left" doc:"Units still to be had at this price; null: no cap"`
}

// flashOf is nil when the variant has no flash price.
func flashOf(f price.Flash, l stock.Level) *flashBody {
	if f.ID.IsZero() {
		return nil
	}
	body := &flashBody{FlashSet: f.Set()}
	if l.Timed == f.Version {
		body.Left = l.TimedLeft
	}
	return body
}

// madeFlashBody is a flashBody and what it is about. (huma leaves out what is embedded and not exported.)
type madeFlashBody struct {
	price.FlashSet
	Left    *int               `json:"left" doc:"Units still to be had at this price; null: no cap"`
	Variant commerce.VariantID `json:"variant"`
}

type flashOutput struct{ Body madeFlashBody }

// FlashPath is embedded in the inputs of operations on one flash price.
type FlashPath struct {
	ShowPath
	Flash commerce.FlashID `path:"flash" doc:"Made by the client; repeating it repeats the answer"`
}

type putFlashInput struct {
	FlashPath
	Body struct {
		Variant commerce.VariantID `json:"variant"`
		Amount  int64              `json:"amount" doc:"Minor units, below the standing price and in its currency"`
		LastsS  int64              `json:"lasts_s" doc:"Seconds, 10 to 86400"`
		Starts  *time.Time         `json:"starts_at,omitempty" nullable:"true" doc:"Left out or null: now. At most a day ahead"`
		Cap     int                `json:"cap,omitempty" doc:"Units in all; 0: no cap"`
	}
}

func (a *API) registerFlash() {
	unprocessable := func(is error, code string) translation {
		return translation{is: is, status: http.StatusUnprocessableEntity, code: code}
	}
	a.translate(
		unprocessable(price.ErrPrice, "flash_price_invalid"),
		unprocessable(price.ErrTime, "flash_time_invalid"),
		unprocessable(price.ErrCap, "flash_cap_invalid"),
		translation{is: price.ErrConflict, status: http.StatusConflict, code: "flash_conflict"},
		translation{is: price.ErrTooMany, status: http.StatusConflict, code: "too_many_flash_prices"},
		translation{is: price.ErrUnknown, status: http.StatusNotFound, code: "flash_unknown"},
	)
	register(a, operation{
		ID: "putFlashPrice", Method: http.MethodPut, Path: "/shows/{show}/flash-prices/{flash}", Tag: tagSale, Rule: editRule,
		Summary: "Sell a variant of my show at a lower price for a while; it takes the place of the variant's present one",
		Codes: []string{"signed_out", "forbidden", "show_unknown", "show_ended", "product_not_listed", "flash_price_invalid", "flash_time_invalid",
			"flash_cap_invalid", "flash_conflict", "too_many_flash_prices"},
	}, a.putFlash)
	register(a, operation{
		ID: "cancelFlashPrice", Method: http.MethodDelete, Path: "/shows/{show}/flash-prices/{flash}", Tag: tagSale, Rule: editRule,
		Status: http.StatusNoContent, Summary: "End a flash price now; twice is once",
		Codes: []string{"signed_out", "forbidden", "show_unknown", "show_ended", "flash_unknown"},
	}, func(ctx context.Context, in *FlashPath) (*struct{}, error) {
		var pools []commerce.PoolID
		err := a.editing(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, _ Identity) (err error) {
			pools, err = price.Cancel(ctx, tx, s, in.Flash)
			return err
		})
		if err != nil {
			return nil, err
		}
		a.config.Sale.changed(ctx, pools)
		return nil, nil
	})
}

func (a *API) putFlash(ctx context.Context, in *putFlashInput) (*flashOutput, error) {
	var (
		flash price.Flash
		pools []commerce.PoolID
	)
	// A number of seconds that no duration can hold is too many in any case.
	lasts := time.Duration(min(max(in.Body.LastsS, -1), int64(price.MaxLasts/time.Second)+1)) * time.Second
	err := a.editing(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) error {
		var now time.Time
		err := tx.QueryRow(ctx, `select now()`).Scan(&now)
		if err != nil {
			return err
		}
		flash, pools, err = price.Set(ctx, tx, now, s, *who.Account, price.Wish{
			ID: in.Flash, Variant: in.Body.Variant, Amount: in.Body.Amount, Starts: in.Body.Starts, Lasts: lasts, Cap: in.Body.Cap,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	a.config.Sale.changed(ctx, pools)
	level, err := stock.LevelOf(ctx, a.config.Pool, in.Show, flash.Variant)
	if err != nil {
		return nil, err
	}
	body := flashOf(flash, level)
	return &flashOutput{Body: madeFlashBody{FlashSet: body.FlashSet, Left: body.Left, Variant: flash.Variant}}, nil
}
