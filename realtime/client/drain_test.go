package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
)

const (
	drained     = 10_000
	drainWindow = 20 * time.Second
	drainRoom   = realtime.RoomID("shw_1")
)

// seat is a viewer with a socket in memory: what a Client makes of each message
// and of the end is the Client's own.
type seat struct {
	client *Client
	missed string // what went wrong
	last   int64

	mu     sync.Mutex
	ended  chan struct{} // closed by the end of the present socket
	reason error
}

func (s *seat) TryWrite(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for rest := p; len(rest) > 0; {
		kind, payload, after := unframe(rest)
		rest = after
		switch kind {
		case 0x1:
			if err := s.client.heard(payload, time.Now()); err != nil {
				s.missed = err.Error()
			}
		case 0x8:
			s.reason = &closedError{realtime.Code(payload[0])<<8 | realtime.Code(payload[1]), string(payload[2:])}
			close(s.ended)
		}
	}
	return len(p), nil
}

// unframe takes a server's frame of up to 64 KiB apart.
func unframe(b []byte) (kind byte, payload, rest []byte) {
	n, at := int(b[1]), 2
	if n == 126 {
		n, at = int(b[2])<<8|int(b[3]), 4
	}
	return b[0] & 0x0F, b[at : at+n], b[at+n:]
}

func (s *seat) Write(p []byte) (int, error)      { return s.TryWrite(p) }
func (s *seat) SetWriteDeadline(time.Time) error { return nil }
func (s *seat) SetReadDeadline(time.Time) error  { return nil }
func (s *seat) Close() error                     { return nil }

// sit joins a hub with what the client has.
func (s *seat) sit(h *realtime.Hub) (*realtime.Conn, error) {
	ticket, err := h.Reserve(netip.Addr{})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.ended = make(chan struct{})
	s.mu.Unlock()
	conn := ticket.Attach(s, realtime.Frames)
	return conn, conn.Join(context.Background(), realtime.Join{Room: drainRoom, Have: s.client.Position()},
		func(context.Context) (realtime.Identity, error) { return realtime.Identity{}, nil })
}

// moveOn waits for the end as its reader does, and then as its page for as long as it was told to.
func (s *seat) moveOn(t *testing.T, conn *realtime.Conn) {
	<-s.ended
	conn.Detach()
	wait, told := reconnectAfter(s.reason)
	if !told || finalError(s.reason) != nil {
		t.Errorf("it was told %v", s.reason)
	}
	time.Sleep(wait)
}

// hear looks for gaps: each pin is the one after the last.
func (s *seat) hear(e realtime.Event) {
	if e.Version != s.last+1 && s.last > 0 {
		s.missed = fmt.Sprintf("version %d came behind %d", e.Version, s.last)
	}
	s.last = e.Version
}

func drainPin(version int64) realtime.Event {
	return realtime.Event{Type: "pin.set", Key: "pin", Version: version, Class: realtime.Lossless, Data: json.RawMessage(`{}`)}
}

// drainHub is a running hub on a bus; it counts the snapshots that are read.
func drainHub(ctx context.Context, t *testing.T, on *bus.Memory, snapshots *int) *realtime.Hub {
	h, err := realtime.NewHub(realtime.Config{
		Bus: on, CountEvery: time.Hour, PingEvery: time.Hour, DeadAfter: 2 * time.Hour, Writers: 1,
		Snapshot: func(context.Context, realtime.RoomID) ([]realtime.Event, error) {
			*snapshots++
			return []realtime.Event{drainPin(1)}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = h.Run(ctx) }()
	synctest.Wait()
	return h
}

// TestDrainIsEven: ten thousand viewers of a node that leaves come to another
// over the window, in no twentieth of it more than half again as many as on
// average; each resumes where it was, and misses nothing of what happens
// meanwhile.
func TestDrainIsEven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bins = 20
		shared := bus.NewMemory()
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		var snapshots int
		old, next := drainHub(ctx, t, shared, &snapshots), drainHub(ctx, t, shared, &snapshots)
		keeper := &seat{client: New(Config{})} // the room is open there
		if _, err := keeper.sit(next); err != nil {
			t.Fatal(err)
		}
		version := int64(1)
		say := func() {
			version++
			if _, err := shared.Publish(context.Background(), drainRoom, drainPin(version)); err != nil {
				t.Error(err)
			}
		}
		seats, begin := make([]*seat, drained), time.Time{}
		came := make([]time.Duration, drained)
		var away sync.WaitGroup
		for i := range seats {
			s := &seat{}
			s.client = New(Config{OnEvent: s.hear})
			conn, err := s.sit(old)
			if err != nil {
				t.Fatal(err)
			}
			seats[i] = s
			away.Go(func() {
				s.moveOn(t, conn)
				came[i] = time.Since(begin)
				if _, err := s.sit(next); err != nil {
					t.Error(err)
				}
			})
		}
		say()
		synctest.Wait()
		begin = time.Now()
		go old.Drain(ctx, drainWindow)
		for range 9 {
			time.Sleep(drainWindow / 8)
			say()
		}
		away.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		count := make([]int, bins+2)
		for _, at := range came {
			count[at*bins/drainWindow]++
		}
		t.Logf("peak %d in a twentieth, %d on average: %v", slices.Max(count), drained/bins, count)
		if peak := slices.Max(count); peak > drained/bins*3/2 {
			t.Errorf("%d came in one twentieth of the window, %d do on average", peak, drained/bins)
		}
		for i, s := range seats {
			if got := s.client.Stats(); s.missed != "" || s.last != version || got.Resumes != 1 || got.Snapshots != 1 {
				t.Fatalf("viewer %d: %q, at version %d of %d, %+v", i, s.missed, s.last, version, got)
			}
		}
		if snapshots != 2 {
			t.Errorf("%d snapshots were read for two rooms", snapshots)
		}
		stop()
		synctest.Wait()
	})
}
