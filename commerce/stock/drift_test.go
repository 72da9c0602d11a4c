package stock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// What each says, and whose fault it is.
func TestJudgeOfAStanding(t *testing.T) {
	whole := standing{onHand: 9, taken: 6, timedTaken: 2, timedCap: 3, held: 3, paying: 2, sold: 1, timed: 2, moved: [bucketCount]int{-9, 3, 3, 2, 1}}
	for name, tc := range map[string]struct {
		change func(s *standing)
		kind   string
		units  int64
		right  bool
	}{
		"nothing":                          {func(*standing) {}, "", 0, true},
		"taken":                            {func(s *standing) { s.taken-- }, driftTaken, -1, false},
		"a hold with its movement":         {func(s *standing) { s.held--; s.moved[inHeld]--; s.moved[inAvailable]++ }, driftTaken, 1, false},
		"a hold without":                   {func(s *standing) { s.held-- }, driftHold, 1, false},
		"a hold without, in other numbers": {func(s *standing) { s.sold += 2 }, driftHold, -2, false},
		"a movement":                       {func(s *standing) { s.moved[inHeld]--; s.moved[inSold]++ }, driftLedger, 1, false},
		"a hold that stays taken":          {func(s *standing) { s.held--; s.paying++ }, driftLedger, 1, false},
		"on hand":                          {func(s *standing) { s.onHand++ }, driftLedger, 1, false},
		"a hold and taken":                 {func(s *standing) { s.held--; s.taken-- }, driftLedger, 1, false},
		"the timed offer":                  {func(s *standing) { s.timedTaken++ }, driftTimed, 1, false},
		"all of it promised":               {func(s *standing) { s.held, s.taken, s.moved = 6, 9, [bucketCount]int{-9, 0, 6, 2, 1} }, "", 0, true},
		"one more":                         {func(s *standing) { s.held, s.taken, s.moved = 7, 9, [bucketCount]int{-9, -1, 7, 2, 1} }, driftOversold, 1, true},
		"one more, not all taken":          {func(s *standing) { s.held, s.taken, s.moved = 7, 8, [bucketCount]int{-9, -1, 7, 2, 1} }, driftOversold, 1, false},
		"one more, nobody knows":           {func(s *standing) { s.held, s.taken = 7, 9 }, driftOversold, 1, false},
		"beyond the cap":                   {func(s *standing) { s.timed, s.timedTaken = 4, 3 }, driftOversold, 1, true},
		"beyond a cap that there is not":   {func(s *standing) { s.timed, s.timedTaken, s.timedCap = 6, 6, 0 }, "", 0, true},
	} {
		s := whole
		tc.change(&s)
		if got := s.judge(commerce.PoolID{}); got.kind != tc.kind || got.units != tc.units || s.right() != tc.right {
			t.Errorf("%s: %q %d, right %v; want %q %d, %v (%s)", name, got.kind, got.units, s.right(), tc.kind, tc.units, tc.right, &s)
		}
	}
}

// Whatever the rows and the movements say, the edits make them the same, and none of them is one that a ledger cannot have.
func TestEditsMakeTheLedgerWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		units := rapid.IntRange(0, 5)
		s := standing{onHand: units.Draw(t, "on hand"), held: units.Draw(t, "held"), paying: units.Draw(t, "paying"), sold: units.Draw(t, "sold")}
		for b := inAvailable; b < bucketCount; b++ {
			s.moved[b] = units.Draw(t, "moved")
			s.moved[inSupply] -= s.moved[b]
		}
		bucket := rapid.IntRange(inAvailable, inSold)
		for range rapid.IntRange(0, 4).Draw(t, "suspects") {
			h := suspect{id: commerce.NewID[commerce.HoldID](), from: bucket.Draw(t, "from"), to: bucket.Draw(t, "to"), quantity: rapid.IntRange(0, 3).Draw(t, "quantity")}
			if h.quantity == 0 {
				h.to = inAvailable
			}
			if h.from != h.to {
				s.suspects = append(s.suspects, h)
			}
		}
		for _, e := range s.edits() {
			if e.units <= 0 || e.from == e.to || len(e.holds) > e.units {
				t.Fatalf("%+v", e)
			}
			s.moved[e.from] -= e.units
			s.moved[e.to] += e.units
		}
		if owed := s.owed(); owed != ([bucketCount]int{}) {
			t.Fatalf("still owed: %v", owed)
		}
	})
}

