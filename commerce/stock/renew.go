package stock

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// loadGrace is how long the maker of an epoch has for loading it before another node makes the next one.
	loadGrace = 250 * time.Millisecond
	loadPoll  = 10 * time.Millisecond
)

// renew brings the lane to an epoch that the gate can answer. epoch 0 only reads which one it is. Otherwise
// the gate, asked at a time, had no copy of epoch, or (reason not "") a wrong one, and one node makes the next.
func (l *lane) renew(ctx context.Context, epoch int64, reason string, asked time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	if epoch == 0 {
		now, past, err := l.s.readEpoch(ctx, l.id)
		if err != nil {
			return err
		}
		if now > 0 {
			l.moveTo(now)
			if past {
				l.distrust(now)
			}
			return nil
		}
	}
	// A Redis that is dead is found out soon so, and before an epoch has ended for it.
	if _, err := l.s.gate.peek(ctx, l.id, epoch); err != nil {
		return fmt.Errorf("%w: %w", ErrGate, err)
	}
	made, err := l.s.nextEpoch(ctx, l.id, epoch, reason != "", asked)
	if err != nil {
		return err
	}
	if made == nil {
		return l.follow(ctx, epoch)
	}
	if reason == "" {
		reason = "missing"
	}
	l.s.metrics.rebuilds.WithLabelValues(reason).Inc()
	if err := l.s.gate.load(ctx, l.id, *made); err != nil {
		return err
	}
	l.moveTo(made.epoch)
	return nil
}

// follow takes over the epoch that somebody else has made, or waits a moment while they load it.
func (l *lane) follow(ctx context.Context, epoch int64) error {
	now, _, err := l.s.readEpoch(ctx, l.id)
	if err != nil {
		return err
	}
	if now == epoch {
		timer := time.NewTimer(loadPoll)
		defer timer.Stop()
		<-timer.C
	}
	l.moveTo(now)
	return nil
}

func (l *lane) moveTo(epoch int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch <= l.epoch {
		return
	}
	if l.epoch != 0 {
		l.rebuild = "" // whatever was wrong was wrong with the copy before
	}
	l.epoch = epoch
}

// distrust has the copy of an epoch made anew that knows nothing of what was sold past it.
func (l *lane) distrust(epoch int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch == epoch && l.rebuild == "" {
		l.rebuild = "away"
	}
}

// force makes the next copy of the pool, whatever the present one says.
func (l *lane) force(reason string) {
	l.mu.Lock()
	l.rebuild, l.poked = reason, maxTries
	l.mu.Unlock()
	l.wake(fromInside) // Run calls this
}

// readEpoch answers the present epoch of a pool. past: units have moved that its copy knows nothing of (direct.go), so that it
// has to be made anew.
func (s *Service) readEpoch(ctx context.Context, pool commerce.PoolID) (epoch int64, past bool, err error) {
	err = s.db.QueryRow(ctx, `select epoch, past_epoch = epoch from pool where id = $1`, pool).Scan(&epoch, &past)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, fmt.Errorf("%w: pool %s", ErrUnknown, pool)
	}
	if err != nil {
		return 0, false, fmt.Errorf("read epoch of %s: %w", pool, err)
	}
	return epoch, past, nil
}

// nextEpoch ends epoch and reads, under the pool's lock, what the copy of the next one is made of: from here on
// no claim of an older epoch can commit, so nothing is counted twice. It answers nil when the epoch is another
// one already, or when somebody had just made it as the gate was asked, and may have loaded it since: what a copy has
// admitted that is replaced has to be admitted once more, and whoever was told "sold out" by it was told too early.
func (s *Service) nextEpoch(ctx context.Context, pool commerce.PoolID, epoch int64, wrong bool, asked time.Time) (made *copyOf, err error) {
	err = schema.InTx(ctx, s.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		made = nil
		var c copyOf
		// Before now(), which is when this transaction began, however long it waits for the row.
		before := loadGrace + time.Since(asked)
		err := tx.QueryRow(ctx, `
			update pool set epoch = epoch + 1, epoch_at = clock_timestamp()
			where id = $1 and epoch = $2 and ($3 or epoch_at < now() - $4::interval)
			returning epoch, on_hand - taken, buyer_cap, offer_version, opens_at, closes_at,
				`+earliest+`,
				coalesce(timed_version, 0), timed_opens_at, `+TimedCloses+`, `+timedFree,
			pool, epoch, wrong, before).
			Scan(&c.epoch, &c.free, &c.cap, &c.version, &c.opens, &c.closes, &c.due,
				&c.timed.version, &c.timed.opens, &c.timed.closes, &c.timed.free)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if c.buyers, err = liveEntries(ctx, tx, pool, c.timed.version); err != nil {
			return err
		}
		made = &c
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("next epoch of %s: %w", pool, err)
	}
	return made, nil
}

