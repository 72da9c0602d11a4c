package stock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
)

// The leak detector. A node whose turn it is looks whether the gate's copy, a pool's row, its holds and the movements of its
// units still say the same, while they all go on; what does not is reported and put right. What decides: doc.go.

const (
	// driftEvery is how often the pools are looked at, by one node of all in turn.
	driftEvery = time.Second
	// tourPools of all pools in id order, and busyPools of those that move or are sold from, are looked at in one turn.
	tourPools = 512
	busyPools = 256
	// lastMoved is how many of the newest movements say which pools move.
	lastMoved = 2048
	// tourRows and busyRows bound how many rows of holds one turn adds up for the two: a pool of more has a turn for itself, and
	// the next one only when the turns since have made up for it. To add up 100,000 takes a core from everybody who buys for 50 ms.
	tourRows = 50_000
	busyRows = 50_000
	// chunkRows and chunkPools bound one statement of them.
	chunkRows  = 20_000
	chunkPools = 64
	// maxUnsealed is how many movements of a pool that are not sealed are added up: what a sealer leaves is far below it.
	maxUnsealed = 20_000
	// driftTimeout bounds each statement and each transaction of the detector, but for adding up one large pool.
	driftTimeout = 10 * time.Second
	// maxWatched is of how many pools it is remembered how large they are and when they were looked at.
	maxWatched = 1 << 14
	// restAfter times what a closer look took is how long its pool has peace while nothing can be done for it.
	restAfter = 20
)

// The kinds of drift, as in the table stock_drift.
const (
	driftTaken    = "taken"
	driftHold     = "hold"
	driftLedger   = "ledger"
	driftTimed    = "timed"
	driftGate     = "gate"
	driftOversold = "oversold"
)

// drift is what was found to be wrong with a pool at an epoch.
type drift struct {
	pool   commerce.PoolID
	epoch  int64
	kind   string
	units  int64
	detail string
}

// watch is the detector of one node. It is owned by its Run.
type watch struct {
	s     *Service
	every time.Duration

	pools   map[commerce.PoolID]*watched
	trouble time.Time // when Redis did not answer; zero: it did
}

// watched is what is remembered of a pool. Forgetting it costs a look too many.
type watched struct {
	rows   int       // of its holds
	summed time.Time // when they were last added up
	peeked time.Time // when the gate's copy was last looked at closely
	rest   time.Time // nothing can be done for it before

	oldEpoch int64 // the gate's copy of it is known to be old
	oldSince time.Time
}

func newWatch(s *Service) *watch {
	return &watch{s: s, every: max(driftEvery, s.sweep), pools: map[commerce.PoolID]*watched{}}
}

// run takes turns until ctx ends.
func (w *watch) run(ctx context.Context) {
	failing := false
	timer := time.NewTimer(w.every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		wait, err := w.turn(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			w.s.log.Warn("not all pools could be looked at for drift", "error", err)
		}
		failing = err != nil
		timer.Reset(wait)
	}
}

// turn looks if nobody has within the last while, and answers when to ask again.
func (w *watch) turn(ctx context.Context) (wait time.Duration, err error) {
	began := time.Now()
	behind, wait, err := w.claim(ctx)
	if err != nil || wait > 0 {
		return max(wait, 0) + time.Millisecond, err
	}
	err = w.round(ctx, behind)
	w.s.metrics.driftRounds.WithLabelValues(result(err)).Inc()
	return max(0, w.every-time.Since(began)), err
}

// claim takes the turn for this node: wait 0. Two nodes at it at once do no harm, so nothing is held while it lasts.
func (w *watch) claim(ctx context.Context) (behind commerce.PoolID, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, driftTimeout)
	defer cancel()
	var mine bool
	var last *commerce.PoolID
	var left float64
	err = w.s.db.QueryRow(ctx, `
		with mine as (update stock_watch set began = clock_timestamp() where began <= clock_timestamp() - $1::interval returning behind)
		select exists (select from mine), (select behind from mine), greatest(extract(epoch from began + $1::interval - clock_timestamp()), 0)::float8 from stock_watch`, w.every).
		Scan(&mine, &last, &left)
	if err != nil {
		return behind, w.every, fmt.Errorf("take the turn to look for drift: %w", err)
	}
	if mine {
		if last != nil {
			behind = *last
		}
		return behind, 0, nil
	}
	return behind, min(w.every, max(time.Duration(left*float64(time.Second)), time.Millisecond)), nil
}

