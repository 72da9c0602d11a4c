package checkout

import (
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"
)

// The same pay tap, many times at once and at every moment of the first one: each hears of the one order.
func TestPayAtOnceIsOneOrder(t *testing.T) {
	w := newWorld(t, 5)
	s := w.service()
	var taps errgroup.Group
	for n := range 5 {
		r := payFor(w.hold(s, fmt.Sprintf("gst_%d", n)), good)
		for range 12 {
			taps.Go(func() error {
				o, _, err := s.Pay(t.Context(), r)
				if err == nil && o.ID != r.Order {
					return fmt.Errorf("order %s, want %s", o.ID, r.Order)
				}
				return err
			})
		}
	}
	if err := taps.Wait(); err != nil {
		t.Error(err)
	}
	if n := w.count(`select count(*) from payment`); n != 5 {
		t.Errorf("%d payments, want 5", n)
	}
}
