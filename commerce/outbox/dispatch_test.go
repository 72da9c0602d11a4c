package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestDeliversWhatWasWritten(t *testing.T) {
	pool := schematest.Pool(t)
	show := newShow()
	seen := &recorder{}
	d, registry, _ := start(t, pool, map[string]outbox.Handler{outbox.KindEvent: seen.handle, outbox.KindControl: seen.handle})
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		row := outbox.EventRow{Type: "stock.set", Key: "v", Class: outbox.Latest, Urgent: true, Data: map[string]int{"left": 0}}
		return outbox.Event(ctx, tx, show, row)
	})
	d.Kick()
	eventually(t, "one message", func() bool { return len(seen.all()) == 1 })
	m := seen.all()[0]
	if m.ID != show.String()+":1" || m.Show != show.String() || m.Seq != 1 || m.Type != "stock.set" || m.Key != "v" ||
		m.Class != outbox.Latest || !m.Urgent || string(m.Data) != `{"left":0}` || m.Attempt != 1 || m.Kind != outbox.KindEvent {
		t.Errorf("message %+v", m)
	}
	order := outbox.ControlMessage{Op: outbox.OpRevoke, Show: show.String(), KeyGenerationBelow: 2}
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error { return outbox.Control(ctx, tx, order) })
	d.Kick()
	eventually(t, "the control", func() bool { return len(seen.all()) == 2 })
	var got outbox.ControlMessage
	if err := json.Unmarshal(seen.all()[1].Data, &got); err != nil || got != order {
		t.Errorf("control %s, %v", seen.all()[1].Data, err)
	}
	eventually(t, "delivered rows are gone", func() bool { return count(t, pool, "true") == 0 })
	if n := metric(t, registry, "rialto_commerce_outbox_delivered_rows_total"); n != 2 {
		t.Errorf("%v rows counted, want 2", n)
	}
}

// step is one transaction of a writer: n events of a show, perhaps undone.
type step struct {
	show, n int
	undo    bool
}

// inOrder is a handler that knows the last number of each show.
type inOrder struct {
	mu   sync.Mutex
	last map[string]int64
	bad  []string
}

func (o *inOrder) handle(_ context.Context, m outbox.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if m.Seq != o.last[m.Show]+1 {
		o.bad = append(o.bad, fmt.Sprintf("%s: %d after %d", m.Show, m.Seq, o.last[m.Show]))
	}
	o.last[m.Show] = m.Seq
	return nil
}

func (o *inOrder) arrived(shows []commerce.ShowID, want []int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, show := range shows {
		if o.last[show.String()] != want[i] {
			return false
		}
	}
	return true
}

func (s step) write(ctx context.Context, pool *pgxpool.Pool, show commerce.ShowID) error {
	undone := errors.New("undone")
	err := schema.InTx(ctx, pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		rows := make([]outbox.EventRow, s.n)
		for i := range rows {
			rows[i] = event(i)
		}
		if err := outbox.Event(ctx, tx, show, rows...); err != nil || !s.undo {
			return err
		}
		return undone
	})
	if errors.Is(err, undone) {
		return nil
	}
	return err
}

