package realtime

import "context"

// Position is a place in a room's history: the Offset-th event of Epoch. An
// epoch ends when the bus has lost its memory; offsets of different epochs
// have nothing to do with each other.
type Position struct {
	Epoch  string
	Offset int64
}

// Source is what a hub needs of the bus.
type Source interface {
	// Subscribe opens a room's feed. It returns when the feed is live: every
	// event after Position will be delivered.
	Subscribe(ctx context.Context, room RoomID) (Position, Feed, error)
	// Recent returns what somebody who comes now should be told besides the
	// snapshot: the last MaxRecent Keep events, oldest first, and the
	// unversioned values.
	Recent(ctx context.Context, room RoomID) ([]Event, error)
	// Count tells how many viewers each room has on this node; 0 says that
	// nobody is left. A room's count holds until the next one, or until some
	// seconds have passed without any, so that a dead node's viewers leave.
	Count(ctx context.Context, viewers map[RoomID]int) error
}

// MaxRecent is how many Keep events of a room are remembered for those who
// join.
const MaxRecent = 50

// Feed is the events of one room. Those that were published come in the order
// of their offsets, with no gap and no repetition: finding and repairing gaps
// is the bus's work. Fleeting events come in between, as they are heard; they
// may be lost, or come twice.
type Feed interface {
	// Ready is signalled after something was put into the feed.
	Ready() <-chan struct{}
	// Take returns what waits, which may be nothing. The slice belongs to the
	// caller until the next Take.
	Take() []Delivery
	Close()
}

// Delivery is one entry of a feed: an event and its offset, or news about the
// feed itself.
type Delivery struct {
	Offset int64 // 0 for a Fleeting event
	Event  Event
	News   News
	Epoch  string // with NewsReset: the epoch from here on, at Offset
}

// News is what a feed says about itself.
type News uint8

const (
	// NewsNone marks an ordinary event.
	NewsNone News = iota
	// NewsReset says that events are missing and cannot be had any more: the
	// room goes on from (Epoch, Offset) with a fresh snapshot.
	NewsReset
	// NewsDoubt says that the bus was out of reach and is back. Its memory is
	// whole as far as it knows, yet an event it had accepted may have died with
	// it: the room compares its state with a snapshot.
	NewsDoubt
)
