package ws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
	"github.com/rialto-live/rialto/realtime/chat"
	"github.com/rialto-live/rialto/realtime/client"
	"github.com/rialto-live/rialto/realtime/ws"
)

const (
	floodViewers = 200
	floodPhase   = 2 * time.Second
	pricesEvery  = 25 * time.Millisecond
)

// BenchmarkPricesInAChatFlood says how long a price takes to its viewers while
// nobody speaks, and while all write and send hearts as fast as they may, in
// turn. `go test -run - -bench PricesInAChatFlood -benchtime 3x ./realtime/ws`
func BenchmarkPricesInAChatFlood(b *testing.B) {
	shared := bus.NewMemory()
	talk, err := chat.New(chat.Config{Cast: shared.Cast})
	if err != nil {
		b.Fatal(err)
	}
	truth := newShow()
	hub, err := realtime.NewHub(realtime.Config{Bus: shared, Snapshot: truth.snapshot, Metrics: prometheus.NewRegistry()})
	if err != nil {
		b.Fatal(err)
	}
	door, err := ws.New(ws.Config{
		Hub: hub, Call: talk.Call, AllowOrigin: func(string) bool { return false },
		Authenticate: func(_ context.Context, h ws.Hello) (ws.Identity, error) {
			return ws.Identity{Subject: h.Header.Get("Subject"), Name: "Vic"}, nil
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = hub.Run(ctx) })
	running.Go(func() { _ = talk.Run(ctx) })
	front := http.Server{Handler: door, ReadHeaderTimeout: patience}
	listener := listenFor(b, &front)
	defer func() { stop(); front.Close(); running.Wait() }()

	f := &flood{shared: shared, truth: truth}
	for i := range floodViewers {
		v := client.New(client.Config{
			URL: "ws://" + listener + "/ws", Room: room, OnEvent: f.hear, Header: http.Header{"Subject": {fmt.Sprintf("acc_%d", i)}},
		})
		running.Go(func() { _ = v.Run(ctx) })
		f.viewers = append(f.viewers, v)
	}
	for _, v := range f.viewers {
		for end := time.Now().Add(patience); !v.Stats().Joined; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				b.Fatal("a viewer does not join")
			}
		}
	}
	var quiet, loud []time.Duration
	for b.Loop() {
		quiet = append(quiet, f.phase(b, false)...)
		loud = append(loud, f.phase(b, true)...)
	}
	at := func(all []time.Duration, share float64) float64 {
		slices.Sort(all)
		return float64(all[int(share*float64(len(all)-1))].Microseconds()) / 1000
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(at(quiet, .5), "quiet-p50-ms")
	b.ReportMetric(at(quiet, .99), "quiet-p99-ms")
	b.ReportMetric(at(loud, .5), "flood-p50-ms")
	b.ReportMetric(at(loud, .99), "flood-p99-ms")
	b.ReportMetric(at(loud, .99)/at(quiet, .99), "p99-ratio")
}

type flood struct {
	shared  *bus.Memory
	truth   *show
	viewers []*client.Client

	mu   sync.Mutex // guards what follows
	sent map[int64]time.Time
	took []time.Duration
}

func (f *flood) hear(e realtime.Event) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if sent, ours := f.sent[e.Version]; ours && e.Type == "price.set" {
		f.took = append(f.took, now.Sub(sent))
	}
}

// phase publishes prices for a while and returns how long each took to each
// viewer.
func (f *flood) phase(b *testing.B, loud bool) []time.Duration {
	b.Helper()
	f.mu.Lock()
	f.sent, f.took = map[int64]time.Time{}, nil
	f.mu.Unlock()
	ctx, stop := context.WithCancel(b.Context())
	var talking sync.WaitGroup
	if loud {
		for _, v := range f.viewers {
			talking.Go(func() { speak(ctx, v) })
		}
	}
	newest := int64(0)
	for end := time.Now().Add(floodPhase); time.Now().Before(end); time.Sleep(pricesEvery) {
		e := f.truth.set("price.set", "var_1", realtime.Lossless, false)
		e.Data = json.RawMessage(`{"x":"` + strings.Repeat("x", 180) + `"}`)
		f.mu.Lock()
		f.sent[e.Version] = time.Now()
		f.mu.Unlock()
		if _, err := f.shared.Publish(ctx, room, e); err != nil {
			b.Fatal(err)
		}
		newest = e.Version
	}
	for _, v := range f.viewers { // one that was given a snapshot has the newest alone
		for end := time.Now().Add(patience); v.Version() < newest; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				b.Fatal("a viewer does not have the newest price")
			}
		}
	}
	stop()
	talking.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.took
}

// speak writes and sends hearts as fast as a page may.
func speak(ctx context.Context, v *client.Client) {
	beat := time.NewTicker(time.Second / (ws.MessagesPerSec - 1))
	defer beat.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
		if n%2 == 0 {
			_ = v.Send(chat.CallSay, map[string]string{"text": strings.Repeat("what a pan ", 15)})
		} else {
			_ = v.Send(chat.CallHearts, map[string]int{"count": chat.MaxHearts})
		}
	}
}

// listenFor serves until the server is closed, and returns where.
func listenFor(b *testing.B, s *http.Server) (addr string) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	b.Cleanup(func() { s.Close(); <-done })
	return l.Addr().String()
}