// A hold that a hand has changed is named in the finding, and in the movement that explains it.
func TestAnEditNamesItsHold(t *testing.T) {
	w := newWorld(t, nil, nil)
	w.redis = func() redis.UniversalClient { return open(t, "redis://"+miniredis.RunT(t).Addr()) }
	l := w.supply(9, 0)
	s, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	w.row(l, Held, "gst_a")
	changed, gone := w.row(l, Sold, "gst_b"), w.row(l, Sold, "gst_c")
	for _, tc := range []struct{ sql, says, moved string }{
		{fmt.Sprintf(`update hold set state = 'released' where id = '%x' and pool = $1`, changed[:]),
			changed.String() + " was sold and is available", fmt.Sprintf("edit 1: sold to available, {%x}", changed[:])},
		{fmt.Sprintf(`delete from hold where id = '%x' and pool = $1`, gone[:]),
			gone.String() + " was sold and is gone", fmt.Sprintf("edit 1: sold to available, {%x}", gone[:])},
	} {
		w.byHand(l.Pool, true, tc.sql)
		if wrong, err := newWatch(s).mend(t.Context(), l.Pool, false); !wrong || err != nil {
			t.Fatal(wrong, err)
		}
		var detail, moved string
		err := w.db.QueryRow(t.Context(), `
			select (select detail from stock_drift order by id desc limit 1), (select kind || ' ' || units || ': ' || origin || ' to ' || target || ', ' || replace(holds::text, '-', '')
			from unit_movement where pool = $1 order by id desc limit 1)`, l.Pool).Scan(&detail, &moved)
		if err != nil || !strings.Contains(detail, tc.says) || moved != tc.moved {
			t.Errorf("%q, %q, %v; want %q, %q", detail, moved, err, tc.says, tc.moved)
		}
		w.balanced(l.Pool)
	}
}

// Whoever finds drift is killed before it is repaired: the next one repairs it, and it is reported once.
func TestADetectorDiesBetweenFindingAndRepairing(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l, other := w.service(sweepEvery(never)), w.supply(5, 0), w.supply(5, 0)
		for _, l := range []Level{l, other} {
			w.hold(s, tapOf(l, "gst_a"))
			w.settled(s, l.Pool)
		}
		w.byHand(l.Pool, false, `update pool set taken = taken + 1 where id = $1`)
		_, _, _, epoch := w.level(other.Pool)
		if err := w.redis().HIncrBy(t.Context(), gateKeys(other.Pool, epoch)[0], "free", -1).Err(); err != nil {
			t.Fatal(err)
		}
		stands, err := s.stand(t.Context(), l.Pool)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []drift{stands.judge(l.Pool), {pool: other.Pool, epoch: epoch, kind: driftGate, units: -1, detail: "x"}} {
			if ours, err := s.foundDrift(t.Context(), d); !ours || err != nil {
				t.Fatal(ours, err)
			}
		}
		if got := slices.Concat(w.drifts(l.Pool), w.drifts(other.Pool)); !slices.Equal(got, []string{"taken 1, open", "gate -1, open"}) {
			t.Fatal(got)
		}
		next := newWatch(w.service(sweepEvery(never)))
		if err := next.round(t.Context(), commerce.PoolID{}); err != nil {
			t.Fatal(err)
		}
		if got := slices.Concat(w.drifts(l.Pool), w.drifts(other.Pool)); !slices.Equal(got, []string{"taken 1", "gate -1"}) {
			t.Fatal(got)
		}
		for _, l := range []Level{l, other} {
			w.hold(s, tapOf(l, "gst_b"))
			w.settled(s, l.Pool)
		}
	})
}

