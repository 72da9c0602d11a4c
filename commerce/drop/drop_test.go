package drop_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/drop"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
)

func newID() commerce.DropID { return commerce.NewID[commerce.DropID]() }

// The gate's clock to the millisecond: a millisecond before T nobody is let in, at T the first one is.
func TestRedisDecidesToTheMillisecond(t *testing.T) {
	s := newStage(t, 1)
	store := s.store()
	node := s.node(store.Addr())
	at := s.clock(2 * time.Second)
	_, pools, err := s.drop(newID(), &at)
	s.must(err)
	node.Changed(t.Context(), pools...)
	s.past(at) // Postgres would sell
	store.SetTime(at.Add(-time.Millisecond))
	for range 3 {
		if err := s.tap(node, s.variant); !errors.Is(err, stock.ErrNotOpen) {
			t.Fatalf("a millisecond before: %v", err)
		}
	}
	store.SetTime(at)
	s.must(s.tap(node, s.variant))
	if err := s.tap(node, s.variant); !errors.Is(err, stock.ErrSoldOut) {
		t.Fatalf("one more than there are: %v", err)
	}
}

// A store whose clock is ahead lets everybody in; Postgres sells nothing before T, and no unit is lost by it.
func TestPostgresDecidesToo(t *testing.T) {
	s := newStage(t, 3)
	store := s.store()
	node := s.node(store.Addr())
	id, at := newID(), s.clock(time.Hour)
	_, pools, err := s.drop(id, &at)
	s.must(err)
	node.Changed(t.Context(), pools...)
	store.SetTime(at.Add(time.Minute))
	for range 5 {
		if err := s.tap(node, s.variant); !errors.Is(err, stock.ErrNotOpen) {
			t.Fatalf("an hour before: %v", err)
		}
	}
	_, pools, err = s.drop(id, nil)
	s.must(err)
	node.Changed(t.Context(), pools...)
	for range 3 {
		s.must(s.tap(node, s.variant))
	}
	if err := s.tap(node, s.variant); !errors.Is(err, stock.ErrSoldOut) {
		t.Fatalf("one more than there are: %v", err)
	}
}

// A drop is moved at the very moment at which it opens: either it has sold nothing, or it has not moved.
func TestMovedAtTheLastMoment(t *testing.T) {
	s := newStage(t, 1)
	node := s.node(s.store().Addr())
	moved, opened := 0, 0
	for round := range 12 {
		variant, id := s.put(5), newID()
		at := s.clock(700 * time.Millisecond)
		_, pools, err := s.dropBy(s.ponte, s.show, drop.Drop{ID: id, Variant: variant, Opens: &at})
		s.must(err)
		node.Changed(t.Context(), pools...)
		tapped := make(chan error, 1)
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					tapped <- nil
					return
				default:
				}
				if err := s.tap(node, variant); err != nil && !errors.Is(err, stock.ErrNotOpen) && !errors.Is(err, stock.ErrSoldOut) {
					tapped <- err
					return
				}
			}
		}()
		s.past(at.Add(time.Duration(round-8) * time.Millisecond))
		later := s.clock(time.Hour)
		_, pools, err = s.dropBy(s.mara, s.show, drop.Drop{ID: id, Variant: variant, Opens: &later})
		node.Changed(t.Context(), pools...)
		close(stop)
		s.must(<-tapped)
		level, readErr := stock.LevelOf(t.Context(), s.db, s.show, variant)
		s.must(readErr)
		switch {
		case err == nil && level.Left != 5:
			t.Fatalf("it moved, and had sold %d", 5-level.Left)
		case err == nil:
			moved++
		case errors.Is(err, drop.ErrOpen):
			opened++
		default:
			t.Fatal(err)
		}
	}
	t.Logf("moved %d times, was open %d times", moved, opened)
}

