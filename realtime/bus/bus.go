package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rialto-live/rialto/realtime"
)

// Bus is what the rest of the program needs of either implementation.
//
// Count casts the sum over all nodes as ViewersEvent when it has changed, and
// every ten seconds. A node that says nothing of a room for five seconds is
// left out of its sum. Rooms are counted one by one: when it returns an error,
// those that the error does not speak of stand.
type Bus interface {
	realtime.Source
	// Publish sends an event to the room's viewers on all nodes and returns
	// its offset. Publishing an event with the same ID again, within some
	// minutes, returns the first one's offset and sends nothing. A malformed
	// event is realtime.ErrInvalid; any other error means "try again".
	Publish(ctx context.Context, room realtime.RoomID, e realtime.Event) (offset int64, err error)
	// Cast sends a fleeting event. It is lost on who cannot hear it now. What
	// it leaves behind is told by Recent: the last MaxRecent with Keep (one
	// with the same ID as one of them is not sent again) and the newest value of
	// each type and key, behind them, by type and key. A malformed event, or
	// one with a version, is realtime.ErrInvalid.
	Cast(ctx context.Context, room realtime.RoomID, e realtime.Event) error
	// Control sends payload to every node that runs now.
	Control(ctx context.Context, payload json.RawMessage) error
	// OnControl calls f for each control message from here on, one after the
	// other, until ctx ends. A message may come twice.
	OnControl(ctx context.Context, f func(payload json.RawMessage)) error
	// Run serves until ctx ends.
	Run(ctx context.Context) error
}

// controlRoom is not a valid RoomID, so that nobody joins it.
const controlRoom = "!control"

const (
	// HistoryLimit is how many events of a room are kept for repair.
	HistoryLimit = 1024
	// ValueLimit is how many values without a version a room can have; those
	// of further keys are sent and not remembered.
	ValueLimit = 64
	// feedLimit is how many events wait for a room that stands still (it
	// reads a snapshot); more are fetched from the history later.
	feedLimit = 2048
	// castLimit is how many casts may wait among them: of more, the oldest are
	// lost.
	castLimit = 512
	// aheadLimit is how many messages a feed keeps that came live while its
	// history is read, so that they need not be read as well.
	aheadLimit = 512
	// subscribeRetry paces OnControl while the bus is out of reach.
	subscribeRetry = 250 * time.Millisecond
)

// sizes are those; tests of slow servers make them smaller.
type sizes struct{ history, waiting, casts, ahead int }

var fullSizes = sizes{HistoryLimit, feedLimit, castLimit, aheadLimit}

// wireEvent is an event as it travels between nodes.
type wireEvent struct {
	Type    string          `json:"t"`
	Key     string          `json:"k,omitempty"`
	Version int64           `json:"v"`
	Class   realtime.Class  `json:"c"`
	Urgent  bool            `json:"u,omitempty"`
	ID      string          `json:"i,omitempty"`
	Data    json.RawMessage `json:"d,omitempty"`

	Keep     bool  `json:"keep,omitempty"`
	Priority bool  `json:"first,omitempty"`
	Add      int64 `json:"add,omitempty"`

	By string `json:"by,omitempty"`
}

func encode(e realtime.Event) ([]byte, error) {
	return json.Marshal(wireEvent{e.Type, e.Key, e.Version, e.Class, e.Urgent, e.ID, e.Data, e.Keep, e.Priority, e.Add, e.By})
}

func decode(p []byte) (realtime.Event, error) {
	var w wireEvent
	if err := json.Unmarshal(p, &w); err != nil {
		return realtime.Event{}, fmt.Errorf("bus event: %w", err)
	}
	return realtime.Event{
		Type: w.Type, Key: w.Key, Version: w.Version, Class: w.Class, Urgent: w.Urgent, ID: w.ID, Data: w.Data,
		Keep: w.Keep, Priority: w.Priority, Add: w.Add, By: w.By,
	}, nil
}

// prepare checks an event that is about to be published and gives it an id.
func prepare(room realtime.RoomID, e realtime.Event) (realtime.Event, error) {
	if err := errors.Join(room.Validate(), e.Validate()); err != nil {
		return e, err
	}
	if e.Fleeting() {
		return e, fmt.Errorf("%w: a %s event without a version has no place in the history: cast it", realtime.ErrInvalid, e.Class)
	}
	if e.ID == "" {
		e.ID = uuid.NewString()
	}
	return e, nil
}

// checkCast checks an event that is about to be cast.
func checkCast(room realtime.RoomID, e realtime.Event) error {
	if err := errors.Join(room.Validate(), e.Validate()); err != nil {
		return err
	}
	if !e.Fleeting() {
		return fmt.Errorf("%w: an event with a version has a place in the history: publish it", realtime.ErrInvalid)
	}
	return nil
}

// controlEvent dresses payload as an event of the control room.
func controlEvent(payload json.RawMessage) (realtime.Event, error) {
	e := realtime.Event{Type: "control", Version: 1, Data: payload, Class: realtime.Lossless, ID: uuid.NewString()}
	return e, e.Validate()
}

// follow is OnControl for both implementations: subscribe opens the feed.
func follow(ctx context.Context, subscribe func(context.Context) (realtime.Feed, error), reset func(), f func(json.RawMessage)) error {
	var feed realtime.Feed
	for feed == nil {
		var err error
		if feed, err = subscribe(ctx); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(subscribeRetry):
		}
	}
	defer feed.Close()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-feed.Ready():
		}
		for _, d := range feed.Take() {
			switch d.News {
			case realtime.NewsNone:
				f(d.Event.Data)
			case realtime.NewsReset:
				reset()
			}
		}
	}
}
