package storm

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/rialto-live/rialto/realtime"
)

// truth is what a room's show is: Postgres to the program. Each change gets the
// next version and is then told, as rows of an outbox are.
type truth struct {
	id realtime.RoomID // static

	mu       sync.Mutex
	version  int64
	state    []realtime.Event // by place in keys
	lossless int64            // how many there were
	history  [][]change       // of each lossless key, in order
}

// change is one lossless event: the number-th of the room.
type change struct{ number, version int64 }

// payload is the data of all events: the version they were made at, and which
// lossless one it is.
type payload struct {
	N int64 `json:"n"`
	Q int64 `json:"q"`
}

func newTruth(id realtime.RoomID) *truth {
	t := &truth{id: id, state: make([]realtime.Event, len(keys)), history: make([][]change, losslessKeys)}
	for key := range keys {
		t.set(key, false)
	}
	return t
}

// set changes the truth and returns the event to publish.
func (t *truth) set(key int, urgent bool) realtime.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version++
	k := keys[key]
	e := realtime.Event{
		Type: k.typ, Key: k.key, Version: t.version, Class: k.class, Urgent: urgent,
		Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, t.version)), ID: fmt.Sprintf("%s:%d", t.id, t.version),
	}
	if k.class == realtime.Lossless {
		t.lossless++
		t.history[key] = append(t.history[key], change{t.lossless, t.version})
		e.Data = json.RawMessage(fmt.Sprintf(`{"n":%d,"q":%d}`, t.version, t.lossless))
	}
	t.state[key] = e
	return e
}

// snapshot is the port of the hub.
func (t *truth) snapshot(context.Context, realtime.RoomID) ([]realtime.Event, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	events := make([]realtime.Event, len(t.state))
	copy(events, t.state)
	for i := range events {
		events[i].Version = t.version
	}
	return events, nil
}

// asOf is the version of a lossless key when number was the newest lossless
// event of all.
func (t *truth) asOf(key int, number int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.history[key]) - 1; i >= 0; i-- {
		if c := t.history[key][i]; c.number <= number {
			return c.version
		}
	}
	return 0
}

// now is the version of each key.
func (t *truth) now() []int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]int64, len(t.state))
	for i, e := range t.state {
		list[i] = e.Version
	}
	return list
}
