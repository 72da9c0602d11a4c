package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// looksPerTrip bounds one pipeline, so that a node with many rooms does not
// hold up the others' commands.
const looksPerTrip = 128

// ask queues f for a repairer. Asking twice before one has begun is asking
// once.
func (b *Redis) ask(f *feed) {
	b.mu.Lock()
	_, again := b.queued[f]
	if !again {
		b.queued[f] = struct{}{}
		b.todo = append(b.todo, f)
	}
	b.mu.Unlock()
	if !again {
		b.rouse()
	}
}

func (b *Redis) rouse() {
	select {
	case b.wake <- struct{}{}:
	default: // every repairer has been called, and looks again before it rests
	}
}

func (b *Redis) next() *feed {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.todo) == 0 {
		b.todo = nil
		return nil
	}
	f := b.todo[0]
	b.todo[0] = nil
	b.todo = b.todo[1:]
	delete(b.queued, f)
	return f
}

func (b *Redis) repair(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		}
		for f := b.next(); f != nil && ctx.Err() == nil; f = b.next() {
			if err := b.repairOne(ctx, f); err == nil {
				continue
			}
			b.metrics.readErrors.Inc()
			b.ask(f)
			select { // Redis is out of reach: do not press it
			case <-ctx.Done():
				return
			case <-time.After(repairPause + rand.N(repairPause)):
			}
		}
	}
}

// repairOne compares a feed with its history and gives it what it lacks. Who
// opens a feed begins where the history ends, and reads none.
func (b *Redis) repairOne(ctx context.Context, f *feed) error {
	q, limit := f.question(), pageLimit
	if q.first {
		limit = 0
	}
	p, err := b.read(ctx, f.room, q.at.Offset, limit, "")
	if err != nil {
		return err
	}
	if !q.first {
		b.metrics.historyReads.WithLabelValues(string(q.why)).Inc()
	}
	a := f.merge(q, p)
	if a.renew {
		// Redis went back to an older copy of its data. All nodes must leave
		// its epoch; whoever sees it first ends it.
		b.metrics.renewals.Inc()
		if p, err = b.read(ctx, f.room, 0, 0, q.at.Epoch); err != nil {
			return err
		}
		a = f.merge(q, p)
	}
	if a.repaired > 0 {
		b.metrics.repaired.Add(float64(a.repaired))
	}
	if a.again || a.renew {
		b.ask(f)
	}
	return nil
}

// check makes every open feed ask now and then where Redis stands: the last
// message before a silence can be lost too.
func (b *Redis) check(ctx context.Context) {
	ticker := time.NewTicker(b.checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for trip := range slices.Chunk(b.all(), looksPerTrip) {
			if err := b.lookAt(ctx, trip); err != nil && ctx.Err() == nil {
				b.metrics.readErrors.Inc()
				break // the connection says more of it
			}
		}
	}
}

// lookAt asks in one trip where the rooms of feeds stand.
func (b *Redis) lookAt(ctx context.Context, feeds []*feed) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	questions := make([]question, len(feeds))
	for i, f := range feeds {
		questions[i] = f.question()
	}
	replies, err := b.pipeLooks(ctx, feeds)
	if redis.HasErrorPrefix(err, "NOSCRIPT") { // a new or emptied server
		if err := lookScript.Load(ctx, b.client).Err(); err != nil {
			return fmt.Errorf("look: %w", err)
		}
		replies, err = b.pipeLooks(ctx, feeds)
	}
	var said redis.Error // by Redis, of one room: the others are well
	if err != nil && !errors.As(err, &said) {
		return fmt.Errorf("look at %d rooms: %w", len(feeds), err)
	}
	for i, reply := range replies {
		var p page
		list, err := reply.Slice()
		if err == nil {
			p, err = parsePage(list)
		}
		if err != nil {
			b.metrics.readErrors.Inc()
			continue
		}
		if feeds[i].look(questions[i], p) {
			b.ask(feeds[i])
		}
	}
	return nil
}

func (b *Redis) pipeLooks(ctx context.Context, feeds []*feed) ([]*redis.Cmd, error) {
	pipe := b.client.Pipeline()
	replies := make([]*redis.Cmd, len(feeds))
	for i, f := range feeds {
		replies[i] = lookScript.EvalSha(ctx, pipe,
			[]string{metaKey(f.room), historyKey(f.room), keptKey(f.room), keptIDsKey(f.room), valuesKey(f.room)}, roomTTL.Milliseconds())
	}
	_, err := pipe.Exec(ctx)
	return replies, err
}

func (b *Redis) all() []*feed {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*feed
	for _, feeds := range b.feeds {
		for f := range feeds {
			all = append(all, f)
		}
	}
	return all
}
