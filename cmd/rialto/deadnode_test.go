package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/media/client"
)

// settled is how long after the death of a node its shows may be believed to be on the air.
const settled = nodeLifetime + 2*time.Second

const encoderRetry = 250 * time.Millisecond

// serveProcess is a node in a process of its own, on these stores.
func (m *market) serveProcess() *process {
	m.t.Helper()
	cfg, at := m.config(), freeAddr(m.t)
	return launch(m.t, []string{
		"DATABASE_URL=" + cfg.DatabaseURL, "REDIS_URL=" + cfg.RedisURL, "PUBLIC_URL=http://" + at, "LISTEN=" + at,
		"ADMIN_LISTEN=127.0.0.1:0", "MEDIA_PUBLIC_IP=127.0.0.1", "MEDIA_PORT=0", "RIALTO_SECRET=" + cfg.Secret,
		"RIALTO_SANDBOX=1", "SANDBOX_URL=" + cfg.SandboxURL, "SANDBOX_SECRET=" + cfg.SandboxSecret,
	}, program(m.t), "serve").ready()
}

// moves publishes at a node as soon as it may be the origin. It asks as often as an encoder that comes back.
func moves(t *testing.T, n *running, show, key string, limit time.Duration) {
	t.Helper()
	deadline, tick := time.Now().Add(limit), time.NewTicker(encoderRetry)
	defer tick.Stop()
	for {
		source, err := client.NewClipSource()
		if err != nil {
			t.Fatal(err)
		}
		publisher, err := client.Publish(t.Context(), client.PublisherConfig{URL: n.url + "/whip/" + show, Token: key, Source: source, Network: local})
		if err == nil {
			t.Cleanup(func() { _ = publisher.Close() })
			return
		}
		// Any other error is one of the line: the creator was sent on to the dead node.
		if refused := (*client.StatusError)(nil); errors.As(err, &refused) || time.Now().After(deadline) {
			t.Fatalf("the creator is not let in at the other node: %v", err)
		}
		<-tick.C
	}
}

func TestKilledNodesShowGoesOffTheAirAndMoves(t *testing.T) {
	t.Parallel() // it waits for entries to lapse, and for nothing of this machine
	m := newMarket(t)
	dead := m.serveProcess()
	b := m.node()
	eventually(t, "the nodes know each other", func() bool { return slices.Contains(b.nodes.Origins(), dead.url) })
	mara := b.signUp("mara", "creator")
	show := mara.newShow()
	key := mara.key(show)
	publish(t, dead.url+"/whip/"+show, key)
	page := b.guest().join(show)
	page.onAir(true)
	sees(t, b.guest().watch(show), 5)

	dead.kill()
	killed := time.Now()
	page.onAir(false)
	if took := time.Since(killed); took > settled {
		t.Errorf("the dead node's show was on the air for another %s, at most %s", took, settled)
	}
	moves(t, b, show, key, settled-time.Since(killed))
	page.onAir(true)
	sees(t, b.guest().watch(show), 5)
	page.orderly()
}

// A creator does not wait for the show to go off the air first.
func TestKilledNodesPlaceIsTakenAtOnce(t *testing.T) {
	t.Parallel() // it waits for entries to lapse, and for nothing of this machine
	m := newMarket(t)
	dead := m.serveProcess()
	b := m.node()
	mara := b.signUp("mara", "creator")
	show := mara.newShow()
	key := mara.key(show)
	publish(t, dead.url+"/whip/"+show, key)
	page := b.guest().join(show)
	page.onAir(true)
	dead.kill()
	moves(t, b, show, key, settled)
	sees(t, b.guest().watch(show), 5)
	page.onAir(true)
	// The reaper has looked, and has left the show alone.
	if err := b.reapOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if on := m.count(`select count(*) from show where on_air and node = $1`, b.nodes.id); on != 1 {
		t.Errorf("%d shows are on the air at the new origin, want 1", on)
	}
}

func TestFlushallTakesNoLivingNodesShowOffTheAir(t *testing.T) {
	t.Parallel() // it waits for entries to lapse, and for nothing of this machine
	m := newMarket(t)
	a, b := m.pair()
	mara := a.signUp("mara", "creator")
	show := mara.newShow()
	mara.goLive(show)
	page := b.guest().join(show)
	page.onAir(true)
	viewer := a.guest().watch(show)
	sees(t, viewer, 5)

	m.redis.Flush()
	for _, n := range []*running{a, b} { // the reapers look at the worst moment
		if err := n.reapOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	m.claimedBy(a, show)
	if on := m.count(`select count(*) from show where on_air`); on != 1 {
		t.Fatal("the show is off the air")
	}
	if status, location := b.guest().answers("/whep/"+show, ""); status != http.StatusTemporaryRedirect || location != a.url+"/whep/"+show {
		t.Errorf("watching at the other node: %d to %q", status, location)
	}
	sees(t, viewer, 10)
	page.alwaysOnAir()
}

// claimedBy waits until Redis knows again where a show is published.
func (m *market) claimedBy(n *running, show string) {
	m.t.Helper()
	eventually(m.t, "the origin is known again", func() bool {
		at, err := n.redis.Get(m.t.Context(), originKeyPrefix+show).Result()
		return err == nil && at == n.nodes.id
	})
}

// alwaysOnAir checks that the show was never said to be dark again, after it was on the air.
func (s *seat) alwaysOnAir() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	lit := false
	for _, e := range s.heard {
		if e.Type != "show.state" {
			continue
		}
		on := strings.Contains(string(e.Data), `"on_air":true`)
		if lit && !on {
			s.t.Errorf("the show was taken off the air: %s", e.Data)
		}
		lit = lit || on
	}
}

