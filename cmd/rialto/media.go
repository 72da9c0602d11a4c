package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/rialto-live/rialto/cmd/rialto/bridge"
	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/peer"
	"github.com/rialto-live/rialto/media/whip"
)

// mediaParts is the packet's journey on this node.
type mediaParts struct {
	relay *media.Relay
	peers *peer.Server
	whip  *whip.Handler

	air context.CancelFunc // ends the notes of what is on the air
}

func (m *mediaParts) release() { m.air() }

func (a *App) buildMedia() (err error) {
	// The notes outlive the relay's own end, so that they can say goodbye;
	// they end with the node.
	notes, end := context.WithCancel(context.Background())
	m := &mediaParts{air: end}
	a.mediaParts = m
	m.relay, err = media.New(media.Config{
		Registerer: a.registry,
		OnAir: bridge.OnAir(notes, bridge.Air{
			Pool: a.pool, Node: a.nodes.id, Log: a.log, Set: a.outages.SetOnAir, Wrote: func() { a.dispatcher.Kick() },
			Silent: func(ctx context.Context, id media.StreamID) {
				if err := a.nodes.Release(ctx, id); err != nil {
					a.log.Warn("another node may have to wait before this show can move to it", "show", id, "error", err)
				}
			},
			Close: func(id media.StreamID) { m.relay.Close(id) },
		}),
	})
	if err != nil {
		return err
	}
	ips := make([]netip.Addr, 0, len(a.cfg.MediaPublicIP))
	for _, text := range a.cfg.MediaPublicIP {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("MEDIA_PUBLIC_IP: %w", err)
		}
		ips = append(ips, ip)
	}
	m.peers, err = peer.New(peer.Config{
		Relay: m.relay, Listen: net.JoinHostPort("", strconv.Itoa(a.cfg.MediaPort)), PublicIPs: ips,
		Log: a.log, Registerer: a.registry,
	})
	if err != nil {
		return err
	}
	door := bridge.Door{Pool: a.pool, Signer: a.signer, Identify: a.api.Identify}
	m.whip, err = whip.New(whip.Config{
		Node: a.nodes.id, Publish: negotiate(m.peers.Publish), Watch: negotiate(m.peers.Watch),
		Authorize: door.Authorize, Locate: a.nodes.Locate, Claim: a.nodes.Claim, NodeURL: a.nodes.NodeURL,
		AllowOrigin: a.allowOrigin, RemoteAddr: remoteAddr(a.cfg.TrustedProxy), Log: a.log, Registerer: a.registry,
	})
	return err
}

// negotiate gives peer's sessions the type that whip asks for.
func negotiate(open func(context.Context, media.StreamID, media.Grant, []byte) (*peer.Session, []byte, error)) whip.Negotiate {
	return func(ctx context.Context, id media.StreamID, g media.Grant, offer []byte) (whip.Session, []byte, error) {
		session, answer, err := open(ctx, id, g, offer)
		if err != nil {
			return nil, nil, err
		}
		return session, answer, nil
	}
}
