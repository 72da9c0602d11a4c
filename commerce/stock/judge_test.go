package stock

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// Taps of one batch are judged one after the other: whoever is refused takes nothing from those who come later.
func TestJudgedInTurn(t *testing.T) {
	const standing, timed = 4, 5
	type tap struct {
		buyer, source string
		quantity      int
		offer         int64
		beside        bool
		want          error
	}
	open := shelf{free: 5, level: Level{Offer: standing}}
	flash := shelf{free: 5, level: Level{Offer: standing, Timed: timed}, timedOn: true, capped: true, timedFree: 2}
	for name, c := range map[string]struct {
		shelf shelf
		cap   int
		has   has
		taps  []tap
		free  int
		timed int
	}{
		"too many in one go do not stand in the way": {shelf: open, taps: []tap{
			{buyer: "a", quantity: 3}, {buyer: "b", quantity: 3, want: ErrSoldOut}, {buyer: "c", quantity: 2}, {buyer: "d", quantity: 1, want: ErrSoldOut},
		}},
		"the limit of a buyer": {shelf: open, cap: 3, free: 2, has: has{units: map[string]int{"a": 1}}, taps: []tap{
			{buyer: "a", quantity: 3, want: ErrLimit}, {buyer: "a", quantity: 2}, {buyer: "a", quantity: 1, want: ErrLimit}, {buyer: "b", quantity: 1},
		}},
		"the limit of an address": {shelf: open, free: 4, has: has{holds: map[sourceKey]int{sourceOf("here"): MaxPerSource - 2}}, taps: []tap{
			{buyer: "a", source: "here", quantity: 9, want: ErrSoldOut}, {buyer: "b", source: "here", quantity: 1}, {buyer: "c", source: "here", quantity: 1, want: ErrLimit},
		}},
		"whoever is banned": {shelf: open, free: 4, has: has{barred: map[string]bool{"a": true}}, taps: []tap{
			{buyer: "a", quantity: 1, want: ErrBarred}, {buyer: "b", quantity: 1},
		}},
		"another price":   {shelf: open, free: 5, taps: []tap{{buyer: "a", quantity: 1, offer: 3, want: ErrOfferChanged}, {buyer: "a", quantity: 1, offer: timed, want: ErrOfferChanged}}},
		"before it opens": {shelf: shelf{free: 5, early: true, level: Level{Offer: standing}}, free: 5, taps: []tap{{buyer: "a", quantity: 1, want: ErrNotOpen}}},
		"when it is over": {shelf: shelf{free: 5, early: true, late: true, level: Level{Offer: standing}}, free: 5, taps: []tap{{buyer: "a", quantity: 1, want: ErrClosed}}},
		"who pays more than the price that holds": {shelf: flash, free: 2, taps: []tap{
			{buyer: "a", quantity: 1, want: ErrOfferChanged}, {buyer: "b", quantity: 2, offer: timed}, {buyer: "c", quantity: 1, offer: timed, want: errUsedUp},
			{buyer: "d", quantity: 1}, {buyer: "e", quantity: 3, offer: timed, want: errUsedUp},
		}},
		"the gate knew that the cap is used up": {shelf: flash, free: 4, timed: 2, taps: []tap{{buyer: "a", quantity: 1, beside: true}}},
		"outside of the window": {shelf: shelf{free: 5, level: Level{Offer: standing, Timed: timed}, capped: true, timedFree: 2}, free: 4, timed: 2, taps: []tap{
			{buyer: "a", quantity: 1, offer: timed, want: ErrOfferChanged}, {buyer: "a", quantity: 1},
		}},
		"no cap": {shelf: shelf{free: 2, level: Level{Offer: standing, Timed: timed}, timedOn: true}, timed: -2, taps: []tap{
			{buyer: "a", quantity: 1, want: ErrOfferChanged}, {buyer: "a", quantity: 2, offer: timed}, {buyer: "b", quantity: 1, offer: timed, want: ErrSoldOut},
		}},
	} {
		s, h := c.shelf, c.has
		s.level.Cap = c.cap
		if h.units == nil {
			h.units = map[string]int{}
		}
		if h.holds == nil {
			h.holds = map[sourceKey]int{}
		}
		for i, tap := range c.taps {
			if tap.offer == 0 {
				tap.offer = standing
			}
			got := s.judge(&ask{beside: tap.beside, source: sourceOf(tap.source), seen: tap.source != "", tap: Tap{Buyer: tap.buyer, Quantity: tap.quantity, Offer: tap.offer}}, h)
			if !errors.Is(got, tap.want) || (got == nil) != (tap.want == nil) {
				t.Errorf("%s, tap %d: %v, want %v", name, i, got, tap.want)
			}
		}
		if s.free != c.free || s.timedFree != c.timed || s.level.Left != s.free && slices.ContainsFunc(c.taps, func(t tap) bool { return t.want == nil }) {
			t.Errorf("%s: %d free, %d at the timed offer, told %d; want %d and %d", name, s.free, s.timedFree, s.level.Left, c.free, c.timed)
		}
	}
}

