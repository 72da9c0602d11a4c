package stock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// confirmations is how many looks in a row must find the same, so far apart.
	confirmations = 3
	confirmEvery  = 100 * time.Millisecond
	// lookTries is how often a look begins anew because the pool's row changed during it.
	lookTries = 24
	// maxSuspectCopies is how many copies are looked at closely in one turn, those least lately looked at first.
	maxSuspectCopies = 64
	// returnsWithin is how long a unit that Postgres has taken back may be on its way to the gate. A node that has not told it
	// after the time of a lease is taken for dead.
	returnsWithin = leaseFor
	// maxReturns is how many such units one look accounts for, among so many movements.
	maxReturns   = 2048
	lastReturned = 4096
	// peekTimeout bounds the first look at all copies.
	peekTimeout = 500 * time.Millisecond
	// afterAway is how long the copies are left alone when Redis has not answered: the lanes put them right.
	afterAway = 2 * time.Second
)

// gates looks at the gate's copies of pools, confirms what is off, repairs and reports it. That Redis does not answer is for
// the lanes to say.
func (w *watch) gates(ctx context.Context, list []candidate) error {
	if time.Since(w.trouble) < afterAway {
		return nil
	}
	off, old, err := w.peek(ctx, list)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range old {
		errs = append(errs, w.s.repairGate(ctx, drift{pool: c.ID, epoch: c.Epoch}))
	}
	found := make(map[commerce.PoolID]looked, len(off))
	for n := range confirmations {
		if n > 0 {
			if len(off) == 0 {
				break
			}
			if err := rest(ctx, confirmEvery); err != nil {
				return err
			}
		}
		still := off[:0:0]
		for _, c := range off {
			got, err := w.s.lookAt(ctx, c.ID)
			if !errors.Is(err, ErrGate) {
				errs = append(errs, err)
			}
			if n > 0 {
				got = got.and(found[c.ID])
			}
			switch found[c.ID] = got; {
			case got.off():
				still = append(still, c)
			case got.sure && c.Open:
				errs = append(errs, w.s.closeDrift(ctx, c.ID, true))
			}
		}
		off = still
	}
	for _, c := range off {
		errs = append(errs, w.mendGate(ctx, c, found[c.ID]))
	}
	return errors.Join(errs...)
}

// mendGate repairs a copy that is wrong, unless it is the pool's row that is.
func (w *watch) mendGate(ctx context.Context, c candidate, got looked) error {
	if wrong, err := w.mend(ctx, c.ID, c.Open); wrong || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, driftTimeout)
	defer cancel()
	d := drift{pool: c.ID, epoch: got.epoch, kind: driftGate, units: int64(got.units), detail: fmt.Sprintf(
		"the gate had %d too many of its units free, %d of the timed offer's, at epoch %d", got.units, got.timed, got.epoch)}
	if d.units == 0 {
		d.units = int64(got.timed)
	}
	ours, err := w.s.foundDrift(ctx, d)
	if err != nil || !ours {
		return err
	}
	return w.s.repairGate(ctx, d)
}

