package stock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
)

// repairedWithin is the promise: one unit of drift, wherever it is, is found and put right in so long, by Postgres' clock.
const repairedWithin = 2 * time.Second

// rush is people who buy from some pools, on two nodes.
type rush struct {
	w     *world
	nodes []*Service
	pools []Level
	stop  chan struct{}
	once  sync.Once
	group sync.WaitGroup

	answered    []atomic.Int64 // by pool: taps that heard yours
	unavailable atomic.Int64

	mu   sync.Mutex
	kept map[commerce.HoldID]commerce.PoolID // promised, and not given back by their buyers
}

// rush lets people buy. Every few of them give back what they have, let it lapse or pay it.
func (w *world) rush(nodes []*Service, pools []Level, people int, gently time.Duration) *rush {
	r := &rush{w: w, nodes: nodes, pools: pools, stop: make(chan struct{}), answered: make([]atomic.Int64, len(pools)), kept: map[commerce.HoldID]commerce.PoolID{}}
	for n := range people {
		r.group.Go(func() {
			tick := time.NewTicker(gently)
			defer tick.Stop()
			for i := n; ; i += people {
				select {
				case <-r.stop:
					return
				case <-tick.C:
				}
				if err := r.buy(i); err != nil {
					w.t.Error(err)
					return
				}
			}
		})
	}
	w.t.Cleanup(r.end)
	return r
}

func (r *rush) end() {
	r.once.Do(func() { close(r.stop) })
	r.group.Wait()
}

// buy is one tap, and what its buyer makes of it.
func (r *rush) buy(i int) error {
	at := i % len(r.pools)
	tap := tapOf(r.pools[at], fmt.Sprintf("gst_%d", i))
	tap.Quantity = 1 + i%3
	if l := r.pools[at]; l.Timed != 0 && i/len(r.pools)%2 == 0 {
		tap.Offer, tap.Unit = l.Timed, money.Amount{Minor: 2900, Currency: "EUR"}
	}
	s := r.nodes[i/7%len(r.nodes)]
	_, err := s.Hold(context.Background(), tap)
	switch {
	case errors.Is(err, ErrUnavailable):
		r.unavailable.Add(1)
		return nil
	case errors.Is(err, ErrSoldOut), errors.Is(err, ErrOfferChanged):
		return nil
	case err != nil:
		return err
	}
	r.answered[at].Add(1)
	switch i % 5 {
	case 0:
		_, err = s.Release(context.Background(), tap.ID, tap.Buyer)
		if errors.Is(err, ErrState) || errors.Is(err, ErrGone) {
			err = nil
		}
		return err
	case 1, 2:
		small := r.pools[at].OnHand < 100 // it is to be sold out, and to have units again
		return r.pay(tap, i%5 == 1 && !small, i%2 == 0 && !small)
	case 3:
		return nil // it lapses, or it does not
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept[tap.ID] = tap.Pool
	return nil
}

// pay pays a hold, or has its payment declined and gives it back.
func (r *rush) pay(tap Tap, sell, decline bool) error {
	var back []Returned
	for _, step := range []func(ctx context.Context, tx pgx.Tx) error{
		func(ctx context.Context, tx pgx.Tx) error { _, err := Pay(ctx, tx, tap.ID, tap.Buyer); return err },
		func(ctx context.Context, tx pgx.Tx) (err error) {
			switch {
			case sell:
				_, err = Sell(ctx, tx, tap.ID)
			case decline:
				_, err = Unpay(ctx, tx, tap.ID)
			default:
				back, err = Free(ctx, tx, tap.ID, Paying)
			}
			return err
		},
	} {
		switch err := schema.InTx(context.Background(), r.w.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error { return step(ctx, tx) }); {
		case errors.Is(err, ErrGone), errors.Is(err, ErrState): // it lapsed first
			return nil
		case err != nil:
			return err
		}
	}
	r.nodes[0].GiveBack(back...)
	if sell {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.kept[tap.ID] = tap.Pool
	}
	return nil
}

// promised checks that whoever was told "yours" has it, of the pools whose holds do not lapse, and that nothing is oversold.
func (r *rush) promised() {
	r.w.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]commerce.HoldID, 0, len(r.kept))
	for id := range r.kept {
		ids = append(ids, id)
	}
	var live, oversold int
	err := r.w.db.QueryRow(context.Background(), `
		select (select count(*) from hold where id = any($1) and state = any($2)),
			(select count(*) from pool p where on_hand < (select coalesce(sum(quantity), 0) from hold where pool = p.id and state = any($2)))`, ids, liveStates).
		Scan(&live, &oversold)
	if err != nil {
		r.w.t.Fatal(err)
	}
	if live != len(ids) || oversold != 0 {
		r.w.t.Errorf("%d of %d promised holds live, %d pools are oversold", live, len(ids), oversold)
	}
}

