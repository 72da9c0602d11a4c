package stock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
)

// errMet says that an id of the batch was known: nobody had met it here, or it became known between reading and writing (the
// tombstone of a lapsed lease is written without the pool's lock). The batch is judged again.
var errMet = errors.New("an id is known")

// commit decides a batch, all or nothing. The asks are judged in their order. wary: every id is looked up first. believed is what
// the pool is taken to be, nil: not known. What it answers is decided, and durable after decided.flush, which must be called.
func (s *Service) commit(ctx context.Context, pool commerce.PoolID, epoch int64, asks []*ask, wary bool, believed *belief) (decided, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	allNew := !wary
	for _, a := range asks {
		a.source = sourceOf(a.tap.Source)
		a.seen = s.addresses.seen(a.source)
		allNew = allNew && !a.met
	}
	met, dashed := false, false
	if allNew && believed != nil && believed.fresh(epoch) {
		got, err := s.hope(ctx, pool, asks, believed)
		dashed = errors.Is(err, errDashed)
		if !dashed && !errors.Is(err, errNoHope) {
			return got, err
		}
		met = errors.Is(err, errMet)
	}
	for try := 1; ; try++ {
		got, err := s.commitOnce(ctx, pool, epoch, asks, wary || met)
		got.met, got.dashed = met, dashed
		if err == nil {
			return got, nil
		}
		met = met || errors.Is(err, errMet)
		if try == schema.MaxTries || !errors.Is(err, errMet) && !schema.Retryable(err) {
			return decided{claimed: claimed{met: met}}, fmt.Errorf("claim %d holds of %s: %w", len(asks), pool, err)
		}
	}
}

// commitOnce is one transaction of two trips to Postgres: the first locks the pool's row and reads what there is to know about
// the batch, the second copies in the holds that came of it, writes the rest and commits. What is written is the
// same few statements for one tap or 512.
func (s *Service) commitOnce(ctx context.Context, pool commerce.PoolID, epoch int64, asks []*ask, wary bool) (decided, error) {
	conn, err := s.db.Acquire(ctx)
	if err != nil {
		return decided{}, err
	}
	c := s.newClaim(conn, asks)
	c.direct = epoch == directEpoch
	c.wary = wary || c.direct // no gate has told who is known
	err = c.read(ctx, pool, s.barred)
	if err == nil && epoch != directEpoch && c.shelf.epoch != epoch {
		err = errStaleEpoch
	}
	var got claimed
	if err == nil {
		var rows []row
		var change moved
		got, rows, change = c.judge()
		err = c.write(ctx, rows, change)
	}
	if err != nil {
		c.undo(ctx)
		return decided{}, err
	}
	return decided{claimed: got, conn: conn, believed: &belief{shelf: c.shelf}}, nil
}

// claim is one try to commit a batch.
type claim struct {
	*pgxpool.Conn
	asks    []*ask
	wary    bool
	direct  bool // no gate has admitted them: whoever is refused has no unit that must come back first
	holdFor time.Duration

	shelf  shelf
	has    has
	known  map[commerce.HoldID]*Hold // ids of the batch that are no new ones
	lapsed given
	gone   []entry // whose holds they were
}

func (s *Service) newClaim(conn *pgxpool.Conn, asks []*ask) *claim {
	return &claim{
		Conn: conn, asks: asks, known: make(map[commerce.HoldID]*Hold, len(asks)), holdFor: s.holdFor,
		has: has{units: map[string]int{}, holds: map[sourceKey]int{}, barred: map[string]bool{}},
	}
}

// undo ends the transaction, and gives its connection back.
func (c *claim) undo(ctx context.Context) {
	_, _ = c.Exec(ctx, `rollback`) // what cannot be undone so is undone with its connection
	c.Release()                    // which is closed when it is still in a transaction
}

// people are the batch's buyers (schema.Names), and its addresses that have been here before.
func (c *claim) people() (names string, sources []int64) {
	buyers := make([]string, len(c.asks))
	for i, a := range c.asks {
		buyers[i] = a.tap.Buyer
		if a.seen {
			sources = append(sources, int64(a.source))
		}
	}
	return schema.Names(buyers), sources
}