// Writers in parallel, transactions that are undone, two dispatchers: each show's events arrive in the order
// of their numbers, without gap, each once.
func TestOrderPerShowUnderConcurrency(t *testing.T) {
	pool := schematest.Pool(t)
	rapid.Check(t, func(rt *rapid.T) {
		shows := make([]commerce.ShowID, rapid.IntRange(1, 4).Draw(rt, "shows"))
		for i := range shows {
			shows[i] = newShow()
		}
		writers := rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{rapid.IntRange(0, len(shows)-1).Draw(rt, "show"), rapid.IntRange(1, 5).Draw(rt, "n"), rapid.IntRange(0, 4).Draw(rt, "undo") == 0}
		}), 1, 8), 1, 6).Draw(rt, "writers")

		order := &inOrder{last: map[string]int64{}}
		ctx, cancel := context.WithCancel(context.Background())
		var running, writing errgroup.Group
		for range 2 {
			d := newDispatcher(rt, pool, map[string]outbox.Handler{outbox.KindEvent: order.handle})
			running.Go(func() error { return d.Run(ctx) })
		}
		want := make([]int64, len(shows))
		for _, steps := range writers {
			for _, s := range steps {
				if !s.undo {
					want[s.show] += int64(s.n)
				}
			}
			writing.Go(func() error {
				for _, s := range steps {
					if err := s.write(ctx, pool, shows[s.show]); err != nil {
						return err
					}
				}
				return nil
			})
		}
		err := writing.Wait()
		for deadline := time.Now().Add(patience); err == nil && !order.arrived(shows, want) && time.Now().Before(deadline); {
			<-time.After(time.Millisecond)
		}
		cancel()
		if err := errors.Join(err, running.Wait()); err != nil {
			rt.Fatal(err)
		}
		if !order.arrived(shows, want) || len(order.bad) > 0 {
			rt.Fatalf("arrived %v, written %v; out of order: %v", order.last, want, order.bad)
		}
	})
}