// drifts lists the findings of a pool, oldest first.
func (w *world) drifts(pool commerce.PoolID) (lines []string) {
	w.t.Helper()
	rows, err := w.db.Query(context.Background(), `
		select kind || ' ' || units || case when repaired_at is null then ', open' else '' end from stock_drift where pool = $1 order by id`, pool)
	if err == nil {
		lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return lines
}

// allDrifts is every finding, for a test that wants none.
func (w *world) allDrifts() string {
	w.t.Helper()
	var lines string
	err := w.db.QueryRow(context.Background(), `select coalesce(string_agg(kind || ' ' || units || ': ' || detail, e'\n' order by id), '') from stock_drift`).Scan(&lines)
	if err != nil {
		w.t.Fatal(err)
	}
	return lines
}

// byHand does something to a pool, past the triggers or not, and answers Postgres' time of it.
func (w *world) byHand(pool commerce.PoolID, bypass bool, sql string) (at time.Time) {
	w.t.Helper()
	w.tx(func(ctx context.Context, tx pgx.Tx) error {
		if bypass {
			if _, err := tx.Exec(ctx, `set local session_replication_role = replica`); err != nil {
				return err
			}
		}
		done, err := tx.Exec(ctx, sql, pool)
		if err == nil && done.RowsAffected() != 1 {
			err = fmt.Errorf("%s: changed %d rows", sql, done.RowsAffected())
		}
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, `select clock_timestamp()`).Scan(&at)
	})
	return at
}

// harm is a hand that changes one unit.
type harm struct {
	name   string
	want   string // the finding
	bypass bool
	sql    string
	field  string // of the gate's copy, and by how much
	by     int64
}

const handMade = `insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at) values (gen_random_uuid(), $1, 'gst_hand', 1, 'sold', 4900, 'EUR', now())`

