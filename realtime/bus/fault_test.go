package bus

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/realtime"
)

// Faults of a real Redis.

// TestKilledConnections: Pub/Sub connections die again and again in a stream
// of events, and no event is missing or doubled.
func TestKilledConnections(t *testing.T) {
	s := embeddedtest.NewRedisServer(t)
	a, b := node(t, s.URL()), node(t, s.URL())
	l := subscribe(t, b, "shw_1")
	hand := dial(t, s.URL())
	const n = 600
	for v := range int64(n) {
		if v%100 == 50 {
			if err := hand.Do(context.Background(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
				t.Fatal(err)
			}
		}
		publish(t, a, "shw_1", event(v+1))
	}
	l.expect(1, n)
}

// TestDoubt: after a lost connection a room is told to compare itself.
func TestDoubt(t *testing.T) {
	s := embeddedtest.NewRedisServer(t)
	b := node(t, s.URL())
	_, feed, err := b.Subscribe(ctxFor(t), "shw_1")
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	if err := dial(t, s.URL()).Do(context.Background(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-feed.Ready():
	case <-time.After(patience):
		t.Fatal("nothing was said")
	}
	if got := feed.Take(); len(got) != 1 || got[0].News != realtime.NewsDoubt {
		t.Fatalf("got %+v, want one doubt", got)
	}
}

// TestRestart: Redis is killed and comes back with its data; publishers repeat
// what they are not sure of.
func TestRestart(t *testing.T) {
	s := embeddedtest.NewRedisServer(t)
	a, b := node(t, s.URL()), node(t, s.URL())
	l := subscribe(t, b, "shw_1")
	const n = 60
	for v := range int64(n) {
		if v == 20 {
			s.Kill()
			s.Start()
		}
		if v == 40 {
			s.Restart()
		}
		publishUntil(t, a, event(v+1))
	}
	// What Redis had not yet put on disk is lost with the kill; then a reset
	// says so, and the rest comes.
	for last := int64(0); last < n; {
		d := l.next()
		if d.News == realtime.NewsReset {
			l.at.Offset = d.Offset
			if last = max(last, 20); d.Offset > 0 {
				continue
			}
			continue
		}
		if d.Offset != l.at.Offset+1 || d.Event.Version <= last && d.Event.Version != last {
			t.Fatalf("got %+v behind offset %d and version %d", d, l.at.Offset, last)
		}
		l.at.Offset, last = d.Offset, d.Event.Version
	}
}

func publishUntil(t *testing.T, b Bus, e realtime.Event) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := b.Publish(ctx, "shw_1", e)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestBackInTime: Redis comes back with an older copy of its data and goes on
// from there. The offsets fit, the story does not.
func TestBackInTime(t *testing.T) {
	for name, after := range map[string]int64{"shorter": 0, "as long": 2, "longer": 5} {
		t.Run(name, func(t *testing.T) {
			s := embeddedtest.NewRedisServer(t)
			a, b := node(t, s.URL()), node(t, s.URL())
			l, other := subscribe(t, a, "shw_1"), subscribe(t, b, "shw_1")
			for v := range int64(10) {
				publish(t, a, "shw_1", event(v+1))
			}
			l.expect(1, 10)
			other.expect(1, 10)
			rewind(t, s, after)
			for _, l := range []*listener{l, other} {
				old := l.at.Epoch
				l.expectReset()
				if l.at.Epoch == old {
					t.Fatal("the epoch is the old one")
				}
			}
			if l.at.Epoch != other.at.Epoch {
				t.Fatalf("the nodes are in epochs %q and %q", l.at.Epoch, other.at.Epoch)
			}
			publish(t, a, "shw_1", event(100))
			l.expect(100, 100)
			other.expect(100, 100)
		})
	}
}

// rewind takes the last two events out of Redis and puts others in, while the
// nodes are cut off, as a restart from an older file does.
func rewind(t *testing.T, s *embeddedtest.RedisServer, others int64) {
	t.Helper()
	ctx := context.Background()
	hand := dial(t, s.URL())
	pipe := hand.TxPipeline()
	pipe.XDel(ctx, historyKey("shw_1"), "9-0", "10-0")
	pipe.HSet(ctx, metaKey("shw_1"), "o", "8", "i", event(8).ID)
	pipe.Do(ctx, "XSETID", historyKey("shw_1"), "8-0")
	for v := range others {
		e := event(50 + v)
		payload, err := encode(e)
		if err != nil {
			t.Fatal(err)
		}
		pipe.Do(ctx, "XADD", historyKey("shw_1"), fmt.Sprintf("%d-0", 9+v), "p", payload)
		pipe.HSet(ctx, metaKey("shw_1"), "o", 9+v, "i", e.ID)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	if err := hand.Do(ctx, "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
}

// TestSubscribeWithoutRedis: a room that cannot be opened says so in time.
func TestSubscribeWithoutRedis(t *testing.T) {
	s := embeddedtest.NewRedisServer(t)
	b := node(t, s.URL())
	s.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, _, err := b.Subscribe(ctx, "shw_1"); err == nil {
		t.Fatal("subscribed to nothing")
	}
	s.Start()
	l := subscribe(t, b, "shw_1")
	publishUntil(t, b, event(1))
	l.expect(1, 1)
}
