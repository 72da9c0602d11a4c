package chat

import (
	"container/list"
	"slices"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// Who may be heard once more.

const (
	// LineBurst is how many lines an author may write at once; then one per
	// LineEvery.
	LineBurst = 5
	LineEvery = 2 * time.Second
	// HeartBurst and HeartEvery are the same for hearts.
	HeartBurst = 60
	HeartEvery = 50 * time.Millisecond
	// RoomWindow is the time in which a room takes RoomLines lines from one
	// node. Of these, RoomReserved are for host, moderators and buyers alone.
	RoomWindow   = 200 * time.Millisecond
	RoomLines    = int(realtime.SampledPerSecond * RoomWindow / time.Second)
	RoomReserved = RoomLines / 2
	// MaxAuthors and MaxRooms are how many are remembered.
	MaxAuthors = 1 << 16
	MaxRooms   = 1 << 13
)

type pace struct {
	burst int64
	every time.Duration
}

var (
	linePace  = pace{LineBurst, LineEvery}
	heartPace = pace{HeartBurst, HeartEvery}
)

// bucket lets a burst through and then a pace. full is when it is as good as
// new again.
type bucket struct{ full time.Time }

// take takes one, or says how long it takes until there is one.
func (b *bucket) take(now time.Time, p pace) (wait time.Duration) {
	if b.takeSome(now, 1, p) == 1 {
		return 0
	}
	return b.full.Sub(now) - time.Duration(p.burst-1)*p.every
}

// takeSome takes up to n.
func (b *bucket) takeSome(now time.Time, n int64, p pace) int64 {
	if b.full.Before(now) {
		b.full = now
	}
	there := int64((time.Duration(p.burst)*p.every - b.full.Sub(now)) / p.every)
	n = max(0, min(n, there))
	b.full = b.full.Add(time.Duration(n) * p.every)
	return n
}

func (b *bucket) giveBack(p pace) { b.full = b.full.Add(-p.every) }

// author is what is remembered of somebody who wrote.
type author struct {
	lines, hearts bucket
	last          []string // the ids of the newest lines, at most LineBurst
	saying        []string // the ids of lines that are being cast; each of them has cost a line
}

func (a *author) hasSaid(id string) bool { return slices.Contains(a.last, id) }

func (a *author) said(id string) {
	if a.last = append(a.last, id); len(a.last) > LineBurst {
		a.last = slices.Delete(a.last, 0, 1)
	}
}

// quota is what a room takes in one window.
type quota struct {
	start      time.Time
	all, plain int
}

// take takes a line, or says when the next window begins.
func (q *quota) take(now time.Time, reserved bool) (wait time.Duration) {
	if age := now.Sub(q.start); age >= RoomWindow || age < 0 {
		*q = quota{start: now}
	}
	if q.all == RoomLines || !reserved && q.plain == RoomLines-RoomReserved {
		return max(q.start.Add(RoomWindow).Sub(now), time.Millisecond)
	}
	q.all++
	if !reserved {
		q.plain++
	}
	return 0
}

// recent is a map that forgets what was used longest ago when it is full.
type recent[K comparable, V any] struct {
	most  int
	known map[K]*list.Element
	order *list.List // of used[K, V], newest first
}

type used[K comparable, V any] struct {
	key   K
	value V
}

func newRecent[K comparable, V any](most int) *recent[K, V] {
	return &recent[K, V]{most: most, known: map[K]*list.Element{}, order: list.New()}
}

func (r *recent[K, V]) get(key K, fresh func() V) V {
	if e, ok := r.known[key]; ok {
		r.order.MoveToFront(e)
		return e.Value.(used[K, V]).value
	}
	if len(r.known) == r.most {
		oldest := r.order.Back()
		delete(r.known, r.order.Remove(oldest).(used[K, V]).key)
	}
	value := fresh()
	r.known[key] = r.order.PushFront(used[K, V]{key, value})
	return value
}
