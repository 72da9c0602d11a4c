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
)

// crowd is many buyers who tap at the timed offer, and at the standing one once it is refused; where they are refused
// that too, they start again. It answers how many got what.
func crowd(t *testing.T, nodes []*Service, l Level, buyers int, during func(n int)) (timed, standing int) {
	t.Helper()
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		taps  int
	)
	tap := func(i int, tap Tap) error {
		mu.Lock()
		taps++
		n := taps
		mu.Unlock()
		during(n)
		h, err := untilAnswered(t.Context(), nodes[i%len(nodes)], tap)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			if h.Offer == l.Timed && h.Unit.Minor == 2900 {
				timed++
			} else if h.Offer == l.Offer && h.Unit.Minor == 4900 {
				standing++
			} else {
				t.Errorf("a hold at no price: %+v", h)
			}
		}
		return err
	}
	for i := range buyers {
		group.Go(func() {
			buyer := fmt.Sprintf("gst_%d", i)
			for try := 0; ; try++ {
				wish := timedTap(l, buyer)
				if try%2 == 1 {
					wish = tapOf(l, buyer)
				}
				err := tap(i, wish)
				switch {
				case err == nil, errors.Is(err, ErrSoldOut):
					return
				case errors.Is(err, ErrOfferChanged), errors.Is(err, ErrGone): // gone: lost on the way with Redis
				default:
					t.Errorf("buyer %d: %v", i, err)
					return
				}
			}
		})
	}
	group.Wait()
	return timed, standing
}

// 300 buyers, 100 units, 20 of them at the lower price: exactly 20 pay it, 80 the other, and nobody anything else.
func TestCapOfATimedOfferInASurge(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		nodes, l := []*Service{w.service(), w.service()}, w.supply(100, 1)
		l = w.offer(l, 20, time.Hour)
		timed, standing := crowd(t, nodes, l, 300, func(int) {})
		if timed != 20 || standing != 80 {
			t.Fatalf("%d at the timed offer, %d at the standing one", timed, standing)
		}
		if left := w.timed(l.Pool); left != 0 {
			t.Fatalf("%d units are left at the timed offer", left)
		}
		w.settled(nodes[0], l.Pool)
	})
}

// The same while Redis loses all it knows: never more than 20, and what was lost on the way is sold in the end.
func TestCapOfATimedOfferWithoutRedis(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		nodes, l := []*Service{w.service(), w.service()}, w.supply(100, 1)
		l = w.offer(l, 20, time.Hour)
		timed, standing := crowd(t, nodes, l, 300, func(n int) {
			if n == 100 || n == 250 {
				w.flush()
			}
		})
		if timed > 20 || timed+standing > 100 {
			t.Fatalf("%d at the timed offer, %d at the standing one", timed, standing)
		}
		w.settled(nodes[0], l.Pool)
		if all := timed + standing; all != 100 {
			t.Logf("%d were sold at once", all)
		}
		for i := 0; w.timed(l.Pool) > 0; i++ {
			if _, err := untilAnswered(t.Context(), nodes[0], timedTap(l, fmt.Sprintf("late_%d", i))); err != nil {
				t.Fatalf("%d units are left at the timed offer, and yet: %v", w.timed(l.Pool), err)
			}
		}
		w.settled(nodes[1], l.Pool)
	})
}

// A hold at the timed offer that lapses gives its unit back to the offer's cap, at once and to whoever taps next.
func TestLapsedUnitsComeBackToTheCap(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(holdFor(400*time.Millisecond), sweepEvery(never)), w.supply(10, 0)
		l = w.offer(l, 1, time.Hour)
		h := w.hold(s, timedTap(l, "gst_a"))
		w.refused(s, timedTap(l, "gst_b"), ErrOfferChanged)
		w.hold(s, tapOf(l, "gst_b"))
		timer := time.NewTimer(h.Left + 50*time.Millisecond)
		<-timer.C
		w.refused(s, tapOf(l, "gst_c"), ErrOfferChanged) // nobody pays more than what holds again
		w.hold(s, timedTap(l, "gst_c"))
		w.settled(s, l.Pool)
	})
}