var harms = []harm{
	{name: "one too many free in Redis", want: "gate 1", field: "free", by: 1},
	{name: "one too few free in Redis", want: "gate -1", field: "free", by: -1},
	{name: "one too many of the timed offer free in Redis", want: "gate 1", field: "timed_free", by: 1},
	{name: "one too many taken", want: "taken 1", sql: `update pool set taken = taken + 1 where id = $1`},
	{name: "one too few taken", want: "taken -1", sql: `update pool set taken = taken - 1 where id = $1`},
	{name: "one too many taken at the timed offer", want: "timed 1", sql: `update pool set timed_taken = timed_taken + 1 where id = $1`},
	{name: "a hold's state", want: "taken 1", sql: `update hold set state = 'released' where id = (select min(id::text)::uuid from hold where pool = $1 and buyer = 'gst_seed' and state = 'sold')`},
	{name: "a hold's state back", want: "taken -1", sql: `update hold set state = 'sold' where id = (select min(id::text)::uuid from hold where pool = $1 and buyer = 'gst_seed' and state = 'released')`},
	{name: "a hold's state past the triggers", want: "hold 1", bypass: true,
		sql: `update hold set state = 'released' where id = (select min(id::text)::uuid from hold where pool = $1 and buyer = 'gst_seed' and state = 'sold')`},
	{name: "a hold's state back past the triggers", want: "hold -1", bypass: true,
		sql: `update hold set state = 'sold' where id = (select min(id::text)::uuid from hold where pool = $1 and buyer = 'gst_seed' and state = 'released')`},
	{name: "a hold's state that stays taken, past the triggers", want: "ledger 1", bypass: true,
		sql: `update hold set state = 'paying' where id = (select min(id::text)::uuid from hold where pool = $1 and buyer = 'gst_seed' and state = 'sold')`},
	{name: "a hold deleted", want: "hold 1", sql: `delete from hold where id = (select min(id::text)::uuid from hold where pool = $1 and buyer = 'gst_seed' and state = 'sold')`},
	{name: "a hold deleted past the triggers", want: "hold 1", bypass: true,
		sql: `delete from hold where id = (select min(id::text)::uuid from hold where pool = $1 and buyer = 'gst_seed' and state = 'sold')`},
	{name: "a hold inserted", want: "taken -1", sql: handMade},
	{name: "a hold inserted past the triggers", want: "hold -1", bypass: true, sql: handMade},
	{name: "a hold's quantity", want: "hold -1",
		sql: `update hold set quantity = quantity + 1 where id = (select min(id::text)::uuid from hold where pool = $1 and buyer = 'gst_seed' and state = 'sold')`},
	{name: "a movement that never was", want: "ledger 1", sql: `insert into unit_movement (pool, origin, target, kind, units) values ($1, 'sold', 'available', 'edit', 1)`},
	{name: "one on hand past the triggers", want: "ledger 1", bypass: true, sql: `update pool set on_hand = on_hand + 1 where id = $1`},
}

// seed gives a pool holds that a hand can change, one in each of two states for each round.
func (w *world) seed(l Level, rounds int) {
	for range rounds {
		w.row(l, Sold, "gst_seed")
		w.row(l, Released, "gst_seed")
	}
}

// do changes one unit of a pool.
func (h harm) do(w *world, l Level) (at time.Time) {
	w.t.Helper()
	if h.field == "" {
		return w.byHand(l.Pool, h.bypass, h.sql)
	}
	if err := w.db.QueryRow(w.t.Context(), `select clock_timestamp()`).Scan(&at); err != nil {
		w.t.Fatal(err)
	}
	var epoch int64
	for { // until the copy that was changed was the present one
		_, _, _, epoch = w.level(l.Pool)
		key := gateKeys(l.Pool, epoch)[0]
		if n, err := w.redis().Exists(w.t.Context(), key).Result(); err != nil {
			w.t.Fatal(err)
		} else if n == 0 {
			continue
		}
		if err := w.redis().HIncrBy(w.t.Context(), key, h.field, h.by).Err(); err != nil {
			w.t.Fatal(err)
		}
		return at
	}
}

