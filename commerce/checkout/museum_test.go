package checkout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
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

// greedyBank takes the money again for each key of a capture that it has not seen, whatever it has taken already, and every
// first answer to one is lost.
type greedyBank struct {
	*bank
	mu    sync.Mutex
	taken map[string]int64 // by key
	calls int
}

func (b *greedyBank) Capture(ctx context.Context, id string, amount money.Amount, key string) (payment.Charge, error) {
	b.mu.Lock()
	_, again := b.taken[key]
	b.taken[key] = amount.Minor
	b.calls++
	b.mu.Unlock()
	if c, err := b.bank.Capture(ctx, id, amount, key); err != nil || again {
		return c, err
	}
	return payment.Charge{}, payment.ErrOutcomeUnknown
}

// saleor #7399, openfoodnetwork #3925, one order was captured three times: the dispatchers of two nodes repeat its capture
// at once and afterwards, the page repeats the pay tap, and the answer of the first capture is lost. What is taken is the
// order's total.
func TestCapturedOnceWhateverIsRetried(t *testing.T) {
	w, b := newWorld(t, 1), &greedyBank{bank: newBank(), taken: map[string]int64{}}
	here := func(_ *stock.Config, c *Config) { c.Provider, c.Vault = b, b }
	nodes := []*Service{w.service(here), w.service(here)}
	r := payFor(w.hold(nodes[0], "gst_a"), good)
	o := w.paid(nodes[0], r)
	m := captureOf(w.payment(o.ID))
	if err := nodes[0].Handlers()[EffectCapture](t.Context(), m); !errors.Is(err, payment.ErrOutcomeUnknown) {
		t.Fatalf("the answer was lost, and yet: %v", err)
	}
	w.expect(o.ID, "confirmed authorised sold")
	var all sync.WaitGroup
	for i := range 8 {
		s := nodes[i%2]
		all.Go(func() {
			if err := s.Handlers()[EffectCapture](t.Context(), m); err != nil {
				t.Errorf("capture %d: %v", i, err)
			}
		})
		all.Go(func() {
			if again, created, err := s.Pay(t.Context(), r); err != nil || created || again.ID != o.ID {
				t.Errorf("pay tap %d: %v %v %v", i, again.ID, created, err)
			}
		})
	}
	all.Wait()
	w.deliver(nodes[1]) // once more, when all is done
	w.once(b.bank, o.ID, "captured captured sold")
	if b.calls < 2 || len(b.taken) != 1 || b.taken[w.payment(o.ID).CaptureKey()] != o.Total.Minor {
		t.Errorf("%d captures took %v, the order is %d", b.calls, b.taken, o.Total.Minor)
	}
}
