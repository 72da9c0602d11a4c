package bus

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/realtime"
)

// ViewersEvent is the type of the cast that Count sends: a latest value
// without key and version, with the data {"count":12}.
const ViewersEvent = "viewers.set"

// beats say when viewers are counted again.
type beats struct {
	lapse   time.Duration // a node that says nothing of a room for so long has nobody in it
	refresh time.Duration // a node says the same count again after this; well below what callers wait themselves
	again   time.Duration // the same sum is cast again after this
}

var fullBeats = beats{lapse: 5 * time.Second, refresh: time.Second, again: 10 * time.Second}

// countsPerTrip bounds one pipeline, so that a node with many rooms does not
// hold up the others' commands.
const countsPerTrip = 128

// share is what a node last said of one room.
type share struct {
	count int
	at    time.Time
}

//go:embed count.lua
var countSource string

var countScript = redis.NewScript(countSource)

// Count implements realtime.Source.
func (b *Redis) Count(ctx context.Context, counts map[realtime.RoomID]int) error {
	wrong := checkCounts(counts)
	due := b.dueCounts(counts, time.Now())
	failed, first := 0, error(nil)
	for trip := range slices.Chunk(due, countsPerTrip) {
		said, err := b.sayCounts(ctx, trip, counts)
		b.mu.Lock()
		for _, room := range said {
			if n := counts[room]; n > 0 {
				b.shares[room] = share{n, time.Now()}
			} else {
				delete(b.shares, room)
			}
		}
		b.mu.Unlock()
		if err != nil {
			failed += len(trip) - len(said)
			b.metrics.countErrors.Add(float64(len(trip) - len(said)))
			if first == nil {
				first = err
			}
		}
	}
	if first != nil {
		first = fmt.Errorf("viewers of %d rooms: %w", failed, first)
	}
	return errors.Join(wrong, first)
}

// checkCounts speaks of the first wrong one; dueCounts leaves all of them out.
func checkCounts(counts map[realtime.RoomID]int) error {
	for room, n := range counts {
		if err := checkCount(room, n); err != nil {
			return err
		}
	}
	return nil
}

func checkCount(room realtime.RoomID, n int) error {
	if err := room.Validate(); err != nil {
		return err
	}
	if n < 0 {
		return fmt.Errorf("%w: %d viewers in %s", realtime.ErrInvalid, n, room)
	}
	return nil
}

// dueCounts are the rooms whose count has changed or has not been said for a
// while, and forgets the rooms that are no longer counted.
func (b *Redis) dueCounts(counts map[realtime.RoomID]int, now time.Time) (due []realtime.RoomID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for room, n := range counts {
		last, known := b.shares[room]
		if checkCount(room, n) == nil && (!known || last.count != n || now.Sub(last.at) >= b.beats.refresh) {
			due = append(due, room)
		}
	}
	maps.DeleteFunc(b.shares, func(room realtime.RoomID, _ share) bool { _, still := counts[room]; return !still })
	return due
}

// sayCounts runs the script for each room in one trip and returns the rooms
// whose count Redis has taken.
func (b *Redis) sayCounts(ctx context.Context, rooms []realtime.RoomID, counts map[realtime.RoomID]int) (said []realtime.RoomID, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	replies, err := b.pipeCounts(ctx, rooms, counts)
	if redis.HasErrorPrefix(err, "NOSCRIPT") { // a new or emptied server
		if err := countScript.Load(ctx, b.client).Err(); err != nil {
			return nil, err
		}
		replies, err = b.pipeCounts(ctx, rooms, counts)
	}
	for i, reply := range replies {
		if reply.Err() == nil {
			said = append(said, rooms[i])
		}
	}
	return said, err
}

func (b *Redis) pipeCounts(ctx context.Context, rooms []realtime.RoomID, counts map[realtime.RoomID]int) ([]*redis.Cmd, error) {
	head, tail := viewersEvent()
	pipe := b.client.Pipeline()
	replies := make([]*redis.Cmd, len(rooms))
	for i, room := range rooms {
		name := string(room)
		replies[i] = countScript.EvalSha(ctx, pipe, []string{viewersKey(name)},
			b.node, counts[room], b.beats.lapse.Milliseconds(), b.beats.again.Milliseconds(), channelOf(name), castMark, head, tail)
	}
	_, err := pipe.Exec(ctx)
	return replies, err
}

// viewersEvent is the event as it travels, cut where the number stands.
func viewersEvent() (head, tail string) {
	const mark = `"?"`
	e := viewersOf(0)
	e.Data = json.RawMessage(`{"count":` + mark + `}`)
	whole, _ := encode(e) // a constant
	head, tail, _ = strings.Cut(string(whole), mark)
	return head, tail
}

func viewersOf(sum int) realtime.Event {
	return realtime.Event{Type: ViewersEvent, Class: realtime.Latest, Data: json.RawMessage(fmt.Sprintf(`{"count":%d}`, sum))}
}
