package stock

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/crash"
	"github.com/rialto-live/rialto/commerce/schema"
)

//go:embed claim.sql
var claimSQL string

const (
	claimTimeout = 5 * time.Second
	// smallBatch is up to how many taps are claimed by the plan that Postgres keeps after a few executions. It is made for
	// a batch of unknown size and compares each tap with each other: of 512 that takes ten times as long as planning anew
	// (BenchmarkClaim), of a few it saves the planning.
	smallBatch = 24
	// takenRange is the CHECK that judges every sale; a stale epoch breaks it on purpose.
	takenRange = "pool_taken_range"
)

// errStaleEpoch says that the gate's copy which admitted a batch is not the pool's present one.
var errStaleEpoch = errors.New("epoch is stale")

// errOfferLate says that an offer changed between gate and truth: the id is used up.
var errOfferLate = fmt.Errorf("%w, and the hold id is used up: %w", ErrOfferChanged, ErrGone)

// claimed is what Postgres decided about a batch.
type claimed struct {
	holds    map[commerce.HoldID]Hold   // every id of the batch, as it stands now
	verdicts map[commerce.HoldID]string // of the ids that were new: "fits", or why not
	left     int
	lapsed   []entry // holds that lapsed and were released on the way
	due      *time.Time
}

// claimLoop commits what the gate admitted until there is nothing. One runs at a time per pool.
func (l *lane) claimLoop(ctx context.Context) {
	for {
		asks, ok := l.nextClaim()
		if !ok {
			return
		}
		l.claim(ctx, asks)
		l.wake(fromInside)
	}
}

// nextClaim takes the admitted asks of one epoch, or ends the loop.
func (l *lane) nextClaim() ([]*ask, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.claims) == 0 {
		l.claiming = false
		return nil, false
	}
	n := 1
	for n < min(len(l.claims), MaxBatch) && l.claims[n].epoch == l.claims[0].epoch {
		n++
	}
	asks := l.claims[:n:n]
	if l.claims = l.claims[n:]; len(l.claims) == 0 {
		l.claims = nil
	}
	return asks, true
}

func (l *lane) claim(ctx context.Context, asks []*ask) {
	epoch := asks[0].epoch
	got, err := l.s.commit(ctx, l.id, epoch, distinct(asks))
	l.s.metrics.calls.WithLabelValues("claim", result(err)).Inc()
	switch {
	case errors.Is(err, errStaleEpoch):
		l.outdated(epoch)
		l.again(asks)
		return
	case err != nil:
		// The outcome may be unknown. Nothing is promised; the leases lapse, and the id finds what there is.
		l.s.log.Warn("claim failed", "pool", l.id, "taps", len(asks), "error", err)
		l.fail(asks, unavailable(err))
		return
	}
	crash.Here("stock.committed")
	l.s.metrics.batch.WithLabelValues("claim").Observe(float64(len(asks)))
	l.s.metrics.swept.WithLabelValues("hold").Add(float64(len(got.lapsed)))
	l.settle(epoch, asks, got)
	first := map[commerce.HoldID]bool{}
	for _, a := range asks {
		h, err := verdict(a.tap, got)
		h.Replayed = got.verdicts[a.tap.ID] != "fits" || first[a.tap.ID]
		first[a.tap.ID] = true
		l.reply(a, h, err)
	}
}

// distinct leaves one ask per id, sorted by id: two batches that share ids then wait for each other in one
// order.
func distinct(asks []*ask) []*ask {
	list := slices.Clone(asks)
	slices.SortStableFunc(list, func(a, b *ask) int { return bytes.Compare(a.tap.ID[:], b.tap.ID[:]) })
	return slices.CompactFunc(list, func(a, b *ask) bool { return a.tap.ID == b.tap.ID })
}

// settle tells the gate what became of its admissions: tags that are done, units that come back.
func (l *lane) settle(epoch int64, asks []*ask, got claimed) {
	back, short := got.lapsed, false
	for _, a := range asks {
		h := got.holds[a.tap.ID]
		if !h.State.Live() || h.Pool != a.tap.Pool || h.Buyer != a.tap.Buyer {
			back = append(back, entry{id: a.tap.ID, buyer: a.buyer})
		}
		short = short || got.verdicts[a.tap.ID] == "sold_out" || got.verdicts[a.tap.ID] == "used_up"
	}
	l.mu.Lock()
	var settled []tag
	for _, a := range asks {
		if a.call.open--; a.call.open == 0 {
			settled = append(settled, a.call.tag)
		}
	}
	if short && l.epoch == epoch {
		l.rebuild = "short" // the gate admitted more than there was
	}
	l.mu.Unlock()
	news := due{known: got.due != nil}
	if got.due != nil {
		news.at = *got.due
	}
	l.note(fromInside, epoch, settled, back, news)
}