// round looks once at what has its turn.
func (w *watch) round(ctx context.Context, behind commerce.PoolID) error {
	list, err := w.candidates(ctx, behind)
	if err != nil {
		return err
	}
	end, truthErr := w.truth(ctx, list)
	gateErr := w.gates(ctx, list)
	_, err = w.s.db.Exec(ctx, `update stock_watch set behind = $1`, end)
	if err != nil {
		err = fmt.Errorf("note the tour for drift: %w", err)
	}
	return errors.Join(truthErr, gateErr, err)
}

// candidate is a pool that has its turn, and what its row and the ends of its movements say.
type candidate struct {
	ID     commerce.PoolID
	Epoch  int64
	Taken  int
	Free   int
	Timed  int  // free at the timed offer; -1: no cap
	Past   bool // the gate's copy is known to be old
	Open   bool // a drift of it is not repaired
	Toured bool // the tour has come to it
	Busy   bool
	Off    bool // its row and its movements differ
}

// movedSQL gives, beside a pool p, what its movements make of each bucket: the last sealed totals (package chain) and what has
// moved since. Of more than maxUnsealed it is not known.
var movedSQL = fmt.Sprintf(`
	left join lateral (select movement, available, held - paying as held, paying, sold from unit_seal s where s.pool = p.id order by n desc limit 1) s on true
	cross join lateral (
		select count(*) <= %d as known,
			coalesce(s.available, 0) + coalesce(sum(units * ((target = 'available')::int - (origin = 'available')::int)), 0) as available,
			coalesce(s.held, 0) + coalesce(sum(units * ((target = 'held')::int - (origin = 'held')::int)), 0) as held,
			coalesce(s.paying, 0) + coalesce(sum(units * ((target = 'paying')::int - (origin = 'paying')::int)), 0) as paying,
			coalesce(s.sold, 0) + coalesce(sum(units * ((target = 'sold')::int - (origin = 'sold')::int)), 0) as sold
		from (select units, origin, target from unit_movement where pool = p.id and id > coalesce(s.movement, 0) limit %d) later
	) m`, maxUnsealed, maxUnsealed+1)

