package outage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/stock"
)

// pay makes a hold paying with a payment that is open.
func (w *world) pay(h stock.Hold) (id commerce.PaymentID) {
	w.Helper()
	id = commerce.NewID[commerce.PaymentID]()
	order := commerce.NewID[commerce.OrderID]()
	w.must(schema.InTx(w.Context(), w.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		if _, err := stock.Pay(ctx, tx, h.ID, h.Buyer); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `insert into orders (id, hold, show, buyer, email, name, state, total_minor, currency, goods_minor)
			values ($1, $2, $3, $4, 'vic@example.com', 'Vic', 'pending', $5, 'EUR', $5)`, order, h.ID, h.Show, h.Buyer, h.Unit.Minor); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `insert into order_line (order_id, place, variant, product, title, quantity, unit_minor)
			values ($1, 0, $2, $2, 'Copper pan', 1, $3)`, order, h.Variant, h.Unit.Minor); err != nil {
			return err
		}
		batch := &pgx.Batch{}
		payment.QueueCreate(batch, []payment.Payment{{ID: id, Order: order, Hold: h.ID, Provider: "sandbox", Amount: h.Unit}}, stock.DefaultPayFor)
		return tx.SendBatch(ctx, batch).Close()
	}))
	return id
}

func (w *world) payment(id commerce.PaymentID) payment.Payment {
	w.Helper()
	p, err := payment.Get(w.Context(), w.db, id)
	w.must(err)
	return p
}