// A node is killed while it hands over: its connections break, nothing is deleted, and the other node
// delivers the same message at once, with the same id.
func TestKilledWhileHandingOver(t *testing.T) {
	dsn := schematest.Database(t)
	doomed, pool := schematest.Open(t, dsn+" application_name=doomed"), schematest.Open(t, dsn)
	show, other := newShow(), newShow()
	seen := &recorder{}
	held, release := make(chan string, 1), make(chan struct{})
	start(t, doomed, map[string]outbox.Handler{outbox.KindEvent: func(ctx context.Context, m outbox.Message) error {
		if m.Show != show.String() {
			return seen.handle(ctx, m)
		}
		select {
		case held <- m.ID:
		default:
		}
		<-release
		return nil
	}})
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error { return outbox.Event(ctx, tx, show, event(1), event(2)) })
	first := <-held
	t.Cleanup(func() { close(release) }) // before the dispatcher is stopped, which waits for its handler

	start(t, pool, map[string]outbox.Handler{outbox.KindEvent: seen.handle})
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error { return outbox.Event(ctx, tx, other, event(1)) })
	eventually(t, "the other show is not held up", func() bool { return len(seen.all()) == 1 })
	if seen.all()[0].Show != other.String() {
		t.Fatalf("a second node spoke for a show that is claimed: %+v", seen.all()[0])
	}
	// Perhaps the doomed node spoke for it: killed before it noted that, it would have it said twice.
	eventually(t, "the other show has nothing left", func() bool { return count(t, pool, "key = '"+other.String()+"'") == 0 })
	// Close takes effect at once and then waits for the connection that is in use.
	var closing sync.WaitGroup
	closing.Go(doomed.Close)
	eventually(t, "the doomed node opens nothing any more", func() bool { return doomed.Ping(t.Context()) != nil })
	if _, err := pool.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'doomed'`); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both events by the other node", func() bool { return len(seen.all()) == 3 })
	if ids := []string{seen.all()[1].ID, seen.all()[2].ID}; ids[0] != first || ids[1] != show.String()+":2" {
		t.Errorf("ids %v, want %s first", ids, first)
	}
}

func TestAPoisonedEventIsParkedAndTheRestGoesOn(t *testing.T) {
	pool := schematest.Pool(t)
	show := newShow()
	seen := &recorder{}
	d, registry, _ := start(t, pool, map[string]outbox.Handler{outbox.KindEvent: func(ctx context.Context, m outbox.Message) error {
		switch m.Seq {
		case 2:
			return outbox.Permanent(errors.New("no such form \x00\xff"))
		case 3:
			panic("broken handler")
		}
		return seen.handle(ctx, m)
	}})
	_, err := pool.Exec(t.Context(), `create function hasten() returns trigger language plpgsql as $$ begin
		new.not_before := least(new.not_before, now()); return new; end $$;
		create trigger hasten before update on outbox for each row execute function hasten()`)
	if err != nil {
		t.Fatal(err)
	}
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		return outbox.Event(ctx, tx, show, event(1), event(2), event(3), event(4))
	})
	d.Kick()
	eventually(t, "the last event", func() bool { n := seen.all(); return len(n) == 2 && n[1].Seq == 4 })
	var parked []outbox.Parked
	eventually(t, "both are parked", func() bool { // which is written once the last one is out
		parked, err = outbox.ListParked(t.Context(), pool)
		return err != nil || len(parked) == 2
	})
	if err != nil || parked[0].Attempts != 1 || parked[1].Attempts != 10 {
		t.Fatalf("parked %+v, %v", parked, err)
	}
	eventually(t, "both are counted", func() bool { return metric(t, registry, "rialto_commerce_outbox_parked_rows_total") == 2 })
	// A person looked at it, and it goes out after all.
	if _, err := pool.Exec(t.Context(), `update outbox set seq = 1000 where id = $1`, parked[0].Row); err != nil {
		t.Fatal(err)
	}
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error { return outbox.Unpark(ctx, tx, parked[0].Row) })
	eventually(t, "the unparked event", func() bool { return len(seen.all()) == 3 })
}

// A receiver that is away is waited for; nothing is parked and nothing overtakes.
func TestUnavailableIsNeverParked(t *testing.T) {
	pool := schematest.Pool(t)
	show := newShow()
	var mu sync.Mutex
	tries, away := 0, true
	seen := &recorder{}
	d, _, _ := start(t, pool, map[string]outbox.Handler{outbox.KindEvent: func(ctx context.Context, m outbox.Message) error {
		mu.Lock()
		defer mu.Unlock()
		if tries++; away {
			return outbox.Unavailable(errors.New("connection refused"))
		}
		return seen.handle(ctx, m)
	}})
	_, err := pool.Exec(t.Context(), `create function hasten() returns trigger language plpgsql as $$ begin
		new.not_before := least(new.not_before, now()); return new; end $$;
		create trigger hasten before update on outbox for each row execute function hasten()`)
	if err != nil {
		t.Fatal(err)
	}
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error { return outbox.Event(ctx, tx, show, event(1), event(2)) })
	d.Kick()
	eventually(t, "more tries than would park", func() bool { mu.Lock(); defer mu.Unlock(); return tries > 15 })
	mu.Lock()
	away = false
	mu.Unlock()
	eventually(t, "both, in order", func() bool { return len(seen.all()) == 2 })
	if got := seen.all(); got[0].Seq != 1 || got[1].Seq != 2 {
		t.Errorf("order %v", got)
	}
	if n := count(t, pool, "parked_at is not null"); n != 0 {
		t.Errorf("%d parked", n)
	}
}

func TestSlowEffectsBlockNeitherEventsNorControls(t *testing.T) {
	pool := schematest.Pool(t)
	release := make(chan struct{})
	started := make(chan struct{}, outbox.MaxEffects)
	seen := &recorder{}
	d, _, stop := start(t, pool, map[string]outbox.Handler{
		"payment.capture": func(context.Context, outbox.Message) error { started <- struct{}{}; <-release; return nil },
		outbox.KindEvent:  seen.handle, outbox.KindControl: seen.handle,
	})
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		for i := range outbox.MaxEffects + 5 {
			if err := outbox.Effect(ctx, tx, "payment.capture", fmt.Sprintf("cap:%d", i), nil, time.Time{}); err != nil {
				return err
			}
		}
		return nil
	})
	d.Kick()
	for range outbox.MaxEffects {
		<-started
	}
	show := newShow()
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		if err := outbox.Control(ctx, tx, outbox.ControlMessage{Op: outbox.OpClose, Show: show.String()}); err != nil {
			return err
		}
		return outbox.Event(ctx, tx, show, event(1))
	})
	d.Kick()
	eventually(t, "event and control", func() bool { return len(seen.all()) == 2 })
	if n := count(t, pool, "lane = 'effect' and attempts > 0"); n != outbox.MaxEffects {
		t.Errorf("%d effects claimed, at most %d may be", n, outbox.MaxEffects)
	}
	close(release)
	eventually(t, "all captures done", func() bool { return count(t, pool, "done_at is not null") == outbox.MaxEffects+5 })
	stop()
}

// A kind with a number of its own is worked on so many times at once, and takes no place of the others.
func TestAKindHasItsOwnPlaces(t *testing.T) {
	const own = 12
	pool := schematest.Pool(t)
	started, release := make(chan string, 100), make(chan struct{})
	slow := func(_ context.Context, m outbox.Message) error { started <- m.Kind; <-release; return nil }
	config := outbox.Config{
		Pool: pool, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Registerer: prometheus.NewRegistry(), Poll: 10 * time.Millisecond,
		Handlers: map[string]outbox.Handler{"payment.capture": slow, "payment.void": slow, "mail.order": slow},
	}
	for _, n := range []int{0, -1, outbox.MaxAtOnce + 1} {
		config.AtOnce = map[string]int{"payment.capture": n}
		if _, err := outbox.New(config); err == nil {
			t.Errorf("%d at once were taken", n)
		}
	}
	config.AtOnce = map[string]int{"payment.capture": outbox.MaxAtOnce}
	if err := config.Validate(); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	config.AtOnce["payment.capture"] = own
	d, err := outbox.New(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		for i := range own + 5 {
			for _, kind := range []string{"payment.capture", "payment.void", "mail.order"} {
				if err := outbox.Effect(ctx, tx, kind, fmt.Sprint(i), nil, time.Time{}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running errgroup.Group
	running.Go(func() error { return d.Run(ctx) })
	defer func() { cancel(); _ = running.Wait() }()
	at := map[string]int{}
	for range own + outbox.MaxEffects {
		at[<-started]++
	}
	if at["payment.capture"] != own || at["payment.void"]+at["mail.order"] != outbox.MaxEffects {
		t.Errorf("begun: %v", at)
	}
	if n := count(t, pool, "attempts > 0"); n != own+outbox.MaxEffects {
		t.Errorf("%d are claimed", n)
	}
	close(release)
	eventually(t, "all done", func() bool { return count(t, pool, "done_at is not null and attempts = 1") == 3*(own+5) })
}

func TestEffectsWaitForTheirTime(t *testing.T) {
	pool := schematest.Pool(t)
	seen := &recorder{}
	d, _, _ := start(t, pool, map[string]outbox.Handler{"drop.open": seen.handle})
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		return outbox.Effects(ctx, tx,
			outbox.EffectRow{Kind: "drop.open", ID: "later", NotBefore: time.Now().Add(time.Hour)},
			outbox.EffectRow{Kind: "drop.open", ID: "now"},
			outbox.EffectRow{Kind: "of another version", ID: "unknown kind"})
	})
	d.Kick()
	eventually(t, "the one that is due", func() bool { return count(t, pool, "done_at is not null") == 1 })
	if got := seen.all(); len(got) != 1 || got[0].ID != "now" {
		t.Errorf("called for %v", got)
	}
	if _, err := pool.Exec(t.Context(), `update outbox set not_before = now() where ref = 'later'`); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other one, once due", func() bool { return count(t, pool, "done_at is not null") == 2 })
	if n := count(t, pool, "ref = 'unknown kind' and attempts = 0"); n != 1 {
		t.Error("an effect of an unknown kind was touched")
	}
}

// The promise behind every revocation: what one node writes, another delivers well within a second, without
// being told.
func TestControlIsDeliveredWithinASecondWithoutAKick(t *testing.T) {
	pool := schematest.Pool(t)
	arrived := make(chan time.Time, 1)
	d, err := outbox.New(outbox.Config{
		Pool: pool, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Registerer: prometheus.NewRegistry(),
		Handlers: map[string]outbox.Handler{outbox.KindControl: func(context.Context, outbox.Message) error { arrived <- time.Now(); return nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running errgroup.Group
	running.Go(func() error { return d.Run(ctx) })
	defer func() { cancel(); _ = running.Wait() }()
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		return outbox.Control(ctx, tx, outbox.ControlMessage{Op: outbox.OpClose, Show: newShow().String()})
	})
	committed := time.Now()
	if took := (<-arrived).Sub(committed); took > time.Second {
		t.Errorf("took %v", took)
	}
}
