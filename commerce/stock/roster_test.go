package stock

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/rialto-live/rialto/commerce"
)

// Asked by what they wish alone, strangers hear what they would hear in full; with an old stamp, or when there are units, they
// hear nothing yet.
func TestTheGateRefusesWhoIsOnNoRoster(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		g, pool := gate{redis: w.redis()}, commerce.NewID[commerce.PoolID]()
		if err := g.load(t.Context(), pool, copyOf{epoch: 1, free: 2, cap: 3, version: 1, timed: timedCopy{free: -1}}); err != nil {
			t.Fatal(err)
		}
		taps := func(asks ...*ask) gateCall { return gateCall{epoch: 1, tag: newTag(), asks: asks} }
		tap := func(buyer string, quantity int, offer int64) *ask {
			return newAsk(Tap{ID: commerce.NewID[commerce.HoldID](), Pool: pool, Buyer: buyer, Quantity: quantity, Offer: offer})
		}
		say := func(want string, call gateCall) gateAnswer {
			t.Helper()
			got, err := g.call(t.Context(), pool, call)
			if err != nil || got.letters != want {
				t.Fatalf("%q %v, want %q", got.letters, err, want)
			}
			return got
		}
		briefly := func(stamp int64, asks ...*ask) gateCall {
			call := taps(asks...)
			call.brief, call.stamp = len(asks), stamp
			return call
		}
		say("U", briefly(0, tap("gst_a", 1, 1))) // there are units
		winner := tap("gst_a", 2, 1)
		if got := say("A", taps(winner)); got.stamp != 1 {
			t.Fatalf("stamp %d after one call that admitted", got.stamp)
		}
		stamp, buyers, err := g.roster(t.Context(), pool, 1)
		if _, on := buyers[winner.buyer]; err != nil || stamp != 1 || !on || len(buyers) != 1 {
			t.Fatalf("roster %v of stamp %d: %v", buyers, stamp, err)
		}
		// Sold out, beyond the cap, another version, and again sold out.
		say("SLVS", briefly(1, tap("gst_b", 1, 1), tap("gst_c", 4, 1), tap("gst_d", 1, 2), tap("gst_e", 1, 1)))
		say("UU", briefly(0, tap("gst_b", 1, 1), tap("gst_c", 4, 1)))
		mixed := briefly(1, winner, tap("gst_b", 1, 1))
		mixed.brief = 1
		say("PS", mixed)
		// What comes back with a call is there for those whom it asks briefly, too.
		back := briefly(1, tap("gst_b", 1, 1))
		back.back = []entry{{id: winner.tap.ID, buyer: winner.buyer}}
		if got := say("U", back); got.free != 2 || got.stamp != 1 {
			t.Fatalf("%d free, stamp %d", got.free, got.stamp)
		}
		// A call that takes back as many units as it lets in changes nothing but who has them.
		say("A", taps(tap("gst_f", 1, 1)))
		winner = tap("gst_g", 1, 1)
		say("A", taps(winner))
		swap := taps(tap("gst_h", 1, 1))
		swap.back = []entry{{id: winner.tap.ID, buyer: winner.buyer}}
		say("A", swap)
		if stamp, buyers, err := g.roster(t.Context(), pool, 1); err != nil || stamp != 4 || len(buyers) != 2 {
			t.Fatalf("%d buyers, stamp %d after four calls that admitted: %v", len(buyers), stamp, err)
		}
		say("U", briefly(3, tap("gst_h", 1, 1)))
	})
}

// A copy that counts no calls, or has more buyers than a roster lists, has no roster.
func TestNoRoster(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		client := w.redis()
		g, pool := gate{redis: client}, commerce.NewID[commerce.PoolID]()
		if _, _, err := g.roster(t.Context(), pool, 1); !errors.Is(err, errNotLoaded) {
			t.Errorf("no copy: %v", err)
		}
		c := copyOf{epoch: 1, version: 1, timed: timedCopy{free: -1}, buyers: map[string][]byte{}}
		for i := range maxRoster {
			key := keyOf(fmt.Sprint(i))
			c.buyers[string(key[:])] = make([]byte, 17)
		}
		if err := g.load(t.Context(), pool, c); err != nil {
			t.Fatal(err)
		}
		if _, _, err := g.roster(t.Context(), pool, 1); !errors.Is(err, errNotLoaded) {
			t.Errorf("too many: %v", err)
		}
		if err := client.HDel(t.Context(), gateKeys(pool, 1)[0], "stamp").Err(); err != nil {
			t.Fatal(err)
		}
		if err := client.Del(t.Context(), gateKeys(pool, 1)[1]).Err(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := g.roster(t.Context(), pool, 1); !errors.Is(err, errNotLoaded) {
			t.Errorf("no stamp: %v", err)
		}
		call := gateCall{epoch: 1, tag: newTag(), brief: 1, asks: []*ask{newAsk(Tap{ID: commerce.NewID[commerce.HoldID](), Pool: pool, Buyer: "gst_a", Quantity: 1, Offer: 1})}}
		if got, err := g.call(t.Context(), pool, call); err != nil || got.letters != "U" {
			t.Errorf("%q %v", got.letters, err)
		}
	})
}

// Two nodes sell out and a crowd loses at one of them, so that it has a roster. A unit that comes back is sold by the other
// node: repeated in the middle of the crowd, its tap is still "yours", and so is the next unit for whoever of the crowd taps.
func TestWinnersAreNotToldThatTheyLostByARoster(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		here, there := w.service(), w.service()
		l := w.supply(1, 0)
		first := w.hold(here, tapOf(l, "gst_first"))
		crowd := func() (won int) {
			var wait sync.WaitGroup
			var mu sync.Mutex
			for i := range 4 * rosterCrowd {
				wait.Go(func() {
					_, err := here.Hold(t.Context(), tapOf(l, fmt.Sprint("gst_", i)))
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						won++
					case !errors.Is(err, ErrSoldOut):
						t.Errorf("a tap of the crowd: %v", err)
					}
				})
			}
			wait.Wait()
			return won
		}
		known := func() bool {
			lane, err := here.lane(l.Pool)
			if err != nil {
				t.Fatal(err)
			}
			lane.mu.Lock()
			defer lane.mu.Unlock()
			return !lane.gating && lane.roster.buyers != nil // the loop's, while it runs
		}
		for tries := 0; !known(); tries++ {
			if won := crowd(); won != 0 || tries == 1000 {
				t.Fatalf("%d of a sold out pool, %d tries", won, tries)
			}
		}
		if _, err := here.Release(t.Context(), first.ID, "gst_first"); err != nil {
			t.Fatal(err)
		}
		tap := tapOf(l, "gst_second")
		w.eventually(func() bool { _, err := there.Hold(t.Context(), tap); return err == nil }, func() string { return "the unit that came back is not to be had" })
		var again Hold
		var err error
		var wait sync.WaitGroup
		wait.Go(func() { again, err = here.Hold(t.Context(), tap) })
		crowd()
		wait.Wait()
		if err != nil || !again.Replayed || again.ID != tap.ID {
			t.Fatalf("the tap that won, repeated: %+v %v", again, err)
		}
		if _, err := there.Release(t.Context(), tap.ID, "gst_second"); err != nil {
			t.Fatal(err)
		}
		total := 0
		w.eventually(func() bool { total += crowd(); return total == 1 }, func() string { return fmt.Sprintf("the crowd has %d units of one", total) })
		if won := crowd(); won != 0 {
			t.Errorf("%d more than there is", won)
		}
	})
}