// rest waits, or until ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// peek looks at the heads of all copies in one trip. It leaves those that are worth a closer look, since something is on its
// way or the numbers differ, and those that are old and that nobody makes anew.
func (w *watch) peek(ctx context.Context, list []candidate) (off, old []candidate, err error) {
	if err := schema.Outside(ctx); err != nil {
		return nil, nil, fmt.Errorf("look at the gate: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, peekTimeout)
	defer cancel()
	list = slices.DeleteFunc(slices.Clone(list), func(c candidate) bool { return c.Epoch == 0 })
	if len(list) == 0 {
		return nil, nil, nil
	}
	pipe := w.s.gate.redis.Pipeline()
	heads, leases := make([]*redis.SliceCmd, len(list)), make([]*redis.IntCmd, len(list))
	for i, c := range list {
		keys := gateKeys(c.ID, c.Epoch)
		heads[i], leases[i] = pipe.HMGet(ctx, keys[0], "free", "timed_free"), pipe.ZCard(ctx, keys[2])
	}
	_, _ = pipe.Exec(ctx) // each command has its own error: a part of a cluster may be away
	w.trouble = time.Now()
	for i, c := range list {
		if heads[i].Err() != nil || leases[i].Err() != nil {
			continue
		}
		w.trouble = time.Time{}
		free, okFree := number(heads[i].Val(), 0)
		timed, okTimed := number(heads[i].Val(), 1)
		switch {
		case !okFree || !okTimed: // no copy is no wrong copy
		case c.Past:
			if w.forsaken(c) {
				old = append(old, c)
			}
		case c.Open || leases[i].Val() > 0 || free != c.Free || timed != c.Timed:
			off = append(off, c)
		}
	}
	slices.SortStableFunc(off, func(a, b candidate) int { return w.pool(a.ID).peeked.Compare(w.pool(b.ID).peeked) })
	off = off[:min(len(off), maxSuspectCopies)]
	for _, c := range off {
		w.pool(c.ID).peeked = time.Now()
	}
	return off, old, nil
}

// forsaken says that a copy, past which units were taken, is still there after a while: the node that did so has died.
func (w *watch) forsaken(c candidate) bool {
	p := w.pool(c.ID)
	if p.oldEpoch != c.Epoch {
		p.oldEpoch, p.oldSince = c.Epoch, time.Now()
	}
	return time.Since(p.oldSince) > returnsWithin
}

func number(values []any, i int) (n int, ok bool) {
	if i >= len(values) {
		return 0, false
	}
	text, ok := values[i].(string)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// looked is what one look at a copy found.
type looked struct {
	sure         bool // it could be found out
	epoch        int64
	units, timed int // that the copy has free and should not; negative: that it should have
}

func (l looked) off() bool { return l.sure && (l.units != 0 || l.timed != 0) }

// and is what two looks at a copy agree on.
func (l looked) and(before looked) looked {
	if !l.sure || !before.sure || l.epoch != before.epoch {
		return looked{}
	}
	return looked{sure: true, epoch: l.epoch, units: agree(l.units, before.units), timed: agree(l.timed, before.timed)}
}

// agree is how far two differences go in one direction.
func agree(a, b int) int {
	switch {
	case a > 0 && b > 0:
		return min(a, b)
	case a < 0 && b < 0:
		return max(a, b)
	}
	return 0
}

// lookAt compares a copy with the truth while units are on their way between the two. The pool's row is read before and
// after the copy: when nobody has written it in between, Postgres stood still for this pool at that moment. What the copy
// counts and Postgres does not must then be under an open lease, or have come back a moment ago; everything else is drift.
func (s *Service) lookAt(ctx context.Context, pool commerce.PoolID) (looked, error) {
	if s.laneBusyWith(pool) {
		return looked{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, driftTimeout)
	defer cancel()
	var floor int64
	for range lookTries {
		before, err := s.readSide(ctx, pool, floor)
		if err != nil || before.epoch == 0 || before.past {
			return looked{}, err
		}
		floor = before.floor
		copied, err := s.gate.inspect(ctx, pool, before.epoch, before.back)
		if errors.Is(err, errNotLoaded) || copied.many {
			return looked{}, nil
		}
		if err != nil {
			return looked{}, err
		}
		live, same, err := s.liveOf(ctx, pool, before.written, copied.entries)
		if err != nil {
			return looked{}, err
		}
		if same && !s.laneBusyWith(pool) {
			return before.compare(copied, live), nil
		}
	}
	return looked{}, nil // too much is going on; the next turn looks again
}

// laneBusyWith says that this node knows that the copy is wrong, or cannot be reached, and sees to it.
func (s *Service) laneBusyWith(pool commerce.PoolID) bool {
	s.mu.Lock()
	l := s.lanes[pool]
	s.mu.Unlock()
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.away || l.rebuild != ""
}

// side is a pool's row as it stands, and which of its units came back lately.
type side struct {
	written     string // the transaction that wrote the row
	epoch       int64
	past        bool
	free, timed int
	back        []entry
	floor       int64 // movements up to it are too old to matter
}

func (s *Service) readSide(ctx context.Context, pool commerce.PoolID, floor int64) (got side, err error) {
	var ids []commerce.HoldID
	var buyers []string
	err = s.db.QueryRow(ctx, `
		with newest as (
			select id, target, holds, created_at > clock_timestamp() - $3::interval as late
			from unit_movement where pool = $1 and id > $2 order by id desc limit $4
		),
		back as (
			select h.id, h.buyer from (select distinct unnest(holds) as id from newest where late and target = 'available' limit $5) n join hold h on h.id = n.id
		)
		select xmin::text, epoch, past_epoch = epoch, on_hand - taken, `+timedFree+`,
			(select coalesce(min(id) filter (where late) - 1, max(id), $2) from newest),
			(select coalesce(array_agg(id order by id), '{}') from back), (select coalesce(array_agg(buyer order by id), '{}') from back)
		from pool where id = $1`, pgx.QueryExecModeCacheDescribe, pool, floor, returnsWithin, lastReturned, maxReturns).
		Scan(&got.written, &got.epoch, &got.past, &got.free, &got.timed, &got.floor, &ids, &buyers)
	if err != nil {
		return side{}, fmt.Errorf("read pool %s: %w", pool, err)
	}
	for i, id := range ids {
		got.back = append(got.back, entry{id: id, buyer: keyOf(buyers[i])})
	}
	return got, nil
}

// liveOf answers which of the entries stand for units in Postgres, and whether the pool's row is still as it was written.
func (s *Service) liveOf(ctx context.Context, pool commerce.PoolID, written string, entries []countedEntry) (live map[entry]bool, same bool, err error) {
	ids := make([]commerce.HoldID, len(entries))
	for i, e := range entries {
		ids[i] = e.id
	}
	var alive []commerce.HoldID
	var buyers []string
	err = s.db.QueryRow(ctx, `
		with alive as (select id, buyer from hold where id = any($3) and pool = $1 and state = any($4))
		select xmin::text = $2, (select coalesce(array_agg(id order by id), '{}') from alive), (select coalesce(array_agg(buyer order by id), '{}') from alive)
		from pool where id = $1`, pgx.QueryExecModeCacheDescribe, pool, written, ids, liveStates).Scan(&same, &alive, &buyers)
	if err != nil {
		return nil, false, fmt.Errorf("read what is live of %s: %w", pool, err)
	}
	live = make(map[entry]bool, len(alive))
	for i, id := range alive {
		live[entry{id: id, buyer: keyOf(buyers[i])}] = true
	}
	return live, same, nil
}

func (s side) compare(copied inspected, live map[entry]bool) looked {
	got := looked{sure: true, epoch: s.epoch, units: copied.free - s.free, timed: copied.timed - s.timed}
	for _, e := range copied.entries {
		if live[e.entry] {
			continue
		}
		got.units += e.quantity
		if e.timed && s.timed >= 0 {
			got.timed += e.quantity
		}
	}
	return got
}