// magento inventory #2722, #3153: the detector finds an injected drift of one unit, in each place and either direction, and puts
// it right while people buy on two nodes, who notice nothing. How long that takes is measured by Postgres' clock; the
// machine of this test may be busy with others for longer than that, so the best of a few rounds counts: whoever broke
// the promise by design would break it in each.
func TestEachDriftIsRepairedWhileSelling(t *testing.T) {
	const rounds, units = 8, 100_000
	server := embeddedtest.NewRedisServer(t)
	client := open(t, server.URL())
	w := newWorld(t, func() redis.UniversalClient { return client }, server.Flush)
	nodes := []*Service{w.service(), w.service()}
	pools := make([]Level, len(harms))
	for i := range harms {
		pools[i] = w.offer(w.supply(units, 0), units/2, time.Hour)
		w.seed(pools[i], rounds)
	}
	r := w.rush(nodes, pools, 2*len(pools), 400*time.Millisecond)
	best := make([]time.Duration, len(harms))
	for round := range rounds {
		late := false
		before, injected := make([]int64, len(harms)), make([]time.Time, len(harms))
		for i := range harms {
			w.eventually(func() bool { return r.answered[i].Load() > int64(round) }, func() string { return "nobody buys" })
			injected[i], before[i] = harms[i].do(w, pools[i]), r.answered[i].Load()
		}
		for i, h := range harms {
			took := w.repaired(h, pools[i], injected[i], round+1)
			if best[i] == 0 || took < best[i] {
				best[i] = took
			}
			late = late || best[i] > repairedWithin
			w.eventually(func() bool { return r.answered[i].Load() > before[i] }, func() string { return h.name + ": nobody buys any more" })
		}
		t.Logf("round %d: %v", round, best)
		if !late {
			break
		}
	}
	r.end()
	for i, h := range harms {
		if best[i] > repairedWithin {
			t.Errorf("%s: repaired only after %v, at most %v", h.name, best[i], repairedWithin)
		}
		w.settled(nodes[0], pools[i].Pool)
	}
	if n := r.unavailable.Load(); n > 0 {
		t.Errorf("%d taps were told to come again", n)
	}
	r.promised()
}

// repaired waits until the n-th finding of a pool is, and answers how long after its cause.
func (w *world) repaired(h harm, l Level, since time.Time, n int) time.Duration {
	w.t.Helper()
	var got []string
	w.eventually(func() bool {
		got = w.drifts(l.Pool)
		return len(got) >= n && !strings.HasSuffix(got[len(got)-1], "open")
	}, func() string { return fmt.Sprintf("%s: findings %v, want %d", h.name, got, n) })
	if want := slices.Repeat([]string{h.want}, n); !slices.Equal(got, want) {
		w.t.Errorf("%s: found %v, want %v", h.name, got, want)
	}
	var at time.Time
	if err := w.db.QueryRow(w.t.Context(), `select repaired_at from stock_drift where pool = $1 order by id desc limit 1`, l.Pool).Scan(&at); err != nil {
		w.t.Fatal(err)
	}
	return at.Sub(since)
}

// Seconds of a rush with everything that people do, and a detector that never rests: it finds nothing, for there is nothing.
func TestNoDriftIsFoundWhereThereIsNone(t *testing.T) {
	const lasts = 5 * time.Second
	server := embeddedtest.NewRedisServer(t)
	client := open(t, server.URL())
	w := newWorld(t, func() redis.UniversalClient { return client }, server.Flush)
	short := holdFor(150 * time.Millisecond)
	nodes := []*Service{w.service(short), w.service(short, sweepEvery(50*time.Millisecond))}
	pools := []Level{w.supply(100_000, 0), w.supply(30, 0), w.offer(w.supply(5000, 0), 200, time.Hour)}
	r := w.rush(nodes, pools, 60, 2*time.Millisecond)
	third := newWatch(nodes[0])
	looks, sure, copies := 0, 0, 0
	for began := time.Now(); time.Since(began) < lasts; looks++ {
		if err := third.round(t.Context(), commerce.PoolID{}); err != nil {
			t.Fatal(err)
		}
		for _, l := range pools {
			got, err := nodes[1].lookAt(t.Context(), l.Pool)
			if err != nil {
				t.Fatal(err)
			}
			copies++
			if got.sure {
				sure++
			}
		}
	}
	r.end()
	if got := w.allDrifts(); got != "" {
		t.Errorf("found:\n%s", got)
	}
	if looks == 0 || sure == 0 {
		t.Errorf("%d rounds, and %d of %d looks at copies that found something out", looks, sure, copies)
	}
	t.Logf("%d rounds, %d of %d looks at copies were sure; %d, %d and %d taps heard yours", looks, sure, copies,
		r.answered[0].Load(), r.answered[1].Load(), r.answered[2].Load())
	for _, l := range pools {
		w.settled(nodes[0], l.Pool)
	}
}
