package bus

import (
	"context"
	"math/rand/v2"
	"time"
)

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

// repairOne compares a feed with its history and gives it what it lacks.
func (b *Redis) repairOne(ctx context.Context, f *feed) error {
	q := f.question()
	p, err := b.read(ctx, f.room, q.at.Offset, "")
	if err != nil {
		return err
	}
	a := f.merge(q, p)
	if a.renew {
		// Redis went back to an older copy of its data. All nodes must leave
		// its epoch; whoever sees it first ends it.
		b.metrics.renewals.Inc()
		if p, err = b.read(ctx, f.room, 0, q.at.Epoch); err != nil {
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

// check makes every open feed compare itself with its history now and then:
// the last message before a silence can be lost too.
func (b *Redis) check(ctx context.Context) {
	ticker := time.NewTicker(b.checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, f := range b.all() {
			if !f.question().first {
				b.ask(f)
			}
		}
	}
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