// Units of an offer that has been replaced are no part of the next one's cap, neither taken nor given back.
func TestUnitsOfAnOlderOffer(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(), w.supply(10, 0)
		first := w.offer(l, 2, time.Hour)
		old := timedTap(first, "gst_a")
		w.hold(s, old)
		next := w.offer(l, 1, time.Hour)
		s.Changed(t.Context(), l.Pool)
		if next.Timed <= first.Timed || *next.TimedLeft != 1 {
			t.Fatalf("%+v", next)
		}
		w.refused(s, timedTap(first, "gst_b"), ErrOfferChanged)
		w.hold(s, timedTap(next, "gst_b"))
		if _, err := s.Release(t.Context(), old.ID, "gst_a"); err != nil {
			t.Fatal(err)
		}
		w.settled(s, l.Pool)
		w.refused(s, timedTap(next, "gst_c"), ErrOfferChanged)
		w.tx(func(ctx context.Context, tx pgx.Tx) error { _, err := ClearOffer(ctx, tx, l.Pool); return err })
		s.Changed(t.Context(), l.Pool)
		w.hold(s, tapOf(next, "gst_c"))
		w.settled(s, l.Pool)
	})
}

// A node dies after the gate let a tap in at the timed offer: the unit comes back to the cap with its lease.
func TestLeaseAtATimedOffer(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(), w.supply(10, 0)
		l = w.offer(l, 2, time.Hour)
		w.hold(s, timedTap(l, "gst_first")) // loads the gate
		_, _, _, epoch := w.level(l.Pool)
		dead := timedTap(l, "gst_dead")
		got, err := s.gate.call(t.Context(), l.Pool, gateCall{epoch: epoch, tag: newTag(), asks: []*ask{newAsk(dead)}})
		if err != nil || got.letters != "A" || got.timed != 0 {
			t.Fatalf("%+v %v", got, err)
		}
		// Its unit is spoken for, although Postgres does not know yet: whoever comes now pays the standing price.
		w.refused(s, timedTap(l, "gst_b"), ErrOfferChanged)
		w.hold(s, tapOf(l, "gst_b"))
		w.eventually(func() bool {
			_, err := s.Hold(t.Context(), timedTap(l, "gst_c"))
			return err == nil
		}, func() string { return "the leased unit did not come back to the cap" })
		w.settled(s, l.Pool)
	})
}

// The window ends between gate and truth: nothing is held at the price that is over, and the id is used up.
func TestWindowEndsWhileAdmitted(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(), w.supply(10, 0)
		l = w.offer(l, 5, 2*time.Second)
		w.hold(s, timedTap(l, "gst_first"))
		_, _, _, epoch := w.level(l.Pool)
		late := timedTap(l, "gst_late")
		if got, err := s.gate.call(t.Context(), l.Pool, gateCall{epoch: epoch, tag: newTag(), asks: []*ask{newAsk(late)}}); err != nil || got.letters != "A" {
			t.Fatalf("%+v %v", got, err)
		}
		w.eventually(func() bool {
			var over bool
			err := w.db.QueryRow(t.Context(), `select now() >= timed_closes_at from pool where id = $1`, l.Pool).Scan(&over)
			return err == nil && over
		}, func() string { return "the window never closed" })
		if _, err := s.Hold(t.Context(), late); !errors.Is(err, ErrOfferChanged) && !errors.Is(err, ErrGone) {
			t.Fatal(err)
		}
		w.neverHeld(late)
		w.refused(s, timedTap(l, "gst_b"), ErrOfferChanged)
		w.hold(s, tapOf(l, "gst_b"))
		w.settled(s, l.Pool)
	})
}

// neverHeld says that an id never became a hold.
func (w *world) neverHeld(tap Tap) {
	w.t.Helper()
	if h, err := Find(w.t.Context(), w.db, tap.ID); err != nil || h.State.Live() {
		w.t.Fatalf("%+v, %v", h, err)
	}
}