// note queues news for the gate's copy of an epoch.
func (l *lane) note(inside bool, epoch int64, settled []tag, back []entry, d due) {
	l.mu.Lock()
	if l.epoch != 0 { // 0: the gate loop reads it first
		l.epoch = max(l.epoch, epoch)
	}
	l.dropped(l.notes.add(epoch, settled, back, d))
	l.mu.Unlock()
	l.wake(inside)
}

// outdated makes the gate loop read the epoch again, unless it has done so since.
func (l *lane) outdated(epoch int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch == epoch {
		l.epoch = 0
	}
}

// verdict is the answer to one tap.
func verdict(t Tap, got claimed) (Hold, error) {
	h, ok := got.holds[t.ID]
	if !ok {
		return Hold{}, fmt.Errorf("%w: hold %s was not read back", ErrUnavailable, t.ID)
	}
	if h.State == Void {
		switch got.verdicts[t.ID] {
		case "sold_out":
			return Hold{}, &SoldOutError{Left: got.left}
		case "limit":
			return Hold{}, ErrLimit
		case "not_open":
			return Hold{}, ErrNotOpen
		case "closed":
			return Hold{}, ErrClosed
		case "offer", "used_up":
			return Hold{}, errOfferLate
		}
		return Hold{}, ErrGone
	}
	if !h.matches(t) {
		return Hold{}, ErrConflict
	}
	if !h.State.Live() {
		return Hold{}, ErrGone
	}
	return h, nil
}

// commit decides a batch in one transaction: see claim.sql.
func (s *Service) commit(ctx context.Context, pool commerce.PoolID, epoch int64, asks []*ask) (claimed, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	var got claimed
	err := schema.InTx(ctx, s.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		got = claimed{holds: map[commerce.HoldID]Hold{}, verdicts: map[commerce.HoldID]string{}}
		batch := &pgx.Batch{}
		// The row first, in a statement of its own: the next one's snapshot is then as new as the lock, so that
		// limits and lapsed holds are judged without anybody in between.
		batch.Queue(`select 1 from pool where id = $1 for no key update`, pool)
		if len(asks) > smallBatch {
			batch.Queue(`set local plan_cache_mode = force_custom_plan`)
		}
		var changed bool
		var level Level
		batch.Queue(claimSQL, claimArgs(s, pool, epoch, asks)...).QueryRow(func(row pgx.Row) error {
			return got.scan(row, &level, &changed)
		})
		ids := make([]commerce.HoldID, len(asks))
		for i, a := range asks {
			ids[i] = a.tap.ID
		}
		batch.Queue(holdSQL+` where h.id = any($1)`, ids).Query(func(rows pgx.Rows) error {
			return got.readBack(rows)
		})
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		if !changed {
			return nil
		}
		return level.announce(ctx, tx)
	})
	if schema.Violates(err, takenRange) {
		return claimed{}, errStaleEpoch
	}
	if err != nil {
		return claimed{}, fmt.Errorf("claim %d holds of %s: %w", len(asks), pool, err)
	}
	return got, nil
}

func claimArgs(s *Service, pool commerce.PoolID, epoch int64, asks []*ask) []any {
	n := len(asks)
	ids, buyers, sources := make([]commerce.HoldID, n), make([]string, n), make([]string, n)
	quantities, units, offers := make([]int32, n), make([]int64, n), make([]int64, n)
	currencies, beside := make([]string, n), make([]bool, n)
	for i, a := range asks {
		t := a.tap
		ids[i], buyers[i], sources[i] = t.ID, t.Buyer, t.Source
		quantities[i], units[i], offers[i] = int32(t.Quantity), t.Unit.Minor, t.Offer
		currencies[i], beside[i] = string(t.Unit.Currency), a.beside
	}
	return []any{pool, epoch, ids, buyers, quantities, units, currencies, offers, sources, s.holdFor, MaxPerSource, beside}
}

func (c *claimed) scan(row pgx.Row, level *Level, changed *bool) error {
	var (
		ids, lapsedIDs         []commerce.HoldID
		verdicts, lapsedBuyers []string
	)
	err := row.Scan(&level.Pool, &level.Show, &level.Variant, &level.Left, &level.TimedLeft, &level.usedUp, changed, &c.due,
		&ids, &verdicts, &lapsedIDs, &lapsedBuyers)
	if err != nil {
		return err
	}
	c.left = level.Left
	for i, id := range ids {
		c.verdicts[id] = verdicts[i]
	}
	for i, id := range lapsedIDs {
		c.lapsed = append(c.lapsed, entry{id: id, buyer: keyOf(lapsedBuyers[i])})
	}
	return nil
}

func (c *claimed) readBack(rows pgx.Rows) error {
	for rows.Next() {
		h, err := scanHold(rows)
		if err != nil {
			return err
		}
		c.holds[h.ID] = h
	}
	return rows.Err()
}
