package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/drop"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/price"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/commerce/stock"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/ws"
)

// Snapshot reads all that a show says at one moment. Everything committed by
// then has a number up to outbox.Seq, and nothing else has: that number is the
// version of each event.
func Snapshot(pool *pgxpool.Pool) func(context.Context, realtime.RoomID) ([]realtime.Event, error) {
	return func(ctx context.Context, room realtime.RoomID) ([]realtime.Event, error) {
		var id commerce.ShowID
		if err := id.UnmarshalText([]byte(room)); err != nil {
			return nil, fmt.Errorf("%w: %s", ws.ErrUnknownRoom, room)
		}
		var events []realtime.Event
		err := schema.Snapshot(ctx, pool, func(ctx context.Context, q schema.Querier, _ time.Time) error {
			version, err := outbox.Seq(ctx, q, id)
			if err != nil {
				return err
			}
			said, err := show.Events(ctx, q, id)
			if errors.Is(err, show.ErrUnknown) {
				return fmt.Errorf("%w: %s", ws.ErrUnknownRoom, room)
			}
			if err != nil {
				return err
			}
			prices, err := price.Events(ctx, q, id)
			if err != nil {
				return err
			}
			counts, err := stock.Events(ctx, q, id)
			if err != nil {
				return err
			}
			releases, err := drop.Events(ctx, q, id)
			if err != nil {
				return err
			}
			talk, err := community.Events(ctx, q, id)
			if err != nil {
				return err
			}
			events, err = versioned(slices.Concat(said, prices, counts, releases, talk), version)
			return err
		})
		return events, err
	}
}

func versioned(rows []outbox.EventRow, version int64) ([]realtime.Event, error) {
	events := make([]realtime.Event, 0, len(rows))
	for _, row := range rows {
		data, err := row.JSON()
		if err != nil {
			return nil, fmt.Errorf("snapshot event %s: %w", row.Type, err)
		}
		events = append(events, realtime.Event{Type: row.Type, Key: row.Key, Version: version, Data: data, Class: realtime.Class(row.Class)})
	}
	return events, nil
}
