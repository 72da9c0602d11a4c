package bridge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/cmd/rialto/bridge"
	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/drop"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/ws"
)

func room(id commerce.ShowID) realtime.RoomID { return realtime.RoomID(id.String()) }

func TestSnapshotIsAllThatAShowSays(t *testing.T) {
	w := newWorld(t)
	id := w.newShow(w.mara)
	pan := w.sell(id, 7)
	w.sell(w.newShow(w.mara), 9)
	w.on(id, func(ctx context.Context, tx pgx.Tx, s show.Show) error { return show.Pin(ctx, tx, s, &pan, nil) })
	opens := time.Now().Add(time.Hour)
	w.on(id, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		p, err := catalog.Get(ctx, tx, pan)
		if err != nil {
			return err
		}
		_, _, err = drop.Put(ctx, tx, s, w.mara.Account, drop.Drop{ID: commerce.NewID[commerce.DropID](), Variant: p.Variants[0].ID, Opens: &opens})
		return err
	})
	events, err := bridge.Snapshot(w.db)(t.Context(), room(id))
	w.must(err)
	var version int64
	w.must(w.db.QueryRow(t.Context(), `select max(seq) from outbox where key = $1`, id.String()).Scan(&version))
	kinds := map[string]int{}
	for _, e := range events {
		kinds[e.Type]++
		if e.Version != version {
			t.Errorf("%s %s has version %d, want that of the last event, %d", e.Type, e.Key, e.Version, version)
		}
		if e.Class != realtime.Class(outbox.Lossless) && e.Class != realtime.Class(outbox.Latest) {
			t.Errorf("%s is of class %q", e.Type, e.Class)
		}
		if e.Type == "stock.set" && !strings.Contains(string(e.Data), `"left":7`) {
			t.Errorf("the count of another show: %s", e.Data)
		}
	}
	for _, kind := range []string{"show.state", "pin.set", "catalog.set", "price.set", "stock.set", "drop.set"} {
		if kinds[kind] != 1 {
			t.Errorf("%d events %s, want 1; there are %v", kinds[kind], kind, kinds)
		}
	}
	for _, unknown := range []realtime.RoomID{room(commerce.NewID[commerce.ShowID]()), "kitchen"} {
		if _, err := bridge.Snapshot(w.db)(t.Context(), unknown); !errors.Is(err, ws.ErrUnknownRoom) {
			t.Errorf("the snapshot of %s: %v", unknown, err)
		}
	}
}

