package media

import (
	"context"
	"sync"
)

// announcer tells the outside which streams are on air, in order per stream and away from the media path. It
// keeps the latest state of each stream, not a list of changes, so it needs no more memory than there are streams.
type announcer struct {
	tell func(StreamID, bool)
	wake chan struct{}

	mu    sync.Mutex
	queue []StreamID
	want  map[StreamID]bool

	told map[StreamID]bool // owned by run
}

func newAnnouncer(tell func(StreamID, bool)) *announcer {
	return &announcer{
		tell: tell,
		wake: make(chan struct{}, 1),
		want: map[StreamID]bool{},
		told: map[StreamID]bool{},
	}
}

func (a *announcer) set(id StreamID, on bool) {
	a.mu.Lock()
	if _, queued := a.want[id]; !queued {
		a.queue = append(a.queue, id)
	}
	a.want[id] = on
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *announcer) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.wake:
			for a.next() {
			}
		}
	}
}

func (a *announcer) next() bool {
	a.mu.Lock()
	if len(a.queue) == 0 {
		a.mu.Unlock()
		return false
	}
	id := a.queue[0]
	a.queue = a.queue[1:]
	on := a.want[id]
	delete(a.want, id)
	a.mu.Unlock()
	if a.told[id] == on {
		return true
	}
	if on {
		a.told[id] = true
	} else {
		delete(a.told, id)
	}
	a.tell(id, on)
	return true
}
