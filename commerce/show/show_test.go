package show_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/show"
)

func TestLimitsOfAShow(t *testing.T) {
	s := newStage(t)
	in := func(d time.Duration) *time.Time { at := time.Now().Add(d); return &at }
	for name, c := range map[string]struct {
		edit show.Edit
		want error
	}{
		"title at the limit":       {show.Edit{Title: strings.Repeat("ü", show.MaxTitle)}, nil},
		"title past it":            {show.Edit{Title: strings.Repeat("ü", show.MaxTitle+1)}, show.ErrTitle},
		"title of spaces":          {show.Edit{Title: "  "}, show.ErrTitle},
		"title of two lines":       {show.Edit{Title: "a\nb"}, show.ErrTitle},
		"title that is not text":   {show.Edit{Title: "a\xff"}, show.ErrTitle},
		"description at the limit": {show.Edit{Title: "T", Description: strings.Repeat("ü", show.MaxDescription)}, nil},
		"description past it":      {show.Edit{Title: "T", Description: strings.Repeat("ü", show.MaxDescription+1)}, show.ErrDescription},
		"description with NUL":     {show.Edit{Title: "T", Description: "a\x00b"}, show.ErrDescription},
		"in almost two years":      {show.Edit{Title: "T", StartsAt: in(show.MaxAhead - time.Minute)}, nil},
		"in more than two years":   {show.Edit{Title: "T", StartsAt: in(show.MaxAhead + time.Minute)}, show.ErrStartsAt},
	} {
		c.edit.ID = commerce.NewID[commerce.ShowID]()
		if _, _, err := s.save(s.mara, c.edit); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, _, err := s.save(s.mara, show.Edit{Title: "T"}); !errors.Is(err, commerce.ErrID) {
		t.Errorf("without id: %v", err)
	}
}

func TestAtMostHundredOpenShows(t *testing.T) {
	s := newStage(t)
	var made, refused atomic.Int64
	var group errgroup.Group
	group.SetLimit(8)
	for range show.MaxOpen + 10 { // all at once: the count must not be read twice at the same time
		group.Go(func() error {
			_, _, err := s.save(s.mara, show.Edit{ID: commerce.NewID[commerce.ShowID](), Title: "T"})
			switch {
			case err == nil:
				made.Add(1)
			case errors.Is(err, show.ErrTooMany):
				refused.Add(1)
			default:
				return err
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil || made.Load() != show.MaxOpen || refused.Load() != 10 {
		t.Fatalf("%d made, %d refused, %v", made.Load(), refused.Load(), err)
	}
	s.exec(`update show set state = 'ended', ended_at = now() where id = (select id from show limit 1)`)
	s.show(nil)
}

func TestSameIDTwiceAtOnce(t *testing.T) {
	s := newStage(t)
	rival := s.creator("rival")
	e := show.Edit{ID: commerce.NewID[commerce.ShowID](), Title: "T"}
	var created, theirs atomic.Int64
	var group errgroup.Group
	for i := range 8 {
		by := s.mara
		if i%2 == 1 {
			by = rival
		}
		group.Go(func() error {
			_, made, err := s.save(by, e)
			if made {
				created.Add(1)
			}
			if errors.Is(err, show.ErrNotYours) {
				theirs.Add(1)
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil || created.Load() != 1 || theirs.Load() != 4 {
		t.Errorf("%d created, %d refused as another's, %v", created.Load(), theirs.Load(), err)
	}
	if n := s.count(`lane = 'event'`); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestOnAir(t *testing.T) {
	s := newStage(t)
	id := s.show(nil)
	air := func(on bool, node string) (sh show.Show, changed bool, err error) {
		err = s.in(func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
			sh, changed, err = show.SetOnAir(ctx, tx, id, on, node)
			return err
		})
		return sh, changed, err
	}
	for i, step := range []struct {
		on      bool
		node    string
		onAir   bool
		state   show.State
		changed bool
	}{
		{false, "n-1", false, show.Scheduled, false}, // a goodbye before any hello
		{true, "n-1", true, show.Live, true},
		{true, "n-1", true, show.Live, false},
		{true, "n-2", true, show.Live, false},  // moved to another node
		{false, "n-1", true, show.Live, false}, // the first one's late goodbye
		{false, "n-2", false, show.Live, true},
		{true, "n-2", true, show.Live, true},
	} {
		sh, changed, err := air(step.on, step.node)
		if err != nil || sh.OnAir != step.onAir || sh.State != step.state || changed != step.changed {
			t.Errorf("step %d: on air %v, %s, changed %v, %v", i, sh.OnAir, sh.State, changed, err)
		}
	}
	first, err := show.Get(t.Context(), s.pool, id)
	if err != nil || first.StartedAt == nil {
		t.Fatalf("started %v, %v", first.StartedAt, err)
	}
	// The node dies without a goodbye.
	reap := func(alive ...string) (n int) {
		err := s.in(func(ctx context.Context, tx pgx.Tx, _ time.Time) (err error) {
			n, err = show.OffAirUnless(ctx, tx, alive)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if reap("n-1", "n-2") != 0 || reap("n-1") != 1 || reap("n-1") != 0 {
		t.Error("off the air exactly once, and only when its node is gone")
	}
	if sh, _ := show.Get(t.Context(), s.pool, id); sh.OnAir || sh.State != show.Live {
		t.Errorf("after its node's death: %+v", sh)
	}
	if n := s.count(`lane = 'event' and payload->>'t' = 'show.state'`); n != 5 {
		t.Errorf("%d events, want creation and four changes", n)
	}
	if err := s.locked(id, func(ctx context.Context, tx pgx.Tx, sh show.Show) error { _, err := show.End(ctx, tx, sh); return err }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := air(true, "n-1"); !errors.Is(err, show.ErrEnded) {
		t.Errorf("on the air after the end: %v", err)
	}
	if _, changed, err := air(false, "n-1"); changed || err != nil {
		t.Errorf("goodbye after the end: %v, %v", changed, err)
	}
}

func TestKeys(t *testing.T) {
	s := newStage(t)
	id, other := s.show(nil), s.show(nil)
	get := func(id commerce.ShowID, of func(context.Context, pgx.Tx, show.Show) (show.Key, error)) (k show.Key) {
		t.Helper()
		err := s.locked(id, func(ctx context.Context, tx pgx.Tx, sh show.Show) (err error) { k, err = of(ctx, tx, sh); return err })
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := get(id, show.RotateKey) // without one before: the first
	if first.Generation != 1 || s.count(`lane = 'control'`) != 0 {
		t.Errorf("first key %+v; nobody publishes with an older one", first)
	}
	second := get(id, show.RotateKey)
	foreign := get(other, show.EnsureKey)
	ended := s.show(nil)
	last := get(ended, show.EnsureKey)
	if err := s.locked(ended, func(ctx context.Context, tx pgx.Tx, sh show.Show) error { _, err := show.End(ctx, tx, sh); return err }); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		show   commerce.ShowID
		secret string
		want   error
	}{
		"right":           {id, second.Secret, nil},
		"rotated away":    {id, first.Secret, show.ErrKey},
		"another show's":  {id, foreign.Secret, show.ErrKey},
		"cut":             {id, second.Secret[:len(second.Secret)-1], show.ErrKey},
		"longer":          {id, second.Secret + "a", show.ErrKey},
		"upper case":      {id, strings.ToUpper(second.Secret), show.ErrKey},
		"nothing":         {id, "", show.ErrKey},
		"no such show":    {commerce.NewID[commerce.ShowID](), second.Secret, show.ErrUnknown},
		"of an ended one": {ended, last.Secret, show.ErrEnded},
	} {
		p, err := show.CheckKey(t.Context(), s.pool, c.show, c.secret)
		if !errors.Is(err, c.want) || err == nil && (p.Creator != s.mara.ID || p.Generation != 2) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	var kept int
	if err := s.pool.QueryRow(t.Context(), `select count(*) from stream_key k where k::text like '%' || $1 || '%'`, second.Secret).Scan(&kept); err != nil || kept != 0 {
		t.Errorf("the secret is in the table: %d, %v", kept, err)
	}
	for subject, want := range map[string]error{s.mara.ID.String(): nil, s.creator("rival").ID.String(): show.ErrNotYours, "gst_x": show.ErrNotYours} {
		if err := show.CheckPublisher(t.Context(), s.pool, id, subject); !errors.Is(err, want) {
			t.Errorf("ticket of %s: %v", subject, err)
		}
	}
}

func TestRunSheetAndPin(t *testing.T) {
	s := newStage(t)
	id := s.show(nil)
	first := s.product("Copper pan 28 cm")
	for range 2 {
		if _, err := s.add(id, first.ID); err != nil {
			t.Fatal(err)
		}
	}
	for range show.MaxProducts - 1 {
		if added, err := s.add(id, s.product("Bowl").ID); !added || err != nil {
			t.Fatal(added, err)
		}
	}
	if _, err := s.add(id, s.product("Bowl").ID); !errors.Is(err, show.ErrFull) {
		t.Errorf("one past the limit: %v", err)
	}
	sheet, err := show.Products(t.Context(), s.pool, id)
	if err != nil || len(sheet) != show.MaxProducts || sheet[0] != first.ID {
		t.Errorf("%d products, %v", len(sheet), err)
	}
	pin := func(p *commerce.ProductID) error {
		return s.locked(id, func(ctx context.Context, tx pgx.Tx, sh show.Show) error { return show.Pin(ctx, tx, sh, p, nil) })
	}
	unlisted := s.product("Elsewhere").ID
	if err := pin(&unlisted); !errors.Is(err, show.ErrNotListed) {
		t.Errorf("pin of what is not listed: %v", err)
	}
	if err := errors.Join(pin(&first.ID), pin(&first.ID)); err != nil {
		t.Error(err)
	}
	if sh, _ := show.Get(t.Context(), s.pool, id); sh.Pin == nil || *sh.Pin != first.ID {
		t.Errorf("pin %v", sh.Pin)
	}
}

// A creator says when they pressed. What cannot be true, or comes too late to wait for, is as if nothing was said.
func TestPinnedAt(t *testing.T) {
	s := newStage(t)
	id, pan := s.show(nil), s.product("Pan").ID
	if _, err := s.add(id, pan); err != nil {
		t.Fatal(err)
	}
	const lag = int64(show.PinLag / time.Millisecond)
	for _, c := range []struct{ ahead, kept int64 }{{0, 0}, {-1, -1}, {-lag, -lag}, {-lag - 1, 0}, {1, 0}, {1 << 40, 0}, {math.MaxInt64, 0}} {
		var want, told int64
		err := s.locked(id, func(ctx context.Context, tx pgx.Tx, sh show.Show) error {
			var now int64
			if err := tx.QueryRow(ctx, `select floor(extract(epoch from now()) * 1000)::bigint`).Scan(&now); err != nil {
				return err
			}
			pressed := now + c.ahead // may wrap
			want = now + c.kept
			if err := show.Pin(ctx, tx, sh, nil, nil); err != nil {
				return err
			}
			sh.Pin = nil
			return show.Pin(ctx, tx, sh, &pan, &pressed)
		})
		if err != nil {
			t.Fatal(err)
		}
		sh, err := show.Get(t.Context(), s.pool, id)
		if err != nil || sh.PinnedAt != want {
			t.Errorf("pressed %d ms from now: %d, want %d; %v", c.ahead, sh.PinnedAt, want, err)
		}
		err = s.pool.QueryRow(t.Context(), `select (payload->'d'->>'pinned_at')::bigint from outbox where lane = 'event' and payload->>'t' = 'pin.set' order by seq desc limit 1`).Scan(&told)
		if err != nil || told != want {
			t.Errorf("pressed %d ms from now: told %d, want %d; %v", c.ahead, told, want, err)
		}
	}
}

// Whoever joins hears the same as whoever was there: the snapshot equals what the events built up.
func TestSnapshotEqualsEvents(t *testing.T) {
	s := newStage(t)
	id := s.show(nil)
	pan, bowl := s.product("Pan"), s.product("Bowl")
	steps := []func(context.Context, pgx.Tx, show.Show) error{
		func(ctx context.Context, tx pgx.Tx, sh show.Show) error {
			_, err := show.AddProduct(ctx, tx, sh, pan.ID)
			return errors.Join(err, s.announce(ctx, tx, pan.ID))
		},
		func(ctx context.Context, tx pgx.Tx, sh show.Show) error {
			_, err := show.AddProduct(ctx, tx, sh, bowl.ID)
			return errors.Join(err, s.announce(ctx, tx, bowl.ID))
		},
		func(ctx context.Context, tx pgx.Tx, sh show.Show) error { return show.Pin(ctx, tx, sh, &pan.ID, nil) },
		func(ctx context.Context, tx pgx.Tx, sh show.Show) error {
			_, err := tx.Exec(ctx, `update product set title = 'Copper pan' where id = $1`, pan.ID)
			return errors.Join(err, s.announce(ctx, tx, pan.ID))
		},
		func(ctx context.Context, tx pgx.Tx, sh show.Show) error {
			_, _, err := show.SetOnAir(ctx, tx, id, true, "n-1")
			return err
		},
		func(ctx context.Context, tx pgx.Tx, sh show.Show) error { return show.Pin(ctx, tx, sh, nil, nil) },
	}
	for _, step := range steps {
		if err := s.locked(id, step); err != nil {
			t.Fatal(err)
		}
	}
	built := map[string]string{"pin.set/pin": `{"product":null,"pinned_at":0}`} // what a page starts with
	rows, err := s.pool.Query(t.Context(), `select payload->>'t' || '/' || (payload->>'k'), payload->'d' from outbox where lane = 'event' order by seq`)
	if err != nil {
		t.Fatal(err)
	}
	var name string
	var data json.RawMessage
	if _, err := pgx.ForEachRow(rows, []any{&name, &data}, func() error { built[name] = string(data); return nil }); err != nil {
		t.Fatal(err)
	}
	events, err := show.Events(t.Context(), s.pool, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		data, err := e.JSON()
		if key := e.Type + "/" + e.Key; err != nil || built[key] != string(data) || e.Class != outbox.Lossless {
			t.Errorf("%s: snapshot %s, events %s", key, data, built[key])
		}
	}
	if len(events) != len(built) || len(events) != 3 {
		t.Errorf("%d in the snapshot, %d by events: %v", len(events), len(built), built)
	}
	if _, err := show.Events(t.Context(), s.pool, commerce.NewID[commerce.ShowID]()); !errors.Is(err, show.ErrUnknown) {
		t.Errorf("of an unknown show: %v", err)
	}
}