// A snapshot is of one moment, whatever is being written: its version names the event that its pin is of.
func TestSnapshotUnderWrites(t *testing.T) {
	w := newWorld(t)
	id := w.newShow(w.mara)
	pans := []commerce.ProductID{w.sell(id, 1), w.sell(id, 1)}
	const writes = 60
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := range writes {
			err := schema.InTx(context.Background(), w.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
				s, err := show.Lock(ctx, tx, id)
				if err != nil {
					return err
				}
				return show.Pin(ctx, tx, s, &pans[i%2], nil)
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	type moment struct {
		version int64
		pin     string
	}
	var moments []moment
	for len(moments) < writes {
		events, err := bridge.Snapshot(w.db)(t.Context(), room(id))
		w.must(err)
		at := slices.IndexFunc(events, func(e realtime.Event) bool { return e.Type == "pin.set" })
		moments = append(moments, moment{events[at].Version, string(events[at].Data)})
	}
	writing.Wait()
	for _, m := range moments {
		said := `{"product":null,"pinned_at":0}`
		err := w.db.QueryRow(t.Context(), `select payload->>'d' from outbox where key = $1 and seq <= $2 and payload->>'t' = 'pin.set' order by seq desc limit 1`,
			id.String(), m.version).Scan(&said)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			t.Fatal(err)
		}
		if said != m.pin {
			t.Fatalf("at version %d the show said %s, and the snapshot says %s", m.version, said, m.pin)
		}
	}
}

func TestEventsReachTheBusOnceAndWithTheirNumber(t *testing.T) {
	b := bus.NewMemory()
	id := commerce.NewID[commerce.ShowID]()
	_, feed, err := b.Subscribe(t.Context(), room(id))
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	handle := bridge.Events(b)
	m := outbox.Message{ID: id.String() + ":7", Kind: outbox.KindEvent, Show: id.String(), Seq: 7, Type: "stock.set", Key: "var_1",
		Class: outbox.Latest, Urgent: true, Data: json.RawMessage(`{"left":0}`)}
	for range 3 { // a dispatcher that died between the call and its note of it
		if err := handle(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	lossless := m
	lossless.ID, lossless.Seq, lossless.Class, lossless.Type = id.String()+":8", 8, outbox.Lossless, "pin.set"
	if err := handle(t.Context(), lossless); err != nil {
		t.Fatal(err)
	}
	var got []realtime.Delivery
	for len(got) < 2 {
		select {
		case <-feed.Ready():
			got = append(got, feed.Take()...)
		case <-time.After(patience):
			t.Fatalf("the bus has %+v", got)
		}
	}
	if len(got) != 2 || got[0].Event.Version != 7 || !got[0].Event.Urgent || got[1].Event.Version != 8 || got[1].Event.Urgent {
		t.Errorf("the bus has %+v", got)
	}
	broken := m
	broken.ID, broken.Type = id.String()+":9", "no such type of event, with blanks"
	if err := handle(t.Context(), broken); !errors.Is(err, realtime.ErrInvalid) {
		t.Errorf("an event that no bus takes: %v", err)
	}
}

func TestControlReachesEveryNode(t *testing.T) {
	b := bus.NewMemory()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heard := make(chan string, 2)
	var listening sync.WaitGroup
	for range 2 {
		listening.Go(func() {
			if err := b.OnControl(ctx, func(order json.RawMessage) { heard <- string(order) }); err != nil {
				t.Error(err)
			}
		})
	}
	defer listening.Wait()
	defer cancel()
	// Listening begins at its own pace: what was said before it began is not heard.
	order := json.RawMessage(`{"op":"close","show":"shw_1"}`)
	handle, tick := bridge.Control(b, nil), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for nodes := 0; nodes < 2; {
		if err := handle(t.Context(), outbox.Message{ID: "c", Kind: outbox.KindControl, Data: order}); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-heard:
			nodes++
			if got != string(order) {
				t.Errorf("heard %s", got)
			}
		case <-tick.C:
		case <-deadline:
			t.Fatal("an order was not heard")
		}
	}
}

// publishes opens publishes of a relay and says which have ended.
type publishes struct {
	t     *testing.T
	relay *media.Relay
	hub   *realtime.Hub
	mu    sync.Mutex
	ended map[string]bool
}

func newPublishes(t *testing.T) *publishes {
	t.Helper()
	p := &publishes{t: t, ended: map[string]bool{}}
	var err error
	if p.relay, err = media.New(media.Config{}); err != nil {
		t.Fatal(err)
	}
	p.hub, err = realtime.NewHub(realtime.Config{
		Bus: bus.NewMemory(), Metrics: prometheus.NewRegistry(),
		Snapshot: func(context.Context, realtime.RoomID) ([]realtime.Event, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, g := range map[string]struct {
		stream media.StreamID
		grant  media.Grant
	}{
		"mara by key":    {"shw_1", media.Grant{Subject: "acc_mara", KeyGeneration: 1}},
		"mara by ticket": {"shw_2", media.Grant{Subject: "acc_mara", Session: "ses_1"}},
		"rosa by key":    {"shw_3", media.Grant{Subject: "acc_rosa", KeyGeneration: 3}},
		"rosa by ticket": {"shw_4", media.Grant{Subject: "acc_rosa", Session: "ses_2"}},
	} {
		g.grant.Rights = media.RightPublish
		_, err := p.relay.Publish(g.stream, g.grant, media.PublishOptions{OnEnd: func(error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.ended[name] = true
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func TestOrdersAreCarriedOut(t *testing.T) {
	for order, want := range map[string][]string{
		`{"op":"close","show":"shw_1"}`:                                                {"mara by key"},
		`{"op":"revoke","subject":"acc_mara"}`:                                         {"mara by key", "mara by ticket"},
		`{"op":"revoke","show":"shw_2","subject":"acc_mara"}`:                          {"mara by ticket"},
		`{"op":"revoke","show":"shw_2","subject":"acc_rosa"}`:                          nil,
		`{"op":"revoke","session":"ses_2"}`:                                            {"rosa by ticket"},
		`{"op":"revoke","show":"shw_1","key_generation_below":2}`:                      {"mara by key"},
		`{"op":"revoke","show":"shw_3","key_generation_below":3}`:                      nil, // made with the newest key
		`{"op":"revoke","show":"shw_2","key_generation_below":9}`:                      nil, // the studio's own
		`{"op":"revoke","show":"","subject":"","session":"","key_generation_below":0}`: nil, // an order that means everybody is a mistake
		`{"op":"close","show":""}`:                                                     nil,
		`{"op":"dance"}`:                                                               nil,
		`nonsense`:                                                                     nil,
	} {
		p := newPublishes(t)
		obey := bridge.Obeying{Relay: p.relay, Hub: p.hub, Log: slog.New(slog.DiscardHandler)}.Obey
		for range 2 { // an order may come twice
			obey(json.RawMessage(order))
		}
		var got []string
		for name := range p.ended {
			got = append(got, name)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s ended %q, want %q", order, got, want)
		}
	}
}

// air is what OnAir told others.
type air struct {
	mu             sync.Mutex
	silent, closed []media.StreamID
	after          int // owned by whoever calls
	log            bytes.Buffer
}

func (a *air) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.Write(p)
}

func (a *air) said() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.String()
}

func (a *air) port(w *world) bridge.Air {
	return bridge.Air{
		Pool: w.db, Node: "n-1", Log: slog.New(slog.NewTextHandler(a, nil)), Wrote: func() {},
		Set: func(ctx context.Context, tx pgx.Tx, _ time.Time, id commerce.ShowID, on bool, node string) (func(context.Context), error) {
			_, _, err := show.SetOnAir(ctx, tx, id, on, node)
			return func(context.Context) { a.after++ }, err
		},
		Silent: func(_ context.Context, id media.StreamID) { a.silent = append(a.silent, id) },
		Close:  func(id media.StreamID) { a.closed = append(a.closed, id) },
	}
}

func (w *world) onAir(id commerce.ShowID) (on bool) {
	w.t.Helper()
	s, err := show.Get(w.t.Context(), w.db, id)
	w.must(err)
	return s.OnAir
}

func TestMediaMakesAShowLive(t *testing.T) {
	w := newWorld(t)
	id, ended := w.newShow(w.mara), w.newShow(w.mara)
	w.end(ended)
	var a air
	tell := bridge.OnAir(t.Context(), a.port(w))
	tell(stream(id), true)
	if !w.onAir(id) || len(a.silent) > 0 {
		t.Error("media arrives, and the show is dark")
	}
	tell(stream(id), false)
	if w.onAir(id) || !slices.Equal(a.silent, []media.StreamID{stream(id)}) || a.after != 2 {
		t.Errorf("media has gone; on air: %v, given up: %v, %d told of commits", w.onAir(id), a.silent, a.after)
	}
	tell(stream(ended), true)
	if w.onAir(ended) || !slices.Equal(a.closed, []media.StreamID{stream(ended)}) {
		t.Errorf("media of an ended show goes on; closed are %v", a.closed)
	}
	tell("kitchen", true) // no show of ours; nothing to note
}

func TestMediaIsNotedOnceThePostgresIsBack(t *testing.T) {
	w := newWorld(t)
	postgres := embeddedtest.NewPostgresServer(t)
	w.db = schematest.Open(t, postgres.DSN())
	_, err := schema.Migrate(t.Context(), w.db)
	w.must(err)
	_, err = w.db.Exec(t.Context(), `insert into account (id, email, name, roles, password_hash) values ($1, 'mara@example.com', 'Mara', '{creator}', 'x')`, w.mara.Account.ID)
	w.must(err)
	id := w.newShow(w.mara)
	postgres.Kill()
	var a air
	told := make(chan struct{})
	go func() {
		defer close(told)
		bridge.OnAir(t.Context(), a.port(w))(stream(id), true)
	}()
	deadline, tick := time.Now().Add(patience), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(a.said(), "trying again") && time.Now().Before(deadline) {
		<-tick.C
	}
	postgres.Start()
	select {
	case <-told:
	case <-time.After(patience):
		t.Fatalf("the show was never told: %s", a.said())
	}
	if !w.onAir(id) {
		t.Error("the show is dark")
	}
}

// Who is told of their document is told the changes that it has once the order is carried: a hold of version 7 began as a change.
func TestMeIsToldWithItsVersion(t *testing.T) {
	w := newWorld(t)
	pan := w.sell(w.newShow(w.mara), 2)
	guest := commerce.NewID[commerce.GuestID]().String()
	w.must(schema.InTx(t.Context(), w.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		_, err := tx.Exec(ctx, `insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, version, expires_at)
			select $1, p.id, $2, 1, 'expired', 1, 'EUR', 7, now() from pool p join variant v on v.id = p.variant where v.product = $3`,
			commerce.NewID[commerce.HoldID](), guest, pan)
		return errors.Join(err, outbox.Me(ctx, tx, guest, "", guest, "gst_other"))
	}))
	var row json.RawMessage
	w.must(w.db.QueryRow(t.Context(), `select payload from outbox where lane = 'control'`).Scan(&row))
	b := bus.NewMemory()
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan json.RawMessage, 64)
	var listening sync.WaitGroup
	listening.Go(func() { _ = b.OnControl(ctx, func(order json.RawMessage) { heard <- order }) })
	defer listening.Wait()
	defer cancel()
	handle, tick := bridge.Control(b, w.db), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		w.must(handle(t.Context(), outbox.Message{ID: "c", Kind: outbox.KindControl, Data: row}))
		select {
		case got := <-heard:
			var m outbox.MeMessage
			w.must(json.Unmarshal(got, &m))
			want := []outbox.Told{{Subject: "gst_other"}, {Subject: guest, Version: 8}}
			slices.SortFunc(want, func(a, b outbox.Told) int { return strings.Compare(a.Subject, b.Subject) })
			if m.Op != outbox.OpMe || !slices.Equal(m.People, want) {
				t.Errorf("heard %s, want %v", got, want)
			}
			return
		case <-tick.C: // listening begins at its own pace
		case <-deadline:
			t.Fatal("an order was not heard")
		}
	}
}
