package bench

import (
	"context"
	"log/slog"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/peer"
	"github.com/rialto-live/rialto/media/whip"
)

// newRelay wires a node's media as the product does, with a door that lets everybody in.
func newRelay() (*server, error) {
	registry, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	relay, err := media.New(media.Config{Registerer: registry})
	if err != nil {
		return nil, err
	}
	peers, err := peer.New(peer.Config{
		Relay: relay, Listen: ":0", PublicIPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Log: log, Registerer: registry,
	})
	if err != nil {
		return nil, err
	}
	door, err := whip.New(whip.Config{
		Node: "bench", Publish: negotiate(peers.Publish), Watch: negotiate(peers.Watch), Authorize: letIn, Log: log, Registerer: registry,
	})
	if err != nil {
		return nil, err
	}
	return &server{handler: door, metrics: registry, run: []func(context.Context) error{relay.Run, peers.Run, door.Run}}, nil
}

func letIn(_ context.Context, r whip.Request) (media.Grant, error) {
	if r.Action == whip.Publish {
		return media.Grant{Subject: "publisher", Rights: media.RightPublish}, nil
	}
	return media.Grant{Rights: media.RightWatch}, nil
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
