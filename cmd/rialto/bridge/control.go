package bridge

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/chat"
)

// Control hands an order about open connections from the outbox to every node.
// Who is told that their own document has changed is told its version, too.
func Control(to bus.Bus, pool *pgxpool.Pool) outbox.Handler {
	return func(ctx context.Context, m outbox.Message) error {
		order, err := numbered(ctx, pool, m.Data)
		if err != nil {
			return outbox.Unavailable(err)
		}
		return outbox.Unavailable(to.Control(ctx, order))
	}
}

// numbered puts into an order of the kind "me" the versions as they are now:
// the commit that it speaks of is in them, which it could not know itself.
func numbered(ctx context.Context, pool *pgxpool.Pool, order json.RawMessage) (json.RawMessage, error) {
	var m outbox.MeMessage
	if err := json.Unmarshal(order, &m); err != nil || m.Op != outbox.OpMe {
		return order, nil // of another kind, or Obey's to complain of
	}
	subjects := make([]string, len(m.People))
	for i, p := range m.People {
		subjects[i] = p.Subject
	}
	versions, err := checkout.Versions(ctx, pool, subjects)
	if err != nil {
		return nil, err
	}
	for i, p := range m.People {
		m.People[i].Version = versions[p.Subject]
	}
	return json.Marshal(m)
}

// Obeying is who carries out orders on this node.
type Obeying struct {
	Relay *media.Relay
	Hub   *realtime.Hub
	Chat  *chat.Chat
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
	if m.Op == outbox.OpMe {
		o.tell(order)
		return
	}
	// Empty members match everything; an order that means everybody is a mistake.
	if m == (outbox.ControlMessage{Op: m.Op}) || m.Op != outbox.OpRevoke && m.Show == "" {
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
	case outbox.OpTalk:
		o.Chat.Reread(realtime.RoomID(m.Show))
	case outbox.OpRejoin:
		o.Hub.Rejoin(realtime.Match{Room: realtime.RoomID(m.Show), Subject: m.Subject})
	default:
		o.Log.Error("an order of an unknown kind", "op", m.Op)
	}
}

// tell says to people's pages that their documents have changed. What is lost
// costs them nothing but time: a page reads its document whenever it joins.
func (o Obeying) tell(order json.RawMessage) {
	var m outbox.MeMessage
	if err := json.Unmarshal(order, &m); err != nil {
		o.Log.Error("an order that cannot be read", "error", err)
		return
	}
	for _, p := range m.People {
		o.Hub.Tell(p.Subject, p.Version)
	}
}