// Whoever repairs is killed before the finding is closed, or somebody undoes by hand what they did: it is closed by the next.
func TestAFindingOfWhichNothingIsLeftIsClosed(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(sweepEvery(never)), w.supply(5, 0)
		w.hold(s, tapOf(l, "gst_a"))
		w.settled(s, l.Pool)
		for _, kind := range []string{driftTaken, driftGate} {
			if ours, err := s.foundDrift(t.Context(), drift{pool: l.Pool, epoch: 1, kind: kind, units: 1, detail: "x"}); !ours || err != nil {
				t.Fatal(ours, err)
			}
		}
		if err := newWatch(s).round(t.Context(), commerce.PoolID{}); err != nil {
			t.Fatal(err)
		}
		if got := w.drifts(l.Pool); !slices.Equal(got, []string{"taken 1", "gate 1"}) {
			t.Fatal(got)
		}
		if _, _, _, epoch := w.level(l.Pool); epoch != 1 {
			t.Errorf("the copy was made anew, epoch %d", epoch)
		}
	})
}

// Two detectors see the same drift: it is repaired once and reported once, in whichever order they come.
func TestTwoDetectorsRepairOnce(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		a, b, l := w.service(sweepEvery(never)), w.service(sweepEvery(never)), w.supply(5, 0)
		w.hold(a, tapOf(l, "gst_a"))
		w.settled(a, l.Pool)
		want := []string(nil)
		for name, steps := range map[string]func(find, repair func(*Service) bool) bool{
			"in turn":  func(find, repair func(*Service) bool) bool { return find(a) && repair(a) && !find(b) && repair(b) },
			"together": func(find, repair func(*Service) bool) bool { return find(a) && find(b) && repair(a) && repair(b) },
		} {
			for _, kind := range []string{driftTaken, driftGate} {
				_, _, _, epoch := w.level(l.Pool)
				d, stands := drift{pool: l.Pool, epoch: epoch, kind: driftGate, units: 1, detail: "x"}, standing{}
				if kind == driftTaken {
					w.byHand(l.Pool, false, `update pool set taken = taken + 1 where id = $1`)
					var err error
					if stands, err = a.stand(t.Context(), l.Pool); err != nil {
						t.Fatal(err)
					}
					d = stands.judge(l.Pool)
				}
				find := func(s *Service) bool {
					ours, err := s.foundDrift(t.Context(), d)
					if err != nil {
						t.Fatal(err)
					}
					return ours
				}
				repair := func(s *Service) bool {
					var err error
					if kind == driftTaken {
						err = s.repairTruth(t.Context(), d, &stands)
					} else {
						err = s.repairGate(t.Context(), d)
					}
					if err != nil {
						t.Fatal(err)
					}
					return true
				}
				if want = append(want, fmt.Sprintf("%s 1", kind)); !steps(find, repair) {
					t.Errorf("%s, %s: a node found what it should not have, or the other way round", name, kind)
				}
				// One epoch has ended with its copy, and one has been made for the next.
				w.settled(a, l.Pool)
				if _, _, _, now := w.level(l.Pool); now != epoch+2 {
					t.Errorf("%s, %s: epoch %d after %d", name, kind, now, epoch)
				}
				w.hold(a, tapOf(l, "gst_a"))
				w.settled(a, l.Pool)
				w.tx(func(ctx context.Context, tx pgx.Tx) error { // room again
					_, err := Put(ctx, tx, Supply{Pool: l.Pool, Show: l.Show, Variant: l.Variant, OnHand: 50})
					return err
				})
				a.Changed(t.Context(), l.Pool)
				w.hold(a, tapOf(l, "gst_a"))
				w.settled(a, l.Pool)
			}
		}
		if got := w.drifts(l.Pool); !slices.Equal(got, want) {
			t.Errorf("found %v, want %v", got, want)
		}
	})
}

// Many detectors at the same moment, and no order at all.
func TestManyDetectorsRepairOnce(t *testing.T) {
	w := newWorld(t, func() redis.UniversalClient { return open(t, "redis://"+miniredis.RunT(t).Addr()) }, nil)
	s, l := w.service(sweepEvery(never)), w.supply(100, 0)
	const rounds = 12
	for i := range rounds {
		w.row(l, Sold, "gst_a")
		w.byHand(l.Pool, i%2 == 0, `update hold set state = 'released' where id = (select min(id::text)::uuid from hold where pool = $1 and state = 'sold')`)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				if _, err := newWatch(s).mend(t.Context(), l.Pool, false); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if _, taken, live, _ := w.level(l.Pool); taken != live {
			t.Fatalf("taken %d, but %d units stand in holds", taken, live)
		}
		w.balanced(l.Pool)
	}
	want := slices.Repeat([]string{"hold 1", "taken 1"}, rounds/2)
	if got := w.drifts(l.Pool); !slices.Equal(got, want) {
		t.Errorf("found %v", got)
	}
}

