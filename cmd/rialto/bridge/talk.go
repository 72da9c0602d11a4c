package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/chat"
)

// Rules reads what those in charge of a show have laid down for its chat. A
// time-out ends at the moment from which Withdrawn shows what was said, by the
// clock that stamps the lines.
func Rules(pool *pgxpool.Pool) func(context.Context, realtime.RoomID) (chat.Rules, error) {
	return func(ctx context.Context, room realtime.RoomID) (chat.Rules, error) {
		id, err := commerce.Parse[commerce.ShowID](string(room))
		if err != nil {
			return chat.Rules{}, fmt.Errorf("rules of %s: %w", room, err)
		}
		r, err := community.ReadRules(ctx, pool, id)
		if err != nil {
			return chat.Rules{}, err
		}
		return chat.Rules{Slow: r.Slow, TimeOuts: r.TimeOuts}, nil
	}
}

// Withdrawn reads which lines of a room are not shown to those who join.
func Withdrawn(e realtime.Event) (gone func(realtime.Event) bool, ok bool) {
	if e.Type != "lines.gone" {
		return nil, false
	}
	var told community.LinesGone
	if json.Unmarshal(e.Data, &told) != nil { // it was made here
		return nil, false
	}
	taken := make(map[string]bool, len(told.Lines))
	for _, id := range told.Lines {
		taken[id] = true
	}
	before := make(map[string]int64, len(told.Authors)+len(told.Earlier)) // in Unix milliseconds
	for _, subject := range told.Authors {
		before[subject] = math.MaxInt64
	}
	for _, person := range told.Earlier {
		before[person.Subject] = person.Before
	}
	return func(kept realtime.Event) bool {
		if kept.Type != chat.TypeLine {
			return false
		}
		until := max(told.Before, before[kept.By])
		return taken[kept.ID] || until > 0 && saidAt(kept) < until
	}, true
}

// saidAt is when a line was said, in Unix milliseconds; 0 when it does not say.
func saidAt(e realtime.Event) int64 {
	var line struct{ At int64 }
	_ = json.Unmarshal(e.Data, &line) // it was made here
	return line.At
}

// Said finds a line among those that were said last in a show, for api.Config.
// Without the bus nobody remembers it.
func Said(recent func(context.Context, realtime.RoomID) ([]realtime.Event, error)) func(context.Context, commerce.ShowID, commerce.LineID) *community.Line {
	return func(ctx context.Context, show commerce.ShowID, id commerce.LineID) *community.Line {
		events, err := recent(ctx, realtime.RoomID(show.String()))
		if err != nil {
			return nil
		}
		for _, e := range events {
			var line chat.Line
			if e.Type == chat.TypeLine && e.ID == id.String() && json.Unmarshal(e.Data, &line) == nil {
				return &community.Line{ID: id, Subject: line.Subject, Name: line.Name, Text: line.Text, Known: true}
			}
		}
		return nil
	}
}
