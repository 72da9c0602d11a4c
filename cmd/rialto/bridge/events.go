package bridge

import (
	"context"
	"errors"

	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
)

// Events hands what a show says from the outbox to the bus. Publishing the
// same row twice is the same as once, since its id is its number in the show.
func Events(to bus.Bus) outbox.Handler {
	return func(ctx context.Context, m outbox.Message) error {
		_, err := to.Publish(ctx, realtime.RoomID(m.Show), realtime.Event{
			Type: m.Type, Key: m.Key, Version: m.Seq, Data: m.Data,
			Class: realtime.Class(m.Class), ID: m.ID, Urgent: m.Urgent && m.Class == outbox.Latest,
		})
		if errors.Is(err, realtime.ErrInvalid) {
			return outbox.Permanent(err)
		}
		return outbox.Unavailable(err)
	}
}
