package checkout

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/rialto-live/rialto/commerce/stock"
)

// saleor #543, #6897; vendure #1738, #3508; sylius #2776; spree #3808: availability was checked, then stock was taken, in
// two steps. 1,000 buyers, 1 unit, 1 order, 1 charge.
func TestThousandBuyersOneUnitOneOrder(t *testing.T) {
	w := newWorld(t, 1)
	nodes := []*Service{w.service(), w.service()}
	var all sync.WaitGroup
	for i := range 1000 {
		s, tap := nodes[i%2], w.tap(fmt.Sprintf("gst_%d", i))
		all.Go(func() {
			h, err := s.Hold(t.Context(), tap)
			for errors.Is(err, stock.ErrUnavailable) { // as a page does: the same id again
				h, err = s.Hold(t.Context(), tap)
			}
			if err != nil {
				if !errors.Is(err, stock.ErrSoldOut) {
					t.Error(err)
				}
				return
			}
			if _, _, err := s.Pay(t.Context(), payFor(h, good)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if orders, holds, charges := w.count(`select count(*) from orders`), w.count(`select count(*) from hold where state = 'sold'`),
		w.count(`select count(*) from sandbox.charge`); orders != 1 || holds != 1 || charges != 1 {
		t.Errorf("%d orders, %d units sold, %d charges; want one of each", orders, holds, charges)
	}
}
