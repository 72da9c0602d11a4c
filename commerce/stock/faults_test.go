package stock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

const never = time.Hour

// An expired unit is sellable at once: a tap finds it without any sweep, within 50 ms of the deadline.
func TestExpiryReturnsTheUnitToTheNextTap(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(holdFor(400*time.Millisecond), sweepEvery(never)), w.supply(1, 0)
		first := tapOf(l, "gst_a")
		h := w.hold(s, first)
		w.refused(s, tapOf(l, "gst_b"), ErrSoldOut)
		timer := time.NewTimer(h.Left + 50*time.Millisecond)
		<-timer.C
		w.hold(s, tapOf(l, "gst_b"))
		w.over(s, first)
		w.settled(s, l.Pool)
	})
}

// Nobody taps, and yet the unit comes back and the audience hears of it.
func TestSweepTellsTheAudience(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(holdFor(200*time.Millisecond), sweepEvery(20*time.Millisecond)), w.supply(3, 0)
		w.hold(s, tapOf(l, "gst_a"))
		var last string
		w.eventually(func() bool {
			err := w.db.QueryRow(t.Context(), `select payload->'d'->>'left' from outbox where lane = 'event' order by seq desc limit 1`).Scan(&last)
			return err == nil && last == "3"
		}, func() string { return "the last stock.set says " + last })
		w.settled(s, l.Pool)
	})
}

// seckill: decrement, then the message is lost. A node dies after the gate admitted and before Postgres knew.
func TestLeaseReturnsTheUnitOfADeadNode(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(), w.supply(2, 0)
		w.hold(s, tapOf(l, "gst_first")) // loads the gate
		_, _, _, epoch := w.level(l.Pool)
		dead := tapOf(l, "gst_dead")
		got, err := s.gate.call(t.Context(), l.Pool, gateCall{epoch: epoch, tag: newTag(), asks: []*ask{newAsk(dead)}})
		if err != nil || got.letters != "A" {
			t.Fatalf("%+v %v", got, err)
		}
		w.refused(s, tapOf(l, "gst_b"), ErrSoldOut)
		w.eventually(func() bool {
			_, err := s.Hold(t.Context(), tapOf(l, "gst_b"))
			return err == nil
		}, func() string { return "the leased unit did not come back" })
		w.over(s, dead)
		w.settled(s, l.Pool)
	})
}

// The same, but the buyer's page repeats the tap in time: the retry gets the same admit.
func TestRetryAfterADeadNodeFindsItsAdmit(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(), w.supply(2, 0)
		w.hold(s, tapOf(l, "gst_first"))
		_, _, _, epoch := w.level(l.Pool)
		dead := tapOf(l, "gst_dead")
		if _, err := s.gate.call(t.Context(), l.Pool, gateCall{epoch: epoch, tag: newTag(), asks: []*ask{newAsk(dead)}}); err != nil {
			t.Fatal(err)
		}
		w.hold(s, dead)
		w.refused(s, tapOf(l, "gst_c"), ErrSoldOut)
		w.settled(s, l.Pool)
	})
}

