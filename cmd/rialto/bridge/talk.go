package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/chat"
)

// Rules reads what those in charge of a show have laid down for its chat. What
// is left of a time-out comes from the database's clock, and is counted by this
// node's from here on.
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
		now := time.Now()
		rules := chat.Rules{Slow: r.Slow, TimeOuts: make(map[string]time.Time, len(r.TimeOuts))}
		for subject, left := range r.TimeOuts {
			rules.TimeOuts[subject] = now.Add(left)
		}
		return rules, nil
	}
}

// Withdrawn reads which lines of a room, and whose, are not shown to those who
// join.
func Withdrawn(e realtime.Event) (ids, authors []string, ok bool) {
	if e.Type != "lines.gone" {
		return nil, nil, false
	}
	var gone community.LinesGone
	if json.Unmarshal(e.Data, &gone) != nil { // it was made here
		return nil, nil, false
	}
	return gone.Lines, gone.Authors, true
}