const liveSQL = `select id, buyer, quantity, offer from hold where pool = $1 and state = any($2)`

// liveEntries lists who has what, as gate.lua keeps it. A statement of its own after the pool's lock: its
// snapshot has all that was committed before.
func liveEntries(ctx context.Context, tx pgx.Tx, pool commerce.PoolID, timed int64) (map[string][]byte, error) {
	rows, err := tx.Query(ctx, liveSQL, pool, liveStates)
	if err != nil {
		return nil, err
	}
	buyers := map[string][]byte{}
	var (
		id       commerce.HoldID
		buyer    string
		quantity int
		offer    int64
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &buyer, &quantity, &offer}, func() error {
		key := keyOf(buyer)
		if timed != 0 && offer == timed {
			quantity += timedBit
		}
		buyers[string(key[:])] = append(append(buyers[string(key[:])], id[:]...), byte(quantity))
		return nil
	})
	return buyers, err
}

// lapse handles what the gate showed as lapsed: leases whose taps never reached Postgres, and holds past
// their deadline. The units come back with the next call.
func (l *lane) lapse(ctx context.Context, epoch int64, leases []lapsedLease) error {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	if len(leases) > 0 {
		tags, back, err := l.s.bury(ctx, l.id, leases)
		if err != nil {
			return err
		}
		l.s.metrics.swept.WithLabelValues("lease").Add(float64(len(tags)))
		l.note(fromInside, epoch, tags, back, due{})
	}
	return l.releaseLapsed(ctx)
}

// releaseLapsed ends the pool's lapsed holds and tells the gate.
func (l *lane) releaseLapsed(ctx context.Context) error {
	got, err := l.s.expire(ctx, l.id)
	if err != nil {
		return err
	}
	l.s.metrics.swept.WithLabelValues("hold").Add(float64(len(got.Entries)))
	news := due{known: true, exact: true}
	if got.due != nil {
		news.at = *got.due
	}
	l.note(fromInside, got.Epoch, nil, got.Entries, news)
	return nil
}

// bury writes tombstones for leased ids that Postgres has never seen, and answers which ids of the leases
// stand for no units: those go back to the gate. The database is the judge here, not a clock: a claim that
// is under way either comes first and its id stays, or comes later and finds the tombstone.
func (s *Service) bury(ctx context.Context, pool commerce.PoolID, leases []lapsedLease) (tags []tag, back []entry, err error) {
	var ids []commerce.HoldID
	var buyers []string
	all := map[commerce.HoldID]entry{}
	for _, lease := range leases {
		tags = append(tags, lease.tag)
		for _, e := range lease.ids {
			all[e.id] = e
		}
	}
	for id := range all {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b commerce.HoldID) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		key := all[id].buyer
		buyers = append(buyers, "~"+hex.EncodeToString(key[:]))
	}
	err = schema.InTx(ctx, s.db, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		back = nil
		if _, err := tx.Exec(ctx, `
			insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at)
			select id, $1, buyer, 1, 'void', 0, 'XXX', now() from unnest($2::uuid[], $3::text[]) as t(id, buyer) order by id
			on conflict (id) do nothing`, pool, ids, buyers); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `select id from hold where id = any($1) and not (pool = $2 and state = any($3))`, ids, pool, liveStates)
		if err != nil {
			return err
		}
		gone, err := pgx.CollectRows(rows, pgx.RowTo[commerce.HoldID])
		for _, id := range gone {
			back = append(back, all[id])
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("bury %d leased ids of %s: %w", len(ids), pool, err)
	}
	return tags, back, nil
}
