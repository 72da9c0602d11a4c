package stock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// One address may have so many holds open, over all pools; what is paid or over does not count.
func TestHoldsPerSource(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, pools := w.service(), []Level{w.supply(100, 0), w.supply(100, 0)}
		from := func(i int, source string) Tap {
			tap := tapOf(pools[i%2], fmt.Sprintf("gst_%d", i))
			tap.Source = source
			return tap
		}
		w.hold(s, from(0, "here"))
		second := from(1, "here") // the first counts for the address's while, open or not
		w.hold(s, second)
		for i := 2; i < MaxPerSource; i++ {
			w.hold(s, from(i, "here"))
		}
		w.refused(s, from(1000, "here"), ErrLimit)
		w.hold(s, from(1001, "there"))
		if _, err := s.Release(t.Context(), second.ID, second.Buyer); err != nil {
			t.Fatal(err)
		}
		w.hold(s, from(1002, "here"))
		for _, l := range pools {
			w.settled(s, l.Pool)
		}
	})
}

// Two taps of one buyer in one batch are judged together.
func TestLimitCountsWithinABatch(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(), w.supply(100, 3)
		var group sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 20 {
			group.Go(func() {
				_, err := s.Hold(t.Context(), tapOf(l, "gst_a"))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, ErrLimit) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if won != 3 {
			t.Fatalf("one buyer has %d of 3", won)
		}
		w.settled(s, l.Pool)
	})
}

// hfbin/Seckill #14, springboot-seckill #4: a double tap at once is one hold, even on two nodes and in one batch.
func TestDoubleTapIsOneHold(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		nodes, l := []*Service{w.service(), w.service()}, w.supply(10, 0)
		tap := tapOf(l, "gst_a")
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				if h, err := nodes[i%2].Hold(t.Context(), tap); err != nil || h.ID != tap.ID {
					t.Errorf("%+v %v", h, err)
				}
			})
		}
		group.Wait()
		if _, taken, _, _ := w.level(l.Pool); taken != 1 {
			t.Fatalf("taken %d", taken)
		}
		w.settled(nodes[0], l.Pool)
	})
}

// saleor #543, vendure #1738 and many others: one unit, a thousand buyers, one hold.
func TestThousandBuyersOneUnit(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		nodes, l := []*Service{w.service(), w.service()}, w.supply(1, 0)
		var group sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 1000 {
			group.Go(func() {
				_, err := untilAnswered(t.Context(), nodes[i%2], tapOf(l, fmt.Sprintf("gst_%d", i)))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, ErrSoldOut) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if won != 1 {
			t.Fatalf("%d buyers have the one unit", won)
		}
		w.settled(nodes[0], l.Pool)
	})
}

func TestQueueAndPoolsAreBounded(t *testing.T) {
	w := newWorld(t, nil, nil)
	w.redis = nil
	s := &Service{lanes: map[commerce.PoolID]*lane{}}
	m, err := newMetrics(registry())
	if err != nil {
		t.Fatal(err)
	}
	s.metrics = m
	l := &lane{s: s, gating: true}
	l.waiting.Store(MaxWaiting - 1)
	if err := l.ask(newAsk(Tap{})); err != nil {
		t.Fatalf("at the limit: %v", err)
	}
	if err := l.ask(newAsk(Tap{})); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("one past: %v", err)
	}
	for range MaxPools {
		busy, err := s.lane(commerce.NewID[commerce.PoolID]())
		if err != nil {
			t.Fatal(err)
		}
		busy.waiting.Store(1)
	}
	if _, err := s.lane(commerce.NewID[commerce.PoolID]()); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("one pool too many: %v", err)
	}
	for id, idle := range s.lanes {
		idle.waiting.Store(0)
		if _, err := s.lane(commerce.NewID[commerce.PoolID]()); err != nil || !idle.retired || s.lanes[id] != nil {
			t.Fatalf("an idle lane keeps its place: %v", err)
		}
		break
	}
	if err := (&lane{s: s, retired: true}).ask(newAsk(Tap{})); !errors.Is(err, errRetired) {
		t.Fatal(err)
	}
}

func TestNotesAreBounded(t *testing.T) {
	var n notes
	if lost := n.add(1, make([]tag, maxNotes), make([]entry, maxNotes), due{}); lost != 0 {
		t.Fatalf("at the limit %d were lost", lost)
	}
	if lost := n.add(1, make([]tag, 1), make([]entry, 2), due{}); lost != 3 {
		t.Fatalf("past the limit %d were lost", lost)
	}
	for more := maxNotes; more > 0; more -= MaxBatch {
		last := more == MaxBatch // of what comes back: its tags are open until then
		if settled, back, _ := n.take(1); len(settled) > 0 != last || len(settled) > MaxBatch || len(back) != MaxBatch {
			t.Fatalf("with %d units to come one call takes %d and %d", more, len(settled), len(back))
		}
	}
	if settled, back, _ := n.take(1); len(settled) != MaxBatch || len(back) != 0 {
		t.Fatalf("one call takes %d and %d", len(settled), len(back))
	}
	if n.add(2, nil, make([]entry, 1), due{}); len(n.back) != 1 || len(n.settled) != 0 {
		t.Fatal("news of an old epoch outlived it")
	}
	if n.add(1, nil, make([]entry, 1), due{}); len(n.back) != 1 {
		t.Fatal("news of a dead epoch was kept")
	}
	at := time.Unix(100, 0)
	n.add(2, nil, nil, due{at: at, known: true})
	n.add(2, nil, nil, due{at: at.Add(time.Second), known: true})
	if _, _, d := n.take(2); !d.at.Equal(at) {
		t.Fatalf("the earliest deadline became %v", d.at)
	}
	call := gateCall{epoch: 2, back: make([]entry, 1), due: due{at: at, known: true}}
	n.add(2, nil, nil, due{known: true, exact: true})
	n.restore(call)
	if _, back, d := n.take(2); len(back) != 1 || !d.exact || !d.at.IsZero() {
		t.Fatalf("what could not be delivered: %d, %+v", len(back), d)
	}
}

func TestServiceStaysOutOfTransactions(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(), w.supply(1, 0)
		err := w.try(func(ctx context.Context, _ pgx.Tx) error { _, err := s.Hold(ctx, tapOf(l, "gst_a")); return err })
		if !errors.Is(err, schema.ErrInTransaction) {
			t.Fatal(err)
		}
	})
}

func TestConfigSaysAllThatIsMissing(t *testing.T) {
	if _, err := New(Config{HoldFor: time.Millisecond}); err == nil {
		t.Fatal("nothing is missing")
	}
}