// By hand more is promised than there is: every promise is kept, nothing more is sold, an operator is told once and not
// told that all is well before it is.
func TestOversoldByHand(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(sweepEvery(never)), w.supply(3, 0)
		watch := newWatch(s)
		look := func(want ...string) {
			t.Helper()
			if err := watch.round(t.Context(), commerce.PoolID{}); err != nil {
				t.Fatal(err)
			}
			watch.pools = map[commerce.PoolID]*watched{} // no peace for anybody
			if got := w.drifts(l.Pool); !slices.Equal(got, want) {
				t.Fatalf("found %v, want %v", got, want)
			}
		}
		first, second := tapOf(l, "gst_a"), tapOf(l, "gst_b")
		w.hold(s, first)
		w.hold(s, second)
		for range 3 {
			w.byHand(l.Pool, false, handMade)
		}
		look("oversold 2, open")
		w.refused(s, tapOf(l, "gst_c"), ErrSoldOut)
		if _, taken, live, _ := w.level(l.Pool); taken != 3 || live != 5 {
			t.Fatalf("%d taken, %d live", taken, live)
		}
		look("oversold 2, open")
		// A unit that comes back belongs to those who were promised too much.
		if _, err := s.Release(t.Context(), first.ID, first.Buyer); err != nil {
			t.Fatal(err)
		}
		look("oversold 2, open")
		w.refused(s, tapOf(l, "gst_c"), ErrSoldOut)
		if _, err := s.Release(t.Context(), second.ID, second.Buyer); err != nil {
			t.Fatal(err)
		}
		look("oversold 2")
		w.refused(s, tapOf(l, "gst_c"), ErrSoldOut)
		if _, taken, live, _ := w.level(l.Pool); taken != 3 || live != 3 {
			t.Fatalf("%d taken, %d live", taken, live)
		}
	})
}

// Postgres or Redis goes away and comes back in a rush, with drift in what is left: it is found when it can be, and nothing
// else is.
func TestDriftWithAStoreAway(t *testing.T) {
	t.Parallel()
	server, store := embeddedtest.NewPostgresServer(t), embeddedtest.NewRedisServer(t)
	db := schematest.Open(t, server.DSN())
	if _, err := schema.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	client := open(t, store.URL())
	w := &world{t: t, db: db, redis: func() redis.UniversalClient { return client }, show: commerce.NewID[commerce.ShowID]()}
	nodes, l := []*Service{w.service(), w.service()}, w.supply(100_000, 0)
	selling := func(i int) {
		t.Helper()
		if _, err := untilAnswered(t.Context(), nodes[i%2], tapOf(l, fmt.Sprintf("gst_%d", i))); err != nil && !errors.Is(err, ErrGone) {
			t.Fatal(err)
		}
	}
	found := func(want ...string) {
		t.Helper()
		var got []string
		w.eventually(func() bool { got = w.drifts(l.Pool); return slices.Equal(got, want) }, func() string { return fmt.Sprint(got, " instead of ", want) })
	}
	selling(0)
	selling(1)
	store.Kill()
	selling(2)
	w.byHand(l.Pool, false, `update pool set taken = taken + 1 where id = $1`)
	found("taken 1")
	selling(3)
	store.Start()
	w.settled(nodes[0], l.Pool)
	found("taken 1")
	w.byHand(l.Pool, true, handMade)
	server.Kill()
	w.refused(nodes[0], tapOf(l, "gst_late"), ErrUnavailable)
	server.Start()
	db.Reset()
	w.eventually(func() bool { return db.Ping(t.Context()) == nil }, func() string { return "Postgres is not back" })
	found("taken 1", "hold -1")
	selling(4)
	selling(5)
	w.settled(nodes[1], l.Pool)
	found("taken 1", "hold -1")
}

