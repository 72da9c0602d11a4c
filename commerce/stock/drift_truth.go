package stock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// The buckets of the movements.
const (
	inSupply = iota
	inAvailable
	inHeld
	inPaying
	inSold
	bucketCount
)

var bucketNames = [bucketCount]string{"supply", "available", "held", "paying", "sold"}

func bucketOf(name string) int {
	return max(slices.Index(bucketNames[:], name), 0)
}

const (
	// maxExplained is how many rows of holds a pool may have for its holds to be compared with its movements one by one.
	maxExplained = 20_000
	// maxSuspects is how many holds that differ are listed, maxSaid how many of them a detail names.
	maxSuspects = 100
	maxSaid     = 10
)

// suspect is a hold that its movements have in another bucket than its row.
type suspect struct {
	id       commerce.HoldID
	from, to int
	quantity int // 0: there is no row
}

// standing is what a pool's row, its holds and its movements say at one moment.
type standing struct {
	epoch                int64
	onHand, taken        int
	timedTaken, timedCap int
	rows                 int // of holds
	held, paying, sold   int
	timed                int // of them at the present timed offer
	moved                [bucketCount]int
	suspects             []suspect
}

func (s *standing) live() int { return s.held + s.paying + s.sold }

// owed is what must move from bucket to bucket so that the movements make what stands in the rows. It sums to zero.
func (s *standing) owed() (owed [bucketCount]int) {
	stands := [bucketCount]int{inSupply: -s.onHand, inAvailable: s.onHand - s.live(), inHeld: s.held, inPaying: s.paying, inSold: s.sold}
	for b := range stands {
		owed[b] = stands[b] - s.moved[b]
	}
	return owed
}

// stand reads a pool with all that decides about it, at one moment and without any lock: each transaction changes all of it
// together, so whatever differs here has drifted, whoever sells meanwhile.
func (s *Service) stand(ctx context.Context, pool commerce.PoolID) (got standing, err error) {
	err = schema.Snapshot(ctx, s.db, func(ctx context.Context, q schema.Querier, _ time.Time) error {
		got = standing{}
		err := q.QueryRow(ctx, `select p.epoch, p.on_hand, p.taken, p.timed_taken, p.timed_cap, h.holds, h.held, h.paying, h.sold, h.timed
			from pool p`+heldSQL+` where p.id = $1`, pgx.QueryExecModeCacheDescribe, pool).
			Scan(&got.epoch, &got.onHand, &got.taken, &got.timedTaken, &got.timedCap, &got.rows, &got.held, &got.paying, &got.sold, &got.timed)
		if err != nil {
			return err
		}
		rows, err := q.Query(ctx, `select bucket, sum(units)::bigint from unit_entry where pool = $1 group by bucket`, pgx.QueryExecModeCacheDescribe, pool)
		if err != nil {
			return err
		}
		var bucket string
		var units int
		if _, err := pgx.ForEachRow(rows, []any{&bucket, &units}, func() error { got.moved[bucketOf(bucket)] = units; return nil }); err != nil {
			return err
		}
		if got.owed() != ([bucketCount]int{}) && got.rows <= maxExplained {
			got.suspects, err = suspects(ctx, q, pool)
		}
		return err
	})
	if err != nil {
		return standing{}, fmt.Errorf("compare pool %s with its holds: %w", pool, err)
	}
	return got, nil
}

// suspects lists holds that were last moved to another bucket than the one that their row says.
func suspects(ctx context.Context, q schema.Querier, pool commerce.PoolID) (list []suspect, err error) {
	rows, err := q.Query(ctx, `
		with moved as (
			select distinct on (id) id, target from (select unnest(holds) as id, target, id as movement from unit_movement where pool = $1) m
			order by id, movement desc
		),
		stands as (select id, hold_bucket(state) as bucket, quantity from hold where pool = $1)
		select coalesce(m.id, s.id), coalesce(m.target, 'available'), coalesce(s.bucket, 'available'), coalesce(s.quantity, 0)
		from moved m full join stands s on s.id = m.id
		where coalesce(m.target, 'available') <> coalesce(s.bucket, 'available') order by 1 limit $2`, pgx.QueryExecModeCacheDescribe, pool, maxSuspects)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s suspect, err error) {
		var from, to string
		err = row.Scan(&s.id, &from, &to, &s.quantity)
		s.from, s.to = bucketOf(from), bucketOf(to)
		return s, err
	})
}