// read opens the transaction, locks the pool, ends its lapsed holds and reads what the batch is judged by.
func (c *claim) read(ctx context.Context, pool commerce.PoolID, barred string) error {
	batch := opening()
	c.queue(batch, pool, barred)
	return readShelf(c.SendBatch(ctx, batch).Close())
}

// opening is a batch that begins a claim's transaction.
func opening() *pgx.Batch {
	batch := &pgx.Batch{}
	batch.Queue(`begin`)
	batch.Queue(settingsSQL)
	return batch
}

// readShelf is what an error of such a batch means: only a pool's row must be there.
func readShelf(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%w: no such pool", ErrUnknown)
	}
	return err
}

// queue adds to a batch what read does in the transaction.
func (c *claim) queue(batch *pgx.Batch, pool commerce.PoolID, barred string) {
	batch.Queue(shelfSQL, pool).QueryRow(c.shelf.scan)
	batch.Queue(`
		update hold set state = 'expired', lapses_at = null, changed_at = now(), version = version + 1
		where pool = $1 and lapses_at <= `+lapsing+` returning id, buyer, quantity, offer`, pool).Query(c.readLapsed)
	var met []commerce.HoldID
	for _, a := range c.asks {
		if c.wary || a.met {
			met = append(met, a.tap.ID)
		}
	}
	if len(met) > 0 {
		batch.Queue(knownSQL, met).Query(c.readKnown)
	}
	names, sources := c.people()
	batch.Queue(unitsSQL, pool, names).
		Query(func(rows pgx.Rows) error { return count(rows, c.has.units) })
	if len(sources) > 0 {
		batch.Queue(openSQL, sources).
			Query(func(rows pgx.Rows) error { return count(rows, c.has.holds) })
	}
	if barred != "" {
		batch.Queue(barred, pool, names).Query(c.readBarred)
	}
}

// What a batch is judged by is looked up in an index. Seqscan is off, and openSQL hides lapses_at from another index: a plan
// that is made while the tables are small, and kept, would read a table that has grown from end to end and compare each
// row with each tap.
var (
	settingsSQL = `select set_config('enable_seqscan', 'off', true), set_config('synchronous_commit', 'off', true)` // see flush
	knownSQL    = holdSQL + ` where h.id = any($1)`
	unitsSQL    = `
		select buyer, sum(quantity) from hold
		where (select buyer_cap > 0 from pool where id = $1) and buyer = any(` + schema.NamesSQL("$2") + `) and pool = $1 and state in ('held', 'paying', 'sold')
		group by buyer`
	openSQL = `
		select source, count(*) from hold
		where source = any($1) and source is not null and lapses_at is not null and lapses_at + interval '0' > now() group by source`
)

func (c *claim) readLapsed(rows pgx.Rows) error {
	var (
		id       commerce.HoldID
		buyer    string
		quantity int
		offer    int64
	)
	_, err := pgx.ForEachRow(rows, []any{&id, &buyer, &quantity, &offer}, func() error {
		c.lapsed.add(quantity, offer)
		c.gone = append(c.gone, entry{id: id, buyer: keyOf(buyer)})
		return nil
	})
	return err
}

func (c *claim) readKnown(rows pgx.Rows) error {
	for rows.Next() {
		h, err := scanHold(rows)
		if err != nil {
			return err
		}
		c.known[h.ID] = &h
	}
	return rows.Err()
}

func (c *claim) readBarred(rows pgx.Rows) error {
	var buyer string
	_, err := pgx.ForEachRow(rows, []any{&buyer}, func() error { c.has.barred[buyer] = true; return nil })
	return err
}

func count[K comparable](rows pgx.Rows, into map[K]int) error {
	var name K
	var n int
	_, err := pgx.ForEachRow(rows, []any{&name, &n}, func() error { into[name] = n; return nil })
	return err
}