// Redis may be away for longer than an entry lives: nobody has died of that.
func TestRedisAwayTakesNoLivingNodesShowOffTheAir(t *testing.T) {
	t.Parallel() // it waits for entries to lapse, and for nothing of this machine
	m := newMarket(t)
	a, b := m.pair()
	mara := a.signUp("mara", "creator")
	show := mara.newShow()
	mara.goLive(show)
	page := b.guest().join(show)
	page.onAir(true)
	viewer := a.guest().watch(show)
	sees(t, viewer, 5)

	m.redis.Stop()
	away := time.Now()
	within(t, 2*nodeLifetime, "the outage is longer than an entry lives", func() bool { return time.Since(away) > nodeLifetime+nodeBeat })
	sees(t, viewer, 10) // pictures need no Redis
	m.redis.Start()
	// The first beat after the outage finds nobody; the reaper looks right then.
	for _, n := range []*running{b, a} {
		eventually(t, "the node beats again", func() bool { return n.nodes.beat(t.Context()) == nil })
		if err := n.reapOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	m.claimedBy(a, show)
	if on := m.count(`select count(*) from show where on_air`); on != 1 {
		t.Error("the show is off the air")
	}
	sees(t, viewer, 10)
	mara.want(http.StatusOK, "", http.MethodPut, "/shows/"+show, map[string]any{"title": "Mara is back"})
	page.await("the room hears again", func(s *seat) bool {
		var show struct{ Title string }
		return s.now("show.state", "show", &show) && show.Title == "Mara is back"
	})
	page.alwaysOnAir()
	page.orderly()
}

// A node that cannot reach Redis is as good as dead to the others. When it can again, its show is on the air
// again, since its media never stopped.
func TestNodeThatComesBackPutsItsShowOnTheAirAgain(t *testing.T) {
	t.Parallel() // it waits for entries to lapse, and for nothing of this machine
	m := newMarket(t)
	line := newLine(t, m.redis.URL())
	a := m.node(func(c *Config) { c.RedisURL = "redis://" + line.addr })
	b := m.node()
	know(a, b)
	mara := b.signUp("mara", "creator")
	show := mara.newShow()
	key := mara.key(show)
	publisher := publish(t, a.url+"/whip/"+show, key)
	page := b.guest().join(show)
	page.onAir(true)

	line.cut()
	page.onAir(false)
	line.mend()
	page.onAir(true)
	if err := publisher.Err(); err != nil {
		t.Errorf("its publisher was sent away: %v", err)
	}
	sees(t, b.guest().watch(show), 5)
	page.orderly()
}

// line is a wire to a Unix socket that can be cut.
type line struct {
	addr   string
	socket string
	orders chan bool // true: cut
	done   chan struct{}
}

func newLine(t *testing.T, redisURL string) *line {
	t.Helper()
	options, err := redis.ParseURL(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &line{addr: l.Addr().String(), socket: options.Addr, orders: make(chan bool), done: make(chan struct{})}
	background(t, "line", func(ctx context.Context) error { return w.run(ctx, l) })
	return w
}

func (w *line) cut()  { w.orders <- true }
func (w *line) mend() { w.orders <- false }

// run owns the connections.
func (w *line) run(ctx context.Context, l net.Listener) error {
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			select {
			case accepted <- conn:
			case <-ctx.Done():
				_ = conn.Close()
			}
		}
	}()
	var open []net.Conn
	drop := func() {
		for _, c := range open {
			_ = c.Close()
		}
		open = nil
	}
	defer func() {
		_ = l.Close()
		drop()
		for range accepted {
		}
	}()
	for isCut := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case isCut = <-w.orders:
			drop()
		case conn := <-accepted:
			far, err := net.Dial("unix", w.socket)
			if isCut || err != nil {
				_ = conn.Close()
				continue
			}
			open = append(open, conn, far)
			go pump(conn, far)
			go pump(far, conn)
		}
	}
}

// pump ends with either connection.
func pump(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	_, _ = io.Copy(to, from) // a cut line is what this is for
}
