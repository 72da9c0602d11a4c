package stock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
)

func TestHoldIsDurableAndRepeatable(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(), w.supply(2, 0)
		tap := tapOf(l, "gst_a")
		first := w.hold(s, tap)
		if first.State != Held || first.Replayed || first.Left <= 0 || first.Variant != l.Variant || first.Show != w.show {
			t.Fatalf("%+v", first)
		}
		again := w.hold(s, tap)
		if !again.Replayed || again.ID != first.ID || !again.Expires.Equal(first.Expires) {
			t.Fatalf("%+v", again)
		}
		w.hold(s, tapOf(l, "gst_b"))
		var soldOut *SoldOutError
		if _, err := s.Hold(t.Context(), tapOf(l, "gst_c")); !errors.As(err, &soldOut) || soldOut.Left != 0 {
			t.Fatalf("third of two: %v", err)
		}
		if again := w.hold(s, tap); !again.Replayed {
			t.Fatal("a winner's retry after the end lost")
		}
		w.settled(s, l.Pool)
	})
}

func TestRefusals(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(), w.supply(20, 3)
		mine := tapOf(l, "gst_a")
		w.hold(s, mine)

		other := mine
		other.Buyer = "gst_b"
		w.refused(s, other, ErrConflict)
		more := mine
		more.Quantity = 2
		w.refused(s, more, ErrConflict)
		elsewhere := mine
		elsewhere.Pool = w.supply(5, 0).Pool
		w.refused(s, elsewhere, ErrConflict)

		two := tapOf(l, "gst_a")
		two.Quantity = 2
		w.hold(s, two) // at the limit of 3
		w.refused(s, tapOf(l, "gst_a"), ErrLimit)

		old := tapOf(l, "gst_c")
		old.Offer++
		w.refused(s, old, ErrOfferChanged)
		for quantity, want := range map[int]error{0: ErrQuantity, -1: ErrQuantity, MaxQuantity + 1: ErrQuantity} {
			bad := tapOf(l, "gst_d")
			bad.Quantity = quantity
			w.refused(s, bad, want)
		}
		unknown := tapOf(l, "gst_e")
		unknown.Pool = commerce.NewID[commerce.PoolID]()
		w.refused(s, unknown, ErrUnknown)
		w.settled(s, l.Pool)
		w.settled(s, elsewhere.Pool)
	})
}

func TestQuantityAtTheLimit(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(), w.supply(MaxQuantity, 0)
		tap := tapOf(l, "gst_a")
		tap.Quantity = MaxQuantity
		if h := w.hold(s, tap); h.Quantity != MaxQuantity {
			t.Fatalf("%+v", h)
		}
		w.settled(s, l.Pool)
	})
}

// Seckill projects that test total >= sold before they add sell N + 1. 500 buyers on 50 units, each tapping twice with the same id over two nodes, Redis flushed in the middle.
func TestSurgeWithFlushInTheMiddle(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		nodes, l := []*Service{w.service(), w.service()}, w.supply(50, 1)
		const buyers = 500
		var (
			group sync.WaitGroup
			won   sync.Map
			asked atomic.Int64
		)
		for i := range buyers {
			tap := tapOf(l, fmt.Sprintf("gst_%d", i))
			for twice := range 2 {
				group.Go(func() {
					if asked.Add(1) == buyers {
						w.flush()
					}
					h, err := untilAnswered(t.Context(), nodes[(i+twice)%2], tap)
					if err == nil {
						won.Store(h.ID, h)
					} else if !errors.Is(err, ErrSoldOut) && !errors.Is(err, ErrGone) {
						t.Errorf("buyer %d: %v", i, err)
					}
				})
			}
		}
		group.Wait()
		count := 0
		won.Range(func(id, _ any) bool {
			count++
			h := id.(commerce.HoldID)
			w.tx(func(ctx context.Context, tx pgx.Tx) error {
				found, err := Find(ctx, tx, h)
				if err != nil {
					return err
				}
				_, err = Pay(ctx, tx, h, found.Buyer)
				return err
			})
			return true
		})
		onHand, taken, _, _ := w.level(l.Pool)
		if count > 50 || taken != onHand && count == 50 || count != taken {
			t.Fatalf("%d acknowledged, %d taken of %d", count, taken, onHand)
		}
		w.settled(nodes[0], l.Pool)
		// Whatever was lost on the way is sold in the end: exactly N, neither N + 1 nor fewer.
		for i := 0; count < 50; i++ {
			if _, err := untilAnswered(t.Context(), nodes[0], tapOf(l, fmt.Sprintf("late_%d", i))); err != nil {
				t.Fatalf("%d of 50 sold, then: %v", count, err)
			}
			count++
		}
		w.refused(nodes[1], tapOf(l, "one too many"), ErrSoldOut)
	})
}

// untilAnswered repeats a tap as a browser does: the same id until there is an answer.
func untilAnswered(ctx context.Context, s *Service, tap Tap) (Hold, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		h, err := s.Hold(ctx, tap)
		if !errors.Is(err, ErrUnavailable) {
			return h, err
		}
		timer := time.NewTimer(20 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return h, err
		case <-timer.C:
		}
	}
}
