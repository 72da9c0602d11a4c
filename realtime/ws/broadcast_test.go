package ws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/ws"
)

// What it costs to bring an event to a thousand sockets, in CPU time of this
// process and as a multiple of the floor: the same bytes written to as many
// sockets by a bare loop. Nobody reads meanwhile, so that only writing is counted.

const (
	benchSockets = 1000
	benchBytes   = 200 // of a message, about
)

// audience is a hub with sockets that nobody reads by themselves.
type audience struct {
	bus     *bus.Memory
	clients []net.Conn // in the order in which they joined
	version int64
}

func newAudience(b *testing.B, change func(*realtime.Config)) *audience {
	b.Helper()
	a := &audience{bus: bus.NewMemory()}
	cfg := realtime.Config{Bus: a.bus, Snapshot: func(context.Context, realtime.RoomID) ([]realtime.Event, error) { return nil, nil },
		Writers: 1, CountEvery: time.Hour}
	change(&cfg)
	hub, err := realtime.NewHub(cfg)
	if err != nil {
		b.Fatal(err)
	}
	handler, err := ws.New(ws.Config{Hub: hub, AllowOrigin: func(string) bool { return true },
		Authenticate: func(context.Context, ws.Hello) (ws.Identity, error) { return ws.Identity{}, nil }})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	server := httptest.NewServer(handler)
	b.Cleanup(func() {
		for _, c := range a.clients {
			c.Close()
		}
		stop()
		<-done
		server.Close()
	})
	url := "ws" + strings.TrimPrefix(server.URL, "http")
	for len(a.clients) < benchSockets {
		conn, response, err := websocket.DefaultDialer.Dial(url, nil)
		if err != nil {
			if response != nil { // the hub begins to run
				continue
			}
			b.Fatal(err)
		}
		a.clients = append(a.clients, conn.NetConn())
		if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"t":"join","room":"shw_1"}`)); err != nil {
			b.Fatal(err)
		}
		if _, _, err := conn.ReadMessage(); err != nil {
			b.Fatal(err)
		}
	}
	return a
}

// say publishes n events, with one wait for all: the one who joined first is
// served last.
func (a *audience) say(b *testing.B, n int, class realtime.Class) {
	for range n {
		a.version++
		data := fmt.Appendf(nil, `{"n":%d,"x":"`, a.version)
		data = append(data, strings.Repeat("x", benchBytes-60-len(data))+`"}`...)
		if _, err := a.bus.Publish(context.Background(), "shw_1", realtime.Event{
			Type: "pin.set", Key: "pin", Version: a.version, Class: class, Data: json.RawMessage(data)}); err != nil {
			b.Fatal(err)
		}
	}
}

// await reads a frame from the one who is served last.
func (a *audience) await(b *testing.B) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(a.clients[0], head); err != nil {
		b.Fatal(err)
	}
	n := int64(head[1])
	if n == 126 {
		n = int64(head[2])<<8 | int64(head[3])
	} else {
		n -= 2
	}
	if _, err := io.CopyN(io.Discard, a.clients[0], n); err != nil {
		b.Fatal(err)
	}
}

// bareSockets are as many connections without anything on them.
func bareSockets(b *testing.B, n int) (fds []int, clients []net.Conn) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for range n {
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { client.Close(); server.Close() })
		raw, err := server.(*net.TCPConn).SyscallConn()
		if err != nil {
			b.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) }); err != nil {
			b.Fatal(err)
		}
		clients = append(clients, client)
	}
	return fds, clients
}

// drain takes what the sockets hold, without waiting.
func drain(b *testing.B, clients []net.Conn, buf []byte) {
	for _, c := range clients {
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			b.Fatal(err)
		}
		_ = raw.Read(func(fd uintptr) bool {
			for {
				if n, err := syscall.Read(int(fd), buf); n < len(buf) || err != nil {
					return true
				}
			}
		})
	}
}

// cpu is the time this process has worked.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBroadcast is one lossless event to everybody.
func BenchmarkBroadcast(b *testing.B) {
	a := newAudience(b, func(*realtime.Config) {})
	fds, clients := bareSockets(b, benchSockets)
	payload, buf := []byte(strings.Repeat("x", benchBytes)), make([]byte, 64<<10)
	var hub, floor time.Duration
	for b.Loop() {
		before := cpu(b)
		for _, fd := range fds {
			if n, err := syscall.Write(fd, payload); n != len(payload) {
				b.Fatal(n, err)
			}
		}
		between := cpu(b)
		a.say(b, 1, realtime.Lossless)
		a.await(b)
		hub += cpu(b) - between
		floor += between - before
		drain(b, clients, buf)
		drain(b, a.clients[1:], buf)
	}
	perMessage := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(b.N) / benchSockets }
	b.ReportMetric(perMessage(hub), "us/message")
	b.ReportMetric(perMessage(floor), "us_floor")
	b.ReportMetric(float64(hub)/float64(floor), "x_floor")
}
