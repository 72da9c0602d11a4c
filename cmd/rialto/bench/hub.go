package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/cmd/rialto/load"
	"github.com/rialto-live/rialto/cmd/rialto/load/frames"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/chat"
	"github.com/rialto-live/rialto/realtime/ws"
)

const (
	benchRoom = realtime.RoomID("shw_bench")
	// patient is how long a hub bears with viewers that read nothing, where it is measured what they cost.
	patient = 10 * time.Minute

	maxEvents    = 100_000
	maxEventGap  = 10 * time.Second
	maxHubOrder  = 4 << 10
	maxOrderSize = fullBytes
)

// hubOrder is what the parent asks of a hub or of the floor: events to say, evenly.
type hubOrder struct {
	Events int           `json:"events"`
	Every  time.Duration `json:"every"` // from one to the next
	Size   int           `json:"size"`  // of a message
	// Keys is how many latest values take their turns; 0: all events are lossless.
	Keys int `json:"keys"`
	// Lossless makes one of so many events a lossless one all the same; 0: none.
	Lossless int `json:"lossless"`
}

func (o hubOrder) validate() error {
	if o.Events < 1 || o.Events > maxEvents || o.Every < 0 || o.Every > maxEventGap || o.Size < 0 || o.Size > maxOrderSize ||
		o.Keys < 0 || o.Keys > keysMost || o.Lossless < 0 {
		return fmt.Errorf("an order of %+v", o)
	}
	return nil
}

// hubDone is what has been said, by all orders so far.
type hubDone struct {
	Lossless uint32           `json:"lossless"` // the number of the last lossless event
	Keys     [keysMost]uint32 `json:"keys"`     // and of the last of each key
}

// sayer makes events, one order after the other.
type sayer struct {
	say func(ctx context.Context, e event, version int64, size int) error

	mu      sync.Mutex // guards what follows
	version int64
	done    hubDone
}

// ServeHTTP answers POST /publish when all is said.
func (s *sayer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var order hubOrder
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxHubOrder)).Decode(&order)
	if err = errors.Join(err, order.validate()); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	done, err := s.run(r.Context(), order)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(done) // a parent that is gone takes the child with it
}

func (s *sayer) run(ctx context.Context, o hubOrder) (hubDone, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := time.Now()
	for i := range o.Events {
		if err := load.Rest(ctx, time.Until(next)); err != nil {
			return s.done, err
		}
		next = next.Add(o.Every)
		s.version++
		if err := s.say(ctx, s.next(i, o), s.version, o.Size); err != nil {
			return s.done, err
		}
	}
	return s.done, nil
}

// next needs mu.
func (s *sayer) next(i int, o hubOrder) event {
	if o.Keys == 0 || o.Lossless > 0 && i%o.Lossless == 0 {
		s.done.Lossless++
		return event{frames.Now(), s.done.Lossless, losslessKey}
	}
	key := i % o.Keys
	s.done.Keys[key]++
	return event{frames.Now(), s.done.Keys[key], key}
}

// newHub is realtime as the product has it, but for the bus, which is in memory, and the stores behind it.
func newHub() (*server, error) { return hubServer(realtime.Config{}, false) }

// newPatientHub closes nobody for being slow or silent.
func newPatientHub() (*server, error) {
	return hubServer(realtime.Config{WriteStall: patient, PingEvery: patient, DeadAfter: 2 * patient}, false)
}

// newTalkingHub has the chat too.
func newTalkingHub() (*server, error) { return hubServer(realtime.Config{}, true) }

func hubServer(cfg realtime.Config, talks bool) (*server, error) {
	registry, memory := prometheus.NewRegistry(), bus.NewMemory()
	cfg.Bus, cfg.Metrics, cfg.MaxConns = memory, registry, MaxConnections
	cfg.Snapshot = func(context.Context, realtime.RoomID) ([]realtime.Event, error) { return nil, nil }
	hub, err := realtime.NewHub(cfg)
	if err != nil {
		return nil, err
	}
	run := []func(context.Context) error{hub.Run, memory.Run}
	var answer func(context.Context, realtime.Caller, string, json.RawMessage) (any, error)
	if talks {
		talk, err := chat.New(chat.Config{Cast: memory.Cast, Metrics: registry})
		if err != nil {
			return nil, err
		}
		answer, run = talk.Call, append(run, talk.Run)
	}
	var guests atomic.Int64
	sockets, err := ws.New(ws.Config{
		Hub: hub, Call: answer,
		Authenticate: func(context.Context, ws.Hello) (ws.Identity, error) {
			n := strconv.FormatInt(guests.Add(1), 10)
			return ws.Identity{Subject: "gst_00000000-0000-7000-8000-" + n, Name: "Guest " + n}, nil
		},
		AllowOrigin: func(string) bool { return false }, // what comes here is no page
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /ws", sockets)
	mux.Handle("POST /publish", &sayer{say: func(ctx context.Context, e event, version int64, size int) error {
		class := realtime.Latest
		if e.key == losslessKey {
			class = realtime.Lossless
		}
		_, err := memory.Publish(ctx, benchRoom, realtime.Event{
			Type: typeEvent, Key: keyName(e.key), Version: version, Class: class, Data: e.data(version, size),
			ID: "bench:" + strconv.FormatInt(version, 10),
		})
		return err
	}})
	return &server{handler: mux, run: run, metrics: registry}, nil
}