// judge says what has drifted; no kind: nothing has. The holds decide.
func (s *standing) judge(pool commerce.PoolID) drift {
	d := drift{pool: pool, epoch: s.epoch, detail: s.String()}
	owed := s.owed()
	moved := 0
	for _, units := range owed {
		moved += max(units, 0)
	}
	switch over := max(s.live()-s.onHand, s.timedOver(), 0); {
	case over > 0:
		d.kind, d.units = driftOversold, int64(over)
	case s.taken != s.live() && moved != 0:
		d.kind, d.units = driftHold, int64(s.taken-s.live())
	case s.taken != s.live():
		d.kind, d.units = driftTaken, int64(s.taken-s.live())
	case moved != 0:
		d.kind, d.units = driftLedger, int64(moved)
	case s.timedTaken != s.timed:
		d.kind, d.units = driftTimed, int64(s.timedTaken-s.timed)
	}
	return d
}

// timedOver is how many units were sold beyond the cap of the timed offer.
func (s *standing) timedOver() int {
	if s.timedCap == 0 {
		return 0
	}
	return s.timed - s.timedCap
}

// beyondRepair says that the pool's row cannot say what the holds do: its CHECK stands.
func (s *standing) beyondRepair() bool { return s.live() > s.onHand || s.timedOver() > 0 }

// right says that nothing is left to do, though not all may be well.
func (s *standing) right() bool {
	timed := s.timed
	if s.timedCap > 0 {
		timed = min(timed, s.timedCap)
	}
	return s.taken == min(s.live(), s.onHand) && s.timedTaken == timed && s.owed() == [bucketCount]int{}
}

// String is the detail for whoever has to find out whose hand it was.
func (s *standing) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d taken, holds have %d: %d held, %d paying, %d sold", s.taken, s.onHand, s.live(), s.held, s.paying, s.sold)
	if s.timedTaken != s.timed || s.timedCap > 0 {
		fmt.Fprintf(&b, "; %d of %d taken at the timed offer, holds have %d", s.timedTaken, s.timedCap, s.timed)
	}
	for bucket, units := range s.owed() {
		if units != 0 {
			fmt.Fprintf(&b, "; %s is %d, its movements make %d", bucketNames[bucket], s.moved[bucket]+units, s.moved[bucket])
		}
	}
	for i, h := range s.suspects {
		if i == maxSaid {
			fmt.Fprintf(&b, "; and %d holds more", len(s.suspects)-maxSaid)
			break
		}
		is := bucketNames[h.to]
		if h.quantity == 0 {
			is = "gone"
		}
		fmt.Fprintf(&b, "; %s was %s and is %s", h.id, bucketNames[h.from], is)
	}
	return b.String()
}

// edit is a movement that explains a hand's change.
type edit struct {
	from, to int
	units    int
	holds    []commerce.HoldID
}

// edits are the movements that are owed. They name the holds of which it is known that they are meant.
func (s *standing) edits() (list []edit) {
	owed := s.owed()
	pay := func(from, to, units int, holds []commerce.HoldID) {
		if units <= 0 {
			return
		}
		if len(holds) > units {
			holds = nil // what they had cannot be these units alone
		}
		owed[from], owed[to] = owed[from]+units, owed[to]-units
		list = append(list, edit{from: from, to: to, units: units, holds: holds})
	}
	for from := range bucketCount {
		for to := range bucketCount {
			units, holds := 0, []commerce.HoldID(nil)
			for _, h := range s.suspects {
				if h.from == from && h.to == to && h.quantity > 0 {
					units, holds = units+h.quantity, append(holds, h.id)
				}
			}
			if units <= -owed[from] && units <= owed[to] {
				pay(from, to, units, holds)
			}
		}
	}
	for from := range bucketCount {
		for to := range bucketCount {
			var gone []commerce.HoldID
			for _, h := range s.suspects {
				if h.from == from && h.to == to && h.quantity == 0 {
					gone = append(gone, h.id)
				}
			}
			pay(from, to, min(-owed[from], owed[to]), gone)
		}
	}
	return list
}

// mend looks closer at a pool, repairs its rows and reports it. open: there is a finding of it that is not repaired. It
// answers whether anything was wrong.
func (w *watch) mend(ctx context.Context, pool commerce.PoolID, open bool) (wrong bool, err error) {
	p := w.pool(pool)
	if time.Now().Before(p.rest) {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, driftTimeout)
	defer cancel()
	began := time.Now()
	stands, err := w.s.stand(ctx, pool)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	d := stands.judge(pool)
	switch {
	case d.kind == "" && open:
		err = w.s.closeDrift(ctx, pool, false)
	case d.kind != "":
		var ours bool
		if ours, err = w.s.foundDrift(ctx, d); err == nil && ours && !stands.right() {
			err = w.s.repairTruth(ctx, d, &stands)
		}
	}
	if stands.right() { // whatever is wrong all the same, a person has to see to it: more is promised than there is, or a seal is broken
		p.rest = time.Now().Add(restAfter * time.Since(began))
	}
	return d.kind != "", err
}