// A gate that has forgotten what was sold lets in too many: Postgres refuses the extras, and the gate is made anew.
func TestGateThatForgotTheCap(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(sweepEvery(never)), w.supply(10, 0)
		l = w.offer(l, 2, time.Hour)
		w.hold(s, timedTap(l, "gst_a"))
		w.settled(s, l.Pool)
		_, _, _, epoch := w.level(l.Pool)
		if err := w.redis().HSet(t.Context(), gateKeys(l.Pool, epoch)[0], "timed_free", 7).Err(); err != nil {
			t.Fatal(err)
		}
		won := 0
		for i := range 4 {
			_, err := untilAnswered(t.Context(), s, timedTap(l, fmt.Sprintf("gst_%d", i)))
			if err == nil {
				won++
			} else if !errors.Is(err, ErrOfferChanged) {
				t.Fatal(err)
			}
		}
		if won != 1 {
			t.Fatalf("%d of the one unit were sold", won)
		}
		w.settled(s, l.Pool)
	})
}

// The comparison finds a cap that has drifted by one, in either direction.
func TestDriftOfTheCapIsRepaired(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(sweepEvery(50*time.Millisecond)), w.supply(10, 0)
		l = w.offer(l, 5, time.Hour)
		for i, drift := range []int64{+1, -1} {
			w.hold(s, timedTap(l, fmt.Sprintf("gst_%d", i)))
			w.settled(s, l.Pool)
			_, _, _, epoch := w.level(l.Pool)
			if err := w.redis().HIncrBy(t.Context(), gateKeys(l.Pool, epoch)[0], "timed_free", drift).Err(); err != nil {
				t.Fatal(err)
			}
			w.settled(s, l.Pool)
		}
	})
}

// A copy that a program made which knew no timed offers is no copy.
func TestCopyOfAnOlderProgram(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(sweepEvery(never)), w.supply(2, 0)
		w.hold(s, tapOf(l, "gst_a"))
		w.settled(s, l.Pool)
		_, _, _, epoch := w.level(l.Pool)
		if err := w.redis().HDel(t.Context(), gateKeys(l.Pool, epoch)[0], "timed", "timed_opens", "timed_closes", "timed_free").Err(); err != nil {
			t.Fatal(err)
		}
		w.hold(s, tapOf(l, "gst_b"))
		w.settled(s, l.Pool)
	})
}

func TestTimedOffersThatCannotBe(t *testing.T) {
	w := newWorld(t, nil, nil)
	l, now := w.supply(5, 0), time.Now()
	for name, c := range map[string]struct {
		pool  commerce.PoolID
		offer TimedOffer
		want  error
	}{
		"a moment":      {l.Pool, TimedOffer{Opens: now, Closes: now.Add(time.Millisecond)}, nil},
		"no time":       {l.Pool, TimedOffer{Opens: now, Closes: now}, ErrWindow},
		"backwards":     {l.Pool, TimedOffer{Opens: now, Closes: now.Add(-time.Hour)}, ErrWindow},
		"most":          {l.Pool, TimedOffer{Opens: now, Closes: now.Add(time.Hour), Cap: MaxOnHand}, nil},
		"more":          {l.Pool, TimedOffer{Opens: now, Closes: now.Add(time.Hour), Cap: MaxOnHand + 1}, ErrQuantity},
		"less":          {l.Pool, TimedOffer{Opens: now, Closes: now.Add(time.Hour), Cap: -1}, ErrQuantity},
		"no such thing": {commerce.NewID[commerce.PoolID](), TimedOffer{Opens: now, Closes: now.Add(time.Hour)}, ErrUnknown},
	} {
		err := w.try(func(ctx context.Context, tx pgx.Tx) error { _, err := SetOffer(ctx, tx, c.pool, c.offer); return err })
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// The last unit at the timed offer is told at once, and only once: what is sold after it may wait for the next tick.
func TestTheLastOneIsUrgent(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(), w.supply(10, 0)
		l = w.offer(l, 2, time.Hour)
		for i, tap := range []Tap{timedTap(l, "gst_a"), timedTap(l, "gst_b"), tapOf(l, "gst_c")} {
			w.hold(s, tap)
			var urgent bool
			var left int
			err := w.db.QueryRow(t.Context(), `select coalesce((payload->>'u')::bool, false), (payload->'d'->>'flash_left')::int from outbox
				where lane = 'event' order by seq desc limit 1`).Scan(&urgent, &left)
			if err != nil || urgent != (i == 1) || left != max(1-i, 0) {
				t.Errorf("tap %d: urgent %v, %d left, %v", i, urgent, left, err)
			}
		}
	})
}
