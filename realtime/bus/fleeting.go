package bus

import (
	"context"

	"github.com/rialto-live/rialto/realtime"
)

// Recent implements realtime.Source: nothing fleeting is carried yet.
func (m *Memory) Recent(context.Context, realtime.RoomID) ([]realtime.Event, error) { return nil, nil }

// Count implements realtime.Source: nobody is told yet.
func (m *Memory) Count(context.Context, map[realtime.RoomID]int) error { return nil }

// Recent implements realtime.Source: nothing fleeting is carried yet.
func (b *Redis) Recent(context.Context, realtime.RoomID) ([]realtime.Event, error) { return nil, nil }

// Count implements realtime.Source: nobody is told yet.
func (b *Redis) Count(context.Context, map[realtime.RoomID]int) error { return nil }
