package ws_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/client"
	"github.com/rialto-live/rialto/realtime/ws"
)

const orderHello = `"hello"`

// obeys has the node carry out bans that come over its bus, from when it returns.
func (n *node) obeys() {
	n.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	listens, obeyed := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(obeyed)
		_ = n.bus.OnControl(ctx, func(order json.RawMessage) {
			if string(order) == orderHello {
				select {
				case listens <- struct{}{}:
				default:
				}
				return
			}
			n.hub.Revoke(realtime.Match{Room: room, Subject: "acc_vic"})
		})
	}()
	n.t.Cleanup(func() { stop(); <-obeyed })
	until(n.t, "the node listens to orders", func() bool {
		if err := n.bus.Control(context.Background(), []byte(orderHello)); err != nil {
			n.t.Fatal(err)
		}
		select {
		case <-listens:
			return true
		case <-time.After(20 * time.Millisecond):
			return false
		}
	})
}

// TestBanEndsTheStalledOnEveryNode: within a second of the order their lines are
// gone on both nodes, whatever they are, though none of them takes a byte, and one
// of them has a call under way that nobody can hurry.
func TestBanEndsTheStalledOnEveryNode(t *testing.T) {
	url, truth := embeddedtest.Redis(t), newShow()
	called, answer := make(chan struct{}), make(chan struct{})
	o := options{show: truth, ws: func(c *ws.Config) {
		c.CallTimeout = patience
		c.Call = func(context.Context, ws.Caller, string, json.RawMessage) (any, error) {
			close(called)
			<-answer
			return nil, nil
		}
	}}
	o.bus = redisBus(t, url)
	a := start(t, o)
	o.bus, o.tls, o.http2 = redisBus(t, url), true, true
	b := start(t, o)
	t.Cleanup(func() { close(answer) }) // before the nodes are stopped
	a.obeys()
	b.obeys()

	vic := http.Header{"Subject": {"acc_vic"}}
	calling := a.idleAs(vic)
	send(t, calling, `{"t":"call","id":"1","call":"x"}`)
	<-called
	a.idleAs(vic)
	b.idleAs(vic)
	b.open(vic).read() // over HTTP/2, and nothing more
	var others []*client.Client
	for _, n := range []*node{a, b} {
		other := client.Config{Header: http.Header{"Subject": {"acc_mara"}}}
		if n == b {
			other.TLS = b.server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			other.TLS.NextProtos = nil
		}
		others = append(others, n.watch(other))
		n.joined(others[len(others)-1])
	}
	for range 10 { // more than HTTP/2 lets through to one who does not read
		for range 50 {
			a.sayLarge(15 << 10)
		}
		for _, v := range others {
			a.agrees(v)
		}
	}
	for _, n := range []*node{a, b} {
		until(t, "two are parked", func() bool { return n.metric("rialto_realtime_conns_parked") == 2 })
	}

	sent := time.Now()
	if err := a.bus.Control(context.Background(), []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	until(t, "their lines are gone on the other node", func() bool { return b.metric("rialto_realtime_conns") == 1 })
	until(t, "and here", func() bool { return a.metric("rialto_realtime_conns") == 2 }) // the call is still under way
	until(t, "and of who calls", func() bool {
		return calling.WriteControl(websocket.PongMessage, nil, time.Now().Add(patience)) != nil
	})
	if took := time.Since(sent); took > time.Second {
		t.Errorf("it took %v", took)
	}
	for _, v := range others {
		if s := v.Stats(); !s.Joined || s.Dials != 1 {
			t.Errorf("somebody else was closed: %+v", s)
		}
	}
}
