package outage

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/price"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

const flashLasts = 5 * time.Minute

// studio is a live show of a creator that sells one product, at a flash price.
type studio struct {
	*world
	mara    account.Account
	variant commerce.VariantID
	level   stock.Level // with the timed offer
}

func newStudio(t *testing.T, n func(*world) node) (*studio, node) {
	t.Helper()
	w := newWorld(t)
	s := &studio{world: w, mara: account.Account{ID: commerce.NewID[commerce.AccountID](), Roles: []account.Role{account.Creator}}, variant: commerce.NewID[commerce.VariantID]()}
	s.exec(`insert into account (id, email, name, roles, password_hash) values ($1, 'mara@example.com', 'Mara', '{creator}', '-')`, s.mara.ID)
	edit := catalog.Edit{
		ID: commerce.NewID[commerce.ProductID](), Owner: s.mara.ID, Title: "Copper pan 28 cm",
		Variants: []catalog.Variant{{ID: s.variant, Amount: 4900, Currency: "EUR"}},
	}
	s.must(s.in(func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		sh, _, err := show.Save(ctx, tx, now, s.mara, show.Edit{ID: s.show, Title: "Mara's kitchen"})
		if err == nil {
			_, err = catalog.Save(ctx, tx, edit)
		}
		if err == nil {
			_, err = show.AddProduct(ctx, tx, sh, edit.ID)
		}
		if err != nil {
			return err
		}
		_, err = stock.Put(ctx, tx, stock.Supply{Pool: commerce.NewID[commerce.PoolID](), Show: s.show, Variant: s.variant, OnHand: 20})
		return err
	}))
	first := n(w)
	s.must(s.air(first, true, "n-1"))
	s.flash(price.Wish{ID: commerce.NewID[commerce.FlashID](), Variant: s.variant, Amount: 2900, Lasts: flashLasts})
	return s, first
}

func (s *studio) in(fn func(ctx context.Context, tx pgx.Tx, now time.Time) error) error {
	return schema.InTx(s.Context(), s.db, fn)
}

// flash puts a flash price on the variant.
func (s *studio) flash(wish price.Wish) (f price.Flash) {
	s.Helper()
	s.must(s.in(func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		sh, err := show.Lock(ctx, tx, s.show)
		if err == nil {
			f, _, err = price.Set(ctx, tx, now, sh, s.mara, wish)
		}
		return err
	}))
	var err error
	s.level, err = stock.LevelOf(s.Context(), s.db, s.show, s.variant)
	s.must(err)
	return f
}

// air tells a node that its media arrives or has stopped.
func (s *studio) air(n node, on bool, name string) error {
	var after func(context.Context)
	err := s.in(func(ctx context.Context, tx pgx.Tx, now time.Time) (err error) {
		after, err = n.SetOnAir(ctx, tx, now, s.show, on, name)
		return err
	})
	if err == nil {
		after(s.Context())
	}
	return err
}

func (s *studio) flashTap(buyer string) stock.Tap {
	tap := tapOf(s.level, buyer)
	tap.Offer, tap.Unit.Minor = s.level.Timed, 2900
	return tap
}

// passes lets time pass: all that is noted of this show becomes so much older, deadlines and ends included.
func (s *studio) passes(d time.Duration) {
	s.Helper()
	for _, sql := range []string{
		`update show set off_air_at = off_air_at - $1::interval`,
		`update show_outage set off_air_at = off_air_at - $1::interval, began_at = began_at - $1::interval, ended_at = ended_at - $1::interval`,
		`update pool set frozen_at = frozen_at - $1::interval, timed_opens_at = timed_opens_at - $1::interval, timed_closes_at = timed_closes_at - $1::interval,
			epoch = epoch + 1, epoch_at = '-infinity'`,
		`update hold set created_at = created_at - $1::interval, expires_at = expires_at - $1::interval, lapses_at = lapses_at - $1::interval`,
		`update payment set created_at = created_at - $1::interval, deadline = deadline - $1::interval`,
		`update flash set starts_at = starts_at - $1::interval, ends_at = ends_at - $1::interval`,
	} {
		s.exec(sql, d)
	}
}

// present is the show's flash price as it stands.
func (s *studio) present() price.Flash {
	s.Helper()
	all, err := price.Present(s.Context(), s.db, s.show)
	s.must(err)
	f := all[s.variant]
	var closes time.Time
	s.must(s.db.QueryRow(s.Context(), `select timed_closes_at from pool where id = $1`, s.level.Pool).Scan(&closes))
	if !f.Ends.Equal(closes) {
		s.Fatalf("the flash price ends at %v, its timed offer at %v", f.Ends, closes)
	}
	return f
}

// dark is a time off the air as it is noted.
type dark struct {
	Off, Began time.Time
	Ended      *time.Time
	Moved      *time.Duration
	Holds      *int
	Flashes    *int
}

func (s *studio) darks() []dark {
	s.Helper()
	rows, err := s.db.Query(context.Background(), `select off_air_at, began_at, ended_at, moved, holds, flashes from show_outage order by off_air_at`)
	s.must(err)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[dark])
	s.must(err)
	return all
}

// applied is the only time off the air, which is over.
func (s *studio) applied() (by time.Duration) {
	s.Helper()
	all := s.darks()
	if len(all) != 1 || all[0].Ended == nil {
		s.Fatalf("noted are %+v", all)
	}
	if by = all[0].Ended.Sub(all[0].Began); *all[0].Moved != min(by, MaxFrozen) {
		s.Errorf("%v moved, of %v", *all[0].Moved, by)
	}
	return by
}

// said is the newest price.set.
func (s *studio) said() (set price.PriceSet) {
	s.Helper()
	var data json.RawMessage
	s.must(s.db.QueryRow(s.Context(), `select payload->'d' from outbox where lane = 'event' and payload->>'t' = 'price.set' order by seq desc limit 1`).Scan(&data))
	s.must(json.Unmarshal(data, &set))
	return set
}

func (s *studio) stands(pool commerce.PoolID) (at *time.Time) {
	s.Helper()
	s.must(s.db.QueryRow(s.Context(), `select frozen_at from pool where id = $1`, pool).Scan(&at))
	return at
}

// eventuallyHeld taps until the tap is heard: the gate's copy may be made anew under it.
func (s *studio) eventuallyHeld(n node, tap stock.Tap) (h stock.Hold) {
	s.Helper()
	s.eventually(func() (ok bool) {
		var err error
		h, err = n.stock.Hold(s.Context(), tap)
		if err != nil && !errors.Is(err, stock.ErrUnavailable) {
			s.Fatalf("a tap: %v", err)
		}
		return err == nil
	}, func() string { return "stock does not answer" })
	return h
}
