package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
)

// charge is the wire form.
type charge struct {
	ID        string `json:"id"`
	Reference string `json:"reference"`
	Status    string `json:"status"`
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
	Captured  int64  `json:"captured"`
	Refunded  int64  `json:"refunded"`
	Decline   string `json:"decline,omitempty"`
	Action    string `json:"action,omitempty"` // the path of the page where the buyer confirms, while requires_action

	token     string
	returnURL string
}

type token struct {
	Token string `json:"token"`
}

type authorisation struct {
	Reference string `json:"reference"`
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
	Token     string `json:"token"`
	ReturnURL string `json:"return_url,omitempty"`
}

type movement struct {
	Amount int64  `json:"amount"`
	Key    string `json:"key"`
}

type voidance struct {
	Reference string `json:"reference"`
}

var (
	errCard   = no(http.StatusPaymentRequired, "card_invalid", "this is not a card")
	errReused = no(http.StatusConflict, "key_reused", "this key stands for something else")
	errNone   = no(http.StatusNotFound, "not_found", "no such charge")
)

func (s *server) tokenise(r *http.Request) (any, error) {
	c, err := read[card](r)
	if err != nil {
		return nil, err
	}
	does, ok := c.judge(s.Now())
	if !ok {
		return nil, errCard
	}
	t := token{Token: "tok_" + rand.Text()}
	if _, err := s.Pool.Exec(r.Context(), `insert into sandbox.token (id, behaviour) values ($1, $2)`, t.Token, does); err != nil {
		return nil, err
	}
	return t, nil
}

// authorise makes the charge of a reference, once. What the test card does to the answer happens after the
// commit: the money is reserved, and the caller cannot know.
func (s *server) authorise(r *http.Request) (any, error) {
	a, err := read[authorisation](r)
	if err != nil {
		return nil, err
	}
	if _, err := money.New(a.Amount, a.Currency); err != nil || a.Amount < 1 || a.Reference == "" {
		return nil, no(http.StatusUnprocessableEntity, "invalid", "a charge needs a reference and a positive amount")
	}
	if _, err := origin(a.ReturnURL); a.ReturnURL != "" && err != nil {
		return nil, no(http.StatusUnprocessableEntity, "return_url_invalid", "buyers come back to an http or https address")
	}
	var (
		made charge
		does behaviour
		old  bool
	)
	err = s.inTx(r, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		made, old = charge{}, false
		found, err := one(tx.Query(ctx, chargeSQL+` where reference = $1`, a.Reference))
		if err == nil {
			old, made = true, found
			return made.repeats(a)
		}
		if !errors.Is(err, errNone) {
			return err
		}
		err = tx.QueryRow(ctx, `update sandbox.token set used_by = $2 where id = $1 and (used_by is null or used_by = $2) returning behaviour`,
			a.Token, a.Reference).Scan(&does)
		if errors.Is(err, pgx.ErrNoRows) {
			return no(http.StatusUnprocessableEntity, "token_invalid", "this token is unknown or used")
		}
		if err != nil {
			return err
		}
		status, decline := does.result()
		var page *string
		if status == "requires_action" {
			id := rand.Text()
			page = &id
		}
		made, err = one(tx.Query(ctx, `
			insert into sandbox.charge (id, reference, token, status, amount, currency, decline, challenge, return_url)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			on conflict (reference) do nothing returning `+chargeColumns,
			"ch_"+rand.Text(), a.Reference, a.Token, status, a.Amount, a.Currency, decline, page, a.ReturnURL))
		if errors.Is(err, errNone) {
			return no(http.StatusConflict, "in_flight", "the same reference is being charged; ask again")
		}
		if err != nil {
			return err
		}
		return s.tell(ctx, tx, now, made, made.Status)
	})
	switch {
	case err != nil:
		return nil, err
	case !old && does == breaksOnce:
		return nil, no(http.StatusInternalServerError, "internal", "it broke after it was done")
	case !old && does == answersNever:
		return nil, errMum
	}
	return made, nil
}

// repeats says whether an authorisation is the one that made this charge. A voided reference is answered as
// it is: it was ended before the money was asked for.
func (c charge) repeats(a authorisation) error {
	if c.token == "" && c.Status == "voided" {
		return nil
	}
	if c.Amount != a.Amount || c.Currency != a.Currency || c.token != a.Token {
		return errReused
	}
	return nil
}

func (s *server) capture(r *http.Request) (any, error) {
	return s.move(r, "capture", "captured", func(c charge, amount int64) (charge, error) {
		if c.Status != "authorised" || amount > c.Amount {
			return c, no(http.StatusConflict, "not_possible", "only an authorised charge can be captured, and no more than it has")
		}
		c.Status, c.Captured = "captured", amount
		return c, nil
	})
}

func (s *server) refund(r *http.Request) (any, error) {
	return s.move(r, "refund", "refunded", func(c charge, amount int64) (charge, error) {
		if c.Status != "captured" || amount > c.Captured-c.Refunded {
			return c, no(http.StatusConflict, "not_possible", "no more can be refunded than was captured")
		}
		c.Refunded += amount
		return c, nil
	})
}

