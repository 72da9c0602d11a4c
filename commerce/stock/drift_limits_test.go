package stock

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/commerce"
)

// alone is a world in which nothing runs but what the test calls.
func alone(t *testing.T) (*world, *watch) {
	t.Helper()
	store := miniredis.RunT(t)
	w := newWorld(t, func() redis.UniversalClient { return open(t, "redis://"+store.Addr()) }, store.FlushAll)
	s, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	return w, newWatch(s)
}

// pastTriggers runs a statement that no trigger hears of.
func (w *world) pastTriggers(sql string, args ...any) {
	w.t.Helper()
	w.tx(func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `set local session_replication_role = replica`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sql, args...)
		return err
	})
}

// One node of all looks, and the others hear how long they have to wait.
func TestTurnsAreTaken(t *testing.T) {
	w, a := alone(t)
	b := newWatch(a.s)
	took := 0
	for _, watch := range []*watch{a, b, a} {
		_, wait, err := watch.claim(t.Context())
		if err != nil || wait < 0 || wait > driftEvery {
			t.Fatal(wait, err)
		}
		if wait == 0 {
			took++
		}
	}
	if took != 1 {
		t.Fatalf("%d nodes have taken the turn", took)
	}
	if _, err := w.db.Exec(t.Context(), `update stock_watch set began = began - $1::interval`, driftEvery); err != nil {
		t.Fatal(err)
	}
	if _, wait, err := b.claim(t.Context()); wait != 0 || err != nil {
		t.Fatal("nobody takes the next turn", wait, err)
	}
}

// However many pools there are, each has its turn: tourPools of them a time, and the tour begins anew behind the last.
func TestTheTourComesToEveryPool(t *testing.T) {
	w, watch := alone(t)
	const more = 3
	if _, err := w.db.Exec(t.Context(), `insert into pool (id, show, variant, on_hand) select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 0
		from generate_series(1, $1) n`, tourPools+more); err != nil {
		t.Fatal(err)
	}
	var behind commerce.PoolID
	for round, want := range []int{tourPools, tourPools + more, tourPools + more} {
		if err := watch.round(t.Context(), behind); err != nil {
			t.Fatal(err)
		}
		var last *commerce.PoolID
		if err := w.db.QueryRow(t.Context(), `select behind from stock_watch`).Scan(&last); err != nil {
			t.Fatal(err)
		}
		if behind = (commerce.PoolID{}); last != nil {
			behind = *last
		}
		seen := 0
		for _, p := range watch.pools {
			if !p.summed.IsZero() {
				seen++
			}
		}
		if seen != want {
			t.Fatalf("round %d: %d pools were added up, want %d", round, seen, want)
		}
		if wrapped := behind.IsZero(); wrapped != (round == 1) {
			t.Fatalf("round %d: the tour goes on behind %s", round, behind)
		}
	}
}

// What one turn adds up is bounded: a pool at the bound has company, one past it is looked at alone, and then rests.
func TestATurnIsBounded(t *testing.T) {
	w := &watch{every: time.Second, pools: map[commerce.PoolID]*watched{}}
	pools := func(rows ...int) (list []candidate) {
		for i, n := range rows {
			c := candidate{ID: commerce.PoolID{byte(i + 1)}}
			w.pools[c.ID] = &watched{rows: n, summed: time.Now()}
			list = append(list, c)
		}
		return list
	}
	for _, tc := range []struct {
		rows []int
		want int
	}{
		{nil, 0}, {[]int{tourRows}, 1}, {[]int{tourRows + 1}, 1}, {[]int{tourRows - 1, 1}, 2}, {[]int{tourRows, 1}, 1}, {[]int{tourRows + 1, 1}, 1},
	} {
		if got := len(w.within(pools(tc.rows...), tourRows)); got != tc.want {
			t.Errorf("%v: %d pools in a turn, want %d", tc.rows, got, tc.want)
		}
	}
	if list := pools(busyRows, busyRows+1, 3*busyRows); w.resting(list[0]) || !w.resting(list[1]) || !w.resting(list[2]) {
		t.Error("the wrong pools rest")
	}
	w.pools[commerce.PoolID{3}].summed = time.Now().Add(-3 * time.Second)
	if w.resting(candidate{ID: commerce.PoolID{3}}) {
		t.Error("a large pool rests for ever")
	}
	small := pools(slices.Repeat([]int{1}, chunkPools+1)...)
	if got := w.chunks(small); len(got) != 2 || len(got[0]) != chunkPools {
		t.Errorf("%d chunks", len(got))
	}
	if got := w.chunks(pools(chunkRows, 1, chunkRows)); len(got) != 3 {
		t.Errorf("%d chunks", len(got))
	}
	if w.size(candidate{ID: commerce.PoolID{200}, Taken: 5 * MaxQuantity}) != 5 {
		t.Error("a pool that was never added up has no size")
	}
	for n := range maxWatched + 1 {
		w.pool(commerce.PoolID{0: 255, 1: byte(n >> 16), 2: byte(n >> 8), 3: byte(n)})
		if len(w.pools) > maxWatched {
			t.Fatalf("%d pools are remembered", len(w.pools))
		}
	}
}