// Two nodes come at once, and again: the deadlines of held and paying holds and of payments have moved by the length of the
// outage, once, and nothing else has.
func TestAnOutageMovesDeadlinesOnce(t *testing.T) {
	w := newWorld(t)
	nodes := []node{w.node(), w.node()}
	w.look(nodes[0])
	l := w.supply(5)
	held, paid := w.hold(nodes[0], tapOf(l, "gst_a")), w.hold(nodes[0], tapOf(l, "gst_b"))
	gone := w.hold(nodes[0], tapOf(l, "gst_c"))
	if _, err := nodes[0].stock.Release(t.Context(), gone.ID, gone.Buyer); err != nil {
		t.Fatal(err)
	}
	id := w.pay(paid)
	before := w.payment(id)
	w.ago(30 * time.Second)
	var group sync.WaitGroup
	for _, n := range append(nodes, nodes...) {
		group.Go(func() {
			if err := n.Look(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	o := w.one()
	if o.Moved != o.Ended.Sub(o.Began) || o.Moved < 30*time.Second || o.Moved > 30*time.Second+patience || o.Holds != 2 || o.Payments != 1 {
		t.Errorf("%+v", o)
	}
	for _, h := range []stock.Hold{held, paid} {
		if now := w.find(h.ID); !now.Expires.Equal(h.Expires.Add(o.Moved)) {
			t.Errorf("a hold moved by %v in an outage of %v", now.Expires.Sub(h.Expires), o.Moved)
		}
	}
	if now := w.payment(id); !now.Deadline.Equal(before.Deadline.Add(o.Moved)) {
		t.Errorf("a payment moved by %v in an outage of %v", now.Deadline.Sub(before.Deadline), o.Moved)
	}
	if now := w.find(gone.ID); !now.Expires.Equal(gone.Expires) || now.State != stock.Released {
		t.Errorf("a hold that was given back has moved: %+v", now)
	}
	if moved := nodes[0].metric("moved_seconds_total") + nodes[1].metric("moved_seconds_total"); moved != o.Moved.Seconds() {
		t.Errorf("/metrics says that %v s were made up for, of %v", moved, o.Moved)
	}
	var told int
	w.must(w.db.QueryRow(t.Context(), `select count(*) from outbox where payload::text like '%gst_a%' and payload::text like '%gst_b%' and payload->>'op' = 'me'`).Scan(&told))
	if told != 1 {
		t.Errorf("the buyers' pages were told %d times", told)
	}
	w.clean(nodes[1])
}

// What is shorter than a gap is none, what is longer than the cap moves by the cap.
func TestTheLengthOfAnOutage(t *testing.T) {
	for name, c := range map[string]struct{ away, least, most time.Duration }{
		"shorter than a gap": {DefaultGap / 2, 0, 0},
		"within the cap":     {MaxMoved - 2*patience, MaxMoved - 2*patience, MaxMoved - patience},
		"the cap":            {MaxMoved, MaxMoved, MaxMoved},
		"a day":              {24 * time.Hour, MaxMoved, MaxMoved},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			n := w.node(func(s *stock.Config, k *Config) {
				s.HoldFor = 48 * time.Hour
				if c.most == 0 {
					k.Gap = never // the machine may be busy
				}
			})
			w.look(n)
			h := w.hold(n, tapOf(w.supply(1), "gst_a"))
			w.ago(c.away)
			w.look(n, n)
			if by := w.find(h.ID).Expires.Sub(h.Expires); by < c.least || by > c.most {
				t.Errorf("moved by %v, want %v to %v", by, c.least, c.most)
			}
			if noted := len(w.outages()); noted > 1 || noted == 1 != (c.most > 0) {
				t.Errorf("%d outages are noted", noted)
			}
		})
	}
}

// Postgres is back, and nobody has moved the deadlines yet: what lapsed while it was away is still promised to its buyer, who can
// pay it; nobody else gets it, by no sweep and by no tap. What had lapsed before is everybody's.
func TestNothingLapsesBeforeTheDeadlinesMove(t *testing.T) {
	w := newWorld(t)
	n, sweeping := w.node(), w.node()
	w.look(n)
	l, other := w.supply(3), w.supply(1)
	mine, late := w.hold(n, tapOf(l, "gst_a")), w.hold(n, tapOf(l, "gst_late"))
	before := w.hold(n, tapOf(other, "gst_before"))
	paying := w.hold(n, tapOf(w.supply(1), "gst_pays"))
	id := w.pay(paying)
	w.ago(30 * time.Second)
	w.exec(`update hold set lapses_at = clock_timestamp() - interval '1 second', expires_at = clock_timestamp() - interval '1 second' where id = any($1)`,
		[]commerce.HoldID{mine.ID, late.ID})
	w.exec(`update hold set lapses_at = lapses_at - interval '1 hour', expires_at = expires_at - interval '1 hour' where id = $1`, before.ID)
	w.exec(`update payment set deadline = clock_timestamp() - interval '1 second' where id = $1`, id)
	w.exec(`update pool set epoch = epoch + 1, epoch_at = '-infinity'`) // the gate knows these deadlines

	w.eventually(func() bool { // the sweep or a tap finds it
		_, err := sweeping.stock.Hold(t.Context(), tapOf(other, "gst_next"))
		return err == nil
	}, func() string { return "what had lapsed before is not to be had" })
	if h := w.find(before.ID); h.State != stock.Expired {
		t.Errorf("what had lapsed before the outage is %s", h.State)
	}
	w.hold(n, tapOf(l, "gst_third")) // a claim has no eye for the two
	for i := range 3 {
		_, err := n.stock.Hold(t.Context(), tapOf(l, fmt.Sprintf("gst_%d", i)))
		if !errors.Is(err, stock.ErrSoldOut) {
			t.Fatalf("a tap for units that are promised: %v", err)
		}
	}
	if h := w.find(mine.ID); h.State != stock.Held || h.Left <= 0 {
		t.Errorf("its buyer reads %s, %v left", h.State, h.Left)
	}
	if list, err := stock.ListMine(t.Context(), w.db, "gst_a"); err != nil || len(list) != 1 {
		t.Errorf("their document has %d holds, %v", len(list), err)
	}
	if p := w.payment(id); p.Late {
		t.Error("a payment is late that nobody could have made in time")
	}
	w.pay(w.find(mine.ID))
	w.look(sweeping)
	if h := w.find(late.ID); h.State != stock.Held || h.Left < 20*time.Second {
		t.Errorf("after it: %s, %v left", h.State, h.Left)
	}
	if h := w.find(before.ID); h.State != stock.Expired {
		t.Errorf("what had lapsed before the outage is %s", h.State)
	}
	w.clean(n)
}

// A hold made in the outage (its claim was on the way) gets the part that it has lived through.
func TestAHoldGetsItsPart(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	w.look(n)
	h := w.hold(n, tapOf(w.supply(1), "gst_a"))
	w.exec(`update beat set at = at - interval '1 minute'`)
	w.look(n)
	o, now := w.one(), w.find(h.ID)
	if by, want := now.Expires.Sub(h.Expires), o.Ended.Sub(h.Created); by != want || by > o.Moved-time.Minute+patience {
		t.Errorf("moved by %v of %v, want %v", by, o.Moved, want)
	}
}

// Whoever is writing a hold at that moment is waited for, and gets its time too.
func TestAClaimOnTheWayIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	w.look(n)
	h := w.hold(n, tapOf(w.supply(2), "gst_a"))
	w.ago(30 * time.Second)
	tx, err := w.db.Begin(t.Context())
	w.must(err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	second := commerce.NewID[commerce.HoldID]()
	_, err = tx.Exec(t.Context(), `insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, created_at, expires_at, lapses_at)
		select $2, pool, 'gst_b', 1, 'held', 4900, 'EUR', created_at, expires_at, lapses_at from hold where id = $1`, h.ID, second)
	w.must(err)
	_, err = tx.Exec(t.Context(), `update pool set taken = taken + 1 where id = $1`, h.Pool)
	w.must(err)
	looked := make(chan error, 1)
	go func() { looked <- n.Look(context.Background()) }()
	schematest.AwaitBlocked(t, w.db)
	w.must(tx.Commit(t.Context()))
	w.must(<-looked)
	if a, b := w.find(h.ID), w.find(second); !a.Expires.Equal(b.Expires) || !a.Expires.After(h.Expires) {
		t.Errorf("moved to %v and %v from %v", a.Expires, b.Expires, h.Expires)
	}
	w.clean(n)
}

// A node dies while it moves the deadlines: nothing has moved, and another one does it, once.
func TestANodeDiesOnTheWay(t *testing.T) {
	w := newWorld(t)
	first, second := w.node(), w.node()
	w.look(first)
	h := w.hold(first, tapOf(w.supply(1), "gst_a"))
	id := w.pay(w.hold(first, tapOf(w.supply(1), "gst_b")))
	deadline := w.payment(id).Deadline
	w.ago(30 * time.Second)
	tx, err := w.db.Begin(t.Context())
	w.must(err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(t.Context(), `lock table hold in row exclusive mode`)
	w.must(err)
	looked := make(chan error, 1)
	go func() { looked <- first.Look(context.Background()) }()
	schematest.AwaitBlocked(t, w.db) // payments have been moved by now
	w.exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
	if err := <-looked; err == nil {
		t.Fatal("whoever died says that it is done")
	}
	if now := w.find(h.ID); len(w.outages()) != 0 || !now.Expires.Equal(h.Expires) || !w.payment(id).Deadline.Equal(deadline) {
		t.Fatalf("half of it was done: %+v", now)
	}
	w.must(tx.Rollback(t.Context()))
	w.look(second, first)
	o := w.one()
	if now := w.find(h.ID); !now.Expires.Equal(h.Expires.Add(o.Moved)) || !w.payment(id).Deadline.Equal(deadline.Add(o.Moved)) {
		t.Errorf("moved by %v in an outage of %v", now.Expires.Sub(h.Expires), o.Moved)
	}
	w.clean(second)
}

// The clock of the database was set back: beats follow it, and nothing moves.
func TestTheDatabasesClockIsSetBack(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	w.look(n)
	w.exec(`update beat set at = at + interval '1 hour'`)
	w.look(n)
	var behind bool
	w.must(w.db.QueryRow(t.Context(), `select at <= clock_timestamp() from beat`).Scan(&behind))
	if !behind || len(w.outages()) != 0 {
		t.Errorf("the beat follows: %v; %+v", behind, w.outages())
	}
}

func TestConfig(t *testing.T) {
	w := newWorld(t)
	good := w.node().Config
	for name, spoil := range map[string]func(*Config){
		"no pool": func(c *Config) { c.Pool = nil }, "no stock": func(c *Config) { c.Stock = nil }, "no log": func(c *Config) { c.Log = nil },
		"no registry": func(c *Config) { c.Registerer = nil }, "a gap of one beat": func(c *Config) { c.Gap = c.Every },
		"negative": func(c *Config) { c.Every, c.Gap = -1, 0 },
	} {
		c := good
		spoil(&c)
		if c.Validate() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
