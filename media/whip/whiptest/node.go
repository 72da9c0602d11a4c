package whiptest

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/client"
	"github.com/rialto-live/rialto/media/peer"
	"github.com/rialto-live/rialto/media/whip"
)

// Loopback is the network of a client on the machine of the test.
var Loopback = client.Network{Addr: netip.MustParseAddr("127.0.0.1")}

// Grace is how long a node of the tests keeps a stream without a publisher.
const Grace = 1500 * time.Millisecond

// Node is one node of media.
type Node struct {
	Relay   *media.Relay
	Peer    *peer.Server
	Handler *whip.Handler
	Server  *httptest.Server
	metrics *prometheus.Registry // of Peer
	stop    context.CancelFunc
	running errgroup.Group
}

// Start runs a node until the test ends. A publish key is "sk_" and its
// subject, so that keys of two people are easily made; the key "sk_wrong" is
// nobody's. Changes may alter the configurations before they are used.
func Start(t testing.TB, changes ...func(*media.Config, *whip.Config)) *Node {
	t.Helper()
	relayConfig := media.Config{Grace: Grace}
	whipConfig := whip.Config{Node: "n-test", Authorize: Authorize, AllowOrigin: func(o string) bool { return o == "https://shop.example" }}
	n := &Node{metrics: prometheus.NewRegistry()}
	whipConfig.Publish = func(ctx context.Context, id media.StreamID, g media.Grant, offer []byte) (whip.Session, []byte, error) {
		return session(n.Peer.Publish(ctx, id, g, offer))
	}
	whipConfig.Watch = func(ctx context.Context, id media.StreamID, g media.Grant, offer []byte) (whip.Session, []byte, error) {
		return session(n.Peer.Watch(ctx, id, g, offer))
	}
	for _, change := range changes {
		change(&relayConfig, &whipConfig)
	}
	var err error
	if n.Relay, err = media.New(relayConfig); err != nil {
		t.Fatal(err)
	}
	n.Peer, err = peer.New(peer.Config{Relay: n.Relay, Listen: "127.0.0.1:0", PublicIPs: []netip.Addr{Loopback.Addr}, Log: slog.New(slog.DiscardHandler), Registerer: n.metrics})
	if err != nil {
		t.Fatal(err)
	}
	if n.Handler, err = whip.New(whipConfig); err != nil {
		t.Fatal(err)
	}
	n.Server = httptest.NewServer(n.Handler)
	n.run(t)
	return n
}

func (n *Node) run(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	n.running.Go(func() error { return n.Relay.Run(ctx) })
	n.running.Go(func() error { return n.Peer.Run(ctx) })
	n.running.Go(func() error { return n.Handler.Run(ctx) })
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Errorf("the node ended with %v", err)
		}
	})
}

// Stop ends the node and waits for it, as a process that is asked to stop. It
// may be called before the end of the test.
func (n *Node) Stop() error {
	n.stop()
	err := n.running.Wait()
	n.Server.Close()
	return err
}

// LeanViewers is how many viewers the lean transport carries at this moment, those that still connect included.
func (n *Node) LeanViewers(t testing.TB) int {
	t.Helper()
	families, err := n.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "rialto_media_lean_viewers" {
			return int(family.GetMetric()[0].GetGauge().GetValue())
		}
	}
	t.Fatal("the node does not say how many viewers are lean")
	return 0
}

// session keeps a nil of peer's type from becoming a Session that is not nil.
func session(s *peer.Session, answer []byte, err error) (whip.Session, []byte, error) {
	if err != nil {
		return nil, nil, err
	}
	return s, answer, nil
}

// WHIP and WHEP are the endpoints of a stream.
func (n *Node) WHIP(stream string) string { return n.Server.URL + "/whip/" + stream }

// WHEP is where a stream is watched.
func (n *Node) WHEP(stream string) string { return n.Server.URL + "/whep/" + stream }

// Authorize lets everybody watch, and publish with the key "sk_" + subject.
func Authorize(_ context.Context, r whip.Request) (media.Grant, error) {
	if r.Stream == "shw_unknown" {
		return media.Grant{}, whip.ErrUnknownStream
	}
	if r.Stream == "shw_ended" {
		return media.Grant{}, whip.ErrEnded
	}
	if r.Action == whip.Watch {
		return media.Grant{Subject: r.Header.Get("X-Subject"), Rights: media.RightWatch}, nil
	}
	subject, ok := strings.CutPrefix(r.Bearer, "sk_")
	if !ok || subject == "wrong" {
		return media.Grant{}, whip.ErrUnauthorized
	}
	return media.Grant{Subject: subject, KeyGeneration: 1, Rights: media.RightPublish}, nil
}

// Publish publishes a source until the test ends.
func (n *Node) Publish(t testing.TB, stream, subject string, source client.Source) *client.Publisher {
	t.Helper()
	p, err := client.Publish(t.Context(), client.PublisherConfig{URL: n.WHIP(stream), Token: "sk_" + subject, Source: source, Network: Loopback})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() }) // the node may have ended before
	return p
}

// Watch watches until the test ends, as soon as the stream is live.
func (n *Node) Watch(t testing.TB, c client.ViewerConfig) *client.Viewer {
	t.Helper()
	if c.Patience == 0 {
		c.Patience = 20 * time.Second
	}
	if c.Network.Net == nil && !c.Network.TCP {
		c.Network = Loopback
	}
	v, err := client.Watch(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

// Await fails the test when the condition does not come true in time.
func Await(t testing.TB, v *client.Viewer, within time.Duration, condition func(client.ViewerStats) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := v.Await(ctx, condition); err != nil {
		t.Fatalf("%v; stats %+v", err, v.Stats())
	}
}
