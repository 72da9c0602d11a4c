package bridge

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
)

// Control hands an order about open connections from the outbox to every node.
func Control(to bus.Bus) outbox.Handler {
	return func(ctx context.Context, m outbox.Message) error {
		return outbox.Unavailable(to.Control(ctx, m.Data))
	}
}

// Obeying is who carries out orders on this node.
type Obeying struct {
	Relay *media.Relay
	Hub   *realtime.Hub
	Log   *slog.Logger
}

// Obey carries out one order. An order that came twice finds nobody the second
// time.
func (o Obeying) Obey(order json.RawMessage) {
	var m outbox.ControlMessage
	if err := json.Unmarshal(order, &m); err != nil {
		o.Log.Error("an order that cannot be read", "error", err)
		return
	}
	// Empty members match everything; an order that means everybody is a mistake.
	if m == (outbox.ControlMessage{Op: m.Op}) || m.Op == outbox.OpClose && m.Show == "" {
		o.Log.Error("an order that names nobody", "op", m.Op)
		return
	}
	switch m.Op {
	case outbox.OpClose:
		o.Relay.Close(media.StreamID(m.Show))
		o.Hub.Close(realtime.RoomID(m.Show))
	case outbox.OpRevoke:
		ended := o.Relay.Revoke(media.Match{
			Stream: media.StreamID(m.Show), Subject: m.Subject, Session: m.Session, KeyGenerationBelow: m.KeyGenerationBelow,
		})
		if m.KeyGenerationBelow == 0 { // a key opens no room
			ended += o.Hub.Revoke(realtime.Match{Room: realtime.RoomID(m.Show), Subject: m.Subject, Session: m.Session})
		}
		o.Log.Info("connections revoked", "show", m.Show, "subject", m.Subject, "session", m.Session, "ended", ended)
	default:
		o.Log.Error("an order of an unknown kind", "op", m.Op)
	}
}
