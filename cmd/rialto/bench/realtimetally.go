package bench

import (
	"bytes"
	"slices"
	"time"
)

const (
	// checkEvery is of how many events one is looked at whole.
	checkEvery = 16
	// maxDelivered bounds the times that are kept of one window; those after it are counted and not timed.
	maxDelivered = 1 << 21
)

// ledger is what a crowd has been told: whether each of it has each lossless event once and in order, and how late.
type ledger struct {
	next   []uint32           // of each client: the number of the lossless event that comes next
	values [][keysMost]uint32 // of each client: the newest of each key; nil unless there are keys
	joined int
	base   hubDone // what had been said before those came who join now

	messages  int64 // whatever they were
	events    int64 // in them
	sized     int64 // messages that are one event
	sizes     int64 // and their bytes
	missing   int64 // numbers that were passed over
	wrong     int64 // events that are not what was said, that came twice, or older than what was there
	checked   int64
	joins     int64 // snapshots after the first
	lacks     int64 // events that never came, once that is known
	delivered []time.Duration
}

func newLedger(clients int, keyed bool) *ledger {
	t := &ledger{next: make([]uint32, clients), delivered: make([]time.Duration, 0, min(maxDelivered, clients*64))}
	if keyed {
		t.values = make([][keysMost]uint32, clients)
	}
	return t
}

var joinedMark = []byte(`{"t":"joined"`)

// take fits frames.Config.Take.
func (t *ledger) take(client int, text []byte, at time.Duration) {
	if bytes.HasPrefix(text, joinedMark) {
		t.join(client)
		return
	}
	t.messages++
	check := (int64(client)+t.messages)%checkEvery == 0
	for rest, first := text, true; ; first = false {
		e, after, whole, ok := nextEvent(rest, check)
		if !whole {
			t.wrong++
		}
		if !ok {
			return
		}
		if check {
			t.checked++
		}
		if first && e.key == losslessKey {
			t.sized++
			t.sizes += int64(len(text))
		}
		t.event(client, e, at)
		rest = after
	}
}

func (t *ledger) event(client int, e event, at time.Duration) {
	t.events++
	if len(t.delivered) < maxDelivered {
		t.delivered = append(t.delivered, at-e.at)
	}
	if e.key != losslessKey {
		t.value(client, e)
		return
	}
	switch next := &t.next[client]; {
	case e.n == *next:
		*next = e.n + 1
	case e.n > *next:
		t.missing += int64(e.n - *next)
		*next = e.n + 1
	default:
		t.wrong++
	}
}

func (t *ledger) value(client int, e event) {
	if t.values == nil || e.key >= keysMost || e.n <= t.values[client][e.key] {
		t.wrong++
		return
	}
	t.values[client][e.key] = e.n
}

// join is the beginning of a client, or a snapshot in the middle, which says that it was too slow.
func (t *ledger) join(client int) {
	if t.next[client] != 0 {
		t.joins++
		return
	}
	t.next[client] = t.base.Lossless + 1
	if t.values != nil {
		t.values[client] = t.base.Keys
	}
	t.joined++
}

// start forgets what was counted, but not where each client is.
func (t *ledger) start() {
	t.messages, t.events, t.sized, t.sizes, t.checked, t.delivered = 0, 0, 0, 0, 0, t.delivered[:0]
}

// behind is how many clients lack something of what was said.
func (t *ledger) behind(said hubDone) (n int) {
	for i, next := range t.next {
		lacks := next != said.Lossless+1
		if t.values != nil {
			lacks = lacks || t.values[i] != said.Keys
		}
		if lacks {
			n++
		}
	}
	return n
}

// lost is how many events have not come, with those that were passed over.
func (t *ledger) lost(said hubDone) int64 {
	n := t.missing
	for i, next := range t.next {
		n += max(int64(said.Lossless)+1-int64(next), 0)
		if t.values != nil && t.values[i] != said.Keys {
			for k, last := range said.Keys {
				if t.values[i][k] != last {
					n++
				}
			}
		}
	}
	return n
}

// sorted is the times of delivery in the order of size.
func (t *ledger) sorted() []time.Duration {
	s := slices.Clone(t.delivered)
	slices.Sort(s)
	return s
}
