package checkout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/price"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

// flash sets a flash price, and tells the services if there are any.
func (w *world) flash(amount int64, limit int, lasts time.Duration, tell ...*Service) price.Flash {
	w.t.Helper()
	var (
		f     price.Flash
		pools []commerce.PoolID
	)
	err := schema.InTx(w.t.Context(), w.db, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		s, err := show.Lock(ctx, tx, w.show)
		if err == nil {
			f, pools, err = price.Set(ctx, tx, now, s, w.creator, price.Wish{
				ID: commerce.NewID[commerce.FlashID](), Variant: w.variant, Amount: amount, Lasts: lasts, Cap: limit,
			})
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range tell {
		s.Changed(w.t.Context(), pools...)
	}
	return f
}

func (w *world) shown(buyer string, unit int64) HoldRequest {
	tap := w.tap(buyer)
	tap.Unit = &unit
	return tap
}

// refusedAt says that a tap is refused, and at which price it would not be.
func (w *world) refusedAt(s *Service, tap HoldRequest, want int64) {
	w.t.Helper()
	var changed *PriceError
	h, err := s.Hold(w.t.Context(), tap)
	if !errors.As(err, &changed) || !errors.Is(err, stock.ErrOfferChanged) || changed.Price.Minor != want {
		w.t.Fatalf("%+v, %v; want a changed price of %d", h.Unit, err, want)
	}
}

func (w *world) heldAt(s *Service, tap HoldRequest, want int64) Held {
	w.t.Helper()
	h, err := s.Hold(w.t.Context(), tap)
	if err != nil || h.Unit.Minor != want {
		w.t.Fatalf("%+v, %v; want %d", h.Unit, err, want)
	}
	return h
}

// A node that has read an offer long ago, and that nobody has told: its buyers get the price that holds, or are asked.
func TestFlashPriceOnANodeThatHasNotHeard(t *testing.T) {
	w := newWorld(t, 20)
	s := w.service(func(c *stock.Config, _ *Config) { c.Sweep = time.Hour })
	w.heldAt(s, w.tap("gst_a"), 4900) // the offer is known from here on
	w.flash(2900, 3, time.Hour)
	w.heldAt(s, w.tap("gst_b"), 2900)
	w.flash(1900, 2, time.Hour)
	w.heldAt(s, w.shown("gst_c", 1900), 1900)
	w.refusedAt(s, w.shown("gst_d", 4900), 1900)
	w.refusedAt(s, w.shown("gst_d", 2900), 1900) // a price of the past
	w.refusedAt(s, w.shown("gst_d", 1234), 1900) // a price of a dream
	last := w.shown("gst_e", 1900)
	w.heldAt(s, last, 1900)
	w.refusedAt(s, w.shown("gst_f", 1900), 4900)
	w.heldAt(s, w.tap("gst_f"), 4900)
	w.heldAt(s, w.shown("gst_g", 4900), 4900)
	if h := w.heldAt(s, last, 1900); !h.Replayed {
		t.Fatal("a repeated tap is another one")
	}
	w.put(w.show, 5900, 20) // what was taken is taken, whatever is shown now
	w.heldAt(s, last, 1900)
	other := last
	unit := int64(5900)
	other.Unit = &unit
	w.heldAt(s, other, 1900)
}

// The window ends under a page that shows the flash price: it is asked, never charged the standing price unseen.
func TestFlashPriceThatIsOver(t *testing.T) {
	w := newWorld(t, 20)
	s := w.service()
	w.flash(2900, 0, price.MinLasts, s)
	w.heldAt(s, w.shown("gst_a", 2900), 2900)
	w.exec(`update flash set starts_at = now() - interval '1 hour', ends_at = now()`)
	w.exec(`update pool set timed_opens_at = now() - interval '1 hour', timed_closes_at = now(), epoch = epoch + 1`)
	w.refusedAt(s, w.shown("gst_b", 2900), 4900)
	w.heldAt(s, w.tap("gst_b"), 4900)
	w.heldAt(s, w.shown("gst_c", 4900), 4900)
}

// More units than are left at the flash price are to be had at the standing one.
func TestMoreThanTheFlashPriceHas(t *testing.T) {
	w := newWorld(t, 20)
	s := w.service()
	w.flash(2900, 2, time.Hour, s)
	three := w.shown("gst_a", 2900)
	three.Quantity = 3
	w.refusedAt(s, three, 4900)
	three = w.shown("gst_a", 4900)
	three.Quantity = 3
	w.heldAt(s, three, 4900)
	two := w.shown("gst_b", 2900)
	two.Quantity = 2
	h := w.heldAt(s, two, 2900)
	if o := w.paid(s, payFor(h, good)); o.Total.Minor != 6290 {
		t.Fatalf("%+v", o)
	}
	w.heldAt(s, w.shown("gst_c", 4900), 4900)
}

// 300 buyers on two nodes, a hundred units, twenty at the flash price. Half of the pages say what they showed: those
// who are asked look again and tap again. Everybody gets what they agreed to, and exactly twenty the lower price.
func TestFlashPriceInASurge(t *testing.T) {
	w := newWorld(t, 100)
	nodes := []*Service{w.service(), w.service()}
	w.heldAt(nodes[0], w.tap("gst_first"), 4900)
	w.heldAt(nodes[1], w.tap("gst_second"), 4900)
	w.flash(2900, 20, time.Hour, nodes[0])
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		paid  = map[int64]int{}
	)
	for i := range 300 {
		group.Go(func() {
			tap := w.tap(fmt.Sprintf("gst_%d", i))
			if i%2 == 0 {
				unit := int64(2900)
				tap.Unit = &unit
			}
			for {
				h, err := nodes[i/2%2].Hold(t.Context(), tap)
				var changed *PriceError
				switch {
				case errors.As(err, &changed):
					tap.ID = commerce.NewID[commerce.HoldID]()
					if tap.Unit != nil {
						tap.Unit = &changed.Price.Minor
					}
					continue
				case errors.Is(err, stock.ErrSoldOut):
					return
				case err != nil:
					t.Errorf("buyer %d: %v", i, err)
					return
				case tap.Unit != nil && h.Unit.Minor != *tap.Unit:
					t.Errorf("shown %d, charged %d", *tap.Unit, h.Unit.Minor)
				}
				mu.Lock()
				paid[h.Unit.Minor]++
				mu.Unlock()
				return
			}
		})
	}
	group.Wait()
	if len(paid) != 2 || paid[2900] != 20 || paid[4900] != 78 {
		t.Fatalf("%v", paid)
	}
}