// The tombstone of a lapsed lease is written without the pool's lock, while a claim that has just read that its id is new
// is about to write: nothing is counted for a row that was not made, and the others of the batch get theirs.
func TestATombstoneThatComesMeanwhile(t *testing.T) {
	w := newWorld(t, nil, nil)
	l := w.supply(3, 0)
	buried, other := tapOf(l, "gst_a"), tapOf(l, "gst_b")
	written, done := make(chan struct{}), make(chan struct{})
	var got claimed
	var err error
	go func() {
		defer close(done)
		<-written
		got, err = w.batch(l, 0, buried, other)
	}()
	w.tx(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at) values ($1, $2, '~', 1, 'void', 0, 'XXX', now())`,
			buried.ID, l.Pool)
		close(written)
		if err == nil {
			schematest.AwaitBlocked(t, w.db) // the claim has read, and waits for this row's fate
		}
		return err
	})
	<-done
	if err != nil {
		t.Fatal(err)
	}
	if _, fresh := got.fates[buried.ID]; fresh || got.holds[buried.ID].State != Void || got.holds[other.ID].State != Held {
		t.Errorf("%+v", got)
	}
	if _, taken, live, _ := w.level(l.Pool); taken != 1 || live != 1 {
		t.Errorf("%d taken, %d live", taken, live)
	}
	w.balanced(l.Pool)
}

// What a hold is told to be is what stands in its row.
func TestAFreshHoldIsAsItIsReadBack(t *testing.T) {
	w := newWorld(t, nil, nil)
	l := w.supply(3, 0)
	tap := tapOf(l, "gst_a")
	tap.Quantity, tap.Source = 2, "here"
	got, err := w.batch(l, 0, tap)
	if err != nil {
		t.Fatal(err)
	}
	told := got.holds[tap.ID]
	read, err := Find(t.Context(), w.db, tap.ID)
	if err != nil {
		t.Fatal(err)
	}
	if late := told.Left - read.Left; late < -time.Second || late > patience || told.Left > time.Minute {
		t.Errorf("%v left, read back %v", told.Left, read.Left)
	}
	told.Left, read.Left = 0, 0
	if !reflect.DeepEqual(*told, read) || told.ID.IsZero() {
		t.Errorf("told %+v, read %+v", told, read)
	}
}

// An id that is known, and of which neither the gate nor a try before has said so, costs one more try and nothing else.
func TestAnIDThatNobodyHasMet(t *testing.T) {
	w := newWorld(t, nil, nil)
	l := w.supply(3, 0)
	first, stranger, other := tapOf(l, "gst_a"), tapOf(l, "gst_b"), tapOf(l, "gst_c")
	stranger.ID = first.ID
	if got, err := w.batch(l, 0, first); err != nil || got.met || got.holds[first.ID].State != Held {
		t.Fatalf("%+v %v", got, err)
	}
	got, err := w.batch(l, 0, first, other)
	if err != nil || !got.met || got.holds[first.ID].State != Held || got.holds[other.ID].State != Held {
		t.Fatalf("%+v %v", got, err)
	}
	if _, fresh := got.fates[first.ID]; fresh {
		t.Error("what was there is told to be new")
	}
	got, err = w.batch(l, 0, stranger)
	if err != nil || !got.met {
		t.Fatalf("%+v %v", got, err)
	}
	if _, err := verdict(&stranger, &got); !errors.Is(err, ErrConflict) {
		t.Errorf("a stranger's id: %v", err)
	}
	if _, taken, live, _ := w.level(l.Pool); taken != 2 || live != 2 {
		t.Errorf("%d taken, %d live", taken, live)
	}
	w.balanced(l.Pool)
}
