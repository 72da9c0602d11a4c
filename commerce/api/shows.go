package api

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/cursor"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/show"
)

// editRule is for whatever a creator changes by hand.
var editRule = guard.Rule{Name: "edit_address", Burst: 120, Every: 500 * time.Millisecond}

type showBody struct {
	ID          commerce.ShowID `json:"id"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Creator     creatorBody     `json:"creator"`
	State       show.State      `json:"state" enum:"scheduled,live,ended"`
	OnAir       bool            `json:"on_air" doc:"Media is arriving right now; a live show that is not on air has lost its creator's line"`
	StartsAt    *time.Time      `json:"starts_at"`
	StartedAt   *time.Time      `json:"started_at"`
	EndedAt     *time.Time      `json:"ended_at"`
	Poster      *string         `json:"poster"`
}

type creatorBody struct {
	ID   commerce.AccountID `json:"id"`
	Name string             `json:"name"`
}

func showBodyOf(s show.Show) showBody {
	return showBody{
		ID: s.ID, Title: s.Title, Description: s.Description, Creator: creatorBody{ID: s.Creator, Name: s.CreatorName},
		State: s.State, OnAir: s.OnAir, StartsAt: s.StartsAt, StartedAt: s.StartedAt, EndedAt: s.EndedAt, Poster: s.Poster,
	}
}

// ShowPath is embedded in the inputs of operations on one show. (Exported for huma, which sets only exported
// embedded fields.)
type ShowPath struct {
	Show commerce.ShowID `path:"show"`
}

type showOutput struct {
	Status int
	Body   showBody
}

type showsOutput struct {
	Body struct {
		Shows []showBody `json:"shows"`
		Next  *string    `json:"next" doc:"Cursor of the next page; null on the last one"`
	}
}

func showsOutputOf(p show.Page) *showsOutput {
	out := &showsOutput{}
	out.Body.Shows = make([]showBody, 0, len(p.Shows))
	for _, s := range p.Shows {
		out.Body.Shows = append(out.Body.Shows, showBodyOf(s))
	}
	if p.Next != "" {
		out.Body.Next = &p.Next
	}
	return out
}

func (a *API) registerShows() {
	a.translate(
		translation{is: show.ErrUnknown, make: func(error) *Problem {
			return problem(http.StatusNotFound, "show_unknown", "There is no such show. Check the address.")
		}},
		translation{is: show.ErrNotYours, status: http.StatusForbidden, code: "forbidden"},
		translation{is: show.ErrNotCreator, status: http.StatusForbidden, code: "not_creator"},
		translation{is: show.ErrEnded, status: http.StatusConflict, code: "show_ended"},
		translation{is: show.ErrTooMany, status: http.StatusConflict, code: "too_many_shows"},
		translation{is: show.ErrTitle, status: http.StatusUnprocessableEntity, code: "title_invalid"},
		translation{is: show.ErrDescription, status: http.StatusUnprocessableEntity, code: "description_invalid"},
		translation{is: show.ErrStartsAt, status: http.StatusUnprocessableEntity, code: "starts_at_invalid"},
		translation{is: cursor.ErrInvalid, status: http.StatusUnprocessableEntity, code: "cursor_invalid"},
		translation{is: show.ErrNotListed, status: http.StatusConflict, code: "product_not_listed"},
		translation{is: show.ErrEverywhere, status: http.StatusConflict, code: "product_in_too_many_shows"},
		translation{is: show.ErrFull, status: http.StatusConflict, code: "too_many_products"},
	)
	a.registerShowLists()
	a.registerShowEdits()
}

func (a *API) registerShowLists() {
	register(a, operation{
		ID: "listShows", Method: http.MethodGet, Path: "/shows", Tag: tagShows, Summary: "Shows that are on, announced, or over",
		Codes: []string{"cursor_invalid"},
	}, func(ctx context.Context, in *struct {
		State  string `query:"state" enum:"live,upcoming,ended" default:"live"`
		Cursor string `query:"cursor"`
	}) (*showsOutput, error) {
		list := show.ListLive
		switch in.State {
		case "upcoming":
			list = show.ListUpcoming
		case "ended":
			list = show.ListEnded
		}
		page, err := list(ctx, a.config.Pool, in.Cursor)
		if err != nil {
			return nil, err
		}
		return showsOutputOf(page), nil
	})
	register(a, operation{
		ID: "listMyShows", Method: http.MethodGet, Path: "/shows/mine", Tag: tagShows, Summary: "My shows, newest first",
		Codes: []string{"signed_out", "cursor_invalid"},
	}, func(ctx context.Context, in *struct {
		Cursor string `query:"cursor"`
	}) (*showsOutput, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		page, err := show.ListMine(ctx, a.config.Pool, who.Account.ID, in.Cursor)
		if err != nil {
			return nil, err
		}
		return showsOutputOf(page), nil
	})
	register(a, operation{
		ID: "getShow", Method: http.MethodGet, Path: "/shows/{show}", Tag: tagShows, Summary: "One show", Codes: []string{"show_unknown"},
	}, func(ctx context.Context, in *ShowPath) (*showOutput, error) {
		s, err := show.Get(ctx, a.config.Pool, in.Show)
		if err != nil {
			return nil, err
		}
		return &showOutput{Status: http.StatusOK, Body: showBodyOf(s)}, nil
	})
}

func (a *API) registerShowEdits() {
	register(a, operation{
		ID: "putShow", Makes: true, Method: http.MethodPut, Path: "/shows/{show}", Tag: tagShows, Summary: "Make or edit my show", Rule: editRule,
		Codes: []string{"signed_out", "not_creator", "forbidden", "show_ended", "title_invalid", "description_invalid", "starts_at_invalid", "too_many_shows"},
	}, func(ctx context.Context, in *struct {
		ShowPath
		Body struct {
			Title       string     `json:"title"`
			Description string     `json:"description,omitempty"`
			StartsAt    *time.Time `json:"starts_at,omitempty" nullable:"true"`
		}
	}) (*showOutput, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		out := &showOutput{Status: http.StatusOK}
		err = a.inTx(ctx, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
			s, created, err := show.Save(ctx, tx, now, *who.Account, show.Edit{
				ID: in.Show, Title: in.Body.Title, Description: in.Body.Description, StartsAt: in.Body.StartsAt,
			})
			out.Body = showBodyOf(s)
			if created {
				out.Status = http.StatusCreated
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	})
	register(a, operation{
		ID: "endShow", Method: http.MethodPost, Path: "/shows/{show}/end", Tag: tagShows, Summary: "End a show for good", Rule: editRule,
		Codes: []string{"signed_out", "forbidden", "show_unknown"},
	}, func(ctx context.Context, in *ShowPath) (*showOutput, error) {
		out := &showOutput{Status: http.StatusOK}
		var closed []commerce.PoolID
		err := a.onShow(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, _ Identity) (err error) {
			if closed, err = a.closeSale(ctx, tx, s.ID); err == nil {
				err = community.End(ctx, tx, s.ID)
			}
			if err != nil {
				return err
			}
			s, err = show.End(ctx, tx, s)
			out.Body = showBodyOf(s)
			return err
		}, func(s show.Show, who Identity) error { return s.MayEnd(*who.Account) })
		if err != nil {
			return nil, err
		}
		a.config.Sale.changed(ctx, closed)
		return out, nil
	})
	a.registerPin()
}

func (a *API) registerPin() {
	register(a, operation{
		ID: "pinProduct", Method: http.MethodPut, Path: "/shows/{show}/pin", Tag: tagShows, Status: http.StatusNoContent,
		Summary: "Put a product on everybody's screen, or take it off", Rule: editRule,
		Codes: []string{"signed_out", "forbidden", "show_unknown", "show_ended", "product_not_listed"},
	}, func(ctx context.Context, in *struct {
		ShowPath
		Body struct {
			Product  *commerce.ProductID `json:"product" required:"true" nullable:"true" doc:"null takes it off"`
			PinnedAt *int64              `json:"pinned_at,omitempty" doc:"When the creator pressed, in Unix milliseconds of the server's clock; left out, to come, or more than 3 s ago: now"`
		}
	}) (*struct{}, error) {
		return nil, a.editing(ctx, in.Show, func(ctx context.Context, tx pgx.Tx, s show.Show, _ Identity) error {
			return show.Pin(ctx, tx, s, in.Body.Product, in.Body.PinnedAt)
		})
	})
}

// work is a workflow on a locked show by somebody who may.
type work func(ctx context.Context, tx pgx.Tx, s show.Show, who Identity) error

// editing runs work in one transaction for the show's creator alone.
func (a *API) editing(ctx context.Context, id commerce.ShowID, do work) error {
	return a.onShow(ctx, id, do, func(s show.Show, who Identity) error { return s.MayEdit(*who.Account) })
}

// moderating is for what the creator, moderators and operators do: community judges in the transaction who may.
func (a *API) moderating(ctx context.Context, id commerce.ShowID, do work) error {
	return a.onShow(ctx, id, do, checkedWithin)
}

func (a *API) onShow(ctx context.Context, id commerce.ShowID, do work, may func(show.Show, Identity) error) error {
	who, err := a.signedIn(ctx)
	if err != nil {
		return err
	}
	return a.inTx(ctx, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		s, err := show.Lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := may(s, who); err != nil {
			return err
		}
		return do(ctx, tx, s, who)
	})
}
