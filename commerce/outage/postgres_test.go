package outage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/stock"
)

// away is how long Postgres is away in these tests: longer than a hold lives there. RIALTO_OUTAGE=30s is the promise of the
// field, to be run by hand.
func away(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("RIALTO_OUTAGE")
	if text == "" {
		return 3 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Postgres hangs, or is killed, for longer than holds live, under two nodes that sell and beat, and buyers who go on tapping:
// nobody who held a unit has lost it, each deadline has moved by at least the time that was lost, and by no more than the outages
// that were found; whoever heard "yours" has it; taps for the units in between win nothing.
func TestPostgresIsAway(t *testing.T) {
	for name, way := range map[string]struct {
		away, back func(*embeddedtest.PostgresServer)
	}{
		"paused": {(*embeddedtest.PostgresServer).Freeze, (*embeddedtest.PostgresServer).Thaw},
		"killed": {(*embeddedtest.PostgresServer).Kill, (*embeddedtest.PostgresServer).Start},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lasts := away(t)
			server := embeddedtest.NewPostgresServer(t)
			w := &world{T: t, db: schematest.Open(t, server.DSN()), store: miniredis.RunT(t), show: commerce.NewID[commerce.ShowID]()}
			if _, err := schema.Migrate(t.Context(), w.db); err != nil {
				t.Fatal(err)
			}
			often := func(_ *stock.Config, k *Config) { k.Every, k.Gap = 50*time.Millisecond, 700*time.Millisecond }
			nodes := []node{w.node(often), w.node(often)}
			w.beats(nodes...)
			l := w.supply(3)
			mine := []stock.Hold{w.hold(nodes[0], tapOf(l, "gst_a")), w.hold(nodes[1], tapOf(l, "gst_b"))}
			paid := w.pay(w.hold(nodes[0], tapOf(w.supply(1), "gst_pays")))
			crowd := w.crowd(nodes, l)
			// Their time is over in the middle of it.
			w.exec(`update hold set expires_at = clock_timestamp() + $1::interval, lapses_at = clock_timestamp() + $1::interval where id = any($2)`,
				lasts*2/3, []commerce.HoldID{mine[0].ID, mine[1].ID})
			w.exec(`update payment set deadline = clock_timestamp() + $1::interval`, lasts*2/3)
			mine, deadline := []stock.Hold{w.find(mine[0].ID), w.find(mine[1].ID)}, w.payment(paid).Deadline
			way.away(server)
			began := time.Now()
			<-time.After(lasts)
			lost := time.Since(began)
			way.back(server)
			w.eventually(func() bool {
				var n int
				return w.db.QueryRow(context.Background(), `select count(*) from outage`).Scan(&n) == nil && n > 0
			}, func() string { return "no outage was found" })
			won := crowd()
			var most time.Duration // a busy machine makes small ones, too
			for _, o := range w.outages() {
				most += o.Moved
			}
			for _, h := range mine {
				now := w.find(h.ID)
				if by := now.Expires.Sub(h.Expires); by < lost || by > most {
					t.Errorf("a deadline moved by %v; %v were lost, %v were found", by, lost, most)
				}
			}
			if by := w.payment(paid).Deadline.Sub(deadline); by < lost || by > most {
				t.Errorf("a payment's deadline moved by %v; %v were lost, %v were found", by, lost, most)
			}
			for _, h := range won {
				if found := w.find(h.ID); found.Buyer != h.Buyer {
					t.Errorf("whoever heard \"yours\" finds %+v", found)
				}
			}
			if len(won) > 1 {
				t.Errorf("%d units were sold of the one that was left", len(won))
			}
			t.Logf("away %v; found and moved %v in %d outages; %d won", lost, most, len(w.outages()), len(won))
			w.clean(nodes[0])
		})
	}
}

// crowd taps without end until the answer is called: what was won. Their holds are given back to nobody and lapse.
func (w *world) crowd(nodes []node, l stock.Level) (end func() []stock.Hold) {
	ctx, cancel := context.WithCancel(context.Background())
	w.Cleanup(cancel)
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		won   []stock.Hold
	)
	for i := range 8 {
		group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				h, err := nodes[i%len(nodes)].stock.Hold(ctx, tapOf(l, fmt.Sprintf("gst_%d_%d", i, n)))
				if err == nil {
					mu.Lock()
					won = append(won, h)
					mu.Unlock()
					return // one is enough for anybody
				}
				// Gone is whose lease lapsed while Postgres was away: its id is buried before its claim comes.
				if !errors.Is(err, stock.ErrSoldOut) && !errors.Is(err, stock.ErrUnavailable) && !errors.Is(err, stock.ErrGone) && ctx.Err() == nil {
					w.Errorf("a tap: %v", err)
				}
				select {
				case <-ctx.Done():
				case <-time.After(5 * time.Millisecond):
				}
			}
		})
	}
	return func() []stock.Hold {
		cancel()
		group.Wait()
		return won
	}
}