// The table of findings keeps so many, and all that are open.
func TestFindingsAreBounded(t *testing.T) {
	w, watch := alone(t)
	l := w.supply(9, 0)
	if _, err := w.db.Exec(t.Context(), `insert into stock_drift (pool, kind, units, detail, repaired_at) select $1, 'taken', 1, 'old', case when n > 1 then now() end
		from generate_series(1, $2) n`, l.Pool, maxDrifts); err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"1 to 10001, 10001 rows", "1 to 10002, 10001 rows"} {
		if ours, err := watch.s.foundDrift(t.Context(), drift{pool: l.Pool, kind: []string{driftGate, driftHold}[n], units: 1, detail: "new"}); !ours || err != nil {
			t.Fatal(ours, err)
		}
		var got string
		if err := w.db.QueryRow(t.Context(), `select min(id) || ' to ' || max(id) || ', ' || count(*) || ' rows' from stock_drift`).Scan(&got); err != nil || got != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
}

// A look accounts for so much on its way, and does not judge what has more.
func TestALookIsBounded(t *testing.T) {
	w, watch := alone(t)
	s, l := watch.s, w.supply(9, 0)
	client, keys := w.redis(), gateKeys(l.Pool, 1)
	if err := client.HSet(t.Context(), keys[0], "free", 9, "timed_free", -1).Err(); err != nil {
		t.Fatal(err)
	}
	lease := strings.Repeat("x", 32)
	for extra, many := range []bool{false, true} {
		if err := client.HSet(t.Context(), keys[3], "tag", strings.Repeat(lease, maxInFlight-1+extra)).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := s.gate.inspect(t.Context(), l.Pool, 1, make([]entry, 1)); err != nil || got.many != many || got.free != 9 || got.timed != -1 {
			t.Errorf("with %d: %+v, %v", maxInFlight+extra, got, err)
		}
	}
	if _, err := w.db.Exec(t.Context(), `
		with h as (insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at)
			select gen_random_uuid(), $1, 'gst_a', 1, 'released', 1, 'EUR', now() from generate_series(1, $2) returning id)
		insert into unit_movement (pool, origin, target, kind, units, holds) select $1, 'held', 'available', 'release', $2, array_agg(id order by id) from h`,
		l.Pool, maxReturns+1); err != nil {
		t.Fatal(err)
	}
	if got, err := s.readSide(t.Context(), l.Pool, 0); err != nil || len(got.back) != maxReturns {
		t.Errorf("%d units that come back, %v", len(got.back), err)
	}
	if _, err := w.db.Exec(t.Context(), `insert into unit_movement (pool, origin, target, kind, units) select $1, 'held', 'paying', 'pay', 1 from generate_series(1, $2)`,
		l.Pool, lastReturned); err != nil {
		t.Fatal(err)
	}
	if got, err := s.readSide(t.Context(), l.Pool, 0); err != nil || len(got.back) != 0 {
		t.Errorf("%d units that come back, behind so many movements, %v", len(got.back), err)
	}
}

// Movements that nobody seals are added up to a bound; beyond it they are not judged by.
func TestUnsealedMovementsAreBounded(t *testing.T) {
	w, watch := alone(t)
	l := w.supply(9, 0)
	off := func() bool {
		list, err := watch.candidates(t.Context(), commerce.PoolID{})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		found, err := watch.sum(t.Context(), list)
		if err != nil || len(found) > 0 != list[0].Off {
			t.Fatal(found, list, err)
		}
		return list[0].Off
	}
	if off() {
		t.Fatal("a new pool has drifted")
	}
	for _, tc := range []struct {
		movements int
		off       bool
	}{{maxUnsealed - 1, true}, {1, false}} { // and the supply
		if _, err := w.db.Exec(t.Context(), `insert into unit_movement (pool, origin, target, kind, units) select $1, 'available', 'held', 'edit', 1 from generate_series(1, $2)`,
			l.Pool, tc.movements); err != nil {
			t.Fatal(err)
		}
		if got := off(); got != tc.off {
			t.Errorf("with %d more: drift is %v", tc.movements, got)
		}
	}
}

// The holds of a large pool are not compared with its movements one by one, and a detail does not name them all.
func TestDetailsAreBounded(t *testing.T) {
	w, watch := alone(t)
	for rows, want := range map[int]int{maxExplained: maxSuspects, maxExplained + 1: 0} {
		l := w.supply(MaxOnHand, 0)
		w.pastTriggers(`insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at)
			select gen_random_uuid(), $1, 'gst_a', 1, 'sold', 1, 'EUR', now() from generate_series(1, $2)`, l.Pool, rows)
		stands, err := watch.s.stand(t.Context(), l.Pool)
		if err != nil || len(stands.suspects) != want || strings.Count(stands.String(), " was ") != min(want, maxSaid) {
			t.Errorf("%d rows: %d suspects, %v: %s", rows, len(stands.suspects), err, &stands)
		}
	}
}