// candidates reads who has a turn: all that is one statement sees one moment, so what differs there differs.
func (w *watch) candidates(ctx context.Context, behind commerce.PoolID) ([]candidate, error) {
	ctx, cancel := context.WithTimeout(ctx, driftTimeout)
	defer cancel()
	var lanes []commerce.PoolID
	for _, l := range w.s.open() {
		lanes = append(lanes, l.id)
	}
	slices.SortFunc(lanes, func(a, b commerce.PoolID) int { return w.pool(a).summed.Compare(w.pool(b).summed) })
	lanes = lanes[:min(len(lanes), busyPools)]
	rows, err := w.s.db.Query(ctx, `
		with tour as (select id from pool where $1::uuid is null or id > $1 order by id limit $2),
		busy as (
			(select distinct pool as id from (select pool from unit_movement order by id desc limit $3) newest limit $4)
			union select unnest($5::uuid[])
		),
		failed as (select distinct pool as id from stock_drift where repaired_at is null limit $4)
		select p.id, p.epoch, p.taken, p.on_hand - p.taken, `+timedFree+`, p.past_epoch = p.epoch,
			p.id in (select id from failed), p.id in (select id from tour), p.id in (select id from busy),
			m.known and (p.taken <> m.held + m.paying + m.sold or p.on_hand - p.taken <> m.available)
		from (select id from tour union select id from busy union select id from failed) c join pool p on p.id = c.id`+movedSQL+`
		order by p.id`, pgx.QueryExecModeCacheDescribe, behind, tourPools, lastMoved, busyPools, lanes)
	if err != nil {
		return nil, fmt.Errorf("find pools to look at: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[candidate])
	if err != nil {
		return nil, fmt.Errorf("find pools to look at: %w", err)
	}
	return list, nil
}

// pool is what is remembered of a pool.
func (w *watch) pool(id commerce.PoolID) *watched {
	if p := w.pools[id]; p != nil {
		return p
	}
	if len(w.pools) >= maxWatched {
		clear(w.pools)
	}
	p := &watched{}
	w.pools[id] = p
	return p
}

// truth looks at the rows of Postgres, repairs what is off, and answers how far the tour has come.
func (w *watch) truth(ctx context.Context, list []candidate) (end commerce.PoolID, err error) {
	var errs []error
	off := make(map[commerce.PoolID]bool)
	add := func(some []candidate, most int) (done int) {
		chosen := w.within(some, most)
		for _, chunk := range w.chunks(chosen) {
			found, err := w.sum(ctx, chunk)
			errs = append(errs, err)
			for _, id := range found {
				off[id] = true
			}
		}
		return len(chosen)
	}
	var busy, tour []candidate
	for _, c := range list {
		switch off[c.ID] = c.Off || c.Open; {
		case w.resting(c):
		case c.Busy || c.Open:
			busy = append(busy, c)
		default:
			tour = append(tour, c)
		}
	}
	slices.SortStableFunc(busy, func(a, b candidate) int { return w.pool(a.ID).summed.Compare(w.pool(b.ID).summed) })
	add(busy, busyRows)
	done := add(tour, tourRows)
	if toured := countToured(list); toured == tourPools || done < len(tour) {
		end = tourEnd(list, tour, done)
	}
	for _, c := range list {
		if off[c.ID] {
			_, err := w.mend(ctx, c.ID, c.Open)
			errs = append(errs, err)
		}
	}
	return end, errors.Join(errs...)
}

func countToured(list []candidate) (n int) {
	for _, c := range list {
		if c.Toured {
			n++
		}
	}
	return n
}

// tourEnd is the pool behind which the tour goes on: the last one that was seen, or else the one before the first that
// had no room.
func tourEnd(list, tour []candidate, done int) (end commerce.PoolID) {
	for _, c := range list {
		if done < len(tour) && c.ID == tour[done].ID {
			break
		}
		if c.Toured {
			end = c.ID
		}
	}
	return end
}

// within takes from the front what has no more than so many rows of holds, and one at least.
func (w *watch) within(list []candidate, most int) []candidate {
	rows := 0
	for i, c := range list {
		if rows += w.size(c); i > 0 && rows > most {
			return list[:i]
		}
	}
	return list
}

// resting says that a pool of more rows than a turn may add up has had its turn: the next ones belong to others.
func (w *watch) resting(c candidate) bool {
	p := w.pool(c.ID)
	return time.Since(p.summed) < time.Duration((p.rows-1)/busyRows)*w.every
}

// size is how many rows of holds a pool had, or has at least.
func (w *watch) size(c candidate) int { return max(w.pool(c.ID).rows, c.Taken/MaxQuantity) }

// chunks parts pools into what one statement adds up.
func (w *watch) chunks(list []candidate) (chunks [][]candidate) {
	for len(list) > 0 {
		n := len(w.within(list[:min(len(list), chunkPools)], chunkRows))
		chunks = append(chunks, list[:n])
		list = list[n:]
	}
	return chunks
}

// heldSQL gives, beside a pool p, what its holds add up to.
const heldSQL = `
	cross join lateral (
		select count(*) as holds, coalesce(sum(quantity) filter (where state = 'held'), 0) as held,
			coalesce(sum(quantity) filter (where state = 'paying'), 0) as paying, coalesce(sum(quantity) filter (where state = 'sold'), 0) as sold,
			coalesce(sum(quantity) filter (where state in ('held', 'paying', 'sold') and offer = p.timed_version), 0) as timed
		from hold where pool = p.id
	) h`

// sum compares the holds of pools with their rows and movements, in one statement.
func (w *watch) sum(ctx context.Context, list []candidate) (off []commerce.PoolID, err error) {
	ctx, cancel := context.WithTimeout(ctx, driftTimeout)
	defer cancel()
	ids := make([]commerce.PoolID, len(list))
	for i, c := range list {
		ids[i] = c.ID
	}
	rows, err := w.s.db.Query(ctx, `
		select p.id, h.holds, (p.taken, p.timed_taken) is distinct from (h.held + h.paying + h.sold, h.timed)
			or m.known and (h.held, h.paying, h.sold) is distinct from (m.held, m.paying, m.sold)
		from pool p`+heldSQL+movedSQL+` where p.id = any($1)`, pgx.QueryExecModeCacheDescribe, ids)
	if err != nil {
		return nil, fmt.Errorf("add up holds: %w", err)
	}
	var (
		id    commerce.PoolID
		holds int
		wrong bool
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &holds, &wrong}, func() error {
		p := w.pool(id)
		p.rows, p.summed = holds, time.Now()
		if wrong {
			off = append(off, id)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("add up holds: %w", err)
	}
	return off, nil
}
