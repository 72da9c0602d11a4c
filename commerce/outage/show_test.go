package outage

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/price"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

// plain is a node that takes a busy machine for no outage, others one that finds them.
func plain(w *world) node  { return w.node(func(_ *stock.Config, k *Config) { k.Gap = never }) }
func others(w *world) node { return w.node(func(_ *stock.Config, k *Config) { k.Gap = time.Minute }) }

// The creator's line is down for ten minutes, in which the flash price and the holds would have ended. Nothing ends; then
// all have as long left as they had, by exactly that time, once, although two nodes and the creator's return come at once.
func TestTheCreatorsOutageShiftsClocksAndHolds(t *testing.T) {
	s, a := newStudio(t, plain)
	b := plain(s.world)
	s.look(a)
	held, paid := s.hold(a, s.flashTap("gst_a")), s.hold(a, s.flashTap("gst_b"))
	id := s.pay(paid)
	before, deadline := s.present(), s.payment(id).Deadline
	s.must(s.air(a, false, "n-1"))
	if f := s.present(); f.Stands == nil || !f.Ends.Equal(before.Ends) || s.said().Flash.Stands == nil {
		t.Fatalf("off the air: %+v, said %+v", f, s.said().Flash)
	}
	s.passes(10 * time.Minute)
	before.Ends, held.Expires, paid.Expires, deadline = before.Ends.Add(-10*time.Minute), held.Expires.Add(-10*time.Minute), paid.Expires.Add(-10*time.Minute), deadline.Add(-10*time.Minute)

	s.standsStill(a, b, held)
	meanwhile := s.find(s.eventuallyHeld(b, s.flashTap("gst_meanwhile")).ID)
	var group sync.WaitGroup
	group.Go(func() {
		if err := s.air(b, true, "n-2"); err != nil {
			t.Error(err)
		}
	})
	for _, n := range []node{a, b, a, b} {
		group.Go(func() {
			if err := n.Look(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	by := s.applied()
	if by < 10*time.Minute || by > 10*time.Minute+patience {
		t.Errorf("the clocks stood for %v", by)
	}
	for _, h := range []stock.Hold{held, paid} {
		if now := s.find(h.ID); now.Expires.Sub(h.Expires) != by || now.Stands {
			t.Errorf("a hold moved by %v, the clocks stood for %v: %+v", now.Expires.Sub(h.Expires), by, now)
		}
	}
	if now, ended := s.find(meanwhile.ID), *s.darks()[0].Ended; now.Expires.Sub(meanwhile.Expires) != ended.Sub(meanwhile.Created) {
		t.Errorf("a hold of meanwhile moved by %v, want %v", now.Expires.Sub(meanwhile.Expires), ended.Sub(meanwhile.Created))
	}
	if now := s.payment(id).Deadline; !now.Equal(deadline) {
		t.Errorf("a payment's deadline moved by %v", now.Sub(deadline))
	}
	f := s.present()
	if set := s.said().Flash; f.Ends.Sub(before.Ends) != by || f.Stands != nil || set.Stands != nil || !set.Ends.Equal(f.Ends) {
		t.Errorf("the flash price moved by %v, the clocks stood for %v: %+v, said %+v", f.Ends.Sub(before.Ends), by, f, set)
	}
	if total := a.metric("moved_seconds_total") + b.metric("moved_seconds_total"); total != by.Seconds() {
		t.Errorf("/metrics says %v s, the clocks stood for %v", total, by)
	}
	s.eventuallyHeld(a, s.flashTap("gst_after"))
	s.clean(a)
}

// standsStill checks what holds while the clocks stand, past the ends of everything.
func (s *studio) standsStill(a, b node, held stock.Hold) {
	s.Helper()
	s.eventuallyHeld(a, s.flashTap("gst_dark")) // the flash price goes on
	wrong := tapOf(s.level, "gst_dear")
	if _, err := b.stock.Hold(s.Context(), wrong); !errors.Is(err, stock.ErrOfferChanged) {
		s.Errorf("a tap at the standing price beside it: %v", err)
	}
	s.look(a, b)
	h := s.find(held.ID)
	if want := held.Expires.Sub(*s.stands(held.Pool)); h.State != stock.Held || !h.Stands || h.Left != want.Round(time.Millisecond) {
		s.Errorf("a hold is %s, %v left, stands: %v; want %v left", h.State, h.Left, h.Stands, want)
	}
	if list, err := stock.ListMine(s.Context(), s.db, held.Buyer); err != nil || len(list) != 1 || !list[0].Stands {
		s.Errorf("its buyer's document: %+v, %v", list, err)
	}
	if own, err := stock.OwnLive(s.Context(), s.db, held.Pool, held.Buyer); err != nil || own.ID != held.ID {
		s.Errorf("what its buyer has: %+v, %v", own, err)
	}
	err := s.in(func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		if _, err := stock.Pay(ctx, tx, held.ID, held.Buyer); err != nil {
			return err
		}
		return context.Canceled // undone
	})
	if !errors.Is(err, context.Canceled) {
		s.Errorf("it cannot be paid: %v", err)
	}
	s.clean(a)
}

// What had lapsed or ended before the creator went stays so.
func TestWhatWasOverStaysOver(t *testing.T) {
	s, n := newStudio(t, plain)
	h := s.hold(n, tapOf(s.supplyHere(), "gst_a"))
	s.exec(`update hold set lapses_at = clock_timestamp(), expires_at = clock_timestamp() where id = $1`, h.ID)
	s.exec(`update flash set ends_at = clock_timestamp()`)
	s.exec(`update pool p set timed_closes_at = f.ends_at from flash f where f.pool = p.id`)
	ends := s.find(h.ID).Expires
	s.must(s.air(n, false, "n-1"))
	if f := s.present(); f.Stands != nil {
		t.Errorf("the clock of a price that is over stands: %+v", f)
	}
	s.eventually(func() bool { return s.find(h.ID).State == stock.Expired }, func() string { return "the hold never lapses" })
	s.must(s.air(n, true, "n-1"))
	if now := s.find(h.ID); !now.Expires.Equal(ends) || s.present().Ends.After(time.Now()) {
		t.Errorf("it came back: %+v, %+v", now, s.present())
	}
	if d := s.darks()[0]; *d.Holds != 0 || *d.Flashes != 0 {
		t.Errorf("moved: %+v", d)
	}
	s.clean(n)
}

// supplyHere is another pool of the show, without a price of its own.
func (s *studio) supplyHere() stock.Level { s.Helper(); return s.supply(1) }

// The creator never comes back: the clocks stand until the cap is over, and not again for the same time off the air.
func TestTheCapEndsIt(t *testing.T) {
	s, n := newStudio(t, plain)
	h := s.hold(n, s.flashTap("gst_a"))
	s.must(s.air(n, false, "n-1"))
	s.passes(MaxFrozen - patience)
	s.look(n)
	if s.stands(h.Pool) == nil || s.darks()[0].Ended != nil {
		t.Fatal("the clocks go on before the cap")
	}
	s.passes(2 * patience)
	s.eventuallyHeld(n, s.flashTap("gst_late")) // nobody has looked yet
	expires := s.find(h.ID).Expires
	s.look(n, n)
	if by := s.applied(); by <= MaxFrozen || s.find(h.ID).Expires.Sub(expires) != MaxFrozen {
		t.Errorf("after %v a hold moved by %v", by, s.find(h.ID).Expires.Sub(expires))
	}
	s.look(n)
	if s.stands(h.Pool) != nil || len(s.darks()) != 1 {
		t.Errorf("the clocks stand again: %+v", s.darks())
	}
	s.clean(n)
	s.must(s.air(n, true, "n-1"))
	s.must(s.air(n, false, "n-1"))
	if s.stands(h.Pool) == nil || len(s.darks()) != 2 {
		t.Errorf("back and gone once more: %+v", s.darks())
	}
}

// A used up flash price ends when the cap does, and not before what was sold at it.
func TestAUsedUpPriceEndsWithTheCap(t *testing.T) {
	s, n := newStudio(t, plain)
	s.must(s.air(n, false, "n-1"))
	s.exec(`update flash set ends_at = p.frozen_at + interval '1 second' from pool p where p.id = flash.pool`)
	s.exec(`update pool set timed_closes_at = frozen_at + interval '1 second' where timed_version is not null`)
	s.passes(MaxFrozen + time.Minute)
	h := s.eventuallyHeld(n, s.flashTap("gst_late"))
	s.look(n)
	if f := s.present(); f.Ends.Before(h.Created) || f.Ends.After(*s.darks()[0].Ended) {
		t.Errorf("it ended at %v; sold at %v, the clocks went on at %v", f.Ends, h.Created, s.darks()[0].Ended)
	}
	if _, err := n.stock.Hold(t.Context(), s.flashTap("gst_too_late")); !errors.Is(err, stock.ErrOfferChanged) {
		t.Errorf("after its end: %v", err)
	}
	s.clean(n)
}

// The node dies with the stream: the reaper of another notes it, and its look stops the clocks as of then. All programs die; the
// creator comes back before any look; the first look ends it. A show that is ended meanwhile has its clocks go on, too.
func TestNobodyWasThereToSeeIt(t *testing.T) {
	s, n := newStudio(t, plain)
	h := s.hold(n, s.flashTap("gst_a"))
	s.must(s.in(func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		gone, err := show.OffAirUnless(ctx, tx, []string{"n-9"})
		if gone != 1 {
			t.Errorf("%d shows were taken off the air", gone)
		}
		return err
	}))
	s.passes(time.Minute)
	s.look(n, n)
	var off time.Time
	s.must(s.db.QueryRow(t.Context(), `select off_air_at from show`).Scan(&off))
	if d := s.darks(); len(d) != 1 || !d[0].Began.Equal(off) || s.stands(h.Pool) == nil || !s.stands(h.Pool).Equal(off) {
		t.Fatalf("the show is dark since %v: %+v", off, d)
	}
	s.exec(`update show set on_air = true, node = 'n-2'`)
	reborn := plain(s.world)
	s.look(reborn, n)
	s.applied()
	if now := s.find(h.ID); now.Stands || now.State != stock.Held {
		t.Errorf("%+v", now)
	}
	s.exec(`update show set on_air = false, off_air_at = clock_timestamp()`)
	s.look(n)
	if s.stands(h.Pool) == nil {
		t.Fatal("the clocks go on")
	}
	s.must(s.in(func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		sh, err := show.Lock(ctx, tx, s.show)
		if err == nil {
			_, err = show.End(ctx, tx, sh)
		}
		return err
	}))
	s.look(n, reborn)
	if d := s.darks(); s.stands(h.Pool) != nil || len(d) != 2 || d[1].Ended == nil {
		t.Errorf("the show has ended: %+v", d)
	}
	s.clean(n)
}

// Twice is once, a goodbye of another node is none, and what was never live does not stand.
func TestOffTheAirTwice(t *testing.T) {
	s, n := newStudio(t, plain)
	s.must(s.air(n, false, "n-9"))
	s.must(s.air(n, true, "n-1"))
	if len(s.darks()) != 0 {
		t.Fatalf("%+v", s.darks())
	}
	for range 2 {
		s.must(s.air(n, false, "n-1"))
	}
	for range 2 {
		s.must(s.air(n, true, "n-1"))
	}
	s.applied()
	s.must(s.in(func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		_, _, err := show.Save(ctx, tx, now, s.mara, show.Edit{ID: newShowID(), Title: "Next week"})
		return err
	}))
	s.look(n)
	s.applied()
}