// judge decides about the batch: what becomes of each tap, which rows that makes, and what changes on the pool's row.
func (c *claim) judge() (claimed, []row, moved) {
	was := c.open()
	got := claimed{holds: c.known, barred: c.has.barred, fates: map[commerce.HoldID]error{}, lapsed: c.gone}
	rows, made := make([]row, 0, len(c.asks)), make([]Hold, len(c.asks))
	for i, a := range c.asks {
		if _, known := got.holds[a.tap.ID]; known {
			continue
		}
		h, fate := &made[i], c.shelf.judge(a, c.has)
		if fate == nil {
			*h = c.shelf.hold(&a.tap, c.holdFor)
			h.Of, got.due = a.of, h.Expires
		} else {
			*h = Hold{ID: a.tap.ID, State: Void}
		}
		if c.direct && errors.Is(fate, errOfferLate) {
			fate = ErrOfferChanged
		}
		got.fates[h.ID], got.holds[h.ID] = fate, h
		if fate == nil || !c.direct {
			rows = append(rows, row{ask: a, state: h.State})
		}
	}
	got.left, got.epoch = c.shelf.free, c.shelf.epoch
	change := c.moved(was)
	got.past = c.direct && change.any()
	return got, rows, change
}

// open puts the units of lapsed holds back on the shelf, and answers how it was before that, and is before the batch.
func (c *claim) open() (was opened) {
	was.before = c.shelf.level
	for i, quantity := range c.lapsed.quantities {
		c.shelf.move(-int(quantity), c.lapsed.offers[i])
	}
	was.free, was.timedFree = c.shelf.free, c.shelf.timedFree
	return was
}

type opened struct {
	before          Level
	free, timedFree int
}

// moved is what a batch that has been judged changes on the pool's row.
func (c *claim) moved(was opened) moved {
	change := moved{took: was.free - c.shelf.free, timed: was.timedFree - c.shelf.timedFree, tell: was.free != c.shelf.free || len(c.gone) > 0}
	for i, quantity := range c.lapsed.quantities {
		change.took -= int(quantity)
		if c.shelf.level.Timed != 0 && c.lapsed.offers[i] == c.shelf.level.Timed {
			change.timed -= int(quantity)
		}
	}
	l := &c.shelf.level
	l.usedUp = l.TimedLeft != nil && *l.TimedLeft == 0 && *was.before.TimedLeft > 0
	return change
}

// write is the second trip. A tap that is refused leaves a tombstone, so that its id cannot come back while its unit is on
// the way back to the gate.
func (c *claim) write(ctx context.Context, rows []row, change moved) error {
	var f schema.Flight
	c.put(&f, rows, change)
	return c.close(ctx, &f, rows, change)
}

// put writes the holds, and takes their units off the pool's row.
func (c *claim) put(f *schema.Flight, rows []row, change moved) {
	c.copy(f, rows)
	if change.any() {
		// The gate's copy knows nothing of what is taken past it, which is no drift.
		f.Queue(`update pool set taken = taken + $2, timed_taken = timed_taken + $3, past_epoch = case when $4 then epoch else past_epoch end
			where id = $1`, c.shelf.level.Pool, change.took, change.timed, c.direct)
	}
}

// close writes what a claim tells others, and commits.
func (c *claim) close(ctx context.Context, f *schema.Flight, rows []row, change moved) error {
	if err := c.tell(f, rows, change); err != nil {
		return err
	}
	return c.send(ctx, f)
}

// tell writes the movement of the claim's units, and the news of it.
func (c *claim) tell(f *schema.Flight, rows []row, change moved) error {
	l := c.shelf.level
	if units, holds := held(rows); units > 0 {
		f.Queue(`insert into unit_movement (pool, origin, target, kind, units, holds) values ($1, 'available', 'held', 'hold', $2, $3)`, l.Pool, units, holds)
	}
	if change.tell {
		batch := &pgx.Batch{}
		if err := outbox.Queue(batch, l.Show, l.Event()); err != nil {
			return err
		}
		f.Batch(batch)
	}
	return nil
}

// send commits all that is written.
func (c *claim) send(ctx context.Context, f *schema.Flight) error {
	f.Queue(`commit`)
	err := f.Go(ctx, c.Conn.Conn())
	if schema.Violates(err, "hold_pkey") {
		return errMet
	}
	return err
}

// moved is how many units a claim takes off the pool's row, in all and at its timed offer, less those that had lapsed.
type moved struct {
	took, timed int
	tell        bool // what is left is news
}

func (m moved) any() bool { return m.took != 0 || m.timed != 0 }