func TestPut(t *testing.T) {
	s := newStage(t, 1)
	id, at := newID(), s.clock(time.Hour)
	want := drop.Drop{ID: id, Show: s.show, Variant: s.variant, Opens: &at}
	odd := at.Add(-400 * time.Microsecond) // rounded up: never earlier than was asked
	got, pools, err := s.drop(id, &odd)
	if err != nil || len(pools) != 1 || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v %v %v", got, pools, err)
	}
	if got, pools, err = s.drop(id, &at); err != nil || len(pools) != 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("twice: %+v %v %v", got, pools, err)
	}
	rival := s.account("rival", account.Brand)
	ended := s.newShow()
	s.must(s.locked(ended, func(ctx context.Context, tx pgx.Tx, sh show.Show) error {
		_, err := show.End(ctx, tx, sh)
		return err
	}))
	second := s.newShow()
	s.supply(second, s.variant, 1)
	for name, c := range map[string]struct {
		by    account.Account
		in    commerce.ShowID
		id    commerce.DropID
		what  commerce.VariantID
		opens time.Time
		want  error
	}{
		"the creator":              {s.mara, s.show, id, s.variant, at.Add(time.Hour), nil},
		"somebody else":            {rival, s.show, id, s.variant, at, show.ErrNoSupplier},
		"an ended show":            {s.mara, ended, id, s.variant, at, show.ErrEnded},
		"a thing that is not sold": {s.mara, s.show, newID(), commerce.NewID[commerce.VariantID](), at, show.ErrNotListed},
		"another pending one":      {s.mara, s.show, newID(), s.variant, at, drop.ErrConflict},
		"the id of another show":   {s.mara, second, id, s.variant, at, drop.ErrTaken},
		"another show":             {s.ponte, second, newID(), s.variant, at, nil},
		"no id":                    {s.mara, s.show, commerce.DropID{}, s.variant, at, commerce.ErrID},
		"the past":                 {s.mara, s.show, id, s.variant, s.clock(0), drop.ErrTime},
		"as far ahead as may be":   {s.mara, s.show, id, s.variant, s.clock(drop.MaxAhead), nil},
		"further":                  {s.mara, s.show, id, s.variant, s.clock(drop.MaxAhead + time.Minute), drop.ErrTime},
	} {
		_, _, err := s.dropBy(c.by, c.in, drop.Drop{ID: c.id, Variant: c.what, Opens: &c.opens})
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// What has opened stays as it is; another drop may follow it, and is the one that counts then.
func TestOneAfterTheOther(t *testing.T) {
	s := newStage(t, 1)
	first, at := newID(), s.clock(2*time.Second)
	_, _, err := s.drop(first, &at)
	s.must(err)
	s.past(at)
	later := s.clock(time.Hour)
	if _, _, err := s.drop(first, &later); !errors.Is(err, drop.ErrOpen) {
		t.Fatalf("moved after it opened: %v", err)
	}
	for _, again := range []*time.Time{&at, nil} { // a repeated request, and an order that comes too late to matter
		if d, pools, err := s.drop(first, again); err != nil || len(pools) != 0 || !d.Opens.Equal(at) {
			t.Fatalf("%+v %v %v", d, pools, err)
		}
	}
	second := newID()
	_, _, err = s.drop(second, &later)
	s.must(err)
	if _, _, err := s.drop(first, nil); err != nil {
		t.Fatal(err)
	}
	latest, err := drop.Latest(t.Context(), s.db, s.show)
	if want := (drop.Drop{ID: second, Show: s.show, Variant: s.variant, Opens: &later}); err != nil || !reflect.DeepEqual(latest[s.variant], want) {
		t.Fatalf("%+v, %v", latest, err)
	}
	events, err := drop.Events(t.Context(), s.db, s.show)
	if want := (drop.Set{Variant: s.variant, Drop: second, OpensAt: &later}); err != nil || len(events) != 1 || !reflect.DeepEqual(events[0].Data, want) {
		t.Fatalf("%+v, %v", events, err)
	}
	var opens *time.Time
	s.must(s.db.QueryRow(t.Context(), `select opens_at from pool where variant = $1`, s.variant).Scan(&opens))
	if opens == nil || !opens.Equal(later) {
		t.Errorf("the pool opens at %v, want %v", opens, later)
	}
}

func TestAsManyDropsAsMayBe(t *testing.T) {
	s := newStage(t, 1)
	_, err := s.db.Exec(t.Context(), `insert into drops (id, show, variant, made_by) select gen_random_uuid(), $1, $2, $3 from generate_series(1, $4::int)`,
		s.show, s.variant, s.mara.ID, drop.MaxPerVariant-1)
	s.must(err)
	last, at := newID(), s.clock(time.Hour)
	_, _, err = s.drop(last, &at)
	s.must(err)
	_, _, err = s.drop(last, nil) // moving it is none more
	s.must(err)
	if _, _, err := s.drop(newID(), &at); !errors.Is(err, drop.ErrTooMany) {
		t.Fatalf("one too many: %v", err)
	}
}

// The same id is used in two shows at the same moment.
func TestOneIDInTwoShows(t *testing.T) {
	s := newStage(t, 1)
	second := s.newShow()
	s.supply(second, s.variant, 1)
	d := drop.Drop{ID: newID(), Variant: s.variant, Opens: new(time.Time)}
	*d.Opens = s.clock(time.Hour)
	other := make(chan error, 1)
	s.must(s.locked(s.show, func(ctx context.Context, tx pgx.Tx, sh show.Show) error {
		if _, _, err := drop.Put(ctx, tx, sh, s.mara, d); err != nil {
			return err
		}
		go func() {
			_, _, err := s.dropBy(s.mara, second, d)
			other <- err
		}()
		schematest.AwaitBlocked(t, s.db)
		return nil
	}))
	if err := <-other; !errors.Is(err, drop.ErrTaken) {
		t.Fatalf("%v", err)
	}
}