// A Redis lock whose time was over sold a hundred bottles too many; a Redis failover that loses decrements, with nothing to notice it by: the CHECK's arithmetic refuses the extras
// before any "yours", and the gate is made anew.
func TestGateThatForgotSalesSellsNoExtra(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(sweepEvery(never)), w.supply(3, 0)
		w.hold(s, tapOf(l, "gst_a"))
		w.settled(s, l.Pool)
		_, _, _, epoch := w.level(l.Pool)
		if err := w.redis().HSet(t.Context(), gateKeys(l.Pool, epoch)[0], "free", 40).Err(); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 40 {
			group.Go(func() {
				_, err := untilAnswered(t.Context(), s, tapOf(l, fmt.Sprintf("gst_%d", i)))
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
		if won != 2 {
			t.Fatalf("%d of 2 units were sold", won)
		}
		w.refused(s, tapOf(l, "gst_late"), ErrSoldOut)
		w.settled(s, l.Pool)
	})
}

// Redis dies in the middle of a sale, which goes on without it, and comes back with its data or with none.
func TestRedisKilledAndBack(t *testing.T) {
	for name, end := range map[string]func(*embeddedtest.RedisServer){
		"with its data": (*embeddedtest.RedisServer).Kill, "empty": (*embeddedtest.RedisServer).Lose,
	} {
		t.Run(name, func(t *testing.T) {
			server := embeddedtest.NewRedisServer(t)
			w := newWorld(t, func() redis.UniversalClient { return open(t, server.URL()) }, server.Flush)
			s, l := w.service(), w.supply(4, 2)
			mine := tapOf(l, "gst_a")
			w.hold(s, mine)
			_, _, _, epoch := w.level(l.Pool)
			end(server)
			tap, old := tapOf(l, "gst_b"), tapOf(l, "gst_c")
			old.Offer++
			w.hold(s, tap)
			for _, again := range []Tap{tap, mine} {
				if h := w.hold(s, again); !h.Replayed || h.ID != again.ID {
					t.Fatalf("a repeated tap: %+v", h)
				}
			}
			w.refused(s, old, ErrOfferChanged)
			old.Offer--
			w.hold(s, old) // its id is not used up
			w.hold(s, tapOf(l, "gst_a"))
			late := tapOf(l, "gst_a")
			w.refused(s, late, ErrLimit)
			w.refused(s, tapOf(l, "gst_d"), ErrSoldOut)
			if _, err := Find(t.Context(), w.db, late.ID); !errors.Is(err, ErrUnknown) {
				t.Errorf("a tap that lost is in Postgres: %v", err)
			}
			if _, err := s.Release(t.Context(), mine.ID, mine.Buyer); err != nil {
				t.Fatal(err)
			}
			server.Start()
			w.settled(s, l.Pool)
			w.hold(s, late) // refused while Redis was away, and never let in by it
			if again := w.hold(s, tap); !again.Replayed {
				t.Fatalf("a hold that was made without Redis: %+v", again)
			}
			w.refused(s, tapOf(l, "gst_e"), ErrSoldOut)
			w.settled(s, l.Pool)
			if _, taken, _, now := w.level(l.Pool); taken != 4 || now <= epoch {
				t.Fatalf("%d taken, epoch %d after %d", taken, now, epoch)
			}
		})
	}
}

// A whole sale without Redis, over two nodes: it goes on to the last unit, at a pace, and nothing twice.
func TestAWholeSaleWithoutRedis(t *testing.T) {
	const units, buyers, perSecond, burst = 700, 3000, 500, 100
	server := embeddedtest.NewRedisServer(t)
	w := newWorld(t, func() redis.UniversalClient { return open(t, server.URL()) }, server.Flush)
	nodes, l := []*Service{w.service(), w.service()}, w.supply(units, 0)
	for _, s := range nodes { // slower than Postgres, however slow this machine is
		s.outages.pace.SetLimit(perSecond)
		s.outages.pace.SetBurst(burst)
	}
	server.Kill()
	var group sync.WaitGroup
	var won, paced atomic.Int64
	began := time.Now()
	for i := range buyers {
		group.Go(func() {
			tap := tapOf(l, fmt.Sprintf("gst_%d", i))
			for {
				switch _, err := nodes[i%2].Hold(t.Context(), tap); {
				case err == nil:
					won.Add(1)
					return
				case errors.Is(err, ErrSoldOut):
					return
				case errors.Is(err, errPace):
					paced.Add(1)
				case !errors.Is(err, ErrUnavailable):
					t.Error(err)
					return
				}
				time.Sleep(20 * time.Millisecond) // a page waits longer
			}
		})
	}
	group.Wait()
	lasted := time.Since(began)
	if _, taken, live, _ := w.level(l.Pool); won.Load() != units || taken != units || live != units {
		t.Errorf("%d heard yours, %d taken, %d live, of %d", won.Load(), taken, live, units)
	}
	if paced.Load() == 0 {
		t.Error("nobody was told to come again: what would a million taps do to Postgres?")
	}
	t.Logf("%d buyers and %d units in %v without Redis: %.0f answers a second", buyers, units, lasted, buyers/lasted.Seconds())
	server.Start()
	w.settled(nodes[0], l.Pool)
	w.refused(nodes[1], tapOf(l, "gst_late"), ErrSoldOut)
	w.balanced(l.Pool)
}

// A tap goes to Postgres without the gate while another node has made a copy already, which does not know of it. The copy is
// gone before the buyer hears "yours"; when the node died before that, whoever sells from the pool makes it anew.
func TestACopyThatSomethingWasSoldPast(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		here, there := w.service(), w.service(sweepEvery(50*time.Millisecond))
		l := w.supply(3, 0)
		w.hold(there, tapOf(l, "gst_first"))
		_, _, _, epoch := w.level(l.Pool)
		past := func(buyer string) *ask {
			a := newAsk(tapOf(l, buyer))
			a.epoch, a.call = directEpoch, &admission{open: 1}
			return a
		}
		lane, err := here.lane(l.Pool)
		if err != nil {
			t.Fatal(err)
		}
		a := past("gst_past")
		tap := a.tap
		lane.waiting.Add(1)
		lane.claim(t.Context(), []*ask{a})
		<-a.done
		if got := a.end(); got.err != nil {
			t.Fatal(got.err)
		}
		if c, err := there.ReadCopy(t.Context(), l.Pool, epoch); err != nil || c.Loaded {
			t.Errorf("a copy that knows nothing of a hold is still there: %+v %v", c, err)
		}
		if again, err := there.Hold(t.Context(), tap); err != nil || !again.Replayed {
			t.Errorf("the same tap at the other node: %+v %v", again, err)
		}
		// Here the node is killed once Postgres has it.
		w.hold(there, tapOf(l, "gst_second"))
		_, _, _, epoch = w.level(l.Pool)
		if _, err := there.Release(t.Context(), tap.ID, tap.Buyer); err != nil {
			t.Fatal(err)
		}
		late := past("gst_late")
		if got, err := durably(t, there, l.Pool, directEpoch, []*ask{late}, false); err != nil || got.fates[late.tap.ID] != nil {
			t.Fatal(err, got.fates)
		}
		w.eventually(func() bool { _, _, _, now := w.level(l.Pool); return now > epoch }, func() string { return "the copy stays as it is" })
		w.settled(there, l.Pool)
	})
}