// move does one capture or refund per key.
func (s *server) move(r *http.Request, kind, told string, step func(charge, int64) (charge, error)) (any, error) {
	m, err := read[movement](r)
	if err != nil {
		return nil, err
	}
	if m.Amount < 1 || m.Key == "" {
		return nil, no(http.StatusUnprocessableEntity, "invalid", "an amount and a key are needed")
	}
	id := r.PathValue("id")
	var c charge
	err = s.inTx(r, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		var err error
		if c, err = one(tx.Query(ctx, chargeSQL+` where id = $1 for update`, id)); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `insert into sandbox.movement (key, charge, kind, amount) values ($1, $2, $3, $4) on conflict (key) do nothing`,
			m.Key, id, kind, m.Amount)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			var same bool
			if err := tx.QueryRow(ctx, `select charge = $2 and kind = $3 and amount = $4 from sandbox.movement where key = $1`,
				m.Key, id, kind, m.Amount).Scan(&same); err != nil {
				return err
			}
			if !same {
				return errReused
			}
			return nil
		}
		if c, err = step(c, m.Amount); err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, `update sandbox.charge set status = $2, captured = $3, refunded = $4 where id = $1`,
			c.ID, c.Status, c.Captured, c.Refunded); err != nil {
			return err
		}
		return s.tell(ctx, tx, now, c, told)
	})
	return c, err
}

// void ends a reference for ever, whether or not it was ever charged.
func (s *server) void(r *http.Request) (any, error) {
	v, err := read[voidance](r)
	if err != nil {
		return nil, err
	}
	if v.Reference == "" {
		return nil, no(http.StatusUnprocessableEntity, "invalid", "a reference is needed")
	}
	var c charge
	err = s.inTx(r, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		tag, err := tx.Exec(ctx, `
			insert into sandbox.charge (id, reference, status, amount, currency) values ($1, $2, 'voided', 0, '') on conflict (reference) do nothing`,
			"ch_"+rand.Text(), v.Reference)
		if err != nil {
			return err
		}
		if c, err = one(tx.Query(ctx, chargeSQL+` where reference = $1 for update`, v.Reference)); err != nil {
			return err
		}
		switch {
		case c.Status == "captured":
			return no(http.StatusConflict, "not_possible", "the money was captured; refund it")
		case c.Status == "authorised" || c.Status == "requires_action":
			return s.end(ctx, tx, now, &c, "voided", "")
		case tag.RowsAffected() == 1:
			return s.tell(ctx, tx, now, c, c.Status)
		}
		return nil
	})
	return c, err
}

// end gives an open charge its outcome, and tells.
func (s *server) end(ctx context.Context, tx pgx.Tx, now time.Time, c *charge, status, decline string) error {
	c.Status, c.Decline, c.Action = status, decline, ""
	if _, err := tx.Exec(ctx, `update sandbox.charge set status = $2, decline = $3 where id = $1`, c.ID, status, decline); err != nil {
		return err
	}
	return s.tell(ctx, tx, now, *c, status)
}

func (s *server) get(r *http.Request) (any, error) {
	c, err := one(s.Pool.Query(r.Context(), chargeSQL+` where id = $1`, r.PathValue("id")))
	return c, err
}

// find is one charge by its reference, or without one a page of all since a time: see Charges.
func (s *server) find(r *http.Request) (any, error) {
	if asked := r.URL.Query(); asked.Has("since") {
		return s.since(r, asked.Get("since"), asked.Get("after"))
	}
	c, err := one(s.Pool.Query(r.Context(), chargeSQL+` where reference = $1`, r.URL.Query().Get("reference")))
	return c, err
}

// charges is a page.
type charges struct {
	Charges []charge `json:"charges"`
}

func (s *server) since(r *http.Request, since, after string) (any, error) {
	from, err := time.Parse(time.RFC3339Nano, since)
	if err != nil {
		return nil, no(http.StatusUnprocessableEntity, "since_invalid", "since is a time, like 2026-11-30T10:00:00Z")
	}
	rows, err := s.Pool.Query(r.Context(), chargeSQL+`
		where created_at >= $1 and ($2 = '' or (created_at, id) > (select created_at, id from sandbox.charge where id = $2))
		order by created_at, id limit $3`, from, after, pageOfCharges)
	if err != nil {
		return nil, err
	}
	page := charges{}
	page.Charges, err = pgx.CollectRows(rows, scanCharge)
	return page, err
}

// pageOfCharges is how many a page has; one that has fewer is the last.
const pageOfCharges = 100

const (
	chargeColumns = `id, reference, coalesce(token, ''), status, amount, currency, captured, refunded, decline,
		coalesce(case when status = 'requires_action' then '/challenge/' || challenge end, ''), return_url`
	chargeSQL = `select ` + chargeColumns + ` from sandbox.charge`
)

func one(rows pgx.Rows, err error) (charge, error) {
	if err != nil {
		return charge{}, err
	}
	c, err := pgx.CollectExactlyOneRow(rows, scanCharge)
	if errors.Is(err, pgx.ErrNoRows) {
		return charge{}, errNone
	}
	return c, err
}

func scanCharge(row pgx.CollectableRow) (c charge, err error) {
	err = row.Scan(&c.ID, &c.Reference, &c.token, &c.Status, &c.Amount, &c.Currency, &c.Captured, &c.Refunded, &c.Decline, &c.Action, &c.returnURL)
	return c, err
}

func (s *server) inTx(r *http.Request, fn func(ctx context.Context, tx pgx.Tx, now time.Time) error) error {
	err := schema.InTx(r.Context(), s.Pool, fn)
	s.hooks.kick()
	return err
}
