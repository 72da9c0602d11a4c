package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
)

// The creator's line is down at one node and comes back at another. Meanwhile the flash price and what a buyer holds wait, as
// viewers on both nodes read; then both last as much longer as it took, once.
func TestTheClocksWaitForTheCreator(t *testing.T) {
	m := newMarket(t)
	a, b := m.node(), m.node()
	know(a, b)
	mara, vic := a.signUp("mara", "creator"), b.guest()
	pan := mara.sell(mara.newShow(), 2)
	show, err := commerce.Parse[commerce.ShowID](pan.show)
	if err != nil {
		t.Fatal(err)
	}
	air := func(n *running, on bool) {
		t.Helper()
		if err := n.setOnAir(t.Context(), show, on); err != nil {
			t.Fatal(err)
		}
	}
	air(a, true)
	mara.want(http.StatusOK, "", http.MethodPut, "/shows/"+pan.show+"/flash-prices/"+commerce.NewID[commerce.FlashID]().String(),
		map[string]any{"variant": pan.variant, "amount": 2900, "lasts_s": 600, "cap": 0})
	mine := vic.hold(pan, 1)
	pages := []*seat{a.guest().join(pan.show), vic.join(pan.show)}
	// clocks waits until a page knows that the flash price stands, or does not, and answers when it ends.
	clocks := func(page *seat, stand bool) (ends time.Time) {
		t.Helper()
		page.await("the clock of the flash price", func(s *seat) bool {
			var price struct {
				Flash struct {
					Ends   time.Time  `json:"ends_at"`
					Stands *time.Time `json:"stands_at"`
				} `json:"flash"`
			}
			known := s.now("price.set", pan.variant, &price)
			ends = price.Flash.Ends
			return known && (price.Flash.Stands != nil) == stand
		})
		return ends
	}
	held := func(stands bool) time.Time {
		t.Helper()
		r := vic.want(http.StatusOK, "", http.MethodGet, "/holds/"+mine, nil)
		if is, _ := r.body["stands"].(bool); is != stands {
			t.Errorf("the hold stands: %v, want %v", is, stands)
		}
		at, err := time.Parse(time.RFC3339Nano, r.text("expires_at"))
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	expires, ends := held(false), clocks(pages[0], false)
	air(a, false)
	clocks(pages[0], true)
	clocks(pages[1], true)
	held(true)
	air(b, true)
	moved := time.Duration(m.count(`select (extract(epoch from ended_at - began_at) * 1000000)::bigint from show_outage`)) * time.Microsecond
	for _, page := range pages {
		if by := clocks(page, false).Sub(ends); by <= 0 || by != moved {
			t.Errorf("the flash price moved by %v in %v", by, moved)
		}
	}
	if by := held(false).Sub(expires); by != moved {
		t.Errorf("the hold moved by %v in %v", by, moved)
	}
	m.clean(b)
}