func TestPostgresKilledAndBack(t *testing.T) {
	t.Parallel()
	server := embeddedtest.NewPostgresServer(t)
	db := schematest.Open(t, server.DSN())
	if _, err := schema.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	store := miniredis.RunT(t)
	w := &world{t: t, db: db, redis: func() redis.UniversalClient { return open(t, "redis://"+store.Addr()) }, show: commerce.NewID[commerce.ShowID]()}
	s, l := w.service(), w.supply(2, 0)
	w.hold(s, tapOf(l, "gst_a"))
	server.Kill()
	tap := tapOf(l, "gst_b")
	w.refused(s, tap, ErrUnavailable)
	server.Start()
	if _, err := untilAnswered(t.Context(), s, tap); err != nil && !errors.Is(err, ErrGone) {
		t.Fatal(err) // gone: its lease had lapsed before Postgres was back
	}
	w.settled(s, l.Pool)
}

// Two nodes sell while somebody keeps changing the pool: claims of an old epoch undo themselves and go round
// again, and exactly N are sold.
func TestEpochMovesUnderTheTaps(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		nodes, l := []*Service{w.service(), w.service()}, w.supply(60, 0)
		stop, changed := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(changed)
			// Faster than any person, and slower than a tap: an epoch that ends before a tap can go through both stages
			// sells nothing to anybody.
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				err := w.try(func(ctx context.Context, tx pgx.Tx) error {
					_, err := Put(ctx, tx, Supply{Pool: l.Pool, Show: l.Show, Variant: l.Variant, OnHand: 60})
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				nodes[0].Changed(context.Background(), l.Pool)
			}
		}()
		var group sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 150 {
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
		close(stop)
		<-changed
		if _, taken, live, _ := w.level(l.Pool); won > 60 || taken != won || live != won {
			t.Fatalf("%d heard yours, %d taken, %d live", won, taken, live)
		}
		if won == 60 { // the storm has left nothing: there is one more
			w.put(Supply{Pool: l.Pool, Show: l.Show, Variant: l.Variant, OnHand: 61})
			nodes[1].Changed(t.Context(), l.Pool)
		}
		// A unit that was admitted by a copy that is gone may still be on its way back.
		err := errors.New("not asked")
		w.eventually(func() bool {
			_, err = nodes[1].Hold(t.Context(), tapOf(l, "gst_last"))
			return err == nil
		}, func() string { return err.Error() })
		w.settled(nodes[0], l.Pool)
	})
}

