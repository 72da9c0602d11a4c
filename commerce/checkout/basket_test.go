package checkout

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

// also puts a second product on sale in the show.
func (w *world) also(amount int64, units int) (variant commerce.VariantID) {
	w.t.Helper()
	variant = commerce.NewID[commerce.VariantID]()
	err := schema.InTx(w.t.Context(), w.db, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		s, _, err := show.Save(ctx, tx, now, w.creator, show.Edit{ID: w.show, Title: "Mara's kitchen"})
		if err == nil {
			_, _, err = PutProduct(ctx, tx, s, catalog.Edit{
				ID: commerce.NewID[commerce.ProductID](), Owner: w.creator.ID, Title: "Lid",
				Variants: []catalog.Variant{{ID: variant, Amount: amount, Currency: "EUR"}},
			}, units)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return variant
}

// both is a tap for a pan, and a lid or two.
func (w *world) both(buyer string, lid commerce.VariantID, lids int) HoldRequest {
	tap := w.tap(buyer)
	tap.Lines = []LineRequest{{Variant: w.variant, Quantity: 1}, {Variant: lid, Quantity: lids}}
	return tap
}

func (w *world) heldBoth(s *Service, r HoldRequest) Held {
	w.t.Helper()
	h, err := s.Hold(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// lines are the states of a hold's lines.
func (w *world) lines(id commerce.HoldID) (states []string) {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), `select state from hold where part_of = $1 order by pool`, id)
	if err == nil {
		states, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return states
}

func (w *world) linesAre(id commerce.HoldID, want ...string) {
	w.t.Helper()
	if got := w.lines(id); !slices.Equal(got, want) {
		w.t.Fatalf("lines are %v, want %v", got, want)
	}
}

func TestABasketBecomesOneOrder(t *testing.T) {
	w := newWorld(t, 5)
	lid := w.also(900, 5)
	s := w.service()
	tap := w.both("gst_a", lid, 2)
	h := w.heldBoth(s, tap)
	if h.ID != tap.ID || len(h.Lines) != 2 || h.Total.Minor != 4900+2*900 || h.Title == "" || h.Lines[1].Title == "" {
		t.Fatalf("%+v", h)
	}
	if again := w.heldBoth(s, tap); !again.Replayed {
		t.Fatalf("%+v", again)
	}
	if m := w.mine(s, "gst_a"); len(m.Holds) != 1 || len(m.Holds[0].Lines) != 2 {
		t.Fatalf("mine: %+v", m.Holds)
	}
	costs, err := s.Costs(t.Context(), h.ID, "gst_a", payFor(h, good).Delivery)
	if err != nil || costs.Goods != h.Total {
		t.Fatalf("%+v, %v", costs, err)
	}
	w.notPaid(s, payFor(h, "4000000000000002"), ErrDeclined)
	w.linesAre(h.ID, "held", "held")
	o := w.paid(s, payFor(h, good))
	if len(o.Lines) != 2 || o.Costs.Goods != h.Total || o.Lines[0].Quantity+o.Lines[1].Quantity != 3 {
		t.Fatalf("%+v", o)
	}
	w.linesAre(h.ID, "sold", "sold")
	w.deliver(s)
	w.expect(o.ID, "captured captured sold")
	if read, err := order.Get(t.Context(), w.db, o.ID); err != nil || len(read.Lines) != 2 {
		t.Fatalf("%+v, %v", read, err)
	}
	if err := s.Release(t.Context(), h.ID, "gst_a"); !errors.Is(err, stock.ErrState) {
		t.Fatalf("what was sold was released: %v", err)
	}
}

// A basket is refused for one of its things, which is named, and with the price or the number that it has.
func TestWhyABasketIsRefused(t *testing.T) {
	w := newWorld(t, 30)
	lid := w.also(900, 12)
	s := w.service()
	old, present := int64(1), int64(900)
	for name, c := range map[string]struct {
		change func(*HoldRequest)
		want   error
		of     commerce.VariantID
	}{
		"an old price":   {func(r *HoldRequest) { r.Lines[1].Unit = &old }, stock.ErrOfferChanged, lid},
		"sold elsewhere": {func(r *HoldRequest) { r.Lines[1].Variant = commerce.VariantID{1} }, ErrNotSold, commerce.VariantID{1}},
		"too many":       {func(r *HoldRequest) { r.Lines[0].Quantity = stock.MaxQuantity + 1 }, stock.ErrQuantity, w.variant},
		"none":           {func(r *HoldRequest) { r.Lines[1].Quantity = 0 }, stock.ErrQuantity, lid},
		"many in all": {func(r *HoldRequest) {
			r.Lines = append(r.Lines, LineRequest{Variant: lid, Quantity: stock.MaxQuantity})
		},
			stock.ErrQuantity, lid},
	} {
		r := w.both("gst_a", lid, 1)
		r.Lines[0].Unit = nil
		c.change(&r)
		_, err := s.Hold(t.Context(), r)
		var line *LineError
		if !errors.Is(err, c.want) || !errors.As(err, &line) || line.Variant != c.of {
			t.Errorf("%s: %v", name, err)
		}
		var price *PriceError
		if c.want == stock.ErrOfferChanged && (!errors.As(err, &price) || price.Price.Minor != present) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := w.both("gst_a", lid, DefaultCap)
	r.Lines[1].Unit = &present
	first := w.heldBoth(s, r)
	_, err := s.Hold(t.Context(), w.both("gst_a", lid, 1))
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Hold != first.ID {
		t.Errorf("over the limit: %v", err)
	}
	_, err = s.Hold(t.Context(), w.both("gst_b", lid, 3))
	var out *stock.SoldOutError
	if !errors.As(err, &out) || out.Left != 2 {
		t.Errorf("sold out: %v", err)
	}
	if n := w.count(`select sum(taken) from pool`); n != 1+DefaultCap {
		t.Errorf("%d units are taken", n)
	}
}

// A price that changes between two baskets on a node that has not heard of it.
func TestABasketAtTheFlashPrice(t *testing.T) {
	w := newWorld(t, 20)
	lid := w.also(900, 20)
	s := w.service(func(c *stock.Config, _ *Config) { c.Sweep = time.Hour })
	w.heldBoth(s, w.both("gst_a", lid, 1)) // the offers are known from here on
	w.flash(2900, 3, time.Hour)
	if h := w.heldBoth(s, w.both("gst_b", lid, 1)); h.Total.Minor != 2900+900 {
		t.Fatalf("%+v", h)
	}
	three := w.both("gst_c", lid, 1)
	three.Lines = append(three.Lines, LineRequest{Variant: w.variant, Quantity: 2}) // three pans, and two are left at that price
	if h := w.heldBoth(s, three); h.Total.Minor != 3*4900+900 {
		t.Fatalf("%+v", h)
	}
}

// Whoever dies between two steps, another node goes on with all lines; at the deadline all of them come back.
func TestABasketIsDrivenOn(t *testing.T) {
	w := newWorld(t, 9)
	lid := w.also(900, 9)
	dead := w.service()
	o, p := w.begun(dead, w.heldBoth(dead, w.both("gst_a", lid, 2)), good)
	late, lateP := w.begun(dead, w.heldBoth(dead, w.both("gst_late", lid, 1)), good)
	w.exec(`update payment set deadline = now() where id = $1`, lateP.ID)
	w.linesAre(o.Hold, "paying", "paying")
	alive := w.service()
	w.redrive(alive)
	w.deliver(alive)
	w.expect(o.ID, "captured captured sold")
	w.linesAre(o.Hold, "sold", "sold")
	w.expect(late.ID, "cancelled voided released")
	w.linesAre(late.Hold, "released", "released")
	if p = w.payment(o.ID); p.Amount != o.Total {
		t.Fatalf("%v of %v", p.Amount, o.Total)
	}
	if n := w.count(`select sum(taken) from pool`); n != 3 {
		t.Errorf("%d units are taken", n)
	}
}

// Half of a basket is taken away by a hand: it is not paid by half, in whatever batch; and money that was reserved is let go of.
func TestHalfABasket(t *testing.T) {
	w, b := newWorld(t, 20), newBank()
	lid := w.also(900, 20)
	s := w.service(b.with())
	takeHalf := func(id commerce.HoldID) {
		t.Helper()
		w.exec(`update hold set state = 'released', lapses_at = null where part_of = $1 and id <> $1`, id)
	}
	first, half, last := w.both("gst_first", lid, 1), w.both("gst_half", lid, 1), w.tap("gst_last")
	var taps []*payTap
	for _, r := range []HoldRequest{first, half, last} {
		taps = append(taps, w.looked(s, payFor(w.heldBoth(s, r), good)))
	}
	takeHalf(half.ID)
	is(t, s.beginAll(t.Context(), taps), nil, errNotMoved, nil)
	w.linesAre(first.ID, "paying", "paying")
	if states := w.lines(half.ID); !slices.Contains(states, "held") || slices.Contains(states, "paying") {
		t.Fatalf("half of it is %v", states)
	}
	if err := s.standing(t.Context(), taps[1]); !errors.Is(err, ErrGone) {
		t.Fatalf("the buyer hears %v", err)
	}
	var all []*confirmation
	for _, r := range []HoldRequest{w.both("gst_a", lid, 1), w.both("gst_gone", lid, 1), w.both("gst_b", lid, 1)} {
		_, p := w.begun(s, w.heldBoth(s, r), good)
		all = append(all, &confirmation{driven: driven{Payment: p}, charge: payment.Charge{ID: "ch_" + r.Buyer, Status: payment.ChargeAuthorised, Amount: p.Amount}})
	}
	gone := all[1]
	takeHalf(gone.Hold)
	is(t, s.confirmAll(t.Context(), all), nil, stock.ErrState, nil)
	w.linesAre(all[0].Hold, "sold", "sold")
	if err := s.letGo(t.Context(), gone.driven, gone.charge); err != nil {
		t.Fatal(err)
	}
	if states := w.lines(gone.Hold); slices.Contains(states, "sold") {
		t.Fatalf("half of it was sold: %v", states)
	}
	if p := w.payment(gone.Order); p.State != payment.Voiding {
		t.Fatalf("its money is %s", p.State)
	}
}
