package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/realtime"
)

const (
	// quiet is how long a connection may say nothing before it is asked; after
	// as long again it is given up.
	quiet           = 2 * time.Second
	reconnectFirst  = 50 * time.Millisecond
	reconnectMost   = time.Second
	keepaliveSuffix = "keepalive" // a channel of its own, so that a connection without rooms stands too
)

var errDead = errors.New("the connection answers no more")

// Subscribe implements realtime.Source. It waits for Run and for Redis, until
// ctx ends.
func (b *Redis) Subscribe(ctx context.Context, room realtime.RoomID) (realtime.Position, realtime.Feed, error) {
	if err := room.Validate(); err != nil {
		return realtime.Position{}, nil, err
	}
	f, err := b.subscribe(ctx, string(room))
	if err != nil {
		return realtime.Position{}, nil, err
	}
	return f.start, f, nil
}

func (b *Redis) subscribe(ctx context.Context, room string) (*feed, error) {
	f := newFeed(room, b.sizes, b.ask, b.drop)
	b.add(ctx, f)
	select {
	case <-f.begun:
		return f, nil
	case <-ctx.Done():
		f.Close()
		return nil, fmt.Errorf("subscribe to %s: %w", room, ctx.Err())
	}
}

// add makes f known and asks Redis for its channel. Its first history is read
// when Redis confirms, see confirmed: then nothing can fall in between.
func (b *Redis) add(ctx context.Context, f *feed) {
	b.subs.Lock()
	defer b.subs.Unlock()
	channel := channelOf(f.room)
	b.mu.Lock()
	if b.feeds[channel] == nil {
		b.feeds[channel] = map[*feed]struct{}{}
	}
	b.feeds[channel][f] = struct{}{}
	pubsub := b.pubsub
	b.mu.Unlock()
	if pubsub != nil {
		_ = pubsub.Subscribe(ctx, channel) // an error ends the connection, and the next one subscribes
	}
}

// drop forgets f and, if it was the last, its channel.
func (b *Redis) drop(f *feed) {
	b.subs.Lock()
	defer b.subs.Unlock()
	channel := channelOf(f.room)
	b.mu.Lock()
	delete(b.feeds[channel], f)
	last := len(b.feeds[channel]) == 0
	if last {
		delete(b.feeds, channel)
	}
	pubsub := b.pubsub
	b.mu.Unlock()
	if last && pubsub != nil {
		ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
		defer cancel()
		_ = pubsub.Unsubscribe(ctx, channel)
	}
}

// listen keeps one Pub/Sub connection up.
func (b *Redis) listen(ctx context.Context) {
	wait, down := reconnectFirst, false
	for ctx.Err() == nil {
		err := b.session(ctx, func() {
			if down {
				b.log.Info("realtime: Redis is back")
			}
			wait, down = reconnectFirst, false
		})
		if ctx.Err() != nil {
			return
		}
		b.metrics.disconnects.Inc()
		if !down { // once per outage
			b.log.Error("realtime: Redis is out of reach, rooms stand still", "error", err)
			down = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, reconnectMost)
	}
}

// session is the life of one connection. up is called when it stands.
func (b *Redis) session(ctx context.Context, up func()) error {
	pubsub := b.client.Subscribe(ctx)
	defer pubsub.Close()
	defer context.AfterFunc(ctx, func() { _ = pubsub.Close() })()
	if err := b.connect(ctx, pubsub); err != nil {
		return err
	}
	defer func() {
		b.mu.Lock()
		b.pubsub = nil
		b.mu.Unlock()
	}()
	asked := false
	for {
		got, err := pubsub.ReceiveTimeout(ctx, quiet)
		var timeout net.Error
		switch {
		case err == nil:
			asked = false
			b.received(got, up)
		case errors.As(err, &timeout) && timeout.Timeout() && !asked:
			asked = true
			if err := pubsub.Ping(ctx); err != nil {
				return err
			}
		case errors.As(err, &timeout) && timeout.Timeout():
			return errDead
		default:
			return err
		}
	}
}

// connect subscribes to all channels and lets add use the connection.
func (b *Redis) connect(ctx context.Context, pubsub *redis.PubSub) error {
	b.subs.Lock()
	defer b.subs.Unlock()
	channels := []string{keyPrefix + keepaliveSuffix}
	b.mu.Lock()
	for channel := range b.feeds {
		channels = append(channels, channel)
	}
	b.mu.Unlock()
	if err := pubsub.Subscribe(ctx, channels...); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	b.mu.Lock()
	b.pubsub = pubsub
	b.mu.Unlock()
	return nil
}

func (b *Redis) received(got any, up func()) {
	switch got := got.(type) {
	case *redis.Subscription:
		up()
		if got.Kind == "subscribe" {
			b.confirmed(got.Channel)
		}
	case *redis.Message:
		if cast, ok := strings.CutPrefix(got.Payload, castMark); ok {
			if !b.lose(got.Channel, 0) {
				b.receivedCast(got.Channel, cast)
			}
			return
		}
		epoch, m, err := parseLive(got.Payload)
		if err != nil {
			b.metrics.unreadable.Inc() // its offset will be missed
			return
		}
		if b.lose(got.Channel, m.offset) {
			return
		}
		for _, f := range b.feedsOf(got.Channel) {
			if f.hear(epoch, m) {
				b.ask(f)
			}
		}
	}
}

// confirmed comes before any message of the channel on this connection. From
// here on nothing is lost unseen; what was before must be looked up.
func (b *Redis) confirmed(channel string) {
	for _, f := range b.feedsOf(channel) {
		if f.reconnected() {
			b.ask(f)
		}
	}
}

func (b *Redis) feedsOf(channel string) []*feed {
	b.mu.Lock()
	defer b.mu.Unlock()
	feeds := make([]*feed, 0, len(b.feeds[channel]))
	for f := range b.feeds[channel] {
		feeds = append(feeds, f)
	}
	return feeds
}
