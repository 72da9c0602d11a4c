package verify

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
)

// 500 buyers over HTTP on a pool of 50, each tapping twice with the same id, Redis flushed in the middle:
// never 51 holds, whoever heard "yours" can pay, and everything that must be true is.
func TestSurgeOverHTTP(t *testing.T) {
	const buyers, units = 500, 50
	w := newWorld(t, units)
	var (
		group   sync.WaitGroup
		taps    atomic.Int64
		flush   sync.Once
		mu      sync.Mutex
		winners = map[commerce.HoldID]*buyer{}
	)
	everybody := make([]*buyer, buyers)
	for i := range everybody {
		everybody[i] = w.buyer(i)
	}
	for _, b := range everybody {
		id := commerce.NewID[commerce.HoldID]()
		for range 2 {
			group.Go(func() {
				if taps.Add(1) >= buyers {
					flush.Do(w.redis.Flush)
				}
				status, code, err := b.until(http.MethodPut, "/holds/"+id.String(), map[string]any{"show": w.show, "variant": w.variant, "quantity": 1})
				switch {
				case err == nil && (status == http.StatusCreated || status == http.StatusOK):
					mu.Lock()
					winners[id] = b
					mu.Unlock()
				case err != nil || code != "sold_out" && code != "hold_expired":
					t.Errorf("a tap: %d %s %v", status, code, err)
				}
			})
		}
	}
	group.Wait()
	if len(winners) > units {
		t.Fatalf("%d buyers heard yours", len(winners))
	}
	w.clean()
	for id, b := range winners {
		group.Go(func() {
			order := commerce.NewID[commerce.OrderID]()
			for range 2 { // the pay tap comes twice too
				status, code, err := b.until(http.MethodPut, "/orders/"+order.String(), map[string]any{
					"hold": id, "email": "vic@example.com", "name": "Vic", "delivery": home(),
					"card": map[string]any{"number": "4242424242424242", "exp_month": 12, "exp_year": time.Now().Year() + 1, "cvc": "123"},
				})
				if err != nil || status != http.StatusCreated && status != http.StatusOK {
					t.Errorf("an acknowledged hold could not be paid: %d %s %v", status, code, err)
				}
			}
		})
	}
	group.Wait()
	w.captured(len(winners))
	w.clean()
}
