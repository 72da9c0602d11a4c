package checkout

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

// A price that changes counts for the next tap on every node, and never for a hold that there is.
func TestPriceIsLockedAtTheHold(t *testing.T) {
	w := newWorld(t, 5)
	nodes := []*Service{w.service(), w.service()}
	old := w.hold(nodes[0], "gst_a")
	w.hold(nodes[1], "gst_b") // both have read the offer
	nodes[0].Changed(t.Context(), w.put(w.show, 5900, 5)...)
	for _, s := range nodes {
		if h := w.hold(s, "gst_c"); h.Unit.Minor != 5900 {
			t.Fatalf("%+v", h)
		}
	}
	if o := w.paid(nodes[1], payFor(old, good)); o.Total.Minor != 5390 {
		t.Fatalf("%+v", o)
	}
}

// The node that changed a price died before it could tell: the claim's version still refuses the old one.
func TestPriceChangeThatNobodyHeardOf(t *testing.T) {
	w := newWorld(t, 5)
	s := w.service(func(c *stock.Config, _ *Config) { c.Sweep = time.Hour })
	w.hold(s, "gst_a")
	w.put(w.show, 5900, 5)
	if h := w.hold(s, "gst_b"); h.Unit.Minor != 5900 {
		t.Fatalf("%+v", h)
	}
}

// The same product in two shows: a new price counts in both, the units stay apart.
func TestPriceChangesInEveryShow(t *testing.T) {
	w := newWorld(t, 5)
	s := w.service()
	second := commerce.NewID[commerce.ShowID]()
	s.Changed(t.Context(), w.put(second, 4900, 1)...)
	w.hold(s, "gst_a")
	s.Changed(t.Context(), w.put(second, 6900, 1)...)
	if h := w.hold(s, "gst_b"); h.Unit.Minor != 6900 {
		t.Fatalf("%+v", h)
	}
	if n := w.count(`select count(distinct on_hand) from pool`); n != 2 {
		t.Fatal("pools were mixed up")
	}
}

func TestPutProductTwiceIsOnce(t *testing.T) {
	w := newWorld(t, 5)
	events := w.count(`select count(*) from outbox where lane = 'event' and payload->>'t' = 'stock.set'`)
	w.put(w.show, 4900, 5)
	if n := w.count(`select count(*) from pool`); n != 1 {
		t.Fatalf("%d pools", n)
	}
	if n := w.count(`select count(*) from outbox where lane = 'event' and payload->>'t' = 'stock.set'`); n != events+1 {
		t.Fatalf("%d events after %d", n, events)
	}
	if _, err := w.tryPut(w.show, 4900, -1); !errors.Is(err, stock.ErrQuantity) {
		t.Fatal(err)
	}
	if _, err := w.tryPut(w.show, 4900, stock.MaxOnHand+1); !errors.Is(err, stock.ErrQuantity) {
		t.Fatal(err)
	}
	if _, err := w.tryPut(w.show, 4900, stock.MaxOnHand); err != nil {
		t.Fatal(err)
	}
}

// A show that has ended sells nothing more, and what is held can still be paid.
func TestClosedShow(t *testing.T) {
	w := newWorld(t, 5)
	s := w.service()
	h := w.hold(s, "gst_a")
	var pools []commerce.PoolID
	w.try(func(ctx context.Context, tx pgx.Tx) (err error) { pools, err = Close(ctx, tx, w.show); return err })
	s.Changed(t.Context(), pools...)
	if _, err := s.Hold(t.Context(), w.tap("gst_b")); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	w.paid(s, payFor(h, good))
}

func TestBannedBuyer(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	banned := commerce.NewID[commerce.GuestID]().String()
	held := w.hold(s, banned)
	err := schema.InTx(t.Context(), w.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		sh, err := show.Lock(ctx, tx, w.show)
		if err != nil {
			return err
		}
		_, err = community.Impose(ctx, tx, account.Account{ID: w.creator.ID, Roles: w.creator.Roles}, sh, community.Wish{Subject: banned, Reason: "rude"}, false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.notPaid(s, payFor(held, good), ErrBanned)
	if err := s.Release(t.Context(), held.ID, banned); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Hold(t.Context(), w.tap(banned)); !errors.Is(err, ErrBanned) {
		t.Fatal(err)
	}
	w.hold(s, "gst_b") // the unit came back at once
}

// woocommerce #67354: a buyer at their limit is led to the hold that they have.
func TestLimitLeadsToTheOwnHold(t *testing.T) {
	w := newWorld(t, 50)
	s := w.service()
	tap := w.tap("gst_a")
	tap.Quantity = DefaultCap
	if _, err := s.Hold(t.Context(), tap); err != nil {
		t.Fatal(err)
	}
	var limit *LimitError
	if _, err := s.Hold(t.Context(), w.tap("gst_a")); !errors.As(err, &limit) || limit.Hold != tap.ID {
		t.Fatalf("%v", err)
	}
}

func TestNotSoldHere(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	tap := w.tap("gst_a")
	tap.Variant = commerce.NewID[commerce.VariantID]()
	if _, err := s.Hold(t.Context(), tap); !errors.Is(err, ErrNotSold) {
		t.Fatal(err)
	}
}
