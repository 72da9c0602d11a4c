package bus

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/realtime"
)

// castMark begins a message that is a cast. Epochs hold no such thing.
const castMark = "cast "

//go:embed cast.lua
var castSource string

//go:embed recent.lua
var recentSource string

var (
	castScript   = redis.NewScript(castSource)
	recentScript = redis.NewScript(recentSource)
)

// What cast.lua returns.
const (
	castRepeated = 0
	castUntold   = 2 // sent, and joiners will not be told
)

// valueName is a value's place among those that are remembered. Neither part
// holds a blank.
func valueName(e realtime.Event) string { return e.Type + " " + e.Key }

// Cast implements Bus.
func (b *Redis) Cast(ctx context.Context, room realtime.RoomID, e realtime.Event) error {
	if err := checkCast(room, e); err != nil {
		return fmt.Errorf("cast to %s: %w", room, err)
	}
	payload, err := encode(e)
	if err != nil {
		return fmt.Errorf("cast to %s: %w", room, err)
	}
	keep, value := "", ""
	if e.Keep {
		keep = e.ID
	}
	if e.Class == realtime.Latest {
		value = valueName(e)
	}
	name := string(room)
	done, err := castScript.Run(ctx, b.client, []string{keptKey(name), keptIDsKey(name), valuesKey(name)},
		channelOf(name), payload, roomTTL.Milliseconds(), castMark, keep, realtime.MaxRecent, value, ValueLimit).Int()
	if err != nil {
		b.metrics.castErrors.Inc()
		return fmt.Errorf("cast to %s: %w", room, err)
	}
	switch done {
	case castRepeated:
		b.metrics.castRepeats.Inc()
		return nil
	case castUntold:
		b.metrics.castDrops.WithLabelValues(dropValuesFull).Inc()
	}
	b.metrics.casts.Inc()
	return nil
}

// Recent implements realtime.Source.
func (b *Redis) Recent(ctx context.Context, room realtime.RoomID) ([]realtime.Event, error) {
	if err := room.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	name := string(room)
	payloads, err := recentScript.Run(ctx, b.client,
		[]string{keptKey(name), keptIDsKey(name), valuesKey(name), viewersKey(name)}).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("recent casts of %s: %w", room, err)
	}
	var kept, values []realtime.Event
	for _, payload := range payloads {
		e, err := decode([]byte(payload))
		switch {
		case err != nil:
			b.metrics.unreadable.Inc() // one line less
		case e.Class == realtime.Latest:
			values = append(values, e)
		default:
			kept = append(kept, e)
		}
	}
	return append(kept, byName(values)...), nil
}

func byName(values []realtime.Event) []realtime.Event {
	slices.SortFunc(values, func(a, b realtime.Event) int { return strings.Compare(valueName(a), valueName(b)) })
	return values
}

func (b *Redis) receivedCast(channel, payload string) {
	e, err := decode([]byte(payload))
	if err != nil {
		b.metrics.unreadable.Inc()
		return
	}
	for _, f := range b.feedsOf(channel) {
		if f.cast(e) {
			b.metrics.castDrops.WithLabelValues(dropQueueFull).Inc()
		}
	}
}