// Stopping answers everybody: what was begun is finished, what comes later is refused.
func TestStopFinishesWhatWasBegun(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		l := w.supply(1000, 0)
		s, err := New(w.config())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stopped := make(chan error, 1)
		go func() { stopped <- s.Run(ctx) }()
		var group sync.WaitGroup
		for i := range 300 {
			group.Go(func() {
				if i == 150 {
					cancel()
				}
				if _, err := s.Hold(t.Context(), tapOf(l, fmt.Sprintf("gst_%d", i))); err != nil && !errors.Is(err, ErrUnavailable) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
		w.refused(s, tapOf(l, "gst_late"), ErrUnavailable)
	})
}

// A node that was kept from working while another one loaded a copy does not replace it: whoever that copy told "sold
// out" was told the truth. A maker that died is followed by the next one.
func TestLoadedCopyIsNotReplaced(t *testing.T) {
	w := newWorld(t, func() redis.UniversalClient { return open(t, embeddedtest.NewRedisServer(t).URL()) }, nil)
	s, pool := w.service(), w.supply(3, 0).Pool
	next := func(epoch int64, asked time.Time) *copyOf {
		t.Helper()
		made, err := s.nextEpoch(t.Context(), pool, epoch, false, asked)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	first := next(0, time.Now())
	if first == nil || first.epoch != 1 {
		t.Fatalf("the first copy is %+v", first)
	}
	if again := next(1, time.Now()); again != nil {
		t.Fatal("a copy is replaced that may still be loading")
	}
	// As if that had been a while ago.
	if _, err := w.db.Exec(t.Context(), `update pool set epoch_at = epoch_at - $2::interval where id = $1`, pool, 2*loadGrace); err != nil {
		t.Fatal(err)
	}
	if again := next(1, time.Now().Add(-2*loadGrace)); again != nil {
		t.Fatal("a copy is replaced that may have been loaded since the gate was asked")
	}
	if again := next(1, time.Now()); again == nil || again.epoch != 2 {
		t.Fatalf("nobody follows a maker that died: %+v", again)
	}
}

// Postgres dies between the commit of a claim and the wait for the disk, and is back before anybody looks: what it may have
// lost is not taken for durable because the server that came after answers.
func TestWhatPostgresMayHaveLostIsNotDurable(t *testing.T) {
	t.Parallel()
	server := embeddedtest.NewPostgresServer(t)
	db := schematest.Open(t, server.DSN())
	if _, err := schema.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: db, show: commerce.NewID[commerce.ShowID]()}
	s, l := &Service{db: db, holdFor: time.Minute}, w.supply(2, 0)
	if _, err := durably(t, s, l.Pool, 0, []*ask{newAsk(tapOf(l, "gst_a"))}, false); err != nil {
		t.Fatal(err)
	}
	got, err := s.commit(t.Context(), l.Pool, 0, []*ask{newAsk(tapOf(l, "gst_b"))}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Start()
	w.eventually(func() bool { return db.Ping(t.Context()) == nil }, func() string { return "Postgres does not come back" })
	if err := got.flush(t.Context()); err == nil {
		t.Error("a claim of a server that died is said to be durable")
	}
	var first int
	if err := db.QueryRow(t.Context(), `select count(*) from hold where buyer = 'gst_a'`).Scan(&first); err != nil || first != 1 {
		t.Errorf("%d of one hold that was durable: %v", first, err)
	}
}

// The pool has changed, nobody was told, and one node has made the new copy: a node that has not heard is not answered by the dead
// one, which knows nothing of what has come back since.
func TestADeadCopyAnswersNobody(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		heard, not := w.service(sweepEvery(never)), w.service(sweepEvery(never))
		l := w.supply(9, 3)
		old := tapOf(l, "gst_a")
		old.Quantity = 3
		w.hold(not, old)
		w.tx(func(ctx context.Context, tx pgx.Tx) error { _, err := ClearOffer(ctx, tx, l.Pool); return err })
		if err := w.lapses(heard, l, old.ID); err != nil {
			t.Fatal(err)
		}
		w.hold(heard, tapOf(l, "gst_b"))
		again := tapOf(l, "gst_a")
		again.Quantity = 3
		w.hold(not, again)
		w.settled(heard, l.Pool)
	})
}
