package main

import (
	"context"

	"github.com/rialto-live/rialto/cmd/rialto/bridge"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/chat"
	"github.com/rialto-live/rialto/realtime/ws"
)

// roomParts is the event's journey on this node.
type roomParts struct {
	bus     bus.Bus
	hub     *realtime.Hub
	chat    *chat.Chat
	sockets *ws.Handler
}

// buildRooms comes before the sale, which speaks through the bus; the door to
// the rooms comes after it, since it asks who somebody is.
func (a *App) buildRooms() (err error) {
	r := &roomParts{}
	a.roomParts = r
	if r.bus, err = bus.NewRedis(bus.RedisConfig{Client: a.redis, Node: a.nodes.id, Log: a.log, Metrics: a.registry}); err != nil {
		return err
	}
	if r.hub, err = realtime.NewHub(realtime.Config{
		Bus: r.bus, Snapshot: bridge.Snapshot(a.pool), Withdrawn: bridge.Withdrawn, Log: a.log, Metrics: a.registry,
	}); err != nil {
		return err
	}
	commands := bridge.Commands{Pool: a.pool, Wrote: func() { a.dispatcher.Kick() }, Recent: r.bus.Recent}
	r.chat, err = chat.New(chat.Config{
		Cast: r.bus.Cast, Rules: bridge.Rules(a.pool), Command: commands.Do, Log: a.log, Metrics: a.registry,
	})
	return err
}

func (a *App) buildDoor() (err error) {
	door := bridge.Door{Pool: a.pool, Signer: a.signer, Identify: a.api.Identify}
	put := a.api.PutHold
	if a.cfg.crowd {
		put = strangers(put)
	}
	a.sockets, err = ws.New(ws.Config{
		Hub: a.hub, Authenticate: door.Authenticate, Call: bridge.Taps(put, a.chat.Call), AllowOrigin: a.allowOrigin,
		RemoteAddr: remoteAddr(a.cfg.TrustedProxy), Crowded: a.cfg.crowd, Log: a.log, Metrics: a.registry,
	})
	return err
}

// obey carries out the orders of all nodes about this node's connections.
func (a *App) obey(ctx context.Context) error {
	return a.bus.OnControl(ctx, bridge.Obeying{Relay: a.relay, Hub: a.hub, Chat: a.chat, Log: a.log}.Obey)
}