// Whoever lets the clocks go on dies on the way: they stand, and the next one does it, once.
func TestDeathWhileTheClocksGoOn(t *testing.T) {
	s, n := newStudio(t, plain)
	h := s.hold(n, s.flashTap("gst_a"))
	s.must(s.air(n, false, "n-1"))
	s.passes(time.Minute)
	expires, ends := s.find(h.ID).Expires, s.present().Ends
	tx, err := s.db.Begin(t.Context())
	s.must(err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(t.Context(), `select from hold where id = $1 for update`, h.ID)
	s.must(err)
	back := make(chan error, 1)
	go func() { back <- s.air(n, true, "n-1") }()
	schematest.AwaitBlocked(t, s.db) // the flash price has moved by now
	s.exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
	if err := <-back; err == nil {
		t.Fatal("whoever died says that it is done")
	}
	s.must(tx.Rollback(t.Context()))
	if !s.find(h.ID).Expires.Equal(expires) || !s.present().Ends.Equal(ends) || s.darks()[0].Ended != nil {
		t.Fatal("half of it was done")
	}
	s.must(s.air(n, true, "n-1"))
	if by := s.applied(); s.find(h.ID).Expires.Sub(expires) != by || s.present().Ends.Sub(ends) != by {
		t.Errorf("moved by %v and %v, of %v", s.find(h.ID).Expires.Sub(expires), s.present().Ends.Sub(ends), by)
	}
	s.clean(n)
}

// An outage within an outage counts once. Postgres goes while the creator is away: what stands is moved by the creator's return
// alone, the rest by the outage. And clocks that stop after an outage do not count it again.
func TestAnOutageWithinAnOutage(t *testing.T) {
	s, n := newStudio(t, others)
	s.look(n)
	h := s.hold(n, s.flashTap("gst_a"))
	elsewhere := s.world.show
	s.world.show = newShowID()
	other := s.hold(n, tapOf(s.supply(1), "gst_b"))
	s.world.show = elsewhere
	s.must(s.air(n, false, "n-1"))
	s.passes(4 * time.Minute)
	expires, second := s.find(h.ID).Expires, s.find(other.ID).Expires
	s.exec(`update beat set at = at - interval '2 minutes'`)
	s.exec(`update hold set created_at = created_at - interval '5 minutes' where id = $1`, other.ID)
	s.look(n)
	o := s.one()
	if now := s.find(h.ID); !now.Expires.Equal(expires) || o.Holds != 1 {
		t.Errorf("what stands has moved by %v: %+v", now.Expires.Sub(expires), o)
	}
	if now := s.find(other.ID); now.Expires.Sub(second) != o.Moved {
		t.Errorf("another show's hold moved by %v of %v", now.Expires.Sub(second), o.Moved)
	}
	s.must(s.air(n, true, "n-1"))
	if by := s.applied(); s.find(h.ID).Expires.Sub(expires) != by {
		t.Errorf("moved by %v of %v", s.find(h.ID).Expires.Sub(expires), by)
	}
	// Off the air since before an outage that nobody has noted the clocks in: they stand from its end on.
	s.exec(`update show set on_air = false, off_air_at = $1`, o.Ended.Add(-time.Second))
	s.exec(`delete from show_outage`)
	s.look(n)
	if d := s.darks(); len(d) != 1 || !d[0].Began.Equal(o.Ended) {
		t.Errorf("the clocks stand since %+v, the outage was over at %v", d, o.Ended)
	}
}

// Postgres is away from before the creator goes until after, and for longer than a cap: each moves its own part.
func TestAnOutageBeyondTheCap(t *testing.T) {
	s, n := newStudio(t, others)
	s.look(n)
	h := s.hold(n, s.flashTap("gst_a"))
	s.must(s.air(n, false, "n-1"))
	s.passes(MaxFrozen + 10*time.Minute)
	expires := s.find(h.ID).Expires
	s.exec(`update beat set at = at - interval '20 minutes'`) // from before the cap was over
	s.look(n)
	d, o := s.darks()[0], s.one()
	want := MaxFrozen + min(MaxMoved, o.Ended.Sub(d.Began.Add(MaxFrozen)))
	if by := s.find(h.ID).Expires.Sub(expires); by != want {
		t.Errorf("moved by %v, want %v", by, want)
	}
	s.clean(n)
}

// A flash price that is set or begins while the clocks stand begins as it would have, and has its whole time.
func TestAFlashPriceOfMeanwhile(t *testing.T) {
	s, n := newStudio(t, plain)
	s.must(s.air(n, false, "n-1"))
	s.passes(time.Minute)
	f := s.flash(price.Wish{ID: newFlashID(), Variant: s.variant, Amount: 1900, Lasts: flashLasts})
	tap := tapOf(s.level, "gst_a")
	tap.Offer, tap.Unit.Minor = s.level.Timed, 1900
	n.stock.Changed(t.Context(), s.level.Pool)
	s.eventuallyHeld(n, tap)
	if now := s.present(); now.Stands == nil || !now.Stands.Equal(f.Starts) {
		t.Errorf("its clock stands since %v, it began at %v", now.Stands, f.Starts)
	}
	s.must(s.air(n, true, "n-1"))
	if now, ended := s.present(), *s.darks()[0].Ended; now.Ends.Sub(f.Ends) != ended.Sub(f.Starts) {
		t.Errorf("its end moved by %v, want %v", now.Ends.Sub(f.Ends), ended.Sub(f.Starts))
	}
	s.clean(n)
}