// A copy that differs is found on either store, also when nobody has ever tapped on this node; one that a claim is still on its
// way from is not wrong.
func TestCopiesAreLookedAtWithoutALane(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		seller, idle, l := w.service(sweepEvery(never)), w.service(sweepEvery(never)), w.supply(9, 0)
		w.hold(seller, tapOf(l, "gst_a"))
		w.settled(seller, l.Pool)
		_, _, _, epoch := w.level(l.Pool)
		call := gateCall{epoch: epoch, tag: newTag(), asks: []*ask{newAsk(tapOf(l, "gst_b")), newAsk(tapOf(l, "gst_c"))}}
		if got, err := seller.gate.call(t.Context(), l.Pool, call); err != nil || got.letters != "AA" {
			t.Fatal(got, err)
		}
		for _, drift := range []int64{0, 1, -1} {
			head := gateKeys(l.Pool, epoch)[0]
			if err := w.redis().HIncrBy(t.Context(), head, "free", drift).Err(); err != nil {
				t.Fatal(err)
			}
			got, err := idle.lookAt(t.Context(), l.Pool)
			if err != nil || got != (looked{sure: true, epoch: epoch, units: int(drift)}) {
				t.Errorf("drift %d: %+v %v", drift, got, err)
			}
			if err := w.redis().HIncrBy(t.Context(), head, "free", -drift).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.redis().HIncrBy(t.Context(), gateKeys(l.Pool, epoch)[0], "free", 1).Err(); err != nil {
			t.Fatal(err)
		}
		if err := newWatch(idle).round(t.Context(), commerce.PoolID{}); err != nil {
			t.Fatal(err)
		}
		if got := w.drifts(l.Pool); !slices.Equal(got, []string{"gate 1"}) {
			t.Fatal(got)
		}
		w.hold(seller, tapOf(l, "gst_d"))
		w.settled(seller, l.Pool)
	})
}

// A unit that Postgres has taken back is on its way to the gate for a while; when nobody tells the gate, it has leaked.
func TestAReturnThatNobodyTellsIsFound(t *testing.T) {
	w := newWorld(t, func() redis.UniversalClient { return open(t, embeddedtest.NewRedisServer(t).URL()) }, nil)
	s, l := w.service(sweepEvery(never)), w.supply(9, 0)
	tap := tapOf(l, "gst_a")
	w.hold(s, tap)
	w.settled(s, l.Pool)
	w.tx(func(ctx context.Context, tx pgx.Tx) error { _, err := Free(ctx, tx, tap.ID, Held); return err }) // and dies
	if got, err := s.lookAt(t.Context(), l.Pool); err != nil || !got.sure || got.off() {
		t.Fatalf("at once: %+v %v", got, err)
	}
	w.tx(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `set local session_replication_role = replica`)
		if err == nil {
			_, err = tx.Exec(ctx, `update unit_movement set created_at = created_at - $1::interval`, returnsWithin+time.Second)
		}
		return err
	})
	if got, err := s.lookAt(t.Context(), l.Pool); err != nil || !got.sure || got.units != -1 {
		t.Fatalf("later: %+v %v", got, err)
	}
}

// Units were taken past a copy, Redis being away: that is no drift, and whoever took them makes it anew. When they have died,
// somebody else does, and nothing is reported.
func TestAnOldCopyIsMadeAnewWithoutAFinding(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(sweepEvery(never)), w.supply(9, 0)
		w.hold(s, tapOf(l, "gst_a"))
		w.settled(s, l.Pool)
		if _, err := durably(t, s, l.Pool, directEpoch, []*ask{newAsk(tapOf(l, "gst_b"))}, false); err != nil {
			t.Fatal(err)
		}
		watch := newWatch(s)
		for _, anew := range []bool{false, true} {
			if err := watch.round(t.Context(), commerce.PoolID{}); err != nil {
				t.Fatal(err)
			}
			if _, _, _, epoch := w.level(l.Pool); epoch > 1 != anew {
				t.Fatalf("epoch %d", epoch)
			}
			watch.pool(l.Pool).oldSince = time.Now().Add(-2 * returnsWithin)
		}
		w.hold(s, tapOf(l, "gst_c"))
		w.settled(s, l.Pool)
		if got := w.drifts(l.Pool); len(got) > 0 {
			t.Errorf("found %v", got)
		}
	})
}
