package stock

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
)

// shelf is a pool as a claim has locked it: what can be had, and on which terms.
type shelf struct {
	level       Level         // before the claim; Left and TimedLeft are kept by take and back
	now         time.Time     // the transaction's
	age         time.Duration // of the transaction at this moment of Postgres, and
	read        time.Time     // of ours
	epoch       int64
	free        int
	early, late bool // outside of the pool's selling window
	timedOn     bool // the timed offer is in its window
	capped      bool // it has a cap
	timedFree   int  // units left under that cap
	stands      bool // its clocks stand
}

// shelfColumns are what a batch is judged by, as the pool's row has it, in the order of shelf.columns.
const shelfColumns = `epoch, on_hand, on_hand - taken, offer_version, buyer_cap, coalesce(timed_version, 0),
	coalesce(opens_at > now(), false), coalesce(closes_at <= now(), false),
	coalesce(timed_opens_at <= now() and coalesce(frozen_at, now()) < timed_closes_at, false), timed_cap > 0, timed_cap - timed_taken, frozen_at is not null`

func (s *shelf) columns() []any {
	l := &s.level
	return []any{&s.epoch, &l.OnHand, &s.free, &l.Offer, &l.Cap, &l.Timed, &s.early, &s.late, &s.timedOn, &s.capped, &s.timedFree, &s.stands}
}

// shelfSQL locks the row. It is a statement of its own: the next one's snapshot is then as new as the lock, so that limits
// and lapsed holds are judged without anybody in between.
const shelfSQL = `select id, show, variant, now(), clock_timestamp(), ` + shelfColumns + ` from pool where id = $1 for no key update`

func (s *shelf) scan(row pgx.Row) error {
	l := &s.level
	var clock time.Time
	err := row.Scan(append([]any{&l.Pool, &l.Show, &l.Variant, &s.now, &clock}, s.columns()...)...)
	s.age, s.read = clock.Sub(s.now), time.Now()
	s.note()
	return err
}

// note brings the level to what is free now.
func (s *shelf) note() {
	s.level.Left, s.level.TimedLeft = s.free, nil
	if s.capped {
		left := min(s.timedFree, s.free)
		s.level.TimedLeft = &left
	}
}

// move takes units off the shelf, or with a negative quantity puts them back, that are or were had at an offer.
func (s *shelf) move(quantity int, offer int64) {
	s.free -= quantity
	if s.level.Timed != 0 && offer == s.level.Timed {
		s.timedFree -= quantity
	}
	s.note()
}

// timed is how many units can be had at the timed offer, as if it were on.
func (s *shelf) timed() int {
	if s.capped {
		return min(s.timedFree, s.free)
	}
	return s.free
}

// has is what people and addresses have of a pool already, and who may have nothing.
type has struct {
	units  map[string]int    // of the pool, by buyer
	holds  map[sourceKey]int // open in any pool, of addresses that have been here before, without the first
	barred map[string]bool   // buyers who may have nothing
}

// judge decides about one tap with an id that is new, after all that came before it. nil: it is placed, and counted.
func (s *shelf) judge(a *ask, h has) error {
	t := &a.tap
	atTimed := s.level.Timed != 0 && t.Offer == s.level.Timed
	switch {
	case s.late:
		return ErrClosed
	case s.early:
		return ErrNotOpen
	case h.barred[t.Buyer]:
		return ErrBarred
	case atTimed && !s.timedOn, !atTimed && t.Offer != s.level.Offer:
		return errOfferLate
	// The units of the timed offer that the gate knew to be used up may not stand here yet, so it is believed.
	case !atTimed && s.timedOn && !a.beside && s.timed() >= t.Quantity:
		return errOfferLate
	case s.level.Cap > 0 && h.units[t.Buyer]+t.Quantity > s.level.Cap:
		return ErrLimit
	case a.seen && h.holds[a.source]+1 >= MaxPerSource: // its first is not among them
		return ErrLimit
	case atTimed && s.capped && t.Quantity > s.timedFree:
		return errUsedUp
	case t.Quantity > s.free:
		return ErrSoldOut
	}
	s.place(a, h, 1)
	return nil
}

// place counts a tap that is placed, or with -1 one that is not after all.
func (s *shelf) place(a *ask, h has, times int) {
	t := &a.tap
	s.move(times*t.Quantity, t.Offer)
	if s.level.Cap > 0 {
		h.units[t.Buyer] += times * t.Quantity
	}
	if a.seen {
		h.holds[a.source] += times
	}
}

// hold is what a tap that was placed has become.
func (s *shelf) hold(t *Tap, lives time.Duration) Hold {
	created, left := s.now.UTC(), lives
	if !s.stands {
		left = max(0, lives-s.age-time.Since(s.read))
	}
	return Hold{
		ID: t.ID, Pool: s.level.Pool, Show: s.level.Show, Variant: s.level.Variant, Buyer: t.Buyer, Quantity: t.Quantity, State: Held,
		Unit: t.Unit, Offer: t.Offer, Created: created, Expires: created.Add(lives), Left: left, Stands: s.stands,
	}
}

// claimed is what Postgres decided about a batch.
type claimed struct {
	holds  map[commerce.HoldID]*Hold // every id of the batch, as it stands now
	fates  map[commerce.HoldID]error // of the ids that were new: nil, or why not
	barred map[string]bool           // buyers who are told nothing of what they may have
	left   int
	met    bool    // an id that nobody knew to be known was
	dashed bool    // the pool was not what it was believed to be
	epoch  int64   // of the pool
	past   bool    // units moved that the copy of this epoch knows nothing of
	lapsed []entry // holds that lapsed and were released on the way
	due    time.Time
}
