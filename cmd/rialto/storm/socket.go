package storm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/client"
)

// overTCP is a viewer with a real socket: realtime/client, whose frames and
// whose state are both judged.
type overTCP struct {
	// static
	run    *run
	number int
	watch  *watcher
	client *client.Client

	cancel context.CancelFunc // nil while it is away; owned by run.drive
	done   chan struct{}

	// owned by the client's Run
	dials int64
	made  map[client.Key]int64
}

func (r *run) newOverTCP(number int) *overTCP {
	name := fmt.Sprintf("socket %d", number)
	v := &overTCP{run: r, number: number, watch: newWatcher(&r.report, r.truths[0], name), made: map[client.Key]int64{}}
	v.client = client.New(client.Config{
		URL: "ws://" + r.front.listener.Addr().String() + "/ws", Room: r.truths[0].id, Header: http.Header{viewerHeader: {strconv.Itoa(number)}},
		OnFrame: v.frame, OnEvent: v.event, BackoffMost: 200 * time.Millisecond,
	})
	return v
}

func (v *overTCP) frame(text []byte) {
	if n := v.client.Stats().Dials; n != v.dials {
		v.dials = n
		v.watch.renew()
	}
	m, err := parse(piece{op: opText, body: bytes.Clone(text)})
	if err != nil {
		v.watch.report.breach(readable, "%s: %v", v.watch.name, err)
		return
	}
	v.watch.hear(m)
}

// event judges what the client tells its user: data never goes back.
func (v *overTCP) event(e realtime.Event) {
	if e.Version == 0 {
		return
	}
	var d payload
	key := client.Key{Type: e.Type, Key: e.Key}
	if err := json.Unmarshal(e.Data, &d); err != nil || d.N < v.made[key] {
		v.watch.report.breach(noFall, "%s tells %v with %s behind %d", v.watch.name, key, e.Data, v.made[key])
	}
	v.made[key] = d.N
}

func (v *overTCP) start(ctx context.Context) {
	if v.cancel != nil {
		return
	}
	ctx, v.cancel = context.WithCancel(ctx)
	v.done = make(chan struct{})
	go func() {
		defer close(v.done)
		if err := v.client.Run(ctx); err != nil {
			v.watch.report.breach(allSaid, "%s was sent away: %v", v.watch.name, err)
		}
	}()
}

func (v *overTCP) stop() {
	if v.cancel == nil {
		return
	}
	v.cancel()
	<-v.done
	v.cancel = nil
}

// agrees compares the client's own state with what its frames said.
func (v *overTCP) agrees() string {
	for key, n := range v.watch.list() {
		var d payload
		e, _ := v.client.Get(keys[key].typ, keys[key].key)
		if err := json.Unmarshal(e.Data, &d); err != nil || d.N != n {
			return fmt.Sprintf("%s: the client has %v with %s, its frames said %d", v.watch.name, keys[key], e.Data, n)
		}
	}
	return ""
}

const viewerHeader = "Viewer"

// front is the balancer before all nodes.
type front struct {
	run      *run // static
	listener net.Listener
	server   *http.Server
	done     chan struct{}

	mu    sync.Mutex
	place []int // the node that a viewer reaches next
	socks []net.Conn
	at    []int // the node that it has reached
}

type sockKey struct{}

func newFront(r *run, viewers int) (*front, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &front{
		run: r, listener: listener, done: make(chan struct{}),
		place: make([]int, viewers), socks: make([]net.Conn, viewers), at: make([]int, viewers),
	}
	f.server = &http.Server{
		Handler: f, ReadHeaderTimeout: time.Minute,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, sockKey{}, c) },
	}
	go func() { defer close(f.done); _ = f.server.Serve(listener) }() // until close
	return f, nil
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	viewer, err := strconv.Atoi(r.Header.Get(viewerHeader))
	if err != nil || viewer < 0 || viewer >= len(f.place) {
		http.Error(w, "which viewer?", http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	n := f.run.alive(f.place[viewer])
	f.socks[viewer], _ = r.Context().Value(sockKey{}).(net.Conn)
	f.at[viewer] = n.number
	f.mu.Unlock()
	n.door.ServeHTTP(w, r)
}

func (f *front) send(viewer, node int) {
	f.mu.Lock()
	f.place[viewer] = node
	f.mu.Unlock()
}

// reset breaks the lines that match as a cut does: nothing is said.
func (f *front) reset(match func(viewer, node int) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for viewer, sock := range f.socks {
		if sock == nil || !match(viewer, f.at[viewer]) {
			continue
		}
		if tcp, ok := sock.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = sock.Close()
		f.socks[viewer] = nil
	}
}

func (f *front) close() {
	_ = f.server.Close()
	<-f.done
}
